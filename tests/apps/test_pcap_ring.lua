-- pcap.writer with a ring of files: which files there are, what is in each, and how a successor goes on with them.
local lu = require("luaunit")
local ffi = require("ffi")
local capture = require("support_capture")
local nf = require("nf.core")
local support = require("support")
local writer = require("support_writer")

ffi.cdef("int mkfifo(const char *path, unsigned mode);")

local folder, file, write_all, content = writer.folder, writer.file, writer.write_all, writer.content

TestRing = { setUp = writer.set_up, tearDown = writer.tear_down }

function TestRing:testRingOfFiles()
  local packets = capture.packets(100, { size = 984 })    -- 1,000 bytes each with its header
  local app = writer.new({ files = 3, size = 10024 })
  write_all(app, packets)
  lu.assertEquals(support.counter(app, "files"), 10)
  support.finish(app)
  lu.assertNil(support.read(file))
  local all = {}
  for _, i in ipairs({ 2, 3, 1 }) do
    local name = ("%s/out.%d.pcap"):format(folder, i)
    lu.assertEquals(#support.read(name), 10024)
    for _, p in ipairs(content(name)) do all[#all + 1] = p end
  end
  lu.assertNil(capture.difference(all, { unpack(packets, 71) }))
end

function TestRing:testAFileOfARingMayHaveManyBlocks()
  local packets = capture.packets(6000, { size = 1384 })  -- 1,400 bytes each with its header
  local app = writer.new({ files = 2, size = "3M" })
  write_all(app, packets)
  support.finish(app)
  local first, second = content(folder .. "/out.1.pcap"), content(folder .. "/out.2.pcap")
  lu.assertEquals(#second, math.floor((3 * 1048576 - 24) / 1400))
  lu.assertNil(capture.difference(first, { unpack(packets, 2 * #second + 1) }))
end

function TestRing:testNamesOfARing()
  os.execute("mkdir -p " .. folder .. "/a.b")
  for path, wanted in pairs({ ["/a.b/ring"] = "/a.b/ring.2", ["/ring.tar.pcap"] = "/ring.tar.2.pcap" }) do
    local app = writer.new({ file = folder .. path, files = 2, size = 1024 })
    write_all(app, capture.packets(2, { size = 1400 }))
    support.finish(app)
    lu.assertEquals(#content(folder .. wanted), 1)
  end
end

function TestRing:testALongPacketMakesAFileOfItsOwn()
  local app = writer.new({ files = 2, size = 1024 })
  write_all(app, capture.packets(3, { size = 1400 }))
  support.finish(app)
  lu.assertEquals(#content(folder .. "/out.1.pcap"), 1)
  lu.assertEquals(#content(folder .. "/out.2.pcap"), 1)
end

function TestRing:testMistakesOfARing()
  local app, messages = support.new("pcap.writer", { file = file, files = 3 })
  lu.assertNil(app)
  lu.assertEquals(messages, { "app 'x': key 'size': needed for a ring of 3 files, for example \"100M\"" })
  app, messages = support.new("pcap.writer", { file = file, size = "1M" })
  lu.assertNil(app)
  lu.assertEquals(messages, { "app 'x': key 'size': is for a ring: give 'files', 2 or more, too" })
  ffi.C.mkfifo(folder .. "/out.2.pcap", 384)
  local ok, message = pcall(writer.new, { files = 2, size = 1024 })
  lu.assertFalse(ok)
  lu.assertStrContains(message, ("app 'x': %s: the files of a ring must be regular files"):format(file))
end

function TestRing:testASuccessorGoesOnWithTheRing()
  local packets = capture.packets(100, { size = 500 })
  local next_writer, close = writer.kept({ file = file, files = 3, size = 5000, flush = "1ms" })
  local app, at = next_writer(), 1
  -- Nine packets for each file: whichever is present when the worker dies, the next one goes on in it.
  for _, count in ipairs({ 4, 7, 13, 20, 9, 30 }) do
    write_all(app, { unpack(packets, at, at + count - 1) })
    at = at + count
    nf.clock_set(nf.clock_now() + 10000000ULL)
    support.tick(app)
    writer.die(app)
    app = next_writer()
  end
  support.tick(app)
  support.finish(app)
  close()
  local expected = { {}, {}, {} }
  for i = 1, at - 1 do
    local number = math.floor((i - 1) / 9)
    if number > math.floor((at - 2) / 9) - 3 then table.insert(expected[number % 3 + 1], packets[i]) end
  end
  for n = 1, 3 do lu.assertNil(capture.difference(content(("%s/out.%d.pcap"):format(folder, n)), expected[n])) end
end

os.exit(lu.LuaUnit.run())
