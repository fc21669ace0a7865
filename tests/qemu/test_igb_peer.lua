-- intel.igb, and at the other end of the cable the kernel's driver of the same card; see support_qemu.peers.
local lu = require("luaunit")

TestDirect, TestVfio = require("support_qemu").peers("igb", "dca", "i2c-algo-bit", "igb")

os.exit(lu.LuaUnit.run())
