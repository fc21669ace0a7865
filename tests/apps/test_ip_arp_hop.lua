-- ip.arp: finds the next hop, renews it, keeps packets meanwhile.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local ip = require("support_ip")
local capture = require("support_capture")

local OWN, HOP, PEER = ip.ip4("10.0.0.1"), ip.ip4("10.0.0.254"), ip.ip4("10.0.0.9")
local WIRE, INSIDE = 0, 1
local SECOND = 1000000000ULL
local NEVER = 0xffffffffffffffffULL

TestHop = {}

function TestHop:setUp()
  support.memory(3000)
  nf.clock_set(nf.clock_now() + 100 * SECOND)
end

-- An app without an announcement, unless it is asked for.
local function start(params)
  params[1], params.mac = "ip.arp", params.mac or "02:00:00:00:00:01"
  if params.announce == nil then params.announce = false end
  params.ip = params.ip or "10.0.0.1"
  return basic.start("ip.arp", params)
end

local function after(s, seconds)
  nf.clock_set(nf.clock_now() + seconds * SECOND)
  s:push()
end

local request = ip.arp({ sender = PEER, target = OWN })
local solicitation = ip.arp({ sender_mac = ip.OWN_MAC, sender = OWN, target = HOP })
local function reply(from, mac) return ip.arp({ op = 2, sender_mac = mac, sender = from, target_mac = ip.OWN_MAC, target = OWN, dst_mac = ip.OWN_MAC }) end
local function data(n) return ip.ipv4({ dst_mac = ip.OTHER_MAC, src_mac = ip.OTHER_MAC, id = n }, "payload " .. n) end
local function sent(n, mac) return (mac or ip.PEER_MAC) .. ip.OWN_MAC .. data(n):sub(13) end

function TestHop:testOneRequestAtTheStartAndOneEachThreeSeconds()
  local s = start({ next_hop = "10.0.0.254" })
  s:push()
  lu.assertEquals(s:take(WIRE), { solicitation })
  s:push()
  after(s, 2)
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s.app.class.wake_at(s.app), nf.clock_now() + SECOND)
  after(s, 1)
  lu.assertEquals(s:take(WIRE), { solicitation })
  lu.assertEquals(s:counter("out-arp-request-packets"), 2)
  lu.assertEquals(s:counter("out-arp-request-bytes"), 84)
  s:finish()
end

function TestHop:testRetryIsAParameter()
  local s = start({ next_hop = "10.0.0.254", retry = "500ms" })
  s:push()
  nf.clock_set(nf.clock_now() + SECOND / 2)
  s:push()
  lu.assertEquals(#s:take(WIRE), 2)
  s:finish()
end

-- Before a virtual clock has started one request leaves, and no more when the clock jumps to the first packet's time.
function TestHop:testClockThatStartsLater()
  local output, code = support.run(([[%s lua - <<'LUA'
package.path = "tests/?.lua;" .. package.path
local nf, support = require("nf.core"), require("support")
support.memory(100)
nf.clock_set(0)
local app = support.app("ip.arp", { "ip.arp", mac = "02:00:00:00:00:01", ip = "10.0.0.1", next_hop = "10.0.0.254", announce = false })
local counts = {}
for i, time in ipairs({ 0ULL, 0ULL, 1000000000000000000ULL, 1000000002999999999ULL, 1000000003000000000ULL }) do
  nf.clock_set(time)
  app.class.push(app)
  counts[i] = tostring(support.counter(app, "out-arp-request-packets"))
end
print(table.concat(counts, " "))
support.finish(app)
LUA]]):format(support.nf))
  lu.assertEquals({ output, code }, { "1 1 1 1 2\n", 0 })
end

function TestHop:testPacketsWaitInOrderAndLeaveWithTheAddresses()
  local s = start({ next_hop = "10.0.0.254" })
  s:push()
  s:take(WIRE)
  for i = 1, 100 do s:give(INSIDE, data(i)) end
  s:push_all()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s:held(), 100)
  s:balance()
  s:give(WIRE, reply(HOP))
  s:give(INSIDE, data(101))
  for _ = 1, 5 do s:push() end
  local out = s:take(WIRE)
  lu.assertEquals(#out, 101)
  for i = 1, 101 do lu.assertEquals(out[i], sent(i)) end
  lu.assertEquals(s:counter("resolved"), 1)
  lu.assertEquals(s:counter("in-arp-reply-packets"), 1)
  lu.assertEquals(s:counter("in-arp-reply-bytes"), 42)
  after(s, 3)
  lu.assertEquals(s:take(WIRE), {}, "no further request")
  s:finish()
end

-- Replies of others, requests of the next hop and its announcements do not resolve it.
function TestHop:testOnlyAReplyOfTheNextHopResolves()
  local s = start({ next_hop = "10.0.0.254" })
  s:give(INSIDE, data(1))
  s:give(WIRE, reply(PEER), ip.arp({ sender = HOP, target = OWN }), ip.arp({ sender = HOP, target = HOP }), reply(HOP, ip.ALL_MAC),
    reply(HOP, ("\0"):rep(6)))
  s:push()
  lu.assertEquals(s:held(), 1)
  lu.assertEquals(s:reason("invalid"), 2)
  lu.assertEquals(s:counter("resolved"), 0)
  s:finish()
end

function TestHop:testFullQueueDropsTheOldest()
  local s = start({ next_hop = "10.0.0.254", queue = 3 })
  s:push()
  s:take(WIRE)
  for i = 1, 5 do s:give(INSIDE, data(i)) end
  s:push()
  lu.assertEquals(s:reason("unresolved"), 2)
  s:give(WIRE, reply(HOP))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(3), sent(4), sent(5) })
  s:finish()
end

-- What waits leaves as the output has room, and nothing overtakes it.
function TestHop:testReleaseIntoAFullOutput()
  local s = start({ next_hop = "10.0.0.254" })
  s:push()
  s:take(WIRE)
  for i = 1, 20 do s:give(INSIDE, data(i)) end
  s:push()
  s:give(WIRE, reply(HOP))
  s:push()
  lu.assertEquals(#s:take(WIRE), 20)
  s:finish()
  s = start({ next_hop = "10.0.0.254" })
  s:push()
  for i = 1, 20 do s:give(INSIDE, data(i)) end
  s:push()
  s:take(WIRE)
  s:fill(WIRE, 5)
  s:give(WIRE, reply(HOP))
  s:give(INSIDE, data(21))
  s:push()
  lu.assertEquals(s:held(), 15)
  lu.assertEquals(s.app.class.wake_at(s.app), NEVER, "nothing to do while there is no room")
  s:balance()
  local out = {}
  for _ = 1, 3 do
    for _, bytes in ipairs(s:take(WIRE)) do
      if bytes ~= "full" then out[#out + 1] = bytes end
    end
    s:push()
  end
  lu.assertEquals(#out, 21)
  for i = 1, 21 do lu.assertEquals(out[i], sent(i)) end
  s:finish()
end

function TestHop:testFramesOfOtherTypesPass()
  local s = start({ next_hop = "10.0.0.254" })
  local other = ip.ipv6({}, "x")
  s:push()
  s:take(WIRE)
  s:give(INSIDE, data(1), other, "short")
  s:give(WIRE, other, data(2), "short", ("\8"):rep(13))
  s:push()
  lu.assertEquals(s:take(WIRE), { other, "short" })
  lu.assertEquals(s:take(INSIDE), { other, data(2), "short", ("\8"):rep(13) })
  lu.assertEquals(s:held(), 1)
  s:give(WIRE, reply(HOP))
  s:give(INSIDE, other)
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(1), other })
  s:finish()
end

function TestHop:testConfiguredNextHop()
  local s = start({ next_hop_mac = "02:00:00:00:00:02" })
  s:give(INSIDE, data(1), data(2))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(1), sent(2) })
  after(s, 100)
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s.app.class.wake_at(s.app), NEVER)
  s:finish()
end

function TestHop:testWithoutNextHopPacketsStayAsTheyAre()
  local s = start({})
  s:give(INSIDE, data(1))
  s:push()
  lu.assertEquals(s:take(WIRE), { data(1) })
  s:finish()
end

-- The renewal asks the one that is known, then all; traffic goes on to the old address, then to the new one.
function TestHop:testRenewal()
  local s = start({ next_hop = "10.0.0.254", renew = "10s" })
  s:give(WIRE, reply(HOP))
  s:push()
  s:take(WIRE)
  after(s, 9)
  lu.assertEquals(s:take(WIRE), {})
  after(s, 1)
  lu.assertEquals(s:take(WIRE), { ip.PEER_MAC .. solicitation:sub(7) })
  after(s, 3)
  lu.assertEquals(s:take(WIRE), { solicitation })
  s:give(INSIDE, data(1))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(1) })
  s:give(WIRE, reply(HOP, ip.OTHER_MAC))
  s:give(INSIDE, data(2))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(2, ip.OTHER_MAC) })
  lu.assertEquals(s:counter("changed"), 1)
  after(s, 9)
  lu.assertEquals(s:take(WIRE), {})
  s:finish()
end

function TestHop:testNoRenewal()
  local s = start({ next_hop = "10.0.0.254", renew = 0 })
  s:give(WIRE, reply(HOP))
  s:push()
  s:take(WIRE)
  lu.assertEquals(s.app.class.wake_at(s.app), NEVER)
  after(s, 100000)
  lu.assertEquals(s:take(WIRE), {})
  s:finish()
end

-- A next hop that moves says so; that is believed of one that is known.
function TestHop:testAnnouncementOfTheKnownNextHop()
  local s = start({ next_hop = "10.0.0.254" })
  s:give(WIRE, reply(HOP))
  s:push()
  s:give(WIRE, ip.arp({ sender = HOP, target = HOP, sender_mac = ip.OTHER_MAC }))
  s:give(INSIDE, data(1))
  s:push()
  lu.assertEquals(s:take(WIRE)[2], sent(1, ip.OTHER_MAC))
  s:finish()
end

function TestHop:testReloadKeepsWhatIsKnownAndWhatWaits()
  local s = start({ next_hop = "10.0.0.254", announce = true })
  s:push()
  s:take(WIRE)
  s:give(INSIDE, data(1), data(2), data(3))
  s:push()
  local params = { "ip.arp", mac = "02:00:00:00:00:01", ip = "10.0.0.1", next_hop = "10.0.0.254", queue = 2 }
  s:reconfigure(params)
  lu.assertEquals(s:held(), 2)
  lu.assertEquals(s:reason("reload"), 1)
  s:give(WIRE, reply(HOP))
  s:push()
  lu.assertEquals(s:take(WIRE)[2], sent(1))
  params.queue = 5
  s:reconfigure(params)
  s:give(INSIDE, data(4))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(4) }, "the next hop is known, nothing is announced again")
  params.next_hop = "10.0.0.253"
  s:reconfigure(params)
  s:give(INSIDE, data(5))
  s:push()
  lu.assertEquals(s:held(), 1)
  s:finish()
end

function TestHop:testFlushSendsWhatIsKnownWhere()
  local s = start({ next_hop = "10.0.0.254" })
  s:push()
  s:give(INSIDE, data(1))
  s:push()
  s.app.class.flush(s.app)
  lu.assertEquals(s:held(), 1)
  s:finish()
end

-- In a graph with a cycle (inside answers to the inside): what waits for an address does not keep a run going whose inputs
-- have ended, by neither clock; one request leaves.
function TestHop:testRunEnds()
  local folder = support.folder()
  support.write(folder .. "/in.pcap", capture.pcap({ { data = request, time = 5e9 }, { data = data(1), time = 6e9 } }))
  support.write(folder .. "/graph.lua", [[return {
    apps = { input = { "pcap.reader", file = "in.pcap" }, output = { "pcap.writer", file = "out.pcap" }, arp = { "ip.arp",
      mac = "02:00:00:00:00:01", ip = "10.0.0.1", next_hop = "10.0.0.254", announce = false } },
    links = { "input -> arp.wire", "arp.wire -> output", "arp.inside -> arp.inside" } }]])
  for _, clock in ipairs({ "", "--clock virtual" }) do
    local output, code = support.run(("timeout 200 %s run --name test-arp-%s %s %s/graph.lua"):format(support.nf, folder:match("%d+$"),
      clock, folder))
    lu.assertEquals(code, 0, output)
    lu.assertStrContains(output, "it balances")
    local out = capture.read(support.read(folder .. "/out.pcap"))
    lu.assertEquals(#out, 2, output)
    lu.assertEquals(out[1].data, solicitation)
    lu.assertEquals(out[2].data:sub(21, 22), "\0\2")
  end
end

os.exit(lu.LuaUnit.run())
