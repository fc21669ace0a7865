-- lwaftr.b4: translation, the tunnel, what is refused, errors, reloads. Ports and sessions: test_lwaftr_b4_sessions.lua.
local lu = require("luaunit")
local support = require("support")
local basic = require("support_basic")
local frames = require("support_frames")
local w = require("support_lwaftr")
local b = require("support_b4")
local nf = require("nf.core")

local u16, u32 = frames.u16, frames.u32
local s

local function set_up()
  support.memory(3000, 64)
  nf.clock_set(1000000000ULL)
  s = nil
end

local function tear_down()
  if s then s:finish() end
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

TestTranslate = { setUp = set_up, tearDown = tear_down }

-- Nothing but source, TTL and checksums changes; the answer finds the client's port and Ethernet address.
function TestTranslate:testUdp()
  s = b.start()
  local p = b.udp(b.CLIENT, 1234, b.HOST, 53, "question", { tos = 0x89, id = 77, df = true, options = "\1\1\1\1" })
  local inner = s:outer(p)
  local port = b.ports(inner)
  lu.assertTrue(port >= b.FIRST and port <= b.LAST, port)
  lu.assertEquals(inner, b.udp(b.PUBLIC, port, b.HOST, 53, "question", { tos = 0x89, id = 77, df = true, options = "\1\1\1\1", ttl = 63 }))
  local answer = s:inner(b.udp(b.HOST, 53, b.PUBLIC, port, "answer", { tos = 4, ttl = 9 }))
  lu.assertEquals(answer, b.udp(b.HOST, 53, b.CLIENT, 1234, "answer", { tos = 4, ttl = 8 }))
  lu.assertEquals(s.mac, b.CLIENT_MAC)
  lu.assertEquals({ s:counter("out-packets"), s:counter("in-packets"), s:counter("sessions"), s:counter("mappings-udp") }, { 1, 1, 1, 1 })
end

-- A checksum that is not there stays so, and none becomes 0.
function TestTranslate:testUdpChecksums()
  s = b.start()
  local inner = s:outer(b.udp(b.CLIENT, 1, b.HOST, 53, "x", { no_checksum = true }))
  lu.assertEquals(inner:sub(27, 28), "\0\0")
  for i = 1, 1000 do
    inner = s:outer(b.udp(b.CLIENT, 1000 + i, b.HOST, 53, u16(i * 61)))
    lu.assertNotEquals(inner:sub(27, 28), "\0\0")
  end
end

function TestTranslate:testTcp()
  s = b.start()
  local inner = s:outer(b.tcp(b.CLIENT, 40000, b.HOST, 80, "S"))
  local port = b.ports(inner)
  lu.assertEquals(inner, b.tcp(b.PUBLIC, port, b.HOST, 80, "S", nil, { ttl = 63 }))
  lu.assertEquals(s:inner(b.tcp(b.HOST, 80, b.PUBLIC, port, "SA")), b.tcp(b.HOST, 80, b.CLIENT, 40000, "SA", nil, { ttl = 63 }))
  lu.assertEquals(s:outer(b.tcp(b.CLIENT, 40000, b.HOST, 80, "A", "GET")), b.tcp(b.PUBLIC, port, b.HOST, 80, "A", "GET", { ttl = 63 }))
end

function TestTranslate:testEcho()
  s = b.start()
  local inner = s:outer(b.icmp(b.CLIENT, b.HOST, w.echo(7)))
  local id = b.identifier(inner)
  lu.assertTrue(id >= b.FIRST and id <= b.LAST)
  lu.assertEquals(inner, b.icmp(b.PUBLIC, b.HOST, w.echo(id), { ttl = 63 }))
  lu.assertEquals(s:inner(b.icmp(b.HOST, b.PUBLIC, w.reply(id))), b.icmp(b.HOST, b.CLIENT, w.reply(7), { ttl = 63 }))
  s:dropped("unsolicited", "tunnelled", b.icmp(b.HOST, b.PUBLIC, w.echo(id)))
  s:dropped("icmp-type", "out", b.icmp(b.CLIENT, b.HOST, w.reply(7)))
end

-- An error about a client's packet goes to the client, and quotes what it sent: also when little is quoted.
function TestTranslate:testErrorsForClients()
  s = b.start()
  local sent = { udp = b.udp(b.CLIENT, 1234, b.HOST, 53, "question", { ttl = 63 }), tcp = b.tcp(b.CLIENT, 99, b.HOST, 80, "S", nil, { ttl = 63 }),
    echo = b.icmp(b.CLIENT, b.HOST, w.echo(7), { ttl = 63 }) }
  for name, p in pairs(sent) do
    local inner = s:outer(w.ttl(p, 64))
    for _, length in ipairs({ 28, #p }) do
      for _, message in ipairs({ { 3, 3, 0 }, { 3, 4, 1400 }, { 11, 0, 0 }, { 12, 0, 0 } }) do
        local rest = "\0\0" .. u16(message[3])
        local got = s:inner(b.icmp("203.0.113.77", b.PUBLIC, w.icmp(message[1], message[2], rest, inner:sub(1, length))))
        lu.assertEquals(got:sub(29), p:sub(1, length), name)
        lu.assertEquals(got, b.icmp("203.0.113.77", b.CLIENT, w.icmp(message[1], message[2], rest, p:sub(1, length)), { ttl = 63 }))
      end
    end
  end
  local inner = s:outer(w.ttl(sent.udp, 64))
  local function message(quoted, bad) return b.icmp(b.HOST, b.PUBLIC, w.icmp(3, 3, "\0\0\0\0", quoted, bad)) end
  s:dropped("bad-checksum", "tunnelled", message(inner, true))
  s:dropped("unrelated", "tunnelled", message(inner:sub(1, 23)))
  s:dropped("unrelated", "tunnelled", message(b.udp(b.PUBLIC, b.ports(inner), "192.0.2.77", 53)))
  s:dropped("unrelated", "tunnelled", message(b.udp("198.51.100.9", b.ports(inner), b.HOST, 53)))
  s:dropped("unrelated", "tunnelled", message(message(inner)))
  s:dropped("unrelated", "tunnelled", message(b.udp(b.PUBLIC, b.ports(inner), b.HOST, 53, "x", { offset = 8 })))
  s:dropped("unrelated", "tunnelled", message(""))
end

-- An error that a client, or a router before it, sends about what it got.
function TestTranslate:testErrorsOfClients()
  s = b.start()
  local port = s:open(b.CLIENT, 1234)
  local got = s:answer(port)
  for _, from in ipairs({ b.CLIENT, "192.168.7.7", b.ROUTER }) do
    local inner = s:outer(b.icmp(from, b.HOST, w.icmp(3, 3, "\0\0\0\0", got)))
    lu.assertEquals(inner, b.icmp(b.PUBLIC, b.HOST, w.icmp(3, 3, "\0\0\0\0", b.udp(b.HOST, 53, b.PUBLIC, port, nil, { ttl = 63 })), { ttl = 63 }))
  end
  local function message(quoted, to, bad) return b.icmp(b.CLIENT, to or b.HOST, w.icmp(3, 3, "\0\0\0\0", quoted, bad)) end
  s:dropped("bad-checksum", "out", message(got, nil, true))
  s:dropped("unrelated", "out", message(got, "192.0.2.50"))
  s:dropped("unrelated", "out", message(b.udp(b.HOST, 53, b.CLIENT, 4321)))
  s:dropped("unrelated", "out", message(got:sub(1, 20)))
end

TestTunnel = { setUp = set_up, tearDown = tear_down }

function TestTunnel:testOptionsAndPadding()
  s = b.start()
  local port = s:open(b.CLIENT, 1234)
  local answer = b.udp(b.HOST, 53, b.PUBLIC, port)
  local inside = s:in6(w.ipv6({ src = b.BR, dst = b.B4, next = 60, payload = "\4\0\4\1\5\1\1\0" .. answer }))
  lu.assertEquals(inside, { b.udp(b.HOST, 53, b.CLIENT, 1234, nil, { ttl = 63 }) })
  inside = s:in6(w.tunnelled(b.B4, answer, b.BR) .. ("\0"):rep(9))
  lu.assertEquals(inside, { b.udp(b.HOST, 53, b.CLIENT, 1234, nil, { ttl = 63 }) })
  local _, tunnel = s:out(b.udp(b.CLIENT, 1234, b.HOST, 53) .. ("\0"):rep(20))
  lu.assertEquals(#tunnel[1], 40 + 32)
end

-- Congestion of the way is carried over, and what cannot carry it is dropped: RFC 6040.
function TestTunnel:testEcn()
  s = b.start()
  local port = s:open(b.CLIENT, 1234)
  local function answer(inner, outer)
    return s:in6(w.tunnelled(b.B4, b.udp(b.HOST, 53, b.PUBLIC, port, nil, { tos = inner }), b.BR, { class = outer }))
  end
  for _, c in ipairs({ { 0, 0, 0 }, { 0, 2, 0 }, { 2, 0, 2 }, { 2, 1, 1 }, { 2, 3, 3 }, { 1, 3, 3 }, { 3, 0, 3 } }) do
    local inside = answer(0xb8 + c[1], c[2])
    lu.assertEquals(inside[1]:byte(2), 0xb8 + c[3])
    b.assertSound(inside[1])
  end
  lu.assertEquals(#answer(0, 3), 0)
  lu.assertEquals(s.app:reason("bad-ecn"), 1)
end

local function big(bytes, o) return b.udp(b.CLIENT, 1234, b.HOST, 53, frames.random(bytes - 28), o) end

-- The fragments of one IPv6 packet put together.
local function joined(tunnel)
  local text, id = "", nil
  for i, p in ipairs(tunnel) do
    local offset = p:byte(43) * 256 + p:byte(44)
    lu.assertEquals(p:byte(7), 44)
    lu.assertEquals(p:byte(41), 4)
    lu.assertEquals(p:byte(5) * 256 + p:byte(6), #p - 40)
    lu.assertEquals(math.floor(offset / 8) * 8, #text)
    lu.assertEquals(offset % 2, i < #tunnel and 1 or 0)
    id = id or p:sub(45, 48)
    lu.assertEquals(p:sub(45, 48), id)
    text = text .. p:sub(49)
  end
  return text, id
end

-- What just fits and a byte more: cut, or with DF told to the client.
function TestTunnel:testMtu()
  s = b.start({ mtu = 1400 })
  s:outer(big(1360, { df = true }))
  local p = big(1361)
  local _, tunnel = s:out(p)
  lu.assertEquals(#tunnel, 2)
  for _, fragment in ipairs(tunnel) do lu.assertTrue(#fragment <= 1400) end
  local inner, id = joined(tunnel)
  b.assertSound(inner)
  lu.assertEquals(inner:sub(29), p:sub(29))
  _, tunnel = s:out(p)
  lu.assertNotEquals(select(2, joined(tunnel)), id)
  lu.assertEquals(s:counter("cut"), 2)
  p = big(1361, { df = true })
  local inside
  inside, tunnel = s:out(p)
  lu.assertEquals(#tunnel, 0)
  lu.assertEquals(inside, { b.icmp(b.ROUTER, b.CLIENT, w.icmp(3, 4, "\0\0" .. u16(1360), p:sub(1, 548)), { ttl = 255, id = 0 }) })
  lu.assertEquals(s.mac, b.CLIENT_MAC)
  lu.assertEquals(s.app:reason("too-big"), 1)
end

-- The longest packet leaves in as many fragments as there may be.
function TestTunnel:testLongestPacket()
  s = b.start({ mtu = 1280 })
  local p = big(10200)
  local frame = b.OWN_MAC .. b.CLIENT_MAC .. "\8\0" .. p
  local packet = nf.packet_alloc_length(#frame)
  b.ffi.copy(packet.data, frame, #frame)
  nf.link_send(s.app.app.input[b.INSIDE], packet)
  s.app.given = s.app.given + 1
  s.app:push()
  local _, tunnel = s:taken()
  lu.assertEquals(#tunnel, 9)
  lu.assertEquals(joined(tunnel):sub(29), p:sub(29))
end

local function too_big(quoted, mtu, o)
  o = o or {}
  return w.icmpv6(o.src or "2001:db8:99::1", o.dst or b.B4, o.type or 2, o.code or 0, u32(mtu), quoted, o.bad)
end

-- A router of the way says what fits: the client hears it, later packets are cut to it, and it is forgotten.
function TestTunnel:testMtuIsLearned()
  s = b.start({ mtu_expiry = "10min" })
  local p = big(1440, { df = true })
  local _, tunnel = s:out(p)
  local outer = tunnel[1]
  lu.assertEquals(s:counter("mtu"), 1500)
  local inside = s:in6(too_big(outer:sub(1, 1200), 1400))
  lu.assertEquals(inside, { b.icmp(b.ROUTER, b.CLIENT, w.icmp(3, 4, "\0\0" .. u16(1360), w.ttl(p, 63):sub(1, 548)), { ttl = 255, id = 0 }) })
  lu.assertEquals({ s:counter("mtu"), s:counter("too-big-heeded") }, { 1400, 1 })
  inside, tunnel = s:out(p)
  lu.assertEquals({ #inside, #tunnel }, { 1, 0 })
  inside, tunnel = s:out(big(1440))
  lu.assertEquals({ #inside, #tunnel, #tunnel[1] }, { 0, 2, 1400 })
  -- A larger one is no news; a lower one than IPv6 has counts as the least.
  s:in6(too_big(outer, 1450))
  lu.assertEquals(s:counter("mtu"), 1400)
  s:in6(too_big(outer, 5))
  lu.assertEquals({ s:counter("mtu"), s:counter("too-big-heeded") }, { 1280, 2 })
  nf.clock_set(nf.clock_now() + 600000000000ULL)
  s:tick()
  lu.assertEquals(s:counter("mtu"), 1500)
end

-- About a packet without DF the client hears nothing.
function TestTunnel:testMtuWithoutDf()
  s = b.start()
  local _, tunnel = s:out(big(1440))
  lu.assertEquals({ s:in6(too_big(tunnel[1], 1400)) }, { {}, {} })
  lu.assertEquals(s:counter("mtu"), 1400)
end

-- The first fragment tells as much.
function TestTunnel:testMessageAboutFragment()
  s = b.start()
  local _, tunnel = s:out(big(1490))
  lu.assertEquals(#tunnel, 2)
  s:dropped("unrelated", "in6", too_big(tunnel[2], 1400))
  s:in6(too_big(tunnel[1], 1400))
  lu.assertEquals(s:counter("mtu"), 1400)
end

-- Nothing is believed that does not quote a packet of a session.
function TestTunnel:testForgedMessages()
  s = b.start()
  local p = b.udp(b.CLIENT, 1234, b.HOST, 53)
  local outer = w.ipv6({ src = b.B4, dst = b.BR, next = 4, payload = s:outer(p) })
  local port = b.ports(outer:sub(41))
  local function other(inner, o)
    local q = { src = b.B4, dst = b.BR, next = 4, payload = inner }
    for k, v in pairs(o or {}) do q[k] = v end
    return w.ipv6(q)
  end
  s:dropped("bad-checksum", "in6", too_big(outer, 1400, { bad = true }))
  s:dropped("foreign", "in6", too_big(outer, 1400, { dst = "2001:db8::77" }))
  s:dropped("malformed", "in6", w.ipv6({ src = b.BR, dst = b.B4, next = 58, payload = "\2\0\0" }))
  s:dropped("icmp-type", "in6", too_big(outer, 1400, { type = 128 }))
  for name, quoted in pairs({ nothing = "", cut = outer:sub(1, 60), source = other(outer:sub(41), { src = w.A }),
    destination = other(outer:sub(41), { dst = w.BR2 }), protocol = other(outer:sub(41), { next = 41 }),
    port = other(b.udp(b.PUBLIC, port == b.FIRST and b.LAST or port - 1, b.HOST, 53)), host = other(b.udp(b.PUBLIC, port, "192.0.2.1", 53)),
    address = other(b.udp("198.51.100.3", port, b.HOST, 53)) }) do
    local before = s.app:reason("unrelated")
    lu.assertEquals({ s:in6(too_big(quoted, 1400)) }, { {}, {} }, name)
    lu.assertEquals(s.app:reason("unrelated"), before + 1, name)
  end
  lu.assertEquals(s:counter("mtu"), 1500)
end

-- What cannot be delivered: the client hears that the host is unreachable; the lwAFTR's refusal is counted.
function TestTunnel:testUnreachable()
  s = b.start()
  local p = b.udp(b.CLIENT, 1234, b.HOST, 53)
  local outer = w.ipv6({ src = b.B4, dst = b.BR, next = 4, payload = s:outer(p) })
  local told = { b.icmp(b.ROUTER, b.CLIENT, w.icmp(3, 1, "\0\0\0\0", w.ttl(p, 63)), { ttl = 255, id = 0 }) }
  for _, o in ipairs({ { type = 1, code = 0 }, { type = 3, code = 0 }, { type = 4, code = 1 }, { type = 1, code = 5 } }) do
    lu.assertEquals(s:in6(too_big(outer, 0, o)), told)
  end
  lu.assertEquals(s:counter("refused"), 0)
  lu.assertEquals(s:in6(too_big(outer, 0, { type = 1, code = 5, src = b.BR })), told)
  lu.assertEquals(s:counter("refused"), 1)
end

-- Inner fragments take the way that is linked for them, and come back whole.
function TestTunnel:testInnerFragments()
  s = b.start(nil, { "inside", "tunnel", "fragments" }, { "inside", "tunnel", "fragments" })
  local port = s:open(b.CLIENT, 1234)
  local first = b.udp(b.HOST, 53, b.PUBLIC, port, "answer", { more = true })
  s:tunnelled(first)
  local out = s.app:take(b.FRAGMENTS)
  lu.assertEquals(out, { ("\0"):rep(12) .. "\8\0" .. first })
  local inside = s:give(b.FRAGMENTS, ("\0"):rep(12) .. "\8\0" .. b.udp(b.HOST, 53, b.PUBLIC, port, "answer"))
  lu.assertEquals(inside, { b.udp(b.HOST, 53, b.CLIENT, 1234, "answer", { ttl = 63 }) })
  s:dropped("fragment", "give", b.FRAGMENTS, out[1])
  s:dropped("malformed", "give", b.FRAGMENTS, out[1]:sub(1, 20))
  s:dropped("malformed", "give", b.FRAGMENTS, "x")
end

TestRefuse = { setUp = set_up, tearDown = tear_down }

function TestRefuse:testInside()
  s = b.start()
  local p = b.udp(b.CLIENT, 1234, b.HOST, 53)
  s:dropped("not-ipv4", "give", b.INSIDE, b.OWN_MAC .. b.CLIENT_MAC .. "\8\6" .. ("\0"):rep(28))
  s:dropped("not-ipv4", "give", b.INSIDE, "short")
  s:dropped("malformed", "out", p:sub(1, -2))
  s:dropped("malformed", "out", p:sub(1, 19))
  s:dropped("malformed", "out", w.ipv4({ src = b.CLIENT, dst = b.HOST, payload = "\0\1\0\2\0\8\0" }))
  s:dropped("malformed", "out", w.ipv4({ src = b.CLIENT, dst = b.HOST, protocol = 6, payload = ("\0"):rep(19) }))
  s:dropped("malformed", "out", w.ipv4({ src = b.CLIENT, dst = b.HOST, protocol = 1, payload = "\8\0\0\0\0\0\0" }))
  s:dropped("bad-checksum", "out", b.udp(b.CLIENT, 1234, b.HOST, 53, "x", { bad = true }))
  s:dropped("fragment", "out", b.udp(b.CLIENT, 1234, b.HOST, 53, "x", { more = true }))
  for _, src in ipairs({ b.PUBLIC, b.ROUTER, "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" }) do
    s:dropped("spoofed", "out", b.udp(src, 1234, b.HOST, 53))
  end
  for _, dst in ipairs({ "0.0.0.0", "127.0.0.1", "239.1.1.1", "255.255.255.255" }) do
    s:dropped("no-host", "out", b.udp(b.CLIENT, 1234, dst, 53))
  end
  s:dropped("own-address", "out", b.udp(b.CLIENT, 1234, b.ROUTER, 53))
  s:dropped("protocol", "out", w.ipv4({ src = b.CLIENT, dst = b.HOST, protocol = 47, payload = "gre!" }))
  s:dropped("icmp-type", "out", b.icmp(b.CLIENT, b.HOST, w.icmp(13, 0, "\0\0\0\0")))
  lu.assertEquals(s:counter("sessions"), 0)
end

function TestRefuse:testTunnel()
  s = b.start()
  local port = s:open(b.CLIENT, 1234)
  local p = b.udp(b.HOST, 53, b.PUBLIC, port)
  s:dropped("not-ipv6", "give", b.TUNNEL, b.OWN_MAC .. b.OTHER_MAC .. "\8\0" .. p)
  s:dropped("not-ipv6", "give", b.TUNNEL, "")
  s:dropped("malformed", "in6", w.tunnelled(b.B4, p, b.BR):sub(1, -2))
  s:dropped("malformed", "tunnelled", p:sub(1, -2))
  s:dropped("malformed", "tunnelled", "\x45")
  s:dropped("foreign", "in6", w.tunnelled(b.B4, p, w.BR2))
  s:dropped("foreign", "in6", w.tunnelled(w.A, p, b.BR))
  s:dropped("fragment", "in6", w.ipv6({ src = b.BR, dst = b.B4, next = 44, payload = "\4\0\0\1\0\0\0\1" .. p }))
  s:dropped("fragment", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, port, "x", { more = true }))
  s:dropped("protocol", "in6", w.ipv6({ src = b.BR, dst = b.B4, next = 41, payload = p }))
  s:dropped("bad-checksum", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, port, "x", { bad = true }))
  s:dropped("not-ours", "tunnelled", b.udp(b.HOST, 53, w.UNSERVED, port))
  s:dropped("not-ours", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, b.LAST + 1))
  s:dropped("not-ours", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, b.FIRST - 1))
  s:dropped("unsolicited", "tunnelled", b.udp(b.HOST, 53, b.PUBLIC, port == b.FIRST and b.LAST or port - 1))
  s:dropped("spoofed", "tunnelled", b.udp(b.PUBLIC, b.FIRST, b.PUBLIC, port))
  s:dropped("spoofed", "tunnelled", b.udp("127.0.0.1", 53, b.PUBLIC, port))
  -- Another B4 with other ports of the address.
  lu.assertEquals(b.src(s:inner(b.udp(b.PUBLIC, b.LAST + 1, b.PUBLIC, port))), b.PUBLIC)
end

-- Frames that a sender left to be segmented.
function TestRefuse:testUnsegmented()
  s = b.start()
  local frame = b.OWN_MAC .. b.CLIENT_MAC .. "\8\0" .. b.tcp(b.CLIENT, 1, b.HOST, 80, "S")
  local p = support.packet(frame)
  p.meta.gso, p.meta.gso_bytes = 1, 1000
  nf.link_send(s.app.app.input[b.INSIDE], p)
  s.app.given = s.app.given + 1
  s.app:push()
  lu.assertEquals(s.app:reason("unsegmented"), 1)
end

-- Hops end here in both directions, and the sender hears it.
function TestRefuse:testTtl()
  s = b.start()
  for _, ttl in ipairs({ 0, 1 }) do
    local p = b.udp(b.CLIENT, 1234, b.HOST, 53, nil, { ttl = ttl })
    local inside, tunnel = s:out(p)
    lu.assertEquals({ inside, tunnel }, { { b.icmp(b.ROUTER, b.CLIENT, w.icmp(11, 0, "\0\0\0\0", p), { ttl = 255, id = 0 }) }, {} })
  end
  lu.assertEquals(s:counter("sessions"), 0)
  local port = s:open(b.CLIENT, 1234)
  local p = b.udp(b.HOST, 53, b.PUBLIC, port, nil, { ttl = 1 })
  local inside, tunnel = s:tunnelled(p)
  lu.assertEquals(#inside, 0)
  lu.assertEquals(tunnel, { w.ipv6({ src = b.B4, dst = b.BR, next = 4, hops = 64,
    payload = b.icmp(b.PUBLIC, b.HOST, w.icmp(11, 0, "\0\0\0\0", p), { ttl = 255, id = 0 }) }) })
  lu.assertEquals(s.app:reason("expired"), 3)
end

function TestRefuse:testErrorsAreLimited()
  s = b.start({ error_rate = 3 })
  for _ = 1, 5 do s:out(b.udp(b.CLIENT, 1234, b.HOST, 53, nil, { ttl = 1 })) end
  lu.assertEquals({ s:counter("errors"), s:counter("errors-suppressed") }, { 3, 2 })
  nf.clock_set(nf.clock_now() + 1000000000ULL)
  s:out(b.udp(b.CLIENT, 1234, b.HOST, 53, nil, { ttl = 1 }))
  lu.assertEquals(s:counter("errors"), 4)
end

function TestRefuse:testHostileFrames()
  for port = 0, 1 do
    s = b.start()
    for _, frame in ipairs(basic.hostile) do s:give(port, frame) end
    s.app:balance()
    s:finish()
  end
  s = nil
end

TestParams = { setUp = set_up }

function TestParams:testMistakes()
  local host = "not the address of one host; a unicast address is needed"
  for _, c in ipairs({
    { { psid_length = 10, psid_offset = 7 }, "key 'psid_length': 10 bits behind 7 do not fit a port of 16" },
    { { psid = 64 }, "key 'psid': 64 does not fit 6 bits" },
    { { psid = 0, psid_length = 16 }, "key 'psid': port 0 alone is of no use" },
    { { ipv4 = "224.0.0.1" }, "key 'ipv4': " .. host },
    { { ip = "127.0.0.1" }, "key 'ip': " .. host },
    { { ip = b.PUBLIC }, "key 'ip': the public address is not one of the clients' network" },
    { { b4 = "ff02::1" }, "key 'b4': " .. host },
    { { br = "::" }, "key 'br': " .. host },
    { { sessions = 100, half_open = 101 }, "key 'half_open': 101 is more than the 100 sessions of the table" },
    { { mtu = 1279 }, "key 'mtu'" },
  }) do
    lu.assertStrContains(table.concat(basic.messages("lwaftr.b4", b.params(c[1])), "\n"), "app 'x': " .. c[2])
  end
end

-- The way there and back: what a B4 sends the lwAFTR gives to the internet, from the B4's address and a port of its set; the answer
-- comes to the client as it was sent.
TestBothEnds = { setUp = set_up, tearDown = tear_down }

function TestBothEnds:testThereAndBack()
  for _, set in ipairs({ { 4, 6, 0 }, { 5, 6, 6 }, { 0, 0, 0 }, { 3, 8, 4 }, { 1, 4, 12 } }) do
    local psid, length, offset = set[1], set[2], set[3]
    w.left = 0
    local aftr = w.app({ table = w.softwire(b.PUBLIC, psid, b.B4, b.BR, ("psid-length %d; reserved-ports-bit-count %d;"):format(length, offset)) },
      { echo = "identifier" })
    s = b.start({ psid = psid, psid_length = length, psid_offset = offset })
    for i = 1, 60 do
      local data, o = frames.random(math.random(0, 300)), { tos = math.random(0, 255), id = i, df = i % 2 == 0 }
      local from, to, client = math.random(0, 65535), math.random(0, 65535), i % 3 == 0 and b.OTHER or b.CLIENT
      local kind = i % 3
      local function packet(src, sport, dst, dport, back, ttl)
        o.ttl = ttl
        if kind == 0 then return b.udp(src, sport, dst, dport, data, o) end
        if kind == 1 then return b.tcp(src, sport, dst, dport, back and "SA" or "S", data, o) end
        return b.icmp(src, dst, back and w.reply(dport, data) or w.echo(sport, data), o)
      end
      local inner = s:outer(packet(client, from, b.HOST, to, false, 64))
      local port = kind == 2 and b.identifier(inner) or b.ports(inner)
      local out4 = w.send(aftr, {}, { w.ipv6({ src = b.B4, dst = b.BR, next = 4, class = inner:byte(2), payload = inner }) })
      lu.assertEquals(out4, { packet(b.PUBLIC, port, b.HOST, to, false, 63) })
      local answer = packet(b.HOST, to, b.PUBLIC, port, true, 50)
      local _, out6 = w.send(aftr, { answer })
      lu.assertEquals(#out6, 1)
      lu.assertEquals(s:in6(out6[1]), { packet(b.HOST, to, client, from, true, 48) })
    end
    w.check(aftr)
    -- The memory of packets belongs to both.
    s:finish()
    s = nil
    support.finish(aftr)
  end
end

os.exit(lu.LuaUnit.run())
