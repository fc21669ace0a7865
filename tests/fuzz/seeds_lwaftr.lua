-- seeds_lwaftr -- writes the first inputs of the harnesses `lwaftr` and `lwaftr_config`: nf lua tests/fuzz/seeds_lwaftr.lua
package.path = "tests/?.lua;" .. package.path
local w = require("support_lwaftr")

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function step(frame, v6)
  return string.char(#frame % 256, math.floor(#frame / 256) + (v6 and 128 or 0)) .. frame
end

local function v4(p) return step(w.frame(p)) end
local function v6(p) return step(w.frame(p), true) end

local ping = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.echo(4100) })
local seeds = {
  encapsulate = v4(w.inward(w.WHOLE, 80)) .. v4(w.inward(w.SHARED, 5200)),
  unbound = v4(w.inward(w.SHARED, 9999)) .. v6(w.tunnel(w.B, w.outward(w.UNSERVED, 1))),
  decapsulate = v6(w.tunnel(w.B, w.outward(w.SHARED, 4100))) .. v6(w.tunnel(w.A, w.outward(w.WHOLE, 1, { options = "\1\1\1\1" }))),
  hairpin = v6(w.tunnel(w.A, w.inward(w.SHARED, 5200, { src = w.WHOLE }))) .. v6(w.tunnel(w.A, w.inward(w.SHARED, 9999, { src = w.WHOLE }))),
  icmp4 = v4(ping) .. v4(w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.icmp(3, 1, "\0\0\0\0", w.outward(w.SHARED, 4100)) })),
  icmp6 = v6(w.icmpv6("2001:db8:1::1", w.BR, 2, 0, w.u32(1300), w.tunnelled(w.A, w.inward(w.WHOLE, 80)))),
  options = v6(w.ipv6({ src = w.A, dst = w.BR, next = 60, payload = "\4\0\4\1\5\1\1\0" .. w.outward(w.WHOLE, 80) })),
  big = v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { df = true, payload = w.udp(80, 1, ("z"):rep(700)) }))) ..
    v4(w.inward(w.WHOLE, 80, { df = true, payload = w.udp(1, 80, ("z"):rep(1300)) })),
  fragments = v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { offset = 16 }))) .. v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { more = true }))),
}
for name, text in pairs(seeds) do write("tests/fuzz/corpus/lwaftr/" .. name, text) end

local configs = {
  whole = w.conf(),
  vlan = w.conf({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;", hop4 = "ip 203.0.113.254;", hop6 = "ip 2001:db8::1;" }),
  policies = w.conf({ external = 'mtu 0x5dc; mru "1460"; ingress-filter "ip and " + \'tcp\'; egress-filter ""; allow-incoming-icmp false; ' ..
    "generate-icmp-errors false; error-rate-limiting { packets 1; period 2; } reassembly { max-fragments-per-packet 3; max-packets 4; }",
    internal = "flow-label 5; hairpinning false; // so\n vlan-tag 7; /* and */" }),
  mistakes = "softwire-config { nam x; mtu 5 6; { } } } binding-table { softwire { psid 70000; port-set { psid-length 17; } } ",
  shapes = w.conf({ table = w.TABLE .. w.softwire("192.0.2.1", 5, "::", "1::", "psid-length 6; reserved-ports-bit-count 6;") ..
    "version { number 18446744073709551615; date 2021-11-08T00:00:00Z; }" }),
  twice = w.conf({ table = w.TABLE .. w.TABLE }),
  quotes = "softwire-config { name \"a\\n\\t\\\"\\\\\\q\n   b\" + 'c' ; }",
}
for name, text in pairs(configs) do write("tests/fuzz/corpus/lwaftr_config/" .. name, text) end
