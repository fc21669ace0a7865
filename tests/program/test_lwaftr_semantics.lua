-- What becomes of each kind of packet in the whole graph of an lwAFTR: whose softwire it is, how long it may be, hairpins, ICMPv6 errors.
local lu = require("luaunit")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")
local cases = require("support_lwaftr_case")

local inward, outward, tunnel, tunnelled, ttl, error4, u16 = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl, w.error4, w.u16
local case, plain, sum, icmp = cases.case, cases.plain, cases.sum, cases.icmp
local SILENT = "generate-icmp-errors false;"

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

os.exit(lu.LuaUnit.run())
