-- offload: what a sender left undone, between virtio-net headers and packets' metadata, and finished here.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local PARTIAL, VALID, VLAN = 1, 2, 4

TestOffload = {}

function TestOffload:setUp() netdev.memory() end

function TestOffload:tearDown() lu.assertEquals(nf.memory_in_use(), 0ULL) end

local function virtio_of(p)
  local virtio = ffi.new("struct virtio_net")
  nf.offload_to_virtio(p, virtio)
  return virtio
end

function TestOffload:testPlainFrameHasNoMetadata()
  local p = support.packet(frames.ethernet("plain"))
  lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net")))
  lu.assertEquals({ p.meta.flags, p.meta.gso }, { 0, 0 })
  lu.assertTrue(nf.offload_is_plain(p))
  lu.assertEquals(ffi.string(virtio_of(p), 10), ("\0"):rep(10))
  nf.packet_free(p)
end

function TestOffload:testThereAndBack()
  local bytes, header = frames.tcp({ payload = frames.random(5000), bytes = 1000 })
  local p = support.packet(bytes)
  lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net", header)))
  lu.assertFalse(nf.offload_is_plain(p))
  local back = virtio_of(p)
  for field, value in pairs(header) do lu.assertEquals(back[field], value, field) end
  nf.packet_free(p)
end

-- The length of the headers is not the sender's word but what the headers say.
function TestOffload:testHeaderLengthIsFoundOut()
  local bytes, header = frames.tcp({ payload = frames.random(5000), bytes = 1000 })
  for _, lie in ipairs({ 0, 1, 65535 }) do
    local p = support.packet(bytes)
    header.header_length = lie
    lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net", header)))
    lu.assertEquals(p.meta.gso_header, 54)
    nf.packet_free(p)
  end
end

function TestOffload:testRefusedHeaderLeavesNoMetadata()
  local p = support.packet(frames.ethernet(frames.random(100)))
  for _, header in ipairs({ { flags = 1, checksum_start = 113, checksum_offset = 0 }, { gso_type = 1, gso_bytes = 10 },
    { flags = 1, gso_type = 3, gso_bytes = 100, checksum_start = 34, checksum_offset = 6 } }) do
    lu.assertFalse(nf.offload_from_virtio(p, ffi.new("struct virtio_net", header)))
    lu.assertEquals({ p.meta.flags, p.meta.gso, p.meta.checksum_start }, { 0, 0, 0 })
  end
  nf.packet_free(p)
end

function TestOffload:testVerifiedChecksum()
  local p = support.packet(frames.ethernet("checked"))
  lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net", { flags = 2 })))
  lu.assertEquals(p.meta.flags, VALID)
  lu.assertTrue(nf.offload_is_plain(p))
  nf.packet_free(p)
end

function TestOffload:testCompleteTheChecksum()
  local bytes, header = frames.tcp({ payload = "some payload" })
  local p = support.packet(bytes)
  lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net", header)))
  lu.assertFalse(frames.is_sound(support.bytes(p)))
  lu.assertTrue(nf.offload_complete(p))
  lu.assertTrue(frames.is_sound(support.bytes(p)))
  lu.assertEquals(p.meta.flags, 0)
  lu.assertTrue(nf.offload_complete(p))                 -- nothing to do
  lu.assertTrue(frames.is_sound(support.bytes(p)))
  nf.packet_free(p)
end

-- The offset moves with what is prepended, and the checksum is still right.
function TestOffload:testCompleteBehindANewTag()
  local bytes, header = frames.tcp({ payload = "some payload" })
  local p = support.packet(bytes)
  nf.offload_from_virtio(p, ffi.new("struct virtio_net", header))
  p.meta.vlan, p.meta.flags = 0x2005, p.meta.flags + VLAN
  lu.assertTrue(nf.offload_insert_tag(p))
  lu.assertEquals(p.meta.flags, PARTIAL)
  lu.assertTrue(nf.offload_complete(p))
  local tagged = support.bytes(p)
  lu.assertEquals(tagged:sub(13, 18), "\x81\0\x20\5\8\0")
  lu.assertTrue(frames.is_sound(tagged:sub(1, 12) .. tagged:sub(17)))
  nf.packet_free(p)
end

function TestOffload:testCompleteOutsideTheFrameFails()
  local p = support.packet(frames.ethernet(frames.random(50)))
  local before = support.bytes(p)
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = PARTIAL, 60, 3
  lu.assertFalse(nf.offload_complete(p))
  lu.assertEquals(p.meta.flags, PARTIAL)
  lu.assertEquals(support.bytes(p), before)
  nf.packet_free(p)
end

function TestOffload:testTagNeedsAFrameAndRoom()
  local p = support.packet("short")
  p.meta.flags = VLAN
  lu.assertFalse(nf.offload_insert_tag(p))
  lu.assertEquals(support.bytes(p), "short")
  nf.packet_free(p)
  p = support.packet(frames.ethernet("long enough"))
  nf.packet_prepend(p, nf.packet_headroom(p))
  p.meta.flags = VLAN
  lu.assertFalse(nf.offload_insert_tag(p))
  nf.packet_free(p)
end

function TestOffload:testCutSeesWhatBecameOfTheFrame()
  local gso = ffi.new("struct gso")
  local bytes, header = frames.tcp({ payload = frames.random(5000), bytes = 1000 })
  local p = support.packet(bytes)
  lu.assertTrue(nf.offload_from_virtio(p, ffi.new("struct virtio_net", header)))
  lu.assertTrue(nf.offload_cut(p, gso))
  lu.assertEquals(gso.count, 5)
  p.length = 4000                                       -- an app cut the end off
  lu.assertFalse(nf.offload_cut(p, gso))
  nf.packet_free(p)
end

os.exit(lu.LuaUnit.run(), true)
