-- support_unfinish -- a Lua app, as a text, that leaves checksums and tags to whoever sends the packets: a driver, a tap.

-- Takes tags of VLAN 100 and above out into the metadata, and unfinishes checksums: of TCP and UDP, and of ICMP, which no card knows.
-- A frame whose source address ends with 99 says that its checksum lies elsewhere than it does.
return [[
local ffi, nf = require("ffi"), require("nf.core")
local OFFSET = { [6] = 16, [17] = 6, [1] = 2 }
local function word(p, at) return p.data[at] * 256 + p.data[at + 1] end
local function unfinish(p)
  if word(p, 12) == 0x8100 and word(p, 14) >= 100 then
    p.meta.vlan = word(p, 14)
    for i = 11, 0, -1 do p.data[i + 4] = p.data[i] end
    p.data, p.length = p.data + 4, p.length - 4
    p.meta.flags = nf.PACKET_VLAN
  end
  local ip, l4, protocol, from, addresses, bytes = 14, nil, nil, nil, nil, nil
  while word(p, ip - 2) == 0x8100 do ip = ip + 4 end
  if word(p, ip - 2) == 0x0800 then
    l4, protocol, from, addresses = ip + p.data[ip] % 16 * 4, p.data[ip + 9], ip + 12, 8
    bytes = word(p, ip + 2) - (l4 - ip)
  elseif word(p, ip - 2) == 0x86dd then
    l4, protocol, from, addresses, bytes = ip + 40, p.data[ip + 6], ip + 8, 32, word(p, ip + 4)
  end
  if not OFFSET[protocol] then return end
  local total = protocol == 1 and 0 or protocol + bytes
  for i = 0, protocol == 1 and -1 or addresses - 1, 2 do total = total + word(p, from + i) end
  while total > 0xffff do total = total % 0x10000 + math.floor(total / 0x10000) end
  local at = l4 + OFFSET[protocol]
  p.data[at], p.data[at + 1] = math.floor(total / 256), total % 256
  p.meta.flags = p.meta.flags + nf.PACKET_CHECKSUM_PARTIAL
  p.meta.checksum_start, p.meta.checksum_offset = l4, OFFSET[protocol]
  if p.data[11] == 99 then p.meta.checksum_start = 60000 end
end
local link, packet = require("nf.link"), require("nf.packet")
-- A Lua app has no packet's address; but the next one that is made is the one on top of the pool.
local function remake(p)
  local bytes = packet.bytes(p, 0, packet.length(p))
  packet.free(p)
  local pool = nf.packet_pool[0]
  local raw = pool.stack[pool.count - 1]
  local new = packet.new(bytes)
  unfinish(raw)
  return new
end
return { name = "unfinish", help = "Leave checksums and tags to the next app.", unsafe = true, inputs = { "input" }, outputs = { "output" },
  push = function (self)
    for _ = 1, math.min(link.count(self.input.input), 8) do link.send(self.output.output, remake(link.receive(self.input.input))) end
  end }
]]
