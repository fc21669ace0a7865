-- filter.conntrack: UDP, echoes, ICMP errors, fragments, other protocols and frames, parameters.
local lu = require("luaunit")
local basic = require("support_basic")
local nf = require("nf.core")
local ct = require("support_conntrack")

TestConntrack = ct.tests()

local expect = ct.expect

-- With both families, without tags and with two.
local function each(params, f) ct.each({ "", "\x88\xa8\0\1\x81\0\0\5" }, { dport = 53 }, params, f) end

function TestConntrack:testUdp()
  each({ timeouts = { udp_opening = "10s", udp = "100s" } }, function (c, w)
    expect("outside", c:udp("outside"), "no-flow")
    expect("inside", c:udp("inside"))
    lu.assertEquals(w:counters(), { opened = 1, current = 1, ["half-open"] = 1 })
    w:later(9.999)
    expect("inside", c:udp("inside"))
    w:later(9.999)
    expect("outside", c:udp("outside"))
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
    w:later(99.999)
    expect("outside", c:udp("outside"))
    w:later(100)
    expect("outside", c:udp("outside"), "no-flow")
    lu.assertEquals(w:counters(), { opened = 1, ["timed-out"] = 1 })
    expect("inside", c:udp("inside"))
    w:later(10)
    expect("outside", c:udp("outside"), "no-flow")
  end)
end

-- Each part of the key counts.
function TestConntrack:testAnotherFlow()
  each({}, function (c)
    expect("inside", c:udp("inside"))
    for _, o in ipairs({ { sport = 40001 }, { dport = 54 }, { host = 2 }, { peer = 2 } }) do
      o.family, o.tags, o.sport, o.dport = c.family, c.tags, o.sport or c.sport, o.dport or c.dport
      expect("outside", ct.connection(o):udp("outside"), "no-flow")
    end
    expect("outside", c:frame("outside", ct.tcp, 6, { flags = "A" }), "no-flow")
    expect("outside", c:udp("outside"))
  end)
end

function TestConntrack:testVlansAreSeparate()
  for _, family in ipairs({ 4, 6 }) do
    local w = ct.start()
    local function with(tags) return ct.connection({ family = family, tags = tags }) end
    expect("inside", with("\x81\0\0\5"):udp("inside"))
    for _, tags in ipairs({ "", "\x81\0\0\6", "\x88\xa8\0\1\x81\0\0\5", "\x81\0\0\5\x81\0\0\5" }) do
      expect("outside", with(tags):udp("outside"), "no-flow")
    end
    expect("outside", with("\x81\0\xe0\5"):udp("outside"), "pass", "another priority")
    lu.assertEquals(w:send("outside", with(""):udp("outside"), 5), "pass", "a tag in the metadata is the same")
    lu.assertEquals(w:send("outside", with(""):udp("outside"), 6), "no-flow")
    expect("inside", with("\x88\xa8\0\1\x81\0\0\5"):udp("inside"))
    lu.assertEquals(w:send("outside", with("\x81\0\0\5"):udp("outside"), 1), "pass", "the outer one in the metadata")
    lu.assertEquals(w:send("outside", with("\x81\0\0\5\x81\0\0\6"):udp("outside"), 1), "not-ip", "three tags")
    expect("outside", with("\x81\0\0\5\x81\0\0\6\x81\0\0\7"):udp("outside"), "not-ip", "three tags")
    w:finish()
  end
end

function TestConntrack:testEcho()
  each({ timeouts = { echo = "20s" } }, function (c, w)
    expect("outside", c:echo("outside", false), "no-flow")
    expect("outside", c:echo("outside", true), "no-flow")
    expect("inside", c:echo("inside", true), "not-opening")
    expect("inside", c:echo("inside", false))
    expect("outside", c:echo("outside", true, 8), "no-flow", "another id")
    expect("outside", c:echo("outside", false), "no-flow", "a request does not answer")
    lu.assertEquals(w:counters()["half-open"], 1)
    expect("outside", c:echo("outside", true))
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
    expect("inside", c:echo("inside", true), "not-opening", "nobody has asked")
    expect("outside", c:echo("inside", true), "spoofed")
    w:later(20)
    expect("outside", c:echo("outside", true), "no-flow")
  end)
end

-- All other ICMP messages, by type: no error, no echo, nothing among neighbours.
function TestConntrack:testOtherMessages()
  each({}, function (c)
    local tracked = c.family == 4 and { 0, 3, 8, 11, 12 } or { 1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 143 }
    local is_tracked = {}
    for _, type in ipairs(tracked) do is_tracked[type] = true end
    for type = 0, 255 do
      if not is_tracked[type] then
        local frame = c:frame("outside", function () return ct.icmp(type, 0, ("\0"):rep(40)) end, c.family == 4 and 1 or 58)
        expect("outside", frame, "icmp-type", "type " .. type)
      end
    end
  end)
end

function TestConntrack:testErrorsOfTheOutside()
  each({}, function (c, w)
    local lost = c:udp("inside")
    expect("outside", c:error("outside", lost), "unrelated")
    expect("inside", lost)
    local types = c.family == 4 and { 3, 11, 12 } or { 1, 2, 3, 4 }
    for _, type in ipairs(types) do expect("outside", c:error("outside", lost, { type = type }), "pass", "type " .. type) end
    expect("outside", c:error("outside", c:udp("outside")), "unrelated", "quotes what the outside sent")
    expect("outside", c:error("outside", lost, { to = ct.inside(c.family, 2) }), "unrelated", "goes to somebody else")
    expect("inside", c:error("inside", lost), "unrelated", "from the wrong side")
    lu.assertEquals(w:counters(), { opened = 1, current = 1, ["half-open"] = 1 })
    w:later(31)
    expect("outside", c:error("outside", lost), "unrelated", "errors do not keep a flow")
    -- A longer quotation, up to all of the packet, is fine; a shorter one is not.
    expect("inside", lost)
    local least = c.family == 4 and 28 or 48
    for quote = 0, #lost - 14 - #c.tags do
      expect("outside", c:error("outside", lost, { quote = quote }), quote >= least and "pass" or "unrelated", quote .. " bytes")
    end
  end)
end

function TestConntrack:testErrorsOfTheInside()
  each({}, function (c)
    expect("inside", c:udp("inside"))
    local answer = c:udp("outside")
    expect("inside", c:error("inside", answer), "unrelated", "the outside has sent nothing")
    expect("outside", answer)
    expect("inside", c:error("inside", answer))
    expect("outside", c:error("outside", answer), "unrelated")
  end)
end

-- Of TCP the quotation must have a number that was sent.
function TestConntrack:testErrorsAboutTcp()
  each({}, function (c, w)
    local function about(side, seq) return c:error(side, c:tcp(side == "outside" and "inside" or "outside", "A", seq, 0)) end
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("outside", about("outside", 999), "unrelated")
    expect("outside", about("outside", 1000))
    expect("outside", about("outside", 1002), "unrelated")
    expect("inside", about("inside", 0), "unrelated")
    expect("outside", c:tcp("outside", "SA", 5000, 1001))
    expect("inside", c:tcp("inside", "A", 1001, 5001))
    expect("outside", about("outside", 1000))
    expect("outside", about("outside", 2001))
    expect("outside", about("outside", 2002), "unrelated", "not even a probe")
    expect("outside", about("outside", 2147484000), "unrelated")
    expect("inside", about("inside", 5001))
    expect("inside", about("inside", 7003), "unrelated")
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
  end)
end

function TestConntrack:testErrorsAboutEchoesAndOthers()
  each({}, function (c)
    expect("inside", c:echo("inside", false))
    expect("outside", c:error("outside", c:echo("inside", false)))
    expect("outside", c:error("outside", c:echo("inside", false, 8)), "unrelated")
    expect("outside", c:error("outside", c:error("inside", c:echo("outside", true), { quote = 100 }), { quote = 100 }), "unrelated",
      "an error about an error")
    local gre = c:frame("inside", function () return ("\0"):rep(20) end, 47)
    expect("outside", c:error("outside", gre), "unrelated")
    expect("inside", gre)
    expect("outside", c:error("outside", gre))
  end)
end

-- Quotations with all that a header can have, cut off everywhere.
function TestConntrack:testHostileQuotations()
  ct.start()
  local six, four = ct.connection({ family = 6 }), ct.connection()
  expect("inside", six:udp("inside"))
  expect("inside", four:udp("inside"))
  local extended = six:frame("inside", ct.udp, 60, { extensions = "\17\0\1\4\0\0\0\0" })
  expect("outside", six:error("outside", extended, { quote = 55 }), "unrelated")
  expect("outside", six:error("outside", extended, { quote = 56 }))
  local options = ct.ip({ src = four.a, dst = four.b, protocol = 17, payload = ct.udp({ dport = 80 }), options = ("\1"):rep(40) })
  for quote = 0, 67 do expect("outside", four:error("outside", options, { quote = quote }), "unrelated") end
  expect("outside", four:error("outside", options, { quote = 68 }))
  local later = ct.ip({ src = four.a, dst = four.b, protocol = 17, payload = ct.udp({ dport = 80 }), fragment = 100 })
  expect("outside", four:error("outside", later), "unrelated", "a later fragment has no ports")
end

function TestConntrack:testNeighbours()
  for _, passes in ipairs({ true, false }) do
    local w = ct.start({ neighbor = passes })
    local c = ct.connection({ family = 6 })
    local function message(type, hop)
      return ct.ip({ src = c.b, dst = "\255\2" .. ("\0"):rep(13) .. "\1", protocol = 58, hop = hop, payload = ct.icmp(type, 0, ("\0"):rep(20)) })
    end
    for _, side in ipairs({ "inside", "outside" }) do
      for _, type in ipairs({ 133, 134, 135, 136 }) do
        expect(side, message(type, 255), passes and "pass" or "icmp-type")
        expect(side, message(type, 254), "icmp-type", "came over a router")
      end
      expect(side, message(137, 255), "icmp-type", "redirect")
      for _, type in ipairs({ 130, 131, 132, 143 }) do
        expect(side, message(type, 1), passes and "pass" or "icmp-type")
        expect(side, message(type, 64), "icmp-type")
      end
    end
    lu.assertEquals(w:counters(), {})
    w:finish()
  end
end

function TestConntrack:testFramesThatAreNotIp()
  for _, passes in ipairs({ true, false }) do
    local w = ct.start({ arp = passes, non_ip = not passes })
    local head = ("\2"):rep(12)
    for _, side in ipairs({ "inside", "outside" }) do
      expect(side, head .. "\8\6" .. ("\0"):rep(28), passes and "pass" or "not-ip")
      expect(side, head .. "\x81\0\0\5\8\6" .. ("\0"):rep(28), passes and "pass" or "not-ip")
      expect(side, head .. "\x88\xcc" .. ("\0"):rep(28), passes and "not-ip" or "pass")
      expect(side, head .. "\0\38" .. ("\x42"):rep(38), passes and "not-ip" or "pass", "802.3")
      expect(side, head .. "\8", "malformed")
      expect(side, head .. "\x81\0\0", "malformed")
    end
    w:finish()
  end
end

function TestConntrack:testOtherProtocols()
  each({ timeouts = { other_opening = "10s", other = "20s" } }, function (c, w)
    local function gre(side, protocol) return c:frame(side, function () return ("\0"):rep(20) end, protocol or 47) end
    expect("outside", gre("outside"), "no-flow")
    expect("inside", gre("inside"))
    expect("outside", gre("outside", 50), "no-flow")
    lu.assertEquals(w:counters()["half-open"], 1)
    expect("outside", gre("outside"))
    expect("outside", gre("inside"), "spoofed")
    w:later(19.999)
    expect("outside", gre("outside"))
    w:later(20)
    expect("outside", gre("outside"), "no-flow")
    expect("inside", gre("inside", 50))
    w:later(10)
    expect("outside", gre("outside", 50), "no-flow")
  end)
  each({ other = "drop" }, function (c, w)
    expect("inside", c:frame("inside", function () return ("\0"):rep(20) end, 47), "protocol")
    expect("inside", c:frame("inside", function () return ("\0"):rep(20) end, c.family == 4 and 58 or 1), "protocol", "the other ICMP")
    expect("inside", c:udp("inside"))
  end)
end

-- IPv4 and IPv6 addresses are never the same flow, whatever they look like.
function TestConntrack:testFamiliesAreSeparate()
  ct.start()
  local tail = ("\0"):rep(8)
  local function mapped(a) return "\255" .. ("\0"):rep(7) .. a .. "\0\0\0\0" end
  expect("inside", ct.connection():udp("inside"))
  local c = ct.connection({ family = 6, a = mapped("\10\0\0\1"), b = mapped("\192\0\2\1") })
  expect("outside", c:udp("outside"), "malformed", "a multicast address sends nothing")
  expect("inside", c:udp("inside"), "malformed")
  c = ct.connection({ family = 6, a = "\10\0\0\1" .. tail .. "\0\0\0\0", b = "\192\0\2\1" .. tail .. "\0\0\0\0" })
  expect("outside", c:udp("outside"), "no-flow")
end

function TestConntrack:testExtensionHeaders()
  ct.start()
  local c = ct.connection({ family = 6 })
  local function option(next) return string.char(next) .. "\0\1\4\0\0\0\0" end
  local function with(side, n) return c:frame(side, ct.udp, 60, { extensions = option(60):rep(n - 1) .. option(17) }) end
  expect("inside", with("inside", 8))
  expect("outside", with("outside", 1))
  expect("outside", c:udp("outside"), "pass", "the same flow")
  expect("inside", with("inside", 9), "malformed", "more than are walked over")
  expect("inside", c:frame("inside", ct.udp, 60, { extensions = "\17\255\1\4\0\0\0\0" }), "malformed", "longer than the packet")
  -- A fragment header of a packet that is whole changes nothing.
  expect("outside", c:frame("outside", ct.udp, 44, { extensions = "\17\0\0\0\0\0\0\9" }))
end

function TestConntrack:testFragments()
  each({ timeouts = { fragments = "5s" } }, function (c, w)
    local first = ct.udp({ sport = c.sport, dport = c.dport, length = 3000, data = ("x"):rep(1000) })
    local back = ct.udp({ sport = c.dport, dport = c.sport, length = 3000, data = ("x"):rep(1000) })
    local rest = ("x"):rep(1000)
    expect("inside", ct.fragment(c, "inside", 9, 126, true, rest), "fragment", "before the first")
    expect("inside", ct.fragment(c, "inside", 9, 0, true, first))
    expect("inside", ct.fragment(c, "inside", 9, 126, true, rest))
    expect("inside", ct.fragment(c, "inside", 9, 251, false, rest))
    expect("inside", ct.fragment(c, "inside", 10, 126, true, rest), "fragment", "another datagram")
    expect("outside", ct.fragment(c, "inside", 9, 126, true, rest), "fragment", "from the other side")
    expect("outside", ct.fragment(c, "outside", 9, 126, true, rest), "fragment")
    expect("outside", ct.fragment(c, "outside", 9, 0, true, back))
    expect("outside", ct.fragment(c, "outside", 9, 126, true, rest))
    w:later(5)
    expect("inside", ct.fragment(c, "inside", 9, 126, true, rest), "fragment", "too late")
    lu.assertEquals(w:counters().opened, 1)
    -- A first fragment that does not pass lets none pass.
    local stranger = ct.connection({ family = c.family, tags = c.tags, peer = 2, dport = 53 })
    expect("outside", ct.fragment(stranger, "outside", 11, 0, true, back), "no-flow")
    expect("outside", ct.fragment(stranger, "outside", 11, 126, true, rest), "fragment")
    -- A first one without the whole header of its protocol, and a later one that begins within it.
    expect("inside", ct.fragment(c, "inside", 12, 0, true, ("\0"):rep(16), 6), "malformed")
    expect("inside", ct.fragment(c, "inside", 12, 1, true, ("\0"):rep(16), 6), "fragment")
    expect("inside", ct.fragment(c, "inside", 12, 2, true, ("\0"):rep(16), 6), "fragment")
  end)
end

function TestConntrack:testLaterFragmentOfTcpBeginsBehindItsHeader()
  each({}, function (c)
    local syn = ct.tcp({ sport = c.sport, dport = c.dport, flags = "S", data = ("\0"):rep(4) })
    expect("inside", ct.fragment(c, "inside", 5, 0, true, syn, 6))
    expect("inside", ct.fragment(c, "inside", 5, 1, true, ("\0"):rep(16), 6), "fragment")
    expect("inside", ct.fragment(c, "inside", 5, 2, true, ("\0"):rep(16), 6), "fragment")
    expect("inside", ct.fragment(c, "inside", 5, 3, false, ("\0"):rep(16), 6))
  end)
end

function TestConntrack:testFragmentsCanBeRefused()
  each({ fragments = 0 }, function (c)
    expect("inside", ct.fragment(c, "inside", 9, 0, true, ct.udp({ length = 3000 })), "fragment")
    expect("inside", ct.fragment(c, "inside", 9, 126, false, "x"), "fragment")
    expect("inside", c:udp("inside"))
  end)
end

-- More datagrams than are remembered: the oldest go, the youngest are there.
function TestConntrack:testManyFragmentedDatagrams()
  local w = ct.start({ fragments = 64 })
  local c = ct.connection()
  local first = ct.udp({ length = 3000 })
  for id = 1, 1000 do
    expect("inside", ct.fragment(c, "inside", id, 0, true, first))
    expect("inside", ct.fragment(c, "inside", id, 100, false, "x"))
    w:later(0.001)
  end
  local known = 0
  for id = 1, 1000 do
    if w:send("inside", ct.fragment(c, "inside", id, 100, false, "x")) == "pass" then known = known + 1 end
  end
  lu.assertEquals(known, 64)
end

-- Lengths that lie.
function TestConntrack:testMalformed()
  each({}, function (c)
    local whole = c:udp("inside")
    for length = 0, #whole - 1 do expect("inside", whole:sub(1, length), "malformed", length .. " bytes") end
    expect("inside", c:udp("inside", { length = 7 }), "malformed")
    expect("inside", c:udp("inside", { length = 13 }), "malformed", "more than there is")
    expect("inside", c:udp("inside", { length = 12 }))
    expect("inside", whole .. "padding")
    local payload = #whole - 14 - #c.tags
    if c.family == 4 then
      expect("inside", c:udp("inside", { total = 27 }), "malformed")
      expect("inside", c:udp("inside", { total = 19 }), "malformed")
    else
      expect("inside", c:udp("inside", { total = 7 }), "malformed")
    end
    expect("inside", c:udp("inside", { total = payload + 1 }), "malformed", "more than there is")
    expect("inside", c:frame("inside", function () return "\8\0\0\0\0\0\0" end, c.family == 4 and 1 or 58), "malformed", "a short echo")
  end)
end

function TestConntrack:testHostileFrames()
  local w = ct.start()
  for _, side in ipairs({ "inside", "outside" }) do
    for _, frame in ipairs(basic.hostile) do lu.assertNotEquals(w:send(side, frame), "pass") end
  end
end

-- Both inputs are served, and a full output holds up only its own direction.
function TestConntrack:testFullOutput()
  local w = ct.start()
  local b, c = w.bench, ct.connection()
  expect("inside", c:udp("inside"))
  for _, room in ipairs({ 0, 3 }) do
    b:fill(1, room)
    for _ = 1, 5 do
      b:give(0, c:udp("inside"))
      b:give(1, c:udp("outside"))
    end
    b:push()
    b:push()
    lu.assertEquals(#b:take(0), 5)
    lu.assertEquals(nf.link_waiting(b.app.input[0]), 5 - room)
    b:balance()
    b:take(1)
    b:push()
    lu.assertEquals(#b:take(1), 5 - room)
  end
end

function TestConntrack:testMessages()
  local function messages(params) return basic.messages("filter.conntrack", params) end
  lu.assertEquals(messages({ flows = 15 }), { "app 'x': key 'flows': 15 is out of range; accepted: a whole number 16..16777216" })
  lu.assertEquals(messages({ flows = 100, half_open = 101 }), { "app 'x': key 'half_open': 101 is more than the 100 flows of the table" })
  lu.assertEquals(messages({ half_open = 0 }), { "app 'x': key 'half_open': 0 is out of range; accepted: a whole number 1..16777216" })
  lu.assertEquals(messages({ other = "pass" }), { "app 'x': key 'other': 'pass' is unknown; accepted: one of drop, track" })
  lu.assertEquals(messages({ fragments = 16385 }),
    { "app 'x': key 'fragments': 16385 is out of range; accepted: a whole number 0..16384" })
  lu.assertEquals(messages({ timeouts = { tcp = "8ms", upd = 3 } }), {
    "app 'x': key 'timeouts.upd': is unknown, did you mean 'udp'?",
    "app 'x': key 'timeouts.tcp': '8ms' is out of range; accepted: a duration 10ms..168h, for example \"100us\" or 0.5 (seconds)" })
end

os.exit(lu.LuaUnit.run())
