-- packet: taking, giving back, headroom and tail room, copies.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

TestPacket = {}

function TestPacket:setUp() support.memory(2000) end

function TestPacket:tearDown()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

function TestPacket:testNewPacketIsEmptyWithHeadroom()
  local p = nf.packet_alloc()
  lu.assertEquals(p.length, 0)
  lu.assertEquals(nf.packet_headroom(p), 128)
  lu.assertTrue(nf.packet_tailroom(p) >= 2048)
  lu.assertEquals(nf.memory_in_use(), 1ULL)
  nf.packet_free(p)
end

function TestPacket:testPrependAndStripStayInBounds()
  local p = nf.packet_alloc()
  lu.assertTrue(nf.packet_set(p, "abcdef", 6))
  lu.assertTrue(nf.packet_strip(p, 2))
  lu.assertEquals(ffi.string(p.data, p.length), "cdef")
  lu.assertFalse(nf.packet_strip(p, 5))
  lu.assertEquals(p.length, 4)
  local front = nf.packet_prepend(p, 130)
  lu.assertTrue(front == p.data)
  lu.assertEquals(p.length, 134)
  lu.assertTrue(nf.packet_prepend(p, 1) == nil)
  nf.packet_free(p)
end

function TestPacket:testAppendStopsAtTheEndOfTheBuffer()
  local p = nf.packet_alloc()
  local room = nf.packet_tailroom(p)
  lu.assertTrue(nf.packet_append(p, room) ~= nil)
  lu.assertTrue(nf.packet_append(p, 1) == nil)
  lu.assertFalse(nf.packet_set(p, "x", 2049))
  nf.packet_free(p)
end

function TestPacket:testCopyHasTheSameBytesAndMetadata()
  for _, length in ipairs({ 0, 1, 63, 64, 65, 1000, 2047, 2048 }) do
    local p = nf.packet_alloc()
    nf.packet_append(p, length)
    for i = 0, length - 1 do p.data[i] = (i * 7 + length) % 256 end
    p.meta.vlan, p.meta.flags, p.meta.timestamp = 5, 4, 77
    local q = nf.packet_copy(p)
    lu.assertEquals(q.length, length)
    lu.assertEquals(ffi.string(q.data, length), ffi.string(p.data, length))
    lu.assertEquals(q.meta.vlan, 5)
    lu.assertEquals(q.meta.timestamp, 77ULL)
    nf.packet_free(p)
    nf.packet_free(q)
  end
end

function TestPacket:testPoolEndsAndRecovers()
  local list = {}
  while true do
    local p = nf.packet_alloc()
    if p == nil then break end
    list[#list + 1] = p
  end
  lu.assertTrue(#list >= 2000)
  lu.assertEquals(nf.packet_pool[0].exhausted, 1ULL)
  for _, p in ipairs(list) do nf.packet_free(p) end
  local p = nf.packet_alloc()
  lu.assertTrue(p ~= nil)
  nf.packet_free(p)
end

function TestPacket:testBurstsOfAnyLengthAreEmptyAndAllDifferent()
  local burst = ffi.new("struct packet *[130]")
  for n = 0, 130 do
    lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, n), n)
    lu.assertEquals(nf.memory_in_use(), 0ULL + n)
    local seen = {}
    for i = 0, n - 1 do
      local address = tostring(burst[i])
      lu.assertNil(seen[address])
      seen[address] = true
      lu.assertEquals(burst[i].length, 0)
      lu.assertEquals(burst[i].meta.hash, 0)
      lu.assertEquals(nf.packet_headroom(burst[i]), 128)
      nf.packet_append(burst[i], 100)
      burst[i].meta.hash = 7
    end
    nf.packet_free_burst(burst, n)
    lu.assertEquals(nf.memory_in_use(), 0ULL)
  end
end

function TestPacket:testABurstIsWhatThePoolHas()
  local pool = nf.packet_pool[0]
  local all, burst = pool.count, ffi.new("struct packet *[?]", pool.count + 1)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, all + 1), all)
  lu.assertEquals(pool.exhausted, 1ULL)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, 0), 0)
  nf.packet_free_burst(burst, all)
  lu.assertEquals(pool.count, all)
end

function TestPacket:testABurstOfSeveralSizesGoesBackToItsPools()
  support.memory(2000, 50)
  local burst = ffi.new("struct packet *[40]")
  local standard, jumbo = nf.packet_pool[0].count, nf.packet_pool[1].count
  for i = 0, 39 do burst[i] = nf.packet_alloc_size(i % 7 == 3 and "PACKET_JUMBO" or "PACKET_STANDARD") end
  lu.assertEquals(nf.packet_pool[1].count, jumbo - 6)
  nf.packet_free_burst(burst, 40)
  lu.assertEquals(nf.packet_pool[0].count, standard)
  lu.assertEquals(nf.packet_pool[1].count, jumbo)
  for i = 0, jumbo - 1 do lu.assertEquals(nf.packet_pool[1].stack[i].size, 1) end
end

os.exit(lu.LuaUnit.run())
