-- intel.e1000e, and at the other end of the cable the kernel's driver of the same card; see support_qemu.peers.
local lu = require("luaunit")

TestDirect, TestVfio = require("support_qemu").peers("e1000e", "e1000e")

os.exit(lu.LuaUnit.run())
