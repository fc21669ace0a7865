-- support_pci -- a tree of files that looks like sysfs with network cards; NF_SYSFS points there.
local ffi = require("ffi")
local support = require("support")

ffi.cdef([[
int setenv(const char *name, const char *value, int overwrite);
int flock(int fd, int operation);
int open(const char *path, int flags, ...);
]])

local pci = { lock = 6 }        -- LOCK_EX | LOCK_NB

-- Little-endian bytes of a number.
local function bytes(n, count)
  local text = ""
  for _ = 1, count do
    text = text .. string.char(n % 256)
    n = math.floor(n / 256)
  end
  return text
end

-- 4 KiB of configuration space: bus mastering off, power state `power`, a PCI Express capability.
function pci.config(card)
  local power = bytes(0x01, 1) .. bytes(0xa0, 1) .. bytes(0, 2) .. bytes(card.power or 0, 2)
  local express = bytes(0x10, 1) .. bytes(0, 1) .. bytes(2, 2) .. bytes(0, 6) .. bytes(0, 2)
  local head = bytes(0x8086, 2) .. bytes(card.device, 2) .. bytes(card.command or 0, 2) .. bytes(0x0010, 2) .. bytes(1, 1) ..
    bytes(card.class or 0x020000, 3) .. bytes(0, 4) .. bytes(0x0c, 4) .. ("\0"):rep(0x34 - 0x14) .. "\x40"
  head = head .. ("\0"):rep(0x40 - #head) .. power
  head = head .. ("\0"):rep(0xa0 - #head) .. express
  return head .. ("\0"):rep(4096 - #head)
end

-- Make a card below `root`: { device = 0x10fb, bytes = size of its registers, driver =, group =, group_type =, net = }.
function pci.card(root, address, card)
  local folder = root .. "/bus/pci/devices/" .. address .. "/"
  os.execute("mkdir -p '" .. folder .. "'")
  local function file(name, text) support.write(folder .. name, text) end
  local size = card.bytes or 0x80000
  file("vendor", ("0x%04x\n"):format(card.vendor or 0x8086))
  file("device", ("0x%04x\n"):format(card.device))
  file("class", ("0x%06x\n"):format(card.class or 0x020000))
  file("subsystem_vendor", "0x8086\n")
  file("subsystem_device", "0x0001\n")
  file("revision", "0x01\n")
  file("irq", "0\n")
  file("numa_node", (card.node or -1) .. "\n")
  file("resource", ("0x%016x 0x%016x 0x%016x\n"):format(0xe0000000, 0xe0000000 + size - 1, 0x14220c) ..
    ("0x0000000000000000 0x0000000000000000 0x0000000000000000\n"):rep(12))
  file("config", pci.config(card))
  os.execute(("truncate -s %d '%sresource0'"):format(size, folder))
  if card.driver then
    os.execute(("mkdir -p '%s/bus/pci/drivers/%s'; ln -sfn '../../../../bus/pci/drivers/%s' '%sdriver'"):format(root, card.driver,
      card.driver, folder))
  end
  if card.group then
    os.execute(("mkdir -p '%s/kernel/iommu_groups/%s'; ln -sfn '%s/kernel/iommu_groups/%s' '%siommu_group'"):format(root, card.group,
      root, card.group, folder))
    support.write(folder .. "iommu_group/type", (card.group_type or "DMA") .. "\n")
  end
  if card.net then
    os.execute(("mkdir -p '%snet/%s'"):format(folder, card.net))
    file("net/" .. card.net .. "/operstate", "up\n")
    file("net/" .. card.net .. "/speed", "10000\n")
  end
  return folder
end

-- A 16-bit word of a card's configuration space.
function pci.word(folder, offset)
  local low, high = support.read(folder .. "config"):byte(offset + 1, offset + 2)
  return low + 256 * high
end

function pci.bus_master(folder) return bit.band(pci.word(folder, 4), 4) ~= 0 end

-- From here on nf looks for cards below `root`.
function pci.root(root) ffi.C.setenv("NF_SYSFS", root, 1) end

-- Take the lock of a card as another nf would; gives what to close.
function pci.take(folder)
  local fd = ffi.C.open(folder .. "resource0", 2)
  assert(ffi.C.flock(fd, pci.lock) == 0)
  return fd
end

-- Whether this machine lets us drive a card: root, and so many huge pages are free; more are made when they can be.
local wanted
function pci.huge(pages)
  local path = "/proc/sys/vm/nr_hugepages"
  local function free() return tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s*(%d+)")) end
  if support.run("id -u") ~= "0\n" then return false, "needs root" end
  if not wanted then            -- in addition to what is there, which others may be about to use
    local before = tonumber(support.read(path))
    local file = io.open(path, "w")
    if not file then return false, "cannot make huge pages" end
    wanted = pages
    file:write(tostring(before + wanted))
    file:close()
  end
  return free() >= pages, "needs " .. pages .. " huge pages"
end

-- Give back those that were made.
function pci.give_back()
  if not wanted then return end
  local path = "/proc/sys/vm/nr_hugepages"
  support.write(path, tostring(tonumber(support.read(path)) - wanted))
  wanted = nil
end

return pci
