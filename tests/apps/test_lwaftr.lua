-- lwaftr.lwaftr: what happens to each kind of packet. The whole graph is tested in tests/program/test_lwaftr_check.lua.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")

local case, inward, outward, tunnel, tunnelled, ttl, error4 = w.case, w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl, w.error4
local SILENT4, SILENT6 = "generate-icmp-errors false;", "generate-icmp-errors false;"

-- Counters of a packet that came in, went out.
local function length(packet, more) return #packet + 14 + (more or 0) end
local function one(packet, more) return { 1, length(packet, more) } end

TestEncapsulate = {}

function TestEncapsulate:testHeader()
  local p = inward(w.WHOLE, 80, { tos = 0x89, ttl = 33, id = 0x4711, df = true })
  local out = tunnelled(w.A, ttl(p, 32), w.BR, { class = 0x89 })
  case({ v4 = { p }, out6 = { out }, counters = { ["in-ipv4"] = one(p), ["out-ipv6"] = one(out) } })
end

function TestEncapsulate:testFlowLabel()
  local p = inward(w.WHOLE, 80)
  case({ conf = { internal = "flow-label 0xabcde;" }, v4 = { p }, out6 = { tunnelled(w.A, ttl(p, 63), w.BR, { label = 0xabcde }) } })
end

function TestEncapsulate:testOptionsAreSkipped()
  local p = inward(w.SHARED, 5 * 1024, { options = "\1\1\1\0", protocol = 6 })
  case({ v4 = { p }, out6 = { tunnelled(w.C, ttl(p, 63), w.BR2) } })
end

-- Port sets of 1024 ports: the first and last of 4 and 5, and their neighbours.
function TestEncapsulate:testEdgesOfPortSets()
  local v4, out6 = {}, {}
  for _, c in ipairs({ { 0, w.D }, { 1023, w.D }, { 1024 }, { 4095 }, { 4096, w.B }, { 5119, w.B }, { 5120, w.C }, { 6143, w.C },
    { 6144 }, { 65535 } }) do
    v4[#v4 + 1] = inward(w.SHARED, c[1])
    if c[2] then out6[#out6 + 1] = tunnelled(c[2], ttl(v4[#v4], 63), c[2] == w.C and w.BR2 or w.BR) end
  end
  case({ conf = { external = SILENT4 }, v4 = v4, out6 = out6 })
end

-- Addresses with port sets of different shapes in one table; psid-length 16: the PSID is the port.
function TestEncapsulate:testShapes()
  local a, b = inward("198.51.100.7", 7850), inward("198.51.100.7", 7851)
  case({ conf = { table = w.TABLE .. w.softwire("198.51.100.7", 7850, w.B, w.BR, "psid-length 16;"), external = SILENT4 }, v4 = { a, b },
    out6 = { tunnelled(w.B, ttl(a, 63)) } })
end

-- a = 6, k = 6: port 1024 is the first of PSID 0, and the lowest 1024 are nobody's; with the older meaning the lowest 64.
function TestEncapsulate:testReservedPorts()
  local set = "psid-length 6; reserved-ports-bit-count 6;"
  local conf = { table = w.softwire(w.SHARED, 0, w.B, w.BR, set) .. w.softwire(w.SHARED, 4, w.C, w.BR, set), external = SILENT4 }
  local v4 = {}
  for i, port in ipairs({ 0, 63, 64, 1023, 1024, 1039, 1040, 1088, 65535 }) do v4[i] = inward(w.SHARED, port) end
  case({ conf = conf, v4 = v4, out6 = { tunnelled(w.B, ttl(v4[5], 63)), tunnelled(w.B, ttl(v4[6], 63)), tunnelled(w.C, ttl(v4[8], 63)) } })
  local function old(port, out) case({ conf = conf, params = { reserved_ports = "old" }, v4 = { inward(w.SHARED, port) }, out6 = out }) end
  old(63, {})
  old(64, { tunnelled(w.C, ttl(inward(w.SHARED, 64), 63)) })
  old(80, {})
  old(1024, { tunnelled(w.B, ttl(inward(w.SHARED, 1024), 63)) })
end

function TestEncapsulate:testUnboundPort()
  local p = inward(w.SHARED, 9999)
  local out = error4(3, 1, 0, p)
  case({ v4 = { p }, out4 = { out }, counters = { ["in-ipv4"] = one(p), ["drop-no-dest-softwire-ipv4"] = one(p), ["drop-all-ipv4-iface"] = one(p),
    ["out-icmpv4-error"] = one(out), ["out-ipv4"] = one(out) } })
end

function TestEncapsulate:testUnboundAddressSilent()
  local p = inward(w.UNSERVED, 80)
  case({ conf = { external = SILENT4 }, v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-no-dest-softwire-ipv4"] = one(p),
    ["drop-all-ipv4-iface"] = one(p), ["drop-out-by-policy-icmpv4-packets"] = 1 } })
end

-- An error is 576 bytes at most.
function TestEncapsulate:testLongQuotationIsCut()
  local p = inward(w.UNSERVED, 80, { payload = w.udp(1, 80, ("x"):rep(900)) })
  local app = w.app()
  w.left = 0
  local out4 = w.send(app, { p })
  lu.assertEquals(#out4[1], 576)
  lu.assertEquals(out4[1], error4(3, 1, 0, p))
  w.check(app)
  support.finish(app)
end

function TestEncapsulate:testTtl()
  for _, value in ipairs({ 0, 1 }) do
    local p = inward(w.WHOLE, 80, { ttl = value })
    local out = error4(11, 0, 0, ttl(p, 0))
    case({ v4 = { p }, out4 = { out }, counters = { ["in-ipv4"] = one(p), ["drop-ttl-zero-ipv4"] = one(p), ["drop-all-ipv4-iface"] = one(p),
      ["out-icmpv4-error"] = one(out), ["out-ipv4"] = one(out) } })
  end
  local p = inward(w.WHOLE, 80, { ttl = 2 })
  case({ v4 = { p }, out6 = { tunnelled(w.A, ttl(p, 1)) } })
end

-- What just fits a tunnel, and a byte more; DF or not.
function TestEncapsulate:testMtu()
  local function p(bytes, df) return inward(w.WHOLE, 80, { df = df, payload = w.udp(1, 80, ("x"):rep(bytes - 28)) }) end
  local conf = { internal = "mtu 1280;" }
  case({ conf = conf, v4 = { p(1240, true) }, out6 = { tunnelled(w.A, ttl(p(1240, true), 63)) } })
  case({ conf = conf, v4 = { p(1241) }, out6 = { tunnelled(w.A, ttl(p(1241), 63)) } })
  local big = p(1241, true)
  local out = error4(3, 4, 1240, ttl(big, 63))
  case({ conf = conf, v4 = { big }, out4 = { out }, counters = { ["in-ipv4"] = one(big), ["drop-over-mtu-but-dont-fragment-ipv4"] = one(big),
    ["drop-all-ipv4-iface"] = one(big), ["out-icmpv4-error"] = { 1, 590 }, ["out-ipv4"] = { 1, 590 } } })
  case({ conf = { internal = "mtu 1280;", external = SILENT4 }, v4 = { big }, counters = { ["in-ipv4"] = one(big), ["drop-all-ipv4-iface"] =
    one(big), ["drop-over-mtu-but-dont-fragment-ipv4"] = one(big), ["drop-out-by-policy-icmpv4-packets"] = 1 } })
end

function TestEncapsulate:testMisplaced()
  local app = w.app()
  w.left = 0
  local p = tunnel(w.A, outward(w.WHOLE, 80))
  w.send(app, { p })
  w.send_frames(app, { "short" }, { w.frame(inward(w.WHOLE, 80)), ("\0"):rep(12) .. "\x88\xcc" .. "lldp" })
  lu.assertEquals(w.counters(app), { ["drop-misplaced-not-ipv4-packets"] = 2, ["drop-misplaced-not-ipv4-bytes"] = length(p) + 5,
    ["drop-all-ipv4-iface-packets"] = 2, ["drop-all-ipv4-iface-bytes"] = length(p) + 5, ["drop-misplaced-not-ipv6-packets"] = 2,
    ["drop-misplaced-not-ipv6-bytes"] = 46 + 18, ["drop-all-ipv6-iface-packets"] = 2, ["drop-all-ipv6-iface-bytes"] = 46 + 18 })
  w.check(app)
  support.finish(app)
end

-- With proxy_arp requests for served addresses are answered; others, replies and announcements are not, and end here.
function TestEncapsulate:testProxyArp()
  local ip = require("support_ip")
  local function arp(o) return ip.arp({ op = o.op, sender_mac = "\2\0\0\0\0\9", sender = w.ip(o.sender or w.HOST), target = w.ip(o.target) }) end
  local frames = { arp({ target = w.SHARED }), arp({ target = w.UNSERVED }), arp({ target = w.SHARED, op = 2 }),
    arp({ target = w.SHARED, sender = w.SHARED }), arp({ target = w.SHARED }):sub(1, 41) }
  local app = w.app({}, { proxy_arp = true })
  for _, frame in ipairs(frames) do support.send(app.input[0], frame) end
  support.push(app)
  lu.assertEquals(support.receive(app.output[0]), { "\2\0\0\0\0\9\2\0\0\0\4\1\8\6\0\1\8\0\6\4\0\2\2\0\0\0\4\1" .. w.ip(w.SHARED) ..
    "\2\0\0\0\0\9" .. w.ip(w.HOST) })
  lu.assertEquals(w.counters(app), { ["out-arp-proxy-packets"] = 1 })
  w.sent, w.left = #frames, 1
  w.check(app)
  support.finish(app)
  app = w.app()
  w.left = 0
  w.send_frames(app, frames)
  lu.assertEquals(w.counters(app)["drop-misplaced-not-ipv4-packets"], #frames)
  w.check(app)
  support.finish(app)
end

-- Fragments belong to who reassembles before.
function TestEncapsulate:testFragment()
  local p = inward(w.WHOLE, 80, { more = true })
  case({ v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-all-ipv4-iface"] = one(p), ["drop-ipv4-frag-disabled"] = 1 } })
end

-- A length beyond the frame, an impossible header: no counter but the reason.
function TestEncapsulate:testBadLength()
  local app = w.app()
  w.left = 0
  local p = inward(w.WHOLE, 80)
  w.send(app, { p:sub(1, -2), inward(w.WHOLE, 80, { total = 19 }), "\x44" .. p:sub(2), p:sub(1, 19) }, { tunnel(w.A, p):sub(1, -2) })
  w.send_frames(app, { w.frame(p):sub(1, 13) .. "\0" .. "\x65" .. p:sub(2) }, {})
  lu.assertEquals(w.counters(app), {})
  lu.assertEquals(support.reason(app, "bad-length"), 6)
  w.check(app)
  support.finish(app)
end

TestIcmp4 = {}

-- Towards a B4: requests have port 0, replies their identifier, errors the source port of what they quote.
function TestIcmp4:testPorts()
  local function icmp(payload) return w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = payload }) end
  local request, reply = icmp(w.echo(4100)), icmp(w.reply(4100))
  local big = icmp(w.icmp(3, 4, "\0\0\5\0", outward(w.SHARED, 5200)))
  local exceeded = icmp(w.icmp(11, 0, "\0\0\0\0", outward(w.SHARED, 4100):sub(1, 28)))
  case({ v4 = { request, reply, big, exceeded }, out6 = { tunnelled(w.D, ttl(request, 63)), tunnelled(w.B, ttl(reply, 63)),
    tunnelled(w.C, ttl(big, 63), w.BR2), tunnelled(w.B, ttl(exceeded, 63)) } })
end

-- RFC 7596 section 8.1 as a parameter: requests, too, are found by their identifier.
function TestIcmp4:testEchoByIdentifier()
  local request = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.echo(4100) })
  case({ params = { echo = "identifier" }, v4 = { request }, out6 = { tunnelled(w.B, ttl(request, 63)) } })
  local reply = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.reply(4100) })
  case({ params = { echo = "identifier" }, v6 = { tunnel(w.B, reply) }, out4 = { reply } })
  case({ params = { echo = "identifier" }, conf = { internal = SILENT6 }, v6 = { tunnel(w.D, reply) } })
end

-- No error about ICMP: RFC 7596 counts it; when errors are disabled that comes first.
function TestIcmp4:testUnbound()
  local p = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.reply(9999) })
  local q = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.icmp(3, 3, "\0\0\0\0", outward(w.SHARED, 9999)) })
  for _, x in ipairs({ p, q }) do
    case({ v4 = { x }, counters = { ["in-ipv4"] = one(x), ["drop-no-dest-softwire-ipv4"] = one(x), ["drop-all-ipv4-iface"] = one(x),
      ["drop-in-by-rfc7596-icmpv4"] = one(x) } })
  end
  case({ conf = { external = SILENT4 }, v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-no-dest-softwire-ipv4"] = one(p),
    ["drop-all-ipv4-iface"] = one(p), ["drop-out-by-policy-icmpv4-packets"] = 1 } })
end

function TestIcmp4:testPolicy()
  local p = w.ipv4({ src = w.HOST, dst = w.WHOLE, protocol = 1, payload = w.echo(1) })
  case({ conf = { external = "allow-incoming-icmp false;" }, v4 = { p }, counters = { ["in-ipv4"] = one(p),
    ["drop-in-by-policy-icmpv4"] = one(p), ["drop-all-ipv4-iface"] = one(p) } })
end

function TestIcmp4:testChecksum()
  local p = w.ipv4({ src = w.HOST, dst = w.WHOLE, protocol = 1, payload = w.icmp(8, 0, "\0\1\0\1", "ping", true) })
  case({ v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-bad-checksum-icmpv4"] = one(p), ["drop-all-ipv4-iface"] = one(p) } })
end

TestDecapsulate = {}

function TestDecapsulate:testUnchanged()
  local p = outward(w.SHARED, 4100, { ttl = 7, tos = 0x2e, df = true, id = 0x8888, options = "\1\1\1\1" })
  local q = tunnel(w.B, p, w.BR, { class = 3 })
  case({ v6 = { q }, out4 = { p }, counters = { ["in-ipv6"] = one(q), ["out-ipv4"] = one(p) } })
end

function TestDecapsulate:testTtlParameter()
  local p = outward(w.WHOLE, 80)
  case({ params = { decrement_ttl_on_decapsulation = true }, v6 = { tunnel(w.A, p) }, out4 = { ttl(p, 63) } })
  local q = outward(w.WHOLE, 80, { ttl = 1 })
  case({ params = { decrement_ttl_on_decapsulation = true }, v6 = { tunnel(w.A, q) },
    out6 = { tunnelled(w.A, error4(11, 0, 0, ttl(q, 0), { ttl = 254 })) } })
end

-- RFC 6040, figure 4: inner, outer, and what comes out; nil: it is dropped.
function TestDecapsulate:testEcn()
  local NOT, ECT1, ECT0, CE = 0, 1, 2, 3
  local function tos(p, value)
    local head = p:sub(1, 1) .. string.char(value) .. p:sub(3, 10)
    return ttl(head .. p:sub(11), 64)
  end
  for _, c in ipairs({ { NOT, ECT0, NOT }, { NOT, CE }, { ECT0, NOT, ECT0 }, { ECT0, ECT1, ECT1 }, { ECT0, CE, CE }, { ECT1, ECT0, ECT1 },
    { ECT1, CE, CE }, { CE, NOT, CE }, { CE, ECT0, CE } }) do
    local p = outward(w.WHOLE, 80, { tos = 0x40 + c[1] })
    local q = tunnel(w.A, p, w.BR, { class = c[2] })
    case({ params = { ecn = "rfc6040" }, v6 = { q }, out4 = c[3] and { tos(p, 0x40 + c[3]) } or {} })
    case({ v6 = { q }, out4 = { p } })
  end
end

-- Of ICMP from a B4: requests have their identifier, replies port 0; its checksum does not count, nor does the policy.
function TestDecapsulate:testIcmpPorts()
  local function icmp(payload) return w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = payload }) end
  local request, reply = icmp(w.icmp(8, 0, w.u16(4100) .. "\0\1", "x", true)), icmp(w.reply(4100))
  case({ conf = { external = "allow-incoming-icmp false;" }, v6 = { tunnel(w.B, request), tunnel(w.D, reply) }, out4 = { request, reply } })
  case({ conf = { internal = SILENT6 }, v6 = { tunnel(w.B, reply), tunnel(w.D, request) } })
end

-- No softwire for the inner source: 1/5 comes from where the packet went to.
function TestDecapsulate:testUnbound()
  local q = tunnel(w.B, outward(w.UNSERVED, 4100), "2001:db8:ffff::1")
  local out = w.icmpv6("2001:db8:ffff::1", w.B, 1, 5, "\0\0\0\0", q)
  case({ v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["drop-no-source-softwire-ipv6"] = one(q),
    ["drop-all-ipv6-iface"] = one(q), ["out-icmpv6-error"] = one(out), ["out-ipv6"] = one(out) } })
  case({ conf = { internal = SILENT6 }, v6 = { q }, counters = { ["in-ipv6"] = one(q), ["drop-no-source-softwire-ipv6"] = one(q),
    ["drop-all-ipv6-iface"] = one(q), ["drop-out-by-policy-icmpv6-packets"] = 1 } })
end

-- The softwire is another B4's, or has another br-address: 1/5 comes from its br-address.
function TestDecapsulate:testWrongOuter()
  for _, q in ipairs({ tunnel(w.B, outward(w.SHARED, 5200), w.BR2), tunnel(w.C, outward(w.SHARED, 5200), w.BR),
    tunnel("2001:db8::bad", outward(w.SHARED, 5200), w.BR2) }) do
    local from = table.concat({ q:byte(9, 24) }, " ")
    lu.assertNotEquals(from, "")
    local src = q:sub(9, 24) == w.ip(w.B) and w.B or q:sub(9, 24) == w.ip(w.C) and w.C or "2001:db8::bad"
    case({ v6 = { q }, out6 = { w.icmpv6(w.BR2, src, 1, 5, "\0\0\0\0", q) } })
  end
end

-- An ICMPv6 error is 1280 bytes at most.
function TestDecapsulate:testLongQuotationIsCut()
  local q = tunnel(w.B, outward(w.UNSERVED, 4100, { payload = w.udp(4100, 1, ("y"):rep(1300)) }))
  case({ v6 = { q }, out6 = { w.icmpv6(w.BR, w.B, 1, 5, "\0\0\0\0", q:sub(1, 1232)) } })
end

function TestDecapsulate:testUnknownNextHeader()
  for _, header in ipairs({ 17, 0, 43, 59, 41 }) do
    local q = w.ipv6({ src = w.A, dst = w.BR, next = header, payload = "\4\0\1\4\0\0\0\0" .. outward(w.WHOLE, 80) })
    case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), ["drop-unknown-protocol-ipv6"] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
  end
end

function TestDecapsulate:testFragmentHeader()
  local q = w.ipv6({ src = w.A, dst = w.BR, next = 44, payload = "\4\0\0\1\0\0\0\1" .. outward(w.WHOLE, 80) })
  case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), ["drop-ipv6-frag-disabled"] = 1, ["drop-all-ipv6-iface"] = one(q) } })
end

-- A tunnel encapsulation limit, padding, an unknown option that may be skipped; one that may not be; too many headers.
function TestDecapsulate:testDestinationOptions()
  local p = outward(w.WHOLE, 80)
  local function options(bytes, more) return w.ipv6({ src = w.A, dst = w.BR, next = 60, payload = bytes .. (more or "") .. p }) end
  case({ v6 = { options("\4\0\4\1\5\1\1\0"), options("\4\0\0\0\0\0\0\0"), options("\4\1\x1e\12" .. ("z"):rep(12)),
    options("\60\0\1\4\0\0\0\0", "\4\0\4\1\5\1\1\0") }, out4 = { p, p, p, p } })
  for _, bad in ipairs({ "\4\0\x5e\4\0\0\0\0", "\4\0\xc9\4\0\0\0\0", "\4\0\1\9\0\0\0\0", "\4\9\1\4\0\0\0\0", "\60\0\1\4\0\0\0\0" }) do
    local more = bad:byte(1) == 60 and ("\60\0\1\4\0\0\0\0"):rep(3) .. "\4\0\1\4\0\0\0\0" or ""
    local q = options(bad, more)
    case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), ["drop-unknown-protocol-ipv6"] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
  end
end

TestHairpin = {}

local function to_b4(from, from_port, to, to_port, o)
  local p = { src = from, dst = to, payload = w.udp(from_port, to_port) }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

function TestHairpin:testToOtherB4()
  local p = to_b4(w.WHOLE, 80, w.SHARED, 5200, { ttl = 56 })
  local q, out = tunnel(w.A, p), tunnelled(w.C, ttl(p, 55), w.BR2)
  case({ v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["hairpin-ipv4"] = one(p), ["out-ipv6"] = one(out) } })
end

function TestHairpin:testOff()
  local p = to_b4(w.WHOLE, 80, w.SHARED, 5200)
  local q = tunnel(w.A, p)
  case({ conf = { internal = "hairpinning false;" }, v6 = { q }, out4 = { p }, counters = { ["in-ipv6"] = one(q), ["out-ipv4"] = one(p) } })
end

-- An unbound port on a served address: the sender, behind a B4, is told through its tunnel.
function TestHairpin:testUnbound()
  local p = to_b4(w.WHOLE, 80, w.SHARED, 9999)
  local q, message = tunnel(w.A, p), error4(3, 1, 0, p, { ttl = 254 })
  local out = tunnelled(w.A, message)
  case({ v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["hairpin-ipv4"] = one(p), ["drop-no-dest-softwire-ipv4"] = one(p),
    ["drop-all-ipv6-iface"] = one(q), ["out-icmpv4-error"] = one(message), ["out-ipv6"] = one(out) } })
  case({ conf = { external = SILENT4 }, v6 = { q }, counters = { ["in-ipv6"] = one(q), ["hairpin-ipv4"] = one(p),
    ["drop-no-dest-softwire-ipv4"] = one(p), ["drop-all-ipv6-iface"] = one(q), ["drop-out-by-policy-icmpv4-packets"] = 1 } })
end

function TestHairpin:testTtl()
  local p = to_b4(w.SHARED, 4100, w.WHOLE, 80, { ttl = 1 })
  local q, message = tunnel(w.B, p), error4(11, 0, 0, ttl(p, 0), { ttl = 254 })
  case({ v6 = { q }, out6 = { tunnelled(w.B, message) } })
  case({ conf = { external = SILENT4 }, v6 = { q }, counters = { ["in-ipv6"] = one(q), ["hairpin-ipv4"] = one(p),
    ["drop-ttl-zero-ipv4"] = one(p), ["drop-all-ipv6-iface"] = one(q), ["drop-out-by-policy-icmpv4-packets"] = 1 } })
end

function TestHairpin:testTooBig()
  local p = to_b4(w.SHARED, 4100, w.WHOLE, 80, { df = true, payload = w.udp(4100, 80, ("z"):rep(1300)) })
  case({ conf = { internal = "mtu 1280;" }, v6 = { tunnel(w.B, p) },
    out6 = { tunnelled(w.B, error4(3, 4, 1240, ttl(p, 63), { ttl = 254 })) } })
end

-- Requests: by the identifier at the source, by port 0 at the destination. ICMP is subject to checksum and policy here.
function TestHairpin:testPing()
  local p = w.ipv4({ src = w.SHARED, dst = w.WHOLE, protocol = 1, payload = w.echo(4100) })
  case({ v6 = { tunnel(w.B, p) }, out6 = { tunnelled(w.A, ttl(p, 63)) } })
  local q = w.ipv4({ src = w.WHOLE, dst = w.SHARED, protocol = 1, payload = w.echo(77) })
  case({ v6 = { tunnel(w.A, q) }, out6 = { tunnelled(w.D, ttl(q, 63)) } })
  case({ conf = { external = "allow-incoming-icmp false;" }, v6 = { tunnel(w.B, p) }, counters = { ["in-ipv6"] = one(p, 40),
    ["hairpin-ipv4"] = one(p), ["drop-in-by-policy-icmpv4"] = one(p), ["drop-all-ipv6-iface"] = one(p, 40) } })
  local bad = w.ipv4({ src = w.SHARED, dst = w.WHOLE, protocol = 1, payload = w.icmp(8, 0, w.u16(4100) .. "\0\1", "x", true) })
  case({ v6 = { tunnel(w.B, bad) }, counters = { ["in-ipv6"] = one(bad, 40), ["hairpin-ipv4"] = one(bad),
    ["drop-bad-checksum-icmpv4"] = one(bad), ["drop-all-ipv6-iface"] = one(bad, 40) } })
end

-- A ping to a shared address whose PSID 0 nobody has: no error.
function TestHairpin:testPingUnbound()
  local conf = { table = w.softwire(w.WHOLE, 0, w.A, w.BR, "psid-length 0;") .. w.softwire(w.SHARED, 4, w.B, w.BR, "psid-length 6;") }
  local p = w.ipv4({ src = w.WHOLE, dst = w.SHARED, protocol = 1, payload = w.echo(77) })
  case({ conf = conf, v6 = { tunnel(w.A, p) }, counters = { ["in-ipv6"] = one(p, 40), ["hairpin-ipv4"] = one(p),
    ["drop-no-dest-softwire-ipv4"] = one(p), ["drop-in-by-rfc7596-icmpv4"] = one(p), ["drop-all-ipv6-iface"] = one(p, 40) } })
end

-- Errors and data leave in the order of what caused them.
function TestHairpin:testOrder()
  local good, unbound = to_b4(w.WHOLE, 80, w.SHARED, 5200), to_b4(w.WHOLE, 80, w.SHARED, 9999)
  local stranger = tunnel(w.B, outward(w.UNSERVED, 4100))
  case({ v6 = { tunnel(w.A, good), tunnel(w.A, unbound), tunnel(w.A, good), stranger, tunnel(w.A, good) }, out6 = {
    tunnelled(w.C, ttl(good, 63), w.BR2), tunnelled(w.A, error4(3, 1, 0, unbound, { ttl = 254 })), tunnelled(w.C, ttl(good, 63), w.BR2),
    w.icmpv6(w.BR, w.B, 1, 5, "\0\0\0\0", stranger), tunnelled(w.C, ttl(good, 63), w.BR2) } })
end

-- An error for a host behind a B4 goes through the tunnel, whatever `hairpinning` says.
function TestHairpin:testErrorWithHairpinningOff()
  local p = outward(w.WHOLE, 80, { df = true, payload = w.udp(80, 1, ("z"):rep(1000)) })
  case({ conf = { internal = "hairpinning false;", external = "mtu 576;" }, v6 = { tunnel(w.A, p) },
    out6 = { tunnelled(w.A, error4(3, 4, 576, p, { ttl = 254 })) } })
end

TestRelay = {}

local function message(kind, code, rest, inner, o)
  o = o or {}
  return w.icmpv6(o.from or "2001:db8:1::1", o.to or w.BR, kind, code, rest or "\0\0\0\0",
    o.quote or tunnelled(o.b4 or w.A, inner, o.br), o.bad)
end

-- Type and code become what an IPv4 host understands.
function TestRelay:testTypes()
  local p = inward(w.WHOLE, 80, { ttl = 63 })
  for _, c in ipairs({ { 2, 0, w.u32(777), 3, 4, 737 }, { 1, 0, nil, 3, 1, 0 }, { 1, 3, nil, 3, 1, 0 }, { 1, 5, nil, 3, 1, 0 },
    { 4, 1, nil, 3, 1, 0 }, { 3, 0, nil, 3, 1, 0 } }) do
    local q = message(c[1], c[2], c[3], p)
    local out = error4(c[4], c[5], c[6], p)
    case({ v6 = { q }, out4 = { out }, counters = { ["in-ipv6"] = one(q), ["out-icmpv4-error"] = one(out), ["out-ipv4"] = one(out) } })
    case({ conf = { external = SILENT4 }, v6 = { q }, out4 = { out } })
  end
end

function TestRelay:testDropped()
  local p = inward(w.WHOLE, 80)
  for _, c in ipairs({ { 2, 1, "drop-too-big-type-but-not-code-icmpv6" }, { 3, 1, "drop-over-time-but-not-hop-limit-icmpv6" },
    { 128, 0, "drop-unknown-protocol-icmpv6" }, { 200, 0, "drop-unknown-protocol-icmpv6" } }) do
    local q = message(c[1], c[2], nil, p)
    case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), [c[3]] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
  end
  local q = message(1, 0, nil, p)
  case({ conf = { internal = "allow-incoming-icmp false;" }, v6 = { q }, counters = { ["in-ipv6"] = one(q),
    ["drop-in-by-policy-icmpv6"] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
end

-- The packet came from another B4: it is told through its tunnel.
function TestRelay:testToB4()
  local p = to_b4(w.SHARED, 4100, w.WHOLE, 80, { ttl = 55 })
  local q, inner = message(3, 0, nil, p), error4(3, 1, 0, p, { ttl = 254 })
  local out = tunnelled(w.B, inner)
  case({ v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["out-icmpv4-error"] = one(inner), ["out-ipv6"] = one(out) } })
end

-- What the lwAFTR sent was cut into fragments: the quotation of the first one has the inner packet.
function TestRelay:testQuotedFragment()
  local p = inward(w.WHOLE, 80)
  local first = w.ipv6({ src = w.BR, dst = w.A, next = 44, payload = "\4\0\0\1\0\0\0\1" .. p })
  local later = w.ipv6({ src = w.BR, dst = w.A, next = 44, payload = "\4\0\0\9\0\0\0\1" .. p })
  case({ v6 = { message(1, 0, nil, nil, { quote = first }) }, out4 = { error4(3, 1, 0, p) } })
  case({ v6 = { message(1, 0, nil, nil, { quote = later }) } })
end

TestLimits = {}

function TestLimits:testIcmp4()
  local v4, out4 = {}, {}
  for i = 1, 5 do v4[i] = inward(w.UNSERVED, 80 + i) end
  for i = 1, 3 do out4[i] = error4(3, 1, 0, v4[i]) end
  case({ conf = { external = "error-rate-limiting { packets 3; period 60; }" }, v4 = v4, out4 = out4, counters = {
    ["in-ipv4"] = { 5, 5 * 46 }, ["drop-all-ipv4-iface"] = { 5, 5 * 46 }, ["drop-no-dest-softwire-ipv4"] = { 5, 5 * 46 },
    ["out-icmpv4-error"] = { 3, 3 * 74 }, ["out-ipv4"] = { 3, 3 * 74 }, ["drop-over-rate-limit-icmpv4"] = { 2, 2 * 74 } } })
end

function TestLimits:testIcmp6()
  local q = tunnel(w.B, outward(w.UNSERVED, 4100))
  local out = w.icmpv6(w.BR, w.B, 1, 5, "\0\0\0\0", q)
  case({ conf = { internal = "error-rate-limiting { packets 2; period 60; }" }, v6 = { q, q, q }, out6 = { out, out }, counters = {
    ["in-ipv6"] = { 3, 3 * 86 }, ["drop-all-ipv6-iface"] = { 3, 3 * 86 }, ["drop-no-source-softwire-ipv6"] = { 3, 3 * 86 },
    ["out-icmpv6-error"] = { 2, 2 * 134 }, ["out-ipv6"] = { 2, 2 * 134 }, ["drop-over-rate-limit-icmpv6"] = one(out) } })
end

function TestLimits:testNone()
  case({ conf = { external = "error-rate-limiting { packets 0; }" }, v4 = { inward(w.UNSERVED, 80) } })
end

os.exit(lu.LuaUnit.run())
