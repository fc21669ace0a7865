-- pci: which cards there are, opening one, its lock, bus mastering, what a killed nf left behind.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local pci = require("support_pci")

ffi.cdef([[
int fork(void);
void _exit(int code);
int waitpid(int pid, int *status, int options);
int munmap(void *at, size_t bytes);
unsigned getuid(void);
void free(void *memory);
]])

local ADDRESS = "0000:05:00.0"
local root = support.folder()
local device = ffi.new("struct pci_device")
local out = ffi.new("struct pci_card *[1]")

local function fails(code, number, text)
  lu.assertEquals(code, -number)
  lu.assertStrContains(ffi.string(nf.nf_error()), text)
end

-- What f gives in a process of its own: each opens cards and memory as the first of its life.
local function apart(f)
  io.stdout:flush()
  local pid = ffi.C.fork()
  if pid == 0 then
    local ok, message = xpcall(f, debug.traceback)
    if not ok then io.stderr:write(tostring(type(message) == "table" and message.msg or message), "\n") end
    ffi.C._exit(ok and 0 or 1)
  end
  local status = ffi.new("int[1]")
  ffi.C.waitpid(pid, status, 0)
  lu.assertEquals(status[0], 0)
end

TestPci = {}

function TestPci:setUp()
  os.execute("rm -rf '" .. root .. "'/*")
  pci.root(root)
end

function TestPci:testTheDevicesOfATreeAreListed()
  pci.card(root, "0000:06:00.1", { device = 0x1521, node = 1, driver = "igb", net = "eth7", bytes = 0x20000 })
  pci.card(root, ADDRESS, { device = 0x10fb, group = "12" })
  local list = ffi.new("struct pci_device *[1]")
  lu.assertEquals(nf.pci_list(list), 2)
  local first, second = list[0][0], list[0][1]
  lu.assertEquals(ffi.string(first.address), ADDRESS)
  lu.assertEquals(first.device, 0x10fb)
  lu.assertEquals(first.vendor, 0x8086)
  lu.assertEquals(first.class_code, 0x020000)
  lu.assertEquals(first.node, -1)
  lu.assertEquals(first.registers, 0x80000)
  lu.assertEquals(first.iommu, 2)
  lu.assertEquals(ffi.string(first.group), "12")
  lu.assertEquals(ffi.string(first.driver), "")
  lu.assertEquals(ffi.string(second.address), "0000:06:00.1")
  lu.assertEquals(second.node, 1)
  lu.assertEquals(ffi.string(second.driver), "igb")
  lu.assertEquals(ffi.string(second.interface), "eth7")
  lu.assertEquals(second.registers, 0x20000)
  lu.assertEquals(second.iommu, 0)
  ffi.C.free(list[0])
end

function TestPci:testWithoutABusThereIsAMessage()
  pci.root(root .. "/nothing")
  local list = ffi.new("struct pci_device *[1]")
  fails(nf.pci_list(list), 5, "libpci: Cannot open " .. root .. "/nothing/bus/pci/devices")
  lu.assertTrue(list[0] == nil)
end

function TestPci:testATreeThatLacksFilesIsNoEndOfTheProcess()
  local folder = pci.card(root, ADDRESS, { device = 0x10fb })
  os.remove(folder .. "vendor")
  local list = ffi.new("struct pci_device *[1]")
  local n = nf.pci_list(list)
  lu.assertTrue(n == -5 or n >= 0)
  if list[0] ~= nil then ffi.C.free(list[0]) end
end

function TestPci:testADeviceIsFoundByItsAddress()
  pci.card(root, ADDRESS, { device = 0x10fb })
  lu.assertEquals(nf.pci_find(ADDRESS, device), 0)
  lu.assertEquals(device.device, 0x10fb)
  fails(nf.pci_find("0000:05:00.1", device), 19, "there is no PCI device 0000:05:00.1 (nf pci lists all)")
end

-- Memory as a supervisor makes it for cards.
local function memory()
  assert(nf.memory_reserve() == 0)
  assert(nf.memory_dma_start() == 0)
  assert(nf.memory_segment_add(0, "PACKET_STANDARD", 1000, -1) >= 0)
  assert(nf.memory_worker_start(0) == 0)
end

local function open() return nf.pci_open(ADDRESS, out) end

function TestPci:testACardIsOpenedAndLetAtMemory()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  local folder = pci.card(root, ADDRESS, { device = 0x10fb, power = 3 })
  apart(function ()
    memory()
    lu.assertEquals(open(), 0)
    local card = out[0]
    lu.assertFalse(card.vfio)
    lu.assertEquals(pci.word(folder, 0x44), 0)                  -- woken
    lu.assertEquals(pci.word(folder, 4), 2)                     -- its registers answer; no bus mastering yet
    lu.assertTrue(nf.pci_card(ADDRESS) == card)
    card.registers[0x18] = 7
    lu.assertEquals(support.read(folder .. "resource0"):byte(0x19), 7)
    lu.assertEquals(nf.pci_master_on(card), 0)
    lu.assertTrue(pci.bus_master(folder))
    lu.assertTrue(nf.pci_is_recorded(nf.memory_dma_owner()))
    lu.assertEquals(nf.pci_config_read(card, 0, 2), 0x8086)
    lu.assertEquals(nf.pci_config_read(card, 0, 4), 0x10fb8086)
    lu.assertEquals(nf.pci_config_read(card, 2, 1), 0xfb)
    -- A second user, then both leave.
    lu.assertEquals(open(), 0)
    lu.assertTrue(out[0] == card)
    nf.pci_close(card)
    lu.assertTrue(pci.bus_master(folder))
    nf.pci_close(card)
    lu.assertFalse(pci.bus_master(folder))
    lu.assertFalse(nf.pci_is_recorded(nf.memory_dma_owner()))
    lu.assertTrue(nf.pci_card(ADDRESS) == nil)
    nf.memory_dma_stop()
  end)
end

-- Each packet's address leads to the frame of memory that holds it; no two are the same.
function TestPci:testPacketsHaveTheAddressesOfTheirPages()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  pci.card(root, ADDRESS, { device = 0x10fb })
  apart(function ()
    memory()
    lu.assertEquals(nf.packet_alloc().iova, 0ULL)
    lu.assertEquals(open(), 0)
    local pagemap = assert(io.open("/proc/self/pagemap", "rb"))
    local seen = {}
    for _ = 1, 1000 do
      local p = nf.packet_alloc()
      local at = tonumber(ffi.cast("uintptr_t", p))
      pagemap:seek("set", math.floor(at / 4096) * 8)
      local low = pagemap:read(8)
      local entry = ffi.cast("uint64_t *", low)[0]
      local physical = bit.band(entry, 0x7fffffffffffffULL) * 4096 + at % 4096
      lu.assertEquals(p.iova, physical)
      lu.assertNil(seen[tostring(physical)])
      seen[tostring(physical)] = true
    end
    local ring = ffi.new("uint8_t *[1]")
    lu.assertTrue(nf.memory_dma_ring(nf.MEMORY_PAGE, -1, ring) >= 0)
    lu.assertEquals(ffi.cast("uint64_t *", ring[0])[0], nf.memory_dma_address(ring[0]))
    lu.assertEquals(nf.memory_dma_address(ring[0] + 4096), nf.memory_dma_address(ring[0]) + 4096)
    nf.memory_dma_ring_free(ring[0], nf.MEMORY_PAGE)
    lu.assertEquals(nf.memory_dma_address(ring[0]), 0ULL)
    nf.pci_close(out[0])
    nf.memory_dma_stop()
  end)
end

function TestPci:testOnlyOneProcessOwnsACard()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  local folder = pci.card(root, ADDRESS, { device = 0x10fb })
  local other = pci.take(folder)
  apart(function ()
    memory()
    fails(open(), 16, "card " .. ADDRESS .. " is used by another nf")
    nf.memory_dma_stop()
  end)
  fails(nf.pci_bind(ADDRESS, nil), 16, "card " .. ADDRESS .. " is used by an nf")
  ffi.C.close(other)
end

function TestPci:testWhatStandsInTheWayIsTold()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  local function refused(card, number, text)
    os.execute("rm -rf '" .. root .. "'/*")
    card.device = 0x10fb
    pci.card(root, ADDRESS, card)
    apart(function ()
      memory()
      fails(open(), number, text)
      nf.memory_dma_stop()
    end)
  end
  refused({ driver = "ixgbe" }, 16, "belongs to the kernel's driver ixgbe; `nf pci bind " .. ADDRESS .. " vfio-pci`")
  refused({ group = "7" }, 1, "an IOMMU translates its addresses (group 7)")
  refused({ group = "7", group_type = "DMA-FQ" }, 1, "an IOMMU translates")
  refused({ driver = "vfio-pci" }, 19, "bound to vfio-pci without an IOMMU")
  refused({ driver = "vfio-pci", group = "999" }, 2, "/dev/vfio/")
  os.execute("rm -rf '" .. root .. "'/*")
  pci.card(root, ADDRESS, { device = 0x10fb, group = "7", group_type = "identity" })
  apart(function ()
    memory()
    lu.assertEquals(open(), 0)
    nf.pci_close(out[0])
    nf.memory_dma_stop()
  end)
end

function TestPci:testMemoryThatWasNotMadeForCardsIsRefused()
  lu.skipIf(ffi.C.getuid() ~= 0, "needs root")
  pci.card(root, ADDRESS, { device = 0x10fb })
  apart(function ()
    assert(nf.memory_reserve() == 0)
    assert(nf.memory_segment_add(0, "PACKET_STANDARD", 1000, -1) >= 0)
    fails(open(), 22, "this nf was started without cards")
    assert(nf.memory_dma_start() == 0)
    fails(open(), 22, "its packet memory is not made for them; start nf anew")
    nf.memory_dma_stop()
  end)
end

function TestPci:testWithoutHugePagesDirectAccessIsRefused()
  lu.skipIf(ffi.C.getuid() ~= 0, "needs root")
  pci.card(root, ADDRESS, { device = 0x10fb })
  apart(function ()
    assert(nf.memory_reserve() == 0)
    assert(nf.memory_dma_start() == 0)
    -- More than the machine has.
    local free = tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s*(%d+)"))
    assert(nf.memory_segment_add(0, "PACKET_STANDARD", 936 * (free + 1), -1) >= 0)
    fails(open(), 12, "direct access to cards needs huge pages for all packet memory")
    nf.memory_dma_stop()
  end)
end

-- Killed with bus mastering on: the next one switches it off, then gives the memory back; before that nobody gets it.
function TestPci:testWhatAKilledOneLeftBehindIsCleanedUp()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  local folder = pci.card(root, ADDRESS, { device = 0x10fb })
  local owner = root .. "/owner"
  apart(function ()
    memory()
    lu.assertEquals(open(), 0)
    lu.assertEquals(nf.pci_master_on(out[0]), 0)
    support.write(owner, ffi.string(nf.memory_dma_owner()))
  end)                                          -- ends without any of the calls that undo
  owner = support.read(owner)
  local function files()
    return support.run("for d in $(awk '$3 == \"hugetlbfs\" { print $2 }' /proc/self/mounts); do ls $d; done | grep -c '^" .. owner .. "-'")
  end
  lu.assertTrue(pci.bus_master(folder))
  lu.assertTrue(tonumber((files())) > 0)
  lu.assertTrue(nf.pci_is_recorded(owner))
  -- One that cleans up while a process still has the card leaves everything alone.
  local other = pci.take(folder)
  apart(function ()
    assert(nf.memory_dma_start() == 0)
    nf.memory_dma_stop()
  end)
  lu.assertTrue(pci.bus_master(folder))
  lu.assertTrue(tonumber((files())) > 0)
  ffi.C.close(other)
  local text = support.stderr(function ()
    apart(function ()
      assert(nf.memory_dma_start() == 0)
      nf.memory_dma_stop()
    end)
  end)
  lu.assertStrContains(text, "card " .. ADDRESS .. " was left on by an nf that was killed; it is off now")
  lu.assertFalse(pci.bus_master(folder))
  lu.assertFalse(nf.pci_is_recorded(owner))
  lu.assertEquals(tonumber((files())), 0)
end

-- A card that can no longer be told to stop keeps its memory.
function TestPci:testACardThatCannotBeSwitchedOffKeepsItsMemory()
  local can, why = pci.huge(8)
  lu.skipIf(not can, why)
  local folder = pci.card(root, ADDRESS, { device = 0x10fb })
  local owner = root .. "/owner"
  apart(function ()
    memory()
    lu.assertEquals(open(), 0)
    lu.assertEquals(nf.pci_master_on(out[0]), 0)
    support.write(owner, ffi.string(nf.memory_dma_owner()))
  end)
  owner = support.read(owner)
  os.rename(folder .. "config", folder .. "away")
  os.execute("mkdir '" .. folder .. "config'")  -- cannot be opened for writing
  local text = support.stderr(function ()
    apart(function ()
      assert(nf.memory_dma_start() == 0)
      nf.memory_dma_stop()
    end)
  end)
  lu.assertStrContains(text, "cannot be switched off")
  lu.assertTrue(nf.pci_is_recorded(owner))
  os.execute("rmdir '" .. folder .. "config'")
  os.rename(folder .. "away", folder .. "config")
  support.stderr(function ()
    apart(function ()
      assert(nf.memory_dma_start() == 0)
      nf.memory_dma_stop()
    end)
  end)
  lu.assertFalse(nf.pci_is_recorded(owner))
end

function TestPci:testBindAndUnbindWriteWhatTheKernelReads()
  local folder = pci.card(root, ADDRESS, { device = 0x10fb, driver = "ixgbe" })
  support.write(root .. "/bus/pci/drivers/ixgbe/unbind", "")
  support.write(root .. "/bus/pci/drivers_probe", "")
  support.write(folder .. "driver_override", "")
  fails(nf.pci_bind(ADDRESS, "vfio-pci"), 19, "the kernel has no driver 'vfio-pci' (modprobe vfio-pci)")
  os.execute("mkdir '" .. root .. "/bus/pci/drivers/vfio-pci'")
  lu.assertEquals(nf.pci_bind(ADDRESS, nil), 0)
  lu.assertEquals(support.read(root .. "/bus/pci/drivers/ixgbe/unbind"), ADDRESS)
  os.remove(folder .. "driver")
  fails(nf.pci_bind(ADDRESS, "vfio-pci"), 19, "no driver of the kernel has taken " .. ADDRESS .. ": vfio-pci takes a device with an IOMMU only")
  lu.assertEquals(support.read(folder .. "driver_override"), "vfio-pci")
  lu.assertEquals(support.read(root .. "/bus/pci/drivers_probe"), ADDRESS)
  fails(nf.pci_bind(ADDRESS, "kernel"), 19, "no driver of the kernel has taken " .. ADDRESS)
  lu.assertEquals(support.read(folder .. "driver_override"):sub(1, 1), "\n")
  os.execute("ln -sfn ../../drivers/vfio-pci '" .. folder .. "driver'")
  lu.assertEquals(nf.pci_bind(ADDRESS, "vfio-pci"), 0)          -- already so
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
