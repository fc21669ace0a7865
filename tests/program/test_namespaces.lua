-- Two network namespaces joined by nf, through tap interfaces and through packet sockets, with the kernel's own programs as users:
-- ping, iperf3 and a file transfer, with the offloads that the kernel chooses.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local netdev = require("support_netdev")

ffi.cdef("int kill(int pid, int signal);")

local SIGTERM = 15
local folder = support.folder()
local name = "test-namespaces-" .. ffi.C.getpid()
local a, b, running

TestNamespaces = {}

local wait, alive = support.wait, support.alive

-- Start a command in the background; gives { pid, file of its output }.
local started = {}
local function background(command)
  local path = ("%s/%d.out"):format(folder, #started)
  local entry = { pid = support.background(command, path), path = path }
  started[#started + 1] = entry
  return entry
end

-- The end of the apps' table and the ledger, when nf was told to stop.
local function stop()
  ffi.C.kill(running.pid, SIGTERM)
  wait("the end of nf", function () return not alive(running.pid) end)
  local text = support.read(running.path)
  lu.assertStrContains(text, "it balances")
  return text
end

local function start(config, options)
  local path = folder .. "/graph.lua"
  support.write(path, config)
  running = background(("%s run --name %s %s %s"):format(support.nf, name, options or "", path))
  wait("nf", function ()
    assert(alive(running.pid), support.read(running.path))
    return support.is_running(name)
  end)
end

-- Addresses for both ends; the interfaces are called `port`.
local function address()
  for i, namespace in ipairs({ a, b }) do
    netdev.within(namespace, ("ip addr add 10.9.0.%d/24 dev port && ip addr add fd09::%d/64 dev port nodad"):format(i, i))
  end
end

local function pings(from, to)
  local _, code = support.run(("ip netns exec %s ping -q -c 2 -i 0.1 -w 30 %s"):format(from, to))
  return code == 0
end

-- An iperf3 session; gives the client's text.
local function iperf(options)
  local server = background("ip netns exec " .. b .. " iperf3 -s -1 --forceflush")
  wait("iperf3", function () return (support.read(server.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 iperf3 -c 10.9.0.2 %s"):format(a, options))
  lu.assertEquals(code, 0, text)
  wait("iperf3's end", function () return not alive(server.pid) end)
  return text
end

local function checksum(path) return support.run("sha256sum <" .. path) end

-- Carry a file from one namespace to the other and compare.
local function transfer(from, to, destination)
  local source, target = folder .. "/source", folder .. "/target"
  support.run(("head -c 20000001 /dev/urandom >%s; rm -f %s"):format(source, target))
  local receiver = background(("ip netns exec %s %s lua tests/transfer.lua receive 7777 %s"):format(to, support.nf, target))
  wait("the receiver", function () return (support.read(receiver.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 %s lua tests/transfer.lua send %s 7777 %s"):format(from, support.nf,
    destination, source))
  lu.assertEquals(code, 0, text)
  wait("the receiver's end", function () return not alive(receiver.pid) end)
  lu.assertEquals(checksum(target), checksum(source))
end

-- The kernel's counters of UDP in a namespace.
local function udp(namespace)
  local names, numbers = netdev.within(namespace, "cat /proc/net/snmp"):match("Udp: (%a[^\n]*)\nUdp: (%d[^\n]*)")
  local list, number = {}, numbers:gmatch("%d+")
  for word in names:gmatch("%a+") do list[word] = tonumber(number()) end
  return list
end

-- What nf has received, and what it has dropped.
local function ledger()
  local text = support.run(support.nf .. " stats --interval 0 " .. name)
  local received, dropped = text:match("flow: +(%d+) received .- %+ (%d+) dropped")
  lu.assertNotNil(received, text)
  return tonumber(received), tonumber(dropped)
end

-- Numbered datagrams there and back, of which few are on their way at a time, so that no queue of the kernel's is full: each
-- arrives once, in order, unchanged; nf drops none, and the kernels at both ends counted as many.
local DATAGRAMS = 3000
local function datagrams(from, to, destination)
  local before, received, dropped = { udp(from), udp(to) }, ledger()
  local server = background(("ip netns exec %s %s lua tests/transfer.lua echo 7778 %d"):format(to, support.nf, DATAGRAMS))
  wait("the echo", function () return (support.read(server.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 %s lua tests/transfer.lua datagrams %s 7778 %d"):format(from, support.nf,
    destination, DATAGRAMS))
  lu.assertEquals({ text, code }, { ("%d sent, %d came back\n"):format(DATAGRAMS, DATAGRAMS), 0 })
  wait("the echo's end", function () return not alive(server.pid) end)
  for i, namespace in ipairs({ from, to }) do
    local now = udp(namespace)
    for _, word in ipairs({ "InDatagrams", "OutDatagrams" }) do lu.assertEquals(now[word] - before[i][word], DATAGRAMS, word) end
    for _, word in ipairs({ "NoPorts", "InErrors", "RcvbufErrors", "InCsumErrors" }) do lu.assertEquals(now[word], before[i][word], word) end
  end
  local now, drops
  wait("the ledger, which is made ten times a second", function () now, drops = ledger() return now - received >= 2 * DATAGRAMS end)
  lu.assertEquals(drops, dropped)
end

-- All kinds of traffic over what joins the namespaces.
local function use()
  address()
  lu.assertTrue(pings(a, "10.9.0.2"))
  lu.assertTrue(pings(b, "10.9.0.1"))
  lu.assertTrue(pings(a, "fd09::2"))
  lu.assertTrue(pings(a, "10.9.0.2 -s 4000"))           -- fragments
  iperf("-n 100M")
  iperf("-n 100M -R")
  iperf("-6 -n 50M -c fd09::2")
  datagrams(a, b, "10.9.0.2")
  datagrams(b, a, "10.9.0.1")
  transfer(a, b, "10.9.0.2")
  transfer(b, a, "10.9.0.1")
end

local function graph(first, second)
  return ([[return { apps = { a = { %s }, b = { %s } }, links = { "a.output -> b.input", "b.output -> a.input" } }]]):format(first,
    second)
end

local function tap(namespace, more) return ('"tap.tap", name = "port", namespace = "%s"%s'):format(namespace, more or "") end
local function raw(namespace, more) return ('"socket.raw", interface = "far", namespace = "%s"%s'):format(namespace, more or "") end
local function wire(namespace) netdev.wire(namespace, "port", "far") end

function TestNamespaces:setUp()
  if not netdev.can_make() then lu.skip("needs root and /dev/net/tun") end
  if support.run("command -v iperf3 ping") == "" then lu.skip("needs iperf3 and ping") end
  a, b = netdev.namespace("a"), netdev.namespace("b")
end

function TestNamespaces:tearDown()
  for _, entry in ipairs(started) do
    if alive(entry.pid) then ffi.C.kill(entry.pid, SIGTERM) end
  end
  for _, entry in ipairs(started) do pcall(wait, "an end", function () return not alive(entry.pid) end) end
  started, running = {}, nil
  netdev.clean()
end

function TestNamespaces:testTapToTap()
  start(graph(tap(a), tap(b)))
  use()
  local text = stop()
  lu.assertStrMatches(text, ".*gso%-received %d+.*")    -- frames were passed on uncut
  lu.assertNotStrContains(text, "segments")
end

function TestNamespaces:testTapToTapInOneProcess()
  start(graph(tap(a), tap(b)), "--single-process --idle wait")
  use()
  stop()
end

-- One side takes no GSO frames: nf cuts them.
function TestNamespaces:testTapToTapWithSegmentationByNf()
  start(graph(tap(a), tap(b, ", gso = false")))
  use()
  lu.assertStrMatches(stop(), ".*segments %d+.*")
end

function TestNamespaces:testSocketToSocket()
  wire(a)
  wire(b)
  local before = netdev.within(a, "ethtool -k port; ethtool -k far")
  start(graph(raw(a), raw(b)))
  use()
  lu.assertEquals(netdev.within(a, "ethtool -k port; ethtool -k far"), before)
  lu.assertStrMatches(stop(), ".*gso%-received %d+.*")
end

-- Neither side passes GSO frames on: what comes is cut.
function TestNamespaces:testSocketToSocketWithSegmentationByNf()
  wire(a)
  wire(b)
  start(graph(raw(a, ", gso = false"), raw(b, ", gso = false")))
  use()
  local text = stop()
  lu.assertStrMatches(text, ".*segments %d+.*")
  lu.assertNotStrContains(text, "gso-sent")
end

function TestNamespaces:testTapToSocket()
  wire(b)
  start(graph(tap(a), raw(b)), "--idle wait")
  use()
  stop()
end

-- Tagged traffic through a packet socket: the kernel keeps the tag beside the frame.
function TestNamespaces:testVlanInterfacesOverSockets()
  wire(a)
  wire(b)
  for i, namespace in ipairs({ a, b }) do
    local text, code = support.run(("ip netns exec %s ip link add link port name port.5 type vlan id 5"):format(namespace))
    if code ~= 0 then lu.skip("this kernel has no VLAN interfaces: " .. text:gsub("\n", " ")) end
    netdev.within(namespace, ("ip link set port.5 up && ip addr add 10.9.5.%d/24 dev port.5"):format(i))
  end
  start(graph(raw(a), raw(b)))
  lu.assertTrue(pings(a, "10.9.5.2"))
  iperf("-c 10.9.5.2 -n 50M")
  stop()
end

-- The interface of one side is deleted while traffic flows; nf opens it again and the rest goes on.
function TestNamespaces:testDeletedTapComesBack()
  start(graph(tap(a), tap(b)))
  address()
  lu.assertTrue(pings(a, "10.9.0.2"))
  netdev.within(b, "ip link del port")
  lu.assertFalse(pings(a, "10.9.0.2 -w 1 -c 1"))
  wait("the tap", function () return (support.run("ip netns exec " .. b .. " ip link show port")):find("LOWER_UP", 1, true) end)
  netdev.within(b, "ip addr add 10.9.0.2/24 dev port")
  netdev.within(a, "ip neigh flush dev port")           -- the new interface has a new address
  wait("an answer", function () return pings(a, "10.9.0.2") end)
  local text = stop()
  lu.assertStrContains(text, "reopened 1")
  lu.assertStrContains(text, "its interface is gone")
end

function TestNamespaces:testDeletedWireComesBack()
  wire(a)
  wire(b)
  start(graph(raw(a), raw(b)))
  address()
  lu.assertTrue(pings(a, "10.9.0.2"))
  netdev.within(b, "ip link del port")
  lu.assertFalse(pings(a, "10.9.0.2 -w 1 -c 1"))
  wire(b)
  netdev.within(b, "ip addr add 10.9.0.2/24 dev port")
  netdev.within(a, "ip neigh flush dev port")           -- the new interface has a new address
  wait("an answer", function () return pings(a, "10.9.0.2") end)
  lu.assertStrContains(stop(), "reopened 1")
end

-- A reload changes the settings of interfaces that stay; one that is given up leaves them, or sets them back.
function TestNamespaces:testReloadSetsInterfacesAnew()
  local path = folder .. "/graph.lua"
  local function reload(config)
    support.write(path, config)
    return support.run(support.nf .. " reload " .. name)
  end
  wire(b)
  start(graph(tap(a, ", mtu = 1400"), raw(b)))
  address()
  lu.assertStrContains(netdev.within(a, "ip link show port"), "mtu 1400")
  lu.assertStrContains(netdev.within(b, "ip -d link show far"), "promiscuity 1")
  local text, code = reload(graph(tap(a, ", mtu = 1300, gso = false"), raw(b, ", promiscuous = false")))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(netdev.within(a, "ip link show port"), "mtu 1300")
  lu.assertStrContains(netdev.within(a, "ethtool -k port"), "tcp-segmentation-offload: off")
  lu.assertStrContains(netdev.within(b, "ip -d link show far"), "promiscuity 0")
  lu.assertTrue(pings(a, "10.9.0.2"))
  text, code = reload(graph(tap(a, ", mtu = 1280"), [["socket.raw", interface = "nothing"]]))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "there is no interface 'nothing'")
  lu.assertStrContains(netdev.within(a, "ip link show port"), "mtu 1300")
  lu.assertStrContains(netdev.within(a, "ethtool -k port"), "tcp-segmentation-offload: off")
  lu.assertTrue(pings(a, "10.9.0.2"))
  stop()
end

-- An ordinary user attaches to a tap that root has made for them.
function TestNamespaces:testOrdinaryUserAttachesToTheirTap()
  if (support.run("command -v setpriv unshare")) == "" then lu.skip("needs setpriv and unshare") end
  local user = "setpriv --reuid 65534 --regid 65534 --clear-groups"
  local _, code = support.run(user .. " test -x " .. support.nf)
  if code ~= 0 then lu.skip("an ordinary user cannot reach " .. support.nf) end
  local path = folder .. "/user.lua"
  support.write(path, [[return { apps = { port = { "tap.tap", name = "port" }, source = { "basic.source", number = 10 } },
    links = { "source -> port" } }]])
  support.run("chmod 755 " .. folder)
  -- The device file is for everybody on ordinary systems, if not on this one.
  local command = ("unshare -m sh -c 'mknod %s/tun c 10 200; chmod 666 %s/tun; mount --bind %s/tun /dev/net/tun; "
    .. "XDG_RUNTIME_DIR=%s exec ip netns exec %s %s %s run --name %s %s'"):format(folder, folder, folder, folder .. "/user", a, user,
    support.nf, name, path)
  support.run(("mkdir -p %s/user && chown 65534 %s/user"):format(folder, folder))
  local text
  text, code = support.run(command)
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'port': not permitted to make the tap interface 'port': run as root, or let root type: ip tuntap "
    .. "add port mode tap user NAME")
  netdev.within(a, "ip tuntap add port mode tap user 65534")
  text, code = support.run(command)
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'port': cannot bring up 'port': Operation not permitted")
  netdev.within(a, "ip link set port up")
  text, code = support.run(command)
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "0 received + 10 created = 10 sent")
end

os.exit(lu.LuaUnit.run(), true)
