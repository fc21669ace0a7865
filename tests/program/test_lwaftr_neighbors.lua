-- What the whole graph of an lwAFTR does with ARP, neighbour discovery and pings of its own, and with frames that are not for the relay.
local lu = require("luaunit")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")
local cases = require("support_lwaftr_case")

local inward, outward, tunnel, tunnelled, ttl = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl
local case, length, plain, sum, icmp, big = cases.case, cases.length, cases.plain, cases.sum, cases.icmp, cases.big

TestLocal = {}

local function arp(operation, sender_mac, sender, target_mac, target)
  return { frame = (operation == 1 and ("\255"):rep(6) or c.MAC4) .. sender_mac .. "\8\6\0\1\8\0\6\4\0" .. string.char(operation) .. sender_mac ..
    w.ip(sender) ..
    target_mac .. w.ip(target) }
end
local NONE = ("\0"):rep(6)
local function arp_out(dst, operation, target_mac, target)
  return { frame = dst .. c.MAC4 .. "\8\6\0\1\8\0\6\4\0" .. string.char(operation) .. c.MAC4 .. w.ip(w.OWN4) .. target_mac .. w.ip(target) }
end

-- Requests for the own address are answered to who the message says it is; others are counted.
function TestLocal:testArp()
  local request = arp(1, c.PEER4, w.HOST, NONE, w.OWN4)
  request.frame = ("\255"):rep(6) .. "\2\2\2\2\2\2" .. request.frame:sub(13)        -- the Ethernet source does not count
  case({ v4 = { request }, out4 = { arp_out(c.PEER4, 2, c.PEER4, w.HOST) }, count = plain(1, 0, 1, 0, { ["in-arp-request"] = { 1, 42 },
    ["out-arp-reply"] = { 1, 42 } }) })
  case({ v4 = { arp(1, c.PEER4, w.HOST, NONE, "203.0.113.9") }, count = plain(1, 0, 0, 0, { ["in-arp-request"] = { 1, 42 } }) })
end

-- The next hop of the IPv4 side: asked for once, found by its own reply alone.
function TestLocal:testArpNextHop()
  local conf, hop, mac = { hop4 = "ip 203.0.113.254;" }, "203.0.113.254", "\2\0\0\0\4\xfe"
  local question = arp_out(("\255"):rep(6), 1, NONE, hop)
  local p = outward(w.WHOLE, 80)
  local wrong, right = arp(2, c.PEER4, "203.0.113.253", c.MAC4, w.OWN4), arp(2, mac, hop, c.MAC4, w.OWN4)
  local q = tunnel(w.A, p)
  case({ conf = conf, v4 = { wrong }, v6 = { q }, out4 = { question }, count = plain(1, 1, 1, 0, { ["in-arp-reply"] = { 1, 42 },
    ["out-arp-request"] = { 1, 42 },
    ["in-ipv6"] = sum(q), ["out-ipv4"] = sum(p) }) })
  case({ conf = conf, v4 = { right }, v6 = { q }, out4 = { question, { frame = mac .. c.MAC4 .. "\8\0" .. p } }, count = plain(1, 1, 2, 0, {
    ["in-arp-reply"] = { 1, 42 }, ["out-arp-request"] = { 1, 42 }, ["in-ipv6"] = sum(q), ["out-ipv4"] = sum(p), resolved = 1 }) })
end

local PEER = "2001:db8:af::99"
local function nd(kind, src, dst, flags, target, option, o)
  o = o or {}
  local p = w.icmpv6(src, dst, kind, o.code or 0, flags, w.ip(target) .. option, o.bad)
  return { frame = c.MAC6 .. c.PEER6 .. "\x86\xdd" .. p:sub(1, 7) .. string.char(o.hops or 255) .. p:sub(9) }
end

function TestLocal:testNdp()
  local option, zero = "\1\1" .. c.PEER6, "\0\0\0\0"
  local answer = { frame = c.PEER6 .. c.MAC6 .. "\x86\xdd" .. w.icmpv6(w.OWN6, PEER, 136, 0, "\xc0\0\0\0", w.ip(w.OWN6) .. "\2\1" .. c.MAC6) }
  for _, dst in ipairs({ w.OWN6, "ff02::1:ff00:f", "ff02::1" }) do
    case({ v6 = { nd(135, PEER, dst, zero, w.OWN6, option) }, out6 = { answer }, count = plain(0, 1, 0, 1, { ["in-ndp-ns"] = { 1, 86 },
      ["out-ndp-na"] = { 1, 86 } }) })
  end
  case({ v6 = { nd(135, PEER, w.OWN6, zero, w.OWN6, "") }, out6 = { answer }, count = plain(0, 1, 0, 1, { ["in-ndp-ns"] = { 1, 78 },
    ["out-ndp-na"] = { 1, 86 } }) })
  for _, target in ipairs({ w.BR, w.BR2, "2001:db8::77" }) do
    case({ v6 = { nd(135, PEER, w.OWN6, zero, target, option) }, count = plain(0, 1, 0, 0, { ["in-ndp-ns"] = { 1, 86 } }) })
  end
  for _, o in ipairs({ { hops = 254 }, { bad = true }, { code = 1 } }) do
    case({ v6 = { nd(135, PEER, w.OWN6, zero, w.OWN6, option, o) }, count = plain(0, 1, 0, 0, {}) })
  end
  for _, bad in ipairs({ "\1\0" .. c.PEER6, "\1\2" .. c.PEER6, option .. "\0\0\0\0\0\0\0\0" }) do
    case({ v6 = { nd(135, PEER, w.OWN6, zero, w.OWN6, bad) }, count = plain(0, 1, 0, 0, {}) })
  end
end

-- The next hop of the IPv6 side: solicited advertisements of it, with its address or with none; nothing else.
function TestLocal:testNdpNextHop()
  local conf = { hop6 = "ip " .. PEER .. ";" }
  local question = { frame = "\x33\x33\xff\0\0\x99" .. c.MAC6 .. "\x86\xdd" .. w.icmpv6(w.OWN6, "ff02::1:ff00:99", 135, 0, "\0\0\0\0", w.ip(PEER) ..
    "\1\1" .. c.MAC6) }
  local p = inward(w.WHOLE, 80)
  local out = tunnelled(w.A, ttl(p, 63))
  local function count(bytes, more)
    return plain(1, 1, 0, more and 2 or 1, { ["in-ndp-na"] = { 1, bytes }, ["out-ndp-ns"] = { 1, 86 }, ["in-ipv4"] = sum(p), ["out-ipv6"] = sum(out),
      resolved = more and 1 or nil })
  end
  local option, solicited = "\2\1\2\0\0\0\6\x77", "\x40\0\0\0"
  case({ conf = conf, v4 = { p }, v6 = { nd(136, PEER, w.OWN6, solicited, PEER, option) }, out6 = { question,
    { frame = "\2\0\0\0\6\x77" .. c.MAC6 .. "\x86\xdd" .. out } }, count = count(86, true) })
  case({ conf = conf, v4 = { p }, v6 = { nd(136, PEER, w.OWN6, "\xe0\0\0\0", PEER, "") }, out6 = { question,
    { frame = c.PEER6 .. c.MAC6 .. "\x86\xdd" .. out } }, count = count(78, true) })
  case({ conf = conf, v4 = { p }, v6 = { nd(136, PEER, w.OWN6, "\0\0\0\0", PEER, option) }, out6 = { question }, count = count(86) })
  case({ conf = conf, v4 = { p }, v6 = { nd(136, PEER, w.OWN6, "\x20\0\0\0", PEER, option) }, out6 = { question }, count = count(86) })
  case({ conf = conf, v4 = { p }, v6 = { nd(136, PEER, w.OWN6, solicited, "2001:db8:af::98", option) }, out6 = { question }, count = count(86) })
end

-- Other messages of Neighbor Discovery end here; they are no packets for the relay.
function TestLocal:testOtherNdp()
  for kind, bytes in pairs({ [133] = 0, [134] = 8, [137] = 32 }) do
    local q = w.icmpv6(PEER, w.OWN6, kind, 0, "\0\0\0\0", ("\0"):rep(bytes), false)
    q = q:sub(1, 7) .. "\255" .. q:sub(9)
    case({ v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ndp-other-packets"] = 1 }) })
  end
end

-- Pings: everything but addresses, TTL, type and checksums stays; fragments, and long answers.
function TestLocal:testPing()
  local o = { ttl = 3, tos = 0x51, id = 0x777, df = true, options = "\1\1\1\0" }
  local ping = icmp(w.HOST, w.OWN4, w.echo(9, "0123456789abc"), o)
  o.ttl = 64
  local pong = { frame = c.PEER4 .. c.MAC4 .. "\8\0" .. icmp(w.OWN4, w.HOST, w.reply(9, "0123456789abc"), o) }
  local conf = { external = "allow-incoming-icmp false; generate-icmp-errors false;", internal = "allow-incoming-icmp false; generate-icmp-errors false;" }
  case({ conf = conf, v4 = { ping }, out4 = { pong }, count = plain(1, 0, 1, 0, { ["in-icmpv4-echo"] = sum(ping), ["out-icmpv4-echo"] = sum(ping) }) })
  local wrong = ping:sub(1, 10) .. "\0\0" .. ping:sub(13)            -- the header's checksum does not count
  case({ conf = conf, v4 = { wrong }, out4 = { pong }, count = plain(1, 0, 1, 0, { ["in-icmpv4-echo"] = sum(ping), ["out-icmpv4-echo"] = sum(ping) }) })
  local q = w.icmpv6(PEER, w.OWN6, 128, 0, "\0\7\0\1", "abc")
  q = "\x6a\x12\x34\x56" .. q:sub(5, 7) .. "\9" .. q:sub(9)
  local r = w.icmpv6(w.OWN6, PEER, 129, 0, "\0\7\0\1", "abc")
  r = { frame = c.PEER6 .. c.MAC6 .. "\x86\xdd\x6a\x12\x34\x56" .. r:sub(5, 7) .. "\64" .. r:sub(9) }
  case({ conf = conf, v6 = { q }, out6 = { r }, count = plain(0, 1, 0, 1, { ["in-icmpv6-echo"] = sum(q), ["out-icmpv6-echo"] = sum(q) }) })
  local long = icmp(w.HOST, w.OWN4, w.echo(9, ("l"):rep(1400)))
  local outs = c.cut4(icmp(w.OWN4, w.HOST, w.reply(9, ("l"):rep(1400))), 552, 0x4243)
  for i, f in ipairs(outs) do outs[i] = { frame = c.PEER4 .. c.MAC4 .. "\8\0" .. f } end
  local whole = { 1, length(long) }
  case({ conf = { external = "mtu 576;" }, v4 = { long }, out4 = outs, count = { ["in-ipv4-frag-reassembly-unneeded"] = 1, ["in-icmpv4-echo"] = whole,
    ["out-icmpv4-echo"] = whole, ["out-ipv4-frag"] = 3 } })
end

-- What is not an echo request with code 0 to the own address is none of the local services'.
function TestLocal:testNoPing()
  local q = w.icmpv6(PEER, w.BR, 128, 0, "\0\7\0\1", "abc")
  case({ v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(q), ["drop-unknown-protocol-icmpv6"] = sum(q), ["drop-all-ipv6-iface"] = sum(q) }) })
  local p = icmp(w.HOST, w.OWN4, w.icmp(8, 1, "\0\7\0\1", "abc"))
  case({ v4 = { p }, count = plain(1, 0, 0, 0, { ["in-ipv4"] = sum(p), ["drop-no-dest-softwire-ipv4"] = sum(p), ["drop-all-ipv4-iface"] = sum(p),
    ["drop-in-by-rfc7596-icmpv4"] = sum(p) }) })
end

TestLayer2 = {}

-- Frames of other types, tagged ones where there are no tags.
function TestLayer2:testMisplaced()
  local lldp = { frame = ("\1"):rep(12) .. "\x88\xcclldp lldp lldp" }
  local q = tunnel(w.A, outward(w.WHOLE, 80))
  local p = inward(w.WHOLE, 80)
  local in4 = { lldp, { frame = c.FROM6 .. q } }
  local bytes4, bytes6 = #lldp.frame + length(q), #lldp.frame + length(p)
  case({ no_stick = true, v4 = in4, v6 = { lldp, { frame = c.FROM4 .. p } }, count = plain(2, 2, 0, 0, { ["drop-misplaced-not-ipv4"] = { 2, bytes4 },
    ["drop-all-ipv4-iface"] = { 2, bytes4 }, ["drop-misplaced-not-ipv6"] = { 2, bytes6 }, ["drop-all-ipv6-iface"] = { 2, bytes6 } }) })
  local _, v6, counters = c.check({}, { c.MAC4 .. c.PEER4 .. "\x81\0\0\12\8\0" .. p })
  lu.assertEquals({ #v6, counters["drop-misplaced-not-ipv4-packets"], counters["drop-misplaced-not-ipv4-bytes"] }, { 0, 1, length(p) + 4 })
  -- On a stick, what is neither IPv4 nor ARP belongs to the IPv6 side.
  _, v6, counters = c.check({}, { c.MAC4 .. c.PEER4 .. "\x81\0\0\12\8\0" .. p }, nil, "--on-a-stick")
  lu.assertEquals({ #v6, counters["drop-misplaced-not-ipv4-packets"], counters["drop-misplaced-not-ipv6-packets"] }, { 0, nil, 1 })
end

-- Of VLANs: another id, no tag, another kind of tag are dropped uncounted; a second tag is a foreign type.
function TestLayer2:testOtherTags()
  local p = inward(w.WHOLE, 80)
  local function frame(tag) return c.MAC4 .. c.PEER4 .. tag .. "\8\0" .. p end
  for _, option in ipairs({ "", "--on-a-stick" }) do
    local _, v6, counters = c.check({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, { frame("\x81\0\0\13"), frame(""), frame("\x88\xa8\0\12"),
      frame("\x91\0\0\12") },
      nil, option)
    lu.assertEquals({ #v6, counters }, { 0, { softwires = 4 } })
  end
  local _, v6, counters = c.check({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, { frame("\x81\0\0\12\x81\0\0\12") })
  lu.assertEquals({ #v6, counters["drop-misplaced-not-ipv4-packets"] }, { 0, 1 })
end

-- A length beyond the frame: nothing counts.
function TestLayer2:testBadLengths()
  case({ v4 = { inward(w.WHOLE, 80):sub(1, -2) }, v6 = { tunnel(w.A, outward(w.WHOLE, 80)):sub(1, -2) }, count = {} })
end

-- Filters see whole packets without tags; what they drop counts as little as its way before and behind them says.
function TestLayer2:testFilters()
  local p, q = inward(w.WHOLE, 80), outward(w.WHOLE, 80)
  local out = tunnelled(w.A, ttl(p, 63))
  case({ conf = { external = 'ingress-filter "len < 0";' }, v4 = { p }, count = plain(1, 0, 0, 0) })
  case({ conf = { internal = 'egress-filter "len < 0";' }, v4 = { p }, count = plain(1, 0, 0, 0, { ["in-ipv4"] = sum(p), ["out-ipv6"] = sum(out) }) })
  case({ conf = { external = 'egress-filter "tcp";' }, v6 = { tunnel(w.A, q) }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(tunnel(w.A, q)),
    ["out-ipv4"] = sum(q) }) })
  local empty = 'ingress-filter ""; egress-filter "";'
  case({ conf = { external = empty, internal = empty }, v4 = { p }, out6 = { out }, count = plain(1, 0, 0, 1, { ["in-ipv4"] = sum(p),
    ["out-ipv6"] = sum(out) }) })
  local f = c.cut4(big(), 600)
  local whole = w.ipv4({ src = w.HOST, dst = w.WHOLE, id = 0, payload = big():sub(21) })
  case({ conf = { external = 'ingress-filter "udp dst port 80 and greater 1000";' }, v4 = f, out6 = { tunnelled(w.A, ttl(whole, 63)) }, count = {
    ["in-ipv4-frag-needs-reassembly"] = 2, ["in-ipv4-frag-reassembled"] = 1, ["in-ipv4"] = sum(whole), ["out-ipv6"] = sum(tunnelled(w.A, whole)),
    ["out-ipv6-frag-not"] = 1 } })
  -- A ping's answer is filtered, too.
  local ping = icmp(w.HOST, w.OWN4, w.echo(9))
  case({ conf = { external = 'egress-filter "not icmp";' }, v4 = { ping }, count = plain(1, 0, 0, 0, { ["in-icmpv4-echo"] = sum(ping),
    ["out-icmpv4-echo"] = sum(ping) }) })
end

os.exit(lu.LuaUnit.run())
