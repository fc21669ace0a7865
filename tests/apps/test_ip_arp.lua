-- ip.arp: answers for own addresses. Its next hop: test_ip_arp_hop.lua
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local ip = require("support_ip")

local OWN, OWN2, HOP, PEER = ip.ip4("10.0.0.1"), ip.ip4("10.0.0.2"), ip.ip4("10.0.0.254"), ip.ip4("10.0.0.9")
local WIRE, INSIDE = 0, 1
local SECOND = 1000000000ULL

TestArp = {}

function TestArp:setUp()
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
local function reply(from, mac) return ip.arp({ op = 2, sender_mac = mac, sender = from, target_mac = ip.OWN_MAC, target = OWN, dst_mac = ip.OWN_MAC }) end
local function data(n) return ip.ipv4({ dst_mac = ip.OTHER_MAC, src_mac = ip.OTHER_MAC, id = n }, "payload " .. n) end
local function sent(n, mac) return (mac or ip.PEER_MAC) .. ip.OWN_MAC .. data(n):sub(13) end

function TestArp:testRequestForOwnAddressIsAnswered()
  local s = start({})
  s:give(WIRE, request .. ("\0"):rep(18))
  s:push()
  lu.assertEquals(s:take(WIRE), { ip.arp({ op = 2, dst_mac = ip.PEER_MAC, sender_mac = ip.OWN_MAC, sender = OWN, target_mac = ip.PEER_MAC,
    target = PEER }) })
  lu.assertEquals(s:take(INSIDE), {})
  lu.assertEquals(s:counter("in-arp-request-packets"), 1)
  lu.assertEquals(s:counter("in-arp-request-bytes"), 60)
  lu.assertEquals(s:counter("out-arp-reply-packets"), 1)
  lu.assertEquals(s:counter("out-arp-reply-bytes"), 42)
  s:finish()
end

-- The answer goes to the hardware address in the body, whatever the Ethernet header says.
function TestArp:testAnswerGoesToTheSenderInTheBody()
  local s = start({})
  s:give(WIRE, ip.arp({ sender = PEER, target = OWN, sender_mac = ip.OTHER_MAC, src_mac = ip.PEER_MAC }))
  s:push()
  lu.assertEquals(s:take(WIRE)[1]:sub(1, 6), ip.OTHER_MAC)
  s:finish()
end

function TestArp:testOtherTargetsAreNotAnswered()
  local s = start({})
  s:give(WIRE, ip.arp({ sender = PEER, target = HOP }), ip.arp({ sender = PEER, target = PEER }))
  s:push()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s:counter("in-arp-request-packets"), 2)
  lu.assertEquals(s:counter("in-arp-request-bytes"), 84)
  s:finish()
end

-- With hand_on who stands behind may answer; requests for own addresses, and replies, still end here.
function TestArp:testOtherRequestsAreHandedOn()
  local s = start({ hand_on = true })
  local other = ip.arp({ sender = PEER, target = HOP })
  s:give(WIRE, other, request, reply(PEER))
  s:push()
  lu.assertEquals(s:take(INSIDE), { other })
  lu.assertEquals(#s:take(WIRE), 1)
  lu.assertEquals(s:counter("in-arp-request-packets"), 2)
  s:finish()
end

function TestArp:testSeveralOwnAddresses()
  local s = start({ ip = { "10.0.0.1", "10.0.0.2" } })
  s:give(WIRE, ip.arp({ sender = PEER, target = OWN2 }), request)
  s:push()
  local out = s:take(WIRE)
  lu.assertEquals(out[1]:sub(29, 32), OWN2)
  lu.assertEquals(out[2]:sub(29, 32), OWN)
  s:finish()
end

function TestArp:testAnnouncesOwnAddresses()
  local s = start({ ip = { "10.0.0.1", "10.0.0.2" }, announce = true })
  s:push()
  lu.assertEquals(s:take(WIRE), { ip.arp({ sender_mac = ip.OWN_MAC, sender = OWN, target = OWN }),
    ip.arp({ sender_mac = ip.OWN_MAC, sender = OWN2, target = OWN2 }) })
  after(s, 100)
  lu.assertEquals(s:take(WIRE), {})
  s:finish()
end

function TestArp:testConflictsAreCounted()
  local s = start({})
  s:give(WIRE, ip.arp({ sender = OWN, target = PEER }), ip.arp({ sender = OWN, target = PEER, sender_mac = ip.OWN_MAC }))
  s:push()
  lu.assertEquals(s:counter("conflicts"), 1)
  s:finish()
end

function TestArp:testProxyArp()
  local s = start({ next_hop = "10.0.0.254", proxy_arp = { "10.0.0.128/25", "203.0.113.7/32", "203.0.113.0/29" } })
  s:push()
  s:take(WIRE)
  local function ask(target, sender)
    s:give(WIRE, ip.arp({ sender = sender or PEER, target = ip.ip4(target) }))
    s:push()
    return #s:take(WIRE)
  end
  lu.assertEquals(ask("203.0.113.7"), 1)
  lu.assertEquals(ask("203.0.113.0"), 1)
  lu.assertEquals(ask("203.0.113.8"), 0)
  lu.assertEquals(ask("203.0.112.255"), 0)
  lu.assertEquals(ask("10.0.0.200"), 1)
  lu.assertEquals(ask("10.0.0.254"), 0, "the next hop answers for itself")
  lu.assertEquals(ask("203.0.113.7", ip.ip4("203.0.113.7")), 0, "an announcement is no question")
  s:give(WIRE, ip.arp({ sender = PEER, target = ip.ip4("203.0.113.7") }))
  s:push()
  lu.assertEquals(s:take(WIRE)[1], ip.arp({ op = 2, dst_mac = ip.PEER_MAC, sender_mac = ip.OWN_MAC, sender = ip.ip4("203.0.113.7"),
    target_mac = ip.PEER_MAC, target = PEER }))
  s:finish()
end

-- Every length of a request, and every field that tells what it is: no answer, and nothing is read outside.
function TestArp:testMalformed()
  local s = start({ next_hop = "10.0.0.254" })
  s:push()
  s:take(WIRE)
  for length = 14, #request - 1 do s:give(WIRE, request:sub(1, length)) end
  for _, at in ipairs({ 15, 16, 17, 18, 19, 20, 21 }) do
    s:give(WIRE, request:sub(1, at - 1) .. "\x33" .. request:sub(at + 1))
  end
  s:give(WIRE, request:sub(1, 21) .. "\3" .. request:sub(23), request:sub(1, 21) .. "\0" .. request:sub(23))
  s:push_all()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s:reason("invalid"), 42 - 14 + 7 + 2)
  lu.assertEquals(s:counter("in-arp-request-packets"), 0)
  s:finish()
end

-- A flood of requests, true and false: all are dealt with, memory stays bounded, packets pass.
function TestArp:testFlood()
  local s = start({ next_hop = "10.0.0.254" })
  s:give(WIRE, reply(HOP))
  s:push()
  for round = 1, 200 do
    for i = 1, 20 do
      s:give(WIRE, ip.arp({ sender = ip.ip4("10.9." .. i .. "." .. round), target = i % 2 == 0 and OWN or PEER }), reply(PEER))
    end
    s:give(INSIDE, data(round))
    s:push()
    local out = s:take(WIRE)
    lu.assertEquals(out[#out], sent(round))
    s:balance()
  end
  lu.assertEquals(s:counter("out-arp-reply-packets"), 2000)
  lu.assertEquals(s:counter("in-arp-reply-packets"), 4001)
  s:finish()
end

-- Nothing is lost, and nothing is sent, while there are no packets to ask with.
function TestArp:testWithoutPacketMemory()
  support.memory(1)
  local all = {}
  while true do
    local p = nf.packet_alloc()
    if p == nil then break end
    all[#all + 1] = p
  end
  local s = start({ next_hop = "10.0.0.254", announce = true })
  s:push()
  lu.assertEquals(s:take(WIRE), {})
  for _, p in ipairs(all) do nf.packet_free(p) end
  s:push()
  lu.assertEquals(#s:take(WIRE), 2)
  s:finish()
end

function TestArp:testBothWaysIntoAFullOutput()
  local s = start({ next_hop_mac = "02:00:00:00:00:02" })
  s:fill(WIRE, 30)
  for i = 1, 50 do
    s:give(INSIDE, data(i))
    s:give(WIRE, request)
  end
  for _ = 1, 5 do s:push() end
  s:balance()
  lu.assertEquals(s:waiting_inputs(), 70)
  s:take(WIRE)
  for _ = 1, 5 do s:push() end
  lu.assertEquals(#s:take(WIRE), 70)
  s:finish()
end

-- A tag beside the data stays there, other work that a sender left undone does not.
function TestArp:testAnswerInTheVlanOfTheQuestion()
  local s = start({})
  local p = support.packet(request)
  p.meta.flags, p.meta.vlan, p.meta.checksum_start = nf.PACKET_VLAN + nf.PACKET_CHECKSUM_PARTIAL, 7, 40
  nf.link_send(s.app.input[WIRE], p)
  s.given = s.given + 1
  s:push()
  local q = nf.link_peek(s.app.output[WIRE], 0)
  lu.assertEquals({ q.meta.flags, q.meta.vlan, q.meta.gso }, { nf.PACKET_VLAN, 7, 0 })
  lu.assertEquals(#s:take(WIRE), 1)
  s:finish()
end

function TestArp:testHostileFramesAndFullOutputs()
  basic.common("ip.arp", { "ip.arp", mac = "02:00:00:00:00:01", ip = "10.0.0.1", announce = false })
end

function TestArp:testMistakes()
  local function messages(params)
    params[1] = "ip.arp"
    return basic.messages("ip.arp", params)
  end
  lu.assertEquals(messages({ mac = "ff:ff:ff:ff:ff:ff", ip = "10.0.0.1" }),
    { "app 'x': key 'mac': not the address of one interface; a unicast address is needed" })
  lu.assertEquals(messages({ mac = "00:00:00:00:00:00", ip = "10.0.0.1", next_hop_mac = "01:00:00:00:00:01", next_hop = "10.0.0.1" }), {
    "app 'x': key 'mac': not the address of one interface; a unicast address is needed",
    "app 'x': key 'next_hop_mac': not the address of one interface; a unicast address is needed",
    "app 'x': keys 'next_hop' and 'next_hop_mac': only one of them may be given",
    "app 'x': key 'next_hop': it is one of the own addresses" })
  lu.assertEquals(messages({ mac = "02:00:00:00:00:01", ip = { "10.0.0.1", "224.0.0.1" } }),
    { "app 'x': key 'ip[2]': not the address of one host; a unicast address is needed" })
  for _, hop in ipairs({ "0.0.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255" }) do
    lu.assertEquals(messages({ mac = "02:00:00:00:00:01", ip = "10.0.0.1", next_hop = hop }),
      { "app 'x': key 'next_hop': not the address of one host; a unicast address is needed" })
  end
  lu.assertEquals(#messages({}), 2)
end

os.exit(lu.LuaUnit.run())
