-- flow_hash: symmetric, keyed, and never beyond the end of a frame.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local basic = require("support_basic")

TestFlowHash = {}

local hex = basic.hex
local key = ffi.new("struct siphash_key")
key.word[0], key.word[1] = 1, 2

-- The hash of a frame that ends where its memory ends: the sanitizer sees each byte that is read behind it.
local function hash(frame, ends, other)
  local memory = ffi.C.malloc(#frame)
  ffi.copy(memory, frame, #frame)
  local result = nf.flow_hash(memory, #frame, ends or "FLOW_HASH_PORTS", other or key)
  ffi.C.free(memory)
  return result
end

ffi.cdef("void *malloc(size_t); void free(void *);")

local head = hex("020000000002 020000000001")
local function udp4(src, dst, sport, dport, protocol)
  return head .. hex("0800 4500001c 00000000 40") .. string.char(protocol or 17) .. hex("0000") .. src .. dst
    .. hex(("%04x%04x 00080000"):format(sport, dport))
end
local a, b = hex("c0000201"), hex("c6336401")

function TestFlowHash:testBothDirectionsAreOne()
  for _, ends in ipairs({ "FLOW_HASH_ADDRESSES", "FLOW_HASH_PORTS" }) do
    lu.assertEquals(hash(udp4(a, b, 1, 2), ends), hash(udp4(b, a, 2, 1), ends))
    lu.assertEquals(hash(udp4(a, a, 1, 2), ends), hash(udp4(a, a, 2, 1), ends))
  end
end

function TestFlowHash:testPortsCountOnlyWhenTheyShould()
  lu.assertNotEquals(hash(udp4(a, b, 1, 2)), hash(udp4(a, b, 1, 3)))
  lu.assertNotEquals(hash(udp4(a, b, 1, 2)), hash(udp4(a, b, 2, 1)), "ends are pairs of address and port")
  lu.assertEquals(hash(udp4(a, b, 1, 2), "FLOW_HASH_ADDRESSES"), hash(udp4(a, b, 1, 3), "FLOW_HASH_ADDRESSES"))
  for _, protocol in ipairs({ 6, 17, 33, 132, 136 }) do
    lu.assertNotEquals(hash(udp4(a, b, 1, 2, protocol)), hash(udp4(a, b, 1, 3, protocol)))
  end
  for _, protocol in ipairs({ 1, 47, 50 }) do
    lu.assertEquals(hash(udp4(a, b, 1, 2, protocol)), hash(udp4(a, b, 1, 3, protocol)))
  end
end

-- Options move the ports.
function TestFlowHash:testHeaderOptions()
  local function with_options(sport)
    return head .. hex("0800 46000020 00000000 40110000") .. a .. b .. hex("01010101") .. hex(("%04x0002 00080000"):format(sport))
  end
  lu.assertEquals(hash(with_options(1)), hash(udp4(a, b, 1, 2)))
  lu.assertNotEquals(hash(with_options(1)), hash(with_options(3)))
end

function TestFlowHash:testKey()
  local other = ffi.new("struct siphash_key")
  other.word[0], other.word[1] = 1, 3
  lu.assertNotEquals(hash(udp4(a, b, 1, 2)), hash(udp4(a, b, 1, 2), nil, other))
end

-- Every beginning of these frames is hashed without a look behind it.
function TestFlowHash:testCutOffAnywhere()
  local frames = { udp4(a, b, 1, 2), head .. hex("8100 0001") .. udp4(a, b, 1, 2):sub(13),
    head .. hex("86dd 60000000 000811ff") .. ("\1"):rep(32) .. hex("0001000200080000"),
    head .. hex("86dd 60000000 001000ff") .. ("\1"):rep(32) .. hex("1100010000000000 0001000200080000") }
  for _, frame in ipairs(frames) do
    for length = 0, #frame do
      local h = hash(frame:sub(1, length))
      if length < 14 then lu.assertEquals(h, 0ULL) else lu.assertNotEquals(h, 0ULL) end
    end
  end
  for _, frame in ipairs(basic.hostile) do hash(frame) end
  lu.assertEquals(hash(udp4(a, b, 1, 2):sub(1, 34)), hash(udp4(a, b, 0, 0)), "ports that are not there count as 0")
end

-- 4,096 flows over 16 bins: 256 on average, with a deviation of 15.5.
function TestFlowHash:testSpread()
  local bins = {}
  for i = 0, 4095 do
    local bin = tonumber(hash(udp4(a, b, i, 53)) / 0x1000000000000000ULL)
    bins[bin] = (bins[bin] or 0) + 1
  end
  for bin = 0, 15 do lu.assertAlmostEquals(bins[bin] or 0, 256, 80) end
end

os.exit(lu.LuaUnit.run(), true)
