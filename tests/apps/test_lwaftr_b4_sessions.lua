-- lwaftr.b4: which ports clients get, for how long, what goes when there are none left, hairpins, reloads.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")
local b = require("support_b4")
local nf = require("nf.core")

local s

local function set_up()
  support.memory(3000, 64)
  nf.clock_set(1000000000ULL)
  s = nil
end

local function tear_down()
  if s then s:finish() end
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

local function later(seconds) nf.clock_set(nf.clock_now() + b.ffi.cast("uint64_t", seconds * 1e9)) end

TestPorts = { setUp = set_up, tearDown = tear_down }

-- One port of a client is one port outside, whoever is at the other end; another client's, and another protocol's, is another one.
function TestPorts:testOneMappingForAll()
  s = b.start()
  local port = s:open(b.CLIENT, 1234, 53)
  lu.assertEquals(s:open(b.CLIENT, 1234, 54), port)
  lu.assertEquals((b.ports(s:outer(b.udp(b.CLIENT, 1234, "192.0.2.200", 53)))), port)
  lu.assertNotEquals(s:open(b.OTHER, 1234, 53, b.OTHER_MAC), port)
  lu.assertNotEquals(s:open(b.CLIENT, 1235, 53), port)
  lu.assertEquals({ s:counter("sessions"), s:counter("mappings-udp"), s:counter("mappings-tcp") }, { 5, 3, 0 })
  s:answer(port)
  lu.assertEquals(s.mac, b.CLIENT_MAC)
end

-- A client that has moved gets its packets where it is.
function TestPorts:testClientMoves()
  s = b.start()
  local port = s:open(b.CLIENT, 1234)
  s:open(b.CLIENT, 1234, 53, b.OTHER_MAC)
  s:answer(port)
  lu.assertEquals(s.mac, b.OTHER_MAC)
end

-- All ports of a set, and none besides, in an order that is another one for another seed; well-known ones are left out.
local function all_ports(params, count)
  s = b.start(params)
  local seen, order = {}, {}
  for i = 1, count do
    local port = s:open(b.CLIENT, i)
    lu.assertNil(seen[port])
    seen[port], order[i] = true, port
    s:answer(port)
  end
  local inside, tunnel = s:out(b.udp(b.CLIENT, 60000, b.HOST, 53))
  lu.assertEquals({ #inside, #tunnel, s.app:reason("no-port") }, { 1, 0, 1 })
  lu.assertEquals(inside[1]:sub(21, 22), "\3\13")
  s:finish()
  s = nil
  return seen, order
end

function TestPorts:testPortSets()
  for _, c in ipairs({ { 4, 6, 0, 1024 }, { 5, 10, 4, 60 }, { 0, 6, 0, 1023 }, { 0, 4, 0, 3072 }, { 7, 16, 0, 1 }, { 1, 2, 14, 16128 } }) do
    local psid, length, offset, count = unpack(c)
    local least = psid == 0 and length == 6 and 1 or 0
    local seen = all_ports({ psid = psid, psid_length = length, psid_offset = offset, sessions = 65536 }, count)
    local n = 0
    for port = least, 65535 do
      local low = 16 - length - offset
      local mine = math.floor(port / 2 ^ low) % 2 ^ length == psid and (offset == 0 or port >= 2 ^ (16 - offset))
      if length == 4 or length == 2 then mine = mine and port >= 1024 end
      lu.assertEquals(seen[port] or false, mine, port)
      n = n + (mine and 1 or 0)
    end
    lu.assertEquals(n, count)
  end
end

function TestPorts:testChance()
  local before = nf.random_seed
  nf.random_seed = 1
  local _, one = all_ports({ psid_length = 10 }, 64)
  nf.random_seed = 2
  local _, two = all_ports({ psid_length = 10 }, 64)
  nf.random_seed = before
  lu.assertNotEquals(one, two)
  local sorted = {}
  for i, port in ipairs(one) do sorted[i] = port end
  table.sort(sorted)
  lu.assertNotEquals(one, sorted)
end

-- Four ports: an answered session never goes, one without an answer does.
function TestPorts:testEviction()
  s = b.start({ psid_length = 14, psid = 1024 })
  local ports = {}
  for i = 1, 3 do
    ports[i] = s:open(b.CLIENT, i)
    s:answer(ports[i])
  end
  for i = 4, 20 do
    ports[4] = s:open(b.OTHER, i)
    lu.assertEquals(s:counter("evicted"), i - 4)
  end
  for i = 1, 3 do lu.assertEquals(b.dst(s:answer(ports[i])), b.CLIENT) end
  s:answer(ports[4])
  s:dropped("unsolicited", "tunnelled", b.tcp(b.HOST, 53, b.PUBLIC, ports[4], "S"))
  local inside = s:out(b.udp(b.CLIENT, 77, b.HOST, 53))
  lu.assertEquals(inside[1]:sub(21, 22), "\3\13")
  -- Ports of another protocol are others; a ping has time-outs of its own.
  s:outer(b.tcp(b.CLIENT, 77, b.HOST, 53, "S"))
end

-- The table of sessions is full of half-open ones: each new one displaces one of them, and none that was answered.
function TestPorts:testTableIsFull()
  s = b.start({ sessions = 16, half_open = 4 })
  local port = s:open(b.CLIENT, 1)
  s:answer(port)
  for i = 1, 50 do s:outer(b.udp(b.OTHER, 1000 + i, b.HOST, 53)) end
  lu.assertEquals({ s:counter("sessions"), s:counter("half-open"), s:counter("evicted") }, { 5, 4, 46 })
  lu.assertEquals(s:counter("mappings-udp"), 5)
  s:answer(port)
  for i = 2, 16 do
    local p = s:open(b.CLIENT, i)
    s:answer(p)
  end
  lu.assertEquals(s:counter("sessions"), 16)
  local inside, tunnel = s:out(b.udp(b.CLIENT, 99, b.HOST, 53))
  lu.assertEquals({ #inside, #tunnel, s.app:reason("no-session") }, { 1, 0, 1 })
  lu.assertEquals(inside[1]:sub(21, 22), "\3\13")
  lu.assertEquals(s:counter("mappings-udp"), 16)
end

TestTimes = { setUp = set_up, tearDown = tear_down }

-- Nothing more is there after so much silence, counted from the last packet.
local function ends_after(seconds, port, packet)
  later(seconds - 0.1)
  s:inner(packet(port))
  later(seconds - 0.1)
  s:inner(packet(port))
  later(seconds)
  s:dropped("unsolicited", "tunnelled", packet(port))
  lu.assertEquals({ s:counter("sessions"), s:counter("mappings-udp"), s:counter("mappings-tcp") }, { 0, 0, 0 })
end

function TestTimes:testUdp()
  s = b.start({ timeouts = { udp_opening = "10s", udp = "100s" } })
  local port = s:open(b.CLIENT, 1234)
  later(10)
  s:dropped("unsolicited", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, port))
  port = s:open(b.CLIENT, 1234)
  later(9.9)
  s:answer(port)
  ends_after(100, port, function (p) return b.udp(b.HOST, 53, b.PUBLIC, p) end)
  lu.assertEquals(s:counter("timed-out"), 2)
end

function TestTimes:testEcho()
  s = b.start({ timeouts = { echo = "20s" } })
  local id = b.identifier(s:outer(b.icmp(b.CLIENT, b.HOST, w.echo(7))))
  ends_after(20, id, function (p) return b.icmp(b.HOST, b.PUBLIC, w.reply(p)) end)
end

-- Also without a packet that looks for them.
function TestTimes:testSweep()
  s = b.start({ timeouts = { udp_opening = "10s" } })
  for i = 1, 100 do s:open(b.CLIENT, i) end
  later(10)
  for _ = 1, 2100 do s:tick() end
  lu.assertEquals({ s:counter("sessions"), s:counter("mappings-udp"), s:counter("timed-out") }, { 0, 0, 100 })
end

local TCP = { timeouts = { tcp_opening = "10s", tcp = "1000s", tcp_closing = "20s" } }
local port
local function out(flags) return s:outer(b.tcp(b.CLIENT, 99, b.HOST, 80, flags)) end
local function answer(flags) return s:inner(b.tcp(b.HOST, 80, b.PUBLIC, port, flags)) end
local function is_gone_after(seconds)
  later(seconds - 0.1)
  lu.assertEquals(s:counter("sessions"), 1)
  later(0.2)
  s:dropped("unsolicited", "tunnelled", b.tcp(b.HOST, 80, b.PUBLIC, port, "A"))
end

local function handshake()
  port = b.ports(out("S"))
  answer("SA")
  out("A")
end

function TestTimes:testTcpOpening()
  s = b.start(TCP)
  s:dropped("not-opening", "out", b.tcp(b.CLIENT, 99, b.HOST, 80, "A"))
  s:dropped("not-opening", "out", b.tcp(b.CLIENT, 99, b.HOST, 80, "R"))
  port = b.ports(out("S"))
  is_gone_after(10)
  port = b.ports(out("S"))
  answer("SA")
  lu.assertEquals(s:counter("half-open"), 1)
  is_gone_after(10)
end

function TestTimes:testTcpOpen()
  s = b.start(TCP)
  handshake()
  lu.assertEquals(s:counter("half-open"), 0)
  is_gone_after(1000)
end

function TestTimes:testTcpCloses()
  for _, how in ipairs({ "both", "reset by us", "reset by them" }) do
    s = b.start(TCP)
    handshake()
    if how == "both" then
      out("FA")
      later(500)
      answer("A")
      answer("FA")
    elseif how == "reset by us" then
      out("R")
    else
      answer("R")
    end
    lu.assertEquals(s:counter("half-open"), 1, how)
    is_gone_after(20)
    s:finish()
  end
  s = nil
end

-- A reset that nobody meant: the connection goes on, and is open again.
function TestTimes:testForgedReset()
  s = b.start(TCP)
  handshake()
  answer("R")
  out("A")
  lu.assertEquals(s:counter("half-open"), 0)
  is_gone_after(1000)
end

-- One side has ended its part: the other one may go on for long.
function TestTimes:testHalfClosed()
  s = b.start(TCP)
  handshake()
  out("FA")
  is_gone_after(1000)
end

-- A client that resets and begins anew, with no answer, never has what an open connection has.
function TestTimes:testResetWithoutAnswer()
  s = b.start(TCP)
  port = b.ports(out("S"))
  out("R")
  out("S")
  lu.assertEquals(s:counter("half-open"), 1)
  is_gone_after(10)
end

-- The same ports again after the end.
function TestTimes:testTcpAnew()
  s = b.start(TCP)
  handshake()
  out("FA")
  answer("FA")
  lu.assertEquals(s:counter("half-open"), 1)
  handshake()
  lu.assertEquals(s:counter("half-open"), 0)
  is_gone_after(1000)
end

TestFiltering = { setUp = set_up, tearDown = tear_down }

-- Whoever knows the port may send; a connection from outside may be opened.
function TestFiltering:testEndpoint()
  s = b.start(TCP)
  port = b.ports(out("S"))
  lu.assertEquals(b.dst(s:inner(b.tcp("192.0.2.99", 5, b.PUBLIC, port, "S"))), b.CLIENT)
  lu.assertEquals(s:counter("sessions"), 1)
  s:outer(b.tcp(b.CLIENT, 99, "192.0.2.99", 5, "SA"))
  lu.assertEquals({ s:counter("sessions"), s:counter("half-open") }, { 2, 2 })
  s:inner(b.tcp("192.0.2.99", 5, b.PUBLIC, port, "A"))
  lu.assertEquals(s:counter("half-open"), 1)
  -- Where nobody listens the sender hears so, and no session is made for that.
  s:inner(b.tcp("192.0.2.98", 5, b.PUBLIC, port, "S"))
  s:outer(b.tcp(b.CLIENT, 99, "192.0.2.98", 5, "RA"))
  lu.assertEquals(s:counter("sessions"), 2)
end

function TestFiltering:testSession()
  s = b.start({ filtering = "session" })
  port = s:open(b.CLIENT, 1234)
  for _, p in ipairs({ b.udp("192.0.2.99", 53, b.PUBLIC, port), b.udp(b.HOST, 54, b.PUBLIC, port) }) do s:dropped("unsolicited", "tunnelled", p) end
  s:answer(port)
  port = b.ports(s:outer(b.tcp(b.CLIENT, 99, b.HOST, 80, "S")))
  s:dropped("unsolicited", "tunnelled", b.tcp("192.0.2.99", 5, b.PUBLIC, port, "S"))
  s:dropped("not-opening", "out", b.tcp(b.CLIENT, 99, "192.0.2.99", 5, "RA"))
end

-- What comes in for a port of nobody's session does not keep the port.
function TestFiltering:testNobodyOutsideKeepsAPort()
  s = b.start({ timeouts = { udp_opening = "10s" } })
  port = s:open(b.CLIENT, 1234)
  for _ = 1, 9 do
    later(1)
    s:inner(b.udp("192.0.2.99", 5, b.PUBLIC, port))
  end
  later(1)
  for _ = 1, 2100 do s:tick() end
  s:dropped("unsolicited", "tunnelled", b.udp("192.0.2.99", 5, b.PUBLIC, port))
  lu.assertEquals(s:counter("sessions"), 0)
end

TestHairpins = { setUp = set_up, tearDown = tear_down }

-- Both ends see each other by the public address and their ports of it.
function TestHairpins:testUdp()
  s = b.start()
  local theirs = s:open(b.OTHER, 5000, 53, b.OTHER_MAC)
  local inside, tunnel = s:out(b.udp(b.CLIENT, 1234, b.PUBLIC, theirs, "hello"))
  lu.assertEquals({ #inside, #tunnel }, { 1, 0 })
  lu.assertEquals(s.mac, b.OTHER_MAC)
  local ours = b.ports(inside[1])
  lu.assertEquals(inside[1], b.udp(b.PUBLIC, ours, b.OTHER, 5000, "hello", { ttl = 63 }))
  inside = s:out(b.udp(b.OTHER, 5000, b.PUBLIC, ours, "yes"), b.OTHER_MAC)
  lu.assertEquals(inside, { b.udp(b.PUBLIC, theirs, b.CLIENT, 1234, "yes", { ttl = 63 }) })
  lu.assertEquals(s.mac, b.CLIENT_MAC)
  -- An error about it, too.
  inside = s:out(b.icmp(b.CLIENT, b.PUBLIC, w.icmp(3, 3, "\0\0\0\0", inside[1])))
  lu.assertEquals(inside, { b.icmp(b.PUBLIC, b.OTHER, w.icmp(3, 3, "\0\0\0\0", b.udp(b.OTHER, 5000, b.PUBLIC, ours, "yes", { ttl = 63 })),
    { ttl = 63 }) })
  lu.assertEquals(s:counter("hairpins"), 3)
end

-- Ports of the address that are another B4's, and all without hairpinning, are the lwAFTR's business.
function TestHairpins:testOthers()
  s = b.start()
  s:outer(b.udp(b.CLIENT, 1234, b.PUBLIC, b.LAST + 1))
  s:finish()
  s = b.start({ hairpinning = false })
  local theirs = s:open(b.OTHER, 5000)
  s:outer(b.udp(b.CLIENT, 1234, b.PUBLIC, theirs))
end

function TestHairpins:testNobodyThere()
  s = b.start()
  local p = b.udp(b.CLIENT, 1234, b.PUBLIC, b.FIRST)
  local inside, tunnel = s:out(p)
  lu.assertEquals(#tunnel, 0)
  lu.assertEquals(#inside + s.app:reason("unsolicited"), 1)
end

-- One's own port: the sender is spoken to.
function TestHairpins:testSelf()
  s = b.start()
  port = s:open(b.CLIENT, 1234)
  lu.assertEquals(s:out(b.udp(b.CLIENT, 1234, b.PUBLIC, port, "me")), { b.udp(b.PUBLIC, port, b.CLIENT, 1234, "me", { ttl = 63 }) })
end

TestReload = { setUp = set_up, tearDown = tear_down }

-- Sessions go on, with other time-outs, limits, filters and MTUs; what was learned stays.
function TestReload:testKeeps()
  s = b.start()
  port = s:open(b.CLIENT, 1234)
  s:answer(port)
  s.app:reconfigure(b.params({ timeouts = { udp = "20s" }, half_open = 5, filtering = "session", mtu = 1400, ip = "192.168.1.2" }))
  s:answer(port)
  lu.assertEquals(s:open(b.CLIENT, 1234), port)
  lu.assertEquals({ s:counter("opened"), s:counter("sessions"), s:counter("mtu") }, { 1, 1, 1400 })
  s:dropped("unsolicited", "tunnelled", b.udp("192.0.2.99", 53, b.PUBLIC, port))
  later(20)
  s:dropped("unsolicited", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, port))
end

-- More half-open ones than a new limit allows: one goes for each new one.
function TestReload:testLowerLimit()
  s = b.start()
  for i = 1, 20 do s:open(b.CLIENT, i) end
  s.app:reconfigure(b.params({ half_open = 5 }))
  s:open(b.CLIENT, 21)
  lu.assertEquals({ s:counter("half-open"), s:counter("evicted") }, { 20, 1 })
end

-- With other ports all begins anew.
function TestReload:testForgets()
  for _, o in ipairs({ { psid = 5 }, { psid_length = 7 }, { psid_offset = 1 }, { ipv4 = "198.51.100.3" }, { sessions = 100 } }) do
    s = b.start()
    port = s:open(b.CLIENT, 1234)
    s:answer(port)
    s.app:reconfigure(b.params(o))
    s:tick()
    lu.assertEquals({ s:counter("sessions"), s:counter("mappings-udp") }, { 0, 0 })
    s:outer(b.udp(b.CLIENT, 1234, b.HOST, 53))
    s:finish()
  end
  s = nil
end

os.exit(lu.LuaUnit.run())
