-- What becomes of each kind of packet in the whole graph of an lwAFTR: frames and all counters. Each case goes through two interfaces,
-- and then, in turn, through two with VLAN tags, one wire, or one wire with tags.
local lu = require("luaunit")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")

local inward, outward, tunnel, tunnelled, ttl, error4, u16 = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl, w.error4, w.u16
local SILENT = "generate-icmp-errors false;"

-- Frames of a side, of packets and of what is a frame already: { frame = ... }.
local function frames(list, begin)
  local result = {}
  for i, p in ipairs(list or {}) do result[i] = type(p) == "table" and p.frame or begin .. p end
  return result
end

local function tagged(list, vlan)
  local result = {}
  for i, frame in ipairs(list) do result[i] = frame:sub(1, 12) .. "\x81\0" .. u16(vlan) .. frame:sub(13) end
  return result
end

local turn = 0

-- Run a case. o: conf; v4, v6: what comes in; out4, out6: what leaves; count: all counters that are not 0, pairs without
-- their ends as { packets, bytes }; no_stick: not on one wire, where nothing is misplaced, and sides have no order
local function case(o)
  local want = { softwires = 4 }
  for name, value in pairs(o.count) do
    if type(value) == "table" then
      want[name .. "-packets"], want[name .. "-bytes"] = value[1], value[2]
    else
      want[name] = value
    end
  end
  local v4, v6, out4, out6 = frames(o.v4, c.FROM4), frames(o.v6, c.FROM6), frames(o.out4, w.OUT4), frames(o.out6, w.OUT6)
  local modes = { {} }
  turn = turn + 1
  modes[2] = o.no_stick and { vlan = true } or ({ { vlan = true }, { option = "--on-a-stick" }, { vlan = true, option = "--on-a-stick" } })[turn % 3 + 1]
  for _, mode in ipairs(modes) do
    local conf = {}
    for k, v in pairs(o.conf or {}) do conf[k] = v end
    for _, side in ipairs({ "external", "internal" }) do        -- few datagrams: less memory, and less time
      if not (conf[side] or ""):find("reassembly", 1, true) then conf[side] = (conf[side] or "") .. "reassembly { max-packets 50; }" end
    end
    if mode.vlan then conf.vlan4, conf.vlan6 = "vlan-tag 12;", "vlan-tag 13;" end
    local function tag(list, id) return mode.vlan and tagged(list, id) or list end
    local a, b, counters = c.check(conf, tag(v4, 12), tag(v6, 13), mode.option)
    lu.assertEquals(a, tag(out4, 12))
    lu.assertEquals(b, tag(out6, 13))
    lu.assertEquals(counters, want)
  end
end

local function length(p) return #p + 14 end
-- Counters of packets that need neither reassembly nor fragments: how many came in and left on each side, frames of all kinds.
local function plain(in4, in6, out4, out6, more)
  local t = more or {}
  t["in-ipv4-frag-reassembly-unneeded"] = in4 > 0 and in4 or nil
  t["in-ipv6-frag-reassembly-unneeded"] = in6 > 0 and in6 or nil
  t["out-ipv4-frag-not"] = out4 > 0 and out4 or nil
  t["out-ipv6-frag-not"] = out6 > 0 and out6 or nil
  return t
end

local function sum(...)
  local bytes, list = 0, { ... }
  for _, p in ipairs(list) do bytes = bytes + length(p) end
  return { #list, bytes }
end

local function icmp(src, dst, payload, o)
  local p = { src = src, dst = dst, protocol = 1, payload = payload }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

TestFind = {}

-- ICMP towards a B4: requests by port 0, replies by identifier, errors by what they quote.
function TestFind:testIcmpInward()
  local reply, request = icmp(w.HOST, w.SHARED, w.reply(5200)), icmp(w.HOST, w.SHARED, w.echo(5200))
  local exceeded = icmp("192.0.2.77", w.SHARED, w.icmp(11, 0, "\0\0\0\0", ttl(outward(w.SHARED, 4100), 0):sub(1, 28)))
  local big = icmp("192.0.2.77", w.SHARED, w.icmp(3, 4, "\0\0\5\0", outward(w.SHARED, 4100, { protocol = 6, options = "\1\1\1\1",
    payload = u16(5200) .. u16(80) .. ("t"):rep(16) })))
  local outs = { tunnelled(w.C, ttl(reply, 63), w.BR2), tunnelled(w.D, ttl(request, 63)), tunnelled(w.B, ttl(exceeded, 63)),
    tunnelled(w.C, ttl(big, 63), w.BR2) }
  case({ v4 = { reply, request, exceeded, big }, out6 = outs, count = plain(4, 0, 0, 4, { ["in-ipv4"] = sum(reply, request, exceeded, big),
    ["out-ipv6"] = sum(unpack(outs)) }) })
end

-- An ICMP error about a port that nobody has: no error about it.
function TestFind:testIcmpErrorUnbound()
  local p = icmp(w.HOST, w.SHARED, w.icmp(3, 3, "\0\0\0\0", outward(w.SHARED, 9999)))
  local count = { ["in-ipv4"] = sum(p), ["drop-no-dest-softwire-ipv4"] = sum(p), ["drop-all-ipv4-iface"] = sum(p), ["drop-in-by-rfc7596-icmpv4"] = sum(p) }
  case({ v4 = { p }, count = plain(1, 0, 0, 0, count) })
  case({ conf = { external = SILENT }, v4 = { p }, count = plain(1, 0, 0, 0, { ["in-ipv4"] = sum(p), ["drop-no-dest-softwire-ipv4"] = sum(p),
    ["drop-all-ipv4-iface"] = sum(p), ["drop-out-by-policy-icmpv4-packets"] = 1 }) })
end

-- Pings of a B4: a request by its identifier, a reply by port 0, which belongs to D.
function TestFind:testIcmpOutward()
  local request, reply = icmp(w.SHARED, w.HOST, w.echo(5200)), icmp(w.SHARED, w.HOST, w.reply(5200))
  case({ v6 = { tunnel(w.C, request, w.BR2), tunnel(w.D, reply) }, out4 = { request, reply }, count = plain(0, 2, 2, 0, {
    ["in-ipv6"] = sum(tunnel(w.C, request), tunnel(w.D, reply)), ["out-ipv4"] = sum(request, reply) }) })
  local q = tunnel(w.C, reply, w.BR2)
  local message = w.icmpv6(w.BR, w.C, 1, 5, "\0\0\0\0", q)
  case({ v6 = { q }, out6 = { message }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["drop-no-source-softwire-ipv6"] = sum(q),
    ["drop-all-ipv6-iface"] = sum(q), ["out-icmpv6-error"] = sum(message), ["out-ipv6"] = sum(message) }) })
end

-- Nobody has port 0 of the address: the error about a reply comes from where the packet went to.
function TestFind:testReplyWithoutPort0()
  local list = w.softwire(w.WHOLE, 0, w.A, w.BR, "psid-length 0;") .. w.softwire(w.SHARED, 4, w.B, w.BR, "psid-length 6;") ..
    w.softwire(w.SHARED, 5, w.C, w.BR2, "psid-length 6;") .. w.softwire(w.SHARED, 6, w.D, w.BR, "psid-length 6;")
  local reply = icmp(w.SHARED, w.HOST, w.reply(5200))
  local q = tunnel(w.C, reply, w.BR2)
  local message = w.icmpv6(w.BR2, w.C, 1, 5, "\0\0\0\0", q)
  case({ conf = { table = list }, v6 = { q }, out6 = { message }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["drop-no-source-softwire-ipv6"] = sum(q),
    ["drop-all-ipv6-iface"] = sum(q), ["out-icmpv6-error"] = sum(message), ["out-ipv6"] = sum(message) }) })
end

-- A stranger's tunnel, in silence and with an error from the softwire's own br-address.
function TestFind:testForeignSource()
  local p = outward(w.SHARED, 5200)
  for _, q in ipairs({ tunnel("2001:db8::bad", p, w.BR2), tunnel(w.C, p, w.BR), tunnel(w.C, p, "2001:db8::1:2") }) do
    local count = { ["in-ipv6"] = sum(q), ["drop-no-source-softwire-ipv6"] = sum(q), ["drop-all-ipv6-iface"] = sum(q),
      ["drop-out-by-policy-icmpv6-packets"] = 1 }
    case({ conf = { internal = SILENT }, v6 = { q }, count = plain(0, 1, 0, 0, count) })
    local message = w.icmpv6(w.BR2, q:sub(9, 24) == w.ip(w.C) and w.C or "2001:db8::bad", 1, 5, "\0\0\0\0", q)
    case({ v6 = { q }, out6 = { message }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["drop-no-source-softwire-ipv6"] = sum(q),
      ["drop-all-ipv6-iface"] = sum(q), ["out-icmpv6-error"] = sum(message), ["out-ipv6"] = sum(message) }) })
  end
end

-- Other next headers, extension headers too, are no tunnel.
function TestFind:testUnknownNextHeader()
  for _, header in ipairs({ 0, 17, 41, 43, 47, 59, 255 }) do
    local q = w.ipv6({ src = w.A, dst = w.BR, next = header, payload = outward(w.WHOLE, 80) })
    case({ v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(q), ["drop-unknown-protocol-ipv6"] = sum(q), ["drop-all-ipv6-iface"] = sum(q) }) })
  end
end

TestSize = {}

local function sized(bytes, o)
  o = o or {}
  o.payload = w.udp(5000, 80, ("s"):rep(bytes - 28))
  return inward(w.WHOLE, 80, o)
end

-- What just fits the tunnel, and a byte more: with DF an error, else two fragments of one identification.
function TestSize:testEdges6()
  local conf = { internal = "mtu 1400;" }
  for _, df in ipairs({ true, false }) do
    local p = sized(1360, { df = df })
    local out = tunnelled(w.A, ttl(p, 63))
    case({ conf = conf, v4 = { p }, out6 = { out }, count = plain(1, 0, 0, 1, { ["in-ipv4"] = sum(p), ["out-ipv6"] = sum(out) }) })
  end
  local p = sized(1361, { df = true })
  local message = error4(3, 4, 1360, ttl(p, 63))
  case({ conf = conf, v4 = { p }, out4 = { message }, count = plain(1, 0, 1, 0, { ["in-ipv4"] = sum(p), ["drop-over-mtu-but-dont-fragment-ipv4"] = sum(p),
    ["drop-all-ipv4-iface"] = sum(p), ["out-icmpv4-error"] = { 1, 590 }, ["out-ipv4"] = { 1, 590 } }) })
  p = sized(1361)
  local out = tunnelled(w.A, ttl(p, 63))
  case({ conf = conf, v4 = { p }, out6 = c.cut6(out, 1352), count = { ["in-ipv4"] = sum(p), ["out-ipv6"] = sum(out), ["out-ipv6-frag"] = 2,
    ["in-ipv4-frag-reassembly-unneeded"] = 1 } })
end

-- Three fragments, and the next packet has the next identification.
function TestSize:testThreeFragments6()
  local conf = { internal = "mtu 1280; flow-label 77;" }
  local p, q = sized(1900, { tos = 0xb8 }), sized(1300)
  local a, b = tunnelled(w.A, ttl(p, 63), w.BR, { label = 77 }), tunnelled(w.A, ttl(q, 63), w.BR, { label = 77 })
  local outs = c.cut6(a, 1232)
  for _, piece in ipairs(c.cut6(b, 1232, 0x42424244)) do outs[#outs + 1] = piece end
  lu.assertEquals(#outs, 4)
  case({ conf = conf, v4 = { p, q }, out6 = outs, count = { ["in-ipv4"] = sum(p, q), ["out-ipv6"] = sum(a, b), ["out-ipv6-frag"] = 4,
    ["in-ipv4-frag-reassembly-unneeded"] = 2 } })
end

-- IPv4 fragments of a decapsulated packet, options in all of them; what fits goes in between, in order.
function TestSize:testFragments4()
  local conf = { external = "mtu 576;" }
  local p = outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("f"):rep(1500)), tos = 0x28, ttl = 9 })
  local small, second = outward(w.WHOLE, 81), outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("g"):rep(560)) })
  local options = outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("h"):rep(700)), options = "\1\1\1\0" })
  local outs = c.cut4(p, 552, 0x4243)
  outs[#outs + 1] = small
  for _, piece in ipairs(c.cut4(second, 552, 0x4244)) do outs[#outs + 1] = piece end
  local data = options:sub(25)
  for i, at in ipairs({ 0, 552 }) do
    outs[#outs + 1] = w.ipv4({ src = w.WHOLE, dst = w.HOST, id = 0x4245, options = "\1\1\1\0", offset = at, more = i == 1, payload = data:sub(at + 1,
      at + 552) })
  end
  lu.assertEquals(#outs, 8)
  local ins = { tunnel(w.A, p), tunnel(w.A, small), tunnel(w.A, second), tunnel(w.A, options) }
  case({ conf = conf, v6 = ins, out4 = outs, count = { ["in-ipv6"] = sum(unpack(ins)), ["out-ipv4"] = sum(p, small, second, options), ["out-ipv4-frag"] = 7,
    ["out-ipv4-frag-not"] = 1, ["in-ipv6-frag-reassembly-unneeded"] = 4 } })
  local fits = outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("f"):rep(548)) })
  case({ conf = conf, v6 = { tunnel(w.A, fits) }, out4 = { fits }, count = plain(0, 1, 1, 0, { ["in-ipv6"] = sum(tunnel(w.A, fits)),
    ["out-ipv4"] = sum(fits) }) })
end

-- An error about a large packet quotes as much as fits 576 bytes, of IPv6 1280.
function TestSize:testLongQuotations()
  local p = inward(w.UNSERVED, 80, { payload = w.udp(5000, 80, ("q"):rep(1200)) })
  local q = tunnel(w.B, outward(w.UNSERVED, 80, { payload = w.udp(80, 1, ("q"):rep(1300)) }))
  local four, six = error4(3, 1, 0, p), w.icmpv6(w.BR, w.B, 1, 5, "\0\0\0\0", q:sub(1, 1232))
  lu.assertEquals({ #four, #six }, { 576, 1280 })
  case({ v4 = { p }, out4 = { four }, count = plain(1, 0, 1, 0, { ["in-ipv4"] = sum(p), ["drop-no-dest-softwire-ipv4"] = sum(p),
    ["drop-all-ipv4-iface"] = sum(p), ["out-icmpv4-error"] = sum(four), ["out-ipv4"] = sum(four) }) })
  case({ v6 = { q }, out6 = { six }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["drop-no-source-softwire-ipv6"] = sum(q),
    ["drop-all-ipv6-iface"] = sum(q), ["out-icmpv6-error"] = sum(six), ["out-ipv6"] = sum(six) }) })
end

TestHairpin = {}

local function to_b4(from, from_port, to, to_port, o)
  local p = { src = from, dst = to, payload = w.udp(from_port, to_port) }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

-- From one br-address to another, both not the first one; a long packet leaves in fragments.
function TestHairpin:testBetweenBrs()
  local p = to_b4(w.SHARED, 5200, w.SHARED, 4100, { tos = 3, payload = w.udp(5200, 4100, ("h"):rep(1400)) })
  local q, out = tunnel(w.C, p, w.BR2), tunnelled(w.B, ttl(p, 63))
  case({ v6 = { q }, out6 = { out }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["hairpin-ipv4"] = sum(p), ["out-ipv6"] = sum(out) }) })
  case({ conf = { internal = "mtu 1280;" }, v6 = { q }, out6 = c.cut6(out, 1232), count = { ["in-ipv6"] = sum(q), ["hairpin-ipv4"] = sum(p),
    ["out-ipv6"] = sum(out), ["out-ipv6-frag"] = 2, ["in-ipv6-frag-reassembly-unneeded"] = 1 } })
end

-- Whatever goes wrong with it is told its B4 through the tunnel; in silence it is only counted.
function TestHairpin:testErrors()
  local big = { df = true, payload = w.udp(4100, 80, ("b"):rep(1300)) }
  for _, x in ipairs({ { to_b4(w.SHARED, 4100, w.WHOLE, 80, { ttl = 1 }), "drop-ttl-zero-ipv4", 11, 0, 0, 0 },
    { to_b4(w.SHARED, 4100, w.SHARED, 9999), "drop-no-dest-softwire-ipv4", 3, 1, 0, 64 },
    { to_b4(w.SHARED, 4100, w.WHOLE, 80, big), "drop-over-mtu-but-dont-fragment-ipv4", 3, 4, 1240, 63 } }) do
    local p = x[1]
    local q, message = tunnel(w.B, p), error4(x[3], x[4], x[5], ttl(p, x[6]), { ttl = 254 })
    local out = tunnelled(w.B, message)
    local conf = "mtu 1280;"
    case({ conf = { internal = conf }, v6 = { q }, out6 = { out }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q), ["hairpin-ipv4"] = sum(p),
      [x[2]] = sum(p),
      ["drop-all-ipv6-iface"] = sum(q), ["out-icmpv4-error"] = sum(message), ["out-ipv6"] = sum(out) }) })
    case({ conf = { internal = conf, external = SILENT }, v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(q), ["hairpin-ipv4"] = sum(p),
      [x[2]] = sum(p), ["drop-all-ipv6-iface"] = sum(q), ["drop-out-by-policy-icmpv4-packets"] = 1 }) })
  end
end

-- Pings between B4s: the request goes to who has port 0, the reply to who has its identifier.
function TestHairpin:testPings()
  local request, reply = icmp(w.WHOLE, w.SHARED, w.echo(7)), icmp(w.SHARED, w.SHARED, w.reply(5200))
  local outs = { tunnelled(w.D, ttl(request, 63)), tunnelled(w.C, ttl(reply, 63), w.BR2) }
  case({ v6 = { tunnel(w.A, request), tunnel(w.D, reply) }, out6 = outs, count = plain(0, 2, 0, 2, { ["in-ipv6"] = sum(tunnel(w.A, request),
    tunnel(w.D, reply)), ["hairpin-ipv4"] = sum(request, reply), ["out-ipv6"] = sum(unpack(outs)) }) })
end

-- Without hairpinning it leaves on the IPv4 side, whatever its TTL; what the relay itself says to a B4 still goes through the tunnel.
function TestHairpin:testOff()
  local p = to_b4(w.WHOLE, 80, w.SHARED, 5200, { ttl = 1 })
  case({ conf = { internal = "hairpinning false;" }, v6 = { tunnel(w.A, p) }, out4 = { p }, count = plain(0, 1, 1, 0, {
    ["in-ipv6"] = sum(tunnel(w.A, p)), ["out-ipv4"] = sum(p) }) })
  local quoted = to_b4(w.WHOLE, 80, w.SHARED, 5200, { ttl = 63 })
  local q = w.icmpv6("2001:db8:1::1", w.BR2, 3, 0, "\0\0\0\0", tunnelled(w.C, quoted, w.BR2))
  local message = error4(3, 1, 0, quoted, { ttl = 254 })
  local out = tunnelled(w.A, message)
  case({ conf = { internal = "hairpinning false;" }, v6 = { q }, out6 = { out }, count = plain(0, 1, 0, 1, { ["in-ipv6"] = sum(q),
    ["out-icmpv4-error"] = sum(message), ["out-ipv6"] = sum(out) }) })
end

TestIcmp6 = {}

-- Each type and code of what comes back from a tunnel's way.
function TestIcmp6:testRelay()
  local p = inward(w.SHARED, 5200, { ttl = 63 })
  local quoted = tunnelled(w.C, p, w.BR2)
  for _, x in ipairs({ { 1, 0 }, { 1, 1 }, { 1, 3 }, { 1, 4 }, { 4, 0 }, { 4, 1 }, { 4, 2 }, { 3, 0 }, { 2, 0, 1280, 1240 } }) do
    local q = w.icmpv6("2001:db8:1::1", w.BR2, x[1], x[2], w.u32(x[3] or 0), quoted)
    local out = error4(3, x[3] and 4 or 1, x[4] or 0, p)
    local count = { ["in-ipv6"] = sum(q), ["out-icmpv4-error"] = sum(out), ["out-ipv4"] = sum(out) }
    case({ conf = { external = SILENT }, v6 = { q }, out4 = { out }, count = plain(0, 1, 1, 0, count) })
  end
  for _, x in ipairs({ { 2, 1, "drop-too-big-type-but-not-code-icmpv6" }, { 3, 1, "drop-over-time-but-not-hop-limit-icmpv6" },
    { 128, 0, "drop-unknown-protocol-icmpv6" }, { 129, 0, "drop-unknown-protocol-icmpv6" }, { 100, 0, "drop-unknown-protocol-icmpv6" } }) do
    local q = w.icmpv6("2001:db8:1::1", w.BR2, x[1], x[2], w.u32(1300), quoted)
    case({ v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(q), [x[3]] = sum(q), ["drop-all-ipv6-iface"] = sum(q) }) })
    case({ conf = { internal = "allow-incoming-icmp false;" }, v6 = { q }, count = plain(0, 1, 0, 0, { ["in-ipv6"] = sum(q),
      ["drop-in-by-policy-icmpv6"] = sum(q), ["drop-all-ipv6-iface"] = sum(q) }) })
  end
end

TestFragments = {}

local function big(o)
  o = o or {}
  o.payload = w.udp(5000, 80, ("0123456789"):rep(100))
  return inward(w.WHOLE, 80, o)
end

-- The whole datagram has the header of the fragment that came first, and no identification.
function TestFragments:testReassembly4()
  local p = big({ ttl = 20 })
  local f = c.cut4(p, 400)
  f[3] = ttl(f[3], 99)
  for _, order in ipairs({ { 1, 2, 3, 20 }, { 3, 2, 1, 99 }, { 2, 3, 1, 20 } }) do
    local whole = w.ipv4({ src = w.HOST, dst = w.WHOLE, ttl = order[4], id = 0, payload = p:sub(21) })
    local out = tunnelled(w.A, ttl(whole, order[4] - 1))
    case({ v4 = { f[order[1]], f[order[2]], f[order[3]] }, out6 = { out }, count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["in-ipv4-frag-reassembled"] = 1,
      ["in-ipv4"] = sum(whole), ["out-ipv6"] = sum(out), ["out-ipv6-frag-not"] = 1 } })
  end
end

-- Two datagrams and a whole packet mixed; each comes out when it is complete.
function TestFragments:testInterleaved4()
  local p, q, r = big({ id = 1 }), big({ id = 2, tos = 4 }), inward(w.WHOLE, 81)
  local f, g = c.cut4(p, 600, 1), c.cut4(q, 600, 2)
  local function whole(x) return w.ipv4({ src = w.HOST, dst = w.WHOLE, id = 0, tos = x:byte(2), payload = x:sub(21) }) end
  local outs = { tunnelled(w.A, ttl(r, 63)), tunnelled(w.A, ttl(whole(q), 63)), tunnelled(w.A, ttl(whole(p), 63)) }
  case({ v4 = { f[1], g[2], r, g[1], f[2] }, out6 = outs, count = { ["in-ipv4-frag-needs-reassembly"] = 4, ["in-ipv4-frag-reassembled"] = 2,
    ["in-ipv4-frag-reassembly-unneeded"] = 1, ["in-ipv4"] = sum(r, p, q), ["out-ipv6"] = sum(unpack(outs)), ["out-ipv6-frag-not"] = 3 } })
end

-- ICMP in fragments: checksum and port are those of the whole; what is too long for the tunnel is cut again.
function TestFragments:testIcmp4()
  local p = icmp(w.HOST, w.SHARED, w.reply(5200, ("i"):rep(1600)))
  local f = c.cut4(p, 800)
  local whole = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, id = 0, payload = p:sub(21) })
  local out = tunnelled(w.C, ttl(whole, 63), w.BR2)
  case({ v4 = f, out6 = c.cut6(out, 1448), count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["in-ipv4-frag-reassembled"] = 1, ["in-ipv4"] = sum(whole),
    ["out-ipv6"] = sum(out), ["out-ipv6-frag"] = 2 } })
end

-- More fragments than allowed, and two that both end the datagram: it goes; what comes later begins anew.
function TestFragments:testGivenUp()
  local f = c.cut4(big(), 200)
  lu.assertEquals(#f, 6)
  case({ conf = { external = "reassembly { max-fragments-per-packet 3; }" }, v4 = f, count = { ["in-ipv4-frag-needs-reassembly"] = 6,
    ["drop-ipv4-frag-invalid-reassembly"] = 1 } })
  local twice = w.ipv4({ src = w.HOST, dst = w.WHOLE, offset = 400, payload = ("e"):rep(100) })
  case({ v4 = { f[1], f[6], twice }, count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["drop-ipv4-frag-invalid-reassembly"] = 1 } })
  local q = tunnel(w.A, outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("x"):rep(900)) }))
  local g = c.cut6(q, 200)
  lu.assertEquals(#g, 5)
  case({ conf = { internal = "reassembly { max-fragments-per-packet 4; }" }, v6 = g, count = { ["in-ipv6-frag-needs-reassembly"] = 5,
    ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
  -- A piece that is no multiple of 8 and not the last one.
  local odd = c.cut6(q, 204)
  case({ v6 = { odd[1] }, count = { ["in-ipv6-frag-needs-reassembly"] = 1, ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
  case({ v6 = { g[2], odd[1], g[3] }, count = { ["in-ipv6-frag-needs-reassembly"] = 3, ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
end

-- Too many datagrams at once: each further one costs one that waits.
function TestFragments:testEviction()
  local f = {}
  for i = 1, 14 do f[i] = c.cut4(big({ id = i }), 600, i)[1] end
  case({ conf = { external = "reassembly { max-packets 10; }" }, v4 = f, count = { ["in-ipv4-frag-needs-reassembly"] = 14,
    ["drop-ipv4-frag-random-evicted"] = 4 } })
end

-- IPv6: all 32 bits of the identification count; decapsulated, and cut on the other side.
function TestFragments:testReassembly6()
  local p = outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("x"):rep(1400)) })
  local q = tunnel(w.A, p, w.BR, { class = 7, label = 9 })
  local f = c.cut6(q, 1000, 0xffffffff)
  local other = c.cut6(q, 1000, 0x7fffffff)
  for _, list in ipairs({ { f[1], f[2] }, { f[2], f[1] }, { other[1], f[1], f[2] } }) do
    case({ conf = { external = "mtu 1000;" }, v6 = list, out4 = c.cut4(p, 976, 0x4243), count = { ["in-ipv6-frag-needs-reassembly"] = #list,
      ["in-ipv6-frag-reassembled"] = 1, ["in-ipv6"] = sum(q), ["out-ipv4"] = sum(p), ["out-ipv4-frag"] = 2 } })
  end
end

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
