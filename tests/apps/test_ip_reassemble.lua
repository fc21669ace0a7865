-- ip.reassemble4 and ip.reassemble6: fragments become whole again, or are dropped for a reason, in bounded memory.
local lu = require("luaunit")
local bit = require("bit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local frames = require("support_frames")
local ip = require("support_ip")

local u16, u32 = frames.u16, frames.u32
local OUTPUT, ERRORS = 0, 1
local SECOND = 1000000000ULL

TestReassemble = {}

function TestReassemble:setUp()
  support.memory(4000, 600)
  nf.clock_set(nf.clock_now() + 1000 * SECOND)
end

-- What differs between the two: how a fragment and the whole packet look.
local four = { class = "ip.reassemble4", prefix = "ipv4" }
function four.fragment(o, text, offset, more)
  local copy = { fragment = offset / 8 + (more and 0x2000 or 0) }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv4(copy, text)
end
function four.whole(o, text) return ip.ipv4(o, text) end

local six = { class = "ip.reassemble6", prefix = "ipv6" }
function six.fragment(o, text, offset, more)
  local copy = { next = 44 }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv6(copy, string.char(o.inner or 17, 0) .. u16(offset + (more and 1 or 0)) .. u32(o.id or 1) .. text)
end
function six.whole(o, text)
  local copy = { next = o.inner or 17 }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv6(copy, text)
end
local both = { four, six }

local function start(f, params, outputs)
  params = params or {}
  params[1] = f.class
  return basic.start(f.class, params, nil, outputs or { "output" })
end

local function counts(s, f)
  local function one(name) return s:counter(("%s-%s-frag-%s"):format(name:match("^(%a+)%-(.*)$"), f.prefix, select(2, name:match("^(%a+)%-(.*)$")))) end
  return { one("in-needs-reassembly"), one("in-reassembled"), one("in-reassembly-unneeded"), one("drop-invalid-reassembly"),
    one("drop-random-evicted") }
end

-- Give frames one after the other; what comes out.
local function give(s, ...)
  for _, frame in ipairs({ ... }) do
    s:give(0, frame)
    s:push()
  end
  return s:take(OUTPUT)
end

-- A datagram in pieces of `per` bytes.
local function cut(f, o, text, per)
  local list = {}
  for at = 0, #text - 1, per do list[#list + 1] = f.fragment(o, text:sub(at + 1, at + per), at, at + per < #text) end
  return list
end

local function text(n) return frames.random(n) end

function TestReassemble:testInOrderAndReversed()
  for _, f in ipairs(both) do
    local s, o, t = start(f), { tos = 0x20, ttl = 17, id = 77, hop_limit = 17, class_label = 0x123 }, text(2500)
    local list = cut(f, o, t, 1000)
    lu.assertEquals(give(s, unpack(list)), { f.whole(o, t) })
    lu.assertEquals(counts(s, f), { 3, 1, 0, 0, 0 })
    lu.assertEquals(give(s, list[3], list[2], list[1]), { f.whole(o, t) })
    lu.assertEquals(give(s, list[2], list[1], list[3]), { f.whole(o, t) })
    lu.assertEquals(counts(s, f), { 9, 3, 0, 0, 0 })
    lu.assertEquals(s:held(), 0)
    s:finish()
  end
end

function TestReassemble:testOthersPass()
  local arp = ip.arp({ sender = "\1\2\3\4", target = "\5\6\7\8" })
  for _, f in ipairs(both) do
    local s = start(f)
    local list = { ip.ipv4({ fragment = 0x4000 }, "x"), ip.ipv6({}, "x"), arp, "short", "", ip.ethernet({}, ip.TYPE4, "\x60" .. ("\xff"):rep(50)),
      ip.ethernet({}, ip.TYPE6, "\x45" .. ("\xff"):rep(50)), ip.ethernet({}, ip.TYPE6, ("\x2c"):rep(39)), ip.ipv4({}, "x") .. "padding",
      ip.ipv6({ next = 0 }, "\17\0\1\4\0\0\0\0x"), ip.ipv6({ next = 60 }, "\17\0\1\4\0\0\0\0x") }
    s:give(0, unpack(list))
    s:push()
    lu.assertEquals(s:take(OUTPUT), list)
    lu.assertEquals(counts(s, f), { 0, 0, #list, 0, 0 })
    s:finish()
  end
end

-- Padding behind a fragment is no part of it.
function TestReassemble:testPaddingIsTrimmed()
  for _, f in ipairs(both) do
    local s, t = start(f), text(17)
    local list = cut(f, {}, t, 8)
    lu.assertEquals(give(s, list[1] .. ("\xee"):rep(20), list[2] .. ("\xee"):rep(9), list[3] .. "\xee"), { f.whole({}, t) })
    s:finish()
  end
end

-- A packet longer than its frame is dropped, and no counter but the reason's moves.
function TestReassemble:testCutOff()
  for _, f in ipairs(both) do
    local s = start(f)
    local whole, fragment = f.whole({}, "123456789"), f.fragment({}, "123456789", 8, false)
    lu.assertEquals(give(s, whole:sub(1, -2), fragment:sub(1, -2)), {})
    lu.assertEquals(s:reason("cut-off"), 2)
    lu.assertEquals(counts(s, f), { 0, 0, 0, 0, 0 })
    s:finish()
  end
end

-- Each piece twice, at any time; also the last piece.
function TestReassemble:testDuplicatesAreTolerated()
  for _, f in ipairs(both) do
    local s, t = start(f), text(240)
    local list = cut(f, {}, t, 80)
    lu.assertEquals(give(s, list[1], list[1], list[3], list[3], list[1], list[2]), { f.whole({}, t) })
    lu.assertEquals(s:reason("duplicate"), 3)
    lu.assertEquals(counts(s, f), { 6, 1, 0, 0, 0 })
    s:finish()
  end
end

-- The key: addresses and identification, and in IPv4 the protocol; in IPv6 not the next header.
function TestReassemble:testKey()
  local s, t = start(four), text(16)
  local o = { protocol = 17, id = 5 }
  for _, other in ipairs({ { protocol = 6, id = 5 }, { protocol = 17, id = 6 }, { id = 5, src = "\1\2\3\4" }, { id = 5, dst = "\1\2\3\4" } }) do
    lu.assertEquals(give(s, four.fragment(o, t:sub(1, 8), 0, true), four.fragment(other, t:sub(9), 8, false)), {})
    lu.assertEquals(give(s, four.fragment(o, t:sub(9), 8, false)), { four.whole(o, t) })
  end
  lu.assertEquals(s:held(), 4)
  s:finish()
  s = start(six)
  for _, other in ipairs({ { id = 0x80000005 }, { id = 5, src = ip.ip6("::5") }, { id = 5, dst = ip.ip6("::5") } }) do
    lu.assertEquals(give(s, six.fragment({ id = 5 }, t:sub(1, 8), 0, true), six.fragment(other, t:sub(9), 8, false)), {})
    lu.assertEquals(give(s, six.fragment({ id = 5, inner = 6 }, t:sub(9), 8, false)), { six.whole({}, t) })
  end
  s:finish()
end

function TestReassemble:testInterleaved()
  for _, f in ipairs(both) do
    local s, texts, lists = start(f), {}, {}
    for i = 1, 20 do
      texts[i] = text(300)
      lists[i] = cut(f, { id = i }, texts[i], 104)
    end
    for piece = 1, 2 do
      for i = 1, 20 do lu.assertEquals(give(s, lists[i][piece]), {}) end
    end
    for i = 20, 1, -1 do lu.assertEquals(give(s, lists[i][3]), { f.whole({ id = i }, texts[i]) }) end
    s:finish()
  end
end

-- RFC 5722: not one byte of an overlap gets through, nor what comes later; the next datagram with the identification does, later.
function TestReassemble:testOverlapDropsAll()
  for _, f in ipairs(both) do
    local t = text(400)
    local a, b, c = f.fragment({}, t:sub(1, 160), 0, true), f.fragment({}, t:sub(161, 320), 160, true), f.fragment({}, t:sub(321), 320, false)
    local wrong = {
      f.fragment({}, t:sub(1, 80), 80, true), f.fragment({}, t:sub(1, 160), 80, true), f.fragment({}, t:sub(121), 120, false),
      f.fragment({}, t:sub(1, 320), 0, true), f.fragment({}, t:sub(1, 8), 152, true), f.fragment({}, t:sub(2, 161), 0, true),
    }
    for i, overlapping in ipairs(wrong) do
      local s = start(f)
      lu.assertEquals(give(s, a, overlapping, b, c), {}, i)
      lu.assertEquals(s:reason("overlap"), 4)
      lu.assertEquals(counts(s, f), { 4, 0, 0, 1, 0 })
      lu.assertEquals(s:held(), 0)
      nf.clock_set(nf.clock_now() + 60 * SECOND)
      lu.assertEquals(give(s, a, b, c), { f.whole({}, t) })
      s:finish()
    end
  end
end

-- Two fragments that end the datagram differently, and one behind the end.
function TestReassemble:testTwoEnds()
  for _, f in ipairs(both) do
    local t = text(400)
    for _, pair in ipairs({ { f.fragment({}, t:sub(321), 320, false), f.fragment({}, t:sub(321, 340), 320, false) },
      { f.fragment({}, t:sub(321), 320, false), f.fragment({}, t:sub(1, 80), 400, true) },
      { f.fragment({}, t:sub(1, 80), 400, true), f.fragment({}, t:sub(321), 320, false) },
      { f.fragment({}, t:sub(1, 80), 80, true), f.fragment({}, t:sub(1, 80), 80, false) } }) do
      local s = start(f)
      lu.assertEquals(give(s, unpack(pair)), {})
      lu.assertEquals(counts(s, f), { 2, 0, 0, 1, 0 })
      lu.assertEquals(s:reason("invalid"), 2)
      lu.assertEquals(s:held(), 0)
      lu.assertEquals(give(s, unpack(cut(f, {}, t, 80))), { f.whole({}, t) }, "later ones start anew")
      s:finish()
    end
  end
end

-- More fragments than allowed: one datagram dropped, later fragments start anew; also when it would just be complete.
function TestReassemble:testTooManyFragments()
  for _, f in ipairs(both) do
    local s, t = start(f, { fragments_per_datagram = 1 }), text(160)
    lu.assertEquals(give(s, unpack(cut(f, {}, t, 80))), {})
    lu.assertEquals(counts(s, f), { 2, 0, 0, 1, 0 })
    lu.assertEquals(s:reason("too-many"), 2)
    lu.assertEquals(s:held(), 0)
    s:finish()
    s, t = start(f, { fragments_per_datagram = 3 }), text(320)
    local list = cut(f, {}, t, 80)
    lu.assertEquals(give(s, list[1], list[2], list[2], list[3]), {})
    lu.assertEquals(s:held(), 3, "a duplicate does not count")
    lu.assertEquals(give(s, list[4], list[1]), {})
    lu.assertEquals(counts(s, f), { 6, 0, 0, 1, 0 })
    lu.assertEquals(s:held(), 1)
    s:finish()
  end
end

-- A fragment before the end that is no multiple of 8 spoils its datagram.
function TestReassemble:testOddSize()
  for _, f in ipairs(both) do
    local s, t = start(f), text(100)
    lu.assertEquals(give(s, f.fragment({}, t:sub(1, 79), 0, true), f.fragment({}, t:sub(81), 80, false)), {})
    lu.assertEquals(counts(s, f), { 2, 0, 0, 1, 0 })
    lu.assertEquals(s:held(), 1)
    lu.assertEquals(give(s, f.fragment({}, t:sub(1, 79), 0, true)), {})
    lu.assertEquals(s:held(), 0)
    lu.assertEquals(s:reason("invalid"), 3)
    s:finish()
  end
end

-- Nothing, and what would end behind the longest packet there can be.
function TestReassemble:testImpossibleFragments()
  for _, f in ipairs(both) do
    local s = start(f)
    lu.assertEquals(give(s, f.fragment({}, "", 8, false), f.fragment({}, "", 0, true), f.fragment({}, text(80), 65528, false)), {})
    lu.assertEquals(counts(s, f), { 3, 0, 0, 3, 0 })
    lu.assertEquals(s:held(), 0)
    s:finish()
  end
end

-- Frames of 10,240 bytes are made; longer ones are not, as soon as that is known.
function TestReassemble:testLongest()
  for _, f in ipairs(both) do
    local s = start(f)
    local t = text(10240 - #f.whole({}, ""))
    lu.assertEquals(give(s, unpack(cut(f, {}, t, 1480))), { f.whole({}, t) })
    local list = cut(f, {}, t .. "x", 1480)
    lu.assertEquals(give(s, unpack(list)), {})
    lu.assertEquals(s:reason("too-long"), #list)
    lu.assertEquals(counts(s, f)[4], 1)
    s:finish()
  end
end

-- RFC 6946: alone, whatever else of that identification is under way; also of no bytes.
function TestReassemble:testAtomicFragments()
  local s, t = start(six), text(160)
  local o = { hop_limit = 9, class_label = 5, inner = 4 }
  lu.assertEquals(give(s, six.fragment(o, t:sub(1, 80), 0, true)), {})
  lu.assertEquals(give(s, six.fragment(o, "atomic", 0, false), six.fragment(o, "", 0, false)), { six.whole(o, "atomic"), six.whole(o, "") })
  lu.assertEquals(give(s, six.fragment(o, t:sub(81), 80, false)), { six.whole(o, t) })
  lu.assertEquals(counts(s, six), { 4, 3, 0, 0, 0 })
  s:finish()
end

-- Hop-by-hop options and routing headers stand before the fragment header, and in the whole packet.
function TestReassemble:testExtensionHeaders()
  local t, s = text(160), start(six)
  local hop, route = "\43\0\1\4\0\0\0\0", "\44\0\0\0\0\0\0\0"
  local function fragment(payload, offset, more)
    return ip.ipv6({ next = 0 }, hop .. route .. "\17\0" .. u16(offset + (more and 1 or 0)) .. "\0\0\0\1" .. payload)
  end
  local whole = ip.ipv6({ next = 0 }, hop .. "\17" .. route:sub(2) .. t)
  lu.assertEquals(give(s, fragment(t:sub(81), 80, false), fragment(t:sub(1, 80), 0, true)), { whole })
  lu.assertEquals(give(s, fragment(t, 0, false)), { whole })
  -- Cut off in the fragment header: malformed. Before, or with more headers than are looked at: no business of ours.
  local all = fragment(t, 0, false)
  for length = 55, 54 + 23 do
    s:give(0, all:sub(1, 18) .. u16(length - 54) .. all:sub(21, length))
    s:push()
  end
  lu.assertEquals(#s:take(OUTPUT), 15)
  lu.assertEquals(s:reason("invalid"), 8)
  local many = ip.ipv6({ next = 0 }, ("\0\0\1\4\0\0\0\0"):rep(9))
  lu.assertEquals(give(s, many), { many })
  s:finish()
end

-- Whose header: the one that arrived first, or the one with offset 0. Of IPv6 the next header is always that of offset 0.
function TestReassemble:testHeader()
  local t = text(160)
  for name, ttl in pairs({ arrived = 20, offset = 10 }) do
    local s = start(four, { header = name })
    local options = "\131\7\4\1\2\3\4\0"
    lu.assertEquals(give(s, four.fragment({ ttl = 20, tos = 8 }, t:sub(81), 80, false), four.fragment({ ttl = 10, options = options }, t:sub(1, 80),
      0, true)), { four.whole({ ttl = ttl, tos = name == "arrived" and 8 or 0, options = name == "offset" and options or nil }, t) })
    s:finish()
    s = start(six, { header = name })
    lu.assertEquals(give(s, six.fragment({ hop_limit = 20, inner = 6 }, t:sub(81), 80, false), six.fragment({ hop_limit = 10, inner = 4 },
      t:sub(1, 80), 0, true)), { six.whole({ hop_limit = ttl, inner = 4 }, t) })
    s:finish()
  end
end

-- RFC 3168, 5.3.
function TestReassemble:testCongestionIsKept()
  local t = text(24)
  for _, case in ipairs({ { 2, 3, 2, 3 }, { 1, 1, 3, 3 }, { 2, 2, 2, 2 }, { 0, 3, 0, 0 } }) do
    local s, list = start(four), {}
    for i = 1, 3 do list[i] = four.fragment({ tos = 0x40 + case[i] }, t:sub(i * 8 - 7, i * 8), i * 8 - 8, i < 3) end
    lu.assertEquals(give(s, unpack(list)), { four.whole({ tos = 0x40 + case[4] }, t) })
    s:finish()
    s = start(six)
    for i = 1, 3 do list[i] = six.fragment({ class_label = case[i] * 0x100000 }, t:sub(i * 8 - 7, i * 8), i * 8 - 8, i < 3) end
    lu.assertEquals(give(s, unpack(list)), { six.whole({ class_label = case[4] * 0x100000 }, t) })
    s:finish()
  end
end

function TestReassemble:testIdentification()
  local t = text(16)
  local s = start(four, { identification = "zero" })
  lu.assertEquals(give(s, unpack(cut(four, { id = 7 }, t, 8))), { four.whole({ id = 0 }, t) })
  s:finish()
end

function TestReassemble:testTimeout()
  for _, f in ipairs(both) do
    local s, t = start(f, { timeout = "10s" }), text(240)
    local list = cut(f, {}, t, 80)
    give(s, list[1])
    nf.clock_set(nf.clock_now() + 9 * SECOND)
    give(s, list[2])
    lu.assertEquals(s.app.class.wake_at(s.app), nf.clock_now() + SECOND, "from the first fragment on")
    nf.clock_set(nf.clock_now() + SECOND)
    s:push()
    lu.assertEquals(s:held(), 0)
    lu.assertEquals(s:reason("timed-out"), 2)
    lu.assertEquals(s:counter(("drop-%s-frag-timed-out"):format(f.prefix)), 1)
    lu.assertEquals(s.app.class.wake_at(s.app), 0xffffffffffffffffULL)
    lu.assertEquals(give(s, list[3]), {})
    s:finish()
  end
end

-- RFC 792 and RFC 4443, 3.3: the sender is told when the first fragment has come, and only then.
function TestReassemble:testTimeoutErrors()
  for _, f in ipairs(both) do
    local source = f == four and "10.0.0.1" or "2001:db8::ff"
    local s, t = start(f, { error_source = source, error_rate = 2 }, { "output", "errors" }), text(240)
    local first = f.fragment({ id = 1 }, t:sub(1, 80), 0, true)
    give(s, f.fragment({ id = 2 }, t:sub(1, 80), 80, true), first)
    nf.clock_set(nf.clock_now() + 60 * SECOND)
    s:push()
    local o = { src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC, next = 58, hop_limit = 255, id = 0, ttl = 255, protocol = 1,
      src = f == four and ip.ip4(source) or ip.ip6(source), dst = f == four and ip.ip4("192.0.2.1") or ip.ip6("2001:db8::1") }
    lu.assertEquals(s:take(ERRORS), { f == four and ip.ipv4(o, ip.icmp(11, 1, "\0\0\0\0" .. first:sub(15))) or
      ip.ipv6(o, ip.icmp6(o, 3, 1, "\0\0\0\0" .. first:sub(15))) })
    lu.assertEquals(s:counter("out-errors"), 1)
    for i = 3, 10 do give(s, f.fragment({ id = i }, t:sub(1, 80), 0, true)) end
    nf.clock_set(nf.clock_now() + 60 * SECOND)
    s:push()
    lu.assertEquals(#s:take(ERRORS), 2)
    s:finish()
  end
end

-- RFC 8200, 4.5: a parameter problem, pointing at the length or at the offset.
function TestReassemble:testParameterProblems()
  local s = start(six, { error_source = "2001:db8::ff" }, { "output", "errors" })
  local odd, long = six.fragment({}, text(81), 0, true), six.fragment({}, text(100), 65528, false)
  give(s, odd, long)
  local out = s:take(ERRORS)
  lu.assertEquals(#out, 1, "not about a later fragment")
  lu.assertEquals(out[1]:sub(55, 56), "\4\0")
  lu.assertEquals(out[1]:sub(59, 62), "\0\0\0\4")
  lu.assertEquals(out[1]:sub(63), odd:sub(15))
  s:finish()
end

-- One datagram too many: another one gives way, which one nobody can tell; the newcomer stays.
function TestReassemble:testEviction()
  for _, f in ipairs(both) do
    local s, t, victims = start(f, { datagrams = 10 }), text(16), {}
    for i = 1, 11 do give(s, f.fragment({ id = i }, t:sub(1, 8), 0, true)) end
    lu.assertEquals(s:held(), 10)
    lu.assertEquals(counts(s, f), { 11, 0, 0, 0, 1 })
    lu.assertEquals(s:reason("evicted"), 1)
    lu.assertEquals(#give(s, f.fragment({ id = 11 }, t:sub(9), 8, false)), 1)
    for i = 1, 200 do
      for id = 1, 10 do give(s, f.fragment({ id = i * 16 + id }, t:sub(1, 8), 0, true)) end
      for id = 1, 10 do
        if #give(s, f.fragment({ id = i * 16 + id }, t:sub(9), 8, false)) == 0 then victims[id] = true end
      end
    end
    lu.assertTrue(#victims >= 5, "many different ones")
    s:finish()
  end
end

function TestReassemble:testLimitOfFragments()
  for _, f in ipairs(both) do
    local s, t = start(f, { datagrams = 50, fragments = 20 }), text(2400)
    for i = 1, 50 do
      give(s, f.fragment({ id = i }, t:sub(1, 8), 0, true))
      lu.assertTrue(s:held() <= 20)
    end
    -- One datagram alone may have them all, and no more.
    lu.assertEquals(give(s, unpack(cut(f, { id = 99 }, t:sub(1, 160), 8))), { f.whole({ id = 99 }, t:sub(1, 160)) })
    lu.assertEquals(give(s, unpack(cut(f, { id = 98 }, t:sub(1, 168), 8))), {})
    lu.assertEquals(s:reason("too-many"), 21)
    s:finish()
  end
end

-- A flood of first fragments, four for each of a legitimate datagram: memory stays bounded, most datagrams get through.
function TestReassemble:testFloodOfFirstFragments()
  for _, f in ipairs(both) do
    local s, t, whole = start(f, { datagrams = 500, fragments = 1000 }), text(240), 0
    local waiting = {}
    for i = 1, 1500 do
      local list = cut(f, { id = i }, t, 80)
      for j = 1, 4 do
        s:give(0, f.fragment({ id = i, src = f == four and u32(i * 16 + j) or u32(i) .. u32(j) .. ("\1"):rep(8) }, t:sub(1, 80), 0, true))
      end
      s:give(0, list[1])
      -- The rest of a datagram comes ten rounds later.
      waiting[#waiting + 1] = list
      if #waiting > 10 then
        local late = table.remove(waiting, 1)
        s:give(0, late[2], late[3])
      end
      s:push()
      whole = whole + #s:take(OUTPUT)
      if i % 100 == 0 then
        lu.assertTrue(s:held() <= 1000)
        s:balance()
      end
    end
    lu.assertTrue(whole > 1490 * 0.8, whole .. " datagrams of 1490")
    s:finish()
  end
end

-- Fragments in long buffers move into short ones when they fit; longer ones are held up to a limit.
function TestReassemble:testLongBuffers()
  support.memory(3000, 700)
  for _, f in ipairs(both) do
    local s, t = start(f), text(6000)
    local function jumbo(frame)
      local p = nf.packet_alloc_size(nf.PACKET_JUMBO)
      assert(nf.packet_set(p, frame, #frame))
      nf.link_send(s.app.input[0], p)
      s.given = s.given + 1
      s:push()
    end
    for _, frame in ipairs(cut(f, {}, t, 1000)) do jumbo(frame) end
    lu.assertEquals(s:take(OUTPUT), { f.whole({}, t) })
    for i = 1, 520 do jumbo(f.fragment({ id = i }, t:sub(1, 3000), 0, true)) end
    lu.assertEquals(s:held(), 512)
    lu.assertEquals(s:reason("no-packet"), 8)
    jumbo(f.fragment({ id = 5 }, t:sub(3001), 3000, false))
    lu.assertEquals(s:take(OUTPUT), {}, "no more long ones")
    give(s, f.fragment({ id = 5 }, t:sub(3001, 3500), 3000, false))
    jumbo(f.fragment({ id = 600 }, t:sub(1, 3000), 0, true))
    lu.assertEquals(s:held(), 512, "one complete, another in its place")
    s:finish()
  end
end

function TestReassemble:testWithoutPacketMemory()
  support.memory(20)
  local s, t = start(four), text(4000)
  local list = cut(four, {}, t, 1480)
  lu.assertEquals(give(s, unpack(list)), {}, "no packet is so long")
  lu.assertEquals(s:reason("no-packet"), 3)
  s:finish()
end

function TestReassemble:testReloadKeepsFragments()
  for _, f in ipairs(both) do
    local s, t = start(f, { datagrams = 20, fragments = 100 }), text(240)
    local lists = {}
    for i = 1, 10 do
      lists[i] = cut(f, { id = i }, t, 80)
      give(s, lists[i][2], lists[i][i % 2 == 0 and 3 or 1])
    end
    give(s, f.fragment({ id = 3 }, t:sub(5, 12), 0, true))
    s:reconfigure({ f.class, datagrams = 20, fragments = 100, timeout = "30s" })
    lu.assertEquals(s:held(), 18)
    lu.assertEquals(give(s, lists[1][3]), { f.whole({ id = 1 }, t) })
    lu.assertEquals(give(s, lists[3][3]), {}, "it was given up")
    s:reconfigure({ f.class, datagrams = 6, fragments = 50, timeout = "30s" })
    lu.assertEquals(s:held(), 10, "2 to 7, of which 3 holds nothing")
    lu.assertEquals(s:reason("reload"), 6)
    lu.assertEquals(give(s, lists[2][1]), { f.whole({ id = 2 }, t) })
    lu.assertEquals(give(s, lists[3][3]), {})
    lu.assertEquals(give(s, lists[10][3], lists[10][1], lists[10][2]), { f.whole({ id = 10 }, t) })
    nf.clock_set(nf.clock_now() + 30 * SECOND)
    s:push()
    lu.assertEquals(s:held(), 0)
    s:finish()
  end
end

function TestReassemble:testFlushSendsTheFragments()
  for _, f in ipairs(both) do
    local s, t = start(f), text(240)
    local list = cut(f, {}, t, 80)
    give(s, list[3], list[1])
    s.app.class.flush(s.app)
    lu.assertEquals(s:take(OUTPUT), { list[1], list[3] })
    s:finish()
  end
end

-- Any cut, any order, duplicates, several at once: each datagram comes out as it was (twice, when all its pieces come twice).
function TestReassemble:testAnyOrder()
  math.randomseed(11)
  for _ = 1, 60 do
    for _, f in ipairs(both) do
      local s, wholes, all = start(f, { fragments_per_datagram = 1280 }), {}, {}
      for i = 1, math.random(1, 4) do
        local t, at = text(math.random(9, 3000)), 0
        wholes[f.whole({ id = i }, t)] = 1
        while at < #t do
          local n = math.random(1, 60) * 8
          local frame = f.fragment({ id = i }, t:sub(at + 1, at + n), at, at + n < #t)
          if at + n < #t or at > 0 then
            all[#all + 1] = frame
            if math.random(4) == 1 then all[#all + 1] = frame end
          else
            wholes[f.whole({ id = i }, t)] = nil
          end
          at = at + n
        end
      end
      for i = #all, 2, -1 do
        local j = math.random(i)
        all[i], all[j] = all[j], all[i]
      end
      for _, frame in ipairs(give(s, unpack(all))) do
        lu.assertNotNil(wholes[frame])
        wholes[frame] = 0
      end
      for _, n in pairs(wholes) do lu.assertEquals(n, 0) end
      s:finish()
    end
  end
end

-- What the fragmenter makes the reassembler makes whole again.
function TestReassemble:testFragmentThenReassemble()
  math.randomseed(12)
  for _ = 1, 60 do
    for _, f in ipairs(both) do
      local fragmenter = basic.start(f == four and "ip.fragment4" or "ip.fragment6", { "x", mtu = math.random(f == four and 68 or 1280, 3000),
        first_id = 1 }, nil, { "output" })
      local s = start(f, { fragments_per_datagram = 1280 })
      local whole = f.whole({ ttl = math.random(255), tos = 4 * math.random(0, 63), hop_limit = math.random(255) }, text(math.random(1, 8000)))
      fragmenter:give(0, whole)
      fragmenter:push()
      local list = fragmenter:take(0)
      for i = #list, 2, -1 do
        local j = math.random(i)
        list[i], list[j] = list[j], list[i]
      end
      lu.assertEquals(give(s, unpack(list)), { whole })
      fragmenter:finish()
      s:finish()
    end
  end
end

-- Every bit of the headers turned round, and every length: nothing but whole packets and those that are no fragments comes out.
function TestReassemble:testEveryBitAndEveryLength()
  for _, f in ipairs(both) do
    local t = text(16)
    local list = cut(f, {}, t, 8)
    local s = start(f)
    for at = 13, #list[1] do
      for n = 0, 7 do
        give(s, list[1]:sub(1, at - 1) .. string.char(bit.bxor(list[1]:byte(at), 2 ^ n)) .. list[1]:sub(at + 1), list[2])
      end
      s:balance()
    end
    for length = 0, #list[1] - 1 do give(s, list[1]:sub(1, length)) end
    s:finish()
  end
end

function TestReassemble:testHostileFramesAndFullOutputs()
  for _, f in ipairs(both) do
    basic.common(f.class, { f.class, error_source = f == four and "10.0.0.1" or "::1" }, nil, nil, 60000000000)
    basic.common(f.class, { f.class, datagrams = 1, fragments = 1 }, nil, { "output" })
  end
end

function TestReassemble:testMistakes()
  for _, f in ipairs(both) do
    lu.assertEquals(#basic.messages(f.class, { f.class, datagrams = 0, fragments = 0, fragments_per_datagram = 0, timeout = 0, header = "x",
      error_source = 5 }), 6)
  end
end

os.exit(lu.LuaUnit.run())
