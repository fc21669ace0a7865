-- pcap.reader: whole, damaged and endless files, all frame sizes, rounds, pipes, reload.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local capture = require("support_capture")
local support = require("support")

ffi.cdef([[
int mkfifo(const char *path, unsigned mode);
int usleep(unsigned us);
]])

local folder = support.folder()
local file = folder .. "/in.pcap"

local function reader(params, old)
  params.file = params.file or file
  return support.app("pcap.reader", params, nil, nil, old)
end

-- Take what waits on the output: data and time.
local function receive(app, list)
  local link = app.output[0]
  while nf.link_waiting(link) > 0 do
    local p = nf.link_receive(link)
    list[#list + 1] = { data = support.bytes(p), time = p.meta.timestamp }
    nf.packet_free(p)
  end
end

-- Pull until the reader ends, on the clock as it stands.
local function read_all(app, list)
  list = list or {}
  for _ = 1, 1000000 do
    if app.ended then break end
    support.pull(app)
    receive(app, list)
  end
  lu.assertTrue(app.ended)
  lu.assertEquals(app.class.wake_at(app), 0xffffffffffffffffULL)
  return list
end

local function check_ledger(app, sent)
  lu.assertEquals(tonumber(app.received), sent + support.reason(app, "too-long"))
end

-- Take all packets of a size out of the pool; give some or all of them back.
local function take_all(size)
  local list, p = {}, nf.packet_alloc_size(size)
  while p ~= nil do
    list[#list + 1] = p
    p = nf.packet_alloc_size(size)
  end
  return list
end

local function give_back(list, count)
  for _ = 1, count or #list do nf.packet_free(table.remove(list)) end
end

TestReader = {}

function TestReader:setUp()
  support.memory(2000, 400, 100)
  nf.clock_set_real()
end

function TestReader:tearDown()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  nf.clock_set_real()
end

function TestReader:testReadsAllPacketsInOrderAcrossBlocks()
  local packets = capture.packets(3000)
  for _, options in ipairs({ {}, { nano = false, order = ">" } }) do
    support.write(file, capture.pcap(packets, options))
    local app = reader({})
    local list = read_all(app)
    lu.assertNil(capture.difference(list, packets, { "data", "time" }))
    lu.assertEquals(support.counter(app, "rounds"), 1)
    lu.assertEquals(support.counter(app, "damaged"), 0)
    check_ledger(app, 3000)
    support.finish(app)
  end
end

function TestReader:testReadsPcapng()
  local text = { capture.section(), capture.interface(1), capture.interface(113) }
  for i = 1, 500 do
    text[#text + 1] = capture.enhanced({ data = ("n"):rep(i), time = i }, "<", i % 2)
  end
  support.write(file, table.concat(text))
  local app = reader({})
  local list = read_all(app)
  lu.assertEquals(#list, 250)
  lu.assertEquals(list[250].data, ("n"):rep(500))
  lu.assertEquals(list[250].time, 500000ULL)
  lu.assertEquals(support.counter(app, "skipped"), 250)
  support.finish(app)
end

function TestReader:testReadsWithTheHousekeepingThread()
  local packets = capture.packets(3000)
  support.write(file, capture.pcap(packets))
  lu.assertEquals(nf.job_start(), 0)
  local app = reader({ loop = 2 })
  local list = {}
  for _ = 1, 20000 do
    if app.ended then break end
    support.pull(app)
    receive(app, list)
    ffi.C.usleep(100)
  end
  support.finish(app)
  nf.job_stop()
  for i = 1, 3000 do packets[3000 + i] = packets[i] end
  lu.assertNil(capture.difference(list, packets, { "data", "time" }))
end

function TestReader:testFramesOfEverySize()
  local packets = {}
  for i, size in ipairs({ 0, 1, 13, 14, 60, 63, 64, 65, 1514, 2047, 2048, 2049, 9000, 10240, 10241, 65549, 65664, 65665, 262144, 64 }) do
    packets[i] = { data = (string.char(i)):rep(size), time = i }
  end
  support.write(file, capture.pcap(packets))
  local app = reader({})
  local list = read_all(app)
  table.remove(packets, 19)
  table.remove(packets, 18)
  lu.assertNil(capture.difference(list, packets, { "data", "time" }))
  lu.assertEquals(support.reason(app, "too-long"), 2)
  check_ledger(app, #list)
  support.finish(app)
end

function TestReader:testMaxLengthDrops()
  support.write(file, capture.pcap({ { data = ("a"):rep(100) }, { data = ("b"):rep(101) }, { data = "c" } }))
  local app = reader({ max_length = 100 })
  lu.assertEquals(#read_all(app), 2)
  lu.assertEquals(support.reason(app, "too-long"), 1)
  check_ledger(app, 2)
  support.finish(app)
end

function TestReader:testAsksForTheSizesItNeeds()
  local holds = ffi.new("uint32_t[3]")
  local some = nf.BURST
  for length, wanted in pairs({ [2048] = { 0, 0 }, [2049] = { some, 0 }, [10240] = { some, 0 }, [10241] = { some, some } }) do
    local app = support.new("pcap.reader", { file = file, max_length = length })
    ffi.fill(holds, 12)
    app.class.holds(app, holds)
    lu.assertEquals({ holds[0], holds[1], holds[2] }, { 0, wanted[1], wanted[2] })
    nf.app_delete(app)
  end
end

function TestReader:testWaitsWhenNoPacketIsFree()
  local packets = capture.packets(100, { size = 60 })
  packets[50].data = ("j"):rep(5000)
  support.write(file, capture.pcap(packets))
  local app = reader({})
  local standard, jumbo = take_all("PACKET_STANDARD"), take_all("PACKET_JUMBO")
  support.pull(app)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  lu.assertEquals(app.class.wake_at(app), 0xffffffffffffffffULL)
  give_back(standard, 30)
  local list = {}
  for _ = 1, 10 do
    support.pull(app)
    receive(app, list)
  end
  lu.assertEquals(#list, 49)              -- the jumbo frame waits, and those behind it
  give_back(jumbo, 1)
  read_all(app, list)
  lu.assertNil(capture.difference(list, packets, { "data", "time" }))
  give_back(standard)
  give_back(jumbo)
  support.finish(app)
end

function TestReader:testBringsNoMoreThanTheOutputHasRoomFor()
  support.write(file, capture.pcap(capture.packets(1500, { size = 60 })))
  local app = reader({})
  for _ = 1, 20 do support.pull(app) end
  lu.assertEquals(nf.link_waiting(app.output[0]), 1024)
  lu.assertEquals(app.output[0].dropped, 0ULL)
  local list = {}
  receive(app, list)
  lu.assertEquals(#read_all(app, list), 1500)
  support.finish(app)
end

function TestReader:testRounds()
  for _, count in ipairs({ 1, 7, 2000 }) do        -- in one block, and in several
    local packets = capture.packets(count)
    support.write(file, capture.pcap(packets))
    local app = reader({ loop = 3 })
    local list = read_all(app)
    for i = 1, 2 * count do packets[count + i] = packets[i] end
    lu.assertNil(capture.difference(list, packets, { "data", "time" }))
    lu.assertEquals(support.counter(app, "rounds"), 3)
    support.finish(app)
  end
end

function TestReader:testForEver()
  support.write(file, capture.pcap(capture.packets(10)))
  local app = reader({ loop = 0 })
  local list = {}
  for _ = 1, 1000 do
    support.pull(app)
    receive(app, list)
  end
  lu.assertFalse(app.ended)
  lu.assertEquals(#list, 1000 * nf.BURST)
  support.finish(app)
  -- A capture without packets ends all the same.
  support.write(file, capture.pcap({}))
  app = reader({ loop = 0 })
  lu.assertEquals(#read_all(app), 0)
  support.finish(app)
end

function TestReader:testDamagedFileIsReadAsFarAsItGoesAndReportedOnce()
  local packets = capture.packets(4)
  local text = capture.pcap({ packets[1], packets[2], { data = "", captured = 999999 }, packets[3] })
  support.write(file, text)
  local app, list
  local output = support.stderr(function ()
    app = reader({ loop = 3 })
    list = read_all(app)
  end)
  lu.assertEquals(#list, 6)
  lu.assertEquals(support.counter(app, "damaged"), 3)
  lu.assertEquals(output, ("nf: error: app 'x': %s: packet 3 at byte %d claims 999999 bytes, and no packet has more than 262144: " ..
    "the file is damaged there; packets read: 2\n"):format(file, 24 + 32 + #packets[1].data + #packets[2].data))
  support.finish(app)
end

function TestReader:testDamageFarFromTheEndOfALongFile()
  local packets = capture.packets(3000)
  table.insert(packets, 100, { data = "", captured = 999999 })
  support.write(file, capture.pcap(packets))
  for _, rounds in ipairs({ 1, 3 }) do
    support.stderr(function ()
      local app = reader({ loop = rounds })
      local list = read_all(app)
      lu.assertEquals(#list, 99 * rounds)
      lu.assertEquals(list[#list].data, packets[99].data)
      support.finish(app)
    end)
  end
end

function TestReader:testCutOffFile()
  local text = capture.pcap(capture.packets(3))
  support.write(file, text:sub(1, -2))
  local output = support.stderr(function ()
    local app = reader({})
    lu.assertEquals(#read_all(app), 2)
    lu.assertEquals(support.counter(app, "damaged"), 1)
    support.finish(app)
  end)
  lu.assertStrContains(output, "cut off: the file ends within packet 3, which begins at byte ")
end

function TestReader:testFileThatIsNoCapture()
  for text, message in pairs({ [""] = "the file is empty", ["hello, world"] = "no capture file: it begins with 68656c6c" }) do
    support.write(file, text)
    local output = support.stderr(function ()
      local app = reader({ loop = 0 })
      lu.assertEquals(#read_all(app), 0)
      lu.assertEquals(support.counter(app, "damaged"), 1)
      support.finish(app)
    end)
    lu.assertStrContains(output, ("app 'x': %s: %s"):format(file, message))
  end
end

function TestReader:testAReadThatFails()
  local output = support.stderr(function ()
    local app = reader({ file = "/proc/self/mem", loop = 0 })      -- nothing is mapped at its beginning
    lu.assertEquals(#read_all(app), 0)
    lu.assertEquals(support.counter(app, "damaged"), 1)
    support.finish(app)
  end)
  lu.assertEquals(output, "nf: error: app 'x': /proc/self/mem: Input/output error; packets read: 0\n")
end

function TestReader:testFilesThatCannotBeOpened()
  local ok, message = pcall(reader, { file = folder .. "/none.pcap" })
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': cannot open %s/none.pcap for reading: No such file or directory"):format(folder))
  ok, message = pcall(reader, { file = folder })
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': %s is a folder"):format(folder))
end

function TestReader:testReloadWithTheSameFileGoesOn()
  local packets = capture.packets(1000)
  support.write(file, capture.pcap(packets))
  local old = reader({})
  local list = {}
  for _ = 1, 3 do
    support.pull(old)
    receive(old, list)
  end
  local app = reader({ max_length = 2000 }, old)
  support.finish(old)
  read_all(app, list)
  lu.assertNil(capture.difference(list, packets, { "data", "time" }))
  support.finish(app)
end

function TestReader:testReloadWithAnotherFileBeginsThere()
  support.write(file, capture.pcap(capture.packets(1000)))
  support.write(file .. 2, capture.pcap(capture.packets(5)))
  local old = reader({})
  support.pull(old)
  receive(old, {})
  local app = reader({ file = file .. 2 }, old)
  support.finish(old)
  lu.assertEquals(#read_all(app), 5)
  support.finish(app)
end

function TestReader:testReloadWithMoreRoundsGoesOnAfterTheEnd()
  support.write(file, capture.pcap(capture.packets(5)))
  local old = reader({ loop = 2 })
  lu.assertEquals(#read_all(old), 10)
  local app = reader({ loop = 3 }, old)
  support.finish(old)
  lu.assertEquals(#read_all(app), 5)
  support.finish(app)
end

function TestReader:testNamedPipeIsReadUntilItsWriterCloses()
  local pipe, packets = folder .. "/pipe", capture.packets(500)
  support.write(file, capture.pcap(packets))
  ffi.C.mkfifo(pipe, 384)
  local app = reader({ file = pipe })
  for _ = 1, 5 do
    support.pull(app)
    nf.clock_time_ns = nf.clock_time_ns + 1000000
  end
  lu.assertFalse(app.ended)               -- no writer has come yet
  lu.assertTrue(app.class.wake_at(app) ~= 0xffffffffffffffffULL)
  local writer = io.popen("cat " .. file .. " > " .. pipe)
  local list = {}
  for _ = 1, 20000 do
    if app.ended then break end
    support.pull(app)
    receive(app, list)
    nf.clock_time_ns = nf.clock_time_ns + 1000000
    ffi.C.usleep(100)
  end
  writer:close()
  lu.assertTrue(app.ended)
  lu.assertNil(capture.difference(list, packets, { "data", "time" }))
  support.finish(app)
end

function TestReader:testPipeCannotBeReadTwice()
  local pipe = folder .. "/pipe2"
  ffi.C.mkfifo(pipe, 384)
  local ok, message = pcall(reader, { file = pipe, loop = 2 })
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': cannot read %s: a pipe cannot be read more than once"):format(pipe))
end

os.exit(lu.LuaUnit.run())
