-- intel.e1000e against QEMU's model of the 82574, a second witness: directly, through vfio-pci behind an IOMMU, and
-- with the kernel's own driver as the peer. See guest_cards.lua and guest_peer.lua for the cases.
local lu = require("luaunit")
local qemu = require("support_qemu")

local CARDS = "-device pcie-root-port,id=p1,chassis=1 -device pcie-root-port,id=p2,chassis=2 " ..
  "-netdev hubport,id=h1,hubid=1 -netdev hubport,id=h2,hubid=1 " ..
  "-device e1000e,netdev=h1,bus=p1,mac=02:00:00:00:00:01 -device e1000e,netdev=h2,bus=p2,mac=02:00:00:00:00:02"
local CASES = { "testFramesOfAllSizes", "testReloadAndKill" }

TestDirect = qemu.class({ test = "tests/qemu/guest_cards.lua", devices = CARDS, huge_pages = 128 }, CASES)

TestVfio = qemu.class({ test = "tests/qemu/guest_cards.lua", devices = "-device intel-iommu " .. CARDS, append = "intel_iommu=on",
  modules = { "irqbypass", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci" }, huge_pages = 128 }, CASES)

TestPeer = qemu.class({ test = "tests/qemu/guest_peer.lua", devices = CARDS, modules = { "e1000e", "tun" },
  programs = { "ip" }, huge_pages = 64 }, { "testTheKernelPingsThroughNf" })

os.exit(lu.LuaUnit.run())
