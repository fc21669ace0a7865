-- nf doctor: each check against trees of /sys, /proc and /dev that the test makes.
local lu = require("luaunit")
local support = require("support")
local pci = require("support_pci")

TestDoctor = {}

local folder = support.folder()

function TestDoctor:setUp()
  os.execute(("rm -rf %s; mkdir -p %s/sys %s/proc %s/dev"):format(folder, folder, folder, folder))
end

local function file(path, text)
  os.execute(("mkdir -p '%s/%s'"):format(folder, path:match("^(.*)/")))
  support.write(folder .. "/" .. path, text)
end

local function doctor(arguments, before)
  return support.run(("%s NF_SYSFS=%s/sys NF_PROCFS=%s/proc NF_DEVFS=%s/dev '%s' doctor %s"):format(
    before or "", folder, folder, folder, support.nf, arguments or ""))
end

-- State, what was found and (where it is shown) how it is mended, of one check.
local function check(name)
  local text, code = doctor()
  lu.assertEquals(code, 0)
  local state, found, rest = ("\n" .. text):match("\n(%l+) +" .. name .. " +([^\n]*)\n(.*)")
  return state, found, rest:match("^ +wanted: [^\n]+\n +mend:   ([^\n]+)\n")
end

local HUGE = "hugepages/hugepages-2048kB/"

function TestDoctor:testHugePages()
  local state, found, mend = check("huge pages")
  lu.assertEquals(state, "poor")
  lu.assertEquals(found, "0 of 0 pages of 2 MiB are free")
  lu.assertStrContains(mend, "sysctl -w vm.nr_hugepages")
  file("sys/kernel/mm/" .. HUGE .. "nr_hugepages", "12\n")
  file("sys/kernel/mm/" .. HUGE .. "free_hugepages", "10\n")
  for node, count in pairs({ node0 = 4, node1 = 6 }) do
    file("sys/devices/system/node/" .. node .. "/" .. HUGE .. "nr_hugepages", "6\n")
    file("sys/devices/system/node/" .. node .. "/" .. HUGE .. "free_hugepages", count .. "\n")
  end
  state, found, mend = check("huge pages")
  lu.assertEquals({ state, found, mend }, { "good", "10 of 12 pages of 2 MiB are free; node0: 4 of 6; node1: 6 of 6" })
  file("sys/kernel/mm/" .. HUGE .. "free_hugepages", "0\n")
  lu.assertEquals((check("huge pages")), "poor")
end

function TestDoctor:testLockedMemory()
  local state, found, mend = check("locked memory")
  lu.assertEquals({ state, found }, { "poor", "no limit can be read" })
  lu.assertStrContains(mend, "ulimit -l unlimited")
  local line = "Max locked memory         %-20s %-20s bytes     \n"
  local before = "Limit                     Soft Limit           Hard Limit           Units     \n"
  for limit, expected in pairs({ ["65536"] = { "poor", "64 KiB" }, unlimited = { "good", "unlimited" },
    ["2147483648"] = { "good", "2097152 KiB" } }) do
    file("proc/self/limits", before .. line:format(limit, "unlimited"))
    lu.assertEquals({ check("locked memory") }, { expected[1], expected[2], expected[1] == "poor" and mend or nil })
  end
end

function TestDoctor:testIsolation()
  local state, found, mend = check("CPU isolation")
  lu.assertEquals({ state, found }, { "poor", "processors unknown; isolated: none; without timer tick: none" })
  lu.assertStrContains(mend, "isolcpus=")
  file("sys/devices/system/cpu/online", "0-7\n")
  file("sys/devices/system/cpu/isolated", "\n")
  file("sys/devices/system/cpu/nohz_full", "(null)\n")
  lu.assertEquals((select(2, check("CPU isolation"))), "processors 0-7; isolated: none; without timer tick: none")
  file("sys/devices/system/cpu/isolated", "2-7\n")
  lu.assertEquals((check("CPU isolation")), "poor")
  file("sys/devices/system/cpu/nohz_full", "2-7\n")
  lu.assertEquals({ check("CPU isolation") }, { "good", "processors 0-7; isolated: 2-7; without timer tick: 2-7" })
end

function TestDoctor:testFrequency()
  lu.assertEquals({ check("CPU frequency") }, { "good", "the kernel does not change the frequency here" })
  file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n")
  file("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n")
  lu.assertEquals({ check("CPU frequency") }, { "good", "performance on all cores" })
  file("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n")
  lu.assertEquals({ check("CPU frequency") }, { "poor", "powersave on 1 of 2 cores", "cpupower frequency-set -g performance" })
end

-- Cards that apps drive: each with the way to it, or what stands in it.
function TestDoctor:testCards()
  lu.assertEquals({ check("cards") }, { "good", "none that an app drives" })
  local root = os.getenv("NF_SYSFS") or folder .. "/sys"
  pci.card(root, "0000:05:00.0", { device = 0x10fb, node = 0 })
  file("sys/devices/system/node/node0/cpulist", "0-3\n")
  lu.assertEquals({ check("cards") }, { "good", "0000:05:00.0 intel.ixgbe: can be reached directly, near processors 0-3" })
  pci.card(root, "0000:06:00.0", { device = 0x1533, driver = "igb", net = "eth7" })
  pci.card(root, "0000:07:00.0", { device = 0x10d3, group = "3" })
  local state, found, mend = check("cards")
  lu.assertEquals(state, "poor")
  lu.assertStrContains(found, "; 0000:06:00.0 intel.igb: belongs to the kernel's driver igb; 0000:07:00.0 intel.e1000e: an IOMMU translates its addresses")
  lu.assertEquals(mend, "nf pci unbind 0000:06:00.0 (takes eth7 from the kernel); nf pci bind 0000:07:00.0")
  os.execute("rm -rf '" .. root .. "/bus/pci/devices'")
end

function TestDoctor:testNuma()
  lu.assertEquals({ check("NUMA") }, { "good", "one node" })
  file("sys/devices/system/node/node0/cpulist", "0-3\n")
  file("proc/sys/kernel/numa_balancing", "1\n")
  lu.assertEquals({ check("NUMA") }, { "good", "node0 has processors 0-3" })
  file("sys/devices/system/node/node1/cpulist", "4-7\n")
  file("sys/class/net/up0/device/numa_node", "1\n")
  file("sys/class/net/up1/device/numa_node", "-1\n")
  local state, found, mend = check("NUMA")
  lu.assertEquals(found, "node0 has processors 0-3; node1 has processors 4-7; up0 is on node1; automatic balancing is on")
  lu.assertEquals(state, "poor")
  lu.assertStrContains(mend, "kernel.numa_balancing=0")
  file("proc/sys/kernel/numa_balancing", "0\n")
  lu.assertEquals((check("NUMA")), "good")
end

function TestDoctor:testIommu()
  local state, found, mend = check("IOMMU")
  lu.assertEquals({ state, found }, { "poor", "none; vfio-pci is not loaded; /dev/vfio/vfio is not there" })
  lu.assertStrContains(mend, "intel_iommu=on")
  file("sys/kernel/iommu_groups/0/type", "DMA\n")
  file("sys/kernel/iommu_groups/1/type", "DMA\n")
  state, found, mend = check("IOMMU")
  lu.assertEquals({ state, found, mend },
    { "poor", "2 groups of devices; vfio-pci is not loaded; /dev/vfio/vfio is not there", "modprobe vfio-pci" })
  file("sys/bus/pci/drivers/vfio-pci/new_id", "")
  file("dev/vfio/vfio", "")
  lu.assertEquals({ check("IOMMU") }, { "good", "2 groups of devices; vfio-pci is loaded; /dev/vfio/vfio is there" })
end

function TestDoctor:testCapabilities()
  local state, found, mend = check("capabilities")
  lu.assertEquals({ state, found }, { "poor", "missing: cap_net_raw, cap_net_admin, cap_ipc_lock, cap_bpf, cap_sys_admin" })
  lu.assertStrContains(mend, "as root")
  file("proc/self/status", "Name:\tnf\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n")
  lu.assertEquals({ check("capabilities") }, { "good", "all that nf uses" })
  file("proc/self/status", "CapEff:\t0000000000003000\n")       -- net_admin, net_raw
  state, found = check("capabilities")
  lu.assertEquals({ state, found }, { "poor", "missing: cap_ipc_lock, cap_bpf, cap_sys_admin" })
end

function TestDoctor:testTapDevice()
  local state, found, mend = check("tap devices")
  lu.assertEquals({ state, found }, { "poor", "/dev/net/tun cannot be opened: No such file or directory" })
  lu.assertStrContains(mend, "modprobe tun")
  file("dev/net/tun", "")
  lu.assertEquals({ check("tap devices") }, { "good", "/dev/net/tun can be opened" })
end

function TestDoctor:testPacketSocketsNeedARight()
  if support.run("id -u") ~= "0\n" then lu.skip("needs root, to give rights up") end
  if select(2, support.run("command -v setpriv")) ~= 0 then lu.skip("setpriv is not installed") end
  lu.assertStrContains(doctor(), "packet sockets  can be opened")
  local text, code = doctor("", "setpriv --bounding-set -net_raw --inh-caps -net_raw env")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "poor     packet sockets  cannot be opened: Operation not permitted")
end

function TestDoctor:testXdpSocketsNeedARight()
  if support.run("id -u") ~= "0\n" then lu.skip("needs root, to give rights up") end
  if select(2, support.run("command -v setpriv")) ~= 0 then lu.skip("setpriv is not installed") end
  lu.assertStrContains(doctor(), "XDP sockets     can be opened; no Ethernet interface is here")
  file("sys/class/net/card0/type", "1\n")
  file("sys/class/net/card0/ifindex", "0\n")
  lu.assertStrContains(doctor(), "XDP sockets     card0 generic")
  local text = doctor("", "setpriv --bounding-set -net_raw --inh-caps -net_raw env")
  lu.assertStrContains(text, "poor     XDP sockets     cannot be opened: Operation not permitted")
  lu.assertStrContains(text, "run as root or with cap_net_raw, cap_net_admin and cap_bpf")
end

function TestDoctor:testWithoutMemoryItIsUnusable()
  if support.nf:match("address") then lu.skip("the address sanitizer needs the whole address space") end
  local text, code = doctor("", "ulimit -v 200000;")
  lu.assertEquals(code, 1)
  lu.assertStrMatches(text, "unusable packet memory .*mend:   raise the limits.*nf cannot run here until what is unusable is mended\n")
  lu.assertEquals(select(2, doctor("--json", "ulimit -v 200000;")), 1)
end

function TestDoctor:testTheLastLineCounts()
  local text = doctor()
  local poor, all = text:match("nf runs here; (%d+) of (%d+) points could be better\n$")
  lu.assertEquals(select(2, text:gsub("\npoor ", "")) + (text:match("^poor") and 1 or 0), tonumber(poor))
  lu.assertEquals(select(2, ("\n" .. text):gsub("\n%l+ +[%w ]+  ", "")), tonumber(all))
end

function TestDoctor:testJson()
  local text, code = doctor("--json")
  lu.assertEquals(code, 0)
  local count = 0
  for line in text:gmatch("[^\n]+") do
    lu.assertStrMatches(line, '{"check": "[^"]+", "state": "%l+", "found": "[^"]+", "wanted": "[^"]+", "mend": ".*"}')
    count = count + 1
  end
  lu.assertEquals(count, 13)
end

os.exit(lu.LuaUnit.run())
