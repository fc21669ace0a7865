-- traffic: headers and stepping fields; what basic.source makes of them is tested in tests/apps/test_basic_source.lua.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")

TestTraffic = {}

local function headers() return ffi.new("struct traffic_headers") end

function TestTraffic:testLengths()
  local h = headers()
  lu.assertEquals(nf.traffic_length(h), 0)
  h.ethernet.given = true
  lu.assertEquals(nf.traffic_length(h), 14)
  h.ethernet.tagged = true
  lu.assertEquals(nf.traffic_length(h), 18)
  h.ipv4.given = true
  lu.assertEquals(nf.traffic_length(h), 38)
  h.udp.given = true
  lu.assertEquals(nf.traffic_length(h), 46)
  h.ethernet.given, h.ethernet.tagged, h.ipv4.given, h.udp.given, h.ipv6.given, h.tcp.given = false, false, false, false, true, true
  lu.assertEquals(nf.traffic_length(h), 14 + 40 + 20)
end

function TestTraffic:testStepsCountLikeDigits()
  local h, steps = headers(), ffi.new("struct traffic_steps")
  h.ethernet.given, h.ipv4.given, h.tcp.given = true, true, true
  h.tcp.src_count, h.ipv4.dst_count, h.ethernet.dst_count = 3, 2, 2
  nf.traffic_steps_init(steps, h)
  lu.assertEquals(steps.count, 3)
  local seen = {}
  for _ = 1, 13 do
    seen[#seen + 1] = ("%d%d%d"):format(steps.step[2].now, steps.step[1].now, steps.step[0].now)
    nf.traffic_steps_next(steps)
  end
  lu.assertEquals(table.concat(seen, " "), "000 001 002 010 011 012 100 101 102 110 111 112 000")
end

-- A UDP checksum that comes out as zero is written as ffff (RFC 768).
function TestTraffic:testZeroChecksumOfUdp()
  local h, steps, frame = headers(), ffi.new("struct traffic_steps"), ffi.new("struct traffic_frame")
  h.ipv4.given, h.udp.given, h.udp.src_count = true, true, 65536
  nf.traffic_steps_init(steps, h)
  local bytes, data = ffi.new("uint8_t[60]"), ffi.new("uint8_t[60]")
  nf.traffic_frame_init(frame, h, bytes, 60)
  local all_ones = 0
  for _ = 1, 65536 do
    ffi.copy(data, bytes, 60)
    nf.traffic_frame_finish(frame, steps, data, true)
    local checksum = data[40] * 256 + data[41]
    lu.assertNotEquals(checksum, 0)
    if checksum == 0xffff then all_ones = all_ones + 1 end
    nf.traffic_steps_next(steps)
  end
  lu.assertEquals(all_ones, 1)
end

-- Exactly `length` bytes are written.
function TestTraffic:testStaysInItsLength()
  local h, frame = headers(), ffi.new("struct traffic_frame")
  h.ipv6.given, h.tcp.given = true, true
  local bytes = ffi.new("uint8_t[100]")
  ffi.fill(bytes, 100, 0xaa)
  nf.traffic_frame_init(frame, h, bytes, 74)
  for i = 74, 99 do lu.assertEquals(bytes[i], 0xaa) end
  lu.assertEquals(frame.payload, 74)
end

os.exit(lu.LuaUnit.run(), true)
