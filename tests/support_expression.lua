-- support_expression -- random expressions of the pcap-filter language, and frames that they may match.
local M = {}

local random = math.random

local function pick(list) return list[random(#list)] end

-- Addresses and ports are few, so that expressions and frames meet.
local MACS = { "02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "01:80:c2:00:00:00" }
local HOSTS = { "10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.1.1", "224.0.0.1", "255.255.255.255" }
local NETS = { "10.0.0.0/8", "10.0.0.0/24", "10.0.0", "10", "192.168.0.0/16", "0.0.0.0/0", "10.0.0.0 mask 255.255.255.0", "10.0.0.1/32",
  "192.168.1.0/25", "128.0.0.0/1" }
local HOSTS6 = { "fd00::1", "fd00::2", "2001:db8::1", "ff02::1", "::1" }
local NETS6 = { "fd00::/8", "2001:db8::/32", "::/0", "fd00::1/128", "ff00::/8", "2001:db8::/33" }
local PORTS = { 0, 22, 53, 80, 443, 1024, 4096, 5000, 65535 }
local DIRECTIONS = { "", "", "", "src ", "dst ", "src or dst ", "src and dst " }
local PROTOCOLS = { "ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp", "ah", "esp", "pim", "vrrp", "igrp",
  "atalk", "aarp", "decnet", "iso", "stp", "ipx", "netbeui", "lat", "moprc", "mopdl", "llc", "isis", "clnp", "esis", "pppoed" }
local NUMBERS = { 0, 1, 2, 4, 5, 6, 7, 8, 15, 16, 17, 20, 31, 40, 47, 58, 60, 64, 80, 127, 128, 255, 256, 1000, 0x800, 0x86dd, 0x8100, 65535,
  0x10000, 0x0a000001, 0x7fffffff, 0x80000000, 0xffffffff }

local function number() return random(3) == 1 and tostring(random(0, 300)) or ("%.0f"):format(pick(NUMBERS)) end

local arithmetic

local function accessor(depth)
  local protocol = pick({ "ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "igmp", "sctp", "rarp", "link" })
  local index = (depth <= 0 or random(4) > 1) and tostring(random(0, pick({ 4, 20, 40, 80, 300 }))) or arithmetic(depth - 1)
  return ("%s[%s%s]"):format(protocol, index, pick({ "", "", ":1", ":2", ":4" }))
end

function arithmetic(depth)
  local kind = random(10)
  if depth <= 0 or kind <= 3 then
    if kind % 4 == 0 then return number() end
    return kind == 1 and "len" or accessor(depth - 1)
  elseif kind == 4 then
    return number()
  elseif kind == 5 then
    return "-" .. accessor(depth - 1)
  elseif kind == 6 then
    return pick({ "tcp[tcpflags]", "icmp[icmptype]", "icmp[icmpcode]", "icmp6[icmp6type]" })
  end
  local operator = pick({ "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>" })
  return ("(%s %s %s)"):format(arithmetic(depth - 1), operator, random(2) == 1 and number() or arithmetic(depth - 1))
end

local function relation(depth)
  return ("%s %s %s"):format(arithmetic(depth), pick({ "=", "==", "!=", "<", "<=", ">", ">=" }), random(3) > 1 and number() or
    arithmetic(depth))
end

local function range()
  local a, b = pick(PORTS), pick(PORTS)
  return ("%d-%d"):format(math.min(a, b), math.max(a, b))
end

local primitives = {
  function() return pick({ "", "ip ", "arp ", "ether " }) .. pick(DIRECTIONS) .. "host " .. pick(HOSTS) end,
  function() return "ether " .. pick(DIRECTIONS) .. "host " .. pick(MACS) end,
  function() return pick({ "", "ip ", "arp ", "rarp " }) .. pick(DIRECTIONS) .. "net " .. pick(NETS) end,
  function() return pick({ "", "ip6 " }) .. pick(DIRECTIONS) .. "host " .. pick(HOSTS6) end,
  function() return pick({ "", "ip6 " }) .. pick(DIRECTIONS) .. "net " .. pick(NETS6) end,
  function() return pick({ "", "tcp ", "udp ", "sctp ", "ip ", "ip6 " }) .. pick(DIRECTIONS) .. "port " .. pick(PORTS) end,
  function() return pick({ "", "tcp ", "udp " }) .. pick(DIRECTIONS) .. "portrange " .. range() end,
  function() return pick(PROTOCOLS) end,
  function() return pick({ "", "ip ", "ip6 " }) .. "proto " .. pick({ 1, 2, 4, 6, 17, 41, 44, 47, 50, 58, 132 }) end,
  function() return "ether proto " .. pick({ "0x800", "0x86dd", "0x806", "0x8100", "0x8847", "100", "1500" }) end,
  function() return pick({ "ether broadcast", "ether multicast", "ip multicast", "ip6 multicast", "multicast", "broadcast" }) end,
  function() return pick({ "less ", "greater " }) .. random(0, 200) end,
  function() return "len " .. pick({ "<", ">", "=", "<=", ">=" }) .. " " .. random(0, 200) end,
  function() return relation(random(0, 3)) end,
  function() return relation(2) end,
  function() return "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0" end,
  function() return pick({ "vlan", "vlan 5", "vlan 0", "vlan 4095", "mpls", "mpls 1000", "pppoes", "pppoes 7", "geneve", "geneve 9" }) end,
}

local function term(depth)
  local kind = depth <= 0 and 1 or random(6)
  if kind <= 2 then return primitives[random(#primitives)]() end
  if kind == 3 then return "not " .. term(depth - 1) end
  local parts = {}
  for i = 1, random(2, 4) do parts[i] = term(depth - 1) end
  local text = table.concat(parts, pick({ " and ", " or ", " && ", " || " }))
  return (random(3) == 1 and "not " or "") .. "(" .. text .. ")"
end

-- A random expression. Not each is one that libpcap accepts.
function M.expression() return term(random(0, 3)) end

local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end
local function bytes(n)
  local list = {}
  for i = 1, n do list[i] = string.char(random(0, 255)) end
  return table.concat(list)
end

local function mac() return (pick(MACS):gsub("(%x%x):?", function(digits) return string.char(tonumber(digits, 16)) end)) end
local function host() return (pick(HOSTS):gsub("(%d+)%.?", function(n) return string.char(tonumber(n)) end)) end
local function host6()
  return pick({ "\xfd" .. ("\0"):rep(14) .. "\1", "\xfd" .. ("\0"):rep(14) .. "\2", "\x20\1\13\xb8" .. ("\0"):rep(11) .. "\1",
    "\xff\2" .. ("\0"):rep(13) .. "\1", ("\0"):rep(15) .. "\1" })
end

local function transport(protocol)
  if protocol == 6 then
    return u16(pick(PORTS)) .. u16(pick(PORTS)) .. bytes(8) .. string.char(16 * random(5, 8), random(0, 63)) .. bytes(random(6, 40))
  elseif protocol == 17 and random(4) == 1 then
    return u16(pick(PORTS)) .. "\x17\xc1\0\30\0\0\0\0\x65\x58" .. pick({ "\0\0\9", "\0\0\8" }) .. "\0" .. mac() .. mac() .. "\8\0" .. bytes(30)
  elseif protocol == 17 or protocol == 132 then
    return u16(pick(PORTS)) .. u16(pick(PORTS)) .. u16(random(8, 60)) .. bytes(random(2, 50))
  end
  return string.char(random(0, 16), random(0, 3)) .. bytes(random(2, 30))
end

local function ipv4()
  local protocol, options = pick({ 6, 6, 17, 17, 1, 2, 132, 50, 47 }), pick({ 0, 0, 0, 1, 5, 10 })
  return "\8\0" .. string.char(0x45 + options, random(0, 255)) .. u16(random(20, 100)) .. bytes(2) ..
    pick({ "\0\0", "\0\0", "\x40\0", "\x20\0", "\0\1", "\x1f\xff" }) .. string.char(random(0, 255), protocol) .. bytes(2) .. host() .. host() ..
    bytes(4 * options) .. transport(protocol)
end

local function ipv6()
  local protocol = pick({ 6, 6, 17, 17, 58, 132, 44, 0 })
  local extension = ""
  if protocol == 44 or protocol == 0 then extension = string.char(pick({ 6, 17, 58 })) .. "\0" .. bytes(6) end
  return "\x86\xdd\x60" .. bytes(3) .. u16(random(0, 100)) .. string.char(protocol, random(0, 255)) .. host6() .. host6() .. extension ..
    transport(extension == "" and protocol or extension:byte(1))
end

local function arp()
  return pick({ "\8\6", "\x80\x35" }) .. "\0\1\8\0\6\4\0" .. string.char(random(1, 2)) .. mac() .. host() .. mac() .. host() .. bytes(pick({ 0, 18 }))
end

local function llc() return u16(random(3, 100)) .. pick({ "\x42\x42\3", "\xfe\xfe\3\x83", "\xaa\xaa\3\8\0\7\x80\x9b", "\xf0\xf0\3" }) .. bytes(40) end

-- What follows the addresses.
local function payload(depth)
  local kind = random(depth > 0 and 14 or 10)
  if kind <= 5 then return ipv4() end
  if kind <= 8 then return ipv6() end
  if kind == 9 then return arp() end
  if kind == 10 then return llc() end
  if kind <= 12 then
    return pick({ "\x81\0", "\x88\xa8", "\x91\0" }) .. pick({ "\0\5", "\xa0\5", "\0\0", "\x0f\xff" }) .. payload(depth - 1)
  end
  if kind == 13 then
    return pick({ "\x88\x47", "\x88\x48" }) .. pick({ "\0\x3e\x81\64", "\0\x3e\x80\64\0\0\x21\64" }) .. payload(0):sub(3)
  end
  return "\x88\x64\x11\0\0" .. pick({ "\7", "\8" }) .. u16(random(2, 100)) .. pick({ "\0\x21", "\0\x57" }) .. payload(0):sub(3)
end

-- A random frame: of the kinds that expressions are about, or nothing but random bytes.
function M.frame()
  if random(12) == 1 then return bytes(random(0, 120)) end
  return mac() .. mac() .. payload(2)
end

return M
