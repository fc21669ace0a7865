-- seeds_b4 -- writes the first inputs of the harness `b4`: nf lua tests/fuzz/seeds_b4.lua
package.path = "tests/?.lua;" .. package.path
local w = require("support_lwaftr")
local b = require("support_b4")

local function step(frame, tunnel, late)
  return string.char(#frame % 256, math.floor(#frame / 256) + (tunnel and 128 or 0) + (late and 64 or 0)) .. frame
end

local function out(packet, late) return step(b.OWN_MAC .. b.CLIENT_MAC .. "\8\0" .. packet, false, late) end
local function in6(packet, late) return step(b.OWN_MAC .. b.OTHER_MAC .. "\x86\xdd" .. packet, true, late) end
local function answer(packet) return in6(w.tunnelled(b.B4, packet, b.BR)) end
-- One for each of the four ports, as nobody knows which one it is.
local function all(f)
  local list = {}
  for port = 4096, 4099 do list[#list + 1] = f(port) end
  return table.concat(list)
end

local opening = out(b.udp(b.CLIENT, 1234, b.HOST, 53))
local seeds = {
  udp = opening .. all(function (port) return answer(b.udp(b.HOST, 53, b.PUBLIC, port)) end) .. out(b.udp(b.CLIENT, 1234, b.HOST, 53), true),
  tcp = out(b.tcp(b.CLIENT, 99, b.HOST, 80, "S")) .. all(function (port) return answer(b.tcp(b.HOST, 80, b.PUBLIC, port, "SA")) end) ..
    out(b.tcp(b.CLIENT, 99, b.HOST, 80, "A")) .. out(b.tcp(b.CLIENT, 99, b.HOST, 80, "FA")) ..
    all(function (port) return answer(b.tcp(b.HOST, 80, b.PUBLIC, port, "FA")) end) .. out(b.tcp(b.CLIENT, 99, b.HOST, 80, "R")),
  echo = out(b.icmp(b.CLIENT, b.HOST, w.echo(7))) .. all(function (port) return answer(b.icmp(b.HOST, b.PUBLIC, w.reply(port))) end),
  full = out(b.udp(b.CLIENT, 1, b.HOST, 53)) .. out(b.udp(b.CLIENT, 2, b.HOST, 53)) .. out(b.udp(b.CLIENT, 3, b.HOST, 53)) ..
    out(b.udp(b.CLIENT, 4, b.HOST, 53)) .. out(b.udp(b.CLIENT, 5, b.HOST, 53)) .. out(b.udp(b.OTHER, 5, b.HOST, 53)),
  errors = opening .. all(function (port)
    return answer(b.icmp("192.0.2.77", b.PUBLIC, w.icmp(3, 3, "\0\0\0\0", b.udp(b.PUBLIC, port, b.HOST, 53))))
  end) .. out(b.icmp(b.CLIENT, b.HOST, w.icmp(3, 3, "\0\0\0\0", b.udp(b.HOST, 53, b.CLIENT, 1234)))),
  hairpin = opening .. all(function (port) return out(b.udp(b.OTHER, 7, b.PUBLIC, port)) end),
  ttl = out(b.udp(b.CLIENT, 1, b.HOST, 53, nil, { ttl = 1 })) .. opening ..
    all(function (port) return answer(b.udp(b.HOST, 53, b.PUBLIC, port, nil, { ttl = 1 })) end),
  big = out(b.udp(b.CLIENT, 1, b.HOST, 53, ("x"):rep(1400))) .. out(b.udp(b.CLIENT, 1, b.HOST, 53, ("x"):rep(1400), { df = true })),
  icmp6 = opening .. all(function (port)
    local quoted = w.ipv6({ src = b.B4, dst = b.BR, next = 4, payload = b.udp(b.PUBLIC, port, b.HOST, 53, nil, { df = true }) })
    return in6(w.icmpv6("2001:db8:99::1", b.B4, 2, 0, w.u32(1300), quoted)) .. in6(w.icmpv6(b.BR, b.B4, 1, 5, w.u32(0), quoted))
  end),
  options = in6(w.ipv6({ src = b.BR, dst = b.B4, next = 60, payload = "\4\0\4\1\5\1\1\0" .. b.udp(b.HOST, 53, b.PUBLIC, 4096) })),
  fragment = answer(b.udp(b.HOST, 53, b.PUBLIC, 4096, "x", { more = true })),
}
for name, text in pairs(seeds) do
  local file = assert(io.open("tests/fuzz/corpus/b4/" .. name, "wb"))
  file:write(text)
  file:close()
end
