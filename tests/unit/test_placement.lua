-- placement: what of where a worker runs is bad, from facts that the test makes; how the facts are read; nf run and nf doctor.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local graphs = require("support_graph")

ffi.cdef("int setenv(const char *name, const char *value, int overwrite); int unsetenv(const char *name);")

local folder = support.folder()

-- A machine of two nodes, processors 0-3 and 4-7; eth0 and a card on node 1, eth1 on node 0, vlan9 on none.
local function machine(nodes)
  local sys = folder .. "/sys"
  support.run(("rm -rf '%s'; mkdir -p '%s'"):format(sys, sys))
  for cpu = 0, 7 do
    support.run(("mkdir -p '%s/devices/system/cpu/cpu%d/node%d'"):format(sys, cpu, nodes == 1 and 0 or math.floor(cpu / 4)))
  end
  for node = 0, nodes - 1 do support.run(("mkdir -p '%s/devices/system/node/node%d'"):format(sys, node)) end
  for path, node in pairs({ ["class/net/eth0/device"] = 1, ["class/net/eth1/device"] = 0, ["class/net/odd/device"] = "x",
    ["class/net/alone/device"] = -1, ["bus/pci/devices/0000:01:00.0"] = 1, ["class/net/far/device"] = 4711 }) do
    support.run(("mkdir -p '%s/%s'"):format(sys, path))
    support.write(sys .. "/" .. path .. "/numa_node", node .. "\n")
  end
  support.run(("mkdir -p '%s/class/net/vlan9'"):format(sys))
  ffi.C.setenv("NF_SYSFS", sys, 1)
end

TestPlacement = {}

function TestPlacement:setUp() machine(2) end
function TestPlacement:tearDown() ffi.C.unsetenv("NF_SYSFS") end

local function placement(facts, devices, kib)
  local p = ffi.new("struct placement", { name = "w1", cpu = facts.cpu or -1, node = facts.node or -1 })
  for i, device in ipairs(devices or {}) do
    p.device[i - 1].name, p.device[i - 1].node = device[1], device[2]
    p.device_count = i
  end
  for node, amount in pairs(kib or {}) do p.kib[node] = amount end
  return p
end

local function judge(p, nodes)
  local errors = ffi.new("struct errors")
  nf.placement_judge(p, nodes or 2, errors)
  return support.errors(errors)
end

function TestPlacement:testWhatIsOnOneNodeIsGood()
  lu.assertEquals(judge(placement({ cpu = 4, node = 1 }, { { "eth0", 1 } }, { [1] = 4096 })), {})
  lu.assertEquals(judge(placement({})), {})
  lu.assertEquals(judge(placement({ cpu = 4 }, { { "eth0", 1 } })), {})                -- a processor of no known node
  lu.assertEquals(judge(placement({}, {}, { [0] = 1, [1] = 1 })), {})                 -- it belongs nowhere
  lu.assertEquals(judge(placement({ cpu = 1, node = 0 }, { { "eth0", 1 } }, { [1] = 1 }), 1), {})
end

function TestPlacement:testADeviceOfAnotherNode()
  lu.assertEquals(judge(placement({ cpu = 1, node = 0 }, { { "eth0", 1 }, { "eth1", 0 } })), {
    "worker 'w1' runs on processor 1 of node 0, its device eth0 is on node 1: give it a processor of that node",
    "worker 'w1' has devices on several nodes, eth0 on node 1 and eth1 on node 0: a worker for each node is faster" })
end

function TestPlacement:testAWorkerWithoutAProcessor()
  lu.assertEquals(judge(placement({}, { { "eth0", 1 } })), {
    "worker 'w1' may run on any node, its device eth0 is on node 1: give it a processor of that node, with cpu = N" })
end

function TestPlacement:testPacketsOfAnotherNode()
  local message = "worker 'w1': 8 of 24 KiB of its packets are on node 0, it belongs to node 1: too few huge pages there, or memory " ..
    "was short"
  lu.assertEquals(judge(placement({ cpu = 4, node = 1 }, {}, { [0] = 8, [1] = 16 })), { message })
  lu.assertEquals(judge(placement({ cpu = 4 }, { { "eth0", 1 } }, { [0] = 8, [1] = 16 })), { message })
end

function TestPlacement:testNodesOfProcessors()
  lu.assertEquals({ nf.placement_nodes(), nf.placement_cpu_node(3), nf.placement_cpu_node(4), nf.placement_cpu_node(8),
    nf.placement_cpu_node(-1) }, { 2, 0, 1, -1, -1 })
  ffi.C.setenv("NF_SYSFS", folder .. "/nothing", 1)
  lu.assertEquals({ nf.placement_nodes(), nf.placement_cpu_node(3) }, { 1, -1 })
end

function TestPlacement:testOnlyDevicesWithANodeCount()
  local p = placement({})
  for _, key in ipairs({ "packet:eth0", "pci:0000:01:00.0", "tap:tap0", "packet:eth1@blue", "read:/class/net/eth0", "packet:vlan9", "eth0",
    "packet:odd", "packet:alone", "packet:far", "packet:../eth0", "interlink:a.x -> b.y", "packet:" .. ("x"):rep(100), "packet:", "" }) do
    nf.placement_add(p, key)
  end
  local found = {}
  for i = 0, p.device_count - 1 do found[i + 1] = ffi.string(p.device[i].name) .. " " .. p.device[i].node end
  lu.assertEquals(found, { "eth0 1", "0000:01:00.0 1" })
  for _ = 1, 100 do nf.placement_add(p, "packet:eth0") end
  lu.assertEquals(p.device_count, nf.PLACEMENT_DEVICES)
end

function TestPlacement:testLinesOfTheKernel()
  local p = placement({})
  p.segment_count = 2
  p.segment[0].base, p.segment[0].bytes = 0x7f1000, 0x1000
  p.segment[1].base, p.segment[1].bytes = 0x7f8000, 0x2000
  for _, line in ipairs({
    "7f1000 prefer:1 file=/memfd:nf-packets\\040(deleted) huge dirty=3 N0=1 N1=2 kernelpagesize_kB=2048\n",
    "7f9000 default file=/memfd:nf-packets\\040(deleted) dirty=5 mapmax=2 active=0 N1=5 kernelpagesize_kB=4\n",
    "7f0fff default file=/memfd:nf-packets\\040(deleted) huge N0=9 kernelpagesize_kB=2048\n",
    "7f2000 default file=/memfd:nf-packets\\040(deleted) huge N0=9 kernelpagesize_kB=2048\n",
    "7fa000 default file=/memfd:nf-packets N0=9 kernelpagesize_kB=4\n",
    "7f1000 default file=/memfd:nf-packets N99=9 N=4 Nx=3 N2 kernelpagesize_kB=4\n",
    "x default heap anon=4 N0=4 kernelpagesize_kB=4\n", "\n", "", "7f1000" }) do
    nf.placement_count(p, line)
  end
  local kib = {}
  for node = 0, nf.PLACEMENT_NODES - 1 do if p.kib[node] > 0 then kib[node] = tonumber(p.kib[node]) end end
  lu.assertEquals(kib, { [0] = 2048, [1] = 4116 })
end

local GRAPH = [[return { workers = { { cpu = 1, apps = { a = { "socket.raw", interface = "eth0" }, b = { "tap.tap", name = "t0" } },
  links = { "a.output -> b.input", "b.output -> a.input" } },
  { apps = { c = { "socket.raw", interface = "eth1" }, d = { "basic.sink" } }, links = { "c -> d" } } }, links = {} }]]

function TestPlacement:testFactsOfAGraph()
  local graph = graphs.load(GRAPH)
  local p = ffi.new("struct placement")
  nf.placement_init(p, graph, 0, 1)
  lu.assertEquals({ ffi.string(p.name), p.cpu, p.node, p.device_count, ffi.string(p.device[0].name), nf.placement_home(p) },
    { "w1", 1, 0, 1, "eth0", 0 })
  nf.placement_init(p, graph, 1, -1)
  lu.assertEquals({ ffi.string(p.name), p.cpu, p.node, p.device_count, ffi.string(p.device[0].name), nf.placement_home(p) },
    { "w2", -1, -1, 1, "eth1", 0 })
  nf.graph_free(graph)
end

-- A real run on a machine that looks as if it had two nodes: loopback is a device of node 1.
function TestPlacement:testNfRunWarnsAndTheDoctorTells()
  if support.run("id -u") ~= "0\n" then lu.skip("needs root, for a packet socket") end
  local name = "test-placement-" .. ffi.C.getpid()
  support.run(("mkdir -p '%s/sys/class/net/lo/device'"):format(folder))
  support.write(folder .. "/sys/class/net/lo/device/numa_node", "1\n")
  support.write(folder .. "/graph.lua", [[return { apps = { a = { "socket.raw", interface = "lo" }, b = { "basic.sink" } }, links = { "a -> b" } }]])
  local pid = support.background(("'%s' run --quiet --cpu 0 --name %s '%s/graph.lua'"):format(support.nf, name, folder), folder .. "/output")
  support.wait("nf", function() return (support.run(support.nf .. " stats --interval 0 " .. name)):find("running", 1, true) end,
    folder .. "/output")
  local poor = "worker 'w1' runs on processor 0 of node 0, its device lo is on node 1: give it a processor of that node"
  lu.assertStrContains(support.read(folder .. "/output"), "nf: warn: " .. poor .. "\n")
  local text = support.run(support.nf .. " doctor " .. name)
  lu.assertStrContains(text, "  placement         processor 0 of node 0; lo on node 1; packets on node 0: ")
  lu.assertStrContains(text, "  poor placement    " .. poor .. "\n")
  text = support.run(support.nf .. " doctor --json " .. name)
  lu.assertStrContains(text, '"placement": {"processor": 0, "node": 0, "devices": {"lo": 1}, "packets_kib": {"0": ')
  lu.assertStrContains(text, '"poor": ["' .. poor .. '"]}')
  support.run("kill " .. pid)
  support.wait("the end of nf", function() return not support.alive(pid) end)
end

-- Without a supervisor nobody tells: that is said, and nothing is made up.
function TestPlacement:testWhatIsNotKnownIsSaid()
  local name = "test-placement-" .. ffi.C.getpid()
  support.write(folder .. "/graph.lua", [[return { apps = { a = { "basic.source", rate = "1Kpps" }, b = { "basic.sink" } }, links = { "a -> b" } }]])
  local pid = support.background(("'%s' run --quiet --single-process --name %s '%s/graph.lua'"):format(support.nf, name, folder),
    folder .. "/output")
  support.wait("nf", function() return (support.run(support.nf .. " stats --interval 0 " .. name)):find("running", 1, true) end,
    folder .. "/output")
  lu.assertStrContains(support.run(support.nf .. " doctor " .. name), "  placement         not known: no supervisor tells\n")
  lu.assertStrContains(support.run(support.nf .. " doctor --json " .. name), '"placement": null}')
  support.run("kill " .. pid)
  support.wait("the end of nf", function() return not support.alive(pid) end)
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
