-- dissect: the fields of frames by name, what is cut off, and the line about a frame; trace_path: what changed between two.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local f = require("support_dissect")

require("support_program").declare("dissect.h", "trace_path.h")

TestDissect = {}

local function fields(frame)
  local d = ffi.new("struct dissect")
  nf.dissect_frame(d, frame, #frame)
  local list = {}
  for i = 0, d.count - 1 do list[i + 1] = ffi.string(d.field[i].name) .. " " .. ffi.string(d.field[i].value) end
  return list, d.payload, d
end

local ETHERNET = { "ethernet.dst 02:00:00:00:00:01", "ethernet.src 02:00:00:00:00:02" }
local function ethernet(type) return { ETHERNET[1], ETHERNET[2], "ethernet.type " .. type } end
local function ipv4(length, protocol, fragment)
  return { "ipv4.tos 0x10", "ipv4.length " .. length, "ipv4.id 4711", "ipv4.fragment " .. (fragment or "0"), "ipv4.ttl 64",
    "ipv4.protocol " .. protocol, "ipv4.checksum 0xabcd", "ipv4.src 192.0.2.1", "ipv4.dst 198.51.100.7" }
end
local function ipv6(length, next)
  return { "ipv6.class 0xab", "ipv6.flow 0x12345", "ipv6.length " .. length, "ipv6.next " .. next, "ipv6.hop-limit 63",
    "ipv6.src 2001:db8::1", "ipv6.dst 2001:db8::2" }
end
local function udp(length) return { "udp.src 1024", "udp.dst 53", "udp.length " .. length, "udp.checksum 0xbeef" } end

local function join(...)
  local all = {}
  for _, list in ipairs({ ... }) do for _, x in ipairs(list) do all[#all + 1] = x end end
  return all
end

local function check(frame, payload, ...)
  local list, at = fields(frame)
  lu.assertEquals(list, join(...))
  lu.assertEquals(at, payload)
end

function TestDissect:testUdpOverIpv4() check(f.ethernet(0x800, f.ipv4(17, f.udp("hello"))), 42, ethernet("0x0800"), ipv4(33, 17), udp(13)) end

function TestDissect:testTcpWithOptions()
  check(f.ethernet(0x86dd, f.ipv6(6, f.tcp(0x12, "\2\4\5\180", "x"))), 78, ethernet("0x86dd"), ipv6(25, 6), { "tcp.src 443",
    "tcp.dst 50000", "tcp.sequence 305419896", "tcp.acknowledgement 7", "tcp.flags SA", "tcp.window 512", "tcp.checksum 0x1234",
    "tcp.options 4 bytes" })
  local _, _, d = fields(f.ethernet(0x800, f.ipv4(6, f.tcp(0xff, "", ""))))
  lu.assertEquals(ffi.string(nf.dissect_value(d, "tcp.flags")), "FSRPAUEC")
end

function TestDissect:testIcmp()
  check(f.ethernet(0x800, f.ipv4(1, "\3\4\1\2rest")), 38, ethernet("0x0800"), ipv4(28, 1),
    { "icmp.type 3", "icmp.code 4", "icmp.checksum 0x0102" })
  check(f.ethernet(0x86dd, f.ipv6(58, "\135\0\1\2")), 58, ethernet("0x86dd"), ipv6(4, 58),
    { "icmpv6.type 135", "icmpv6.code 0", "icmpv6.checksum 0x0102" })
end

function TestDissect:testArp()
  check(f.ethernet(0x806, f.arp(1)), 42, ethernet("0x0806"), { "arp.operation 1", "arp.sender-mac 02:00:00:00:00:02",
    "arp.sender-ip 192.0.2.1", "arp.target-mac 00:00:00:00:00:00", "arp.target-ip 198.51.100.7" })
  check(f.ethernet(0x806, "\0\6" .. f.arp(1):sub(3)), 42, ethernet("0x0806"))           -- of another kind of network
end

function TestDissect:testTags()
  local tag = "\129\0\160\5"                            -- priority 5, VLAN 5
  check(f.ethernet(0x800, f.ipv4(17, f.udp("")), tag), 46, { ETHERNET[1], ETHERNET[2], "ethernet.type 0x8100", "vlan.id 5",
    "vlan.priority 5", "vlan.type 0x0800" }, ipv4(28, 17), udp(8))
  local list = fields(f.ethernet(0x1234, "", "\136\168\15\255" .. tag))
  lu.assertEquals(list, { ETHERNET[1], ETHERNET[2], "ethernet.type 0x88a8", "vlan.id 4095", "vlan.priority 0", "vlan.type 0x8100",
    "vlan.id 5", "vlan.priority 5", "vlan.type 0x1234" })
end

function TestDissect:testFragments()
  -- Only the first fragment has a transport header.
  check(f.ethernet(0x800, f.ipv4(17, f.udp(""), { fragment = 0x2000 })), 42, ethernet("0x0800"), ipv4(28, 17, "MF 0"), udp(8))
  check(f.ethernet(0x800, f.ipv4(17, f.udp(""), { fragment = 0x4005 })), 34, ethernet("0x0800"), ipv4(28, 17, "DF 40"))
  check(f.ethernet(0x86dd, f.ipv6(44, f.fragment6(17, 0, true) .. f.udp(""))), 70, ethernet("0x86dd"), ipv6(16, 44),
    { "ipv6.fragment MF 0", "ipv6.fragment-id 99" }, udp(8))
  check(f.ethernet(0x86dd, f.ipv6(44, f.fragment6(17, 1280) .. f.udp(""))), 62, ethernet("0x86dd"), ipv6(16, 44),
    { "ipv6.fragment 1280", "ipv6.fragment-id 99" })
end

function TestDissect:testOptionsOfIpv4()
  check(f.ethernet(0x800, f.ipv4(17, f.udp(""), { options = "\148\4\0\0" })), 46, ethernet("0x0800"), ipv4(32, 17),
    { "ipv4.options 4 bytes" }, udp(8))
  -- A header that says it is shorter than it is has nothing behind it.
  local short = f.ipv4(17, f.udp(""))
  check(f.ethernet(0x800, "\68" .. short:sub(2)), 34, ethernet("0x0800"), ipv4(28, 17))
  check(f.ethernet(0x800, "\85" .. short:sub(2)), 14 + 20, ethernet("0x0800"))
end

-- A softwire: the inner header's values are the ones that dissect_value gives.
function TestDissect:testTunnels()
  local frame = f.ethernet(0x86dd, f.ipv6(4, f.ipv4(17, f.udp(""))))
  check(frame, 82, ethernet("0x86dd"), ipv6(28, 4), ipv4(28, 17), udp(8))
  frame = f.ethernet(0x800, f.ipv4(41, f.ipv6(4, f.ipv4(1, "\8\0\0\0"))))
  local _, _, d = fields(frame)
  lu.assertEquals(ffi.string(nf.dissect_value(d, "ipv4.length")), "24")
  lu.assertEquals(ffi.string(nf.dissect_value(d, "icmp.type")), "8")
  lu.assertTrue(nf.dissect_value(d, "tcp.src") == nil)
end

function TestDissect:testTunnelsWithoutAnEnd()
  local packet = ""
  for _ = 1, 60 do packet = f.ipv4(4, packet) end
  local list, payload = fields(f.ethernet(0x800, packet))
  lu.assertEquals(#list, 3 + 9 * 9)                     -- nine headers, the first counted
  lu.assertEquals(payload, 14 + 9 * 20)
  packet = ("\129\0\0\1"):rep(300)
  local _, _, d = fields(f.ethernet(0x800, "", packet))
  lu.assertEquals(d.count, nf.DISSECT_FIELDS)
end

-- Each frame cut off at each byte, in memory that ends there: no field of what is missing, and never more than before.
function TestDissect:testWhatIsCutOff()
  for _, frame in ipairs({ f.ethernet(0x800, f.ipv4(17, f.udp("hello"), { options = "\1\1\1\0" })),
    f.ethernet(0x86dd, f.ipv6(44, f.fragment6(6, 0) .. f.tcp(2, "\1\1\1\1", "x"))), f.ethernet(0x806, f.arp(2)),
    f.ethernet(0x800, f.ipv4(1, "\8\0\1\2"), "\129\0\0\1") }) do
    local whole, count = fields(frame), 0
    for length = 0, #frame do
      local copy = ffi.new("uint8_t[?]", math.max(length, 1))
      ffi.copy(copy, frame, length)
      local d = ffi.new("struct dissect")
      nf.dissect_frame(d, copy, length)
      lu.assertTrue(d.count >= count and d.payload <= length)
      count = d.count
      for i = 0, count - 1 do
        lu.assertEquals(ffi.string(d.field[i].name) .. " " .. ffi.string(d.field[i].value), whole[i + 1])
      end
    end
    lu.assertEquals(count, #whole)
  end
end

local function line(frame, wire, size)
  local text = ffi.new("char[?]", size or 256)
  nf.dissect_line(frame, #frame, wire or #frame, text, size or 256)
  return ffi.string(text)
end

function TestDissect:testLines()
  for expected, frame in pairs({
    ["192.0.2.1:1024 > 198.51.100.7:53 UDP, 42 bytes"] = f.ethernet(0x800, f.ipv4(17, f.udp(""))),
    ["2001:db8::1:443 > 2001:db8::2:50000 TCP SA, 74 bytes"] = f.ethernet(0x86dd, f.ipv6(6, f.tcp(0x12, "", ""))),
    ["192.0.2.1:443 > 198.51.100.7:50000 TCP, 54 bytes"] = f.ethernet(0x800, f.ipv4(6, f.tcp(0, "", ""))),
    ["192.0.2.1 > 198.51.100.7 ICMP type 8 code 0, 38 bytes"] = f.ethernet(0x800, f.ipv4(1, "\8\0\0\0")),
    ["2001:db8::1 > 2001:db8::2 ICMP type 135 code 0, 58 bytes"] = f.ethernet(0x86dd, f.ipv6(58, "\135\0\0\0")),
    ["192.0.2.1 > 198.51.100.7 protocol 47, 36 bytes"] = f.ethernet(0x800, f.ipv4(47, "\0\0")),
    ["2001:db8::1 > 2001:db8::2 protocol 59, 54 bytes"] = f.ethernet(0x86dd, f.ipv6(59, "")),
    ["ARP who-has 198.51.100.7 from 192.0.2.1, 42 bytes"] = f.ethernet(0x806, f.arp(1)),
    ["ARP reply, tells 198.51.100.7 from 192.0.2.1, 42 bytes"] = f.ethernet(0x806, f.arp(2)),
    ["02:00:00:00:00:02 > 02:00:00:00:00:01 type 0x88b5, 14 bytes"] = f.ethernet(0x88b5, ""),
    ["02:00:00:00:00:02 > 02:00:00:00:00:01 type 0x88b5, 18 bytes"] = f.ethernet(0x88b5, "", "\129\0\0\1"),
    [" >  type , 0 bytes"] = "",
  }) do
    lu.assertEquals(line(frame), expected)
  end
  lu.assertEquals(line(f.ethernet(0x800, f.ipv4(17, f.udp(""))), 9000), "192.0.2.1:1024 > 198.51.100.7:53 UDP, 9000 bytes")
  lu.assertEquals(line(f.ethernet(0x800, f.ipv4(17, f.udp(""))), nil, 10), "192.0.2.1")
end

TestTracePath = {}

local function see(path, frame, wire)
  local size = ffi.sizeof("struct probe_record")
  local buffer = ffi.new("uint64_t[?]", math.ceil((size + #frame) / 8))
  local record = ffi.cast("struct probe_record *", buffer)
  record.length, record.wire_length = #frame, wire or #frame
  ffi.copy(ffi.cast("char *", buffer) + size, frame, #frame)
  local text = ffi.new("char[1024]")
  nf.trace_path_see(path, record, text, 1024)
  return ffi.string(text)
end

local function changes(from, to, wire)
  local path = ffi.gc(nf.trace_path_new(), nf.trace_path_free)
  see(path, from)
  return see(path, to, wire)
end

function TestTracePath:testChangesByName()
  local frame = f.ethernet(0x800, f.ipv4(17, f.udp("hello")))
  lu.assertEquals(changes(frame, frame), "")
  lu.assertEquals(changes(frame, frame:sub(1, 22) .. "\63" .. frame:sub(24)), "ipv4.ttl 64 -> 63")
  lu.assertEquals(changes(frame, frame:sub(1, 44) .. "L" .. frame:sub(46)), "payload from byte 2 on")
  lu.assertEquals(changes(frame, frame .. "more"), "length 47 -> 51")
  lu.assertEquals(changes(frame, frame, 9000), "length 47 -> 9000")
end

function TestTracePath:testHeadersThatComeAndGo()
  local inner = f.ipv4(17, f.udp("hello"))
  local bare, tunnel = f.ethernet(0x800, inner), f.ethernet(0x86dd, f.ipv6(4, inner))
  lu.assertEquals(changes(bare, tunnel), "length 47 -> 87, ethernet.type 0x0800 -> 0x86dd, +ipv6.class 0xab, +ipv6.flow 0x12345, " ..
    "+ipv6.length 33, +ipv6.next 4, +ipv6.hop-limit 63, +ipv6.src 2001:db8::1, +ipv6.dst 2001:db8::2")
  lu.assertEquals(changes(tunnel, bare), "length 87 -> 47, ethernet.type 0x86dd -> 0x0800, -ipv6.class 0xab, -ipv6.flow 0x12345, " ..
    "-ipv6.length 33, -ipv6.next 4, -ipv6.hop-limit 63, -ipv6.src 2001:db8::1, -ipv6.dst 2001:db8::2")
end

-- Of two headers of a kind each is compared with its own.
function TestTracePath:testTwoHeadersOfAKind()
  local inner = f.ipv4(17, f.udp(""))
  local from = f.ethernet(0x800, f.ipv4(4, inner))
  lu.assertEquals(changes(from, f.ethernet(0x800, f.ipv4(4, inner:sub(1, 8) .. "\9" .. inner:sub(10)))), "ipv4.ttl 64 -> 9")
end

-- Beyond the bytes that are looked at nothing is known; however much changes, the text ends where its room does.
function TestTracePath:testTheEndsOfWhatIsKnown()
  local long = f.ethernet(0x800, f.ipv4(17, f.udp(("x"):rep(900))))
  lu.assertEquals(changes(long, long:sub(1, 800) .. "y" .. long:sub(802)), "")
  lu.assertEquals(#changes("", f.ethernet(0x800, "", ("\129\0\0\1"):rep(100))), 1023)
end

os.exit(lu.LuaUnit.run())
