-- seeds_ip -- writes the first inputs of the harnesses `neighbor` and `reassemble`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_ip.lua
local ip = require("support_ip")
local frames = require("support_frames")

local function step(what, much) return string.char(what + (much or 0) * 4) end
local function frame(what, bytes) return step(what) .. string.char(#bytes % 256, math.floor(#bytes / 256)) .. bytes end
local function write(harness, name, text)
  local file = assert(io.open(("tests/fuzz/corpus/%s/%s"):format(harness, name), "wb"))
  file:write(text)
  file:close()
end

local OWN4, HOP4, OWN6, HOP6, PEER6 = ip.ip4("10.0.0.1"), ip.ip4("10.0.0.254"), ip.ip6("2001:db8::1"), ip.ip6("2001:db8::fe"), ip.ip6("2001:db8::9")
local time = step(2, 35) .. "\0\0"
local reload = step(3, 3) .. "\0\0"

write("neighbor", "arp", "\0" .. frame(1, ip.ipv4({}, "data")) .. frame(0, ip.arp({ sender = HOP4, target = OWN4 })) .. time
  .. frame(0, ip.arp({ op = 2, sender = HOP4, target = OWN4 })) .. frame(1, ip.ipv4({}, "data")) .. reload
  .. frame(0, ip.arp({ sender = HOP4, target = ip.ip4("10.1.2.3") })) .. frame(0, ip.arp({ sender = HOP4, target = HOP4 })))
local function ndp(type, src, dst, target, flags, options)
  return frame(0, ip.ndp({ type = type, src = src, dst = dst, target = target, flags = flags, options = options }))
end
write("neighbor", "ndp", "\1" .. frame(1, ip.ipv6({}, "data")) .. ndp(135, PEER6, ip.ip6("ff02::1:ff00:1"), OWN6, nil, "\1\1" .. ip.PEER_MAC) .. time
  .. ndp(136, HOP6, OWN6, HOP6, "\x60\0\0\0", "\2\1" .. ip.PEER_MAC) .. reload .. frame(1, ip.ipv6({}, "data"))
  .. ndp(135, ("\0"):rep(16), ip.ip6("ff02::1:ff00:1"), OWN6) .. ndp(135, PEER6, OWN6, ip.ip6("2001:db8:1::5"))
  .. frame(0, ip.ndp({ type = 134, flags = ("\0"):rep(12) })))
write("neighbor", "echo4", "\2" .. frame(0, ip.ipv4({ dst = OWN4, protocol = 1 }, ip.icmp(8, 0, "\0\1\0\2ping"))) .. frame(1, "inside"))
local o = { dst = OWN6, next = 58 }
write("neighbor", "echo6", "\3" .. frame(0, ip.ipv6(o, ip.icmp6(o, 128, 0, "\0\1\0\2ping"))) .. frame(1, "inside"))

local function made(key, place, units, flags) return step(1, key) .. string.char(place, units, flags) end
for six = 0, 1 do
  local first = string.char(six + 16)
  write("reassemble", "order_" .. six, first .. made(1, 0, 2, 1) .. made(1, 2, 3, 1) .. made(1, 5, 1, 4) .. made(2, 9, 1, 0) .. made(2, 0, 9, 1))
  write("reassemble", "overlap_" .. six, first .. made(1, 0, 2, 1) .. made(1, 1, 2, 1) .. made(1, 3, 1, 0) .. made(1, 1, 1, 1))
  write("reassemble", "twice_" .. six, first .. made(1, 0, 2, 1) .. made(1, 0, 2, 1) .. made(1, 0, 2, 3) .. made(3, 4, 2, 0) .. made(3, 4, 1, 0))
  write("reassemble", "late_" .. six, first .. made(1, 0, 2, 1) .. step(2, 38) .. made(1, 2, 1, 0) .. step(2, 1))
  write("reassemble", "cut_" .. six, first .. step(3, 1) .. step(3, 30) .. step(3, 60) .. "\2\2\2")
  local evict = {}
  for key = 0, 40 do evict[#evict + 1] = made(key, 0, 1, 1) end
  write("reassemble", "evict_" .. six, first .. table.concat(evict))
end
write("reassemble", "frames4", "\40" .. frame(0, ip.ipv4({ fragment = 0x2000, options = "\131\7\4\1\2\3\4\0" }, ("a"):rep(16)))
  .. frame(0, ip.ipv4({ fragment = 2 }, ("b"):rep(9))))
local function six(payload, offset, more) return ip.ipv6({ next = 0 }, "\44\0\1\4\0\0\0\0\17\0" .. frames.u16(offset + more) .. "\0\0\0\1" .. payload) end
write("reassemble", "frames6", "\41" .. frame(0, six(("a"):rep(16), 0, 1)) .. frame(0, six(("b"):rep(9), 16, 0)) .. frame(0, six("alone", 0, 0)))
