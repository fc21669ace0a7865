-- ip.reassemble4 and ip.reassemble6: fragments become whole again, or are dropped for a reason.
local lu = require("luaunit")
local bit = require("bit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local frames = require("support_frames")
local ip = require("support_ip")
local fragments = require("support_fragments")

local both, four, six = fragments.both, fragments.four, fragments.six
local start, counts, give, cut, text = fragments.start, fragments.counts, fragments.give, fragments.cut, fragments.text
local u16 = frames.u16
local OUTPUT = 0
local SECOND = 1000000000ULL

TestReassemble = {}

function TestReassemble:setUp()
  support.memory(4000, 600)
  nf.clock_set(nf.clock_now() + 1000 * SECOND)
end

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

os.exit(lu.LuaUnit.run())
