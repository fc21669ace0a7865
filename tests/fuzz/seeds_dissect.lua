-- seeds_dissect -- writes the first inputs of the harness `dissect`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_dissect.lua
local f = require("support_dissect")
local u16 = require("support_frames").u16

local udp, tcp = f.ethernet(0x800, f.ipv4(17, f.udp("hello"))), f.ethernet(0x86dd, f.ipv6(6, f.tcp(0x12, "\2\4\5\180", "x")))
local seeds = {
  ttl = { udp, udp:sub(1, 22) .. "\63" .. udp:sub(24) },
  tunnel = { udp, f.ethernet(0x86dd, f.ipv6(4, udp:sub(15))) },
  tag = { tcp, f.ethernet(0x86dd, tcp:sub(15), "\129\0\0\5") },
  arp = { f.ethernet(0x806, f.arp(1)), f.ethernet(0x806, f.arp(2)) },
  fragments = { f.ethernet(0x800, f.ipv4(17, "12345678", { fragment = 0x2000 })),
    f.ethernet(0x86dd, f.ipv6(44, f.fragment6(17, 0, true) .. f.udp(""))) },
  icmp = { f.ethernet(0x800, f.ipv4(1, "\3\4\0\0" .. udp:sub(15))), f.ethernet(0x86dd, f.ipv6(58, "\2\0\0\0" .. tcp:sub(15))) },
  options = { f.ethernet(0x800, f.ipv4(6, f.tcp(2, ("\1"):rep(40), ""), { options = ("\1"):rep(40) })), udp:sub(1, 20) },
  empty = { "", "" },
}

for name, seed in pairs(seeds) do
  local file = assert(io.open("tests/fuzz/corpus/dissect/" .. name, "wb"))
  file:write(u16(#seed[1]), seed[1], seed[2])
  file:close()
end
