-- pcap.reader: when packets are sent: original timing, rates, virtual time, hostile timestamps.
local lu = require("luaunit")
local nf = require("nf.core")
local capture = require("support_capture")
local support = require("support")

local file = support.folder() .. "/in.pcap"

local function reader(params)
  params.file = file
  return support.app("pcap.reader", params)
end

TestTiming = {}

function TestTiming:setUp()
  support.memory(2000)
  nf.clock_set_real()
end

function TestTiming:tearDown()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  nf.clock_set_real()
end

function TestTiming:testRateExcludesOriginalTiming()
  local app, messages = support.new("pcap.reader", { file = file, rate = "1Mpps", timing = "original" })
  lu.assertNil(app)
  lu.assertEquals(messages, { "app 'x': key 'rate': cannot be given together with timing = \"original\"" })
end

-- When packets come out: pull at each of the reader's own deadlines; gives the clock's time of each packet.
local function times(app, count)
  local list = {}
  for _ = 1, 10000 do
    if app.ended or #list >= count then break end
    support.pull(app)
    for _ = 1, nf.link_waiting(app.output[0]) do list[#list + 1] = nf.clock_time_ns end
    support.receive(app.output[0])
    local wake = app.class.wake_at(app)
    if wake ~= 0xffffffffffffffffULL then
      if nf.clock_virtual then nf.clock_set(wake) elseif wake > nf.clock_time_ns then nf.clock_time_ns = wake end
    end
  end
  return list
end

local base = 1700000000000000000ULL

function TestTiming:testVirtualClockReleasesAtTheTimestamps()
  local stamps = { 0, 10, 5, 10, 3000000000 }     -- one is out of order: it follows at once
  local packets = {}
  for i, at in ipairs(stamps) do packets[i] = { data = "x", time = base + at } end
  support.write(file, capture.pcap(packets))
  nf.clock_set(0)
  local app = reader({ loop = 2 })
  support.pull(app)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  lu.assertEquals(app.class.wake_at(app), base)
  local list = times(app, 10)
  local wanted = { 0, 10, 10, 10, 3000000000, 3000000000, 3000000010, 3000000010, 3000000010, 6000000000 }
  for i, at in ipairs(wanted) do lu.assertEquals(list[i], base + at) end
  lu.assertTrue(app.ended)
  support.finish(app)
end

function TestTiming:testOriginalTimingKeepsTheGapsFromNowOn()
  local packets = {}
  for i, at in ipairs({ 0, 1000, 1000, 700000000000 }) do packets[i] = { data = "x", time = base + at } end
  support.write(file, capture.pcap(packets))
  local app = reader({ timing = "original" })
  local start = nf.clock_time_ns
  local list = times(app, 4)
  for i, at in ipairs({ 0, 1000, 1000, 700000000000 }) do lu.assertEquals(list[i], start + at) end
  support.finish(app)
end

function TestTiming:testHostileTimestamps()
  local text = capture.section() .. capture.interface(1, "<", { options = capture.option(9, "\9") })
  for _, time in ipairs({ 0ULL, 0xffffffffffffffffULL, 0ULL, 5ULL }) do text = text .. capture.enhanced({ data = "x", time = time }) end
  support.write(file, text)
  for _, virtual in ipairs({ true, false }) do
    nf.clock_set_real()
    if virtual then nf.clock_set(0) end
    local app = reader({ timing = "original", loop = 3 })
    lu.assertEquals(#times(app, 12), 12)
    lu.assertTrue(app.ended)
    support.finish(app)
  end
end

function TestTiming:testRates()
  support.write(file, capture.pcap(capture.packets(30, { size = 125 })))
  for rate, gap in pairs({ ["1Mpps"] = 1000, ["10M"] = 100000, ["3pps"] = 333333333 }) do
    for _, virtual in ipairs({ true, false }) do
      nf.clock_set_real()
      if virtual then nf.clock_set(0) end
      local app = reader({ rate = rate })
      local list = times(app, 30)
      lu.assertEquals(#list, 30)
      if virtual then lu.assertEquals(list[1], base + 1000000) end
      for i = 2, 30 do
        local difference = tonumber(list[i] - list[i - 1])
        lu.assertTrue(difference == gap or difference == gap + 1)
      end
      if rate == "3pps" then lu.assertEquals(list[30] - list[1], 9666666666ULL) end
      support.finish(app)
    end
  end
end

function TestTiming:testALateRateCatchesUpForAMillisecondOnly()
  support.write(file, capture.pcap(capture.packets(100, { size = 60 }), {}))
  local app = reader({ rate = "10000pps", loop = 0 })
  support.pull(app)
  nf.clock_time_ns = nf.clock_time_ns + 1000000000
  local before = app.received
  for _ = 1, 20 do
    support.pull(app)
    support.receive(app.output[0])
  end
  local burst = tonumber(app.received - before)
  lu.assertTrue(burst >= 10 and burst <= 13, tostring(burst))
  support.finish(app)
end

os.exit(lu.LuaUnit.run())
