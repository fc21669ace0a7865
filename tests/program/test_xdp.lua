-- xdp.xdp as a user runs it: veth pairs in network namespaces, XDP in their driver, the kernel's own programs as peers. Of the peers
-- tx, tso, gso and txvlan are off, as XDP sees neither unfinished checksums nor frames that are to be cut.
-- NF_RELOADS=N sets how many reloads the test under traffic makes (default 200; 40 under a sanitizer).
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local netdev = require("support_netdev")

ffi.cdef("int kill(int pid, int signal);")

local SIGKILL, SIGTERM = 9, 15
local RELOADS = tonumber(os.getenv("NF_RELOADS")) or (support.nf:find("address", 1, true) and 40 or 200)
local folder = support.folder()
local name = "test-xdp-" .. ffi.C.getpid()
local wait, alive = support.wait, support.alive
local left, right, far, running
local started = {}

local function background(command)
  local path = ("%s/%d.out"):format(folder, #started)
  local entry = { pid = support.background(command, path), path = path }
  started[#started + 1] = entry
  return entry
end

local function nf(arguments) return support.run(support.nf .. " " .. arguments) end

local function graph(apps, links)
  local path = folder .. "/graph.lua"
  support.write(path, ("return { apps = { %s }, links = { %s } }"):format(apps, links))
  return path
end

-- An XDP port in the middle namespace.
local function xdp(interface, more) return ('{ "xdp.xdp", interface = "%s", namespace = "%s"%s }'):format(interface, far, more or "") end

local function start(path, options)
  running = background(("%s run --name %s %s %s"):format(support.nf, name, options or "", path))
  wait("nf", function ()
    assert(alive(running.pid), support.read(running.path))
    return support.is_running(name)
  end)
end

-- The end of the apps' table and the ledger, when nf was told to stop.
local function stop()
  ffi.C.kill(running.pid, SIGTERM)
  wait("the end of nf", function () return not alive(running.pid) end)
  local text = support.read(running.path)
  lu.assertStrContains(text, "it balances")
  return text
end

-- A pair: `port` with an address in a namespace, `interface` in the middle one.
local function pair(namespace, interface, address, options)
  netdev.within(far, ("ip link add %s %s type veth peer name port netns %s %s"):format(interface, options or "", namespace, options or ""))
  netdev.within(far, ("ip link set %s up"):format(interface))
  netdev.within(namespace, ("ip link set port up && ip addr add %s/24 dev port && ethtool -K port tx off tso off gso off txvlan off")
    :format(address))
  wait("the interfaces", function ()
    return netdev.within(far, "ip link show " .. interface):find("state UP", 1, true) and
      netdev.within(namespace, "ip link show port"):find("state UP", 1, true)
  end)
end

local function pings(from, to)
  local _, code = support.run(("ip netns exec %s ping -q -c 2 -i 0.1 -w 30 %s"):format(from, to))
  return code == 0
end

-- An iperf3 session from left to `to`; gives the client's text.
local function iperf(server_in, to, options)
  local server = background(("ip netns exec %s iperf3 -s -1 --forceflush"):format(server_in))
  wait("iperf3", function () return (support.read(server.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 iperf3 -c %s %s"):format(left, to, options))
  lu.assertEquals(code, 0, text)
  wait("iperf3's end", function () return not alive(server.pid) end)
  return text
end

local function has_program(interface) return netdev.within(far, "ip link show " .. interface):find("prog/xdp", 1, true) ~= nil end

-- A number that nf stats --json tells of an app: "received", "counters.rx-dropped", "reasons.down".
local function stat(app, key)
  local text = nf("stats --interval 0 --json " .. name)
  local part = text:match('"' .. app .. '": (%b{})') or ""
  local group, leaf = key:match("^(%w+)%.(.+)$")
  if group then part = part:match('"' .. group .. '": (%b{})') or "" end
  return tonumber(part:match('"' .. (leaf or key):gsub("%-", "%%-") .. '": (%d+)')) or 0
end

local function worker_pid() return tonumber((support.run("pgrep -P " .. running.pid .. " -x nf-worker")):match("%d+")) end

local BOTH = '"a -> b", "b -> a"'

TestXdp = {}

function TestXdp:setUp()
  if not netdev.can_xdp() then lu.skip("needs root, network namespaces and XDP sockets") end
  if support.run("command -v iperf3") == "" or support.run("command -v ethtool") == "" then lu.skip("needs iperf3 and ethtool") end
  left, far, right = netdev.namespace("l"), netdev.namespace("m"), netdev.namespace("r")
  pair(left, "xl", "10.8.0.1")
  pair(right, "xr", "10.8.0.2")
end

function TestXdp:tearDown()
  for _, entry in ipairs(started) do
    if alive(entry.pid) then ffi.C.kill(entry.pid, SIGTERM) end
  end
  for _, entry in ipairs(started) do pcall(wait, "an end", function () return not alive(entry.pid) end) end
  started, running = {}, nil
  netdev.clean()
end

function TestXdp:testTrafficThroughTwoPortsAFilterAndATee()
  start(graph(([[a = %s, b = %s, filter = { "filter.pcap", filter = "not tcp port 9" }, tee = { "basic.tee" }, sink = { "basic.sink" }]])
    :format(xdp("xl"), xdp("xr")), '"a -> filter.input", "filter.output -> tee.input", "tee.one -> b", "tee.two -> sink", "b -> a"'))
  lu.assertTrue(pings(left, "10.8.0.2"))
  lu.assertTrue(pings(right, "10.8.0.1"))
  lu.assertTrue(pings(left, "10.8.0.2 -s 4000"))        -- fragments
  iperf(right, "10.8.0.2", "-n 50M")
  iperf(right, "10.8.0.2", "-n 50M -R")
  lu.assertTrue(has_program("xl"))
  local text = stop()
  lu.assertStrContains(text, "'xl' is a veth: frames of its peer come with unfinished checksums")
  lu.assertStrContains(text, "ethtool -K PEER tx off tso off gso off txvlan off")
  -- The packets of one port went out of the other as they were.
  lu.assertNotStrContains(text, "copied")
  lu.assertFalse(has_program("xl"))
  lu.assertFalse(has_program("xr"))
end

function TestXdp:testGenericModeWaitingAndBusyPolling()
  for _, more in ipairs({ ', mode = "generic"', ", busy_poll = 64, rx_ring = 256, tx_ring = 128" }) do
    start(graph(("a = %s, b = %s"):format(xdp("xl", more), xdp("xr", more)), BOTH), more:find("busy") and "" or "--idle wait")
    lu.assertTrue(pings(left, "10.8.0.2"))
    iperf(right, "10.8.0.2", "-n 20M")
    lu.assertStrContains(netdev.within(far, "ip link show xl"), more:find("generic") and "xdpgeneric" or "prog/xdp")
    stop()
  end
end

-- What does not match goes on to the kernel, which has an address on the same interface.
function TestXdp:testWhatTheFilterLeavesReachesTheKernel()
  netdev.within(far, "ip addr add 10.8.0.9/24 dev xl")
  start(graph(('a = %s, b = %s'):format(xdp("xl", ', filter = "udp port 5001"'), xdp("xr", ", receive = false")), '"a -> b"'))
  lu.assertTrue(pings(left, "10.8.0.9"))
  lu.assertFalse(has_program("xr"))
  iperf(far, "10.8.0.9", "-n 20M")
  lu.assertEquals(stat("a", "received"), 0)
  local function say() support.run(("ip netns exec %s sh -c 'echo hello >/dev/udp/10.8.0.9/5001' 2>/dev/null || ip netns exec %s bash -c " ..
    "'echo hello >/dev/udp/10.8.0.9/5001'"):format(left, left)) end
  wait("a datagram", function () say() return stat("a", "received") > 0 end)
  -- A reload replaces the filter, a wrong one leaves it.
  local path = graph(('a = %s, b = %s'):format(xdp("xl", ', filter = "udp port 5002"'), xdp("xr", ", receive = false")), '"a -> b"')
  local text, code = nf("reload " .. name)
  lu.assertEquals(code, 0, text)
  local before = stat("a", "received")
  for _ = 1, 5 do say() end
  lu.assertTrue(pings(left, "10.8.0.9"))
  lu.assertEquals(stat("a", "received"), before)
  support.write(path, (support.read(path):gsub("udp port 5002", "udp prt 5002")))
  text, code = nf("reload " .. name)
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "app 'a': key 'filter': ")
  support.write(path, (support.read(path):gsub("udp prt 5002", "udp port 5001"):gsub('interface = "xr"', 'interface = "none"')))
  text, code = nf("reload " .. name)
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "there is no interface 'none'")
  for _ = 1, 5 do say() end
  lu.assertTrue(pings(left, "10.8.0.9"))
  lu.assertEquals(stat("a", "received"), before)        -- the filter was set back
  stop()
end

-- Reloads that change the graph between the ports: no packet is lost, on the wires or in nf.
function TestXdp:testReloadsUnderTrafficLoseNothing()
  local plain = graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH)
  local other = folder .. "/other.lua"
  support.write(other, ([[return { apps = { a = %s, b = %s, tee = { "basic.tee" }, sink = { "basic.sink" } },
    links = { "a -> tee.input", "tee.one -> b", "tee.two -> sink", "b -> a" } }]]):format(xdp("xl"), xdp("xr", ', filter = "ip or arp or ip6"')))
  start(plain)
  lu.assertTrue(pings(left, "10.8.0.2"))
  local ping = background(("ip netns exec %s ping -i 0.002 10.8.0.2"):format(left))
  for i = 1, RELOADS do
    local text, code = nf(("reload %s %s"):format(name, i % 2 == 1 and other or plain))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "packets lost   0")
  end
  ffi.C.kill(ping.pid, 2)
  wait("the end of ping", function () return not alive(ping.pid) end)
  -- Every question was answered, but for the one that was on its way at the end.
  local answered, most = {}, 0
  for number in support.read(ping.path):gmatch("icmp_seq=(%d+)") do
    answered[tonumber(number)] = true
    most = math.max(most, tonumber(number))
  end
  lu.assertTrue(most > RELOADS)
  for i = 1, most do lu.assertTrue(answered[i], ("number %d of %d was not answered"):format(i, most)) end
  stop()
end

function TestXdp:testAKilledWorkerIsReplaced()
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  lu.assertTrue(pings(left, "10.8.0.2"))
  local ping = background(("ip netns exec %s ping -q -i 0.002 10.8.0.2"):format(left))
  for _ = 1, 3 do
    local pid = worker_pid()
    ffi.C.kill(pid, SIGKILL)
    wait("another worker", function () local now = worker_pid() return now and now ~= pid end)
    wait("an answer", function () return pings(left, "10.8.0.2") end)
  end
  ffi.C.kill(ping.pid, 2)
  stop()
end

function TestXdp:testAKilledSupervisorLeavesTheInterfaceClean()
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  lu.assertTrue(pings(left, "10.8.0.2"))
  lu.assertTrue(has_program("xl"))
  ffi.C.kill(running.pid, SIGKILL)
  wait("the program to go", function () return not has_program("xl") and not has_program("xr") end)
  netdev.within(far, "ip addr add 10.8.0.9/24 dev xl")
  lu.assertTrue(pings(left, "10.8.0.9"))                -- the kernel has it
  name = name .. "-next"
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  lu.assertTrue(pings(left, "10.8.0.2"))
  stop()
end

function TestXdp:testTwoQueuesInOneAndInTwoWorkers()
  netdev.within(far, "ip link del xl && ip link del xr")
  pair(left, "xl", "10.8.0.1", "numtxqueues 2 numrxqueues 2")
  pair(right, "xr", "10.8.0.2", "numtxqueues 2 numrxqueues 2")
  local apps = ("a%%d = %s, b%%d = %s"):format(xdp("xl", ", queue = %d"), xdp("xr", ", queue = %d"))
  local one, two = apps:format(0, 0, 0, 0), apps:format(1, 1, 1, 1)
  start(graph(one .. ", " .. two, '"a0 -> b0", "b0 -> a0", "a1 -> b1", "b1 -> a1"'))
  lu.assertTrue(pings(left, "10.8.0.2"))
  iperf(right, "10.8.0.2", "-n 20M -P 4")
  stop()
  local path = folder .. "/workers.lua"
  support.write(path, ([[return { workers = { { apps = { %s }, links = { "a0 -> b0", "b0 -> a0" } },
    { apps = { %s }, links = { "a1 -> b1", "b1 -> a1" } } } }]]):format(one, two))
  start(path)
  lu.assertTrue(pings(left, "10.8.0.2"))
  iperf(right, "10.8.0.2", "-n 20M -P 4")
  stop()
end

-- Packets of one worker go out of another worker's port: from a copy.
function TestXdp:testPacketsOfAnotherWorkerAreCopied()
  local path = folder .. "/workers.lua"
  support.write(path, ([[return { workers = { { apps = { a = %s } }, { apps = { b = %s } } },
    links = { "w1:a.output -> w2:b.input", "w2:b.output -> w1:a.input" } }]]):format(xdp("xl"), xdp("xr")))
  start(path)
  lu.assertTrue(pings(left, "10.8.0.2"))
  iperf(right, "10.8.0.2", "-n 5M")
  lu.assertStrMatches(stop(), ".*copied %d+.*")
end

-- GSO frames of a tap are cut, unfinished checksums finished.
function TestXdp:testWhatATapLeavesUndoneIsDone()
  start(graph(('t = { "tap.tap", name = "port9", namespace = "%s" }, b = %s'):format(far, xdp("xr")), '"t -> b", "b -> t"'))
  netdev.within(far, "ip addr add 10.8.0.7/24 dev port9")
  lu.assertTrue(pings(right, "10.8.0.7"))
  local server = background(("ip netns exec %s iperf3 -s -1 --forceflush"):format(right))
  wait("iperf3", function () return (support.read(server.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 iperf3 -c 10.8.0.2 -n 20M"):format(far))
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(stop(), ".*segments %d+.*")
end

function TestXdp:testWhatTheInterfaceSuffersIsCounted()
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  lu.assertTrue(pings(left, "10.8.0.2"))
  -- Oversized frames: the driver takes this MTU, a buffer does not.
  netdev.within(left, "ip link set port mtu 3000")
  netdev.within(far, "ip link set xl mtu 3000")
  lu.assertFalse(pings(left, "10.8.0.2 -M do -s 2500 -w 1 -c 1"))
  wait("dropped frames", function () return stat("a", "counters.rx-dropped") > 0 and stat("a", "lost-outside") > 0 end)
  lu.assertTrue(pings(left, "10.8.0.2"))
  -- Down: what is sent is dropped and counted, once the ring is full or the kernel says so.
  netdev.within(far, "ip link set xr down")
  wait("drops", function () pings(left, "10.8.0.2 -w 1 -c 1") return stat("b", "reasons.down") > 0 or stat("b", "held") > 0 end)
  netdev.within(far, "ip link set xr up")
  wait("an answer", function () return pings(left, "10.8.0.2") end)
  -- Deleted and made anew.
  netdev.within(far, "ip link del xr")
  wait("the loss", function () return stat("b", "down") == 1 end)
  lu.assertFalse(pings(left, "10.8.0.2 -w 1 -c 1"))
  pair(right, "xr", "10.8.0.2")
  netdev.within(left, "ip neigh flush dev port")
  wait("an answer", function () return pings(left, "10.8.0.2") end)
  lu.assertTrue(has_program("xr"))
  local text = stop()
  lu.assertStrContains(text, "app 'b': its interface 'xr' is gone; trying to open it again")
  lu.assertStrContains(text, "app 'b': queue 0 of 'xr' is open again")
  lu.assertStrContains(text, "reopened 1")
  lu.assertFalse(has_program("xr"))
end

function TestXdp:testPortsComeGoAndMove()
  local sink = folder .. "/sink.lua"
  support.write(sink, ([[return { apps = { a = %s, sink = { "basic.sink" } }, links = { "a -> sink" } }]]):format(xdp("xl")))
  local both = graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH)
  local renamed = folder .. "/renamed.lua"
  support.write(renamed, (support.read(both):gsub("%f[%w]b%f[%W]", "c")))
  start(both)
  for _, path in ipairs({ sink, both, renamed, both }) do
    local text, code = nf(("reload %s %s"):format(name, path))
    lu.assertEquals(code, 0, text)
    lu.assertEquals(has_program("xr"), path ~= sink)
    if path ~= sink then lu.assertTrue(pings(left, "10.8.0.2")) end
  end
  stop()
end

-- Rings, polling, mode and receiving change while it runs: the next socket replaces the present one.
function TestXdp:testAReloadChangesSettings()
  local both = graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH)
  local changed = folder .. "/changed.lua"
  local function reload(more, code)
    support.write(changed, ("return { apps = { a = %s, b = %s }, links = { %s } }"):format(xdp("xl", more), xdp("xr"), BOTH))
    local text, got = nf(("reload %s %s"):format(name, changed))
    lu.assertEquals(got, code or 0, text)
    return text
  end
  start(both)
  for i, more in ipairs({ ", rx_ring = 64, tx_ring = 64", ", busy_poll = 32", ', mode = "generic"', ', mode = "driver", rx_ring = 256', "",
    ', mode = "generic", tx_ring = 4096', ', mode = "auto"' }) do
    local ping = background(("ip netns exec %s ping -q -i 0.002 -c 100 10.8.0.2"):format(left))
    lu.assertStrContains(reload(more), "packets lost   0")
    wait("the next socket", function () return stat("a", "counters.reopened") == i end)     -- each differs from the one before
    wait("the end of ping", function () return not alive(ping.pid) end)
    lu.assertTrue(pings(left, "10.8.0.2"))
    lu.assertStrContains(netdev.within(far, "ip link show xl"), more:find("generic") and "xdpgeneric" or " xdp ")
  end
  lu.assertStrContains(reload(', mode = "zero-copy"', 1), "app 'a': key 'mode': the driver of 'xl' cannot go without copying")
  lu.assertStrContains(netdev.within(far, "ip link show xl"), " xdp ")
  lu.assertTrue(pings(left, "10.8.0.2"))
  -- One that only sends, and back.
  reload(", receive = false")
  wait("the program to go", function () return not has_program("xl") end)
  reload("")
  wait("an answer", function () return pings(left, "10.8.0.2") end)
  lu.assertTrue(has_program("xl"))
  -- A mode that is refused stays as it was, also when another app's mistake is what refuses it.
  support.write(changed, (support.read(changed):gsub('interface = "xl"', 'interface = "xl", mode = "generic", rx_ring = 128')
    :gsub('interface = "xr"', 'interface = "none"')))
  local text, code = nf(("reload %s %s"):format(name, changed))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "there is no interface 'none'")
  lu.assertStrContains(netdev.within(far, "ip link show xl"), " xdp ")
  lu.assertTrue(pings(left, "10.8.0.2"))
  stop()
  lu.assertFalse(has_program("xl"))
end

-- Nobody knows before it is tried whether a driver gives a queue that only sends without copying: the port goes on as before.
function TestXdp:testASocketThatCannotBeReplacedGoesOn()
  local path = graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr", ", receive = false")), '"a -> b"')
  start(path)
  local function arrives()
    local before = stat("b", "sent")
    pings(left, "10.8.0.77 -c 1 -w 1")
    return stat("b", "sent") > before
  end
  wait("a frame", arrives)
  support.write(path, (support.read(path):gsub("receive = false", 'receive = false, mode = "zero-copy", tx_ring = 64')))
  local text, code = nf("reload " .. name)
  lu.assertEquals(code, 0, text)
  wait("the message", function () return support.read(running.path):find("it goes on with mode \"auto\", rx_ring 2048, tx_ring 2048", 1, true) end)
  wait("a frame", arrives)
  lu.assertStrMatches(stop(), ".*app 'b': [^\n]*without copying.*; it goes on with mode.*")
end

-- The supervisor keeps the right to load programs only when it needs it; workers have none.
function TestXdp:testPrivilege()
  local function may_load(pid)
    local set = support.read("/proc/" .. pid .. "/status"):match("CapEff:%s*(%x+)")
    return math.floor(tonumber(set:sub(-12), 16) / 2 ^ 39) % 2 == 1, tonumber(set, 16) ~= 0
  end
  local ports = ("a = %s, b = %s"):format(xdp("xl"), xdp("xr"))
  start(graph(ports, BOTH))
  lu.assertTrue(may_load(running.pid))
  lu.assertEquals({ may_load(worker_pid()) }, { false, false })
  stop()
  start(graph(([[t = { "tap.tap", name = "port9", namespace = "%s" }, s = { "basic.sink" }]]):format(far), '"t -> s"'))
  lu.assertFalse(may_load(running.pid))
  graph(ports, BOTH)
  local text, code = nf("reload " .. name)
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "no app used XDP at the start, and nf gave up the capability to load programs into the kernel (cap_bpf); start nf anew")
  stop()
end

-- Two ports change places: each worker has to wait until the other one has given its queue back.
function TestXdp:testPortsMoveBetweenWorkers()
  local function workers(first, second)
    return ([[return { workers = { { apps = { a = %s, s = { "basic.sink" } }, links = { "a -> s" } },
      { apps = { b = %s, s = { "basic.sink" } }, links = { "b -> s" } } } }]]):format(xdp(first), xdp(second))
  end
  local path = folder .. "/workers.lua"
  support.write(path, workers("xl", "xr"))
  start(path)
  for i = 1, 3 do
    support.write(path, i % 2 == 1 and workers("xr", "xl") or workers("xl", "xr"))
    local text, code = nf("reload " .. name)
    lu.assertEquals(code, 0, text)
    wait("both ports", function () return stat("a", "down") == 0 and stat("b", "down") == 0 end)
    local before = stat("a", "received")
    wait("a packet", function ()
      pings(i % 2 == 1 and right or left, "10.8.0.77 -c 1 -w 1")
      return stat("a", "received") > before
    end)
  end
  lu.assertStrContains(stop(), "is open again")
end

function TestXdp:testDoctorTellsTheModes()
  local function doctor() return netdev.within(far, support.nf .. " doctor") end
  local text = doctor()
  if text:find("this kernel does not tell", 1, true) then lu.skip("needs Linux 6.3") end
  lu.assertStrMatches(text, ".*XDP sockets[^\n]* xl driver.*")
  lu.assertStrContains(text, "ethtool -K PEER tx off tso off gso off txvlan off")
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  lu.assertStrMatches(doctor(), ".*xl driver %(has a program, number %d+%).*")
  stop()
end

function TestXdp:testMistakesAreTold()
  local function try(apps, links, wanted)
    local text, code = nf(("run --name %s-mistake --duration 1s %s"):format(name, graph(apps, links)))
    lu.assertNotEquals(code, 0, text)
    lu.assertStrContains(text, wanted)
  end
  local other = '"a -> b"'
  try("a = " .. xdp("none") .. ", b = " .. xdp("xr"), other, "app 'a': there is no interface 'none' in the network namespace " .. far)
  try("a = " .. xdp("xl", ", queue = 7") .. ", b = " .. xdp("xr"), other, "app 'a': key 'queue': 'xl' has no queue 7")
  try("a = " .. xdp("xl", ", rx_ring = 100, tx_ring = 65") .. ", b = " .. xdp("xr"), other, "app 'a': key 'rx_ring': 100 is no power of two")
  try("a = " .. xdp("xl", ', mode = "zero-copy"') .. ", b = " .. xdp("xr"), other, "without copying")
  try("a = " .. xdp("xl", ', filter = "ip and"') .. ", b = " .. xdp("xr"), other, "app 'a': key 'filter': ")
  try("a = " .. xdp("xl", ', receive = false, filter = "ip"') .. ", b = " .. xdp("xr"), other, "key 'filter': nothing is received")
  try("a = " .. xdp("xl") .. ", b = " .. xdp("xl"), other, "is used by app 'a' already")
  try("a = " .. xdp("xl", ', filter = "ip"') .. ", b = " .. xdp("xl", ", queue = 1"), other,
    "app 'b': key 'filter': 'xl' has one filter for all its queues, and app 'a' has \"ip\"")
  try("a = " .. xdp("xl", ', mode = "driver"') .. ", b = " .. xdp("xl", ", queue = 1"), other,
    "app 'b': key 'mode': 'xl' has one mode for all its queues, and app 'a' has \"driver\"")
  netdev.within(right, "ip link set port mtu 9000")
  try("a = " .. xdp("xl") .. ", b = " .. xdp("xr", ', mode = "driver"'), other,
    "app 'b': the MTU of 'xr' or of its peer is too large for XDP in the driver: lower it, or mode = \"generic\"")
  netdev.within(right, "ip link set port mtu 1500")
  -- A second nf; and one that wants only to send, from a queue that is bound.
  start(graph(("a = %s, b = %s"):format(xdp("xl"), xdp("xr")), BOTH))
  try("a = " .. xdp("xl") .. ", s = { 'basic.sink' }", '"a -> s"', "app 'a': the interface 'xl' has an XDP program already (number ")
  try("a = " .. xdp("xl", ", receive = false") .. ", s = { 'basic.source' }", '"s -> a"', "app 'a': queue 0 of 'xl' is in use by another XDP socket")
  stop()
end

os.exit(lu.LuaUnit.run())
