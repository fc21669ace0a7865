-- intel.igb against QEMU's model of the 82576, which QEMU 8 and later has; see support_qemu.cards.
local lu = require("luaunit")

TestDirect, TestVfio = require("support_qemu").cards("igb")

os.exit(lu.LuaUnit.run())
