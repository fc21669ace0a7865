-- support_lwaftr -- configurations, packets and checks for tests of the lwAFTR. Packets are IP packets as strings; frames are made
-- and taken off here.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local frames = require("support_frames")
local support = require("support")

ffi.cdef([[int inet_pton(int family, const char *text, void *address);]])

local M = {}
local u16, u32, sum = frames.u16, frames.u32, frames.sum
M.u16, M.u32 = u16, u32

-- Addresses as bytes.
function M.ip(text)
  local bytes = ffi.new("uint8_t[16]")
  local six = text:find(":", 1, true) ~= nil
  assert(ffi.C.inet_pton(six and 10 or 2, text, bytes) == 1, text)
  return ffi.string(bytes, six and 16 or 4)
end

-- The world of these tests: one address of its own for A; B, C and D share one, of which D has the lowest ports.
M.OWN4, M.OWN6, M.HOST = "203.0.113.1", "2001:db8:af::f", "192.0.2.9"
M.WHOLE, M.SHARED, M.UNSERVED = "198.51.100.1", "198.51.100.2", "198.51.100.99"
M.A, M.B, M.C, M.D = "2001:db8:b4::a", "2001:db8:b4::b", "2001:db8:b4::c", "2001:db8:b4::d"
M.BR, M.BR2 = "2001:db8:af::1", "2001:db8:af::2"

local function softwire(ipv4, psid, b4, br, set)
  return ("    softwire { ipv4 %s; psid %d; b4-ipv6 %s; br-address %s; port-set { %s } }\n"):format(ipv4, psid, b4, br, set)
end
M.softwire = softwire

M.TABLE = softwire(M.WHOLE, 0, M.A, M.BR, "psid-length 0;") .. softwire(M.SHARED, 4, M.B, M.BR, "psid-length 6;") ..
  softwire(M.SHARED, 5, M.C, M.BR2, "psid-length 6;") .. softwire(M.SHARED, 0, M.D, M.BR, "psid-length 6;")

-- A configuration: external and internal are what stands in the blocks of policies; hop4, hop6, vlan4, vlan6 in those of the queue.
function M.conf(o)
  o = o or {}
  return ([[
softwire-config {
  instance {
    device test;
    queue {
      id 0;
      external-interface { ip %s; mac 02:00:00:00:04:01; next-hop { %s } %s }
      internal-interface { ip %s; mac 02:00:00:00:06:01; next-hop { %s } %s }
    }
  }
  external-interface { %s }
  internal-interface { %s }
  binding-table {
%s  }
}
]]):format(M.OWN4, o.hop4 or "mac 02:00:00:00:04:02;", o.vlan4 or "", M.OWN6, o.hop6 or "mac 02:00:00:00:06:02;", o.vlan6 or "",
    o.external or "", o.internal or "", o.table or M.TABLE)
end

local number = 0
-- A file with a configuration.
function M.file(text)
  M.folder = M.folder or support.folder()
  number = number + 1
  local path = ("%s/%d.conf"):format(M.folder, number)
  support.write(path, text)
  return path
end

-- An IPv4 packet. o: src, dst, protocol, payload, ttl, tos, id, df, more, offset (bytes), options, bad (wrong checksum), total
function M.ipv4(o)
  local options, payload = o.options or "", o.payload or ""
  local flags = (o.df and 0x4000 or 0) + (o.more and 0x2000 or 0) + (o.offset or 0) / 8
  local head = string.char(0x45 + #options / 4, o.tos or 0) .. u16(o.total or 20 + #options + #payload) .. u16(o.id or 0x1234) .. u16(flags) ..
    string.char(o.ttl or 64, o.protocol or 17)
  local addresses = M.ip(o.src) .. M.ip(o.dst)
  local checksum = 0xffff - sum(head .. addresses .. options)
  return head .. u16(o.bad and (checksum + 1) % 0x10000 or checksum) .. addresses .. options .. payload
end

function M.udp(from, to, data) return u16(from) .. u16(to) .. u16(8 + #(data or "data")) .. "\0\0" .. (data or "data") end

-- An ICMP message: type, code, the four bytes behind the checksum, data.
function M.icmp(kind, code, rest, data, bad)
  local body = string.char(kind, code) .. "\0\0" .. rest .. (data or "")
  local checksum = 0xffff - sum(body)
  return string.char(kind, code) .. u16(bad and (checksum + 1) % 0x10000 or checksum) .. rest .. (data or "")
end

function M.echo(id, data) return M.icmp(8, 0, u16(id) .. "\0\1", data or "ping") end
function M.reply(id, data) return M.icmp(0, 0, u16(id) .. "\0\1", data or "ping") end

-- UDP from the internet to a port, and from a port to the internet.
function M.inward(dst, port, o)
  local p = { src = M.HOST, dst = dst, payload = M.udp(5000, port) }
  for k, v in pairs(o or {}) do p[k] = v end
  return M.ipv4(p)
end

function M.outward(src, port, o)
  local p = { src = src, dst = M.HOST, payload = M.udp(port, 5000) }
  for k, v in pairs(o or {}) do p[k] = v end
  return M.ipv4(p)
end

-- An IPv6 packet. o: src, dst, next, payload, class, label, hops
function M.ipv6(o)
  return u32(6 * 2 ^ 28 + (o.class or 0) * 2 ^ 20 + (o.label or 0)) .. u16(#o.payload) .. string.char(o.next, o.hops or 64) ..
    M.ip(o.src) .. M.ip(o.dst) .. o.payload
end

-- An inner packet in the tunnel from a B4, and as the lwAFTR sends it to one.
function M.tunnel(b4, inner, br, o)
  local p = { src = b4, dst = br or M.BR, next = 4, payload = inner }
  for k, v in pairs(o or {}) do p[k] = v end
  return M.ipv6(p)
end

function M.tunnelled(b4, inner, br, o)
  local p = { src = br or M.BR, dst = b4, next = 4, payload = inner, hops = 255, class = inner:byte(2) }
  for k, v in pairs(o or {}) do p[k] = v end
  return M.ipv6(p)
end

function M.icmpv6(src, dst, kind, code, rest, data, bad)
  local body = string.char(kind, code) .. "\0\0" .. rest .. (data or "")
  local checksum = 0xffff - sum(M.ip(src) .. M.ip(dst) .. u32(#body) .. u32(58) .. body)
  return M.ipv6({ src = src, dst = dst, next = 58, hops = 255,
    payload = string.char(kind, code) .. u16(bad and (checksum + 1) % 0x10000 or checksum) .. rest .. (data or "") })
end

-- A packet with another TTL, its checksum right.
function M.ttl(packet, ttl)
  local header = (packet:byte(1) % 16) * 4
  local head = packet:sub(1, 8) .. string.char(ttl) .. packet:sub(10, 10)
  return head .. u16(0xffff - sum(head .. packet:sub(13, header))) .. packet:sub(13)
end

-- An ICMPv4 error of the lwAFTR: type, code, MTU, what it quotes. o: ttl
function M.error4(kind, code, mtu, quoted, o)
  return M.ipv4({ src = M.OWN4, dst = table.concat({ quoted:byte(13, 16) }, "."), protocol = 1, ttl = o and o.ttl or 255, id = 0,
    payload = M.icmp(kind, code, "\0\0" .. u16(mtu), quoted:sub(1, 548)) })
end

local ETHERNET = { [4] = "\2\0\0\0\4\9\2\0\0\0\4\8\8\0", [6] = "\2\0\0\0\6\9\2\0\0\0\6\8\x86\xdd" }
-- What frames that leave begin with.
M.OUT4, M.OUT6 = "\2\0\0\0\4\2\2\0\0\0\4\1\8\0", "\2\0\0\0\6\2\2\0\0\0\6\1\x86\xdd"

-- A packet in a frame as it arrives.
function M.frame(packet) return ETHERNET[math.floor(packet:byte(1) / 16)] .. packet end

-- An instance of lwaftr.lwaftr; params: further parameters.
function M.app(conf, params)
  support.memory(400, 64)
  local p = { "lwaftr.lwaftr", config = M.file(M.conf(conf)) }
  for k, v in pairs(params or {}) do p[k] = v end
  M.sent = 0
  return support.app("lwaftr.lwaftr", p)
end

local function unpack_frames(link, begin)
  local list = support.receive(link)
  for i, frame in ipairs(list) do
    lu.assertEquals(frame:sub(1, 14), begin)
    list[i] = frame:sub(15)
  end
  return list
end

-- Send raw frames to the app; gives the packets that leave on the v4 and on the v6 side.
function M.send_frames(app, v4, v6)
  for _, frame in ipairs(v4 or {}) do support.send(app.input[0], frame) end
  for _, frame in ipairs(v6 or {}) do support.send(app.input[1], frame) end
  M.sent = M.sent + #(v4 or {}) + #(v6 or {})
  local out4, out6 = {}, {}
  while nf.link_waiting(app.input[0]) + nf.link_waiting(app.input[1]) > 0 do
    support.push(app)
    for _, p in ipairs(unpack_frames(app.output[0], M.OUT4)) do out4[#out4 + 1] = p end
    for _, p in ipairs(unpack_frames(app.output[1], M.OUT6)) do out6[#out6 + 1] = p end
  end
  M.left = (M.left or 0) + #out4 + #out6
  return out4, out6
end

-- The same with packets.
function M.send(app, v4, v6)
  local function all(list)
    local result = {}
    for i, packet in ipairs(list or {}) do result[i] = M.frame(packet) end
    return result
  end
  return M.send_frames(app, all(v4), all(v6))
end

-- All counters that are not 0, as a table.
function M.counters(app)
  local list, i = {}, 0
  while app.class.counters[i] ~= nil do
    local name = ffi.string(app.class.counters[i])
    if app.counter[i] > 0 and name ~= "softwires" then list[name] = tonumber(app.counter[i]) end
    i = i + 1
  end
  return list
end

-- Drops by reason; the sum of the drop counters of all reasons, and that of the two for everything.
local function drops(app)
  local reasons, counted, all, i = 0, 0, 0, 0
  for r = 0, app.reason_count - 1 do reasons = reasons + tonumber(app.reason[r]) end
  local uncounted = support.reason(app, "bad-length") + support.reason(app, "unsegmented") + support.reason(app, "error-unbound")
  while app.class.counters[i] ~= nil do
    local name = ffi.string(app.class.counters[i])
    local value = tonumber(app.counter[i])
    if name:match("^drop%-all%-.*packets$") then
      all = all + value
    elseif (name:match("^drop%-.*packets$") or name:match("frag%-disabled$")) and not name:match("^drop%-out") and
      not name:match("rate%-limit") and not name:match("rfc7596") then
      counted = counted + value
    end
    i = i + 1
  end
  return reasons - uncounted, counted, all
end

-- Nothing is lost: the app's part of the ledger, and the drop counters add up. held: packets that wait in it.
function M.check(app, held)
  local reasons, counted, all = drops(app)
  lu.assertEquals(counted, all, "drop counters do not add up")
  lu.assertEquals(reasons, all, "drop counters and reasons differ")
  local total = 0
  for r = 0, app.reason_count - 1 do total = total + tonumber(app.reason[r]) end
  lu.assertEquals(M.sent + tonumber(app.created), M.left + total + tonumber(app.consumed) + (held or 0), "the ledger does not balance")
end

-- One case: packets in, packets out on both sides, and all counters that are not 0, by name. Counters with packets and bytes are
-- written { packets, bytes } without the end of their names. o: conf, params; v4, v6: what comes in; out4, out6: what goes out
function M.case(o)
  M.left = 0
  local app = M.app(o.conf, o.params)
  local out4, out6 = M.send(app, o.v4, o.v6)
  lu.assertEquals(out4, o.out4 or {})
  lu.assertEquals(out6, o.out6 or {})
  local want = {}
  for name, value in pairs(o.counters or {}) do
    if type(value) == "table" then
      want[name .. "-packets"], want[name .. "-bytes"] = value[1], value[2]
    else
      want[name] = value
    end
  end
  if o.counters then lu.assertEquals(M.counters(app), want) end
  M.check(app)
  support.finish(app)
end

return M
