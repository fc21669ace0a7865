-- intel.e1000e against QEMU's model of the 82574, a second witness; see support_qemu.cards.
local lu = require("luaunit")

TestDirect, TestVfio = require("support_qemu").cards("e1000e")

os.exit(lu.LuaUnit.run())
