-- What a flood of ten times as much cannot do to the traffic of softwires: nothing is lost, errors are as many as is allowed, forged
-- messages are not believed. Counts alone, on a clock that stands still; how fast it is: docs/performance.md. NF_SEED=S as ever.
local lu = require("luaunit")
local support = require("support")
local nf = require("nf.core")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")

local SEED = tonumber(os.getenv("NF_SEED")) or 1
local random = math.random
local BOUND, TIMES = 300, 10

local function address4() return ("%d.%d.%d.%d"):format(random(1, 126), random(0, 255), random(0, 255), random(1, 254)) end
local function address6() return ("2001:db8:%x:%x::%x"):format(random(0, 65535), random(0, 65535), random(1, 65535)) end

-- Bound traffic of both sides among a flood: flood4, flood6 make a frame of it, or are nil. gives: what leaves that is not bound, and the
-- counters; all that is bound must leave, in order
local function run(conf, flood4, flood6)
  math.randomseed(SEED)
  local four, six, want4, want6 = {}, {}, {}, {}
  for i = 1, BOUND do
    local p, q = w.inward(w.WHOLE, i), w.outward(w.SHARED, 4096 + i)
    want6[i], want4[i] = w.OUT6 .. w.tunnelled(w.A, w.ttl(p, 63)), w.OUT4 .. q
    four[#four + 1], six[#six + 1] = c.FROM4 .. p, c.FROM6 .. w.tunnel(w.B, q)
    for _ = 1, TIMES do
      if flood4 then four[#four + 1] = flood4(i) end
      if flood6 then six[#six + 1] = flood6(i) end
    end
  end
  local out4, out6, counters = c.check(conf, four, six)
  local function rest(out, want, side)
    local at, others = 1, {}
    for _, frame in ipairs(out) do
      if frame == want[at] then at = at + 1 else others[#others + 1] = frame end
    end
    lu.assertEquals(at - 1, BOUND, "bound packets were lost on the " .. side .. " side (seed " .. SEED .. ")")
    return others
  end
  return rest(out4, want4, "IPv4"), rest(out6, want6, "IPv6"), counters
end

local function of(counters, names)
  local list = {}
  for i, name in ipairs(names) do list[i] = counters[name] or 0 end
  return list
end

TestFloods = {}

-- First fragments of datagrams that never become whole: they push each other out, and nothing else.
function TestFloods:testFirstFragments()
  local limit = "reassembly { max-packets 100; }"
  local out4, out6, counters = run({ external = limit, internal = limit }, function ()
    return c.FROM4 .. w.ipv4({ src = address4(), dst = w.WHOLE, id = random(0, 65535), more = true, payload = w.udp(1, 80, ("f"):rep(64)) })
  end, function ()
    return c.FROM6 .. w.ipv6({ src = address6(), dst = w.BR, next = 44, payload = "\4\0\0\1" .. w.u32(random(0, 2 ^ 31)) .. w.outward(w.WHOLE, 80, {
      payload = ("f"):rep(52) }) })
  end)
  lu.assertEquals({ #out4, #out6 }, { 0, 0 })
  for _, version in ipairs({ 4, 6 }) do
    local name = ("ipv%d-frag-"):format(version)
    lu.assertEquals(of(counters, { "in-" .. name .. "needs-reassembly", "in-" .. name .. "reassembled", "drop-" .. name .. "random-evicted" }),
      { BOUND * TIMES, 0, BOUND * TIMES - 100 })
  end
end

-- Whole datagrams in two fragments pass beside such a flood as long as their second fragment is not far behind the first one.
function TestFloods:testFragmentedTrafficAmongFirstFragments()
  math.randomseed(SEED)
  local four, sent = {}, 200
  for i = 1, sent do
    for _, piece in ipairs(c.cut4(w.inward(w.WHOLE, 80, { payload = w.udp(5000, 80, ("d"):rep(600)) }), 400, i)) do
      four[#four + 1] = c.FROM4 .. piece
      for _ = 1, 5 do
        four[#four + 1] = c.FROM4 .. w.ipv4({ src = address4(), dst = w.WHOLE, id = random(0, 65535), more = true, payload = ("f"):rep(64) })
      end
    end
  end
  local _, out6, counters = c.check({ external = "reassembly { max-packets 1000; }" }, four)
  lu.assertEquals(#out6, counters["in-ipv4-frag-reassembled"])
  -- Of 1,000 datagrams five are drawn by lot before the second fragment comes: half a percent is lost, not what the attacker chooses.
  lu.assertTrue(#out6 >= sent * 0.95, #out6)
end

-- Packets to nobody and from nobody: as many errors as the limit allows, on each side.
function TestFloods:testUnbound()
  local limit = "error-rate-limiting { packets 50; period 2; }"
  local out4, out6, counters = run({ external = limit, internal = limit }, function ()
    return c.FROM4 .. w.inward("198.51.100." .. random(3, 254), random(0, 65535), { src = address4() })
  end, function ()
    return c.FROM6 .. w.tunnel(address6(), w.outward("198.51.100." .. random(3, 254), random(0, 65535)))
  end)
  lu.assertEquals({ #out4, #out6 }, { 50, 50 })
  lu.assertEquals(of(counters, { "out-icmpv4-error-packets", "out-icmpv6-error-packets", "drop-no-dest-softwire-ipv4-packets",
    "drop-no-source-softwire-ipv6-packets", "drop-over-rate-limit-icmpv4-packets", "drop-over-rate-limit-icmpv6-packets" }),
    { 50, 50, BOUND * TIMES, BOUND * TIMES, BOUND * TIMES - 50, BOUND * TIMES - 50 })
end

-- ICMPv6 errors about packets that were never sent: nothing comes of them. A real one among them is relayed.
function TestFloods:testForgedErrors()
  local kinds = { 1, 2, 3, 4 }
  local quotes = {
    function () return w.tunnelled(w.A, w.inward(address4(), 80)) end,
    function () return w.tunnelled(address6(), w.inward(w.WHOLE, 80)) end,
    function () return w.tunnelled(w.A, w.inward(w.WHOLE, 80), address6()) end,
    function () return w.tunnelled(w.B, w.inward(w.SHARED, 5200)) end,
    function () return w.tunnelled(w.A, w.inward(w.WHOLE, 80)):sub(1, random(0, 63)) end,
    function () return w.inward(w.WHOLE, 80) end,
    function () return "" end,
    function () return w.ipv6({ src = w.BR, dst = w.A, next = 17, payload = w.inward(w.WHOLE, 80) }) end,
  }
  local inner, real = w.inward(w.WHOLE, 80, { ttl = 63 }), 0
  local out4, out6, counters = run({ external = "error-rate-limiting { packets 1000000; }" }, nil, function (i)
    if i % 100 == 0 and real < i / 100 then
      real = real + 1
      return c.FROM6 .. w.icmpv6(address6(), w.BR, 3, 0, "\0\0\0\0", w.tunnelled(w.A, inner))
    end
    if random(10) == 1 then return c.FROM6 .. w.icmpv6(address6(), w.BR, 1, 0, "\0\0\0\0", w.tunnelled(w.A, inner), true) end
    return c.FROM6 .. w.icmpv6(address6(), w.BR, kinds[random(4)], 0, w.u32(random(0, 2 ^ 31)), quotes[random(#quotes)]())
  end)
  lu.assertEquals(real, 3)
  lu.assertEquals(#out6, 0)
  lu.assertEquals(out4, { w.OUT4 .. w.error4(3, 1, 0, inner), w.OUT4 .. w.error4(3, 1, 0, inner), w.OUT4 .. w.error4(3, 1, 0, inner) })
  lu.assertEquals((counters["drop-bad-checksum-icmpv6-packets"] or 0) + (counters["drop-bad-quotation-icmpv6-packets"] or 0), BOUND * TIMES - 3)
end

-- ICMPv4 errors with forged quotations to a B4's address: those whose port is nobody's make no error, whatever the limit.
function TestFloods:testForgedErrors4()
  local out4, out6, counters = run({ external = "error-rate-limiting { packets 1000000; }" }, function ()
    return c.FROM4 .. w.ipv4({ src = address4(), dst = w.SHARED, protocol = 1, payload = w.icmp(3, random(0, 4), "\0\0\5\0",
      w.outward(w.SHARED, random(6144, 65535))) })
  end)
  lu.assertEquals({ #out4, #out6, counters["drop-in-by-rfc7596-icmpv4-packets"] }, { 0, 0, BOUND * TIMES })
end

-- Questions about others, answers of strangers, announcements: nothing is said, and the next hops stay where they are.
function TestFloods:testNeighbors()
  local function mac() return "\2" .. w.u32(random(0, 2 ^ 31)) .. "\1" end
  local hop4, hop6 = "\2\0\0\0\4\xfe", "\2\0\0\0\6\xfe"
  local function arp(operation, sender, address, target)
    return (operation == 1 and ("\255"):rep(6) or c.MAC4) .. sender .. "\8\6\0\1\8\0\6\4\0" .. string.char(operation) .. sender .. w.ip(address) ..
      ("\0"):rep(6) .. w.ip(target)
  end
  local function nd(kind, src, flags, target, option, address)
    local p = w.icmpv6(src, w.OWN6, kind, 0, flags, w.ip(target) .. string.char(option, 1) .. address)
    return c.MAC6 .. address .. "\x86\xdd" .. p:sub(1, 7) .. "\255" .. p:sub(9)
  end
  local out4, out6, counters = run({}, function ()
    local target = random(2) == 1 and address4() or w.UNSERVED
    return arp(random(2), mac(), address4(), target)
  end, function ()
    if random(2) == 1 then return nd(135, address6(), "\0\0\0\0", address6(), 1, mac()) end
    return nd(136, address6(), "\x60\0\0\0", address6(), 2, mac())
  end)
  lu.assertEquals({ #out4, #out6 }, { 0, 0 })
  lu.assertEquals((counters["in-arp-request-packets"] or 0) + (counters["in-arp-reply-packets"] or 0), BOUND * TIMES)
  lu.assertEquals((counters["in-ndp-ns-packets"] or 0) + (counters["in-ndp-na-packets"] or 0), BOUND * TIMES)

  -- Next hops that were asked for: only their own answers count; unsolicited ones of others in between change nothing.
  local conf = { hop4 = "ip 203.0.113.254;", hop6 = "ip 2001:db8:af::fe;" }
  local four = { arp(2, hop4, "203.0.113.254", w.OWN4) }
  local six = { nd(136, "2001:db8:af::fe", "\x60\0\0\0", "2001:db8:af::fe", 2, hop6) }
  for i = 1, 300 do
    four[#four + 1], six[#six + 1] = arp(random(2), mac(), address4(), address4()), nd(136, address6(), "\x60\0\0\0", address6(), 2, mac())
    four[#four + 1], six[#six + 1] = c.FROM4 .. w.inward(w.WHOLE, i), c.FROM6 .. w.tunnel(w.B, w.outward(w.SHARED, 4096 + i))
  end
  out4, out6 = c.check(conf, four, six)
  lu.assertEquals({ #out4, #out6 }, { 301, 301 })
  for i = 2, 301 do
    lu.assertEquals(out4[i]:sub(1, 12), hop4 .. c.MAC4)
    lu.assertEquals(out6[i]:sub(1, 12), hop6 .. c.MAC6)
  end
end

-- Pings to the own address are answered one by one, and take nothing from anybody.
function TestFloods:testPings()
  local out4, out6 = run({}, function ()
    return c.FROM4 .. w.ipv4({ src = address4(), dst = w.OWN4, protocol = 1, payload = w.echo(random(0, 65535)) })
  end, function () return c.FROM6 .. w.icmpv6(address6(), w.OWN6, 128, 0, "\0\7\0\1", "ping") end)
  lu.assertEquals({ #out4, #out6 }, { BOUND * TIMES, BOUND * TIMES })
end

-- Fragments inside of tunnels whose first one never comes: 64 may wait, the oldest go; bound traffic does not notice.
function TestFloods:testInnerFragments()
  local out4, out6, counters = run({}, nil, function ()
    return c.FROM6 .. w.tunnel(address6(), w.ipv4({ src = w.SHARED, dst = address4(), id = random(0, 65535), offset = 800, payload = "later" }))
  end)
  lu.assertEquals({ #out4, #out6 }, { 0, 0 })
  lu.assertEquals(counters["drop-inner-fragment-ipv6-packets"], BOUND * TIMES - 64)
end

TestLimits = {}

-- A side's errors have one limit. Beside a flood that asks for ten times as many errors, honest senders get the share that they are of
-- those who are due one, no less: nobody is last for ever. This much is stated in docs/lwaftr.md.
function TestLimits:testHonestErrorsGetTheirShare()
  math.randomseed(SEED)
  nf.clock_set(5000000000ULL)
  local app = w.app({ external = "error-rate-limiting { packets 100; period 1; }" })
  w.left = 0
  local honest, flood, told = 0, 0, 0
  for _ = 1, 4000 do
    nf.clock_set(nf.clock_time_ns + 1000000ULL)
    local list = {}
    for i = 1, random(0, 3) do list[i] = w.inward(w.UNSERVED, 80, { src = address4() }) end
    if random(8) == 1 then table.insert(list, random(#list + 1), w.inward(w.UNSERVED, 80)) end
    for _, p in ipairs(list) do
      if p:sub(13, 16) == w.ip(w.HOST) then honest = honest + 1 else flood = flood + 1 end
    end
    for _, out in ipairs((w.send(app, list))) do
      if out:sub(17, 20) == w.ip(w.HOST) then told = told + 1 end
    end
  end
  local all = support.counter(app, "out-icmpv4-error-packets")
  lu.assertTrue(all <= 100 + 400 and all >= 400, all)
  local fair = all * honest / (honest + flood)
  lu.assertTrue(told > fair / 2 and told < fair * 2, ("%d of %d, %.1f are fair"):format(told, all, fair))
  w.check(app)
  support.finish(app)
  nf.clock_set_real()
end

-- No table of the lwAFTR grows with what comes: its memory is that of its limits.
function TestLimits:testNothingGrows()
  local app = w.app({ external = "error-rate-limiting { packets 5; }", internal = "error-rate-limiting { packets 5; }" })
  w.left = 0
  local before = tonumber(nf.memory_in_use())
  math.randomseed(SEED)
  for _ = 1, 2000 do
    w.send(app, { w.inward(w.UNSERVED, random(0, 65535), { src = address4() }) }, { w.tunnel(address6(), w.ipv4({ src = w.SHARED, dst = address4(),
      id = random(0, 65535), offset = 80, payload = "later" })) })
  end
  lu.assertTrue(tonumber(nf.memory_in_use()) - before <= 64)
  lu.assertEquals(app.class.held(app), 64)
  w.check(app, 64)
  app.class.stop(app)
  support.finish(app)
end

os.exit(lu.LuaUnit.run())
