-- bpf: the check of programs, and what each instruction does: interpreted, as native code, and as libpcap's bpf_filter has it.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support_bpf = require("support_bpf")

local op, program, answers = support_bpf.op, support_bpf.program, support_bpf.answers

TestCheck = {}

local RET = op(0x06, 0)

local function check(...)
  local at = ffi.new("uint32_t[1]")
  local wrong = nf.bpf_check(program({ ... }), at)
  return wrong ~= nil and ("%s at %d"):format(ffi.string(wrong), at[0]) or nil
end

function TestCheck:testGoodPrograms()
  lu.assertNil(check(RET))
  lu.assertNil(check(op(0x05, 1), RET, op(0x16, 0)))
  lu.assertNil(check(op(0x15, 1, 1, 0), RET, RET))
  lu.assertNil(check(op(0x02, 15), op(0x60, 15), op(0x34, 1), op(0x64, 31), RET))
end

function TestCheck:testBadPrograms()
  lu.assertEquals(check(), "no instruction at 0")
  lu.assertEquals(check(op(0x15, 0, 0, 0)), "a jump out of the program at 0")
  lu.assertEquals(check(op(0x15, 0, 1, 0), RET), "a jump out of the program at 0")
  lu.assertEquals(check(op(0x15, 0, 0, 1), RET), "a jump out of the program at 0")
  lu.assertEquals(check(op(0x05, 1), RET), "a jump out of the program at 0")
  lu.assertEquals(check(op(0x05, -1), RET), "a jump out of the program at 0")
  lu.assertEquals(check(RET, op(0x00, 1)), "an end that does not return at 1")
  for _, code in ipairs({ 0x02, 0x03, 0x60, 0x61 }) do
    lu.assertEquals(check(op(code, 16), RET), "a memory word that does not exist at 0")
    lu.assertEquals(check(op(code, 0xffffffff), RET), "a memory word that does not exist at 0")
  end
  for _, code in ipairs({ 0x34, 0x94 }) do lu.assertEquals(check(op(code, 0), RET), "a division by zero at 0") end
  for _, code in ipairs({ 0x64, 0x74 }) do lu.assertEquals(check(op(code, 32), RET), "a shift by more than 31 at 0") end
  local many = {}
  for i = 1, nf.BPF_OPS + 1 do many[i] = RET end
  local at = ffi.new("uint32_t[1]")
  lu.assertEquals(ffi.string(nf.bpf_check(program(many), at)), "too many instructions")
end

-- Of all 65,536 codes exactly these are known.
function TestCheck:testCodes()
  local known = {}
  for _, code in ipairs(support_bpf.codes) do known[code] = true end
  for code = 0, 65535 do
    -- A k of 1 is good for all; a jump must find something.
    local wrong = check(op(code, 1), RET, RET)
    lu.assertEquals(wrong, not known[code] and "an unknown instruction at 0" or nil, ("%04x"):format(code))
  end
end

-- Chains of programs: none, and more than there may be.
function TestCheck:testChains()
  local native = ffi.new("struct bpf_native")
  if jit.arch ~= "x64" then lu.skip("no native code on this processor") end
  lu.assertEquals(nf.bpf_native_make(native, nil, 0, true), -22)
  local many = {}
  for i = 1, nf.BPF_OPS do many[i] = op(0x04, i) end
  many[#many] = op(0x16, 0)
  local long = program(many)
  lu.assertNil(nf.bpf_check(long, ffi.new("uint32_t[1]")) ~= nil or nil)
  local three = ffi.new("struct bpf_ops[3]", { { long.op, long.count }, { long.op, long.count }, { long.op, long.count } })
  lu.assertEquals(nf.bpf_native_make(native, three, 3, true), -7)
  lu.assertEquals(nf.bpf_native_make(native, three, 2, true), 0)
  lu.assertEquals(native.match(support_bpf.place(""), 0), nf.bpf_run(long, support_bpf.fence, 0) ~= 0 and 1 or 2)
  nf.bpf_native_free(native)
  lu.assertEquals(nf.bpf_native_make(native, long, 1, false), 0)
  lu.assertEquals(native.match(support_bpf.fence, 0), nf.bpf_run(long, support_bpf.fence, 0))
  nf.bpf_native_free(native)
end

TestRun = {}

-- What all three say.
local function same(list, frame)
  local run, native, libpcap = answers(program(list), frame)
  lu.assertEquals(run, libpcap)
  lu.assertEquals(native, libpcap)
  return run
end

-- What A is after the instructions, for a frame; nil when they end before.
local function result(frame, ...)
  local list = { ... }
  list[#list + 1] = op(0x16, 0)
  local a = same(list, frame)
  list[#list] = op(0x06, 1)
  return same(list, frame) == 1 and a or nil
end

local FRAME = "\1\2\3\4\5\6\7\8\0xF5\255\0\16"
local function load_a(k) return op(0x00, k) end
local function load_x(k) return op(0x01, k) end

function TestRun:testLoads()
  lu.assertEquals(result(FRAME, op(0x20, 0)), 0x01020304)
  lu.assertEquals(result(FRAME, op(0x28, 1)), 0x0203)
  lu.assertEquals(result(FRAME, op(0x30, 2)), 3)
  lu.assertEquals(result(FRAME, load_x(2), op(0x40, 1)), 0x04050607)
  lu.assertEquals(result(FRAME, load_x(2), op(0x48, 1)), 0x0405)
  lu.assertEquals(result(FRAME, load_x(2), op(0x50, 1)), 4)
  lu.assertEquals(result(FRAME, op(0x80, 0)), #FRAME)
  lu.assertEquals(result(FRAME, op(0x81, 0), op(0x87, 0)), #FRAME)
  lu.assertEquals(result(FRAME, op(0xb1, 3), op(0x87, 0)), 16)
  lu.assertEquals(result(FRAME, op(0xb1, 0), op(0xb1, 4), op(0x87, 0)), 20)
end

-- The last byte that is there, and the first that is not.
function TestRun:testLoadsAtTheEnd()
  for size, codes in pairs({ [4] = { 0x20, 0x40 }, [2] = { 0x28, 0x48 }, [1] = { 0x30, 0x50 } }) do
    for length = 0, 300, 7 do
      local frame = ("\1"):rep(length)
      for extra = -2, 2 do
        local k = length - size + extra
        if k >= 0 then
          lu.assertEquals(result(frame, op(codes[1], k)) ~= nil, extra <= 0)
          lu.assertEquals(result(frame, load_x(k), op(codes[2], 0)) ~= nil, extra <= 0)
          lu.assertEquals(result(frame, load_x(math.floor(k / 2)), op(codes[2], math.ceil(k / 2))) ~= nil, extra <= 0)
          if size == 1 then lu.assertEquals(result(frame, op(0xb1, k)) ~= nil, extra <= 0) end
        end
      end
    end
  end
end

function TestRun:testLoadsFarOutside()
  for _, code in ipairs({ 0x20, 0x28, 0x30, 0xb1 }) do
    for _, k in ipairs({ 0x7ffffff0, 0x7fffffff, 0x80000000, 0xfffff000, 0xfffffffe, 0xffffffff }) do
      lu.assertNil(result(FRAME, op(code, k)))
    end
  end
  -- X + k does not wrap round.
  for _, code in ipairs({ 0x40, 0x48, 0x50 }) do
    for _, k in ipairs({ 0, 1, 2, 0x7ffffff7, 0x7fffffff, 0x80000000, 0xffffffff }) do
      for _, x in ipairs({ 0xffffffff, 0xfffffffe, 0x80000000, 0x7fffffff }) do lu.assertNil(result(FRAME, load_x(x), op(code, k))) end
    end
  end
end

function TestRun:testArithmetic()
  local values = { 0, 1, 2, 3, 7, 31, 32, 33, 127, 128, 255, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff }
  for _, operation in ipairs({ 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0 }) do
    local divides, shifts = operation == 0x30 or operation == 0x90, operation == 0x60 or operation == 0x70
    for _, a in ipairs(values) do
      for _, b in ipairs(values) do
        local with_x = result(FRAME, load_a(a), load_x(b), op(0x0c + operation, 0))
        lu.assertEquals(with_x == nil, divides and b == 0)
        if not (divides and b == 0) and not (shifts and b > 31) then
          lu.assertEquals(result(FRAME, load_a(a), op(0x04 + operation, b)), with_x)
        elseif shifts then
          lu.assertEquals(with_x, 0)
        end
      end
    end
  end
  lu.assertEquals(result(FRAME, load_a(100), op(0x34, 7)), 14)
  lu.assertEquals(result(FRAME, load_a(100), op(0x94, 7)), 2)
  lu.assertEquals(result(FRAME, load_a(100), op(0x34, 8)), 12)
  lu.assertEquals(result(FRAME, load_a(100), op(0x94, 8)), 4)
  lu.assertEquals(result(FRAME, load_a(5), op(0x84, 0)), 2 ^ 32 - 5)
  lu.assertEquals(result(FRAME, load_a(3), op(0x14, 5)), 2 ^ 32 - 2)
end

function TestRun:testMemory()
  for word = 0, 15 do
    lu.assertEquals(result(FRAME, load_a(7), op(0x02, word), load_a(0), op(0x60, word)), 7)
    lu.assertEquals(result(FRAME, load_x(8), op(0x03, word), op(0x61, word), op(0x87, 0)), 8)
  end
end

-- Registers and memory begin as 0, for libpcap's registers only.
function TestRun:testBegin()
  lu.assertEquals(result(FRAME), 0)
  lu.assertEquals(result(FRAME, op(0x87, 0)), 0)
  local run, native = answers(program({ op(0x60, 3), op(0x04, 1), op(0x16, 0) }), FRAME)
  lu.assertEquals({ run, native }, { 1, 1 })
  run, native = answers(program({ op(0x61, 15), op(0x87, 0), op(0x04, 1), op(0x16, 0) }), FRAME)
  lu.assertEquals({ run, native }, { 1, 1 })
end

function TestRun:testJumps()
  local values = { 0, 1, 5, 0x7f, 0x80, 0xff, 0x100, 0x7fffffff, 0x80000000, 0xffffffff }
  for _, code in ipairs({ 0x15, 0x25, 0x35, 0x45 }) do
    for _, a in ipairs(values) do
      for _, b in ipairs(values) do
        local with_k = result(FRAME, load_a(a), op(code, b, 1, 0), load_a(10), load_a(20))
        local holds = with_k == result(FRAME, load_a(a), op(code, b, 0, 1), load_a(10), load_a(20))
        lu.assertTrue(holds)          -- both ways end in the same last load; what differs is tested below
        local yes = result(FRAME, load_a(a), op(code, b, 1, 0), op(0x05, 1), op(0x05, 2), load_a(10), op(0x05, 1), load_a(20))
        local with_x = result(FRAME, load_a(a), load_x(b), op(code + 8, 0, 1, 0), op(0x05, 1), op(0x05, 2), load_a(10), op(0x05, 1),
          load_a(20))
        lu.assertEquals(with_x, yes)
      end
    end
  end
  lu.assertEquals(result(FRAME, load_a(1), op(0x05, 1), load_a(2), op(0x04, 4)), 5)
end

-- Jumps so far that the short form is not enough, both conditional and not.
function TestRun:testLongJumps()
  for _, n in ipairs({ 20, 40, 200, 255 }) do
    local list = { op(0x30, 0), op(0x15, 1, n, 0) }
    for i = 1, n do list[#list + 1] = op(0x04, i * 1000) end
    lu.assertEquals(result(FRAME, unpack(list)), 1)
    list = { op(0x30, 0), op(0x05, n) }
    for i = 1, n do list[#list + 1] = op(0x04, i * 1000) end
    lu.assertEquals(result(FRAME, unpack(list)), 1)
  end
end

-- A number that stays as it lies in the frame is compared with turned constants.
function TestRun:testComparisonsOfLoads()
  for _, size in ipairs({ { 0x20, 0x01020304 }, { 0x28, 0x0102 }, { 0x30, 0x01 } }) do
    local load, value = op(size[1], 0), size[2]
    for _, k in ipairs({ value, value + 1, value + 0x10000, value + 0x1000000, 0, 0x0201, 0x04030201 }) do
      for _, code in ipairs({ 0x15, 0x45, 0x25, 0x35 }) do
        result(FRAME, load, op(code, k, 0, 1), load_a(7), op(0x04, 1))
        result(FRAME, load, op(0x54, 0xff0fff0f), op(code, k, 0, 1), load_a(7), op(0x04, 1))
        -- One way needs the number, the other does not.
        result(FRAME, load, op(code, k, 0, 1), op(0x02, 0), op(0x15, value, 0, 1), op(0x04, 5))
      end
    end
  end
  -- Loads of different sizes that meet.
  lu.assertEquals(result(FRAME, op(0x30, 0), op(0x15, 1, 0, 2), op(0x20, 0), op(0x05, 1), op(0x28, 0), op(0x15, 0x01020304, 0, 1),
    load_a(9)), 9)
end

os.exit(lu.LuaUnit.run())
