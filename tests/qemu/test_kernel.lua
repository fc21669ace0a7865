-- nf on a kernel of its own; see guest_kernel.lua for the cases.
local lu = require("luaunit")
local qemu = require("support_qemu")

TestKernel = qemu.class({
  test = "tests/qemu/guest_kernel.lua",
  modules = { "tun", "veth", "llc", "stp", "garp", "mrp", "8021q" },
  programs = { "ip" },
}, { "testHugePages", "testVlanInterface" })

os.exit(lu.LuaUnit.run())
