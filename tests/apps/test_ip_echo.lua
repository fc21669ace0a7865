-- ip.echo4 and ip.echo6: pings to own addresses are answered, everything else passes.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local ip = require("support_ip")

local WIRE, INSIDE = 0, 1
local OWN4, PEER4, OWN6, PEER6 = ip.ip4("10.0.0.1"), ip.ip4("192.0.2.7"), ip.ip6("2001:db8::1"), ip.ip6("2001:db8::7")

TestEcho = {}

function TestEcho:setUp() support.memory(2000, 40) end

-- The fields o, and for those that are not there the others.
local function with(o, others)
  local all = {}
  for k, v in pairs(others) do all[k] = v end
  for k, v in pairs(o or {}) do all[k] = v end
  return all
end

-- An echo request and its answer, in IPv4 and IPv6. o: what differs.
local function request4(o)
  o = with(o, { src = PEER4, dst = OWN4, protocol = 1, ttl = 32, id = 77, tos = 0x89, fragment = 0x4000 })
  return ip.ipv4(o, o.message or ip.icmp(o.type or 8, o.code or 0, "\1\2\0\3" .. (o.payload or "ping")))
end
local function answer4(o)
  o = with(o, { src = OWN4, dst = PEER4, ttl = 64, type = 0, src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC })
  return request4(o)
end
local function request6(o)
  o = with(o, { src = PEER6, dst = OWN6, next = 58, hop_limit = 32, class_label = 0x8912345 })
  return ip.ipv6(o, o.message or ip.icmp6(o, o.type or 128, o.code or 0, "\1\2\0\3" .. (o.body or "ping")))
end
local function answer6(o)
  o = with(o, { src = OWN6, dst = PEER6, hop_limit = 64, type = 129, src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC })
  return request6(o)
end

local function start4(more)
  local params = { "ip.echo4", ip = { "10.0.0.9", "10.0.0.1" } }
  for k, v in pairs(more or {}) do params[k] = v end
  return basic.start("ip.echo4", params)
end
local function start6(more)
  local params = { "ip.echo6", ip = { "2001:db8::9", "2001:db8::1" } }
  for k, v in pairs(more or {}) do params[k] = v end
  return basic.start("ip.echo6", params)
end

-- Give frames to the wire: what comes back there, and what goes inside.
local function exchange(s, ...)
  s:give(WIRE, ...)
  s:push_all()
  return s:take(WIRE), s:take(INSIDE)
end

function TestEcho:testAnswers()
  local s = start4()
  lu.assertEquals({ exchange(s, request4(), request4({ options = "\7\7\4\0\0\0\0\0", payload = "" })) },
    { { answer4(), answer4({ options = "\7\7\4\0\0\0\0\0", payload = "" }) }, {} })
  lu.assertEquals(s:counter("in-icmpv4-echo-packets"), 2)
  lu.assertEquals(s:counter("in-icmpv4-echo-bytes"), 46 + 50)
  lu.assertEquals(s:counter("out-icmpv4-echo-packets"), 2)
  lu.assertEquals(s:counter("out-icmpv4-echo-bytes"), 46 + 50)
  s:finish()
  s = start6()
  lu.assertEquals({ exchange(s, request6(), request6({ body = "" })) }, { { answer6(), answer6({ body = "" }) }, {} })
  lu.assertEquals(s:counter("in-icmpv6-echo-packets"), 2)
  lu.assertEquals(s:counter("in-icmpv6-echo-bytes"), 66 + 62)
  lu.assertEquals(s:counter("out-icmpv6-echo-packets"), 2)
  lu.assertEquals(s:counter("out-icmpv6-echo-bytes"), 66 + 62)
  s:finish()
end

-- Errors that an app before it has made leave to the wire as they are, after what comes from the inside.
function TestEcho:testErrorsLeaveToTheWire()
  for _, start in ipairs({ start4, start6 }) do
    local s, ERRORS = start(), 2
    s:give(ERRORS, "an error as it is")
    s:give(INSIDE, "from the inside")
    s:push()
    lu.assertEquals({ s:take(WIRE), s:take(INSIDE) }, { { "from the inside", "an error as it is" }, {} })
    s:finish()
  end
end

function TestEcho:testHopsAreAParameter()
  local s = start4({ ttl = 255 })
  lu.assertEquals(exchange(s, request4()), { answer4({ ttl = 255 }) })
  s:finish()
  s = start6({ hop_limit = 1 })
  lu.assertEquals(exchange(s, request6()), { answer6({ hop_limit = 1 }) })
  s:finish()
end

-- The header's checksum is not looked at, and right in the answer.
function TestEcho:testWrongHeaderChecksumIsAnswered()
  local s = start4()
  lu.assertEquals(exchange(s, request4({ bad = true })), { answer4() })
  s:finish()
end

-- Defect 11 of others: a request with a wrong ICMP checksum is not answered.
function TestEcho:testWrongIcmpChecksumIsNot()
  local s = start4()
  lu.assertEquals({ exchange(s, request4({ message = "\8\0\x12\x34\1\2\0\3ping" })) }, { {}, {} })
  lu.assertEquals(s:reason("bad-checksum"), 1)
  lu.assertEquals(s:counter("in-icmpv4-echo-packets"), 1)
  lu.assertEquals(s:counter("out-icmpv4-echo-packets"), 0)
  s:finish()
  s = start6()
  lu.assertEquals({ exchange(s, request6({ message = "\128\0\x12\x34\1\2\0\3ping" })) }, { {}, {} })
  lu.assertEquals(s:reason("bad-checksum"), 1)
  s:finish()
end

-- Octets behind the IP packet are not sent back.
function TestEcho:testPaddingIsLeftOut()
  local s = start4()
  lu.assertEquals(exchange(s, request4() .. ("\xee"):rep(14)), { answer4() })
  s:finish()
  s = start6()
  lu.assertEquals(exchange(s, request6() .. ("\xee"):rep(14)), { answer6() })
  s:finish()
end

function TestEcho:testBigPing()
  local s = start4()
  lu.assertEquals(exchange(s, request4({ payload = ("x"):rep(9001) })), { answer4({ payload = ("x"):rep(9001) }) })
  s:finish()
  s = start6()
  lu.assertEquals(exchange(s, request6({ body = ("x"):rep(9001) })), { answer6({ body = ("x"):rep(9001) }) })
  s:finish()
end

-- RFC 1122, 3.2.1.3 and RFC 4443, 2.4: nobody is to be told.
function TestEcho:testSourcesThatAreNoHost()
  local s, list = start4(), { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" }
  for _, address in ipairs(list) do lu.assertEquals({ exchange(s, request4({ src = ip.ip4(address) })) }, { {}, {} }) end
  lu.assertEquals(s:reason("bad-source"), #list)
  s:finish()
  s = start6()
  lu.assertEquals({ exchange(s, request6({ src = ("\0"):rep(16) }), request6({ src = ip.ip6("ff02::1") })) }, { {}, {} })
  lu.assertEquals(s:reason("bad-source"), 2)
  s:finish()
end

function TestEcho:testEverythingElsePasses()
  local list = { request4({ dst = ip.ip4("10.0.0.2") }), request4({ type = 0 }), request4({ code = 1 }), request4({ fragment = 0x2000 }),
    request4({ fragment = 1 }), request4({ protocol = 17 }), request4({ message = "\8\0\xf7\xff\0\0\0" }), request4({ total = 999 }),
    request4({ total = 19 }), request6() }
  local s = start4()
  lu.assertEquals({ exchange(s, unpack(list)) }, { {}, list })
  s:give(INSIDE, request4(), "short")
  s:push()
  lu.assertEquals(s:take(WIRE), { request4(), "short" })
  s:finish()
  list = { request6({ dst = PEER6 }), request6({ type = 129 }), request6({ code = 1 }), request6({ next = 17 }), request6({ payload = 999 }),
    request6({ message = "\128\0\0\0\0\0\0" }), request4() }
  s = start6()
  lu.assertEquals({ exchange(s, unpack(list)) }, { {}, list })
  s:give(INSIDE, request6(), "short")
  s:push()
  lu.assertEquals(s:take(WIRE), { request6(), "short" })
  s:finish()
end

-- Every length that is too short: it passes, and nothing is read outside.
function TestEcho:testCutOff()
  for _, case in ipairs({ { start4(), request4() }, { start6(), request6() } }) do
    local s, whole, list = case[1], case[2], {}
    for length = 0, #whole - 1 do list[#list + 1] = whole:sub(1, length) end
    local out, passed = exchange(s, unpack(list))
    lu.assertEquals({ out, passed }, { {}, list })
    s:finish()
  end
end

-- An unfinished checksum, as a tap brings it, is finished first.
function TestEcho:testUnfinishedChecksum()
  local s = start4()
  local p = support.packet(request4({ message = "\8\0\0\0\1\2\0\3ping" }))
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = nf.PACKET_CHECKSUM_PARTIAL, 34, 2
  nf.link_send(s.app.input[WIRE], p)
  s.given = s.given + 1
  s:push()
  local q = nf.link_peek(s.app.output[WIRE], 0)
  lu.assertEquals(q.meta.flags, 0)
  lu.assertEquals(s:take(WIRE), { answer4() })
  s:finish()
end

-- Answers and packets from the inside share the wire: what has no room waits.
function TestEcho:testBothWaysIntoAFullOutput()
  for _, case in ipairs({ { start4(), request4() }, { start6(), request6() } }) do
    local s, frame = case[1], case[2]
    s:fill(WIRE, 30)
    for _ = 1, 50 do
      s:give(INSIDE, "inside")
      s:give(WIRE, frame)
    end
    for _ = 1, 5 do s:push() end
    s:balance()
    lu.assertEquals(s:waiting_inputs(), 70)
    s:take(WIRE)
    for _ = 1, 5 do s:push() end
    lu.assertEquals(#s:take(WIRE), 70)
    s:finish()
  end
end

function TestEcho:testHostileFramesAndFullOutputs()
  basic.common("ip.echo4", { "ip.echo4", ip = "10.0.0.1" })
  basic.common("ip.echo6", { "ip.echo6", ip = "2001:db8::1" })
end

function TestEcho:testMistakes()
  lu.assertEquals(basic.messages("ip.echo4", { "ip.echo4", ip = { "10.0.0.1", "224.0.0.1", "0.0.0.0", "127.0.0.1" } }), {
    "app 'x': key 'ip[2]': not the address of one host; a unicast address is needed",
    "app 'x': key 'ip[3]': not the address of one host; a unicast address is needed",
    "app 'x': key 'ip[4]': not the address of one host; a unicast address is needed" })
  lu.assertEquals(basic.messages("ip.echo6", { "ip.echo6", ip = { "ff02::1", "2001:db8::1", "::" } }), {
    "app 'x': key 'ip[1]': not the address of one host; a unicast address is needed",
    "app 'x': key 'ip[3]': not the address of one host; a unicast address is needed" })
end

os.exit(lu.LuaUnit.run())
