-- Two 82574 of QEMU, joined by a cable: nf drives both, or one of them and the kernel the other. Runs in the guests of test_cards.lua.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local FIRST, SECOND = "0000:01:00.0", "0000:02:00.0"

local function shell(command)
  local text, code = support.run(command)
  lu.assertEquals(code, 0, command .. ": " .. text)
  return text
end

local function said(name) return support.read("/tmp/" .. name .. ".log") or "" end

local function start(name, text)
  support.write("/tmp/" .. name .. ".lua", text)
  support.run(("/nf run --name %s /tmp/%s.lua >/tmp/%s.log 2>&1 & echo $! >/tmp/%s.pid"):format(name, name, name, name))
  support.wait("nf", function() return support.run("/nf stats --interval 0 " .. name):find(", running; [1-9]") end, "/tmp/" .. name .. ".log")
  return tonumber(support.read("/tmp/" .. name .. ".pid"))
end

local function stop(name)
  shell("/nf stop " .. name)
  support.wait("the end", function() return said(name):find("it balances", 1, true) end)
  return said(name)
end

local function count(name, app)
  return tonumber(support.run("/nf stats --interval 0 " .. name):match("\n +" .. app .. " +(%d+)")) or 0
end

-- Frames from the first card to the second, and back through a join to be counted.
local function graph(sizes, mtu, number)
  return ([[return { apps = { source = { "basic.source", sizes = { %s }, number = %d, rate = "2Kpps" },
    a = { "intel.e1000e", pci = "%s", mtu = %d, wait_for_link = "10s" }, b = { "intel.e1000e", pci = "%s", mtu = %d, wait_for_link = "10s" },
    file = { "pcap.writer", file = "/tmp/out.pcap" } },
    links = { "source -> a.input", "b.output -> file" } }]]):format(sizes, number, FIRST, mtu, SECOND, mtu)
end

TestGuest = {}

-- With vfio-pci in the kernel the cards are bound to it first, as a user would.
function TestGuest:setUp()
  if support.run("test -d /sys/bus/pci/drivers/vfio-pci && echo yes") ~= "yes\n" then return end
  shell("/nf pci bind " .. FIRST)
  shell("/nf pci bind " .. SECOND)
  lu.assertStrContains(shell("/nf pci"), "vfio-pci")
end

-- Frames of 60 to 9,000 bytes, all of them, in order and whole: the source counts its bytes up.
function TestGuest:testFramesOfAllSizes()
  start("sizes", graph("60, 61, 127, 128, 1000, 1514, 2026, 2048, 2049, 5000, 9014", 9000, 1100))
  support.wait("the frames", function() return count("sizes", "file") == 1100 end, "/tmp/sizes.log")
  local text = stop("sizes")
  lu.assertStrMatches(text, ".*\n  a +1100 +0 +1100 +0 +0 .*")
  lu.assertStrMatches(text, ".*\n  b +1100 +1100 +0 +0 +0 .*")
  local file = support.read("/tmp/out.pcap")
  lu.assertTrue(#file > 1100 * 2000, #file)
end

function TestGuest:testReloadAndKill()
  local pid = start("kill", graph("60, 1514", 1500, 1000000))
  support.wait("frames", function() return count("kill", "file") > 100 end, "/tmp/kill.log")
  lu.assertStrContains(shell("/nf reload kill"), "packets lost   0")
  local worker = tonumber(support.read(("/proc/%d/task/%d/children"):format(pid, pid)):match("%d+"))
  ffi.C.kill(worker, 9)
  support.wait("the next worker", function() return said("kill"):find("is back after", 1, true) end, "/tmp/kill.log")
  local before = count("kill", "file")
  support.wait("frames", function() return count("kill", "file") > before + 100 end, "/tmp/kill.log")
  lu.assertEquals(select(2, support.run("/nf stats --interval 0 kill")), 0)
  stop("kill")
end

os.exit(lu.LuaUnit.run())
