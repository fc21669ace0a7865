-- xdp_emit: the XDP programs that filters become decide as the filters do, in the kernel's own machine (BPF_PROG_TEST_RUN), for
-- expressions, for random programs, for frames cut at any length.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local frames = require("support_frames")

ffi.cdef([[
struct bpf_insn { uint8_t code, registers; int16_t off; int32_t imm; };
int xdp_emit(const struct bpf_ops *filter, int map, struct bpf_insn **program);
int bpf_map_create(int type, const char *name, uint32_t key_size, uint32_t value_size, uint32_t max_entries, const void *options);
int bpf_prog_load(int type, const char *name, const char *license, const struct bpf_insn *insn, size_t count, const void *options);
struct test_run { uint32_t program, result, in_bytes, out_bytes; uint64_t in, out; uint32_t repeat, duration; uint32_t context[12]; };
long syscall(long number, ...);
int close(int fd);
int geteuid(void);
void free(void *p);
]])

local BPF, TEST_RUN, XSKMAP, XDP = 321, 10, 17, 6
local PASS, ACCEPTED = 2, 3
local map = ffi.C.geteuid() == 0 and ffi.C.bpf_map_create(XSKMAP, "nf_test", 4, 4, 4, nil) or -1

-- Load what a filter becomes. An accepted frame without a socket goes to the kernel like any other; here it gives ACCEPTED.
local function load(ops)
  local program = ffi.new("struct bpf_insn *[1]")
  local count = ffi.C.xdp_emit(ops, map, program)
  assert(count > 0, ffi.string(nf.nf_error()))
  for i = 0, count - 1 do
    local insn = program[0][i]
    if insn.code == 0xb7 and insn.registers == 3 and insn.imm == PASS then insn.imm = ACCEPTED end
  end
  local fd = ffi.C.bpf_prog_load(XDP, "nf_test", "GPL", program[0], count, nil)
  ffi.C.free(program[0])
  return fd
end

local run = ffi.new("struct test_run")
local function decide(fd, data, length)
  ffi.fill(run, ffi.sizeof(run))
  run.program, run.in_bytes, run["in"] = fd, length, ffi.cast("uint64_t", ffi.cast("uintptr_t", data))
  run["repeat"] = 1
  assert(ffi.C.syscall(ffi.cast("long", BPF), ffi.cast("long", TEST_RUN), run, ffi.cast("long", ffi.sizeof(run))) == 0)
  return run.result
end

local function compare(ops, fd, data, length, what)
  local wanted = nf.bpf_run(ops, data, length) ~= 0 and ACCEPTED or PASS
  if decide(fd, data, length) ~= wanted then
    lu.fail(("%s: %d instead of %d for %d bytes %s"):format(what, run.result, wanted, length,
      ffi.string(data, length):gsub(".", function (c) return ("%02x"):format(c:byte()) end)))
  end
  return wanted == ACCEPTED
end

TestXdpEmit = {}

function TestXdpEmit:setUp()
  if map < 0 then lu.skip("needs root and BPF") end
end

function TestXdpEmit:testWithoutAFilterEveryFrameIsTaken()
  local fd = load(nil)
  lu.assertTrue(fd >= 0)
  lu.assertEquals(decide(fd, ffi.new("uint8_t[60]"), 60), ACCEPTED)
  ffi.C.close(fd)
end

function TestXdpEmit:testExpressionsDecideAsTheirFilters()
  local list = { "", "ip", "arp or ip6", "tcp port 22", "udp portrange 1000-40000", "not tcp", "ip[8] < 64", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "icmp", "ip6 and udp", "ether multicast", "greater 100", "less 61", "vlan 5", "vlan and tcp port 80", "net 10.0.0.0/8 and not host 10.1.1.1",
    "udp[4:2] / 3 > 5", "(ip[2:2] - ((ip[0] & 0xf) << 2)) > 20", "ether[0:4] = 0xffffffff", "ip[1000] = 1", "mpls", "ip proto 17 or tcp",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", "len % 7 = 3" }
  local packets = {}
  for _, payload in ipairs({ "", "GET / HTTP/1.1", ("x"):rep(200) }) do
    for _, make in ipairs({ "tcp", "udp" }) do
      if frames[make] then packets[#packets + 1] = frames[make]({ payload = payload }) end
    end
    packets[#packets + 1] = frames.ethernet(payload .. ("\0"):rep(60))
  end
  for kind = 1, 40 do
    local head = ffi.string(ffi.new("uint8_t[12]", { 2, 0, 0, 0, 0, kind }), 12)
    local types = { "\8\0", "\x86\xdd", "\x81\0\0\5\8\0", "\8\6", "\x88\x47" }
    local protocols = { "\6", "\17", "\1", "\58" }
    local ip = "\x45\0\0\x54\0\0\0\0" .. string.char(kind * 3) .. protocols[kind % 4 + 1] .. "\0\0\10\1\1\1\10\0\0\2"
    packets[#packets + 1] = head .. types[kind % 5 + 1] .. ip .. frames.random(80)
  end
  local taken = 0
  for _, expression in ipairs(list) do
    local ops = ffi.new("struct bpf_ops")
    assert(nf.filter_compile(expression, ops) == 0, expression .. ": " .. ffi.string(nf.nf_error()))
    local fd = load(ops)
    assert(fd >= 0, "the verifier refuses: " .. expression)
    for _, packet in ipairs(packets) do
      local data = ffi.new("uint8_t[?]", #packet, packet)
      for length = 14, #packet, #packet > 60 and 7 or 1 do
        taken = taken + (compare(ops, fd, data, length, expression) and 1 or 0)
      end
      compare(ops, fd, data, #packet, expression)
    end
    ffi.C.close(fd)
    nf.filter_program_free(ops)
  end
  lu.assertTrue(taken > 1000)
end

-- A random program: every kind of instruction, loads anywhere, jumps forward.
local function random_ops(random)
  local n = random(3, 30)
  local ops = ffi.new("struct bpf_op[?]", n)
  local function k() return ({ random(0, 20), random(0, 80), random(0, 70000), random(0, 0x7fffffff) })[random(1, 4)] end
  for i = 0, n - 1 do
    local op, left = ops[i], n - 2 - i
    local kind = random(1, 9)
    if i == n - 1 or (kind == 9 and random(1, 4) == 1) then
      op.code, op.k = random(1, 2) == 1 and 0x16 or 0x06, random(0, 1)
    elseif kind <= 2 then                               -- ld, absolute or relative to X
      op.code, op.k = ({ 0x20, 0x28, 0x30, 0x40, 0x48, 0x50 })[random(1, 6)], random(1, 8) > 1 and random(0, 70) or k()
    elseif kind == 3 then                               -- ld, ldx: constants, length, memory, header length
      op.code = ({ 0x00, 0x80, 0x60, 0x01, 0x81, 0x61, 0xb1 })[random(1, 7)]
      op.k = (op.code == 0x60 or op.code == 0x61) and random(0, 15) or op.code == 0xb1 and random(0, 90) or k()
    elseif kind == 4 then
      op.code, op.k = random(1, 2) == 1 and 0x02 or 0x03, random(0, 15)
    elseif kind <= 6 then                               -- arithmetic
      local what = random(0, 10)
      local by_x = what ~= 8 and random(1, 2) == 1
      op.code, op.k = 0x04 + what * 16 + (by_x and 8 or 0), k()
      if what == 6 or what == 7 then op.k = random(0, 31) elseif op.k == 0 then op.k = 1 end
    elseif kind <= 8 and left >= 0 then
      op.code, op.k = 0x05 + random(1, 4) * 16 + (random(1, 2) == 1 and 8 or 0), k()
      op.jt, op.jf = random(0, math.min(left, 5)), random(0, math.min(left, 5))
    else
      op.code = random(1, 2) == 1 and 0x07 or 0x87
    end
  end
  return ops, n
end

function TestXdpEmit:testRandomProgramsDecideAsTheInterpreter()
  local seed = os.time()
  math.randomseed(seed)
  local run_, refused = 0, 0
  for _ = 1, 400 do
    local op, count = random_ops(math.random)
    local ops = ffi.new("struct bpf_ops", op, count)
    local at = ffi.new("uint32_t[1]")
    local wrong = nf.bpf_check(ops, at)
    if wrong == nil then
      local fd = load(ops)
      if fd < 0 then
        refused = refused + 1                           -- instructions that nothing leads to, which libpcap does not make
      else
        for _ = 1, 12 do
          local length = math.random(14, 120)
          local data = ffi.new("uint8_t[?]", length)
          for i = 0, length - 1 do data[i] = math.random(1, 3) == 1 and 0 or math.random(0, 255) end
          compare(ops, fd, data, length, "seed " .. seed)
        end
        run_ = run_ + 1
        ffi.C.close(fd)
      end
    end
  end
  lu.assertTrue(run_ > 40, ("%d programs ran, %d were refused"):format(run_, refused))
end

function TestXdpEmit:testAFilterOfTooLongJumpsIsRefused()
  local count = 40000
  local op = ffi.new("struct bpf_op[?]", count)
  op[0].code, op[0].jf, op[0].jt = 0x15, 0, 0
  for i = 0, count - 2 do op[i].code, op[i].k = 0x28, 12 end
  op[count - 1].code, op[count - 1].k = 0x06, 1
  local program = ffi.new("struct bpf_insn *[1]")
  lu.assertTrue(ffi.C.xdp_emit(ffi.new("struct bpf_ops", op, count), map, program) < 0)
  lu.assertStrContains(ffi.string(nf.nf_error()), "the filter is too long for XDP: it takes a jump over ")
end

os.exit(lu.LuaUnit.run())
