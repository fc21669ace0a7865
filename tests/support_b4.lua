-- support_b4 -- a B4 with clients behind it and an lwAFTR before it, for tests of lwaftr.b4. Packets are IP packets as strings.
local lu = require("luaunit")
local ffi = require("ffi")
local basic = require("support_basic")
local frames = require("support_frames")
local w = require("support_lwaftr")

local M = {}
local u16, u32, sum = frames.u16, frames.u32, frames.sum

M.OWN_MAC, M.CLIENT_MAC, M.OTHER_MAC = "\2\0\0\0\0\1", "\2\0\0\0\0\x10", "\2\0\0\0\0\x11"
M.ROUTER, M.CLIENT, M.OTHER, M.PUBLIC, M.HOST = "192.168.1.1", "192.168.1.10", "192.168.1.11", w.SHARED, w.HOST
M.B4, M.BR = w.B, w.BR
M.INSIDE, M.TUNNEL, M.FRAGMENTS = 0, 1, 2
M.FIRST, M.LAST = 4096, 5119            -- ports of PSID 4 of 6 bits

function M.params(more)
  local p = { "lwaftr.b4", ipv4 = M.PUBLIC, psid = 4, psid_length = 6, b4 = M.B4, br = M.BR, ip = M.ROUTER, mac = "02:00:00:00:00:01",
    error_rate = 1000000 }
  for k, v in pairs(more or {}) do p[k] = v end
  return p
end

-- Transport parts with right checksums.
local function pseudo(src, dst, protocol, length) return sum(w.ip(src) .. w.ip(dst) .. u16(protocol) .. u16(length)) end

function M.udp(src, from, dst, to, data, o)
  data = data or "data"
  local head = u16(from) .. u16(to) .. u16(8 + #data)
  local checksum = 0xffff - sum(head .. "\0\0" .. data, pseudo(src, dst, 17, 8 + #data))
  if checksum == 0 then checksum = 0xffff end
  local p = { src = src, dst = dst, payload = head .. (o and o.no_checksum and "\0\0" or u16(checksum)) .. data }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

local FLAGS = { F = 1, S = 2, R = 4, A = 16 }
function M.tcp(src, from, dst, to, flags, data, o)
  local bits = 0
  for flag in flags:gmatch(".") do bits = bits + FLAGS[flag] end
  local head = u16(from) .. u16(to) .. u32(1000) .. u32(2000) .. "\x50" .. string.char(bits) .. u16(512)
  local text = head .. "\0\0\0\0" .. (data or "")
  local checksum = 0xffff - sum(text, pseudo(src, dst, 6, #text))
  local p = { src = src, dst = dst, protocol = 6, payload = head .. u16(checksum) .. "\0\0" .. (data or "") }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

function M.icmp(src, dst, message, o)
  local p = { src = src, dst = dst, protocol = 1, payload = message }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

function M.ports(packet)
  local header = (packet:byte(1) % 16) * 4
  local a, b, c, d = packet:byte(header + 1, header + 4)
  return a * 256 + b, c * 256 + d
end

function M.identifier(packet)
  local a, b = packet:byte(25, 26)
  return a * 256 + b
end

function M.address(packet, at) return table.concat({ packet:byte(at, at + 3) }, ".") end
function M.src(packet) return M.address(packet, 13) end
function M.dst(packet) return M.address(packet, 17) end

-- Length and checksums of an IPv4 packet, and of what it carries, are right.
function M.assertSound(packet, what)
  local header, protocol = (packet:byte(1) % 16) * 4, packet:byte(10)
  local payload = packet:sub(header + 1)
  local start = protocol == 1 and 0 or sum(packet:sub(13, 20) .. u16(protocol) .. u16(#payload))
  lu.assertEquals(packet:byte(3) * 256 + packet:byte(4), #packet, what)
  lu.assertEquals(sum(packet:sub(1, header)), 0xffff, what)
  if protocol ~= 17 or packet:sub(header + 7, header + 8) ~= "\0\0" then lu.assertEquals(sum(payload, start), 0xffff, what) end
end

local bench = {}
bench.__index = bench

-- A B4; params as of the class. support.memory was called before.
function M.start(params, inputs, outputs)
  return setmetatable({ app = basic.start("lwaftr.b4", M.params(params), inputs or { "inside", "tunnel" }, outputs or { "inside", "tunnel" }) },
    bench)
end

-- What left: IPv4 packets to clients, whose frames must come from the router, and IPv6 packets into the tunnel.
function bench:taken()
  local inside, tunnel = {}, {}
  for i, frame in ipairs(self.app:take(M.INSIDE)) do
    lu.assertEquals(frame:sub(7, 14), M.OWN_MAC .. "\8\0")
    inside[i], self.mac = frame:sub(15), frame:sub(1, 6)
  end
  for i, frame in ipairs(self.app:take(M.TUNNEL)) do
    lu.assertEquals(frame:sub(1, 14), ("\0"):rep(12) .. "\x86\xdd")
    tunnel[i] = frame:sub(15)
  end
  return inside, tunnel
end

function bench:give(port, frame)
  self.app:give(port, frame)
  self.app:push()
  return self:taken()
end

-- A client's packet. o: mac, of the client
function bench:out(packet, mac) return self:give(M.INSIDE, M.OWN_MAC .. (mac or M.CLIENT_MAC) .. "\8\0" .. packet) end

-- An IPv6 packet from the tunnel's interface; an IPv4 packet that the lwAFTR sends.
function bench:in6(packet) return self:give(M.TUNNEL, M.OWN_MAC .. M.OTHER_MAC .. "\x86\xdd" .. packet) end
function bench:tunnelled(packet, o) return self:in6(w.tunnelled(M.B4, packet, M.BR, o)) end

-- The only inner packet that a client's one becomes; the outer header is that of the tunnel, the inner packet sound.
function bench:outer(packet, mac)
  local inside, tunnel = self:out(packet, mac)
  lu.assertEquals({ #inside, #tunnel }, { 0, 1 })
  local inner = tunnel[1]:sub(41)
  lu.assertEquals(tunnel[1], w.ipv6({ src = M.B4, dst = M.BR, next = 4, hops = 64, class = inner:byte(2), payload = inner }))
  M.assertSound(inner)
  return inner
end

-- The only packet that reaches a client for one out of the tunnel.
function bench:inner(packet)
  local inside, tunnel = self:tunnelled(packet)
  lu.assertEquals({ #inside, #tunnel }, { 1, 0 })
  M.assertSound(inside[1])
  return inside[1]
end

-- Nothing leaves; the one packet is dropped for this reason.
function bench:dropped(reason, how, ...)
  local before = self.app:reason(reason)
  local inside, tunnel = self[how](self, ...)
  lu.assertEquals({ #inside, #tunnel, self.app:reason(reason) - before }, { 0, 0, 1 }, reason)
end

-- UDP of a client to a port of the host; gives the port that it got.
function bench:open(client, from, to, mac)
  local inner = self:outer(M.udp(client, from, M.HOST, to or 53), mac)
  return (M.ports(inner))
end

function bench:answer(port, from) return self:inner(M.udp(M.HOST, from or 53, M.PUBLIC, port)) end

function bench:counter(name) return self.app:counter(name) end
function bench:finish() self.app:finish() end
function bench:tick() self.app.app.class.tick(self.app.app) end
M.ffi = ffi
return M
