-- nf lwaftr explain: what it tells of packets is what nf lwaftr check does with them.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local w = require("support_lwaftr")

ffi.cdef([[const char *reasoning_drop(const char *reason);]])

local folder = support.folder()
w.folder = folder

local function hex(frame) return (frame:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function write_pcap(name, frames, kept)
  local list = { "\212\195\178\161\2\0\4\0" .. ("\0"):rep(8) .. "\255\255\0\0\1\0\0\0" }
  local function u32(n) return string.char(n % 256, math.floor(n / 256), 0, 0) end
  for _, frame in ipairs(frames) do
    local part = frame:sub(1, kept)
    list[#list + 1] = ("\0"):rep(8) .. u32(#part) .. u32(#frame) .. part
  end
  support.write(folder .. "/" .. name, table.concat(list))
  return folder .. "/" .. name
end

local function explain(conf, ...)
  local output, code = support.run(("%s lwaftr explain %s %s"):format(support.nf, w.file(w.conf(conf)), table.concat({ ... }, " ")))
  return output, code
end

-- What it says of good input.
local function told(conf, ...)
  local output, code = explain(conf, ...)
  lu.assertEquals(code, 0, output)
  return output
end

-- The frames that it says leave on a side, as bytes.
local function leaving(output, side)
  local frames, frame = {}, nil
  for line in output:gmatch("[^\n]+") do
    local bytes = line:match("^      (%x%x[%x ]*)$")
    if line:match("^  leaves on the IPv" .. side) then
      frame = {}
      frames[#frames + 1] = frame
    elseif frame and bytes and not line:match("^  leaves") then
      for byte in bytes:gmatch("%x%x") do frame[#frame + 1] = string.char(tonumber(byte, 16)) end
    else
      frame = nil
    end
  end
  for i, f in ipairs(frames) do frames[i] = table.concat(f) end
  return frames
end

local inward, outward, tunnel, tunnelled, ttl = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl

TestExplain = {}

function TestExplain:testEncapsulation()
  local p = inward(w.SHARED, 4100)
  local output = told({}, hex(w.frame(p)))
  lu.assertStrContains(output, "hex: 46 bytes, from the IPv4 side: 192.0.2.9:5000 > 198.51.100.2:4100 UDP, 46 bytes\n    reassemble4\n" ..
    "      sent to output, unchanged\n      counted: in-ipv4-frag-reassembly-unneeded 1\n")
  lu.assertStrContains(output, "    lwaftr\n      destination 198.51.100.2 port 4100: PSID 4 (of 6 bits): softwire of B4 2001:db8:b4::b, " ..
    "br-address 2001:db8:af::1\n      sent to v6\n        length 46 -> 86\n        ethernet.dst ")
  lu.assertStrContains(output, "        +ipv6.dst 2001:db8:b4::b\n        ipv4.ttl 64 -> 63\n        ipv4.checksum 0x")
  lu.assertStrContains(output, "counted: in-ipv4-packets 1, in-ipv4-bytes 46, out-ipv6-packets 1, out-ipv6-bytes 86\n    ndp\n")
  lu.assertEquals(leaving(output, 6), { w.OUT6 .. tunnelled(w.B, ttl(p, 63)) })
  lu.assertEquals(leaving(output, 4), {})
end

function TestExplain:testDecapsulation()
  local q = outward(w.SHARED, 5200)
  local output = told({}, hex(w.frame(tunnel(w.C, q, w.BR2))))
  lu.assertStrContains(output, "inner source 198.51.100.2 port 5200: PSID 5 (of 6 bits): softwire of B4 2001:db8:b4::c, br-address 2001:db8:af::2")
  lu.assertStrContains(output, "      sent to v4\n        length 86 -> 46\n")
  lu.assertStrContains(output, "        -ipv6.src 2001:db8:b4::c\n")
  lu.assertEquals(leaving(output, 4), { w.OUT4 .. q })
end

function TestExplain:testHairpin()
  local q = w.ipv4({ src = w.SHARED, dst = w.WHOLE, payload = w.udp(4100, 80) })
  local output = told({}, hex(w.frame(tunnel(w.B, q))))
  lu.assertStrContains(output, "      inner source 198.51.100.2 port 4100: PSID 4 (of 6 bits): softwire of B4 2001:db8:b4::b, br-address " ..
    "2001:db8:af::1\n      inner destination 198.51.100.1 port 80: PSID 0 (of 0 bits): softwire of B4 2001:db8:b4::a")
  lu.assertStrContains(output, "hairpin-ipv4-packets 1")
  lu.assertEquals(#leaving(output, 6), 1)
  output = told({ internal = "hairpinning false;" }, hex(w.frame(tunnel(w.B, q))))
  lu.assertNotStrContains(output, "inner destination")
  lu.assertEquals(leaving(output, 4), { w.OUT4 .. q })
end

function TestExplain:testDrops()
  local p = inward(w.UNSERVED, 80)
  local output = told({}, hex(w.frame(p)))
  lu.assertStrContains(output, "    lwaftr\n      destination 198.51.100.99: no softwire has this address\n" ..
    "      dropped: no-dest-softwire-ipv4: nobody has the destination address and port\n" ..
    "      made, and sent to v4: 203.0.113.1 > 192.0.2.9 ICMP type 3 code 1, 74 bytes\n      counted: in-ipv4-packets 1")
  lu.assertEquals(leaving(output, 4), { w.OUT4 .. w.error4(3, 1, 0, p) })
  output = told({ external = "generate-icmp-errors false;" }, hex(w.frame(p)))
  lu.assertNotStrContains(output, "made")
  lu.assertNotStrContains(output, "leaves")
  lu.assertStrContains(told({}, hex(w.frame(inward(w.SHARED, 60000)))), "port 60000: PSID 58 (of 6 bits): no softwire\n      dropped: no-dest")
  lu.assertStrContains(told({}, hex(w.frame(w.ipv4({ src = w.HOST, dst = w.WHOLE, protocol = 47 })))),
    "destination 198.51.100.1: the packet has no port by which a softwire could be found\n")
  lu.assertStrContains(told({}, hex(w.frame(w.ipv6({ src = w.A, dst = w.BR, next = 17, payload = w.udp(1, 2) })))),
    "dropped: unknown-protocol-ipv6: what the IPv6 packet carries is neither IPv4 nor ICMPv6\n")
end

function TestExplain:testReservedPorts()
  local set = "psid-length 6; reserved-ports-bit-count 6;"
  local conf = { table = w.softwire(w.SHARED, 4, w.B, w.BR, set) }
  lu.assertStrContains(told(conf, hex(w.frame(inward(w.SHARED, 1023)))),
    "port 1023: one of the lowest ports, which belong to nobody here (reserved-ports-bit-count 6)\n      dropped: no-dest")
  lu.assertStrContains(told(conf, hex(w.frame(inward(w.SHARED, 1024 + 4 * 16)))), "PSID 4 (of 6 bits): softwire of B4 2001:db8:b4::b")
end

function TestExplain:testFragmentsOneAfterTheOther()
  local p = inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("x"):rep(56)), id = 0 })
  local function part(offset, more)
    return w.frame(w.ipv4({ src = w.HOST, dst = w.WHOLE, offset = offset, more = more, payload = p:sub(21 + offset, more and 20 + 32 or -1) }))
  end
  local file = write_pcap("parts.pcap", { part(0, true), part(32) })
  local output = told({}, file, file .. ":2")
  lu.assertStrContains(output, "    reassemble4\n      kept: it waits for more\n")
  lu.assertStrContains(output, ":2: 66 bytes, from the IPv4 side: ")
  lu.assertStrContains(output, "consumed: what was sent stands for it\n")
  lu.assertEquals(leaving(output, 6), { w.OUT6 .. tunnelled(w.A, ttl(p, 63)) })
end

-- Several packets are made of one.
function TestExplain:testFragmentsThatLeave()
  local p = inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("x"):rep(1400)) })
  local output = told({ internal = "mtu 1280;" }, hex(w.frame(p)))
  local frames = leaving(output, 6)
  lu.assertEquals(#frames, 2)
  lu.assertTrue(#frames[1] <= 1294)
end

function TestExplain:testNextHops()
  local output = told({ hop4 = "ip 203.0.113.2;" }, hex(w.frame(tunnel(w.A, outward(w.WHOLE, 80)))))
  lu.assertStrContains(output, "(the IPv4 side's next hop is taken for known, with the Ethernet address 02:00:00:00:00:00)\n")
  lu.assertEquals(#leaving(output, 4), 1)
  lu.assertNotStrContains(told({}, hex(w.frame(inward(w.WHOLE, 80)))), "next hop")
end

-- Others than the relay answer, too; and VLANs.
function TestExplain:testOtherApps()
  local ping = w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, payload = w.echo(7) })
  local output = told({}, hex(w.frame(ping)))
  lu.assertNotStrContains(output, "    lwaftr\n")
  lu.assertEquals(#leaving(output, 4), 1)
  local request = "\255\255\255\255\255\255\2\0\0\0\4\9\8\6\0\1\8\0\6\4\0\1\2\0\0\0\4\9" .. w.ip("203.0.113.9") .. ("\0"):rep(6) .. w.ip(w.OWN4)
  output = told({}, hex(request))
  lu.assertStrContains(output, "from the IPv4 side")
  lu.assertEquals(#leaving(output, 4), 1)
  lu.assertStrContains(told({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" }, hex(w.frame(ping))), "    untag4\n      dropped: ")
  lu.assertStrContains(told({ external = "ingress-filter \"tcp\";" }, hex(w.frame(inward(w.WHOLE, 80)))), "    ingress4\n      dropped: ")
end

function TestExplain:testSide()
  local output = told({}, "--side v6", hex(w.frame(inward(w.WHOLE, 80))))
  lu.assertStrContains(output, "from the IPv6 side")
  lu.assertStrContains(output, "dropped: misplaced-not-ipv6: no whole IPv6 packet came in on the IPv6 side\n")
  output = told({}, "--side v4", hex(w.frame(tunnel(w.A, outward(w.WHOLE, 80)))))
  lu.assertStrContains(output, "dropped: misplaced-not-ipv4: no whole IPv4 packet came in on the IPv4 side\n")
  lu.assertEquals(select(2, explain({}, "--side v5", hex(w.frame(inward(w.WHOLE, 80))))), 2)
end

-- Bytes that are nothing, of any length: something is told of each.
function TestExplain:testAnyBytes()
  math.randomseed(7)
  local frames = {}
  for i = 1, 150 do
    local bytes = {}
    for j = 1, 14 + i do bytes[j] = string.char(math.random(0, 255)) end
    local kind = ({ "\8\0\69", "\x86\xdd\96", "\8\6", "\x81\0" })[i % 4 + 1]
    frames[i] = table.concat(bytes, "", 1, 12) .. kind .. table.concat(bytes, "", 13)
  end
  local file, names = write_pcap("any.pcap", frames), {}
  for i = 1, #frames do names[i] = file .. ":" .. i end
  local _, count = told({}, unpack(names)):gsub(" bytes, from the IPv[46] side: ", "")
  lu.assertEquals(count, #frames)
end

function TestExplain:testHexWithSeparators()
  local packed = hex(w.frame(inward(w.WHOLE, 80)))
  lu.assertEquals(told({}, "'" .. packed:upper():gsub("..", "%0 ") .. "'"), told({}, packed))
  lu.assertEquals(told({}, (packed:gsub("..", "%0:"):sub(1, -2))), told({}, packed))
end

function TestExplain:testPacketsThatCannotBeRead()
  local one = write_pcap("one.pcap", { w.frame(inward(w.WHOLE, 80)) })
  local cut = write_pcap("cut.pcap", { w.frame(inward(w.WHOLE, 80)) }, 20)
  local long = write_pcap("long.pcap", { ("x"):rep(60000) })
  support.write(folder .. "/none.pcap", "nothing of the kind")
  support.write(folder .. "/empty.pcap", "")
  for packet, message in pairs({
    [one .. ":2"] = one .. ": there is no packet 2: the capture has 1",
    [one .. ":0"] = one .. ":0: packets are counted from 1",
    [one .. ":99999999999999999999"] = one .. ":99999999999999999999: packets are counted from 1",
    [one .. ":1x"] = "cannot read " .. one .. ":1x: No such file or directory",
    [cut] = cut .. ": packet 1 is cut off: the capture has 20 of its 46 bytes",
    [long] = long .. ": a packet of 60000 bytes is too long",
    [folder .. "/none.pcap"] = folder .. "/none.pcap: ",
    [folder .. "/empty.pcap"] = folder .. "/empty.pcap is no capture file",
    [folder] = folder .. " is no capture file",
    ["0800"] = "cannot read 0800: No such file or directory",
    [("0"):rep(29)] = "the packet in hex has an odd number of digits",
  }) do
    local output, code = explain({}, packet)
    lu.assertEquals(code, 1)
    lu.assertStrContains(output, "nf lwaftr explain: " .. message)
  end
end

function TestExplain:testBadConfiguration()
  local output, code = support.run(("%s lwaftr explain /nowhere/x %s"):format(support.nf, ("0"):rep(28)))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "/nowhere/x")
  lu.assertEquals(select(2, explain({ internal = "mtu 3;" }, ("0"):rep(28))), 1)
end

-- Every reason of the relay has its sentence.
function TestExplain:testSentences()
  local reasons, i = nf.app_class_find("lwaftr.lwaftr").reasons, 0
  while reasons[i] ~= nil do
    lu.assertTrue(ffi.C.reasoning_drop(reasons[i]) ~= nil, ffi.string(reasons[i]))
    i = i + 1
  end
  lu.assertTrue(i > 20)
  lu.assertTrue(ffi.C.reasoning_drop("no reason") == nil)
end

os.exit(lu.LuaUnit.run())
