-- support_dissect -- frames of all kinds of which nf shows the fields, for the tests of dissect and the seeds of its harness.
local frames = require("support_frames")

local u16, u32 = frames.u16, frames.u32
local M = {}

M.DST, M.SRC = "\2\0\0\0\0\1", "\2\0\0\0\0\2"
local A4, B4 = "\192\0\2\1", "\198\51\100\7"
local A6, B6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1", "\32\1\13\184" .. ("\0"):rep(11) .. "\2"

function M.ethernet(type, payload, tags) return M.DST .. M.SRC .. (tags or "") .. u16(type) .. payload end

-- o: options, fragment (the field), protocol
function M.ipv4(protocol, payload, o)
  o = o or {}
  local options = o.options or ""
  return string.char(0x45 + #options / 4) .. "\16" .. u16(20 + #options + #payload) .. u16(4711) .. u16(o.fragment or 0) .. "\64" ..
    string.char(protocol) .. "\171\205" .. A4 .. B4 .. options .. payload
end

function M.ipv6(next, payload)
  return "\106\177\35\69" .. u16(#payload) .. string.char(next) .. "\63" .. A6 .. B6 .. payload
end

function M.udp(payload) return u16(1024) .. u16(53) .. u16(8 + #payload) .. u16(0xbeef) .. payload end

function M.tcp(flags, options, payload)
  return u16(443) .. u16(50000) .. u32(305419896) .. u32(7) .. string.char(80 + #options * 4, flags) .. u16(512) .. u16(0x1234) .. "\0\0" ..
    options .. payload
end

function M.arp(operation)
  return u16(1) .. u16(0x800) .. "\6\4" .. u16(operation) .. M.SRC .. A4 .. ("\0"):rep(6) .. B4
end

function M.fragment6(next, offset, more)
  return string.char(next) .. "\0" .. u16(offset + (more and 1 or 0)) .. u32(99)
end

return M
