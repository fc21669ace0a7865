-- lua.select -- pass on the packets that meet every given condition; send the others to `rejected`, or drop them.
--
-- A condition with several values is met by one of them. VLAN tags in the frame are looked through (two at most), IPv6
-- extension headers too (eight at most). A packet that is too short for a header that a condition asks for does not meet it;
-- a fragment other than the first has no ports.
local link, packet = require("nf.link"), require("nf.packet")
local count, receive, send = link.count, link.receive, link.send
local length_of, u8, u16, u32 = packet.length, packet.u8, packet.u16, packet.u32
local band, byte, floor = bit.band, string.byte, math.floor

local VLAN, SERVICE_VLAN, IPV4, IPV6, ARP = 0x8100, 0x88a8, 0x0800, 0x86dd, 0x0806    -- IEEE 802 numbers (IANA)
local TCP, UDP, SCTP, FRAGMENT = 6, 17, 132, 44                                        -- protocol numbers (IANA)
local IS_EXTENSION = { [0] = true, [43] = true, [60] = true }                          -- RFC 8200 4.1: 8 + 8 * length bytes
local ETHERTYPE = { arp = ARP, ipv4 = IPV4, ipv6 = IPV6 }
local PROTOCOL = { icmp = 1, tcp = TCP, udp = UDP, gre = 47, esp = 50, icmp6 = 58, sctp = SCTP }

-- A list as a set; nil for an absent one.
local function set_of(list)
  local set = list and {}
  for _, item in ipairs(list or {}) do set[item] = true end
  return set
end

-- The lowest and the highest address of a prefix, as 32-bit words: a word that lies between its two limits belongs to it.
local function words_of(prefix)
  local words = {}
  for i = 0, 3 do
    local a, b, c, d = byte(prefix.address, 4 * i + 1, 4 * i + 4)
    local free = 2 ^ math.min(math.max(32 * (i + 1) - prefix.length, 0), 32)
    local low = ((a * 256 + b) * 256 + c) * 256 + d
    words[2 * i + 1], words[2 * i + 2] = low, low + free - 1
  end
  return words
end

-- Whether an IPv4 address is in one of the ranges; whether the IPv6 address at an offset is.
local function is_in4(ranges, n, address)
  for i = 1, n, 2 do
    if address >= ranges[i] and address <= ranges[i + 1] then return true end
  end
  return false
end

local function is_in6(prefixes, n, p, offset)
  local a, b, c, d = u32(p, offset), u32(p, offset + 4), u32(p, offset + 8), u32(p, offset + 12)
  for i = 1, n do
    local w = prefixes[i]
    if a >= w[1] and a <= w[2] and b >= w[3] and b <= w[4] and c >= w[5] and c <= w[6] and d >= w[7] and d <= w[8] then
      return true
    end
  end
  return false
end

-- Protocol and offset of what an IPv4 header at `offset` carries; the offset is nil where there are no ports.
local function ipv4_payload(p, offset)
  local header = band(u8(p, offset), 15) * 4
  local protocol = u8(p, offset + 9)
  if header < 20 or band(u16(p, offset + 6), 0x1fff) ~= 0 then return protocol, nil end
  return protocol, offset + header
end

-- The same of an IPv6 header, behind its extension headers.
local function ipv6_payload(p, offset, length)
  local protocol = u8(p, offset + 6)
  offset = offset + 40
  for _ = 1, 8 do
    if length < offset + 8 then break end
    if IS_EXTENSION[protocol] then
      protocol, offset = u8(p, offset), offset + 8 + 8 * u8(p, offset + 1)
    elseif protocol == FRAGMENT then
      local position = floor(u16(p, offset + 2) / 8)
      protocol, offset = u8(p, offset), offset + 8
      if position ~= 0 then return protocol, nil end
    else
      break
    end
  end
  return protocol, offset
end

-- Whether a packet meets all conditions.
local function is_selected(self, p)
  local length = length_of(p)
  if length < 14 then return not self.has_conditions end
  local ethertype, offset = u16(p, 12), 14
  for _ = 1, 2 do
    if (ethertype == VLAN or ethertype == SERVICE_VLAN) and length >= offset + 4 then
      ethertype, offset = u16(p, offset + 2), offset + 4
    end
  end
  if self.ethertypes and not self.ethertypes[ethertype] then return false end
  if not self.looks_deeper then return true end

  local protocol, payload, is_near
  if ethertype == IPV4 and length >= offset + 20 then
    protocol, payload = ipv4_payload(p, offset)
    is_near = is_in4(self.ranges, self.range_count, u32(p, offset + 12)) or is_in4(self.ranges, self.range_count, u32(p, offset + 16))
  elseif ethertype == IPV6 and length >= offset + 40 then
    protocol, payload = ipv6_payload(p, offset, length)
    is_near = is_in6(self.prefixes, self.prefix_count, p, offset + 8) or is_in6(self.prefixes, self.prefix_count, p, offset + 24)
  end
  if self.has_addresses and not is_near then return false end
  if self.protocols and not (self.protocol_types[ethertype] or (protocol and self.protocols[protocol])) then return false end
  if self.ports then
    if not payload or length < payload + 4 or not (protocol == TCP or protocol == UDP or protocol == SCTP) then return false end
    return self.ports[u16(p, payload)] or self.ports[u16(p, payload + 2)] or false
  end
  return true
end

return {
  name = "select",
  help = "Pass on the packets that meet every condition.\n" ..
    "A condition with several values is met by one of them; without conditions every packet passes. The others go to the output " ..
    "`rejected`, or are dropped when that is not linked.",
  inputs = { "input" }, outputs = { "output", "rejected?" },
  counters = { "selected", "rejected" }, reasons = { "not-selected" },
  params = {
    ethertype = { type = "list", item = { type = "u16", min = 0x600 }, min = 1, help = "Ethernet types, behind VLAN tags: 0x0800" },
    protocol = { type = "list", min = 1, help = "protocols",
      item = { type = "enum", choices = { "arp", "ipv4", "ipv6", "icmp", "icmp6", "tcp", "udp", "sctp", "gre", "esp" } } },
    port = { type = "list", item = { type = "u16" }, min = 1, help = "TCP, UDP or SCTP ports: source or destination is one of them" },
    prefix = { type = "list", item = { type = "prefix4" }, min = 1, help = "IPv4 prefixes: source or destination lies in one of them" },
    prefix6 = { type = "list", item = { type = "prefix6" }, min = 1, help = "the same for IPv6; with both, IPv4 and IPv6 pass" },
    invert = { type = "bool", default = false, help = "pass on the packets that do not meet the conditions" },
  },

  new = function(params)
    local self = { invert = params.invert, ethertypes = set_of(params.ethertype), ports = set_of(params.port), protocol_types = {},
      ranges = {}, prefixes = {} }
    if params.protocol then self.protocols = {} end
    for _, name in ipairs(params.protocol or {}) do
      if ETHERTYPE[name] then self.protocol_types[ETHERTYPE[name]] = true else self.protocols[PROTOCOL[name]] = true end
    end
    for _, prefix in ipairs(params.prefix or {}) do
      self.ranges[#self.ranges + 1] = prefix.address
      self.ranges[#self.ranges + 1] = prefix.address + 2 ^ (32 - prefix.length) - 1
    end
    for i, prefix in ipairs(params.prefix6 or {}) do self.prefixes[i] = words_of(prefix) end
    self.range_count, self.prefix_count = #self.ranges, #self.prefixes
    self.has_addresses = params.prefix ~= nil or params.prefix6 ~= nil
    self.looks_deeper = self.has_addresses or self.protocols ~= nil or self.ports ~= nil
    self.has_conditions = self.looks_deeper or self.ethertypes ~= nil
    return self
  end,

  push = function(self)
    local input, output, rejected = self.input.input, self.output.output, self.output.rejected
    local invert, passed, others = self.invert, 0, 0
    for _ = 1, count(input) do
      local p = receive(input)
      if is_selected(self, p) ~= invert then
        passed = passed + 1
        send(output, p)
      else
        others = others + 1
        if rejected then send(rejected, p) else self:drop("not-selected", p) end
      end
    end
    self:count("selected", passed)
    self:count("rejected", others)
  end,
}
