-- lwaftr.lwaftr: tunnels whose way takes less than our own interface, learned from packets too big (learn_mtu).
local lu = require("luaunit")
local support = require("support")
local nf = require("nf.core")
local w = require("support_lwaftr")

local ROUTER = "2001:db8:99::1"
local app

TestPath = {}

local function start(params)
  nf.clock_set(nf.clock_now() + 1000000000ULL)
  local p = { learn_mtu = true }
  for k, v in pairs(params or {}) do p[k] = v end
  app = w.app({}, p)
  w.left = 0
end

function TestPath:tearDown()
  if not app then return end
  w.check(app)
  support.finish(app)
  app = nil
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

local function packet(dst, port, bytes, df) return w.inward(dst, port, { df = df, payload = w.udp(5000, port, ("x"):rep(bytes - 28)) }) end

-- A router of the way to a B4 says what it takes; the host hears it.
local function too_big(b4, br, inner, mtu) return w.icmpv6(ROUTER, br, 2, 0, w.u32(mtu), w.tunnelled(b4, inner, br)) end
local function tell(mtu) return w.send(app, {}, { too_big(w.A, w.BR, w.ttl(packet(w.WHOLE, 80, 1400, true), 63), mtu) }) end

local function expect4(list, mtu)
  lu.assertEquals(#list, 1)
  lu.assertEquals(list[1]:sub(21, 22) .. list[1]:sub(27, 28), "\3\4" .. w.u16(mtu))
end

-- Packets with DF are refused, others cut, for this tunnel alone.
function TestPath:testLearns()
  start()
  expect4(tell(1400), 1360)
  local out4, out6 = w.send(app, { packet(w.WHOLE, 80, 1361, true) })
  lu.assertEquals(#out6, 0)
  expect4(out4, 1360)
  local fits, long, other = packet(w.WHOLE, 80, 1360, true), packet(w.WHOLE, 80, 1361), packet(w.SHARED, 4096, 1400, true)
  out4, out6 = w.send(app, { fits, other })
  lu.assertEquals({ out4, out6 }, { {}, { w.tunnelled(w.A, w.ttl(fits, 63)), w.tunnelled(w.B, w.ttl(other, 63)) } })
  out4, out6 = w.send(app, { long })
  lu.assertEquals({ #out4, #out6 }, { 0, 2 })
  local whole = w.tunnelled(w.A, w.ttl(long, 63))
  local text = ""
  for i, p in ipairs(out6) do
    lu.assertTrue(#p <= 1400)
    lu.assertEquals({ p:sub(1, 4), p:sub(7, 7), p:sub(8, 40), p:sub(41, 42) }, { whole:sub(1, 4), "\44", whole:sub(8, 40), "\4\0" })
    lu.assertEquals({ p:byte(5) * 256 + p:byte(6), p:byte(43) * 256 + p:byte(44) }, { #p - 40, #text + (i == 1 and 1 or 0) })
    lu.assertEquals(p:sub(45, 48), out6[1]:sub(45, 48))
    text = text .. p:sub(49)
  end
  lu.assertEquals(text, whole:sub(41))
  local counters = w.counters(app)
  lu.assertEquals({ counters["tunnel-mtu-learned"], counters["tunnel-mtu-cut"], counters["out-ipv6-packets"], counters["out-ipv6-bytes"] },
    { 1, 1, 3, 3 * 54 + 1360 + 1361 + 1400 })
end

-- Without the parameter it is only told on.
function TestPath:testIsAParameter()
  start({ learn_mtu = false })
  expect4(tell(1400), 1360)
  local out4, out6 = w.send(app, { packet(w.WHOLE, 80, 1460, true) })
  lu.assertEquals({ #out4, #out6 }, { 0, 1 })
end

-- Less than any IPv6 link takes counts as that; more than is known, or than our own, is no news; after its time it is forgotten.
function TestPath:testLimitsAndExpiry()
  start({ mtu_expiry = "10s" })
  tell(1500)
  tell(1400)
  tell(1450)
  expect4(w.send(app, { packet(w.WHOLE, 80, 1361, true) }), 1360)
  tell(50)
  expect4(w.send(app, { packet(w.WHOLE, 80, 1241, true) }), 1240)
  lu.assertEquals(w.counters(app)["tunnel-mtu-learned"], 2)
  nf.clock_set(nf.clock_now() + 10000000000ULL)
  support.tick(app)
  local out4, out6 = w.send(app, { packet(w.WHOLE, 80, 1460, true) })
  lu.assertEquals({ #out4, #out6 }, { 0, 1 })
end

-- What is no packet of a softwire teaches nothing.
function TestPath:testForged()
  start()
  local inner = w.ttl(packet(w.WHOLE, 80, 1400, true), 63)
  w.send(app, {}, { too_big(w.B, w.BR, inner, 1300), too_big(w.A, w.BR2, inner, 1300), w.icmpv6(ROUTER, w.BR, 2, 1, w.u32(1300),
    w.tunnelled(w.A, inner, w.BR)), w.icmpv6(ROUTER, w.BR, 2, 0, w.u32(1300), w.tunnelled(w.A, inner, w.BR), true) })
  lu.assertEquals(#select(2, w.send(app, { packet(w.WHOLE, 80, 1460, true) })), 1)
  lu.assertNil(w.counters(app)["tunnel-mtu-learned"])
end

-- A hairpinned packet is one that enters a tunnel; and without packet memory for fragments nothing is lost.
function TestPath:testHairpinAndNoMemory()
  start()
  tell(1300)
  local long = packet(w.WHOLE, 80, 1400)
  local from_b = w.outward(w.SHARED, 4100, { dst = w.WHOLE, payload = w.udp(4100, 80, ("y"):rep(1372)) })
  lu.assertEquals(#select(2, w.send(app, {}, { w.tunnel(w.B, from_b) })), 2)
  local taken = {}
  while nf.packet_pool[0].count > 1 do taken[#taken + 1] = nf.packet_alloc_size(0) end
  local out6 = select(2, w.send(app, { long }))
  for _, p in ipairs(taken) do nf.packet_free(p) end
  lu.assertEquals(out6, { w.tunnelled(w.A, w.ttl(long, 63)) })
end

-- More tunnels than there is room for: the table stays bounded, and the last one is known.
function TestPath:testManyTunnels()
  start()
  local list = {}
  for i = 1, 6000 do list[i] = w.softwire(("10.%d.%d.1"):format(math.floor(i / 250), i % 250), 0, ("2001:db8:b5::%x"):format(i), w.BR, "psid-length 0;") end
  support.finish(app)
  app = w.app({ table = table.concat(list), external = "error-rate-limiting { packets 100000; }" }, { learn_mtu = true })
  w.left = 0
  for i = 1, 6000 do
    local dst = ("10.%d.%d.1"):format(math.floor(i / 250), i % 250)
    w.send(app, {}, { too_big(("2001:db8:b5::%x"):format(i), w.BR, w.ttl(packet(dst, 80, 1300, true), 63), 1300) })
    if i % 100 == 0 then expect4(w.send(app, { packet(dst, 80, 1300, true) }), 1260) end
  end
end

function TestPath:testReload()
  start()
  tell(1400)
  local conf = { "lwaftr.lwaftr", config = w.file(w.conf({})), learn_mtu = true }
  local new = support.app("lwaftr.lwaftr", conf, nil, nil, app)
  for i = 0, new.class.counters ~= nil and nf.app_name_count(new.class.counters) - 1 or -1 do new.counter[i] = new.counter[i] + app.counter[i] end
  new.created, new.consumed = new.created + app.created, new.consumed + app.consumed
  support.finish(app)
  app = new
  expect4(w.send(app, { packet(w.WHOLE, 80, 1361, true) }), 1360)
end

os.exit(lu.LuaUnit.run())
