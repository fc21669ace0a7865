-- The IP apps between two kernels, each in a network namespace: nf stands between them as the next hop of both. ARP and neighbour
-- discovery in both directions, pings, fragments that the kernels make and fragments that they put together, path MTU discovery.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local netdev = require("support_netdev")

ffi.cdef("int kill(int pid, int signal);")

local SIGTERM = 15
local folder = support.folder()
local name = "test-ip-kernel-" .. ffi.C.getpid()
local a, b, processes
local wait, alive = support.wait, support.alive

TestIpKernel = {}

local function background(command)
  local path = ("%s/%d.out"):format(folder, #processes)
  processes[#processes + 1] = { pid = support.background(command, path), path = path }
  return processes[#processes]
end

-- One side: what stands between the kernel in a namespace and the other side. The MTU towards the second one is 1300.
local side = [[
  local function side(n, namespace)
    local ip4, hop4, ip6, hop6 = "10." .. n .. ".0.1", "10." .. n .. ".0.2", "fd0" .. n .. "::1", "fd0" .. n .. "::2"
    local mac = "02:00:00:00:0" .. n .. ":01"
    local function add(what, app) apps[what .. n] = app end
    local function chain(text) links[#links + 1] = (text:gsub("%%(%a[%w_]*)", function (word) return word .. n end)) end
    add("tap", { "tap.tap", name = "port", namespace = namespace })
    add("join", { "basic.join" })
    add("r4_", { "ip.reassemble4" })
    add("r6_", { "ip.reassemble6" })
    add("e4_", { "ip.echo4", ip = ip4 })
    add("e6_", { "ip.echo6", ip = ip6 })
    add("arp", { "ip.arp", ip = ip4, mac = mac, next_hop = hop4, renew = "1s" })
    add("ndp", { "ip.ndp", ip = ip6, mac = mac, next_hop = hop6, renew = "1s" })
    add("f4_", { "ip.fragment4", mtu = n == 2 and 1300 or 1500, error_source = ip4 })
    add("f6_", { "ip.fragment6", mtu = n == 2 and 1300 or 1500 })
    chain("%tap.output -> %join.wire")
    chain("%f6_.output -> %tap.input")
    chain("%join.output -> %r4_.input")
    chain("%r4_.output -> %r6_.input")
    chain("%r6_.output -> %e4_.wire")
    chain("%e4_.inside -> %e6_.wire")
    chain("%e6_.inside -> %arp.wire")
    chain("%arp.inside -> %ndp.wire")
    chain("%ndp.wire -> %arp.inside")
    chain("%arp.wire -> %e6_.inside")
    chain("%e6_.wire -> %e4_.inside")
    chain("%e4_.wire -> %f4_.input")
    chain("%f4_.output -> %f6_.input")
    chain("%f4_.errors -> %join.errors4")
  end
]]

local function start()
  support.write(folder .. "/graph.lua", ([[
    local apps, links = {}, { "ndp1.inside -> ndp2.inside", "ndp2.inside -> ndp1.inside" }
    %s
    side(1, "%s")
    side(2, "%s")
    return { apps = apps, links = links }]]):format(side, a, b))
  local running = background(("%s run --name %s %s/graph.lua"):format(support.nf, name, folder))
  wait("nf", function ()
    assert(alive(running.pid), support.read(running.path))
    return support.is_running(name)
  end)
  for namespace, n in pairs({ [a] = 1, [b] = 2 }) do
    netdev.within(namespace, ("ip addr add 10.%d.0.2/24 dev port && ip addr add fd0%d::2/64 dev port nodad"):format(n, n))
    netdev.within(namespace, ("ip route add default via 10.%d.0.1 && ip -6 route add default via fd0%d::1"):format(n, n))
  end
  return running
end

local function pings(from, to)
  local text, code = support.run(("ip netns exec %s ping -q -c 3 -i 0.1 -w 30 %s"):format(from, to))
  lu.assertEquals(code, 0, to .. ": " .. text)
end

-- A megabyte or more over TCP; gives what the client says.
local function carry(options)
  local server = background("ip netns exec " .. b .. " iperf3 -s -1 --forceflush")
  wait("iperf3", function () return (support.read(server.path) or ""):find("listening", 1, true) end)
  local text, code = support.run(("ip netns exec %s timeout 200 iperf3 %s -n 20M"):format(a, options))
  lu.assertEquals(code, 0, text)
  wait("iperf3's end", function () return not alive(server.pid) end)
end

function TestIpKernel:setUp()
  if not netdev.can_make() then lu.skip("needs root and /dev/net/tun") end
  if support.run("command -v iperf3") == "" or support.run("command -v ping") == "" then lu.skip("needs iperf3 and ping") end
  processes = {}
  a, b = netdev.namespace("a"), netdev.namespace("b")
end

function TestIpKernel:tearDown()
  for _, process in ipairs(processes or {}) do
    if alive(process.pid) then ffi.C.kill(process.pid, SIGTERM) end
  end
  for _, process in ipairs(processes or {}) do pcall(wait, "an end", function () return not alive(process.pid) end) end
  netdev.clean()
end

function TestIpKernel:testTwoKernels()
  local running = start()
  -- Own addresses, and the other kernel: short, in fragments of the kernel, in many of them.
  for _, size in ipairs({ "", " -s 3000", " -s 9000" }) do
    for _, to in ipairs({ "10.1.0.1", "fd01::1", "10.2.0.2", "fd02::2" }) do pings(a, to .. size) end
    for _, to in ipairs({ "10.2.0.1", "fd02::1", "10.1.0.2", "fd01::2" }) do pings(b, to .. size) end
  end
  -- IPv6 segments are cut by nf. In IPv4 DF is set: the client must learn of the MTU of 1300 behind nf.
  carry("-6 -c fd02::2")
  carry("-c 10.2.0.2")
  lu.assertStrContains(netdev.within(a, "ip route get 10.2.0.2"), "mtu 1300")
  -- Both neighbours answer the renewals.
  support.wait("renewals", function ()
    local text = support.run(support.nf .. " stats --interval 0 " .. name)
    return tonumber(text:match("out%-arp%-request%-packets (%d+)") or 0) >= 5
  end)
  pings(a, "10.2.0.2")
  ffi.C.kill(running.pid, SIGTERM)
  wait("the end of nf", function () return not alive(running.pid) end)
  local text = support.read(running.path)
  lu.assertStrContains(text, "it balances")
  for _, counter in ipairs({ "in%-ipv4%-frag%-reassembled", "in%-ipv6%-frag%-reassembled", "out%-ipv4%-frag", "out%-errors", "resolved",
    "out%-icmpv4%-echo%-packets", "out%-icmpv6%-echo%-packets", "out%-arp%-reply%-packets", "out%-ndp%-na%-packets" }) do
    lu.assertStrMatches(text, ".*" .. counter .. " %d+.*")
  end
  for _, reason in ipairs({ "invalid %d", "overlap", "unresolved", "bad%-checksum", "timed%-out" }) do
    lu.assertNil(text:match(reason), text)
  end
end

os.exit(lu.LuaUnit.run())
