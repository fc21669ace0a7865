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

os.exit(lu.LuaUnit.run())
