-- intel.e1000e against QEMU's model of the 82574, a second witness; see guest_cards.lua for the cases.
local lu = require("luaunit")
local qemu = require("support_qemu")

local CARDS = "-device pcie-root-port,id=p1,chassis=1 -device pcie-root-port,id=p2,chassis=2 " ..
  "-netdev hubport,id=h1,hubid=1 -netdev hubport,id=h2,hubid=1 " ..
  "-device e1000e,netdev=h1,bus=p1,mac=02:00:00:00:00:01 -device e1000e,netdev=h2,bus=p2,mac=02:00:00:00:00:02"

TestCards = qemu.class({ test = "tests/qemu/guest_cards.lua", devices = CARDS, huge_pages = 128 },
  { "testFramesOfAllSizes", "testReloadAndKill" })

os.exit(lu.LuaUnit.run())
