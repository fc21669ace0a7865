-- ip.reassemble4 and ip.reassemble6: how many, how long, in how much memory; time-outs, floods, reloads.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local frames = require("support_frames")
local ip = require("support_ip")
local fragments = require("support_fragments")

local both, four, six = fragments.both, fragments.four, fragments.six
local start, counts, give, cut, text = fragments.start, fragments.counts, fragments.give, fragments.cut, fragments.text
local u32 = frames.u32
local OUTPUT, ERRORS = 0, 1
local SECOND = 1000000000ULL

TestLimits = {}

function TestLimits:setUp()
  support.memory(4000, 600)
  nf.clock_set(nf.clock_now() + 1000 * SECOND)
end

-- More fragments than allowed: one datagram dropped, later fragments start anew; also when it would just be complete.
function TestLimits:testTooManyFragments()
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

-- Frames of 10,240 bytes are made; longer ones are not, as soon as that is known.
function TestLimits:testLongest()
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

function TestLimits:testTimeout()
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

-- After a flood not all are dropped at once, but one push after the other, with no time between them.
function TestLimits:testManyTimeoutsAreSpread()
  for _, f in ipairs(both) do
    local s = start(f)
    for i = 1, 150 do give(s, f.fragment({ id = i }, text(8), 8, true)) end
    nf.clock_set(nf.clock_now() + 60 * SECOND)
    for _, left in ipairs({ 86, 22, 0 }) do
      lu.assertTrue(s.app.class.wake_at(s.app) <= nf.clock_now())
      s:push()
      lu.assertEquals(s:held(), left)
    end
    s:finish()
  end
end

-- RFC 792 and RFC 4443, 3.3: the sender is told when the first fragment has come, and only then.
function TestLimits:testTimeoutErrors()
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
function TestLimits:testParameterProblems()
  local s = start(six, { error_source = "2001:db8::ff" }, { "output", "errors" })
  local odd, long = six.fragment({}, text(81), 0, true), six.fragment({}, text(100), 65528, false)
  give(s, odd, long)
  local out = s:take(ERRORS)
  lu.assertEquals(#out, 1, "not about a later fragment")
  lu.assertEquals(out[1]:sub(55, 56), "\4\0")
  lu.assertEquals(out[1]:sub(59, 62), "\0\0\0\4")
  lu.assertEquals(out[1]:sub(63), odd:sub(15))
  s:finish()
  s = start(six, { error_source = "2001:db8::ff", tell_malformed = false }, { "output", "errors" })
  give(s, odd)
  lu.assertEquals(s:take(ERRORS), {})
  s:finish()
end

-- One datagram too many: another one gives way, which one nobody can tell; the newcomer stays.
function TestLimits:testEviction()
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

function TestLimits:testLimitOfFragments()
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
function TestLimits:testFloodOfFirstFragments()
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
function TestLimits:testLongBuffers()
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

function TestLimits:testWithoutPacketMemory()
  support.memory(20)
  local s, t = start(four), text(4000)
  local list = cut(four, {}, t, 1480)
  lu.assertEquals(give(s, unpack(list)), {}, "no packet is so long")
  lu.assertEquals(s:reason("no-packet"), 3)
  s:finish()
end

function TestLimits:testReloadKeepsFragments()
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

function TestLimits:testFlushSendsTheFragments()
  for _, f in ipairs(both) do
    local s, t = start(f), text(240)
    local list = cut(f, {}, t, 80)
    give(s, list[3], list[1])
    s.app.class.flush(s.app)
    lu.assertEquals(s:take(OUTPUT), { list[1], list[3] })
    s:finish()
  end
end

function TestLimits:testMistakes()
  for _, f in ipairs(both) do
    lu.assertEquals(#basic.messages(f.class, { f.class, datagrams = 0, fragments = 0, fragments_per_datagram = 0, timeout = 0, header = "x",
      error_source = 5 }), 6)
    lu.assertEquals(basic.messages(f.class, { f.class, error_source = f.class == "ip.reassemble4" and "0.0.0.0" or "::" }),
      { "app 'x': key 'error_source': not the address of one host; a unicast address is needed" })
  end
end

os.exit(lu.LuaUnit.run())
