-- basic.source: sizes, rates, numbers, headers and flows.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestSource = {}

function TestSource:setUp()
  support.memory(6000)
  nf.random_seed = 3
  nf.clock_set(1000000000ULL)
end

local function source(params, outputs)
  params[1] = "basic.source"
  return basic.start("basic.source", params, nil, outputs)
end

local function lengths(list)
  local result = {}
  for i, bytes in ipairs(list) do result[i] = #bytes end
  return result
end

function TestSource:testDefaultIsAStreamOfZeros()
  local s = source({})
  for _ = 1, 100 do s:pull() end
  lu.assertEquals(s.app.created, 1024ULL)
  lu.assertFalse(s.app.ended)
  lu.assertEquals(nf.link_waiting(s.app.output[0]), 1024)
  lu.assertEquals(s.app.output[0].bytes, 1024 * 60ULL)
  for _, bytes in ipairs(s:take(0)) do lu.assertEquals(bytes, ("\0"):rep(60)) end
  s:finish()
end

function TestSource:testNumberThenEnd()
  local s = source({ number = 150 })
  s:pull()
  lu.assertFalse(s.app.ended)
  for _ = 1, 5 do s:pull() end
  lu.assertTrue(s.app.ended)
  lu.assertEquals(#s:take(0), 150)
  s:finish()
end

function TestSource:testSizesInTurn()
  local s = source({ sizes = { 1, 63, 64, 65, 2048 }, number = 12 })
  s:pull()
  lu.assertEquals(lengths(s:take(0)), { 1, 63, 64, 65, 2048, 1, 63, 64, 65, 2048, 1, 63 })
  s:finish()
end

function TestSource:testImixIsSevenFourOne()
  local s = source({ sizes = "imix", number = 120 })
  for _ = 1, 3 do s:pull() end
  local count = {}
  for _, length in ipairs(lengths(s:take(0))) do count[length] = (count[length] or 0) + 1 end
  lu.assertEquals(count, { [60] = 70, [590] = 40, [1514] = 10 })
  s:finish()
end

function TestSource:testLargeFramesAreLargePackets()
  lu.assertEquals(nf.memory_worker_add(nf.memory_segment_add(0, "PACKET_JUMBO", 100, -1)), 0)
  local s = source({ sizes = { 9000, 60, 10240 }, number = 3 })
  local holds = basic.ffi.new("uint32_t[3]")
  s.app.class.holds(s.app, holds)
  lu.assertEquals({ holds[0], holds[1], holds[2] }, { 0, 1024, 0 })
  s:pull()
  lu.assertEquals(lengths(s:take(0)), { 9000, 60, 10240 })
  s:finish()
end

-- Without large packets (or when they are used up) it waits for some, and goes on where it was.
function TestSource:testExhaustedMemory()
  local s = source({ sizes = { 60, 9000 }, number = 4 })
  s:pull()
  s:pull()
  lu.assertEquals(lengths(s:take(0)), { 60 })
  lu.assertTrue(nf.packet_pool[1].exhausted > 0)
  lu.assertEquals(nf.memory_worker_add(nf.memory_segment_add(0, "PACKET_JUMBO", 100, -1)), 0)
  s:pull()
  lu.assertEquals(lengths(s:take(0)), { 9000, 60, 9000 })
  lu.assertTrue(s.app.ended)
  s:finish()
end

function TestSource:testOutputsInTurnAndTheSlowestSetsThePace()
  local s = source({ ipv4 = { src_count = 1000 }, number = 100 }, { "a", "b", "c" })
  s:fill(1, 10)
  for _ = 1, 30 do s:pull() end
  s:balance()
  local seen = {}
  for i = 0, 2 do
    for _, bytes in ipairs(s:take(i)) do
      if bytes ~= "full" then
        local number = basic.u32(bytes, 26) - 0xc6120001
        lu.assertEquals(number % 3, i)
        seen[#seen + 1] = number
      end
    end
  end
  table.sort(seen)
  lu.assertEquals(seen, basic.range(0, #seen - 1))
  lu.assertTrue(#seen >= 28 and #seen <= 30, "limited by the full output")
  s:finish()
end

function TestSource:testRandomContentDiffersAndComesFromTheSeed()
  local function frames(seed)
    nf.random_seed = seed
    local s = source({ content = "random", sizes = { 60, 61, 7 }, number = 30 })
    s:pull()
    local list = s:take(0)
    s:finish()
    return list
  end
  local list = frames(1)
  lu.assertNotEquals(list[1], list[4])
  lu.assertNotEquals(list[2]:sub(54), ("\0"):rep(8), "the last bytes are random, too")
  lu.assertEquals(frames(1), list)
  lu.assertNotEquals(frames(2), list)
end

-- At 1,000 packets a second the first comes at once and each millisecond brings one more; half of one brings none.
function TestSource:testRateInPackets()
  local s = source({ rate = "1Kpps", number = 50 })
  s:pull()
  lu.assertEquals(#s:take(0), 1)
  for _ = 1, 9 do
    lu.assertEquals(s.app.class.wake_at(s.app), nf.clock_now() + 1000000ULL)
    nf.clock_set(nf.clock_now() + 500000)
    s:pull()
    lu.assertEquals(#s:take(0), 0)
    nf.clock_set(nf.clock_now() + 500000)
    s:pull()
    lu.assertEquals(#s:take(0), 1)
  end
  lu.assertEquals(s.app.created, 10ULL)
  s:finish()
end

-- 1 Mbit/s: a frame of 125 bytes takes a millisecond, one of 250 two.
function TestSource:testRateInBits()
  local s = source({ rate = "1M", sizes = { 125, 250 } })
  local list = {}
  for _ = 1, 301 do
    s:pull()
    for _, bytes in ipairs(s:take(0)) do list[#list + 1] = #bytes end
    nf.clock_set(nf.clock_now() + 1000000)
  end
  lu.assertEquals(#list, 201)
  s:finish()
end

-- Sleeping to wake_at each time gives exactly the rate, whatever the fractions of a nanosecond.
function TestSource:testWakeAtNeverComesTooEarly()
  local s = source({ rate = "3Mpps", number = 3000 })
  local start, pulls = nf.clock_now(), 0
  while not s.app.ended do
    local at = s.app.class.wake_at(s.app)
    lu.assertTrue(at >= nf.clock_now())
    nf.clock_set(at)
    s:pull()
    lu.assertEquals(#s:take(0), 1)
    pulls = pulls + 1
  end
  lu.assertEquals(pulls, 3000)
  lu.assertAlmostEquals(tonumber(nf.clock_now() - start), 2999 / 3e6 * 1e9, 3001)
  s:finish()
end

-- What a long pause of the engine missed is made up for 10 ms at most.
function TestSource:testPauseIsCaughtUpWithInBounds()
  local s = source({ rate = "10Kpps" })
  s:pull()
  nf.clock_set(nf.clock_now() + 60000000000)
  for _ = 1, 20 do s:pull() end
  lu.assertEquals(#s:take(0), 1 + 100)
  s:finish()
end

function TestSource:testWakeAtWithoutDeadline()
  local s = source({})
  lu.assertEquals(s.app.class.wake_at(s.app), 0xffffffffffffffffULL)
  s:finish()
  s = source({ rate = "1Kpps", number = 2 })
  s:fill(0, 0)
  lu.assertEquals(s.app.class.wake_at(s.app), 0xffffffffffffffffULL, "no room")
  s:take(0)
  s:pull()
  nf.clock_set(nf.clock_now() + 1000000)
  s:pull()
  lu.assertTrue(s.app.ended)
  lu.assertEquals(s.app.class.wake_at(s.app), 0xffffffffffffffffULL, "ended")
  s:finish()
end

-- The checksum over data that contains it is 0 (RFC 1071).
local function sum_is_right(bytes) return nf.checksum_finish(nf.checksum_add(0, bytes, #bytes)) == 0 end

local function check_ip(bytes, version, protocol)
  local ip = bytes:sub(15)
  if version == 4 then
    lu.assertEquals(bytes:sub(13, 14), "\8\0")
    lu.assertTrue(sum_is_right(ip:sub(1, 20)), "header checksum")
    lu.assertEquals(ip:byte(3) * 256 + ip:byte(4), #ip)
    lu.assertEquals(ip:byte(10), protocol)
    local pseudo = ip:sub(13, 20) .. "\0" .. string.char(protocol, math.floor((#ip - 20) / 256), (#ip - 20) % 256)
    return sum_is_right(pseudo .. ip:sub(21))
  end
  lu.assertEquals(bytes:sub(13, 14), "\x86\xdd")
  lu.assertEquals(ip:byte(1), 0x60)
  lu.assertEquals(ip:byte(5) * 256 + ip:byte(6), #ip - 40)
  lu.assertEquals(ip:byte(7), protocol)
  local pseudo = ip:sub(9, 40) .. "\0\0" .. string.char(math.floor((#ip - 40) / 256), (#ip - 40) % 256, 0, 0, 0, protocol)
  return sum_is_right(pseudo .. ip:sub(41))
end

function TestSource:testHeadersHaveRightLengthsAndChecksums()
  for _, content in ipairs({ "zero", "random" }) do
    for version, key in pairs({ [4] = "ipv4", [6] = "ipv6" }) do
      for protocol, transport in pairs({ [17] = "udp", [6] = "tcp" }) do
        local s = source({ sizes = { 74, 75, 1514 }, content = content, number = 60, [key] = { src_count = 3, dst_count = 2 },
          [transport] = { src_count = 5 } })
        s:pull()
        local list = s:take(0)
        lu.assertEquals(#list, 60)
        for _, bytes in ipairs(list) do
          lu.assertTrue(check_ip(bytes, version, protocol), content .. " " .. key .. " " .. transport)
        end
        s:finish()
      end
    end
  end
end

function TestSource:testFieldsAreThoseThatWereGiven()
  local s = source({ sizes = 64, number = 1, ethernet = { src = "02:00:00:00:00:aa", dst = "02:00:00:00:00:bb", vlan = 100 },
    ipv4 = { src = "192.0.2.1", dst = "192.0.2.2", ttl = 9, tos = 0xb8 }, udp = { src = 5000, dst = 53 } })
  s:pull()
  local bytes = s:take(0)[1]
  lu.assertEquals(bytes:sub(1, 18), basic.hex("0200000000bb 0200000000aa 8100 0064 0800"))
  lu.assertEquals(bytes:sub(19, 22), basic.hex("45b8 002e"))
  lu.assertEquals(bytes:byte(27), 9)
  lu.assertEquals(bytes:sub(31, 38), basic.hex("c0000201 c0000202"))
  lu.assertEquals(bytes:sub(39, 44), basic.hex("1388 0035 001a"))
  s:finish()
end

function TestSource:testOtherProtocolsAndTypes()
  local s = source({ number = 1, ethernet = { type = 0x1234 }, content = "random" })
  s:pull()
  lu.assertEquals(s:take(0)[1]:sub(1, 14), basic.hex("020000000002 020000000001 1234"))
  s:finish()
  s = source({ number = 1, ipv4 = { protocol = 47 } })
  s:pull()
  lu.assertEquals(s:take(0)[1]:byte(24), 47)
  s:finish()
  s = source({ number = 1, ethernet = {} })
  s:pull()
  lu.assertEquals(s:take(0)[1]:sub(13, 14), basic.hex("88b5"))
  s:finish()
end

-- Every combination comes once before the first comes again; the source port is the fastest.
function TestSource:testRangesCountLikeDigits()
  local s = source({ number = 48, ethernet = { src_count = 2 }, ipv4 = { src = "10.0.0.255", src_count = 2, dst_count = 2 },
    udp = { src = 65534, src_count = 2, dst_count = 3 } })
  s:pull()
  local list, seen, distinct = s:take(0), {}, 0
  for _, bytes in ipairs(list) do
    local flow = bytes:sub(1, 12) .. bytes:sub(27, 38)
    if not seen[flow] then distinct = distinct + 1 end
    seen[flow] = (seen[flow] or 0) + 1
    lu.assertTrue(check_ip(bytes, 4, 17))
  end
  lu.assertEquals(distinct, 48)
  lu.assertEquals(list[1]:sub(35, 38), basic.hex("fffe 0009"))
  lu.assertEquals(list[2]:sub(35, 38), basic.hex("ffff 0009"))
  lu.assertEquals(list[3]:sub(35, 38), basic.hex("fffe 000a"))
  lu.assertEquals(list[1]:sub(27, 30), basic.hex("0a0000ff"))
  lu.assertEquals(list[7]:sub(27, 30), basic.hex("0a000100"))
  lu.assertEquals(list[25]:sub(7, 12), basic.hex("020000000002"))
  s:finish()
end

function TestSource:testReconfigureCountsOn()
  local s = source({ number = 100 })
  s:pull()
  lu.assertEquals(#s:take(0), 64)
  s:reconfigure({ "basic.source", number = 70, sizes = 100 })
  s:pull()
  lu.assertEquals(lengths(s:take(0)), { 100, 100, 100, 100, 100, 100 })
  lu.assertTrue(s.app.ended)
  s:reconfigure({ "basic.source", number = 60 })
  lu.assertTrue(s.app.ended)
  s:finish()
end

function TestSource:testMessages()
  local function messages(params) return basic.messages("basic.source", params) end
  lu.assertEquals(messages({ sizes = "imx" }), { "app 'x': key 'sizes': 'imx' is unknown, did you mean 'imix'? accepted: "
    .. "imix, or a list of 1..65536: each a whole number 1..10240" })
  lu.assertEquals(messages({ sizes = {} }),
    { "app 'x': key 'sizes': 0 elements are too few; accepted: imix, or a list of 1..65536: each a whole number 1..10240" })
  lu.assertEquals(messages({ sizes = { 60, 10241 } }),
    { "app 'x': key 'sizes[2]': 10241 is out of range; accepted: a whole number 1..10240" })
  lu.assertEquals(messages({ sizes = { 60, 41 }, ipv4 = {}, udp = {} }),
    { "app 'x': key 'sizes[2]': 41 bytes do not hold the headers; accepted: 42..10240" })
  lu.assertEquals(messages({ sizes = 100, ipv4 = {}, ipv6 = {} }),
    { "app 'x': key 'ipv6': there is an ipv4 header already; accepted: one of both" })
  lu.assertEquals(messages({ sizes = 100, ipv4 = {}, udp = {}, tcp = {} }),
    { "app 'x': key 'tcp': there is a udp header already; accepted: one of both" })
  lu.assertEquals(messages({ tcp = {} }),
    { "app 'x': key 'tcp': there is no header before it; accepted: together with ipv4 or ipv6" })
  lu.assertEquals(messages({ ipv4 = {}, udp = { src = 65000, src_count = 537 } }),
    { "app 'x': key 'udp.src_count': 537 ports from 65000 go past 65535; accepted: 1..536" })
  lu.assertEquals(messages({ ipv6 = {}, sizes = 100, tcp = { dst = 1, dst_count = 65536 } }),
    { "app 'x': key 'tcp.dst_count': 65536 ports from 1 go past 65535; accepted: 1..65535" })
  lu.assertEquals(messages({ rate = 0 }), { "app 'x': key 'rate': 0 is no rate above zero; accepted: a rate, for example "
    .. '"10G" (bits) or "14.88Mpps"' })
end

os.exit(lu.LuaUnit.run(), true)
