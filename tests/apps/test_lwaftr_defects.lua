-- What an lwAFTR must not do, by number: mistakes that others have made. Those that need the whole graph (6, 7, 10, 14, and pings of
-- 11) are in tests/program/test_lwaftr_check.lua.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local w = require("support_lwaftr")

local case, inward, outward, tunnel, tunnelled, ttl, error4 = w.case, w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl, w.error4
local function one(packet, more) return { 1, #packet + 14 + (more or 0) } end

TestDefects = {}

-- What pads a short frame is not carried on, in either direction, nor quoted, nor sent in errors.
function TestDefects:test01_padding()
  local p, q = inward(w.WHOLE, 80), outward(w.WHOLE, 80)
  local pad = ("\xee"):rep(14)
  case({ v4 = { p .. pad }, out6 = { tunnelled(w.A, ttl(p, 63)) } })
  case({ v6 = { tunnel(w.A, q) .. pad }, out4 = { q } })
  case({ v6 = { tunnel(w.A, q .. pad) }, out4 = { q } })
  local unbound = inward(w.UNSERVED, 80)
  case({ v4 = { unbound .. pad }, out4 = { error4(3, 1, 0, unbound) } })
  local stranger = tunnel(w.B, outward(w.UNSERVED, 80))
  case({ v6 = { stranger .. pad }, out6 = { w.icmpv6(w.BR, w.B, 1, 5, "\0\0\0\0", stranger) } })
end

-- ICMPv6 errors are believed when their checksum is right and they quote a packet that was sent into a tunnel.
function TestDefects:test02_forgedErrors()
  local inner = inward(w.WHOLE, 80)
  local good = tunnelled(w.A, inner)
  local function message(quote, bad) return w.icmpv6("2001:db8:1::1", w.BR, 1, 0, "\0\0\0\0", quote, bad) end
  case({ v6 = { message(good) }, out4 = { error4(3, 1, 0, inner) } })
  local function dropped(q, counter)
    case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), [counter] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
  end
  dropped(message(good, true), "drop-bad-checksum-icmpv6")
  for _, quote in ipairs({ "", good:sub(1, 39), good:sub(1, 40), good:sub(1, 59), good:sub(1, 63), tunnelled(w.B, inner), tunnelled(w.A, inner, w.BR2),
    tunnelled(w.A, inward(w.UNSERVED, 80)), w.ipv6({ src = w.BR, dst = w.A, next = 17, payload = inner }), inner,
    tunnelled(w.A, "\x44" .. inner:sub(2)), tunnelled(w.B, inward(w.SHARED, 9999)) }) do
    dropped(message(quote), "drop-bad-quotation-icmpv6")
  end
  dropped(w.ipv6({ src = w.A, dst = w.BR, next = 58, payload = "\1\0\0" }), "drop-bad-checksum-icmpv6")
  dropped(w.ipv6({ src = w.A, dst = w.BR, next = 58, payload = "" }), "drop-bad-checksum-icmpv6")
end

-- An ICMPv4 error that quotes an echo: its identifier decides.
function TestDefects:test03_quotedEcho()
  local ping = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.echo(5200) })
  local p = w.ipv4({ src = "192.0.2.77", dst = w.SHARED, protocol = 1, payload = w.icmp(11, 0, "\0\0\0\0", ping) })
  case({ v4 = { p }, out6 = { tunnelled(w.C, ttl(p, 63), w.BR2) } })
  -- A B4's own reply was looked up by port 0.
  local reply = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.reply(5200) })
  local q = w.ipv4({ src = "192.0.2.77", dst = w.SHARED, protocol = 1, payload = w.icmp(11, 0, "\0\0\0\0", reply) })
  case({ v4 = { q }, out6 = { tunnelled(w.D, ttl(q, 63)) } })
end

-- An error that a B4 sends quotes a packet that went to it: the quoted destination port is its own.
function TestDefects:test04_errorsOfB4s()
  local quoted = inward(w.SHARED, 5200)
  local p = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.icmp(3, 3, "\0\0\0\0", quoted) })
  case({ v6 = { tunnel(w.C, p, w.BR2) }, out4 = { p } })
  case({ v6 = { tunnel(w.B, p) }, out6 = { w.icmpv6(w.BR2, w.B, 1, 5, "\0\0\0\0", tunnel(w.B, p)) } })
  -- Of pings: a reply to the B4 has its identifier, a request came by port 0.
  local reply = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.reply(5200) })
  local q = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.icmp(3, 2, "\0\0\0\0", reply) })
  case({ v6 = { tunnel(w.C, q, w.BR2) }, out4 = { q } })
end

-- Too big for the IPv4 side with DF: its sender is told, through its tunnel.
function TestDefects:test05_tooBigForIpv4()
  local p = outward(w.SHARED, 4100, { df = true, payload = w.udp(4100, 1, ("z"):rep(1000)) })
  local q, message = tunnel(w.B, p), error4(3, 4, 576, p, { ttl = 254 })
  local out = tunnelled(w.B, message)
  case({ conf = { external = "mtu 576;" }, v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["out-icmpv4-error"] = one(message),
    ["drop-over-mtu-but-dont-fragment-ipv4"] = one(p), ["drop-all-ipv6-iface"] = one(q), ["out-ipv6"] = one(out) } })
  local fits = outward(w.SHARED, 4100, { df = true, payload = w.udp(4100, 1, ("z"):rep(548)) })
  case({ conf = { external = "mtu 576;" }, v6 = { tunnel(w.B, fits) }, out4 = { fits } })
end

local function fragments(o, size)
  local data, list, at = o.payload, {}, 0
  while at < #data do
    local piece = data:sub(at + 1, at + size)
    local p = { src = o.src, dst = o.dst, id = o.id or 7, ttl = o.ttl, protocol = o.protocol, offset = at, more = at + size < #data, payload = piece }
    list[#list + 1] = w.ipv4(p)
    at = at + size
  end
  return list
end

-- Inner packets that are fragments: later ones follow the first one, also when they come before it; nobody else's do.
function TestDefects:test08_innerFragments()
  local f = fragments({ src = w.SHARED, dst = w.HOST, payload = w.udp(4100, 53, ("q"):rep(72)) }, 32)
  lu.assertEquals(#f, 3)
  local function t(p, b4) return tunnel(b4 or w.B, p) end
  case({ v6 = { t(f[1]), t(f[2]), t(f[3]) }, out4 = { f[1], f[2], f[3] } })
  case({ v6 = { t(f[3]), t(f[2]), t(f[1]) }, out4 = { f[1], f[3], f[2] } })
  -- A later fragment of another B4 is refused.
  case({ v6 = { t(f[1]), t(f[2], w.C) }, out4 = { f[1] }, out6 = { w.icmpv6(w.BR, w.C, 1, 5, "\0\0\0\0", t(f[2], w.C)) } })
  -- A first one whose softwire is wrong lets nothing pass.
  local app = w.app({ internal = "generate-icmp-errors false;" })
  w.left = 0
  local out4 = w.send(app, {}, { t(f[1], w.C), t(f[2]) })
  lu.assertEquals(out4, {})
  lu.assertEquals(app.class.held(app), 1)
  w.check(app, 1)
  nf.clock_set(nf.clock_time_ns + 2000000000ULL)
  support.tick(app)
  lu.assertEquals(app.class.held(app), 0)
  lu.assertEquals(support.reason(app, "inner-fragment-ipv6"), 1)
  w.check(app)
  support.finish(app)
  nf.clock_set_real()
end

-- To another B4, each fragment in a tunnel of its own; the destination's softwire is that of the first one.
function TestDefects:test08_innerFragmentsToB4()
  local f = fragments({ src = w.WHOLE, dst = w.SHARED, payload = w.udp(9, 5200, ("q"):rep(72)) }, 40)
  case({ v6 = { tunnel(w.A, f[2]), tunnel(w.A, f[1]) }, out6 = { tunnelled(w.C, ttl(f[1], 63), w.BR2), tunnelled(w.C, ttl(f[2], 63), w.BR2) } })
end

-- No more wait than there is room for, and a stop drops them under its reason.
function TestDefects:test08_waitingIsBounded()
  local app = w.app()
  w.left = 0
  for i = 1, 80 do
    w.send(app, {}, { tunnel(w.A, w.ipv4({ src = w.WHOLE, dst = w.HOST, id = i, offset = 800, payload = "12345678" })) })
  end
  lu.assertEquals(app.class.held(app), 64)
  lu.assertEquals(support.reason(app, "inner-fragment-ipv6"), 16)
  w.check(app, 64)
  app.class.stop(app)
  lu.assertEquals(support.reason(app, "stop"), 64)
  lu.assertEquals(app.class.held(app), 0)
  support.finish(app)
end

-- Inner packets that are shorter than their headers: nothing behind them is read.
function TestDefects:test09_shortInnerPackets()
  local p = outward(w.WHOLE, 80)
  for length = 0, 19 do
    local q = tunnel(w.A, p:sub(1, length))
    case({ v6 = { q }, counters = { ["in-ipv6"] = one(q), ["drop-bad-inner-ipv6"] = one(q), ["drop-all-ipv6-iface"] = one(q) } })
  end
  for length = 0, 3 do
    local short = w.ipv4({ src = w.WHOLE, dst = w.HOST, payload = ("\0"):rep(length) })
    local q = tunnel(w.A, short)
    case({ v6 = { q }, out6 = { w.icmpv6(w.BR, w.A, 1, 5, "\0\0\0\0", q) } })
    local towards = w.ipv4({ src = w.HOST, dst = w.WHOLE, payload = ("\0"):rep(length) })
    case({ v4 = { towards }, out4 = { error4(3, 1, 0, towards) } })
  end
  -- ICMP that is too short for what it should quote.
  local icmp = w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.icmp(3, 3, "\0\0\0\0", p:sub(1, 21)) })
  case({ conf = { internal = "generate-icmp-errors false;" }, v6 = { tunnel(w.B, icmp) } })
end

-- A wrong header checksum is not forwarded, in neither direction; who wants the old way has a parameter.
function TestDefects:test11_headerChecksum()
  local p, q = inward(w.WHOLE, 80, { bad = true }), outward(w.WHOLE, 80, { bad = true })
  case({ v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-bad-header-ipv4"] = one(p), ["drop-all-ipv4-iface"] = one(p) } })
  local t = tunnel(w.A, q)
  case({ v6 = { t }, counters = { ["in-ipv6"] = one(t), ["drop-bad-header-ipv4"] = one(t), ["drop-all-ipv6-iface"] = one(t) } })
  case({ params = { verify_checksum = false }, v6 = { t }, out4 = { q } })
  local options = inward(w.WHOLE, 80, { bad = true, options = "\1\1\1\1" })
  case({ v4 = { options }, counters = { ["in-ipv4"] = one(options), ["drop-bad-header-ipv4"] = one(options),
    ["drop-all-ipv4-iface"] = one(options) } })
  -- Nor is anything told about it: RFC 1812 section 4.3.2.7.
  local nobody = inward(w.SHARED, 9999, { bad = true })
  local count = { ["in-ipv4"] = one(nobody), ["drop-no-dest-softwire-ipv4"] = one(nobody), ["drop-all-ipv4-iface"] = one(nobody) }
  count["errors-not-due"] = 1
  case({ v4 = { nobody }, counters = count })
  count["errors-not-due"] = nil
  case({ params = { verify_checksum = false }, v4 = { nobody }, out4 = { error4(3, 1, 0, nobody) } })
end

-- No error about an ICMP error, and none to what is no host.
function TestDefects:test12_errorsThatAreNotDue()
  local quoted = outward(w.WHOLE, 80)
  local p = w.ipv4({ src = w.HOST, dst = w.WHOLE, protocol = 1, ttl = 1, payload = w.icmp(3, 1, "\0\0\0\0", quoted) })
  case({ v4 = { p }, counters = { ["in-ipv4"] = one(p), ["drop-ttl-zero-ipv4"] = one(p), ["drop-all-ipv4-iface"] = one(p), ["errors-not-due"] = 1 } })
  local ping = w.ipv4({ src = w.HOST, dst = w.WHOLE, protocol = 1, ttl = 1, payload = w.echo(1) })
  case({ v4 = { ping }, out4 = { error4(11, 0, 0, ttl(ping, 0)) } })
  for _, src in ipairs({ "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "239.1.1.1", "240.0.0.1", "255.255.255.255" }) do
    local x = inward(w.UNSERVED, 80, { src = src })
    case({ v4 = { x }, counters = { ["in-ipv4"] = one(x), ["drop-no-dest-softwire-ipv4"] = one(x), ["drop-all-ipv4-iface"] = one(x),
      ["errors-not-due"] = 1 } })
  end
  for _, dst in ipairs({ "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255" }) do
    local x = inward(dst, 80)
    case({ v4 = { x }, counters = { ["in-ipv4"] = one(x), ["drop-no-dest-softwire-ipv4"] = one(x), ["drop-all-ipv4-iface"] = one(x),
      ["errors-not-due"] = 1 } })
  end
  for _, src in ipairs({ "::", "ff02::1" }) do case({ v6 = { tunnel(src, outward(w.UNSERVED, 80)) } }) end
  case({ v6 = { tunnel(w.B, outward(w.UNSERVED, 80), "ff02::1") } })
end

-- The policy about ICMP from the internet does not stop what the lwAFTR tells B4s itself.
function TestDefects:test13_ownErrorsPassThePolicy()
  local p = w.ipv4({ src = w.WHOLE, dst = w.SHARED, ttl = 1, payload = w.udp(80, 5200) })
  case({ conf = { external = "allow-incoming-icmp false;" }, v6 = { tunnel(w.A, p) },
    out6 = { tunnelled(w.A, error4(11, 0, 0, ttl(p, 0), { ttl = 254 })) } })
end

-- A TTL of 0 is not sent on.
function TestDefects:test15_ttlZero()
  local p = outward(w.WHOLE, 80, { ttl = 0 })
  local q, message = tunnel(w.A, p), error4(11, 0, 0, p, { ttl = 254 })
  local out = tunnelled(w.A, message)
  case({ v6 = { q }, out6 = { out }, counters = { ["in-ipv6"] = one(q), ["drop-ttl-zero-ipv4"] = one(p), ["drop-all-ipv6-iface"] = one(q),
    ["out-icmpv4-error"] = one(message), ["out-ipv6"] = one(out) } })
end

-- The MTU of a packet that was too big has a floor and a ceiling.
function TestDefects:test16_mtuIsClamped()
  local p = inward(w.WHOLE, 80)
  for mtu, told in pairs({ [0] = 68, [39] = 68, [40] = 68, [107] = 68, [108] = 68, [109] = 69, [1280] = 1240, [65575] = 65535, [65576] = 65535,
    [70000] = 65535, [4294967295] = 65535 }) do
    case({ v6 = { w.icmpv6("2001:db8:1::1", w.BR, 2, 0, w.u32(mtu), tunnelled(w.A, p)) }, out4 = { error4(3, 4, told, p) } })
  end
end

-- Errors are limited by a bucket: a burst of `packets`, then packets / period; never twice as many around the end of a period.
function TestDefects:test17_tokenBucket()
  nf.clock_set(5000000000ULL)
  local app = w.app({ external = "error-rate-limiting { packets 10; period 2; }" })
  w.left = 0
  local function burst()
    local list = {}
    for i = 1, 30 do list[i] = inward(w.UNSERVED, 80) end
    return #w.send(app, list)
  end
  lu.assertEquals(burst(), 10)
  nf.clock_set(nf.clock_time_ns + 1000000000ULL)
  lu.assertEquals(burst(), 5)
  nf.clock_set(nf.clock_time_ns + 100000000ULL)
  lu.assertEquals(burst(), 0)
  nf.clock_set(nf.clock_time_ns + 100000000000ULL)
  lu.assertEquals(burst(), 10)
  support.finish(app)
  nf.clock_set_real()
end

os.exit(lu.LuaUnit.run())
