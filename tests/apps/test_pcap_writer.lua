-- pcap.writer: what is in the file, blocks, flush, full disks, pipes, reload; test_pcap_ring.lua has its rings of files.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local capture = require("support_capture")
local support = require("support")
local writer = require("support_writer")

ffi.cdef([[
int open(const char *path, int flags, ...);
int close(int fd);
int mkfifo(const char *path, unsigned mode);
long read(int fd, void *bytes, size_t length);
struct limit { uint64_t now, most; };
int setrlimit(int which, const struct limit *limit);
int getrlimit(int which, struct limit *limit);
void (*signal(int number, void (*handler)(int)))(int);
int posix_openpt(int flags);
int grantpt(int fd);
int unlockpt(int fd);
char *ptsname(int fd);
]])

local FILE_SIZE, SIGXFSZ, NONBLOCK, NOCTTY = 1, 25, 2048, 256
local IGNORE = ffi.cast("void (*)(int)", 1)
local NEVER = 0xffffffffffffffffULL

local folder, file, send, write_all, content = writer.folder, writer.file, writer.send, writer.write_all, writer.content

TestWriter = { setUp = writer.set_up, tearDown = writer.tear_down }

function TestWriter:testWritesWhatItGets()
  local packets = capture.packets(8000)           -- six blocks
  local app = writer.new()
  write_all(app, packets)
  lu.assertEquals(app.sent, 8000ULL)
  support.finish(app)
  local written = content()
  lu.assertNil(capture.difference(written, packets))
  lu.assertEquals(written.snaplen, 262144)
  lu.assertEquals(written.link, 1)
end

function TestWriter:testWritesWithTheHousekeepingThread()
  local packets = capture.packets(8000)
  lu.assertEquals(nf.job_start(), 0)
  local app = writer.new()
  write_all(app, packets)
  support.finish(app)
  nf.job_stop()
  lu.assertNil(capture.difference(content(), packets))
end

function TestWriter:testFramesOfEverySize()
  local packets = {}
  for i, size in ipairs({ 0, 1, 11, 12, 13, 60, 63, 64, 65, 1514, 2047, 2048, 2049, 10240, 10241, 65549, 65664 }) do
    packets[i] = { data = (string.char(i)):rep(size), time = i }
  end
  local app = writer.new()
  write_all(app, packets)
  support.finish(app)
  lu.assertNil(capture.difference(content(), packets))
end

function TestWriter:testAFrameAtTheEndOfItsBuffer()
  local app = writer.new()
  local p = support.packet(("e"):rep(2048))
  lu.assertTrue(nf.packet_strip(p, 2000))
  nf.link_send(app.input[0], p)
  support.push(app)
  support.finish(app)
  lu.assertEquals(content()[1].data, ("e"):rep(48))
end

function TestWriter:testARunWithoutPacketsIsACaptureWithoutPackets()
  local app = writer.new()
  support.finish(app)
  lu.assertEquals(#content(), 0)
  lu.assertEquals(#support.read(file), 24)
end

function TestWriter:testTheFileIsEmptiedWhenTheGraphStartsNotBefore()
  support.write(file, "precious")
  local app = support.new("pcap.writer", { file = file })
  lu.assertEquals(support.read(file), "precious")
  nf.app_delete(app)
  -- A start that is given up leaves the file as it was.
  app = writer.new()
  lu.assertEquals(support.read(file), "precious")
  app.class.abort(app)
  nf.app_delete(app)
  lu.assertEquals(support.read(file), "precious")
  app = writer.new()
  support.tick(app)
  lu.assertEquals(#content(), 0)
  support.finish(app)
end

function TestWriter:testTimestamps()
  nf.clock_set(1700000000000000005ULL)
  for timestamp, wanted in pairs({ packet = { 77ULL, 1700000000000000005ULL }, now = { 1700000000000000005ULL, 1700000000000000005ULL } }) do
    local app = writer.new({ timestamp = timestamp })
    write_all(app, { { data = "a", time = 77 }, { data = "b", time = 0 } })
    support.finish(app)
    local written = content()
    lu.assertEquals({ written[1].time, written[2].time }, wanted)
  end
end

function TestWriter:testSnaplenCutsAndKeepsTheLength()
  local app = writer.new({ snaplen = 96 })
  write_all(app, { { data = ("a"):rep(95) }, { data = ("b"):rep(96) }, { data = ("c"):rep(1500) } })
  support.finish(app)
  local written = content()
  lu.assertEquals(written.snaplen, 96)
  lu.assertEquals({ #written[1].data, #written[2].data, #written[3].data }, { 95, 96, 96 })
  lu.assertEquals({ written[1].wire, written[2].wire, written[3].wire }, { 95, 96, 1500 })
end

function TestWriter:testVlanTagBesideTheFrameIsPutIntoIt()
  local addresses, rest = "\1\2\3\4\5\6\7\8\9\10\11\12", "\8\0" .. ("p"):rep(100)
  for snaplen, wanted in pairs({ [262144] = addresses .. "\129\0\32\5" .. rest, [14] = addresses .. "\129\0", [5] = "\1\2\3\4\5" }) do
    local app = writer.new({ snaplen = snaplen })
    for _, data in ipairs({ addresses .. rest, addresses, addresses:sub(1, 11) }) do
      local p = support.packet(data)
      p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, 0x2005
      nf.link_send(app.input[0], p)
    end
    support.push(app)
    support.finish(app)
    local written = content()
    lu.assertEquals(written[1].data, wanted)
    lu.assertEquals(written[1].wire, 118)
    lu.assertEquals(written[2].wire, 16)
    lu.assertEquals(written[3].wire, 11)    -- no room for a tag
  end
end

function TestWriter:testUnfinishedChecksumIsFinished()
  local app = writer.new()
  local p = support.packet(("\0"):rep(34) .. "\1\2\3\4\0\12" .. "\0\0" .. "data")
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = nf.PACKET_CHECKSUM_PARTIAL, 34, 6
  nf.link_send(app.input[0], p)
  -- Offsets beyond the frame are a lie: the frame is written as it is.
  p = support.packet(("\0"):rep(40))
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = nf.PACKET_CHECKSUM_PARTIAL, 65535, 6
  nf.link_send(app.input[0], p)
  support.push(app)
  support.finish(app)
  local written = content()
  local words = 0x0102 + 0x0304 + 0x000c + 0x6461 + 0x7461
  local sum = 65535 - words % 65536 - math.floor(words / 65536)
  lu.assertEquals(written[1].data:sub(41, 42), string.char(math.floor(sum / 256), sum % 256))
  lu.assertEquals(written[2].data, ("\0"):rep(40))
end

function TestWriter:testNothingIsWrittenPerPacketButAfterAWhile()
  nf.clock_set(1000000000ULL)
  local app = writer.new({ flush = "10ms" })
  write_all(app, capture.packets(100, { size = 60 }))
  support.tick(app)
  lu.assertEquals(#content(), 0)
  nf.clock_set(1009999999ULL)
  support.tick(app)
  lu.assertEquals(#content(), 0)
  nf.clock_set(1010000000ULL)
  support.tick(app)
  lu.assertEquals(#content(), 100)
  write_all(app, capture.packets(1, { size = 60 }))
  support.tick(app)
  lu.assertEquals(#content(), 100)
  support.finish(app)
  lu.assertEquals(#content(), 101)
end

function TestWriter:testFilesThatCannotBeOpened()
  local ok, message = pcall(writer.new, { file = folder .. "/none/out.pcap" })
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': cannot open %s/none/out.pcap for writing: No such file or directory"):format(folder))
  ok, message = pcall(writer.new, { file = folder })
  lu.assertFalse(ok)
  lu.assertStrContains(message, folder)
end

function TestWriter:testATerminalIsRefused()
  local terminal = ffi.C.posix_openpt(2 + NOCTTY)
  if terminal < 0 or ffi.C.grantpt(terminal) ~= 0 or ffi.C.unlockpt(terminal) ~= 0 or ffi.C.ptsname(terminal) == nil then
    lu.skip("there is no pseudo terminal here")
  end
  local name = ffi.string(ffi.C.ptsname(terminal))
  local ok, message
  ok, message = pcall(writer.new, { file = name })
  ffi.C.close(terminal)
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': %s: a terminal cannot show a capture file"):format(name))
end

function TestWriter:testADeviceThatIsFull()
  local app
  local output = support.stderr(function ()
    app = writer.new({ file = "/dev/full" })
    write_all(app, capture.packets(10))
  end)
  lu.assertEquals(output, "nf: error: app 'x': /dev/full: cannot be written: No space left on device; it ends at byte 0, " ..
    "all further packets are dropped\n")
  lu.assertEquals(support.reason(app, "write-error"), 10)
  lu.assertEquals(app.sent, 0ULL)
  support.finish(app)
end

function TestWriter:testAFullDiskLeavesAWholeCapture()
  local limit, before = ffi.new("struct limit"), ffi.new("struct limit")
  local handler = ffi.C.signal(SIGXFSZ, IGNORE)
  ffi.C.getrlimit(FILE_SIZE, before)
  limit.now, limit.most = 1500000, before.most
  local packets, app = capture.packets(3000, { size = 984 }), nil
  local output = support.stderr(function ()
    app = writer.new()
    ffi.C.setrlimit(FILE_SIZE, limit)
    write_all(app, packets)
    ffi.C.setrlimit(FILE_SIZE, before)
  end)
  ffi.C.signal(SIGXFSZ, handler)
  app.class.stop(app)
  lu.assertEquals(tonumber(app.sent) - support.counter(app, "unwritten"), 1499)
  lu.assertEquals(tonumber(app.sent) + support.reason(app, "write-error"), 3000)
  support.finish(app)
  local written = content()
  lu.assertEquals(#written, 1499)
  lu.assertNil(capture.difference(written, { unpack(packets, 1, 1499) }))
  lu.assertEquals(output, ("nf: error: app 'x': %s: cannot be written: File too large; it ends at byte 1499024, " ..
    "all further packets are dropped\n"):format(file))
end

-- Read what a pipe has now.
local function drain(fd)
  local buffer, list = ffi.new("uint8_t[65536]"), {}
  local n = ffi.C.read(fd, buffer, 65536)
  while n > 0 do
    list[#list + 1] = ffi.string(buffer, n)
    n = ffi.C.read(fd, buffer, 65536)
  end
  return table.concat(list)
end

function TestWriter:testAFullPipeHoldsPacketsBackAndLosesNone()
  local pipe, packets = folder .. "/pipe", capture.packets(8000)
  ffi.C.mkfifo(pipe, 384)
  local fd = ffi.C.open(pipe, NONBLOCK)
  local app = writer.new({ file = pipe })
  local at, text = 1, {}
  for _ = 1, 100 do
    at = at + send(app, packets, at)
    support.push(app)
  end
  -- Four blocks, what the pipe holds, and the link are full: the rest stays where it is.
  lu.assertEquals(nf.link_room(app.input[0]), 0)
  lu.assertTrue(support.counter(app, "waits") > 0)
  lu.assertTrue(app.class.wake_at(app) ~= NEVER)
  for _ = 1, 2000 do
    text[#text + 1] = drain(fd)
    at = at + send(app, packets, at)
    nf.clock_time_ns = nf.clock_time_ns + 1000000
    support.push(app)
  end
  lu.assertEquals(nf.link_waiting(app.input[0]), 0)
  for _ = 1, 200 do
    nf.clock_time_ns = nf.clock_time_ns + 1000000000
    support.tick(app)
    text[#text + 1] = drain(fd)
  end
  lu.assertEquals(app.class.wake_at(app), NEVER)
  support.finish(app)
  ffi.C.close(fd)
  lu.assertNil(capture.difference(capture.read(table.concat(text)), packets))
end

function TestWriter:testAPipeThatNobodyReadsDoesNotHoldUpTheEnd()
  local pipe = folder .. "/pipe"
  ffi.C.mkfifo(pipe, 384)
  local packets = capture.packets(200, { size = 984 })
  local app = writer.new({ file = pipe })
  write_all(app, packets)
  app.class.stop(app)
  local fd = ffi.C.open(pipe, NONBLOCK)
  local text = drain(fd)
  ffi.C.close(fd)
  lu.assertTrue(#text > 24)
  lu.assertEquals(support.counter(app, "unwritten"), 200 - math.floor((#text - 24) / 1000))
  support.finish(app)
end

function TestWriter:testReloadOfTheSameFileGoesOnBehindIt()
  local packets = capture.packets(300)
  local old = writer.new()
  write_all(old, { unpack(packets, 1, 200) })
  local app = writer.new({ flush = "5ms" }, old)
  support.finish(old)
  write_all(app, { unpack(packets, 201) })
  support.finish(app)
  lu.assertNil(capture.difference(content(), packets))
end

function TestWriter:testReloadWithAnotherFileFinishesTheFirst()
  local packets = capture.packets(300)
  local old = writer.new()
  write_all(old, packets)
  local app = writer.new({ file = folder .. "/second.pcap" }, old)
  support.finish(old)
  lu.assertNil(capture.difference(content(), packets))
  write_all(app, { packets[7] })
  support.finish(app)
  lu.assertNil(capture.difference(content(folder .. "/second.pcap"), { packets[7] }))
end

function TestWriter:testAnAppOfAnotherNameTakesTheFileAnew()
  local packets = capture.packets(300)
  local old = writer.new()
  write_all(old, packets)
  local app = writer.new()                     -- committed before the old one stops
  support.finish(old)
  write_all(app, { packets[7] })
  support.finish(app)
  lu.assertNil(capture.difference(content(), { packets[7] }))
end

function TestWriter:testASuccessorGoesOnBehindTheLastWholeBlock()
  local packets = capture.packets(900)
  local next_writer, close = writer.kept({ file = file, flush = "1ms" })
  local app, kept = next_writer(), {}
  for part = 0, 2 do
    write_all(app, { unpack(packets, part * 300 + 1, part * 300 + 200) })
    nf.clock_set(nf.clock_now() + 10000000ULL)
    support.tick(app)                                     -- these are in the file
    write_all(app, { unpack(packets, part * 300 + 201, part * 300 + 300) })     -- these are not
    for i = 1, 200 do kept[#kept + 1] = packets[part * 300 + i] end
    writer.die(app)
    local out = assert(io.open(file, "ab"))               -- it died in the middle of a record
    out:write(capture.pcap({ packets[7] }):sub(25, 60))
    out:close()
    app = next_writer()
    support.tick(app)                                     -- before any packet comes
    lu.assertNil(capture.difference(content(), kept))
  end
  write_all(app, { packets[1] })
  support.finish(app)
  kept[#kept + 1] = packets[1]
  lu.assertNil(capture.difference(content(), kept))
  -- Who ended well is no predecessor: the file begins anew.
  app = next_writer()
  write_all(app, { packets[2] })
  support.finish(app)
  lu.assertNil(capture.difference(content(), { packets[2] }))
  close()
end

os.exit(lu.LuaUnit.run())
