-- lua.select: each condition alone and together, lists, both outputs, and frames that are cut off or lie about their lengths.
local lu = require("luaunit")
local bit = require("bit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local script = require("support_script")

local function u16(n) return string.char(bit.rshift(n, 8), bit.band(n, 255)) end

local MACS = "\2\0\0\0\0\1\2\0\0\0\0\2"

local function frame(ethertype, payload, tags) return MACS .. (tags or "") .. u16(ethertype) .. (payload or "") end

-- Addresses as four numbers; ports only where there is a protocol with ports.
local function ip4(protocol, source, target, payload, fragment)
  local function address(a) return (a:gsub("(%d+)%.?", function(n) return string.char(tonumber(n)) end)) end
  payload = payload or ""
  return "\x45\0" .. u16(20 + #payload) .. "\0\1" .. u16(fragment or 0) .. "\64" .. string.char(protocol) .. "\0\0" .. address(source) ..
    address(target) .. payload
end

local function ports(source, target) return u16(source) .. u16(target) .. "\0\8\0\0" end

local HOME6, AWAY6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1", "\32\1\13\185" .. ("\0"):rep(11) .. "\2"

local function ip6(next_header, source, target, payload)
  payload = payload or ""
  return "\x60\0\0\0" .. u16(#payload) .. string.char(next_header) .. "\64" .. source .. target .. payload
end

local FRAMES = {
  arp = frame(0x0806, ("\0"):rep(28)),
  udp = frame(0x0800, ip4(17, "192.0.2.1", "198.51.100.7", ports(5000, 53))),
  tcp = frame(0x0800, ip4(6, "203.0.113.9", "198.51.100.200", ports(443, 40000))),
  icmp = frame(0x0800, ip4(1, "192.0.2.255", "192.0.3.0", "\8\0\0\0\0\1\0\1")),
  later = frame(0x0800, ip4(17, "192.0.2.1", "198.51.100.7", ports(5000, 53), 185)),
  first = frame(0x0800, ip4(17, "192.0.2.1", "198.51.100.7", ports(5000, 53), 0x2000)),
  udp6 = frame(0x86dd, ip6(17, HOME6, AWAY6, ports(53, 6000))),
  icmp6 = frame(0x86dd, ip6(58, AWAY6, AWAY6, "\128\0\0\0\0\1\0\1")),
  extended6 = frame(0x86dd, ip6(0, AWAY6, HOME6, "\60\0" .. ("\0"):rep(6) .. "\17\1" .. ("\0"):rep(14) .. ports(1, 53))),
  first6 = frame(0x86dd, ip6(44, AWAY6, HOME6, "\17\0\0\1\0\0\0\7" .. ports(1, 53))),
  later6 = frame(0x86dd, ip6(44, AWAY6, HOME6, "\17\0\0\8\0\0\0\7" .. ports(1, 53))),
  tagged = frame(0x0800, ip4(17, "192.0.2.1", "198.51.100.7", ports(5000, 53)), "\x81\0\0\5"),
  twice = frame(0x0800, ip4(6, "192.0.2.1", "198.51.100.7", ports(80, 81)), "\x88\xa8\0\5\x81\0\0\6"),
  other = frame(0x88b5, "anything"),
  tiny = "\1\2\3",
  empty = "",
}
local NAMES, name_of = {}, {}
for name, bytes in pairs(FRAMES) do NAMES[#NAMES + 1], name_of[bytes] = name, name end
table.sort(NAMES)

TestSelect = {}

function TestSelect:setUp()
  support.memory(3000)
  lu.assertEquals(nf.script_watch_start(), 0)
  script.class("lua.select", assert(support.read("lua/nf/apps/select.lua")))
end

function TestSelect:tearDown()
  nf.script_watch_stop()
  script.forget()
  collectgarbage()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- The names of the frames that pass under these parameters; all others must come out of the other output.
local function pass(params)
  local app = support.app("lua.select", params, { "input" }, { "output", "rejected" })
  for _, name in ipairs(NAMES) do support.send(app.input[0], FRAMES[name]) end
  support.push(app)
  lu.assertTrue(nf.script_app_cause(app) == nil, nf.script_app_cause(app) ~= nil and ffi.string(nf.script_app_cause(app)) or "")
  local passed, others = support.receive(app.output[0]), support.receive(app.output[1])
  lu.assertEquals(#passed + #others, #NAMES)
  lu.assertEquals(support.counter(app, "selected"), #passed)
  lu.assertEquals(support.counter(app, "rejected"), #others)
  support.finish(app)
  for i, bytes in ipairs(passed) do passed[i] = name_of[bytes] end
  return table.concat(passed, " ")
end

function TestSelect:testNoConditionPassesAll()
  lu.assertEquals(pass(nil), table.concat(NAMES, " "))
  lu.assertEquals(pass({ invert = true }), "")
end

function TestSelect:testEthertype()
  lu.assertEquals(pass({ ethertype = 0x88b5 }), "other")
  lu.assertEquals(pass({ ethertype = { 0x0806, 0x88b5 } }), "arp other")
  lu.assertEquals(pass({ ethertype = 0x0800 }), "first icmp later tagged tcp twice udp")
end

function TestSelect:testProtocol()
  lu.assertEquals(pass({ protocol = "udp" }), "extended6 first first6 later later6 tagged udp udp6")
  lu.assertEquals(pass({ protocol = { "tcp", "icmp6", "arp" } }), "arp icmp6 tcp twice")
  lu.assertEquals(pass({ protocol = "ipv6" }), "extended6 first6 icmp6 later6 udp6")
  lu.assertEquals(pass({ protocol = { "ipv4", "icmp6" } }), "first icmp icmp6 later tagged tcp twice udp")
  lu.assertEquals(pass({ protocol = "gre" }), "")
end

function TestSelect:testPort()
  lu.assertEquals(pass({ port = 53 }), "extended6 first first6 tagged udp udp6")
  lu.assertEquals(pass({ port = { 443, 81 } }), "tcp twice")
  lu.assertEquals(pass({ port = 53, protocol = "tcp" }), "")
end

function TestSelect:testPrefix()
  lu.assertEquals(pass({ prefix = "192.0.2.0/24" }), "first icmp later tagged twice udp")
  lu.assertEquals(pass({ prefix = "192.0.3.0/32" }), "icmp")
  lu.assertEquals(pass({ prefix = { "198.51.100.128/25", "192.0.3.0/24" } }), "icmp tcp")
  lu.assertEquals(pass({ prefix = "0.0.0.0/0" }), "first icmp later tagged tcp twice udp")
  lu.assertEquals(pass({ prefix6 = "2001:db8::/32" }), "extended6 first6 later6 udp6")
  lu.assertEquals(pass({ prefix6 = "2001:db8::1/128" }), "extended6 first6 later6 udp6")
  lu.assertEquals(pass({ prefix6 = "2001:db8::2/127" }), "")
  lu.assertEquals(pass({ prefix6 = "2001:db8::/31" }), "extended6 first6 icmp6 later6 udp6")
  lu.assertEquals(pass({ prefix6 = "::/0", prefix = "203.0.113.0/24" }), "extended6 first6 icmp6 later6 tcp udp6")
end

function TestSelect:testAllConditionsMustHold()
  lu.assertEquals(pass({ prefix = "192.0.2.0/24", protocol = "udp", port = 53, ethertype = 0x0800 }), "first tagged udp")
  lu.assertEquals(pass({ prefix = "192.0.2.0/24", protocol = "udp", port = 53, ethertype = 0x0800, invert = true }),
    "arp empty extended6 first6 icmp icmp6 later later6 other tcp tiny twice udp6")
end

function TestSelect:testWithoutTheSecondOutputTheOthersAreDropped()
  local app = support.app("lua.select", { protocol = "udp" }, { "input" }, { "output" })
  for _, name in ipairs(NAMES) do support.send(app.input[0], FRAMES[name]) end
  support.push(app)
  lu.assertEquals(#support.receive(app.output[0]), 8)
  lu.assertEquals(support.reason(app, "not-selected"), #NAMES - 8)
  support.finish(app)
end

function TestSelect:testAFullOutputHoldsThePacketsBack()
  local app = support.app("lua.select", { protocol = "udp" }, { "input" }, { "output", "rejected" })
  for _ = 1, 1022 do nf.link_send(app.output[1], support.packet("full")) end
  for _ = 1, 10 do support.send(app.input[0], FRAMES.tcp) end
  support.push(app)
  lu.assertEquals(nf.link_waiting(app.input[0]), 8)
  lu.assertEquals(app.output[1].dropped, 0ULL)
  support.finish(app)
end

-- Every frame cut off at every length, and with every byte of its headers set to extremes: never an error.
function TestSelect:testHostileFrames()
  local params = { protocol = { "udp", "tcp", "icmp", "arp" }, port = { 53, 80 }, prefix = "192.0.2.0/24", prefix6 = "2001:db8::/32" }
  local app = support.app("lua.select", params, { "input" }, { "output" })
  local function try(bytes)
    support.send(app.input[0], bytes)
    support.push(app)
    support.receive(app.output[0])
  end
  for _, name in ipairs(NAMES) do
    local bytes = FRAMES[name]
    for length = 0, #bytes do try(bytes:sub(1, length)) end
    for i = 13, #bytes do
      for _, value in ipairs({ "\0", "\255", "\44", "\x4f", "\129" }) do try(bytes:sub(1, i - 1) .. value .. bytes:sub(i + 1)) end
    end
  end
  try(frame(0x86dd, ip6(0, HOME6, AWAY6, ("\0\0\0\0\0\0\0\0"):rep(100))))
  lu.assertTrue(nf.script_app_cause(app) == nil, nf.script_app_cause(app) ~= nil and ffi.string(nf.script_app_cause(app)) or "")
  lu.assertEquals(app.class.held(app), 0)
  support.finish(app)
end

function TestSelect:testMistakes()
  local function message(params)
    local _, list = support.new("lua.select", params, { "input" }, { "output" })
    return table.concat(list, "\n")
  end
  lu.assertStrContains(message({ protocol = "upd" }), "app 'x': key 'protocol': 'upd' is unknown, did you mean 'udp'?")
  lu.assertStrContains(message({ ethertype = 100 }), "app 'x': key 'ethertype': 100 is out of range")
  lu.assertStrContains(message({ port = 65536 }), "app 'x': key 'port': 65536 is out of range")
  lu.assertStrContains(message({ prefix = "192.0.2.1/24" }), "app 'x': key 'prefix'")
  lu.assertStrContains(message({ prefix = {} }), "app 'x': key 'prefix': 0 elements are too few")
end

os.exit(lu.LuaUnit.run())
