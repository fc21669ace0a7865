-- capture: pcap and pcapng of every kind, whole, damaged and cut off, in pieces of every size.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local capture = require("support_capture")

-- Compiled, this file ends in LuaJIT's own optimizer in one of twenty runs (a fault while it folds constants, at some addresses).
jit.off()

-- Read a file's text in pieces. gives: packets, the reader; each unused rest is checked to be short.
local function read(text, piece, burst)
  local reader, used = ffi.new("struct capture_reader"), ffi.new("size_t[1]")
  local records = ffi.new("struct capture_record[?]", burst or 128)
  local rest, at, list = "", 1, {}
  nf.capture_reader_init(reader)
  while at <= #text do
    local data = rest .. text:sub(at, at + (piece or #text) - 1)
    at = at + (piece or #text)
    repeat
      -- An allocation of exactly this size: a sanitizer sees every byte read beyond it.
      local buffer = ffi.C.malloc(#data + 1)
      local bytes = ffi.cast("uint8_t *", buffer) + 1
      ffi.copy(bytes, data, #data)
      local n = nf.capture_read(reader, bytes, #data, records, burst or 128, used)
      for i = 0, n - 1 do
        list[#list + 1] = { data = ffi.string(records[i].data, records[i].length), wire = records[i].wire_length,
          time = records[i].timestamp }
      end
      ffi.C.free(buffer)
      data = data:sub(tonumber(used[0]) + 1)
    until n < (burst or 128)
    rest = data
    if reader.error[0] == 0 then lu.assertTrue(#rest < nf.CAPTURE_CARRY) end
  end
  local whole = nf.capture_reader_end(reader, #rest)
  return list, whole and "" or ffi.string(reader.error), reader
end

ffi.cdef("void *malloc(size_t); void free(void *);")

-- Read in pieces of several sizes: the same must come out.
local function check(text, packets, message, what)
  for _, piece in ipairs(#text < 40000 and { 1, 3, 16, 100, 4096, #text } or { 4096, 100000, #text }) do
    local list, problem, reader = read(text, piece, piece == 100 and 1 or nil)
    lu.assertNil(capture.difference(list, packets, what))
    lu.assertEquals(problem, message or "")
    if message == nil then lu.assertEquals(tonumber(reader.offset), #text) end
  end
end

TestPcap = {}

function TestPcap:testAllFourMagics()
  for _, order in ipairs({ "<", ">" }) do
    for _, nano in ipairs({ true, false }) do
      check(capture.pcap(capture.packets(40), { order = order, nano = nano }), capture.packets(40))
    end
  end
end

function TestPcap:testNanosecondsAreExactAndMicrosecondsAreScaled()
  local packets = { { data = "abcd", time = 4294967295999999999ULL }, { data = "efgh", time = 1ULL } }
  check(capture.pcap(packets), packets)
  check(capture.pcap(packets, { nano = false }), { { data = "abcd", time = 4294967295999999000ULL }, { data = "efgh", time = 0 } })
end

function TestPcap:testEmptyCaptureIsWhole()
  check(capture.pcap({}), {})
end

function TestPcap:testZeroLengthCutAndOverlongRecords()
  local packets = {
    { data = "", time = 5 }, { data = "", wire = 100, time = 6 },       -- nothing kept
    { data = ("x"):rep(96), wire = 1500, time = 7 },                    -- cut by a snaplen
    { data = ("y"):rep(300), wire = 100, time = 8 },                    -- holds more than the frame had
    { data = ("z"):rep(262144), time = 9 },                             -- the longest, beyond the file's snaplen
  }
  local list, problem, reader = read(capture.pcap(packets, { snaplen = 96 }))
  packets[4].wire = 300
  lu.assertNil(capture.difference(list, packets))
  lu.assertEquals(problem, "")
  lu.assertEquals(reader.truncated, 2ULL)
  lu.assertEquals(reader.packets, 5ULL)
end

function TestPcap:testImpossibleLengthStopsThereWithThePacketsNumber()
  local good = capture.packets(3, { size = 60 })
  local bad = { data = "", captured = 0xdeadbeef, wire = 60, time = 1 }
  local text = capture.pcap({ good[1], good[2], bad, good[3] })
  check(text, { good[1], good[2] },
    "packet 3 at byte 176 claims 3735928559 bytes, and no packet has more than 262144: the file is damaged there")
  text = capture.pcap({ { data = ("z"):rep(262145) } })
  check(text, {}, "packet 1 at byte 24 claims 262145 bytes, and no packet has more than 262144: the file is damaged there")
end

function TestPcap:testCutOffAnywhere()
  local packets = capture.packets(3, { size = 20 })
  local text = capture.pcap(packets)
  for length = 1, #text - 1 do
    local list, problem = read(text:sub(1, length), 7)
    local whole = math.max(0, math.floor((length - 24) / 36))
    lu.assertEquals(#list, whole)
    if length < 24 then
      lu.assertEquals(problem, "cut off: the file ends within its header")
    elseif (length - 24) % 36 == 0 then
      lu.assertEquals(problem, "")
    else
      lu.assertEquals(problem, ("cut off: the file ends within packet %d, which begins at byte %d"):format(whole + 1, 24 + whole * 36))
    end
  end
end

function TestPcap:testNoCaptureFile()
  local cases = {
    [""] = "the file is empty, without even the header of a capture",
    ["#!/bin/sh\n"] = "no capture file: it begins with 23212f62, neither pcap nor pcapng",
    ["\31\139\8\0abc"] = "it is compressed with gzip: unpack it first",
    ["\40\181\47\253abc"] = "it is compressed with zstd: unpack it first",
    ["\253" .. "7zXZ"] = "it is compressed with xz: unpack it first",
    ["BZh9"] = "it is compressed with bzip2: unpack it first",
    ["\4\34\77\24"] = "it is compressed with lz4: unpack it first",
    [capture.pcap({}, { magic = 0xa1b2cd34 })] =
      "a pcap file with the longer packet headers of a patched libpcap (magic a1b2cd34): not read",
    [capture.pcap({}, { magic = 0xa1b2cd34, order = ">" })] =
      "a pcap file with the longer packet headers of a patched libpcap (magic a1b2cd34): not read",
    [capture.pcap({}, { minor = 3 })] = "pcap version 2.3: only 2.4 is read",
    [capture.pcap({}, { major = 543, order = ">" })] = "pcap version 543.4: only 2.4 is read",
    [capture.pcap({}, { link = 101 })] = "its packets have link type 101 (raw IP): only Ethernet (1) is read",
    [capture.pcap({}, { link = 113, order = ">" })] = "its packets have link type 113 (Linux cooked capture): only Ethernet (1) is read",
    [capture.pcap({}, { link = 999 })] = "its packets have link type 999: only Ethernet (1) is read",
  }
  for text, message in pairs(cases) do check(text, {}, message) end
end

function TestPcap:testChecksumOfTheFrameIsTakenOff()
  local packets = { { data = ("a"):rep(64) }, { data = ("b"):rep(62), wire = 64 }, { data = ("c"):rep(40), wire = 64 },
    { data = "d", wire = 1 }, { data = "", wire = 0 } }
  local list, problem, reader = read(capture.pcap(packets, { link = 0x24000001 }))
  lu.assertEquals(problem, "")
  lu.assertNil(capture.difference(list, { { data = ("a"):rep(60) }, { data = ("b"):rep(60) }, { data = ("c"):rep(40), wire = 60 },
    { data = "" }, { data = "" } }, { "data", "wire" }))
  lu.assertEquals(reader.truncated, 1ULL)
  -- Without the bit that says so, the length means nothing.
  list = read(capture.pcap(packets, { link = 0x20000001 }))
  lu.assertEquals(#list[1].data, 64)
end

TestPcapng = {}

function TestPcapng:testPacketsOfThreeKindsInBothOrders()
  for _, order in ipairs({ "<", ">" }) do
    local text = capture.section(order) .. capture.interface(1, order) ..
      capture.enhanced({ data = "enhanced!", time = 1700000000123456 }, order) ..
      capture.obsolete({ data = "obsolete", time = 1700000000123457 }, order) ..
      capture.simple({ data = "simple." }, order)
    check(text, { { data = "enhanced!", time = 1700000000123456000ULL }, { data = "obsolete", time = 1700000000123457000ULL },
      { data = "simple.", time = 0 } })
  end
end

function TestPcapng:testSectionsHaveTheirOwnOrderAndInterfaces()
  local nano = capture.option(9, "\9", ">") .. capture.option(0, "", ">")
  local text = capture.section("<") .. capture.interface(1, "<") .. capture.enhanced({ data = "first", time = 1 }, "<") ..
    capture.section(">") .. capture.interface(1, ">", { options = nano }) .. capture.enhanced({ data = "second", time = 2 }, ">")
  check(text, { { data = "first", time = 1000 }, { data = "second", time = 2 } })
  check(text .. capture.section("<") .. capture.enhanced({ data = "x" }, "<"),
    { { data = "first", time = 1000 }, { data = "second", time = 2 } },
    ("the block at byte %d, after packet 2, has a packet of an interface that is not described: the file is damaged there"):format(#text + 28))
end

function TestPcapng:testOtherInterfacesAreSkippedAndCounted()
  local text = capture.section() .. capture.interface(113) .. capture.interface(1) .. capture.enhanced({ data = "cooked" }) ..
    capture.enhanced({ data = "ethernet" }, "<", 1) .. capture.simple({ data = "cooked" }) .. capture.obsolete({ data = "last" }, "<", 1)
  local list, problem, reader = read(text)
  lu.assertEquals(problem, "")
  lu.assertNil(capture.difference(list, { { data = "ethernet" }, { data = "last" } }, { "data" }))
  lu.assertEquals(reader.skipped, 2ULL)
  lu.assertEquals(reader.packets, 4ULL)
  check(capture.section() .. capture.interface(101) .. capture.enhanced({ data = "ip" }), {},
    "its packets have link type 101 (raw IP): only Ethernet (1) is read")
end

function TestPcapng:testResolutions()
  local cases = {      -- if_tsresol, count, nanoseconds
    { 0, 5ULL, 5000000000ULL }, { 3, 5ULL, 5000000ULL }, { 6, 1700000000123456ULL, 1700000000123456000ULL }, { 9, 7ULL, 7ULL },
    { 12, 7999ULL, 7ULL }, { 28, 18446744073709551615ULL, 1ULL }, { 29, 18446744073709551615ULL, 0ULL }, { 127, 5ULL, 0ULL },
    { 128, 3ULL, 3000000000ULL }, { 128 + 20, 3145728ULL, 3000000000ULL }, { 128 + 32, 6442450944ULL, 1500000000ULL },
    { 128 + 63, 9223372036854775808ULL, 1000000000ULL }, { 255, 9ULL, 0ULL },
    { 0, 18446744073709551615ULL, 9223372036854775807ULL },     -- beyond what nanoseconds can say
  }
  for _, case in ipairs(cases) do
    local option = capture.option(9, string.char(case[1])) .. capture.option(0, "")
    local list = read(capture.section() .. capture.interface(1, "<", { options = option }) ..
      capture.enhanced({ data = "x", time = case[2] }))
    lu.assertEquals(list[1].time, case[3])
  end
end

function TestPcapng:testOffsetsOfTime()
  for _, order in ipairs({ "<", ">" }) do
    local high, low = capture.u32(0, order), capture.u32(1000, order)
    local later = capture.option(14, order == ">" and high .. low or low .. high, order)
    local earlier = capture.option(14, ("\255"):rep(7) .. (order == ">" and "\255" or "\255"), order)
    local text = capture.section(order) .. capture.interface(1, order, { options = later }) ..
      capture.interface(1, order, { options = earlier }) .. capture.enhanced({ data = "x", time = 1 }, order, 0) ..
      capture.enhanced({ data = "x", time = 3000000 }, order, 1) .. capture.enhanced({ data = "x", time = 5 }, order, 1)
    check(text, { { data = "x", time = 1000000001000ULL }, { data = "x", time = 2000000000ULL }, { data = "x", time = 0 } })
  end
end

function TestPcapng:testSimplePacketsAreCutAtTheSnaplen()
  local text = capture.section() .. capture.interface(1, "<", { snaplen = 6 }) .. capture.simple({ data = "sixsix", wire = 100 }) ..
    capture.simple({ data = "two", wire = 3 })
  check(text, { { data = "sixsix", wire = 100 }, { data = "two", wire = 3 } }, nil, { "data", "wire" })
  -- A length beyond the block is what the block holds.
  text = capture.section() .. capture.interface(1) .. capture.simple({ data = "four", wire = 99 })
  check(text, { { data = "four", wire = 99 } }, nil, { "data", "wire" })
end

function TestPcapng:testFrameCheckSequenceIsTakenOff()
  for _, length in ipairs({ "\4", "\32" }) do
    local text = capture.section() .. capture.interface(1, "<", { options = capture.option(13, length) }) ..
      capture.enhanced({ data = ("a"):rep(64) })
    check(text, { { data = ("a"):rep(60) } }, nil, { "data", "wire" })
  end
end

function TestPcapng:testOtherBlocksAndOptionsArePassedOver()
  local comment = capture.option(1, "a comment") .. capture.option(0, "")
  local text = capture.section() .. capture.block(4, ("name"):rep(100)) .. capture.interface(1, "<", { options = comment }) ..
    capture.block(0xbad, "custom") .. capture.block(10, ("secret"):rep(100000)) ..
    capture.enhanced({ data = "x", time = 1 }, "<", 0, comment) .. capture.block(5, "statistics") .. capture.block(99, "")
  local list, problem = read(text, 1000)
  lu.assertNil(capture.difference(list, { { data = "x", time = 1000 } }))
  lu.assertEquals(problem, "")
end

function TestPcapng:testDamageIsReportedWithBlockAndPacket()
  local start = capture.section() .. capture.interface(1) .. capture.enhanced({ data = "good", time = 1 })
  local cases = {
    { capture.block(6, "", "<", 8), "has an impossible length" },
    { capture.block(6, "", "<", 13), "has an impossible length" },
    { capture.block(6, "", "<", 12), "is shorter than a packet's header" },
    { capture.block(2, ("x"):rep(16), "<"), "is shorter than a packet's header" },
    { capture.block(3, "", "<"), "is shorter than a packet's header" },
    { capture.block(1, "abc", "<"), "describes an interface in an impossible length" },
    { capture.block(1, ("x"):rep(262144), "<"), "describes an interface in an impossible length" },
    { capture.enhanced({ data = "abcd", captured = 5 }), "claims a packet that is longer than itself or than any" },
    { capture.enhanced({ data = ("x"):rep(262145) }), "claims a packet that is longer than itself or than any" },
    { capture.enhanced({ data = "x" }, "<", 1), "has a packet of an interface that is not described" },
    { capture.block(0x0a0d0d0a, ("?"):rep(16)), "has no byte order" },
    { capture.block(0x0a0d0d0a, capture.u32(0x1a2b3c4d) .. ("\0"):rep(12), "<", 24), "has an impossible length" },
    { capture.block(0x0a0d0d0a, capture.u32(0x1a2b3c4d) .. ("\0"):rep(12), "<", 29), "has an impossible length" },
  }
  for _, case in ipairs(cases) do
    check(start .. case[1] .. capture.enhanced({ data = "never" }), { { data = "good", time = 1000 } },
      ("the block at byte %d, after packet 1, %s: the file is damaged there"):format(#start, case[2]))
  end
  local block = capture.block(6, capture.u32(0) .. ("\0"):rep(16) .. ("x"):rep(4), "<", nil, 44)
  check(start .. block, { { data = "good", time = 1000 }, { data = "", time = 0 } },
    ("the block at byte %d, after packet 2, ends with another length than it begins with: the file is damaged there"):format(#start))
  check(start .. capture.section("<", 2), { { data = "good", time = 1000 } }, "pcapng version 2.0: only 1 is read")
  check(start .. capture.section(">", 7), { { data = "good", time = 1000 } }, "pcapng version 7.0: only 1 is read")
end

function TestPcapng:testTooManyInterfaces()
  local text = capture.section() .. capture.interface(1):rep(1024)
  check(text .. capture.enhanced({ data = "x" }, "<", 1023), { { data = "x", time = 0 } })
  check(text .. capture.interface(1), {}, "more than 1024 interfaces in a section")
end

function TestPcapng:testCutOffAnywhere()
  local start = capture.section() .. capture.interface(1)
  local text = start .. capture.enhanced({ data = "abcde" }) .. capture.enhanced({ data = "fghij" })
  for length = 4, #text - 1 do
    local list, problem = read(text:sub(1, length), 5)
    local size = 32 + 8
    local whole = length >= #start and math.floor((length - #start) / size) or -1
    local at = whole >= 0 and #start + whole * size or (length >= 28 and 28 or 0)
    if at == length then
      lu.assertEquals(problem, "")
    else
      -- A packet whose bytes are there is given, even when the block's end is missing.
      lu.assertTrue(#list == math.max(whole, 0) or #list == whole + 1)
      lu.assertEquals(problem, ("cut off: the file ends within the block that begins at byte %d, after packet %d"):format(at, #list))
    end
  end
end

TestWriter = {}

function TestWriter:testHeaderAndRecordsReadBack()
  local buffer = ffi.new("uint8_t[?]", 200)
  nf.capture_write_header(buffer, 65535)
  nf.capture_write_record(buffer + 24, 4294967295999999999ULL, 5, 1500)
  ffi.copy(buffer + 40, "hello", 5)
  nf.capture_write_record(buffer + 45, 1ULL, 0, 0)
  local packets = capture.read(ffi.string(buffer, 61))
  lu.assertNil(capture.difference(packets, { { data = "hello", wire = 1500, time = 4294967295999999999ULL }, { data = "", time = 1 } }))
  lu.assertEquals(packets.snaplen, 65535)
  lu.assertEquals(packets.link, 1)
end

os.exit(lu.LuaUnit.run())
