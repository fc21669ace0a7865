-- ip.ndp: answers for own addresses, finds the next hop, keeps packets meanwhile; ignores what RFC 4861 says to ignore.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local ip = require("support_ip")

local OWN, HOP, PEER = ip.ip6("2001:db8::1"), ip.ip6("2001:db8::a2:feff:fe01"), ip.ip6("2001:db8::9")
local NODE, ALL, NONE = ip.ip6("ff02::1:ff00:1"), ip.ip6("ff02::1"), ("\0"):rep(16)
local WIRE, INSIDE = 0, 1
local SECOND = 1000000000ULL

TestNdp = {}

function TestNdp:setUp()
  support.memory(3000)
  nf.clock_set(nf.clock_now() + 100 * SECOND)
end

local function start(params)
  params[1], params.mac, params.ip = "ip.ndp", "02:00:00:00:00:01", params.ip or "2001:db8::1"
  if params.announce == nil then params.announce = false end
  return basic.start("ip.ndp", params)
end

local function after(s, seconds)
  nf.clock_set(nf.clock_now() + seconds * SECOND)
  s:push()
end

-- A solicitation for the own address as a neighbour sends it; an advertisement of the next hop.
local function ns(o)
  o = o or {}
  return ip.ndp({ src = o.src or PEER, dst = o.dst or NODE, target = o.target or OWN, options = o.options or "\1\1" .. ip.PEER_MAC, bad = o.bad,
    hop_limit = o.hop_limit, code = o.code, payload = o.payload, src_mac = o.src_mac })
end
local function na(o)
  return ip.ndp({ type = 136, src = o.target or HOP, dst = o.dst or OWN, target = o.target or HOP, flags = o.flags or "\x60\0\0\0",
    options = o.options or "\2\1" .. ip.PEER_MAC, bad = o.bad, hop_limit = o.hop_limit })
end
local function answer(o)
  return ip.ndp({ type = 136, src_mac = ip.OWN_MAC, dst_mac = o.dst_mac or ip.PEER_MAC, src = o.src or OWN, dst = o.dst or PEER,
    target = o.target or OWN, flags = o.flags or "\xc0\0\0\0", options = "\2\1" .. ip.OWN_MAC })
end
local solicitation = ip.ndp({ src_mac = ip.OWN_MAC, dst_mac = "\x33\x33\xff\xff\xfe\1", src = OWN, dst = ip.ip6("ff02::1:ffff:fe01"),
  target = HOP, options = "\1\1" .. ip.OWN_MAC })
local function data(n) return ip.ipv6({ src_mac = ip.OTHER_MAC, dst_mac = ip.OTHER_MAC, class_label = n }, "payload") end
local function sent(n, mac) return (mac or ip.PEER_MAC) .. ip.OWN_MAC .. data(n):sub(13) end

function TestNdp:testSolicitationIsAnswered()
  local s = start({})
  s:give(WIRE, ns(), ns({ dst = OWN }), ns({ options = "" }))
  s:push()
  lu.assertEquals(s:take(WIRE), { answer({}), answer({}), answer({}) })
  lu.assertEquals(s:counter("in-ndp-ns-packets"), 3)
  lu.assertEquals(s:counter("in-ndp-ns-bytes"), 86 + 86 + 78)
  lu.assertEquals(s:counter("out-ndp-na-packets"), 3)
  lu.assertEquals(s:counter("out-ndp-na-bytes"), 3 * 86)
  s:finish()
end

-- RFC 4861, 7.2.4: who looks whether an address is free hears it with all others.
function TestNdp:testSolicitationWithoutSource()
  local s = start({})
  s:give(WIRE, ns({ src = NONE, options = "" }))
  s:push()
  lu.assertEquals(s:take(WIRE), { answer({ dst_mac = "\x33\x33\0\0\0\1", dst = ALL, flags = "\x80\0\0\0" }) })
  lu.assertEquals(s:counter("conflicts"), 1)
  s:give(WIRE, ns({ src = NONE, options = "", dst = OWN }), ns({ src = NONE }))
  s:push()
  lu.assertEquals(s:take(WIRE), {}, "not to a solicited-node address; with an address option")
  lu.assertEquals(s:reason("invalid"), 2)
  s:finish()
end

function TestNdp:testOtherTargetsAreNotAnswered()
  local s = start({})
  s:give(WIRE, ns({ target = PEER }), ns({ target = HOP }))
  s:push()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s:counter("in-ndp-ns-packets"), 2)
  s:finish()
end

function TestNdp:testFlagsAreParameters()
  local s = start({ router = false, override = true })
  s:give(WIRE, ns())
  s:push()
  lu.assertEquals(s:take(WIRE), { answer({ flags = "\x60\0\0\0" }) })
  s:finish()
end

-- Each thing that RFC 4861, 7.1.1 and 7.1.2 ask for.
function TestNdp:testInvalidMessagesAreIgnored()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:push()
  s:take(WIRE)
  local wrong = {
    ns({ hop_limit = 254 }), ns({ bad = true }), ns({ code = 1 }), ns({ options = "\1\0" .. ip.PEER_MAC }), ns({ options = "\1\2" .. ip.PEER_MAC }),
    ns({ options = "\1\1\2\3" }), ns({ target = ALL }), ns({ src = ALL }), ns({ payload = 33 }), ns({ payload = 23 }), ns({ src_mac = ip.ALL_MAC }),
    na({ hop_limit = 1 }), na({ bad = true }), na({ dst = ALL }), na({ target = ALL }), na({ options = "\2\0" .. ip.PEER_MAC }),
  }
  s:give(WIRE, unpack(wrong))
  s:push()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(s:reason("invalid"), #wrong)
  lu.assertEquals(s:counter("in-ndp-ns-packets") + s:counter("in-ndp-na-packets"), 0)
  s:finish()
end

-- Every length that ends within the message: dropped, or no message of Neighbor Discovery at all.
function TestNdp:testCutOff()
  local s, whole = start({}), ns()
  for length = 0, #whole - 1 do s:give(WIRE, whole:sub(1, length)) end
  s:push_all()
  lu.assertEquals(s:take(WIRE), {})
  lu.assertEquals(#s:take(INSIDE), 55)
  lu.assertEquals(s:reason("invalid"), #whole - 55)
  s:finish()
end

function TestNdp:testOtherMessagesEndHere()
  local s = start({})
  s:give(WIRE, ip.ndp({ src = PEER, type = 133, flags = "\0\0\0\0" }), ip.ndp({ src = PEER, type = 134, flags = ("\0"):rep(12) }),
    ip.ndp({ src = PEER, type = 137, flags = ("\0"):rep(36) }))
  s:push()
  lu.assertEquals(s:take(INSIDE), {})
  lu.assertEquals(s:counter("in-ndp-other-packets"), 3)
  s:finish()
end

-- Frames that are none of its business, among them all other ICMPv6.
function TestNdp:testEverythingElsePasses()
  local s = start({})
  local list = { data(1), ip.ipv4({}, "x"), "short" }
  for _, type in ipairs({ 1, 2, 3, 4, 128, 129, 132, 138 }) do
    list[#list + 1] = ip.ipv6({ next = 58, hop_limit = 255 }, ip.icmp6({}, type, 0, "\0\0\0\0"))
  end
  list[#list + 1] = ip.ipv6({ next = 58 }, "")
  s:give(WIRE, unpack(list))
  s:push()
  lu.assertEquals(s:take(INSIDE), list)
  s:give(INSIDE, unpack(list))
  s:push()
  lu.assertEquals(s:take(WIRE), list)
  s:finish()
end

function TestNdp:testSolicitsTheNextHopEachThreeSeconds()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:push()
  lu.assertEquals(s:take(WIRE), { solicitation })
  after(s, 2)
  lu.assertEquals(s:take(WIRE), {})
  after(s, 1)
  lu.assertEquals(s:take(WIRE), { solicitation })
  lu.assertEquals(s:counter("out-ndp-ns-packets"), 2)
  lu.assertEquals(s:counter("out-ndp-ns-bytes"), 172)
  s:finish()
end

local function resolves(frame, mac)
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:push()
  s:take(WIRE)
  s:give(INSIDE, data(1), data(2))
  s:push()
  lu.assertEquals(s:held(), 2)
  s:give(WIRE, frame)
  s:push()
  local out = s:take(WIRE)
  lu.assertEquals(s:counter("in-ndp-na-packets"), 1)
  lu.assertEquals(s:counter("in-ndp-na-bytes"), #frame)
  s:finish()
  if #out == 0 then return false end
  lu.assertEquals(out, { sent(1, mac), sent(2, mac) })
  return true
end

function TestNdp:testSolicitedAdvertisementResolves()
  lu.assertTrue(resolves(na({})))
  lu.assertTrue(resolves(na({ options = "\2\1" .. ip.OTHER_MAC }), ip.OTHER_MAC))
  lu.assertTrue(resolves(na({ options = "" }), ip.PEER_MAC), "the Ethernet source")
  lu.assertTrue(resolves(na({ options = "\14\1\0\0\0\0\0\0\2\1" .. ip.OTHER_MAC }), ip.OTHER_MAC), "behind another option")
  lu.assertFalse(resolves(na({ flags = "\x20\0\0\0" })), "not solicited")
  lu.assertFalse(resolves(na({ target = PEER })), "of another")
  lu.assertFalse(resolves(na({ options = "\2\1" .. ip.ALL_MAC })), "to all")
end

-- An unsolicited one that overrides changes what is known.
function TestNdp:testUnsolicitedAdvertisementOfTheKnownNextHop()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:give(WIRE, na({}))
  s:push()
  s:take(WIRE)
  s:give(WIRE, na({ dst = ALL, flags = "\0\0\0\0", options = "\2\1" .. ip.OTHER_MAC }))
  s:give(INSIDE, data(1))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(1) })
  s:give(WIRE, na({ dst = ALL, flags = "\x20\0\0\0", options = "\2\1" .. ip.OTHER_MAC }))
  s:give(INSIDE, data(2))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(2, ip.OTHER_MAC) })
  lu.assertEquals(s:counter("changed"), 1)
  s:finish()
end

function TestNdp:testRenewalAsksTheNextHopItself()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01", renew = "10s" })
  s:give(WIRE, na({}))
  s:push()
  s:take(WIRE)
  after(s, 10)
  lu.assertEquals(s:take(WIRE), { ip.ndp({ src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC, src = OWN, dst = HOP, target = HOP,
    options = "\1\1" .. ip.OWN_MAC }) })
  after(s, 3)
  lu.assertEquals(s:take(WIRE), { solicitation })
  s:finish()
end

function TestNdp:testAnnouncesOwnAddresses()
  local s = start({ ip = { "2001:db8::1", "2001:db8::9" }, announce = true })
  s:push()
  local function announcement(address)
    return answer({ dst_mac = "\x33\x33\0\0\0\1", src = address, dst = ALL, target = address, flags = "\xa0\0\0\0" })
  end
  lu.assertEquals(s:take(WIRE), { announcement(OWN), announcement(PEER) })
  s:finish()
end

function TestNdp:testProxy()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01", proxy = { "2001:db8:1::/48", "2001:db8::/96" } })
  s:push()
  s:take(WIRE)
  local target = ip.ip6("2001:db8:1:2::3")
  s:give(WIRE, ns({ target = target, dst = ip.ip6("ff02::1:ff00:3") }), ns({ target = HOP }), ns({ target = ip.ip6("2001:db8:2::1") }))
  s:push()
  lu.assertEquals(s:take(WIRE), { answer({ target = target }) })
  s:finish()
end

function TestNdp:testAdvertisementOfAnOwnAddressIsAConflict()
  local s = start({})
  s:give(WIRE, na({ target = OWN, dst = ALL, flags = "\x20\0\0\0" }))
  s:push()
  lu.assertEquals(s:counter("conflicts"), 1)
  s:finish()
end

function TestNdp:testReloadKeepsWhatIsKnownAndWhatWaits()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:push()
  s:take(WIRE)
  s:give(INSIDE, data(1))
  s:push()
  local params = { "ip.ndp", mac = "02:00:00:00:00:01", ip = "2001:db8::1", next_hop = "2001:db8::a2:feff:fe01", announce = false, queue = 9 }
  s:reconfigure(params)
  s:give(WIRE, na({}))
  s:push()
  lu.assertEquals(s:take(WIRE)[2], sent(1))
  params.queue = 10
  s:reconfigure(params)
  s:give(INSIDE, data(2))
  s:push()
  lu.assertEquals(s:take(WIRE), { sent(2) })
  s:finish()
end

-- A flood of solicitations and advertisements, true and false ones: packets pass, the next hop stays.
function TestNdp:testFlood()
  local s = start({ next_hop = "2001:db8::a2:feff:fe01" })
  s:give(WIRE, na({}))
  s:push()
  for round = 1, 100 do
    for i = 1, 15 do
      s:give(WIRE, ns({ src = ip.ip6(("2001:db8::%x:%x"):format(round, i)) }), ns({ bad = true }), na({ target = PEER }))
    end
    s:give(INSIDE, data(round))
    s:push()
    local out = s:take(WIRE)
    lu.assertEquals(out[#out], sent(round))
    s:balance()
  end
  lu.assertEquals(s:counter("out-ndp-na-packets"), 1500)
  lu.assertEquals(s:reason("invalid"), 1500)
  s:finish()
end

-- A tag beside the data stays there, other work that a sender left undone does not.
function TestNdp:testAnswerInTheVlanOfTheQuestion()
  local s = start({})
  local p = support.packet(ns())
  p.meta.flags, p.meta.vlan, p.meta.checksum_start = nf.PACKET_VLAN + nf.PACKET_CHECKSUM_PARTIAL, 7, 40
  nf.link_send(s.app.input[WIRE], p)
  s.given = s.given + 1
  s:push()
  local q = nf.link_peek(s.app.output[WIRE], 0)
  lu.assertEquals({ q.meta.flags, q.meta.vlan, q.meta.gso }, { nf.PACKET_VLAN, 7, 0 })
  lu.assertEquals(#s:take(WIRE), 1)
  s:finish()
end

function TestNdp:testHostileFramesAndFullOutputs()
  basic.common("ip.ndp", { "ip.ndp", mac = "02:00:00:00:00:01", ip = "2001:db8::1", announce = false })
end

function TestNdp:testMistakes()
  lu.assertEquals(basic.messages("ip.ndp", { "ip.ndp", mac = "02:00:00:00:00:01", ip = { "2001:db8::1", "::", "ff02::1" },
    next_hop = "2001:db8::1" }), {
    "app 'x': key 'next_hop': it is one of the own addresses",
    "app 'x': key 'ip[2]': not the address of one host; a unicast address is needed",
    "app 'x': key 'ip[3]': not the address of one host; a unicast address is needed" })
  for _, hop in ipairs({ "::", "ff02::1" }) do
    lu.assertEquals(basic.messages("ip.ndp", { "ip.ndp", mac = "02:00:00:00:00:01", ip = "2001:db8::1", next_hop = hop }),
      { "app 'x': key 'next_hop': not the address of one host; a unicast address is needed" })
  end
end

os.exit(lu.LuaUnit.run())
