-- gso: segments of TCP and UDP frames against what the RFCs ask for, and frames whose metadata lies.
local lu = require("luaunit")
local ffi = require("ffi")
local bit = require("bit")
local nf = require("nf.core")

TestGso = {}

local TCP4, UFO, TCP6, UDP_L4, ECN = 1, 3, 4, 5, 0x80
local FIN, SYN, PSH, ACK, CWR = 1, 2, 8, 16, 128

local function u16(n) return string.char(bit.rshift(n, 8), bit.band(n, 255)) end
local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end
local function ones(text, carry)
  local sum = carry or 0
  if #text % 2 == 1 then text = text .. "\0" end
  for i = 1, #text, 2 do
    sum = sum + text:byte(i) * 256 + text:byte(i + 1)
    if sum > 0xffff then sum = sum - 0xffff end
  end
  return sum
end

local function random_text(length)
  local bytes = {}
  for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

local SRC4, DST4 = "\10\0\0\1", "\10\0\0\2"
local SRC6, DST6 = "\xfd" .. ("\0"):rep(14) .. "\1", "\xfd" .. ("\0"):rep(14) .. "\2"

-- A frame { text, virtio header } with an unfinished checksum, as a kernel makes it.
-- o: ipv6, udp, payload, bytes, flags, tags, options (IPv4), tcp_options, extensions (IPv6), id, sequence
local function make(o)
  local transport, offset
  if o.udp then
    transport, offset = "\4\0\8\0" .. u16(8 + #o.payload) .. "\0\0", 6
  else
    local options = o.tcp_options or ""
    transport = "\4\0\8\0" .. u32(o.sequence or 1000) .. u32(7) .. string.char(80 + #options * 4, o.flags or ACK)
      .. "\1\0\0\0\0\0" .. options
    offset = 16
  end
  local protocol = o.udp and 17 or 6
  local addresses = o.ipv6 and SRC6 .. DST6 or SRC4 .. DST4
  local pseudo = ones(addresses .. u16(protocol) .. u32(#transport + #o.payload))
  transport = transport:sub(1, offset) .. u16(pseudo) .. transport:sub(offset + 3)
  local network
  if o.ipv6 then
    local extensions = o.extensions or ""
    network = "\x60\0\0\0" .. u16(#extensions + #transport + #o.payload) .. string.char(o.next or protocol) .. "\64"
      .. addresses .. extensions
  else
    local options = o.options or ""
    network = string.char(0x45 + #options / 4) .. "\0" .. u16(20 + #options + #transport + #o.payload) .. u16(o.id or 5)
      .. "\64\0\64" .. string.char(protocol) .. "\0\0" .. addresses .. options
    network = network:sub(1, 10) .. u16(0xffff - ones(network)) .. network:sub(13)
  end
  local ethernet = ("\2"):rep(12) .. (o.tags or "") .. (o.ipv6 and "\x86\xdd" or "\8\0")
  local virtio = ffi.new("struct virtio_net", 1, o.type or (o.udp and UDP_L4 or o.ipv6 and TCP6 or TCP4), 0, o.bytes,
    #ethernet + #network, offset)
  return ethernet .. network .. transport .. o.payload, virtio, { network = #ethernet, transport = #ethernet + #network,
    header = #ethernet + #network + #transport, offset = offset, protocol = protocol }
end

-- The bytes in memory that ends with them.
local function buffer(text)
  local data = ffi.new("uint8_t[?]", math.max(#text, 1))
  ffi.copy(data, text, #text)
  return data
end

-- All segments of a frame as strings, or nil when it is refused.
local function segments(text, virtio)
  local gso, data = ffi.new("struct gso"), buffer(text)
  if not nf.gso_init(gso, data, #text, virtio) then return nil end
  local list = {}
  for i = 0, gso.count - 1 do
    local length = nf.gso_segment_length(gso, i)
    local to = ffi.new("uint8_t[?]", length)
    nf.gso_segment(gso, data, i, to)
    list[#list + 1] = ffi.string(to, length)
  end
  return list
end

local function be16(text, at) return text:byte(at + 1) * 256 + text:byte(at + 2) end
local function be32(text, at) return be16(text, at) * 65536 + be16(text, at + 2) end

-- Check what holds for every segment; gives their joined payload.
local function check(o)
  local text, virtio, place = make(o)
  local list = segments(text, virtio)
  lu.assertNotNil(list)
  lu.assertEquals(#list, math.max(1, math.ceil(#o.payload / o.bytes)))
  local payload = {}
  for i, segment in ipairs(list) do
    local n = #segment - place.header
    lu.assertEquals(n, i < #list and o.bytes or #o.payload - (i - 1) * o.bytes)
    local addresses
    lu.assertEquals(segment:sub(1, place.network), text:sub(1, place.network))
    if o.ipv6 then
      lu.assertEquals(be16(segment, place.network + 4), #segment - place.network - 40)
      addresses = segment:sub(place.network + 9, place.network + 40)
      lu.assertEquals(addresses, SRC6 .. DST6)
      lu.assertEquals(segment:sub(place.network + 41, place.transport), o.extensions or "")
    else
      lu.assertEquals(be16(segment, place.network + 2), #segment - place.network)
      lu.assertEquals(be16(segment, place.network + 4), ((o.id or 5) + i - 1) % 65536)
      lu.assertEquals(ones(segment:sub(place.network + 1, place.transport)), 0xffff)
      addresses = segment:sub(place.network + 13, place.network + 20)
      lu.assertEquals(addresses, SRC4 .. DST4)
    end
    local transport = segment:sub(place.transport + 1)
    lu.assertEquals(ones(transport, ones(addresses .. u16(place.protocol) .. u32(#transport))), 0xffff, "checksum of " .. i)
    if o.udp then
      lu.assertEquals(be16(transport, 4), #transport)
      lu.assertNotEquals(be16(transport, 6), 0)
    else
      lu.assertEquals(be32(transport, 4), ((o.sequence or 1000) + (i - 1) * o.bytes) % 2 ^ 32)
      local flags = o.flags or ACK
      local want = bit.band(flags, bit.bnot(FIN + PSH + CWR)) + (i == #list and bit.band(flags, FIN + PSH) or 0)
        + (i == 1 and bit.band(flags, CWR) or 0)
      lu.assertEquals(transport:byte(14), want, "flags of " .. i)
      lu.assertEquals(transport:sub(21, 20 + #(o.tcp_options or "")), o.tcp_options or "")
    end
    payload[i] = segment:sub(place.header + 1)
  end
  lu.assertEquals(table.concat(payload), o.payload)
end

function TestGso:setUp() math.randomseed(7) end

function TestGso:testTcpAndUdpOfBothFamilies()
  for _, ipv6 in ipairs({ false, true }) do
    for _, udp in ipairs({ false, true }) do
      for _, size in ipairs({ { 5000, 1448 }, { 2896, 1448 }, { 1449, 1448 }, { 1448, 1448 }, { 100, 1448 }, { 65000, 1400 },
        { 999, 1 }, { 65400, 65400 }, { 7, 3 } }) do
        check({ ipv6 = ipv6, udp = udp, payload = random_text(size[1]), bytes = size[2] })
      end
    end
  end
end

function TestGso:testEmptyPayloadIsOneSegment()
  check({ payload = "", bytes = 1448 })
  check({ payload = "", bytes = 1448, udp = true, ipv6 = true })
end

function TestGso:testFlagsStandOnlyWhereTheyAreDue()
  for _, flags in ipairs({ FIN + PSH + ACK, CWR + ACK, FIN + CWR + PSH + ACK + 64, ACK, SYN + ACK }) do
    check({ payload = random_text(4000), bytes = 1000, flags = flags })
    check({ payload = random_text(4000), bytes = 1000, flags = flags, type = TCP4 + ECN })
    check({ payload = random_text(500), bytes = 1000, flags = flags, ipv6 = true, type = TCP6 + ECN })
  end
end

function TestGso:testNumbersWrapAround()
  check({ payload = random_text(9000), bytes = 1448, id = 65534, sequence = 0xfffffff0 })
end

function TestGso:testTagsOptionsAndExtensionHeadersAreRepeated()
  check({ payload = random_text(3000), bytes = 1300, tags = "\x81\0\0\5" })
  check({ payload = random_text(3000), bytes = 1300, tags = "\x88\xa8\0\1\x81\0\0\5", ipv6 = true })
  check({ payload = random_text(3000), bytes = 1300, options = "\1\1\1\0", tcp_options = "\1\1\8\10" .. random_text(8) })
  check({ payload = random_text(3000), bytes = 1300, ipv6 = true, next = 0, extensions = "\17\0\1\4\0\0\0\0", udp = true })
end

function TestGso:testPaddingBehindThePacketIsLeftOut()
  local text, virtio = make({ payload = random_text(3000), bytes = 1000 })
  local plain = segments(text, virtio)
  lu.assertEquals(segments(text .. "padding", virtio), plain)
end

-- Without an unfinished checksum (its flag is not set) the field may hold anything.
function TestGso:testFinishedChecksumIsMadeAnew()
  for _, ipv6 in ipairs({ false, true }) do
    local text, virtio, place = make({ payload = random_text(3000), bytes = 1000, ipv6 = ipv6 })
    local want = segments(text, virtio)
    virtio.flags = 0
    local at = place.transport + place.offset
    lu.assertEquals(segments(text:sub(1, at) .. "\x12\x34" .. text:sub(at + 3), virtio), want)
  end
end

function TestGso:testLyingMetadataIsRefused()
  local text, virtio = make({ payload = random_text(3000), bytes = 1000 })
  local function refused(change, what)
    local copy = ffi.new("struct virtio_net", virtio)
    change(copy)
    lu.assertNil(segments(text, copy), what)
    lu.assertFalse(nf.virtio_net_is_valid(copy, buffer(text), #text), what)
  end
  lu.assertTrue(nf.virtio_net_is_valid(virtio, buffer(text), #text))
  for kind = 0, 255 do
    if kind ~= TCP4 and kind ~= TCP4 + ECN then
      local copy = ffi.new("struct virtio_net", virtio)
      copy.gso_type = kind
      lu.assertNil(segments(text, copy), kind)
      lu.assertEquals(nf.virtio_net_is_valid(copy, buffer(text), #text), kind == 0)
    end
  end
  refused(function (v) v.gso_bytes = 0 end, "no bytes")
  refused(function (v) v.gso_bytes = 1 end, "too many segments")
  refused(function (v) v.checksum_start = v.checksum_start + 2 end, "start")
  refused(function (v) v.checksum_start = 0 end, "start in the Ethernet header")
  refused(function (v) v.checksum_start = 65535 end, "start behind the frame")
  refused(function (v) v.checksum_offset = 6 end, "offset")
  refused(function (v) v.checksum_offset = 65535 end, "offset behind the frame")
  virtio.header_length = 65535          -- a hint that nothing depends on
  lu.assertEquals(#segments(text, virtio), 3)
end

function TestGso:testWrongProtocolsAreRefused()
  local udp, virtio = make({ payload = random_text(3000), bytes = 1000, udp = true })
  virtio.gso_type = TCP4
  lu.assertNil(segments(udp, virtio))
  virtio.gso_type = UFO
  lu.assertNil(segments(udp, virtio))
  local six, virtio6 = make({ payload = random_text(3000), bytes = 1000, ipv6 = true })
  virtio6.gso_type = TCP4
  lu.assertNil(segments(six, virtio6))
  local arp, virtio_arp = make({ payload = random_text(3000), bytes = 1000 })
  lu.assertNil(segments(arp:sub(1, 12) .. "\8\6" .. arp:sub(15), virtio_arp))
end

function TestGso:testFragmentsAreRefused()
  local text, virtio, place = make({ payload = random_text(3000), bytes = 1000 })
  for _, fragment in ipairs({ "\x20\0", "\0\1", "\x3f\xff" }) do
    lu.assertNil(segments(text:sub(1, place.network + 6) .. fragment .. text:sub(place.network + 9), virtio))
  end
  for _, fragment in ipairs({ "\6\0\0\0\0\0\0\1", "\6\0\0\1\0\0\0\1", "\6\0\0\8\0\0\0\1" }) do
    lu.assertNil(segments(make({ payload = random_text(3000), bytes = 1000, ipv6 = true, next = 44, extensions = fragment })))
  end
end

-- A frame cut off anywhere, or with any byte of its headers changed, is refused or gives whole segments: the sanitizers watch.
function TestGso:testCutOffFramesAreRefused()
  for _, o in ipairs({ {}, { ipv6 = true }, { udp = true }, { udp = true, ipv6 = true, next = 0, extensions = "\17\0\1\4\0\0\0\0" } }) do
    o.payload, o.bytes = random_text(300), 100
    local text, virtio = make(o)
    for n = 0, #text - 1 do lu.assertNil(segments(text:sub(1, n), virtio), n) end
  end
end

function TestGso:testChangedHeadersStayInBounds()
  local cut = 0
  for _, o in ipairs({ {}, { ipv6 = true }, { udp = true } }) do
    o.payload, o.bytes = random_text(300), 100
    local text, virtio, place = make(o)
    for at = 13, place.header do
      for _, value in ipairs({ 0, 1, 0x0f, 0x45, 0x4f, 0x60, 0xf0, 0xff }) do
        local list = segments(text:sub(1, at - 1) .. string.char(value) .. text:sub(at + 1), virtio)
        for _, segment in ipairs(list or {}) do lu.assertTrue(#segment <= #text) end
        cut = cut + (list and 1 or 0)
      end
    end
  end
  lu.assertTrue(cut > 0)
end

function TestGso:testUnfinishedChecksumMustLieInTheFrame()
  local data, virtio = buffer(("x"):rep(60)), ffi.new("struct virtio_net")
  virtio.flags, virtio.checksum_start, virtio.checksum_offset = 1, 34, 16
  lu.assertTrue(nf.virtio_net_is_valid(virtio, data, 60))
  lu.assertTrue(nf.virtio_net_is_valid(virtio, data, 52))
  lu.assertFalse(nf.virtio_net_is_valid(virtio, data, 51))
  virtio.checksum_start = 13
  lu.assertFalse(nf.virtio_net_is_valid(virtio, data, 60))
  virtio.checksum_start, virtio.checksum_offset = 65535, 65535
  lu.assertFalse(nf.virtio_net_is_valid(virtio, data, 60))
  virtio.flags = 0
  lu.assertTrue(nf.virtio_net_is_valid(virtio, data, 60))
end

os.exit(lu.LuaUnit.run())
