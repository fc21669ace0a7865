-- headers: Ethernet, VLAN tags, IPv4, IPv6, UDP, TCP, ICMP, from whole, cut-off and impossible frames.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")

TestHeaders = {}

local ADDRESSES = ("\2"):rep(6) .. ("\4"):rep(6)
local IPV4 = "\x45\x00\x00\x73\x00\x00\x40\x00\x40\x11\xb8\x61\xc0\xa8\x00\x01\xc0\xa8\x00\xc7"
local IPV6 = "\x6a\xb1\x23\x45\0\x08\x11\x40" .. ("\x20"):rep(16) .. ("\x30"):rep(16)

-- A frame in memory that ends exactly at the end of its buffer, so that the sanitizers see a read behind it.
local function frame(text)
  local data = ffi.new("uint8_t[?]", #text)
  ffi.copy(data, text, #text)
  return data, #text
end

function TestHeaders:testIpv4OfAFrame()
  local data, length = frame(ADDRESSES .. "\8\0" .. IPV4 .. "payload")
  local ip = nf.ethernet_ipv4(data, length)
  lu.assertTrue(ffi.cast("uint8_t *", ip) == data + 14)
  lu.assertEquals(ip.ttl, 64)
  lu.assertEquals(ip.protocol, 17)
  lu.assertEquals(nf.ipv4_header_length(ip), 20)
  lu.assertEquals(nf.ipv4_total_length(ip), 0x73)
  lu.assertEquals(nf.ipv4_payload_length(ip), 0x73 - 20)
  lu.assertEquals(nf.bytes_swap32(ip.src_be), 0xc0a80001)
  lu.assertTrue(nf.ipv4_has_checksum(ip))
  lu.assertTrue(nf.ethernet_ipv6(data, length) == nil)
end

function TestHeaders:testIpv4IsNullWhenAnythingIsMissing()
  local text = ADDRESSES .. "\8\0" .. IPV4
  for n = 0, #text - 1 do
    local data, length = frame(text:sub(1, n))
    lu.assertTrue(nf.ethernet_ipv4(data, length) == nil, n)
  end
  local data, length = frame(text)
  lu.assertTrue(nf.ethernet_ipv4(data, length) ~= nil)
  data[14] = 0x44                       -- header length 16
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
  data[14] = 0x46                       -- options that are not there
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
  data[14] = 0x55
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
  data[14], data[16], data[17] = 0x45, 0, 19            -- total length below the header's
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
end

function TestHeaders:testIpv4WithOptions()
  local data, length = frame("\x46\0\0\x18" .. IPV4:sub(5) .. "\1\1\1\1")
  local ip = nf.ipv4_parse(data, length)
  lu.assertEquals(nf.ipv4_header_length(ip), 24)
  lu.assertEquals(nf.ipv4_payload_length(ip), 0)
  nf.ipv4_set_checksum(ip)
  lu.assertTrue(nf.ipv4_has_checksum(ip))
  data[20] = 2
  lu.assertFalse(nf.ipv4_has_checksum(ip))
end

function TestHeaders:testTtlAndLengthKeepTheChecksumRight()
  local data, length = frame(IPV4)
  local ip = nf.ipv4_parse(data, length)
  for ttl = 255, 0, -1 do
    nf.ipv4_set_ttl(ip, ttl)
    lu.assertEquals(ip.ttl, ttl)
    lu.assertTrue(nf.ipv4_has_checksum(ip))
  end
  for _, total in ipairs({ 20, 1500, 65535, 0x73 }) do
    nf.ipv4_set_total_length(ip, total)
    lu.assertEquals(nf.ipv4_total_length(ip), total)
    lu.assertTrue(nf.ipv4_has_checksum(ip))
  end
  nf.ipv4_set_ttl(ip, 64)
  lu.assertEquals(ffi.string(data, length), IPV4)
end

function TestHeaders:testFragments()
  local data, length = frame(IPV4)
  local ip = nf.ipv4_parse(data, length)
  local cases = { { 0x40, 0, false, true }, { 0x20, 0, true, true }, { 0x20, 5, true, false }, { 0, 5, true, false },
    { 0, 0, false, true } }
  for _, case in ipairs(cases) do
    data[6], data[7] = case[1], case[2]
    lu.assertEquals(nf.ipv4_is_fragment(ip), case[3])
    lu.assertEquals(nf.ipv4_is_first(ip), case[4])
  end
end

function TestHeaders:testBehindVlanTags()
  local kind = ffi.new("uint16_t[1]")
  local single = ADDRESSES .. "\x81\0\x20\5" .. "\8\0"
  local double = ADDRESSES .. "\x88\xa8\0\7\x81\0\x20\5" .. "\8\0"
  local triple = ADDRESSES .. "\x88\xa8\0\7\x81\0\x20\5\x81\0\0\1" .. "\8\0"
  for tags, text in ipairs({ single, double }) do
    local data, length = frame(text .. IPV4)
    lu.assertTrue(ffi.cast("uint8_t *", nf.ethernet_ipv4(data, length)) == data + 14 + 4 * tags)
    lu.assertEquals(nf.ethernet_payload(data, length, kind), 14 + 4 * tags)
    lu.assertEquals(kind[0], 0x800)
    for n = 0, #text - 1 do
      local cut, cut_length = frame(text:sub(1, n))
      lu.assertEquals(nf.ethernet_payload(cut, cut_length, kind), 0, n)
    end
  end
  local data, length = frame(triple .. IPV4)
  lu.assertEquals(nf.ethernet_payload(data, length, kind), 22)
  lu.assertEquals(kind[0], 0x8100)
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
end

function TestHeaders:testInsertAndRemoveATag()
  local text = ADDRESSES .. "\8\0" .. IPV4
  local data, length = frame("...." .. text)
  local kind, tci = ffi.new("uint16_t[1]"), ffi.new("uint16_t[1]")
  nf.vlan_insert(data, 0x8100, 0x2005)
  lu.assertEquals(ffi.string(data, length), ADDRESSES .. "\x81\0\x20\5\8\0" .. IPV4)
  lu.assertTrue(nf.vlan_remove(data, length, kind, tci))
  lu.assertEquals(kind[0], 0x8100)
  lu.assertEquals(tci[0], 0x2005)
  lu.assertEquals(ffi.string(data + 4, length - 4), text)
  lu.assertFalse(nf.vlan_remove(data + 4, length - 4, kind, tci))
  local short, short_length = frame(ADDRESSES .. "\x81\0\0\5\8")
  lu.assertFalse(nf.vlan_remove(short, short_length, kind, tci))
end

function TestHeaders:testIpv6OfAFrame()
  local text = ADDRESSES .. "\x86\xdd" .. IPV6
  local data, length = frame(text)
  local ip = nf.ethernet_ipv6(data, length)
  lu.assertEquals(nf.ipv6_payload_length(ip), 8)
  lu.assertEquals(nf.ipv6_traffic_class(ip), 0xab)
  lu.assertEquals(nf.ipv6_flow_label(ip), 0x12345)
  lu.assertEquals(ip.hop_limit, 64)
  lu.assertTrue(nf.ethernet_ipv4(data, length) == nil)
  for n = 0, #text - 1 do
    local cut, cut_length = frame(text:sub(1, n))
    lu.assertTrue(nf.ethernet_ipv6(cut, cut_length) == nil)
  end
  data[14] = 0x45
  lu.assertTrue(nf.ethernet_ipv6(data, length) == nil)
end

-- An IPv6 packet with these extension headers: pairs of kind and bytes behind its next-header field.
local function chain(last, ...)
  local kinds, bodies = {}, {}
  for i = 1, select("#", ...), 2 do
    kinds[#kinds + 1] = (select(i, ...))
    bodies[#bodies + 1] = (select(i + 1, ...))
  end
  local text = IPV6:sub(1, 6) .. string.char(kinds[1] or last) .. IPV6:sub(8)
  for i, body in ipairs(bodies) do text = text .. string.char(kinds[i + 1] or last) .. body end
  return text
end

function TestHeaders:testTransportBehindExtensionHeaders()
  local kind = ffi.new("uint8_t[1]")
  local function transport(text)
    local data, length = frame(text)
    return nf.ipv6_transport(data, length, kind), kind[0]
  end
  local options8, options16 = "\0" .. ("\0"):rep(6), "\1" .. ("\0"):rep(14)
  local first, later, ah = "\0\0\1\0\0\0\7", "\0\0\8\0\0\0\7", "\4" .. ("\0"):rep(22)
  lu.assertEquals({ transport(chain(6)) }, { 40, 6 })
  lu.assertEquals({ transport(chain(17, 0, options8, 43, options16, 60, options8)) }, { 72, 17 })
  lu.assertEquals({ transport(chain(6, 51, ah)) }, { 64, 6 })
  lu.assertEquals({ transport(chain(58, 44, first)) }, { 48, 58 })
  lu.assertEquals({ transport(chain(58, 0, options8, 44, later)) }, { 48, 44 })
  lu.assertEquals({ transport(chain(59)) }, { 40, 59 })
  for text, is in pairs({ [chain(58, 44, first)] = true, [chain(58, 0, options8, 44, later)] = true,
    [chain(6, 51, ah)] = false, [chain(6)] = false, [chain(6):sub(1, 39)] = false }) do
    lu.assertEquals(nf.ipv6_is_fragment(text, #text), is)
  end
  -- cut off within each header
  local whole = chain(17, 0, options8, 43, options16, 60, options8)
  for n = 0, #whole - 1 do lu.assertEquals((transport(whole:sub(1, n))), 0, n) end
  -- too many of them
  local many = {}
  for i = 1, 18, 2 do many[i], many[i + 1] = 60, options8 end
  lu.assertEquals((transport(chain(17, unpack(many)))), 0)
  lu.assertEquals({ transport(chain(17, unpack(many, 1, 16))) }, { 104, 17 })
end

function TestHeaders:testTransportHeaders()
  local udp, udp_length = frame("\0\53\4\0\0\8\1\2")
  lu.assertEquals(nf.bytes_swap16(nf.udp_parse(udp, udp_length).src_be), 53)
  lu.assertTrue(nf.udp_parse(udp, 7) == nil)
  local tcp = frame("\0\80\4\0" .. "\0\0\0\1" .. "\0\0\0\2" .. "\x60\x12\1\0\0\0\0\0" .. "\2\4\5\xb4")
  lu.assertEquals(nf.tcp_header_length(nf.tcp_parse(tcp, 24)), 24)
  lu.assertEquals(nf.tcp_parse(tcp, 24).flags, 0x12)
  for n = 0, 23 do lu.assertTrue(nf.tcp_parse(tcp, n) == nil) end
  tcp[12] = 0x40
  lu.assertTrue(nf.tcp_parse(tcp, 24) == nil)
  local icmp = frame("\8\0\1\2\0\3\0\4")
  lu.assertEquals(nf.bytes_swap16(nf.icmp_parse(icmp, 8).id_be), 3)
  lu.assertTrue(nf.icmp_parse(icmp, 7) == nil)
end

function TestHeaders:testBytesAndAddresses()
  local data = frame("\1\2\3\4\5\6\7\8\9")
  lu.assertEquals(nf.bytes_read16(data + 1), 0x0203)
  lu.assertEquals(nf.bytes_read32(data + 1), 0x02030405)
  lu.assertEquals(nf.bytes_read64(data + 1), 0x0203040506070809ULL)
  nf.bytes_write16(data + 1, 0xa1a2)
  lu.assertEquals(ffi.string(data, 4), "\1\xa1\xa2\4")
  nf.bytes_write32(data + 1, 0xb1b2b3b4)
  lu.assertEquals(ffi.string(data, 6), "\1\xb1\xb2\xb3\xb4\6")
  nf.bytes_write64(data + 1, 0x1112131415161718ULL)
  lu.assertEquals(ffi.string(data, 9), "\1\x11\x12\x13\x14\x15\x16\x17\x18")
  lu.assertTrue(nf.ethernet_is_group("\1\0\x5e\0\0\1"))
  lu.assertFalse(nf.ethernet_is_group("\2\0\0\0\0\1"))
end

os.exit(lu.LuaUnit.run())
