-- seeds_gso -- writes the first inputs of the harness `gso`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_gso.lua
local ffi = require("ffi")
require("nf.core")
local frames = require("support_frames")

local u16 = frames.u16
local ADDRESSES = ("\2"):rep(12)
local SIX = ("\xfd" .. ("\0"):rep(14) .. "\1"):rep(2)
local TCP = "\4\0\8\0\0\0\3\232\0\0\0\7\x50\x99\1\0\0\0\0\0"
local OPTIONS = "\1\1\8\10\0\0\0\1\0\0\0\2"

local function tcp(options, payload) return TCP:sub(1, 12) .. string.char(80 + #options * 4) .. TCP:sub(14) .. options .. payload end
local function udp(payload) return "\4\0\8\0" .. u16(8 + #payload) .. "\0\0" .. payload end
local function ipv4(protocol, payload, options)
  options = options or ""
  return "\8\0" .. string.char(0x45 + #options / 4) .. "\0" .. u16(20 + #options + #payload) .. "\0\5\x40\0\64" .. string.char(protocol)
    .. "\0\0\10\0\0\1\10\0\0\2" .. options .. payload
end
local function ipv6(next, payload) return "\x86\xdd\x60\0\0\0" .. u16(#payload) .. string.char(next) .. "\64" .. SIX .. payload end

local payload = ("0123456789"):rep(30)
local seeds = {
  tcp4 = { 1, 34, 16, ipv4(6, tcp("", payload)) },
  tcp4_options = { 0x81, 38, 16, ipv4(6, tcp(OPTIONS, payload), "\1\1\1\0") },
  tcp4_tagged = { 1, 42, 16, "\x88\xa8\0\1\x81\0\0\5" .. ipv4(6, tcp("", payload)) },
  tcp6 = { 4, 54, 16, ipv6(6, tcp(OPTIONS, payload)) },
  tcp6_extension = { 4, 70, 16, ipv6(0, "\60\0\1\4\0\0\0\0" .. "\6\0\1\4\0\0\0\0" .. tcp("", payload)) },
  tcp6_fragment = { 4, 62, 16, ipv6(44, "\6\0\0\1\0\0\0\7" .. tcp("", payload)) },
  udp4 = { 5, 34, 6, ipv4(17, udp(payload)) },
  udp6 = { 5, 54, 6, ipv6(17, udp(payload)) },
  ufo = { 3, 34, 6, ipv4(17, udp(payload)) },
  checksum = { 0, 34, 6, ipv4(17, udp(payload)) },
  padded = { 1, 34, 16, ipv4(6, tcp("", payload)) .. ("\0"):rep(20) },
}

for name, seed in pairs(seeds) do
  for flags = 0, 1 do
    local header = ffi.new("struct virtio_net", flags, seed[1], 54, seed[1] == 0 and 0 or 100, seed[2], seed[3])
    local file = assert(io.open(("tests/fuzz/corpus/gso/%s_%d"):format(name, flags), "wb"))
    file:write(ffi.string(header, 10), ADDRESSES, seed[4])
    file:close()
  end
end
