-- Filters are equal to libpcap: random expressions and random programs against random and real frames, cut at every length; native
-- code, the interpreter and libpcap's bpf_filter must say the same. NF_SEED=N chooses others, NF_SECONDS=N goes on for so long.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local support_bpf = require("support_bpf")
local support_expression = require("support_expression")

ffi.cdef([[
struct bpf_program { unsigned count; void *op; };
typedef struct pcap pcap_t;
pcap_t *pcap_open_dead(int link_type, int snaplen);
int pcap_compile(pcap_t *pcap, struct bpf_program *program, const char *text, int optimize, unsigned netmask);
void pcap_freecode(struct bpf_program *program);
void pcap_close(pcap_t *pcap);
]])

local EXPRESSIONS, PROGRAMS, MUTATIONS, PAIRS = 20000, 20000, 2, 1000000
local FRAMES, CHAIN = 80, 6             -- frames that each expression sees; expressions in a chain
local seed = tonumber(os.getenv("NF_SEED")) or 1
local seconds = tonumber(os.getenv("NF_SECONDS")) or 0
local is_native = jit.arch == "x64"
math.randomseed(seed)

local pcap = ffi.C.pcap_open_dead(1, 262144)
local filter_type = ffi.typeof("const struct bpf_insn *")

-- Each frame in front of a fence of its own, so that a step outside is death.
local function fenced(frame)
  local memory = ffi.cast("uint8_t *", ffi.C.mmap(nil, 8192, 3, 0x22, -1, 0))
  assert(ffi.C.mprotect(memory + 4096, 4096, 0) == 0)
  local data = memory + 4096 - #frame
  ffi.copy(data, frame, #frame)
  return data
end

-- Frames of a capture, at most `most` bytes long.
local function real_frames(path, most)
  local text, list, at = support.read(path), {}, 25
  local u32 = function(i) return ffi.cast("const uint32_t *", ffi.cast("const char *", text) + i - 1)[0] end
  assert(u32(1) == 0xa1b2c3d4 or u32(1) == 0xa1b23c4d, "no capture in this machine's order of bytes")
  while at + 16 <= #text do
    local length = u32(at + 8)
    if length <= most then list[#list + 1] = text:sub(at + 16, at + 15 + length) end
    at = at + 16 + length
  end
  return list
end

local frames = real_frames("examples/demo.pcap", 200)
while #frames > 60 do table.remove(frames, math.random(#frames)) end
local real = #frames
for _ = 1, 300 do frames[#frames + 1] = support_expression.frame() end
local place, length = ffi.new("uint8_t *[?]", #frames), ffi.new("uint32_t[?]", #frames)
for i, frame in ipairs(frames) do place[i - 1], length[i - 1] = fenced(frame), #frame end

local pairs_seen, matches = 0, 0
local what                              -- is being tested: an expression, or a list of instructions

local function hex(data, n) return (ffi.string(data, n):gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- A program that is tested, for a message.
local function describe()
  if type(what) == "string" then return what end
  local text = {}
  for i, op in ipairs(what) do text[i] = ("{ 0x%02x, %d, %d, %.0f }"):format(op.code, op.jt, op.jf, op.k) end
  return "program " .. table.concat(text, ", ")
end

local function differs(data, n, run, native, libpcap)
  error(("seed %d: %s\nframe of %d bytes: %s\ninterpreter %.0f, native %.0f, libpcap %.0f"):format(seed, describe(), n, hex(data, n), run, native,
    libpcap), 0)
end

-- What all three say of a frame. The function of a machine without native code is the interpreter's.
local function compare(program, match, insns, data, n)
  local libpcap = ffi.C.bpf_filter(insns, data, n, n)
  local run = nf.bpf_run(program, data, n)
  local native = match ~= nil and match(data, n) or run
  if run ~= libpcap or native ~= libpcap then differs(data, n, run, native, libpcap) end
  return libpcap ~= 0 and 1 or 0
end

local fence = support_bpf.fence

-- A program as libpcap is to run it. What memory is before it is written, libpcap leaves to chance, and some expressions (with
-- `geneve`) read it: then the program begins with stores of 0, as if it had been compiled so.
local CLEAR = ffi.new("struct bpf_op[16]")
for word = 0, 15 do CLEAR[word].code, CLEAR[word].k = 0x02, word end

local function for_libpcap(program)
  for i = 0, program.count - 1 do
    if program.op[i].code == 0x60 or program.op[i].code == 0x61 then
      local ops = ffi.new("struct bpf_op[?]", 16 + program.count)
      ffi.copy(ops, CLEAR, ffi.sizeof(CLEAR))
      ffi.copy(ops + 16, program.op, program.count * ffi.sizeof("struct bpf_op"))
      return ffi.cast(filter_type, ops), ops
    end
  end
  return ffi.cast(filter_type, program.op)
end

-- Some frames as they are, one of them cut at every length.
local function compare_frames(program, match, insns)
  local first, found = math.random(0, #frames - 1), 0
  for i = first, first + FRAMES - 1 do
    local j = i % #frames
    found = found + compare(program, match, insns, place[j], length[j])
  end
  local data = place[first]
  for n = 0, length[first] - 1 do
    ffi.copy(fence - n, data, n)
    found = found + compare(program, match, insns, fence - n, n)
  end
  pairs_seen = pairs_seen + FRAMES + length[first]
  matches = matches + found
end

local native = ffi.new("struct bpf_native")

local function make(programs, count, numbers)
  if not is_native then return nil end
  assert(nf.bpf_native_make(native, programs, count, numbers) == 0)
  return native.match
end

local at = ffi.new("uint32_t[1]")

local function compare_program(program)
  local wrong = nf.bpf_check(program, at)
  if wrong ~= nil then error(("seed %d: %s: %s at %d"):format(seed, describe(), ffi.string(wrong), at[0]), 0) end
  local insns, keep = for_libpcap(program)
  compare_frames(program, make(program, 1, false), insns)
  nf.bpf_native_free(native)
  return insns, keep
end

-- Several programs in one: the number of the first that matches.
local chain, chain_insns, chain_count = ffi.new("struct bpf_ops[?]", CHAIN), {}, 0

local function first_of(data, n)
  for i = 0, chain_count - 1 do
    if ffi.C.bpf_filter(chain_insns[i][1], data, n, n) ~= 0 then return i + 1 end
  end
  return 0
end

local function compare_chain()
  local match = make(chain, chain_count, true)
  local start = math.random(0, #frames - 1)
  for i = start, match ~= nil and start + FRAMES - 1 or 0 do
    local j = i % #frames
    local expected, got = first_of(place[j], length[j]), match(place[j], length[j])
    if got ~= expected then
      error(("seed %d: chain up to %s\nframe: %s\n%d instead of %d"):format(seed, what, hex(place[j], length[j]), got, expected), 0)
    end
  end
  pairs_seen = pairs_seen + FRAMES
  nf.bpf_native_free(native)
end

local compiled = ffi.new("struct bpf_program[?]", CHAIN)

local function end_chain()
  compare_chain()
  for i = 0, chain_count - 1 do ffi.C.pcap_freecode(compiled + i) end
  chain_count = 0
end

local JUMPS = { [0x05] = true }
for _, operation in ipairs({ 0x10, 0x20, 0x30, 0x40 }) do JUMPS[0x05 + operation], JUMPS[0x0d + operation] = true, true end
local K = { 0, 1, 2, 3, 4, 6, 12, 14, 20, 23, 26, 31, 0x7f, 0x80, 0xff, 0x800, 0x86dd, 0xffff, 0x10000, 0x7ffffff6, 0x7ffffff7, 0x7fffffff, 0x80000000,
  0xfffff000, 0xffffffff }

-- A constant that the instruction accepts, mostly one with which the program goes on.
local function constant(code)
  if code == 0x02 or code == 0x03 or code == 0x60 or code == 0x61 then return math.random(0, 15) end
  if code == 0x64 or code == 0x74 then return math.random(0, 31) end
  if code == 0x34 or code == 0x94 then return math.random(2) == 1 and 2 ^ math.random(0, 31) or math.random(1, 1000) end
  local kind, mode = math.random(20), math.floor(code / 32) % 8
  if code % 8 < 2 and mode > 0 and mode < 6 and kind > 1 then return math.random(0, 40) end
  if kind < 8 then return K[math.random(#K)] end
  return kind < 15 and math.random(0, 64) or math.random(0, 0xffff) * 0x10000 + math.random(0, 0xffff)
end

local mutations, changed_ops = 0, {}   -- the instructions must outlive what points to them

-- What libpcap would not make: change some instructions of an expression's program.
local function compare_mutation(program, text)
  local ops = ffi.new("struct bpf_op[?]", program.count)
  changed_ops[1] = ops
  ffi.copy(ops, program.op, program.count * ffi.sizeof("struct bpf_op"))
  local changed = ffi.new("struct bpf_ops", changed_ops[1], program.count)
  for _ = 1, math.random(3) do
    local op, kind = ops[math.random(0, program.count - 1)], math.random(4)
    if kind == 1 then
      op.jt, op.jf = op.jf, op.jt
    elseif kind == 2 and not JUMPS[op.code] then
      op.code = support_bpf.codes[math.random(#support_bpf.codes)]
    else
      op.k = JUMPS[op.code] and math.random(0, 100) or constant(op.code)
    end
  end
  if nf.bpf_check(changed, at) ~= nil then return end
  what = "changed program of " .. text
  compare_program(changed)
  mutations = mutations + 1
end

-- Compile and compare one; false when libpcap does not accept it. One that libpcap's optimizer finds to match nothing is tested as
-- it was before.
local function compare_expression(text)
  local made, optimize = compiled + chain_count, math.random(4) > 1 and 1 or 0
  if ffi.C.pcap_compile(pcap, made, text, optimize, 0xffffffff) ~= 0 and
    (optimize == 0 or ffi.C.pcap_compile(pcap, made, text, 0, 0xffffffff) ~= 0) then return false end
  what = ("expression, optimize %d: %s"):format(optimize, text)
  chain[chain_count].op, chain[chain_count].count = ffi.cast("const struct bpf_op *", made.op), made.count
  chain_insns[chain_count] = { compare_program(chain[chain_count]) }
  for _ = 1, MUTATIONS do compare_mutation(chain[chain_count], text) end
  chain_count = chain_count + 1
  if chain_count == CHAIN then end_chain() end
  return true
end

-- A random program of all instructions.
local function random_program()
  local op, list, body = support_bpf.op, {}, math.random(1, 30)
  for i = 1, body do
    local code = support_bpf.codes[math.random(#support_bpf.codes)]
    local left = body - i
    if code % 8 == 6 and math.random(4) > 1 then code = 0x30 end
    if code == 0x05 then
      list[#list + 1] = op(code, math.random(0, math.min(left, 6)))
    elseif JUMPS[code] then
      list[#list + 1] = op(code, constant(code), math.random(0, math.min(left, 6)), math.random(0, math.min(left, 6)))
    else
      list[#list + 1] = op(code, constant(code))
    end
  end
  list[#list + 1] = op(math.random(4) > 1 and 0x16 or 0x06, math.random(0, 2))
  return list
end

TestEqual = {}

function TestEqual:testExpressions()
  local accepted, tried, stop = 0, 0, os.time() + seconds
  while accepted < EXPRESSIONS or os.time() < stop do
    tried = tried + 1
    if compare_expression(support_expression.expression()) then accepted = accepted + 1 end
  end
  if chain_count > 0 then end_chain() end
  if pairs_seen < PAIRS then lu.fail(pairs_seen .. " pairs are not enough") end
  -- Neither does everything match, nor nothing.
  lu.assertTrue(matches > pairs_seen / 20 and matches < pairs_seen * 19 / 20, matches .. " matches")
  print(("seed %d: %d expressions of %d tried, %d changed programs, %d frames (%d real), %d pairs, %d matches"):format(seed, accepted, tried,
    mutations, #frames, real, pairs_seen, matches))
end

function TestEqual:testPrograms()
  local before, matches_before, done, stop = pairs_seen, matches, 0, os.time() + seconds
  while done < PROGRAMS or os.time() < stop do
    local list = random_program()
    what = list
    compare_program(support_bpf.program(list))
    done = done + 1
  end
  lu.assertTrue(matches - matches_before > (pairs_seen - before) / 20)
  print(("%d random programs, %d pairs, %d matches"):format(done, pairs_seen - before, matches - matches_before))
end

local code = lu.LuaUnit.run()
ffi.C.pcap_close(pcap)
os.exit(code)
