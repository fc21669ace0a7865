-- support_conntrack -- frames of both sides of filter.conntrack, and what becomes of them.
local lu = require("luaunit")
local bit = require("bit")
local ffi = require("ffi")
local nf = require("nf.core")
local basic = require("support_basic")
local support = require("support")

local M = {}
local current              -- the conntrack that the present test has

local function u8(n) return string.char(n % 256) end
local function u16(n) return u8(math.floor(n / 256)) .. u8(n) end
local function u32(n)
  n = n % 4294967296
  return u16(math.floor(n / 65536)) .. u16(n % 65536)
end
M.u8, M.u16, M.u32 = u8, u16, u32

-- Addresses: of family 4 "\10\0\0\n" inside, "\192\0\2\n" outside; of family 6 fd00::n and 2001:db8::n.
function M.inside(family, n)
  return family == 4 and "\10\0" .. u16(n or 1) or "\253" .. ("\0"):rep(13) .. u16(n or 1)
end
function M.outside(family, n)
  return family == 4 and "\192\0" .. u16(512 + (n or 1)) or "\32\1\13\184" .. ("\0"):rep(10) .. u16(n or 1)
end

-- An IP packet in a frame. src and dst tell the family by their length.
--   payload, protocol; fragment (IPv4: the 16 bits of flags and offset), id, options, total; hop; extensions (IPv6: bytes before the
--   payload, of which `protocol` is the first); tags: bytes before the type
function M.ip(o)
  local head, type
  local payload = (o.extensions or "") .. o.payload
  if #o.src == 4 then
    local options = o.options or ""
    head = u8(0x45 + #options / 4) .. "\0" .. u16(o.total or 20 + #options + #payload) .. u16(o.id or 0) .. u16(o.fragment or 0)
      .. u8(o.hop or 64) .. u8(o.protocol) .. "\0\0" .. o.src .. o.dst .. options
    type = "\8\0"
  else
    head = "\x60\0\0\0" .. u16(o.total or #payload) .. u8(o.protocol) .. u8(o.hop or 64) .. o.src .. o.dst
    type = "\x86\xdd"
  end
  return "\2\0\0\0\0\1\2\0\0\0\0\2" .. (o.tags or "") .. type .. head .. payload
end

local flag_bits = { F = 1, S = 2, R = 4, P = 8, A = 16, U = 32, E = 64, C = 128 }

-- A TCP header and its payload; flags as letters.
function M.tcp(o)
  local flags, options = 0, o.options or ""
  for letter in (o.flags or ""):gmatch(".") do flags = bit.bor(flags, flag_bits[letter]) end
  return u16(o.sport or 40000) .. u16(o.dport or 80) .. u32(o.seq or 0) .. u32(o.ack or 0) .. u8((5 + #options / 4) * 16) .. u8(flags)
    .. u16(o.window or 1000) .. "\0\0\0\0" .. options .. (o.data or "")
end

-- The option of a window scale, padded.
function M.scale(n) return "\1\3\3" .. u8(n) end

function M.udp(o)
  local data = o.data or "data"
  return u16(o.sport or 40000) .. u16(o.dport or 53) .. u16(o.length or 8 + #data) .. "\0\0" .. data
end

function M.icmp(type, code, rest) return u8(type) .. u8(code) .. "\0\0" .. rest end

-- An app under test and its ledger.
local bench = {}
bench.__index = bench

function M.start(params)
  params = params or {}
  params[1] = "filter.conntrack"
  params.flows = params.flows or 1000
  current = setmetatable({ bench = basic.start("filter.conntrack", params) }, bench)
  return current
end

local sides = { inside = 0, outside = 1 }

local function dropped(app)
  local list = {}
  for i = 0, app.reason_count - 1 do list[i] = tonumber(app.reason[i]) end
  return list
end

-- Send a frame into a side: gives "pass" or the reason it was dropped for. It must come out of the other side, and unchanged.
--   vlan: a tag in the metadata
function bench:send(side, frame, vlan)
  local b, before = self.bench, dropped(self.bench.app)
  b:give(sides[side], frame)
  if vlan then
    local p = nf.link_peek(b.app.input[sides[side]], 0)
    p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, vlan
  end
  b:push()
  assert(#b:take(sides[side]) == 0, "a packet came back to where it came from")
  local out = b:take(1 - sides[side])
  if out[1] then
    assert(out[1] == frame and #out == 1, "the frame was changed")
    return "pass"
  end
  for i, n in pairs(before) do
    if tonumber(b.app.reason[i]) ~= n then return ffi.string(b.app.class.reasons[i]) end
  end
  error("the frame is neither here nor there")
end

function bench:later(seconds) nf.clock_set(nf.clock_now() + seconds * 1e9) end
function bench:tick(n)
  for _ = 1, n or 1 do support.tick(self.bench.app) end
end

-- The counters and reasons that are not 0, by name.
function bench:counters()
  local list, app = {}, self.bench.app
  for i = 0, nf.app_name_count(app.class.counters) - 1 do
    if app.counter[i] ~= 0 then list[ffi.string(app.class.counters[i])] = tonumber(app.counter[i]) end
  end
  return list
end

function bench:reconfigure(params)
  params[1] = "filter.conntrack"
  params.flows = params.flows or 1000
  self.bench:reconfigure(params)
end

function bench:finish()
  self.bench:finish()
  current = nil
end

-- A connection: ends, family and tags; its methods make frames of its inside and its outside.
local connection = {}
connection.__index = connection

function M.connection(o)
  o = o or {}
  return setmetatable({ family = o.family or 4, a = o.a or M.inside(o.family or 4, o.host), b = o.b or M.outside(o.family or 4, o.peer),
    sport = o.sport or 40000, dport = o.dport or 80, tags = o.tags }, connection)
end

-- A frame of the payload that `make` gives for ports of the side; o goes on to make and to M.ip.
function connection:frame(side, make, protocol, o)
  local forth = side == "inside"
  o = o or {}
  o.sport, o.dport = forth and self.sport or self.dport, forth and self.dport or self.sport
  return M.ip({ src = forth and self.a or self.b, dst = forth and self.b or self.a, payload = make(o), protocol = protocol,
    tags = self.tags, fragment = o.fragment, id = o.id, total = o.total, extensions = o.extensions })
end

function connection:tcp(side, flags, seq, ack, o)
  o = o or {}
  o.flags, o.seq, o.ack = flags, seq, ack
  return self:frame(side, M.tcp, 6, o)
end

function connection:udp(side, o) return self:frame(side, M.udp, 17, o) end

function connection:echo(side, reply, id)
  local type = self.family == 4 and (reply and 0 or 8) or (reply and 129 or 128)
  return self:frame(side, function () return M.icmp(type, 0, u16(id or 7) .. "\0\1ping") end, self.family == 4 and 1 or 58)
end

-- An ICMP error from a router on `side` about a frame that the other side has sent.
--   type, code; quote: bytes of the IP packet that are quoted; to: another destination
function connection:error(side, frame, o)
  o = o or {}
  local four = self.family == 4
  local packet = frame:sub(15 + #(self.tags or ""))
  local quoted = packet:sub(1, o.quote or (four and 28 or 48))
  local source = four and packet:sub(13, 16) or packet:sub(9, 24)
  local router = side == "inside" and M.inside(self.family, 999) or M.outside(self.family, 99)
  return M.ip({ src = router, dst = o.to or source, protocol = four and 1 or 58, tags = self.tags,
    payload = M.icmp(o.type or (four and 3 or 1), o.code or 1, "\0\0\0\0" .. quoted) })
end

-- The handshake, with sequence numbers 1,000 inside and 5,000 outside.
function connection:open(w)
  return w:send("inside", self:tcp("inside", "S", 1000, 0)) .. w:send("outside", self:tcp("outside", "SA", 5000, 1001))
    .. w:send("inside", self:tcp("inside", "A", 1001, 5001))
end

-- A class of tests: each has packets and a clock of its own, and one conntrack at a time, which M.start gives.
function M.tests()
  return {
    setUp = function()
      support.memory(4000)
      nf.clock_set(1000000000ULL)
    end,
    tearDown = function()
      if current then current:finish() end
    end }
end

-- Send a frame into a side of the present conntrack and compare with what is expected, "pass" when nothing is said.
function M.expect(side, frame, result, what)
  lu.assertEquals(current:send(side, frame), result or "pass", what)
end

-- Run f(connection, conntrack) with both families and each of the tags, each with a conntrack of its own.
function M.each(tags, ports, params, f)
  for _, family in ipairs({ 4, 6 }) do
    for _, tag in ipairs(tags) do
      local copy = {}
      for key, value in pairs(params) do copy[key] = value end
      local w = M.start(copy)
      f(M.connection({ family = family, tags = tag, dport = ports.dport }), w)
      w:finish()
    end
  end
end

-- Of a fragmented datagram: IPv4 by flags and offset, IPv6 by a header. `at`: offset in 8 bytes; more: others follow.
function M.fragment(c, side, id, at, more, payload, protocol)
  if c.family == 4 then
    return c:frame(side, function () return payload end, protocol or 17, { id = id, fragment = at + (more and 8192 or 0) })
  end
  return c:frame(side, function () return payload end, 44,
    { extensions = string.char(protocol or 17) .. "\0" .. M.u16(at * 8 + (more and 1 or 0)) .. M.u32(id) })
end

return M
