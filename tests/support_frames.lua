-- support_frames -- frames as tests need them, and the check of their checksums.
local bit = require("bit")

local M = {}

local DST, SRC = "\2\0\0\0\0\1", "\2\0\0\0\0\2"

function M.u16(n) return string.char(bit.rshift(n, 8), bit.band(n, 255)) end
function M.u32(n) return M.u16(math.floor(n / 65536)) .. M.u16(n % 65536) end

-- The one's complement sum of a text, 16 bits at a time.
function M.sum(text, carry)
  local sum = carry or 0
  if #text % 2 == 1 then text = text .. "\0" end
  for i = 1, #text, 2 do
    sum = sum + text:byte(i) * 256 + text:byte(i + 1)
    if sum > 0xffff then sum = sum - 0xffff end
  end
  return sum
end

function M.random(length)
  local bytes = {}
  for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

-- A frame of an experimental type, with a tag or without.
function M.ethernet(payload, tag) return DST .. SRC .. (tag or "") .. "\x88\xb5" .. payload end

local function ipv4(protocol, src, dst, payload)
  local head = "\x45\0" .. M.u16(20 + #payload) .. "\0\1\x40\0\64" .. string.char(protocol)
  local sum = M.sum(head .. src .. dst)
  return head .. M.u16(0xffff - sum) .. src .. dst .. payload
end

-- A TCP frame over IPv4 with its checksum unfinished, and the fields of its virtio-net header.
--   payload; bytes: of each segment, for a GSO frame
function M.tcp(o)
  local src, dst = "\10\0\0\1", "\10\0\0\2"
  local length = 20 + #o.payload
  local tcp = "\4\0\8\0\0\0\3\232\0\0\0\7\x50\24\1\0" .. M.u16(M.sum(src .. dst .. M.u16(6) .. M.u16(length))) .. "\0\0"
  return DST .. SRC .. "\8\0" .. ipv4(6, src, dst, tcp .. o.payload), { flags = 1, gso_type = o.bytes and 1 or 0,
    gso_bytes = o.bytes or 0, header_length = o.bytes and 54 or 0, checksum_start = 34, checksum_offset = 16 }
end

-- An ICMP echo request over IPv4.
function M.echo(src, dst, src_mac, dst_mac)
  local body = "\0\7\0\1" .. ("ping"):rep(10)
  local icmp = "\8\0" .. M.u16(0xffff - M.sum("\8\0\0\0" .. body)) .. body
  return dst_mac .. src_mac .. "\8\0" .. ipv4(1, src, dst, icmp)
end

-- The checksums of an untagged IPv4 frame with TCP, UDP or ICMP are right, and its length is that of its bytes.
function M.is_sound(frame)
  local ip = frame:sub(15)
  local total = ip:byte(3) * 256 + ip:byte(4)
  local protocol, payload = ip:byte(10), ip:sub(21, total)
  local pseudo = protocol == 1 and 0 or M.sum(ip:sub(13, 20) .. M.u16(protocol) .. M.u16(#payload))
  return total == #ip and M.sum(ip:sub(1, 20)) == 0xffff and M.sum(payload, pseudo) == 0xffff
end

return M
