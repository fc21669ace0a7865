-- support_ip -- IPv4, IPv6, ARP and Neighbor Discovery frames with right checksums, from tables of their fields.
local frames = require("support_frames")

local M = {}
local u16, u32, sum = frames.u16, frames.u32, frames.sum

M.OWN_MAC, M.PEER_MAC, M.OTHER_MAC = "\2\0\0\0\0\1", "\2\0\0\0\0\2", "\2\0\0\0\0\3"
M.ALL_MAC = ("\255"):rep(6)
M.TYPE4, M.TYPE6, M.TYPE_ARP = "\8\0", "\x86\xdd", "\8\6"

-- Addresses from their text.
function M.ip4(text)
  return (text:gsub("(%d+)%.?", function (n) return string.char(tonumber(n)) end))
end

function M.ip6(text)
  local function groups(part)
    local bytes = {}
    for group in part:gmatch("%x+") do bytes[#bytes + 1] = u16(tonumber(group, 16)) end
    return table.concat(bytes)
  end
  local head, tail = text:match("^(.*)::(.*)$")
  if not head then return groups(text) end
  head, tail = groups(head), groups(tail)
  return head .. ("\0"):rep(16 - #head - #tail) .. tail
end

-- The checksum of a text.
function M.checksum(text, carry) return u16(0xffff - sum(text, carry)) end

function M.ethernet(o, type, payload) return (o.dst_mac or M.OWN_MAC) .. (o.src_mac or M.PEER_MAC) .. type .. payload end

-- An IPv4 frame. o: src, dst (bytes), protocol, ttl, id, tos, fragment (flags and offset as one number), options, bad (checksum)
function M.ipv4(o, payload)
  local options = o.options or ""
  local head = string.char(0x45 + #options / 4, o.tos or 0) .. u16(o.total or 20 + #options + #payload) .. u16(o.id or 1) ..
    u16(o.fragment or 0) .. string.char(o.ttl or 64, o.protocol or 17)
  local rest = (o.src or "\192\0\2\1") .. (o.dst or "\198\51\100\1") .. options
  local check = o.bad and "\x12\x34" or M.checksum(head .. "\0\0" .. rest)
  return M.ethernet(o, M.TYPE4, head .. check .. rest .. payload)
end

-- An IPv6 frame. o: src, dst (bytes), next, hop_limit, class_label
function M.ipv6(o, payload)
  return M.ethernet(o, M.TYPE6, u32(0x60000000 + (o.class_label or 0)) .. u16(o.payload or #payload) ..
    string.char(o.next or 17, o.hop_limit or 64) .. (o.src or M.ip6("2001:db8::1")) .. (o.dst or M.ip6("2001:db8::2")) .. payload)
end

-- An ICMP message; of ICMPv6 with the pseudo header of the frame o.
function M.icmp(type, code, rest) return string.char(type, code) .. M.checksum(string.char(type, code) .. "\0\0" .. rest) .. rest end

function M.icmp6(o, type, code, rest)
  local length = 4 + #rest
  local text = string.char(type, code) .. "\0\0" .. rest
  local pseudo = (o.src or M.ip6("2001:db8::1")) .. (o.dst or M.ip6("2001:db8::2")) .. u32(length) .. "\0\0\0\58"
  return string.char(type, code) .. M.checksum(text, sum(pseudo)) .. rest
end

-- An ARP frame. o: op, sender_mac, sender, target_mac, target, dst_mac
function M.arp(o)
  local sender_mac = o.sender_mac or M.PEER_MAC
  return (o.dst_mac or M.ALL_MAC) .. (o.src_mac or sender_mac) .. M.TYPE_ARP .. "\0\1\8\0\6\4" .. u16(o.op or 1) .. sender_mac .. o.sender ..
    (o.target_mac or ("\0"):rep(6)) .. o.target
end

-- A Neighbor Discovery frame. o: as of M.ipv6, and type, code, flags (4 bytes), target, options, bad (checksum)
function M.ndp(o)
  local rest = (o.flags or "\0\0\0\0") .. (o.target or "") .. (o.options or "")
  local message = M.icmp6(o, o.type or 135, o.code or 0, rest)
  if o.bad then message = message:sub(1, 2) .. "\x12\x34" .. message:sub(5) end
  return M.ipv6({ src = o.src, dst = o.dst, next = 58, hop_limit = o.hop_limit or 255, src_mac = o.src_mac, dst_mac = o.dst_mac,
    payload = o.payload }, message)
end

return M
