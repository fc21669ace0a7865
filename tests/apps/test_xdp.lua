-- xdp.xdp in this process, on both ends of a veth pair: every byte, every reason, packet memory to the last buffer. Needs root.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local DOWN, TOO_LONG, TOO_SHORT, GSO, METADATA = 0, 1, 2, 3, 4
local COPIED, LOST, REOPENED = 0, 7, 8
local namespace, one, other

TestXdpApp = {}

-- An instance on one end, not started.
local function make(interface, more)
  local params = { interface = interface, namespace = namespace }
  for key, value in pairs(more or {}) do params[key] = value end
  local app, messages = support.new("xdp.xdp", params)
  assert(app, messages and table.concat(messages, "\n"))
  return app
end

function TestXdpApp:setUp()
  if not netdev.can_xdp() then lu.skip("needs root, network namespaces and XDP sockets") end
  netdev.memory()
  nf.clock_set_real()
  namespace = netdev.namespace("x")
  netdev.wire(namespace, "xa", "xb")
end

function TestXdpApp:tearDown()
  for _, app in ipairs({ one or false, other or false }) do
    if app then support.finish(app) end
  end
  one, other = nil, nil
  netdev.unserve()
  netdev.clean()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- One on each end, with buffers posted.
local function pair(more)
  local first, second = make("xa", more), make("xb", more)
  netdev.serve(first, second)
  one = assert(netdev.start(first))
  other = assert(netdev.start(second))
  support.pull(one)
  support.pull(other)
end

-- Send frames from one end; what has come out of the other.
local function carry(list, seconds)
  for _, frame in ipairs(list) do nf.link_send(one.input[0], support.packet(frame)) end
  local got = {}
  netdev.run({ one, other }, function ()
    for _, frame in ipairs(support.receive(other.output[0])) do
      if frame:sub(13, 14) == "\x88\xb5" then got[#got + 1] = frame end
    end
    return #got >= #list
  end, seconds)
  return got
end

function TestXdpApp:testEveryLengthArrivesAsItWas()
  pair()
  local list = {}
  for length = 14, 1514, 37 do list[#list + 1] = frames.ethernet(frames.random(length - 14)) end
  list[#list + 1] = frames.ethernet(frames.random(1500))
  lu.assertEquals(carry(list), list)
  lu.assertTrue(one.sent >= #list)
  for _ = 1, 20 do lu.assertEquals(#carry(list), #list) end
  netdev.assertLedger(one, one.class.held(one))
  lu.assertTrue(other.class.posted(other) > 1900)
end

function TestXdpApp:testSmallRings()
  pair({ rx_ring = 64, tx_ring = 64 })
  local list = {}
  for i = 1, 200 do list[i] = frames.ethernet(("%05d"):format(i):rep(20)) end
  for first = 1, 200, 20 do
    local part = {}
    for i = first, first + 19 do part[#part + 1] = list[i] end
    lu.assertEquals(carry(part), part)
  end
  lu.assertTrue(other.class.posted(other) <= 64)
end

function TestXdpApp:testWhatIsNoFrameIsDroppedUnderItsReason()
  pair()
  local function send(size, length, change)
    local p = nf.packet_alloc_size(size)
    ffi.fill(p.data, length, 2)
    p.length = length
    if change then change(p) end
    nf.link_send(one.input[0], p)
  end
  send("PACKET_STANDARD", 13)
  send("PACKET_JUMBO", 2100)
  send("PACKET_STANDARD", 60, function (p) p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = 1, 59, 16 end)
  send("PACKET_STANDARD", 60, function (p) p.meta.gso, p.meta.gso_bytes = 1, 1000 end)
  local good = frames.ethernet(("good"):rep(20))
  lu.assertEquals(carry({ good }), { good })
  lu.assertEquals({ one.reason[TOO_SHORT], one.reason[TOO_LONG], one.reason[METADATA], one.reason[GSO] }, { 1ULL, 1ULL, 1ULL, 1ULL })
  netdev.assertLedger(one, one.class.held(one))
end

function TestXdpApp:testPacketsOfOtherMemoryAreCopied()
  pair()
  local payload = frames.random(1000)
  local p = nf.packet_alloc_size("PACKET_JUMBO")
  assert(nf.packet_set(p, frames.ethernet(payload), 1014))
  nf.link_send(one.input[0], p)
  local got = {}
  lu.assertTrue(netdev.run({ one, other }, function ()
    for _, frame in ipairs(support.receive(other.output[0])) do
      if frame == frames.ethernet(payload) then got[1] = frame end
    end
    return got[1] ~= nil
  end))
  lu.assertEquals(one.counter[COPIED], 1ULL)
end

function TestXdpApp:testUnfinishedChecksumsAndTagsAreFinished()
  pair()
  local p = support.packet(frames.ethernet(("t"):rep(50)))
  p.meta.flags, p.meta.vlan = 4, 5                      -- PACKET_VLAN
  nf.link_send(one.input[0], p)
  local wanted = frames.ethernet(("t"):rep(50), "\x81\0\0\5")
  lu.assertTrue(netdev.run({ one, other }, function ()
    for _, frame in ipairs(support.receive(other.output[0])) do
      if frame == wanted then return true end
    end
    return false
  end))
end

function TestXdpApp:testAnInterfaceThatGoesIsMissedAndFoundAgain()
  pair()
  netdev.within(namespace, "ip link del xa")
  lu.assertTrue(netdev.run({ one, other }, function () return one.down and other.down end))
  nf.link_send(one.input[0], support.packet(frames.ethernet("gone")))
  support.push(one)
  lu.assertEquals(one.reason[DOWN], 1ULL)
  lu.assertTrue(netdev.run({ one, other }, function () return one.class.posted(one) == 0 end))
  netdev.wire(namespace, "xa", "xb")
  lu.assertTrue(netdev.run({ one, other }, function () return not one.down and not other.down end))
  lu.assertEquals({ one.counter[LOST], one.counter[REOPENED] }, { 1ULL, 1ULL })
  support.pull(one)
  support.pull(other)
  local good = frames.ethernet(("back"):rep(20))
  lu.assertEquals(carry({ good }), { good })
end

-- Somebody else's program: nf says so, and takes nothing over.
function TestXdpApp:testAForeignProgramIsLeftAlone()
  local script = os.tmpname()
  support.write(script, [[
    local ffi = require("ffi")
    ffi.cdef("struct insn { uint8_t code, registers; int16_t off; int32_t imm; };" ..
      "int bpf_prog_load(int, const char *, const char *, const struct insn *, size_t, const void *);" ..
      "int bpf_xdp_attach(int, int, uint32_t, const void *); unsigned if_nametoindex(const char *);")
    local insn = ffi.new("struct insn[2]", { { 0xb7, 0, 0, 2 }, { 0x95, 0, 0, 0 } })
    local fd = ffi.C.bpf_prog_load(6, "foreign", "GPL", insn, 2, nil)
    assert(ffi.C.bpf_xdp_attach(ffi.C.if_nametoindex("xa"), fd, 0, nil) == 0)
  ]])
  local text, code = support.run(("ip netns exec %s %s lua %s"):format(namespace, support.nf, script))
  os.remove(script)
  lu.assertEquals(code, 0, text)
  local app = make("xa")
  netdev.serve(app)
  lu.assertTrue(nf.resource_open("xdp:xa@" .. namespace) < 0)
  lu.assertStrMatches(ffi.string(nf.nf_error()), "app '[^']*': the interface 'xa' has an XDP program already %(number %d+%), of another nf or " ..
    "of somebody else; 'ip link set dev xa xdp off' takes off one that nobody holds")
  lu.assertStrContains(netdev.within(namespace, "ip link show xa"), "prog/xdp")
  netdev.within(namespace, "ip link set dev xa xdp off")
  one = assert(netdev.start(app))
end

os.exit(lu.LuaUnit.run())
