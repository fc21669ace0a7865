-- checksum: against published vectors and a naive sum.
local lu = require("luaunit")
local ffi = require("ffi")
local bit = require("bit")
local nf = require("nf.core")

TestChecksum = {}

-- The checksum of a string, 16 bits at a time, as RFC 1071 section 1 describes it; in host order.
local function naive(text)
  local sum = 0
  if #text % 2 == 1 then text = text .. "\0" end
  for i = 1, #text, 2 do
    sum = sum + text:byte(i) * 256 + text:byte(i + 1)
    if sum > 0xffff then sum = sum - 0xffff end
  end
  return 0xffff - sum
end

local function fast(text)
  return nf.bytes_swap16(nf.checksum_finish(nf.checksum_add(0, text, #text)))
end

local function random_text(length)
  local bytes = {}
  for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

-- RFC 1071 section 3: the sum of these bytes is ddf2.
function TestChecksum:testExampleOfTheRfc()
  lu.assertEquals(fast("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7"), 0xffff - 0xddf2)
end

function TestChecksum:testKnownIpv4Header()
  local header = "\x45\x00\x00\x73\x00\x00\x40\x00\x40\x11\x00\x00\xc0\xa8\x00\x01\xc0\xa8\x00\xc7"
  lu.assertEquals(fast(header), 0xb861)
  lu.assertEquals(fast(header:sub(1, 10) .. "\xb8\x61" .. header:sub(13)), 0)
end

function TestChecksum:testEveryShortLengthAndAlignment()
  math.randomseed(1)
  for length = 0, 200 do
    local text = random_text(length)
    lu.assertEquals(fast(text), naive(text), "length " .. length)
    local moved = ffi.new("uint8_t[?]", length + 8)
    for shift = 0, 3 do
      ffi.copy(moved + shift, text, length)
      lu.assertEquals(nf.bytes_swap16(nf.checksum_finish(nf.checksum_add(0, moved + shift, length))), naive(text))
    end
  end
end

function TestChecksum:testLongOnesWithCarries()
  local ones = ("\xff"):rep(65535)
  lu.assertEquals(fast(ones), naive(ones))
  lu.assertEquals(fast(("\xff"):rep(65536)), 0)
  lu.assertEquals(fast(("\0"):rep(65536)), 0xffff)
  math.randomseed(2)
  local text = random_text(65537)
  lu.assertEquals(fast(text), naive(text))
end

function TestChecksum:testPartsAddUp()
  math.randomseed(3)
  local text = random_text(3001)
  for _, cut in ipairs({ 0, 2, 30, 32, 34, 1500, 3000 }) do
    local sum = nf.checksum_add(nf.checksum_add(0, text, cut), text:sub(cut + 1), #text - cut)
    lu.assertEquals(nf.bytes_swap16(nf.checksum_finish(sum)), naive(text))
  end
end

function TestChecksum:testPseudoHeaders()
  local four = random_text(8)
  lu.assertEquals(nf.bytes_swap16(nf.checksum_finish(nf.checksum_pseudo(four, 8, 17, 300))),
    naive(four .. "\0\17" .. "\1\44"))
  local six = random_text(32)
  lu.assertEquals(nf.bytes_swap16(nf.checksum_finish(nf.checksum_pseudo(six, 32, 6, 70000))),
    naive(six .. "\0\1\x11\x70" .. "\0\0\0\6"))
end

function TestChecksum:testUpdateEqualsComputingAnew()
  math.randomseed(4)
  for _ = 1, 2000 do
    local text = random_text(20)
    local before = nf.checksum_finish(nf.checksum_add(0, text, 20))
    local at = math.random(0, 8) * 2
    local change = ({ "\0\0", "\xff\xff", random_text(2) })[math.random(3)]
    local changed = text:sub(1, at) .. change .. text:sub(at + 3)
    local old, new = ffi.new("uint16_t[1]"), ffi.new("uint16_t[1]")
    ffi.copy(old, text:sub(at + 1, at + 2), 2)
    ffi.copy(new, change, 2)
    lu.assertEquals(nf.checksum_update16(before, old[0], new[0]), nf.checksum_finish(nf.checksum_add(0, changed, 20)))
    local wide = random_text(4)
    local changed32 = text:sub(1, at) .. wide .. text:sub(at + 5)
    local old32, new32 = ffi.new("uint32_t[1]"), ffi.new("uint32_t[1]")
    ffi.copy(old32, text:sub(at + 1, at + 4), 4)
    ffi.copy(new32, wide, 4)
    lu.assertEquals(nf.checksum_update32(before, old32[0], new32[0]), nf.checksum_finish(nf.checksum_add(0, changed32, 20)))
  end
end

-- RFC 1624 section 4: the case in which the older equation 2 gives 0xffff instead of 0.
function TestChecksum:testUpdateOfTheRfcsExample()
  lu.assertEquals(nf.bytes_swap16(nf.checksum_update16(nf.bytes_swap16(0xdd2f), nf.bytes_swap16(0x5555),
    nf.bytes_swap16(0x3285))), 0)
end

function TestChecksum:testCompleteAnUnfinishedOne()
  math.randomseed(5)
  for _, length in ipairs({ 8, 9, 100, 1473 }) do
    local addresses, payload = random_text(8), random_text(length - 8)
    local head = "\1\2\3\4" .. string.char(bit.rshift(length, 8), bit.band(length, 255))
    local data = ffi.new("uint8_t[?]", 34 + length)
    ffi.copy(data + 34, head .. "\0\0" .. payload, length)
    local pseudo = nf.checksum_fold(nf.checksum_pseudo(addresses, 8, 17, length))
    ffi.copy(data + 40, ffi.new("uint16_t[1]", pseudo), 2)
    lu.assertTrue(nf.checksum_complete(data, 34 + length, 34, 6))
    local want = naive(addresses .. "\0\17" .. string.char(bit.rshift(length, 8), bit.band(length, 255)) .. head .. "\0\0" .. payload)
    lu.assertEquals(nf.bytes_read16(data + 40), want == 0 and 0xffff or want)
  end
end

function TestChecksum:testCompleteNeverWritesZero()
  local data = ffi.new("uint8_t[8]", { 0xff, 0xff, 0, 0, 0, 0, 0, 0 })
  lu.assertTrue(nf.checksum_complete(data, 8, 0, 6))
  lu.assertEquals(nf.bytes_read16(data + 6), 0xffff)
end

function TestChecksum:testCompleteStaysInsideTheData()
  local data = ffi.new("uint8_t[64]")
  for _, case in ipairs({ { 40, 41, 0 }, { 40, 40, 0 }, { 40, 39, 0 }, { 40, 38, 1 }, { 40, 0, 39 }, { 40, 0, 0xffffffff },
    { 40, 0xffffffff, 2 }, { 40, 20, 0xfffffff0 }, { 0, 0, 0 }, { 1, 0, 0 } }) do
    lu.assertFalse(nf.checksum_complete(data, case[1], case[2], case[3]))
  end
  for i = 0, 63 do lu.assertEquals(data[i], 0) end
  lu.assertTrue(nf.checksum_complete(data, 40, 38, 0))
end

os.exit(lu.LuaUnit.run())
