-- nf lwaftr check: the whole graph, on captures: reassembly, fragments, ARP, NDP, next hops, pings, filters, VLANs, one wire.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")

local inward, outward, tunnel, tunnelled, ttl = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl
local u16 = w.u16
local MAC4, MAC6, PEER4, PEER6, FROM4, FROM6 = c.MAC4, c.MAC6, c.PEER4, c.PEER6, c.FROM4, c.FROM6
local folder, check, write_pcap, frames4, frames6, out4, out6 = c.folder, c.check, c.write_pcap, c.frames4, c.frames6, c.out4, c.out6
local cut4, cut6 = c.cut4, c.cut6

TestCheck = {}

function TestCheck:testBothWays()
  local p, q = inward(w.WHOLE, 80), outward(w.SHARED, 4100)
  local v4, v6, counters = check({}, frames4({ p }), frames6({ tunnel(w.B, q) }))
  lu.assertEquals({ v4, v6 }, { { out4(q) }, { out6(tunnelled(w.A, ttl(p, 63))) } })
  lu.assertEquals(counters, { ["in-ipv4-packets"] = 1, ["in-ipv4-bytes"] = 46, ["in-ipv6-packets"] = 1, ["in-ipv6-bytes"] = 86,
    ["out-ipv4-packets"] = 1, ["out-ipv4-bytes"] = 46, ["out-ipv6-packets"] = 1, ["out-ipv6-bytes"] = 86, ["out-ipv4-frag-not"] = 1,
    ["out-ipv6-frag-not"] = 1, ["in-ipv4-frag-reassembly-unneeded"] = 1, ["in-ipv6-frag-reassembly-unneeded"] = 1, softwires = 4 })
end

function TestCheck:testOnAStick()
  local p, q = inward(w.WHOLE, 80), outward(w.SHARED, 4100)
  for _, vlan in ipairs({ false, true }) do
    local conf = vlan and { vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" } or {}
    local t4, t6 = vlan and "\x81\0\0\12" or "", vlan and "\x81\0\0\13" or ""
    local function tag(frame, t) return frame:sub(1, 12) .. t .. frame:sub(13) end
    local v4, v6, counters = check(conf, { tag(FROM4 .. p, t4) }, { tag(FROM6 .. tunnel(w.B, q), t6) }, "--on-a-stick")
    lu.assertEquals({ v4, v6 }, { { tag(out4(q), t4) }, { tag(out6(tunnelled(w.A, ttl(p, 63))), t6) } })
    lu.assertEquals(counters["in-ipv4-bytes"], 46)
  end
end

-- 7: a tag's priority does not matter; another VLAN's frames, and untagged ones, are dropped.
function TestCheck:test07_vlanPriority()
  local p = inward(w.WHOLE, 80)
  local function tag(tci) return MAC4 .. PEER4 .. "\x81\0" .. u16(tci) .. "\8\0" .. p end
  local _, v6, counters = check({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, { tag(12), tag(0xf00c), tag(0x100c), tag(13), FROM4 .. p })
  local one = MAC6:gsub("\1$", "\2") .. MAC6 .. "\x81\0\0\13\x86\xdd" .. tunnelled(w.A, ttl(p, 63))
  lu.assertEquals(v6, { one, one, one })
  lu.assertEquals(counters["in-ipv4-packets"], 3)
  _, v6 = check({}, { tag(12) })
  lu.assertEquals(v6, {})
end

-- The lengths of frames with tags are counted without them; MTUs, too.
function TestCheck:testVlanLengths()
  local p = inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("x"):rep(1432)) })
  local _, v6, counters = check({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, { MAC4 .. PEER4 .. "\x81\0\0\12\8\0" .. p })
  lu.assertEquals(#v6, 1)
  lu.assertEquals(counters["in-ipv4-bytes"], 1474)
  lu.assertEquals(counters["out-ipv6-bytes"], 1514)
end

local function big(o) return inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("x"):rep(1400)), id = o and o.id }) end

function TestCheck:testReassemble4()
  local p = big()
  local f = cut4(p, 480)
  lu.assertEquals(#f, 3)
  local whole = ttl(p:sub(1, 4) .. "\0\0" .. p:sub(7), 63)
  for _, order in ipairs({ { 1, 2, 3 }, { 3, 2, 1 }, { 2, 3, 1 } }) do
    local list = {}
    for i, n in ipairs(order) do list[i] = f[n] end
    local _, v6, counters = check({}, frames4(list))
    lu.assertEquals(v6, { out6(tunnelled(w.A, whole)) })
    lu.assertEquals({ counters["in-ipv4-frag-needs-reassembly"], counters["in-ipv4-frag-reassembled"], counters["in-ipv4-packets"],
      counters["in-ipv4-bytes"] }, { 3, 1, 1, 14 + #p })
  end
end

function TestCheck:testReassemble4Limit()
  local _, v6, counters = check({ external = "reassembly { max-fragments-per-packet 2; }" }, frames4(cut4(big(), 480)))
  lu.assertEquals(v6, {})
  lu.assertEquals(counters["drop-ipv4-frag-invalid-reassembly"], 1)
end

function TestCheck:testReassemble6()
  local q = tunnel(w.B, outward(w.SHARED, 4100, { payload = w.udp(4100, 1, ("x"):rep(1200)) }))
  local f = cut6(q, 640)
  for _, order in ipairs({ { 1, 2 }, { 2, 1 } }) do
    local v4, _, counters = check({}, nil, frames6({ f[order[1]], f[order[2]] }))
    lu.assertEquals(v4, { out4(q:sub(41)) })
    lu.assertEquals({ counters["in-ipv6-frag-needs-reassembly"], counters["in-ipv6-frag-reassembled"], counters["in-ipv6-packets"],
      counters["in-ipv6-bytes"] }, { 2, 1, 1, 14 + #q })
  end
  local v4, _, counters = check({ internal = "reassembly { max-fragments-per-packet 1; }" }, nil, frames6(f))
  lu.assertEquals(v4, {})
  lu.assertEquals(counters["drop-ipv6-frag-invalid-reassembly"], 1)
  v4, _, counters = check({}, nil, frames6(cut6(q, 644)))
  lu.assertEquals(v4, {})
  lu.assertEquals(counters["drop-ipv6-frag-invalid-reassembly"], 1)
end

-- 6: fragments of another protocol are another datagram, a fragment that comes twice does no harm, one that is alone passes.
function TestCheck:test06_reassembly()
  local p = big()
  local f = cut4(p, 480)
  local other = f[2]:sub(1, 9) .. "\6" .. f[2]:sub(11)
  local _, v6, counters = check({}, frames4({ f[1], other, f[1], f[2], f[2], f[3] }))
  lu.assertEquals(#v6, 1)
  lu.assertEquals(counters["in-ipv4-frag-reassembled"], 1)
  local q = tunnel(w.A, outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("x"):rep(800)) }))
  local g = cut6(q, 400)
  local v4
  v4 = check({}, nil, frames6({ g[1], g[1], g[2], g[2], g[3] }))
  lu.assertEquals(v4, { out4(q:sub(41)) })
  local atomic = cut6(q, 1280)
  lu.assertEquals(#atomic, 1)
  v4 = check({}, nil, frames6(atomic))
  lu.assertEquals(v4, { out4(q:sub(41)) })
end

function TestCheck:testFragment4()
  local p = outward(w.SHARED, 4100, { payload = w.udp(4100, 1, ("x"):rep(976)), ttl = 9, tos = 8 })
  local v4, _, counters = check({ external = "mtu 576;" }, nil, frames6({ tunnel(w.B, p) }))
  local expected = {}
  for i, f in ipairs(cut4(p, 552, 0x4243)) do expected[i] = out4(w.ttl(f:sub(1, 1) .. "\8" .. f:sub(3), 9)) end
  lu.assertEquals(v4, expected)
  lu.assertEquals({ counters["out-ipv4-packets"], counters["out-ipv4-frag"], counters["out-ipv4-frag-not"] }, { 1, 2 })
end

function TestCheck:testFragment6()
  local p = big()
  local _, v6, counters = check({ internal = "mtu 1280;" }, frames4({ p, inward(w.WHOLE, 80) }))
  local expected = {}
  for i, f in ipairs(cut6(tunnelled(w.A, ttl(p, 63)), 1232)) do expected[i] = out6(f) end
  expected[3] = out6(tunnelled(w.A, ttl(inward(w.WHOLE, 80), 63)))
  lu.assertEquals(v6, expected)
  lu.assertEquals({ counters["out-ipv6-packets"], counters["out-ipv6-frag"], counters["out-ipv6-frag-not"] }, { 2, 2, 1 })
end

local ALL = ("\255"):rep(6)
local function arp(operation, sender_mac, sender, target_mac, target)
  return "\0\1\8\0\6\4\0" .. string.char(operation) .. sender_mac .. w.ip(sender) .. target_mac .. w.ip(target)
end

-- With --proxy-arp served addresses are answered for, too; the others still are not.
function TestCheck:testProxyArp()
  local function request(target) return ALL .. PEER4 .. "\8\6" .. arp(1, PEER4, w.HOST, ("\0"):rep(6), target) end
  local requests = { request(w.SHARED), request(w.UNSERVED), request(w.OWN4) }
  local function answer(from) return PEER4 .. MAC4 .. "\8\6" .. arp(2, MAC4, from, PEER4, w.HOST) end
  lu.assertEquals((check({}, requests)), { answer(w.OWN4) })
  local v4, _, counters = check({}, requests, {}, "--proxy-arp")
  table.sort(v4)
  local want = { answer(w.SHARED), answer(w.OWN4) }
  table.sort(want)
  lu.assertEquals(v4, want)
  lu.assertEquals({ counters["in-arp-request-packets"], counters["out-arp-reply-packets"], counters["out-arp-proxy-packets"] }, { 3, 1, 1 })
  lu.assertEquals(#check({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, { requests[1]:sub(1, 12) .. "\x81\0\0\12" .. requests[1]:sub(13) },
    {}, "--proxy-arp --on-a-stick"), 1)
end

-- Parameters of lwaftr.lwaftr from the command line.
function TestCheck:testSet()
  local ping = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.echo(4100) })
  local function to(options) return select(2, check({}, frames4({ ping }), {}, options)) end
  lu.assertEquals(to(), { out6(tunnelled(w.D, ttl(ping, 63))) })
  lu.assertEquals(to("--set echo=identifier,verify_checksum=false,room=3"), { out6(tunnelled(w.B, ttl(ping, 63))) })
  local conf = w.file(w.conf({}))
  for set, message in pairs({ echo = "option '--set': 'echo' is not of the form KEY=VALUE,KEY=VALUE", ["echo="] = "option '--set'",
    ["=x"] = "option '--set'", ["echo=identifier,"] = "option '--set'", ["1a=2"] = "option '--set'", ["ec}ho=1"] = "option '--set'",
    ["echo=other"] = "key 'echo'", ["nothing=1"] = "key 'nothing'", ["echo=x\\\\\"]]"] = "key 'echo'" }) do
    local output, code = support.run(("%s lwaftr check --set '%s' %s /dev/null /dev/null %s/o4 %s/o6"):format(support.nf, set, conf, folder, folder))
    lu.assertEquals(code, 1, set)
    lu.assertStrContains(output, message)
  end
end

function TestCheck:testArp()
  local function request(target) return ALL .. PEER4 .. "\8\6" .. arp(1, PEER4, w.HOST, ("\0"):rep(6), target) end
  local v4, _, counters = check({}, { request(w.OWN4), request("203.0.113.77"), request(w.WHOLE) })
  lu.assertEquals(v4, { PEER4 .. MAC4 .. "\8\6" .. arp(2, MAC4, w.OWN4, PEER4, w.HOST) })
  lu.assertEquals({ counters["in-arp-request-packets"], counters["out-arp-reply-packets"], counters["out-arp-reply-bytes"],
    counters["in-ipv4-packets"] }, { 3, 1, 42 })
end

-- The next hop is asked for once; packets wait for the answer, in order, the other side does not.
function TestCheck:testNextHop4()
  local conf = { hop4 = "ip 203.0.113.254;" }
  local question = ALL .. MAC4 .. "\8\6" .. arp(1, MAC4, w.OWN4, ("\0"):rep(6), "203.0.113.254")
  local a, b = outward(w.SHARED, 4100), outward(w.SHARED, 4101)
  local v4, v6, counters = check(conf, frames4({ inward(w.WHOLE, 80) }), frames6({ tunnel(w.B, a), tunnel(w.B, b) }))
  lu.assertEquals(v4, { question })
  lu.assertEquals(#v6, 1)
  lu.assertEquals({ counters["out-ipv4-packets"], counters["out-ipv4-frag-not"] }, { 2, 1 })
  local hop = "\2\0\0\0\4\xfe"
  local answer = MAC4 .. hop .. "\8\6" .. arp(2, hop, "203.0.113.254", MAC4, w.OWN4)
  local wrong = MAC4 .. hop .. "\8\6" .. arp(2, PEER4, "203.0.113.253", MAC4, w.OWN4)
  v4 = check(conf, { wrong, answer }, frames6({ tunnel(w.B, a), tunnel(w.B, b) }))
  lu.assertEquals(v4, { question, hop .. MAC4 .. "\8\0" .. a, hop .. MAC4 .. "\8\0" .. b })
  v4 = check(conf, { wrong }, frames6({ tunnel(w.B, a) }))
  lu.assertEquals(v4, { question })
end

local function nd(src, dst, kind, rest, body, o)
  local p = w.icmpv6(src, dst, kind, 0, rest, body, o and o.bad)
  return (o and o.dst or MAC6) .. PEER6 .. "\x86\xdd" .. p:sub(1, 7) .. string.char(o and o.hops or 255) .. p:sub(9)
end

local PEER = "2001:db8:af::99"
local function advertisement(dst, flags)
  return PEER6 .. MAC6 .. "\x86\xdd" .. w.icmpv6(w.OWN6, dst, 136, 0, flags or "\xc0\0\0\0", w.ip(w.OWN6) .. "\2\1" .. MAC6)
end

function TestCheck:testNdp()
  local option = "\1\1" .. PEER6
  local function ns(target, o) return nd(PEER, o and o.to or w.OWN6, 135, "\0\0\0\0", w.ip(target) .. (o and o.option or option), o) end
  local _, v6, counters = check({}, nil, { ns(w.OWN6), ns(w.OWN6, { to = "ff02::1:ff00:f", dst = "\x33\x33\xff\0\0\x0f" }), ns(w.BR), ns("2001:db8::5") })
  lu.assertEquals(v6, { advertisement(PEER), advertisement(PEER) })
  lu.assertEquals({ counters["in-ndp-ns-packets"], counters["out-ndp-na-packets"], counters["in-ipv6-packets"] }, { 4, 2 })
  _, v6, counters = check({}, nil, { ns(w.OWN6, { hops = 254 }), ns(w.OWN6, { bad = true }), ns(w.OWN6, { option = "\1\0" .. PEER6 }) })
  lu.assertEquals(v6, {})
  lu.assertNil(counters["in-ndp-ns-packets"])
end

-- 10: a solicitation from :: is answered, to all, when it goes to a solicited-node address and brings no address; else not.
function TestCheck:test10_solicitationFromNobody()
  local good = nd("::", "ff02::1:ff00:f", 135, "\0\0\0\0", w.ip(w.OWN6), { dst = "\x33\x33\xff\0\0\x0f" })
  local direct = nd("::", w.OWN6, 135, "\0\0\0\0", w.ip(w.OWN6))
  local _, v6 = check({}, nil, { direct })
  lu.assertEquals(v6, {})
  _, v6 = check({}, nil, { good })
  lu.assertEquals(#v6, 1)
  lu.assertEquals(v6[1]:sub(39, 54), w.ip("ff02::1"))
  lu.assertEquals(v6[1]:byte(59), 0x80)
end

function TestCheck:testNextHop6()
  local conf = { hop6 = "ip 2001:db8:af::99;" }
  local question = "\x33\x33\xff\0\0\x99" .. MAC6 .. "\x86\xdd" ..
    w.icmpv6(w.OWN6, "ff02::1:ff00:99", 135, 0, "\0\0\0\0", w.ip(PEER) .. "\1\1" .. MAC6)
  local p = inward(w.WHOLE, 80)
  local v4, v6, counters = check(conf, frames4({ p }), frames6({ tunnel(w.B, outward(w.SHARED, 4100)) }))
  lu.assertEquals(v6, { question })
  lu.assertEquals(#v4, 1)
  lu.assertEquals({ counters["out-ipv6-packets"], counters["out-ipv6-frag-not"], counters["out-ndp-ns-packets"] }, { 1, 1, 1 })
  local function na(flags, target, option) return nd(PEER, w.OWN6, 136, flags, w.ip(target) .. option) end
  local sent = tunnelled(w.A, ttl(p, 63))
  v6 = select(2, check(conf, frames4({ p }), { na("\x40\0\0\0", PEER, "\2\1\2\0\0\0\6\x77") }))
  lu.assertEquals(v6, { question, "\2\0\0\0\6\x77" .. MAC6 .. "\x86\xdd" .. sent })
  v6 = select(2, check(conf, frames4({ p }), { na("\x40\0\0\0", PEER, "") }))
  lu.assertEquals(v6, { question, PEER6 .. MAC6 .. "\x86\xdd" .. sent })
  v6 = select(2, check(conf, frames4({ p }), { na("\0\0\0\0", PEER, "\2\1\2\0\0\0\6\x77"),
    na("\x40\0\0\0", "2001:db8:af::98", "\2\1\2\0\0\0\6\x77") }))
  lu.assertEquals(v6, { question })
end

-- Pings to own addresses are answered whatever the policy says; the request's Ethernet addresses are exchanged.
function TestCheck:testPing()
  local conf = { external = "allow-incoming-icmp false;", internal = "allow-incoming-icmp false;" }
  local ping4 = w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, ttl = 3, tos = 4, id = 99, df = true, payload = w.echo(7) })
  local pong4 = w.ipv4({ src = w.OWN4, dst = w.HOST, protocol = 1, tos = 4, id = 99, df = true, payload = w.reply(7) })
  local ping6 = w.icmpv6(PEER, w.OWN6, 128, 0, "\0\7\0\1", "ping")
  local pong6 = w.icmpv6(w.OWN6, PEER, 129, 0, "\0\7\0\1", "ping")
  local v4, v6, counters = check(conf, frames4({ ping4, inward(w.WHOLE, 80) }), frames6({ ping6, tunnel(w.B, outward(w.SHARED, 4100)) }))
  -- Which of two sides comes first in a breath is nobody's promise.
  lu.assertItemsEquals(v4, { PEER4 .. MAC4 .. "\8\0" .. pong4, out4(outward(w.SHARED, 4100)) })
  lu.assertItemsEquals(v6, { PEER6 .. MAC6 .. "\x86\xdd" .. pong6:sub(1, 7) .. "\64" .. pong6:sub(9), out6(tunnelled(w.A, ttl(inward(w.WHOLE, 80), 63))) })
  lu.assertEquals({ counters["in-icmpv4-echo-packets"], counters["out-icmpv4-echo-packets"], counters["in-icmpv6-echo-packets"],
    counters["out-icmpv6-echo-packets"], counters["in-ipv4-packets"], counters["in-ipv6-packets"] }, { 1, 1, 1, 1, 1, 1 })
end

-- The next hops are asked for before a ping that came at once is answered.
function TestCheck:testQuestionsComeFirst()
  local ping4 = w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, payload = w.echo(7) })
  local v4, v6 = check({ hop4 = "ip 203.0.113.254;", hop6 = "ip 2001:db8:af::99;" }, frames4({ ping4, ping4 }),
    frames6({ w.icmpv6(PEER, w.OWN6, 128, 0, "\0\7\0\1", "ping") }))
  lu.assertEquals({ #v4, #v6 }, { 3, 2 })
  lu.assertEquals(v4[1]:sub(1, 14), ALL .. MAC4 .. "\8\6")
  lu.assertEquals(v6[1]:sub(1, 14), "\x33\x33\xff\0\0\x99" .. MAC6 .. "\x86\xdd")
end

-- 11: a ping with a wrong ICMP checksum is not answered; one with a wrong header checksum is.
function TestCheck:test11_pingChecksums()
  local v4 = check({}, frames4({ w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, payload = w.icmp(8, 0, "\0\7\0\1", "ping", true) }) }))
  lu.assertEquals(v4, {})
  v4 = check({}, frames4({ w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, bad = true, payload = w.echo(7) }) }))
  lu.assertEquals(#v4, 1)
end

-- A long answer is cut as everything else is.
function TestCheck:testLongPing()
  local ping = w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, payload = w.echo(7, ("p"):rep(1000)) })
  local v4, _, counters = check({ external = "mtu 576;" }, frames4({ ping }))
  lu.assertEquals(#v4, 2)
  lu.assertEquals(counters["out-ipv4-frag"], 2)
end

function TestCheck:testFilters()
  local p, q = inward(w.WHOLE, 80), outward(w.SHARED, 4100)
  local function run(conf) return check(conf, frames4({ p }), frames6({ tunnel(w.B, q) })) end
  local v4, v6 = run({ external = 'ingress-filter "udp dst port 80"; egress-filter "udp src port 4100";', internal = "ingress-filter ip6;" })
  local counters
  lu.assertEquals({ #v4, #v6 }, { 1, 1 })
  v4, v6, counters = run({ external = 'ingress-filter "len < 0";' })
  lu.assertEquals({ #v4, #v6, counters["in-ipv4-packets"] }, { 1, 0 })
  v4, v6, counters = run({ external = 'egress-filter "tcp";' })
  lu.assertEquals({ #v4, #v6, counters["out-ipv4-packets"], counters["out-ipv4-frag-not"] or 0 }, { 0, 1, 1, 0 })
  v4, v6, counters = run({ internal = 'egress-filter "len < 0"; ingress-filter "len < 0";' })
  lu.assertEquals({ #v4, #v6, counters["in-ipv6-frag-reassembly-unneeded"], counters["in-ipv6-packets"] }, { 0, 0, 1 })
end

-- 14: no egress filter stops ARP or NDP.
function TestCheck:test14_filtersAndNeighbors()
  local request = ALL .. PEER4 .. "\8\6" .. arp(1, PEER4, w.HOST, ("\0"):rep(6), w.OWN4)
  local ns = nd(PEER, w.OWN6, 135, "\0\0\0\0", w.ip(w.OWN6) .. "\1\1" .. PEER6)
  local v4, v6 = check({ external = "egress-filter ip;", internal = 'egress-filter "ip6 and udp";', hop4 = "ip 203.0.113.254;" },
    { request }, { ns })
  lu.assertEquals({ #v4, #v6 }, { 2, 1 })
end

function TestCheck:testForeignFrames()
  local lldp = ("\1"):rep(12) .. "\x88\xcc" .. "lldp"
  local v4, v6, counters = check({}, { lldp, FROM6 .. tunnel(w.B, outward(w.SHARED, 4100)) }, { lldp, FROM4 .. inward(w.WHOLE, 80) })
  lu.assertEquals({ v4, v6 }, { {}, {} })
  lu.assertEquals({ counters["drop-misplaced-not-ipv4-packets"], counters["drop-misplaced-not-ipv6-packets"], counters["drop-all-ipv4-iface-packets"],
    counters["drop-all-ipv6-iface-packets"], counters["in-ipv4-frag-reassembly-unneeded"] }, { 2, 2, 2, 2, 2 })
end

-- The same input gives the same output, to the byte.
function TestCheck:testRepeatable()
  local v4, v6 = {}, {}
  for i = 1, 300 do
    v4[i] = FROM4 .. big({ id = i })
    v6[i] = FROM6 .. tunnel(w.B, outward(w.SHARED, 4100 + i, { payload = w.udp(4100 + i, 1, ("x"):rep(1300)) }))
  end
  local conf = { internal = "mtu 1280;", external = "mtu 576;" }
  local a4, a6 = check(conf, v4, v6)
  local b4, b6 = check(conf, v4, v6)
  lu.assertEquals(#a6, 600)
  lu.assertTrue(table.concat(a4) == table.concat(b4) and table.concat(a6) == table.concat(b6))
  for _, frame in ipairs(a4) do lu.assertTrue(#frame <= 14 + 576) end
  for _, frame in ipairs(a6) do lu.assertTrue(#frame <= 14 + 1280) end
end

function TestCheck:testErrors()
  local function fails(arguments, message)
    local output, code = support.run(support.nf .. " lwaftr " .. arguments)
    lu.assertStrContains(output, message)
    lu.assertTrue(code == 1 or code == 2, code)
  end
  local conf, pcap = w.file(w.conf()), folder .. "/empty.pcap"
  write_pcap(pcap, {})
  local outs = folder .. "/x4 " .. folder .. "/x6"
  fails("chek", "unknown command 'chek'; did you mean 'check'?")
  fails("xyzzy", "unknown command 'xyzzy'; accepted: bench, check, ")
  fails("check " .. conf, "V4-IN is missing")
  fails(("check /nonexistent.conf %s %s %s"):format(pcap, pcap, outs), "cannot open /nonexistent.conf")
  fails(("check %s %s /nonexistent.pcap %s"):format(conf, pcap, outs), "/nonexistent.pcap")
  fails(("check %s %s %s %s"):format(conf, conf, pcap, outs), "neither pcap nor pcapng")
  fails(("check %s %s %s %s"):format(w.file("softwire-config { }"), pcap, pcap, outs), "has no instance")
  fails(("check %s %s %s %s"):format(w.file("softwire-config { nam x; }"), pcap, pcap, outs), "unknown key 'nam'")
  fails(("check --dump-counters /nonexistent/c %s %s %s %s"):format(conf, pcap, pcap, outs), "cannot write /nonexistent/c")
  local two = w.conf():gsub("\n  external%-interface", "\n  instance { device other; }\n  external-interface")
  fails(("check %s %s %s %s"):format(w.file(two), pcap, pcap, outs), "has 2 instances")
  local output, code = support.run(support.nf .. " lwaftr --help")
  lu.assertEquals(code, 0)
  lu.assertStrContains(output, "lwaftr")
end

TestBench = {}

function TestBench:testRuns()
  local base = folder .. "/bench"
  write_pcap(base .. ".v4", frames4({ inward(w.WHOLE, 80), inward(w.SHARED, 5200) }))
  write_pcap(base .. ".v6", frames6({ tunnel(w.B, outward(w.SHARED, 4100)) }))
  local conf = w.file(w.conf())
  local output, code = support.run(("%s lwaftr bench --duration 50ms %s %s.v4 %s.v6"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 0, output)
  lu.assertStrMatches(output, "loaded in [^\n]+\nsecond +Mpps[^\n]+\n1 +[%d. ]+\nmedian +[%d. ]+\n")
  output, code = support.run(("%s lwaftr bench --json --duration 50ms %s %s.v4 %s.v6"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 0, output)
  lu.assertStrMatches(output, '{"second":"load","seconds":[%d.]+}\n{"second":"1","mpps":[%d.]+,[^\n]+}\n{"second":"median",[^\n]+}\n')
  output, code = support.run(("%s lwaftr bench --duration 0s %s %s.v4 %s.v6"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 2)
  lu.assertStrContains(output, "--duration")
  output, code = support.run(("%s lwaftr bench %s %s.none %s.v6"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, ".none")
  write_pcap(base .. ".empty", {})
  output, code = support.run(("%s lwaftr bench --duration 50ms %s %s.empty %s.empty"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 1)
  lu.assertEquals(output, "nf lwaftr bench: both captures are empty\n")
  output, code = support.run(("%s lwaftr bench --duration 50ms %s %s.empty %s.v6"):format(support.nf, conf, base, base))
  lu.assertEquals(code, 0, output)
end

os.exit(lu.LuaUnit.run())
