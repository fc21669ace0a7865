-- seeds_lwaftr -- writes the first inputs of the harnesses `lwaftr`, `lwaftr_config`, `lwaftr_graph`, `lwaftr_json` and `lwaftr_command`:
-- nf lua tests/fuzz/seeds_lwaftr.lua
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
  path = v6(w.icmpv6("2001:db8:1::1", w.BR, 2, 0, w.u32(1300), w.tunnelled(w.A, w.inward(w.WHOLE, 80)))) ..
    v4(w.inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("z"):rep(1300)) })) .. v4(w.inward(w.WHOLE, 80, { df = true, payload = w.udp(1, 80, ("z"):rep(1300)) })),
  options = v6(w.ipv6({ src = w.A, dst = w.BR, next = 60, payload = "\4\0\4\1\5\1\1\0" .. w.outward(w.WHOLE, 80) })),
  big = v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { df = true, payload = w.udp(80, 1, ("z"):rep(700)) }))) ..
    v4(w.inward(w.WHOLE, 80, { df = true, payload = w.udp(1, 80, ("z"):rep(1300)) })),
  expired = v4(w.inward(w.WHOLE, 80, { ttl = 1 })) .. v6(w.tunnel(w.A, w.inward(w.SHARED, 5200, { src = w.WHOLE, ttl = 1 }))) ..
    v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { ttl = 0 }))),
  pings = v6(w.tunnel(w.D, w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.reply(4100) }))) ..
    v4(w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, payload = w.icmp(11, 0, "\0\0\0\0",
      w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.echo(5200) })) })) ..
    v6(w.tunnel(w.C, w.ipv4({ src = w.SHARED, dst = w.HOST, protocol = 1, payload = w.icmp(3, 3, "\0\0\0\0", w.inward(w.SHARED, 5200)) }), w.BR2)),
  fragments = v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { offset = 16 }))) .. v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { more = true }))),
}
seeds.reserved = v4(w.inward("198.51.100.3", 1280)) .. v4(w.inward("198.51.100.3", 1000)) .. v4(w.inward("198.51.100.4", 80)) ..
  v6(w.tunnel("2001:db8:b4::e", w.outward("198.51.100.3", 1280)))
for name, text in pairs(seeds) do
  for world = 0, 2 do write(("tests/fuzz/corpus/lwaftr/%s_%d"):format(name, world), string.char(world) .. text) end
end

-- The whole graph: what the relay alone gets, in each of the configurations, and what only the apps around it understand.
for name, text in pairs(seeds) do
  for world = 0, 3 do write(("tests/fuzz/corpus/lwaftr_graph/%s_%d"):format(name, world), string.char(world) .. text) end
end

local function later(text, time) return text:sub(1, 1) .. string.char(text:byte(2) + time * 16) .. text:sub(3) end
local function cut4(p, at, time)
  local function piece(from, to, more)
    return w.ipv4({ src = w.HOST, dst = w.WHOLE, offset = from, more = more, payload = p:sub(21 + from, 20 + to) })
  end
  return v4(piece(0, at, true)), later(v4(piece(at, #p - 20, false)), time or 0)
end
local function cut6(p, at)
  local function piece(from, to, more)
    local fragment = p:sub(7, 7) .. "\0" .. w.u16(from + (more and 1 or 0)) .. "\0\0\0\7"
    return v6(p:sub(1, 4) .. w.u16(to - from + 8) .. "\44" .. p:sub(8, 40) .. fragment .. p:sub(41 + from, 40 + to))
  end
  return piece(0, at, true), piece(at, #p - 40, false)
end
local function arp(operation, target)
  local mac = "\2\0\0\0\4\9"
  return step(("\255"):rep(6) .. mac .. "\8\6\0\1\8\0\6\4\0" .. string.char(operation) .. mac .. w.ip(w.HOST) .. ("\0"):rep(6) .. w.ip(target))
end
local function hops(p, n) return p:sub(1, 7) .. string.char(n) .. p:sub(9) end
local long = w.inward(w.WHOLE, 80, { payload = w.udp(1, 80, ("f"):rep(1400)) })
local inner = w.tunnel(w.A, w.outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("g"):rep(1300)) }))
local a4, b4 = cut4(long, 800)
local c4, late = cut4(long, 800, 7)
local a6, b6 = cut6(inner, 640)
local first = {}        -- more datagrams than two of the configurations hold
for i = 1, 6 do
  first[i] = v4(w.ipv4({ src = w.HOST, dst = w.WHOLE, id = i, more = true, payload = ("e"):rep(16) })) ..
    v6(w.ipv6({ src = w.A, dst = w.BR, next = 44, payload = "\4\0\0\1\0\0\0" .. string.char(i) .. w.outward(w.WHOLE, 80) }))
end
local graph = {
  reassemble = b4 .. a4 .. a6 .. b6 .. c4 .. late,
  cut = v4(long) .. v6(inner),
  evict = table.concat(first),
  arp = arp(1, w.OWN4) .. arp(2, w.OWN4) .. arp(1, w.WHOLE),
  ndp = v6(hops(w.icmpv6("2001:db8:af::99", w.OWN6, 135, 0, "\0\0\0\0", w.ip(w.OWN6) .. "\1\1\2\0\0\0\6\9"), 255)) ..
    v6(hops(w.icmpv6("2001:db8:af::99", w.OWN6, 136, 0, "\x40\0\0\0", w.ip("2001:db8:af::99") .. "\2\1\2\0\0\0\6\9"), 255)),
  ping = v4(w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, payload = w.echo(1, ("p"):rep(700)) })) ..
    v6(w.icmpv6("2001:db8::9", w.OWN6, 128, 0, "\0\1\0\1", ("p"):rep(1400))),
  smtp = v4(w.inward(w.WHOLE, 25, { protocol = 6 })) .. v6(w.tunnel(w.A, w.outward(w.WHOLE, 1, { payload = w.udp(1, 53) }))),
  filtered = v6(w.tunnel(w.A, w.outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("g"):rep(1900)) }))),
}
for name, text in pairs(graph) do
  for world = 0, 3 do write(("tests/fuzz/corpus/lwaftr_graph/%s_%d"):format(name, world), string.char(world) .. text) end
end

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

local ENTRY = '{"binding-ipv6info": "2001:db8::%d", "binding-ipv4-addr": "192.0.2.%d", "port-set": {"psid-offset": 0, "psid-len": 6, "psid": %d}, ' ..
  '"br-ipv6-addr": "2001:db8::ff"}'
local function instance(inside)
  return ('{"ietf-softwire-br:br-instances": {"binding": {"bind-instance": [{"name": "x", "softwire-num-max": 5, ' ..
    '"softwire-payload-mtu": 1460, "softwire-path-mru": 1500, %s}]}}}'):format(inside)
end
local jsons = {
  table = instance('"binding-table": {"binding-entry": [' .. ENTRY:format(1, 1, 1) .. ", " .. ENTRY:format(2, 1, 2) .. "]}"),
  twice = instance('"binding-table": {"binding-entry": [' .. ENTRY:format(1, 1, 1) .. ", " .. ENTRY:format(1, 1, 1) .. "]}"),
  policies = instance('"enable-hairpinning": false, "icmp-policy": {"icmpv4-errors": {"allow-incoming-icmpv4": false, "icmpv4-rate": 5, ' ..
    '"generate-icmpv4-errors": false}, "icmpv6-errors": {"generate-icmpv6-errors": false, "icmpv6-rate": 7}}, "traffic-stat": {}'),
  version = instance('"ietf-softwire-br:binding-table-versioning": {"version": "18446744073709551615", "date": "2021-11-08T00:00:00Z"}'),
  mistakes = instance('"binding-table": {"binding-entry": [5, {"port-set": []}, {"x": null}]}, "icmp-policy": 1.5, "more": {}'),
}
for name, text in pairs(jsons) do write("tests/fuzz/corpus/lwaftr_json/" .. name, text) end

-- Requests for the table, as struct lwaftr_request and struct lwaftr_change lie in memory.
local function le(n, bytes) return n > 0 and string.char(n % 256) .. le(math.floor(n / 256), bytes - 1) or ("\0"):rep(bytes) end
local function request(kind, pattern, changes, check_only)
  local text = ("\0"):rep(4) .. le(kind, 4) .. le(check_only or 0, 4) .. ("\0"):rep(12) .. (pattern or ("\0"):rep(48)) .. (changes or "")
  return le(#text, 2) .. text
end
local function change(op, ipv4, psid, length, peer, br)
  return w.ip(peer or "::1") .. w.ip(br or "::2") .. w.ip(ipv4):reverse() .. le(psid, 2) .. le(length, 1) .. "\0" .. ("\0"):rep(8) .. le(op, 4) ..
    ("\0"):rep(4)
end
local commands = {
  count = request(0),
  list = request(1) .. request(1, "\1\0\0\0\0\0\0\0\0\0\0\0\5\3\2\1" .. ("\0"):rep(32)),
  add = request(2, nil, change(0, "1.2.3.5", 3, 4) .. change(0, "9.9.9.9", 0, 0, "::9", "::8")),
  grow = request(2, nil, change(0, "9.9.9.9", 1, 2) .. change(0, "9.9.9.9", 2, 2) .. change(0, "9.9.9.9", 3, 2, "::9", "::8")),
  remove = request(2, nil, change(1, "1.2.3.4", 0, 0) .. change(0, "1.2.3.4", 7, 3)) .. request(1),
  replace = request(2, nil, change(2, "1.2.3.4", 0, 0, "::7") .. change(2, "1.2.3.5", 9, 4)),
  faults = request(2, nil, change(0, "1.2.3.5", 1, 4) .. change(1, "1.2.3.5", 9, 4) .. change(0, "1.2.3.5", 1, 5)),
  check = request(2, nil, change(0, "1.2.3.5", 3, 4), 1),
}
for name, text in pairs(commands) do write("tests/fuzz/corpus/lwaftr_command/" .. name, text) end
