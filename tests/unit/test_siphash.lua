-- siphash: published vectors, and those of another implementation.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")

TestSiphash = {}

local function key(a, b)
  local k = ffi.new("struct siphash_key")
  k.word[0], k.word[1] = a, b
  return k
end

-- The key 00 01 .. 0f of the paper's appendix A.
local paper = key(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL)

-- Appendix A, and the first of the authors' test vectors (vectors_sip64).
function TestSiphash:testVectorsOfThePaper()
  local text = ""
  for i = 0, 14 do text = text .. string.char(i) end
  lu.assertEquals(nf.siphash_2_4(paper, text, 15), 0xa129ca6149be45e5ULL)
  lu.assertEquals(nf.siphash_2_4(paper, "", 0), 0x726fdb47dd0e0e31ULL)
end

-- Two numbers are hashed as their 16 bytes.
function TestSiphash:testPairIsSixteenBytes()
  local words = ffi.new("uint64_t[2]")
  for i = 0, 99 do
    words[0], words[1] = 0x9e3779b97f4a7c15ULL * i, 0xbf58476d1ce4e5b9ULL * (i + 1)
    lu.assertEquals(nf.siphash_1_3_pair(paper, words[0], words[1]), nf.siphash_1_3(paper, words, 16))
  end
end

-- Four messages at once are the same as one after the other.
function TestSiphash:testFourMessages()
  local hash, words = ffi.new("uint64_t[4]"), ffi.new("uint64_t[?]", 4 * 6)
  for count = 0, 6 do
    for i = 0, 4 * count - 1 do words[i] = 0x9e3779b97f4a7c15ULL * (i * 7 + count) end
    nf.siphash_1_3_four(paper, words, count, hash)
    for lane = 0, 3 do
      local message = ffi.new("uint64_t[?]", count + 1)
      for i = 0, count - 1 do message[i] = words[4 * i + lane] end
      lu.assertEquals(hash[lane], nf.siphash_1_3(paper, message, 8 * count))
    end
  end
end

-- CPython 3.11 with PYTHONHASHSEED=0 hashes bytes with SipHash-1-3 and the key 0.
function TestSiphash:testAgreesWithCpython()
  local zero = key(0, 0)
  for text, hash in pairs({ a = 0x407448d2b89b1813ULL, abcdefg = 0x6db12aae9070f506ULL, abcdefgh = 0x3f7b849c0b8e35eaULL,
    ["The quick brown fox jumps over the lazy dog"] = 0x8df676d3d00c451eULL }) do
    lu.assertEquals(nf.siphash_1_3(zero, text, #text), hash)
  end
end

-- Reading a byte past the end would show here.
function TestSiphash:testLengthAndAlignment()
  local bytes = ffi.new("uint8_t[64]")
  for length = 0, 40 do
    for i = 0, 63 do bytes[i] = 0xee end
    for shift = 0, 8 do
      for i = 0, length - 1 do bytes[shift + i] = i end
      bytes[shift + length] = 0xaa
      local first = nf.siphash_2_4(paper, bytes + shift, length)
      bytes[shift + length] = 0x55
      lu.assertEquals(nf.siphash_2_4(paper, bytes + shift, length), first)
      if length > 0 then
        bytes[shift] = 1
        lu.assertNotEquals(nf.siphash_2_4(paper, bytes + shift, length), first)
      end
    end
  end
end

os.exit(lu.LuaUnit.run(), true)
