-- Two cards of QEMU, joined by a cable, both nf's: directly, or through vfio-pci behind an IOMMU. Runs in the guests of
-- test_e1000e.lua and test_igb.lua.
local lu = require("luaunit")
local ffi = require("ffi")
local capture = require("support_capture")
local guest = require("support_guest")
local support = require("support")

ffi.cdef([[
int open(const char *path, int flags, ...);
void *mmap(void *address, size_t bytes, int protection, int flags, int fd, long offset);
int munmap(void *address, size_t bytes);
]])

TestGuest = {}

function TestGuest:setUp()
  guest.take(guest.FIRST)
  guest.take(guest.SECOND)
end

function TestGuest:tearDown() guest.clean_up() end

-- Every length that a standard frame may have, and some of the long ones: 60 to 9,014 bytes.
local function all_sizes()
  local sizes = {}
  for size = 60, 1514 do sizes[#sizes + 1] = size end
  for size = 1515, 9014, 29 do sizes[#sizes + 1] = size end
  for _, size in ipairs({ 2026, 2048, 2049, 4096, 9013, 9014 }) do sizes[#sizes + 1] = size end
  return sizes
end

-- In both directions at once, every byte of every frame is as it was sent, in order; both cards have counted the same. Their counters
-- may know of earlier runs, which QEMU 7 does not take from them at a reset: they are read, and so cleared, before the first frame.
function TestGuest:testFramesOfAllSizes()
  local frames = guest.frames(all_sizes())
  local writers = [[at_b = { "pcap.writer", file = "/tmp/b.pcap" }, at_a = { "pcap.writer", file = "/tmp/a.pcap" }]]
  local links = [["b.output -> at_b.input", "a.output -> at_a.input"]]
  local function counted(card) return { guest.register(card, "GPTC"), guest.register(card, "GPRC") } end
  support.write("/tmp/in.pcap", capture.pcap(frames))
  guest.start("sizes", guest.graph(9000, writers, links))
  counted(guest.FIRST)
  counted(guest.SECOND)
  guest.reload("sizes", guest.graph(9000, writers .. [[,
    east = { "pcap.reader", file = "/tmp/in.pcap", rate = "3Kpps", max_length = 9014 },
    west = { "pcap.reader", file = "/tmp/in.pcap", rate = "3Kpps", max_length = 9014 }]],
    links .. [[, "east.output -> a.input", "west.output -> b.input"]]))
  guest.wait_count("sizes", "at_b", "sent", #frames)
  guest.wait_count("sizes", "at_a", "sent", #frames)
  for _, card in ipairs({ guest.FIRST, guest.SECOND }) do lu.assertEquals(counted(card), { #frames, #frames }) end
  local text = guest.stop("sizes")
  for _, app in ipairs({ "a", "b" }) do
    lu.assertStrMatches(text, (".*\n  %s +%d +%d +%d +0 +0 .*"):format(app, 2 * #frames, #frames, #frames))
  end
  guest.compare("/tmp/b.pcap", frames)
  guest.compare("/tmp/a.pcap", frames)
end

-- 1,000 numbered frames from a to b, again and again, into a file: straight there, or through a tee. rounds: 0: for ever
local function numbered(rounds, through_tee)
  local sizes = {}
  for i = 1, 1000 do sizes[i] = 60 + i % 200 end
  local frames = guest.frames(sizes)
  support.write("/tmp/in.pcap", capture.pcap(frames))
  local tee = through_tee and [[, copy = { "basic.tee" }]] or ""
  local links = through_tee and [["b.output -> copy.input", "copy.x -> file.input", "copy.y -> sink.y"]] or [["b.output -> file.input"]]
  return guest.graph(1500, ([[source = { "pcap.reader", file = "/tmp/in.pcap", rate = "1Kpps", max_length = 1514, loop = %d },
    file = { "pcap.writer", file = "/tmp/out.pcap" }, sink = { "basic.sink" } %s]]):format(rounds, tee),
    [["source.output -> a.input", "a.output -> sink.input", ]] .. links), frames
end

-- Reloads while frames are under way: not one is lost or comes twice.
function TestGuest:testReload()
  local straight, frames = numbered(3, false)
  local all = {}
  guest.start("reload", straight)
  for i = 1, 4 do
    guest.wait_count("reload", "file", "sent", i * 500)
    local receipt = guest.reload("reload", (numbered(3, i % 2 == 1)))
    lu.assertStrContains(receipt, "packets lost   0")
    lu.assertStrMatches(receipt, ".*kept +4  a, b, file, source\n.*")
  end
  guest.wait_count("reload", "file", "sent", 3000)
  guest.stop("reload")
  for i = 1, 3000 do all[i] = frames[(i - 1) % 1000 + 1] end
  guest.compare("/tmp/out.pcap", all)
end

-- The worker is killed while frames are under way: the next one goes on with the same cards. And a cable that is pulled.
function TestGuest:testKilledWorkerAndPulledCable()
  local pid = guest.start("kill", (numbered(0, false)))
  local function sent() return guest.count("kill", "file", "sent") end
  guest.wait_count("kill", "file", "sent", 100)
  guest.kill(guest.worker(pid), 9)
  guest.wait("the next worker", "kill", function() return guest.said("kill"):find("is back after", 1, true) end)
  guest.wait_count("kill", "file", "sent", sent() + 100)
  lu.assertEquals(select(2, support.run("/nf stats --interval 0 kill")), 0)
  guest.monitor("set_link", '"name": "c1", "up": false')
  guest.wait("dropped frames", "kill", function() return guest.count("kill", "a", "link-down") > 0 end)
  lu.assertEquals(guest.count("kill", "a", "link-mbps"), 0)
  guest.monitor("set_link", '"name": "c1", "up": true')
  guest.wait("the link", "kill", function() return guest.count("kill", "a", "link-mbps") == 1000 end)
  guest.wait_count("kill", "file", "sent", sent() + 100)
  guest.stop("kill")
  for _, card in ipairs({ guest.FIRST, guest.SECOND }) do lu.assertFalse(guest.is_master(card)) end
end

-- Supervisor and worker are killed at once. Directly, the cards stay on, and so their memory is nobody else's, until the next nf has
-- switched them off; through vfio the kernel does so itself.
function TestGuest:testEverybodyIsKilled()
  local total = guest.memory("HugePages_Free")
  local pid = guest.start("first", (numbered(0, false)))
  guest.wait_count("first", "file", "sent", 100)
  local worker, free = guest.worker(pid), guest.memory("HugePages_Free")
  guest.kill(pid, 9)
  guest.kill(worker, 9)
  guest.wait("their end", "first", function() return not support.alive(pid) and not support.alive(worker) end)
  lu.assertTrue(free < total)
  if guest.vfio then
    guest.wait("bus mastering off", "first", function() return not guest.is_master(guest.FIRST) and not guest.is_master(guest.SECOND) end)
  else
    lu.assertEquals({ guest.is_master(guest.FIRST), guest.is_master(guest.SECOND) }, { true, true })
    lu.assertEquals(guest.memory("HugePages_Free"), free)
    lu.assertStrContains(guest.shell("ls /run/nf-cards"), guest.FIRST)
  end
  guest.start("second", (numbered(0, false)))
  guest.wait_count("second", "file", "sent", 100)
  local text = guest.stop("second")
  if not guest.vfio then lu.assertStrContains(text, "card " .. guest.FIRST .. " was left on by an nf that was killed; it is off now") end
  lu.assertEquals({ guest.is_master(guest.FIRST), guest.is_master(guest.SECOND) }, { false, false })
  lu.assertEquals(guest.memory("HugePages_Free"), total)
  lu.assertEquals(guest.shell("ls /run/nf-cards 2>/dev/null; ls /dev/hugepages"), "")
end

-- What takes an IOMMU.
local Vfio = {}

-- Change a register behind nf's back. The kernel tells of ten faults in five seconds at most, so those of another test must be over.
local function poke(card, register, value)
  ffi.C.usleep(6000000)
  local fd = ffi.C.open("/sys/bus/pci/devices/" .. card .. "/resource0", 2)
  local registers = ffi.C.mmap(nil, 0x20000, 3, 1, fd, 0)       -- PROT_READ | PROT_WRITE, MAP_SHARED
  lu.assertNotEquals(ffi.cast("intptr_t", registers), -1)
  ffi.cast("volatile uint32_t *", ffi.cast("char *", registers) + register)[0] = value
  ffi.C.munmap(registers, 0x20000)
  ffi.C.close(fd)
end

-- The card is given an address that nobody has mapped, in place of its transmit ring's. The IOMMU lets nothing through, the kernel
-- tells of it, and nf notices that nothing is sent any more, and starts the queue anew.
function Vfio:testForbiddenTransmitRing()
  guest.start("fault", (numbered(0, false)))
  guest.wait_count("fault", "file", "sent", 100)
  lu.assertEquals(guest.faults(), "")
  poke(guest.FIRST, guest.card == "igb" and 0xe004 or 0x3804, 0x33)
  guest.wait_count("fault", "a", "queue-resets", 1)
  guest.wait("the fault", "fault", function() return guest.faults():find("Request device %[01:00%.0%] fault addr 0x33") end)
  lu.assertStrContains(guest.said("fault"), "has not sent for a while")
  guest.wait_count("fault", "file", "sent", guest.count("fault", "file", "sent") + 100)
  guest.stop("fault")
  guest.forget_faults()
end

-- The same, with the receive ring of the other card.
function Vfio:testForbiddenReceiveRing()
  guest.start("fault", (numbered(0, false)))
  guest.wait_count("fault", "file", "sent", 100)
  poke(guest.SECOND, guest.card == "igb" and 0xc004 or 0x2804, 0x44)
  guest.wait("the fault", "fault", function() return guest.faults():find("Request device %[02:00%.0%] fault addr 0x44") end)
  guest.stop("fault")
  guest.forget_faults()
end

-- One of the cards alone.
local function only(app)
  return ([[return { apps = { %s = { "%s", pci = "%s" }, sink = { "basic.sink" } }, links = { "%s.output -> sink.input" } }]]):format(app, guest.class,
    app == "a" and guest.FIRST or guest.SECOND, app)
end

-- Where the first card's ring lies for it, in units of 4 GiB.
local function place(environment)
  guest.start("place", only("a"), environment)
  local high = guest.register(guest.FIRST, guest.card == "igb" and "RDBAH[0]" or "RDBAH")
  guest.stop("place")
  return high
end

-- Memory avoids what an IOMMU reserves, and stays below 39 bits.
function Vfio:testReservedRanges()
  local group = guest.shell("readlink /sys/bus/pci/devices/" .. guest.FIRST .. "/iommu_group"):match("(%d+)%s*$")
  local folder = "/tmp/sys/kernel/iommu_groups/" .. group
  guest.shell("mkdir -p " .. folder .. " && ln -sfn /sys/bus /tmp/sys/bus")
  local usual = place("")
  lu.assertTrue(usual >= 1 and usual < 128, usual)
  support.write(folder .. "/reserved_regions", ("0x%x 0x%x direct\n"):format(0x100000000, 0x300000fff))
  local moved = place("NF_SYSFS=/tmp/sys")
  lu.assertTrue(moved >= usual + 3 and moved < 128, moved)
  support.write(folder .. "/reserved_regions", "0x0 0x7fffffffff direct\n")
  lu.assertStrContains(guest.refused(only("a"), "NF_SYSFS=/tmp/sys"), "its IOMMU has no free range for packet memory")
end

-- A card belongs to one nf; nothing is reached directly past an IOMMU that translates; vfio and direct access do not mix.
function Vfio:testRefusals()
  guest.start("owner", only("a"))
  lu.assertStrContains(guest.refused(only("a")), "card " .. guest.FIRST .. " is used by another nf")
  lu.assertStrContains(support.run("/nf pci bind " .. guest.FIRST .. " kernel"), "is used by an nf")
  lu.assertStrContains(guest.shell("/nf pci"), "an nf uses it")
  guest.stop("owner")
  guest.shell("/nf pci unbind " .. guest.FIRST)
  lu.assertStrContains(guest.refused(only("a")), "an IOMMU translates its addresses")
  local kind = "/sys/bus/pci/devices/" .. guest.FIRST .. "/iommu_group/type"
  local before = guest.shell("cat " .. kind)
  guest.shell("echo identity > " .. kind)
  lu.assertStrContains(guest.refused((numbered(0, false))), "one card is reached through vfio and another directly")
  guest.start("identity", only("a"))                            -- an IOMMU that does not translate is none
  guest.stop("identity")
  guest.shell(("echo %s > %s"):format(before:match("%S+"), kind))
end

for name, case in pairs(guest.vfio and Vfio or {}) do TestGuest[name] = case end

os.exit(lu.LuaUnit.run())
