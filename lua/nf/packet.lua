-- nf.packet -- packets, for apps written in Lua.
--
--     local packet = require("nf.packet")
--     if packet.length(p) >= 14 and packet.u16(p, 12) == 0x0800 then ... end
--
-- A packet p is a number that stands for it until it is passed on: sent, freed or dropped. After that, using it is an error.
-- Numbers in packets are in network order; the first byte has offset 0. What lies outside of a packet is an error.
local script, ffi, refuse = ...
if not ffi then return require("nf.outside")("packet") end

local C, bytes_of, type = ffi.C, ffi.string, type
local BOUNDS = C.SCRIPT_BOUNDS
local VLAN, PORT, HASH = C.SCRIPT_VLAN, C.SCRIPT_PORT, C.SCRIPT_HASH
local SECONDS, NANOSECONDS = C.SCRIPT_SECONDS, C.SCRIPT_NANOSECONDS

local packet = {}

-- A new packet of `length` zero bytes (default 0), or with the bytes of a string; nil when there is no packet left.
function packet.new(content)
  local length = type(content) == "string" and #content or content or 0
  local p = C.script_packet_new(script, length)
  if p < 0 then refuse(p, "packet.new", 0, 0, length) end
  if p == 0 then return nil end
  if type(content) == "string" then C.script_packet_set_bytes(script, p, 0, content, length) end
  return p
end

-- A copy of a packet, with all that is known about it; nil when there is no packet left.
function packet.copy(p)
  local copy = C.script_packet_copy(script, p)
  if copy < 0 then refuse(copy, "packet.copy") end
  if copy == 0 then return nil end
  return copy
end

-- Swallow a packet: it counts as consumed. To drop one for a reason, use self:drop.
function packet.free(p)
  local code = C.script_packet_free(script, p)
  if code < 0 then refuse(code, "packet.free") end
end

-- Bytes of the frame.
function packet.length(p)
  local length = C.script_packet_length(script, p)
  if length < 0 then refuse(length, "packet.length") end
  return length
end

-- Read a number of 1, 2 or 4 bytes.
function packet.u8(p, offset)
  local value = C.script_packet_u8(script, p, offset)
  if value < 0 then refuse(value, "packet.u8", p, offset, 1) end
  return value
end

function packet.u16(p, offset)
  local value = C.script_packet_u16(script, p, offset)
  if value < 0 then refuse(value, "packet.u16", p, offset, 2) end
  return value
end

function packet.u32(p, offset)
  local value = C.script_packet_u32(script, p, offset)
  if value < 0 then refuse(value, "packet.u32", p, offset, 4) end
  return value
end

-- Write a number of 1, 2 or 4 bytes.
function packet.set_u8(p, offset, value)
  local code = C.script_packet_set_u8(script, p, offset, value)
  if code < 0 then refuse(code, "packet.set_u8", p, offset, 1) end
end

function packet.set_u16(p, offset, value)
  local code = C.script_packet_set_u16(script, p, offset, value)
  if code < 0 then refuse(code, "packet.set_u16", p, offset, 2) end
end

function packet.set_u32(p, offset, value)
  local code = C.script_packet_set_u32(script, p, offset, value)
  if code < 0 then refuse(code, "packet.set_u32", p, offset, 4) end
end

-- n bytes from offset as a string; without n all to the end of the frame. Makes a string: not for every packet.
function packet.bytes(p, offset, n)
  offset = offset or 0
  n = n or C.script_packet_length(script, p) - offset
  local at = C.script_packet_at(script, p, offset, n)
  if at == nil then refuse(BOUNDS, "packet.bytes", p, offset, n) end
  return bytes_of(at, n)
end

-- Write a string's bytes into the frame, from offset on.
function packet.set_bytes(p, offset, bytes)
  local code = C.script_packet_set_bytes(script, p, offset, bytes, #bytes)
  if code < 0 then refuse(code, "packet.set_bytes", p, offset, #bytes) end
end

-- Add before (prepend) or behind (append) the frame: n zero bytes, or a string's bytes.
function packet.prepend(p, content)
  local n = type(content) == "string" and #content or content
  local code = C.script_packet_prepend(script, p, n)
  if code < 0 then refuse(code, "packet.prepend", p, -n, n) end
  if type(content) == "string" then C.script_packet_set_bytes(script, p, 0, content, n) end
end

function packet.append(p, content)
  local n = type(content) == "string" and #content or content
  local length = C.script_packet_length(script, p)
  local code = C.script_packet_append(script, p, n)
  if code < 0 then refuse(code, "packet.append", p, length, n) end
  if type(content) == "string" then C.script_packet_set_bytes(script, p, length, content, n) end
end

-- Take n bytes off the front of the frame; cut it to n bytes.
function packet.strip(p, n)
  local code = C.script_packet_strip(script, p, n)
  if code < 0 then refuse(code, "packet.strip", p, 0, n) end
end

function packet.truncate(p, n)
  local code = C.script_packet_truncate(script, p, n)
  if code < 0 then refuse(code, "packet.truncate", p, 0, n) end
end

-- The VLAN tag (TCI) that a card or the kernel took out of the frame; nil when there was none.
function packet.vlan(p)
  local vlan = C.script_packet_field(script, p, VLAN)
  if vlan >= 0 then return vlan end
  if vlan ~= BOUNDS then refuse(vlan, "packet.vlan") end
  return nil
end

-- Set that tag; nil takes it away.
function packet.set_vlan(p, vlan)
  local code = C.script_packet_set_field(script, p, VLAN, vlan or BOUNDS)
  if code < 0 then refuse(code, "packet.set_vlan") end
end

-- The number of the port that it arrived on, 0: none. The flow hash, 0: none.
function packet.port(p)
  local port = C.script_packet_field(script, p, PORT)
  if port < 0 then refuse(port, "packet.port") end
  return port
end

function packet.hash(p)
  local hash = C.script_packet_field(script, p, HASH)
  if hash < 0 then refuse(hash, "packet.hash") end
  return hash
end

function packet.set_hash(p, hash)
  local code = C.script_packet_set_field(script, p, HASH, hash)
  if code < 0 then refuse(code, "packet.set_hash") end
end

-- When it arrived: seconds since 1970 and nanoseconds of that second; 0, 0 when unknown.
function packet.timestamp(p)
  local seconds = C.script_packet_field(script, p, SECONDS)
  if seconds < 0 then refuse(seconds, "packet.timestamp") end
  return seconds, C.script_packet_field(script, p, NANOSECONDS)
end

return packet
