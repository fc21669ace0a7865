-- nf lwaftr run: a relay on devices of a kernel in a network namespace of its own: who it is, its table, a reload.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local netdev = require("support_netdev")
local w = require("support_lwaftr")

ffi.cdef("int kill(int pid, int signal);")

local SIGTERM = 15
local folder = support.folder()
w.folder = folder
local name = "test-lwaftr-" .. ffi.C.getpid()
local wait, alive = support.wait, support.alive
local running, namespace

local function run(options)
  return support.run(("%s lwaftr run %s"):format(support.nf, options))
end

-- A configuration with these devices.
local function devices(internal, external, options)
  return w.file((w.conf(options):gsub("device test;", function ()
    return ("device %q;"):format(internal) .. (external and (" external-device %q;"):format(external) or "")
  end)))
end

TestMistakes = {}

function TestMistakes:testOptions()
  local conf = "--conf " .. w.file(w.conf({}))
  for options, message in pairs({
    [""] = "option '--conf' is missing: which configuration?",
    [conf .. " --v4 tap:a"] = "it needs --v4 and --v6, or --on-a-stick alone",
    [conf .. " --v4 tap:a --v6 tap:b --on-a-stick tap:c"] = "it needs --v4 and --v6, or --on-a-stick alone",
    [conf .. " --v6 tap:b --on-a-stick tap:c"] = "it needs --v4 and --v6, or --on-a-stick alone",
    [conf .. " --queue 256 --on-a-stick tap:c"] = "option '--queue'",
    [conf .. " --set x --on-a-stick tap:c"] = "option '--set': 'x' is not of the form KEY=VALUE,KEY=VALUE",
  }) do
    local output, code = run(options)
    lu.assertEquals(code, 2, options)
    lu.assertStrContains(output, "nf lwaftr run: " .. message)
  end
end

function TestMistakes:testPortsAndConfiguration()
  local conf = "--conf " .. w.file(w.conf({}))
  local no_name = "is no name of an interface"
  for options, message in pairs({
    ["--conf /nowhere/x --on-a-stick tap:c"] = "/nowhere/x: No such file or directory",
    [conf .. " --on-a-stick eth:c"] = "'eth:c' is no port; accepted: tap:NAME, raw:IFACE, xdp:IFACE[/QUEUE], pci:ADDRESS",
    [conf .. " --v4 tap:a --v6 b"] = "'b' is no port; accepted: ",
    [conf .. " --on-a-stick tap:"] = "'' " .. no_name,
    [conf .. " --on-a-stick tap:@there"] = "'@there' " .. no_name,
    [conf .. " --on-a-stick tap:here@"] = "'here@' " .. no_name,
    [conf .. " --on-a-stick raw:abcdefghijklmnop"] = "'abcdefghijklmnop' " .. no_name,
    [conf .. " --on-a-stick xdp:abcdefghijklmnop/1"] = "'abcdefghijklmnop/1' " .. no_name,
    [conf .. " --on-a-stick xdp:/1"] = "'' " .. no_name,
    [conf .. " --on-a-stick xdp:c/x"] = "'x' is no queue; accepted: 0 to 1023",
    [conf .. " --on-a-stick xdp:c/1024"] = "'1024' is no queue; accepted: 0 to 1023",
    [conf .. " --on-a-stick pci:nothing"] = "nothing",
    [conf .. " --device other --on-a-stick tap:c"] = "other",
    [conf .. " --queue 3 --on-a-stick tap:c"] = "instance 'test' has no such queue",
    ["--conf " .. w.file(w.conf({ internal = "mtu 3;" })) .. " --on-a-stick tap:c"] = "mtu",
    -- Without a PORT, those of the file.
    [conf] = "instance 'test': its device 'test' is no card's address, no interface of this kernel, and not of the form tap:NAME, " ..
      "raw:IFACE, xdp:IFACE[/QUEUE] or pci:ADDRESS; give --v4 and --v6, or --on-a-stick",
    ["--conf " .. devices("ffff:ff:1f.7")] = "ffff:ff:1f.7",
    ["--conf " .. devices("ff:1f.7")] = "0000:ff:1f.7",
    ["--conf " .. devices("tap:six", "four.nowhere")] = "instance 'tap:six': its device 'four.nowhere' is no card's address",
    ["--conf " .. devices("tap:")] = "'' " .. no_name,
    ["--conf " .. devices(("x"):rep(100))] = "is no card's address",
  }) do
    local output, code = run(options)
    lu.assertEquals(code, 1, options)
    lu.assertStrContains(output, "nf lwaftr run: ")
    lu.assertStrContains(output, message)
  end
end

TestLwaftrRun = {}

function TestLwaftrRun:setUp()
  if not netdev.can_make() then lu.skip("needs root and /dev/net/tun") end
  if support.run("command -v ping") == "" then lu.skip("needs ping") end
  namespace = netdev.namespace("lw")
end

function TestLwaftrRun:tearDown()
  if running and alive(running.pid) then
    ffi.C.kill(running.pid, SIGTERM)
    pcall(wait, "an end", function () return not alive(running.pid) end)
  end
  running = nil
  netdev.clean()
end

local function start(conf, ports)
  local path = folder .. "/run.out"
  running = { path = path, pid = support.background(("ip netns exec %s %s lwaftr run --name %s --conf %s %s"):format(namespace, support.nf, name,
    conf, ports), path) }
  wait("nf", function ()
    assert(alive(running.pid), support.read(path))
    return support.is_running(name)
  end)
end

local function pings(to, from)
  local text, code = support.run(("ip netns exec %s ping -q -c 2 -i 0.1 -w 30 %s %s"):format(namespace, from or "", to))
  lu.assertEquals(code, 0, to .. ": " .. text)
end

local function stop()
  ffi.C.kill(running.pid, SIGTERM)
  wait("the end of nf", function () return not alive(running.pid) end)
  local text = support.read(running.path)
  lu.assertStrContains(text, "it balances")
  return text
end

local HOPS = { hop4 = "ip 203.0.113.2;", hop6 = "ip 2001:db8:af::2;" }
local function addresses(four, six)
  netdev.within(namespace, ("ip addr add 203.0.113.2/24 dev %s && ip addr add 2001:db8:af::2/64 dev %s nodad"):format(four, six))
end

-- Both kernels' sides find the relay and are answered; it finds them as its next hops; what nobody has gets an error.
function TestLwaftrRun:testTwoPortsAndAReload()
  local conf = w.file(w.conf(HOPS))
  start(conf, "--v4 tap:four --v6 tap:six")
  addresses("four", "six")
  pings(w.OWN4)
  pings(w.OWN6)
  netdev.within(namespace, "ip route add 198.51.100.0/24 via " .. w.OWN4)
  netdev.within(namespace, ('bash -c "echo x > /dev/udp/%s/80"'):format(w.UNSERVED))
  wait("a packet for a B4", function ()
    support.run(("ip netns exec %s ping -c 1 -W 1 %s"):format(namespace, w.WHOLE))
    return tonumber((support.run(support.nf .. " stats --interval 0 " .. name)):match("out%-ipv6%-packets (%d+)") or 0) > 0
  end)
  -- Who sent fragments that never became whole is told so on the wire.
  local live = support.run(support.nf .. " stats --interval 0 " .. name)
  for _, v in ipairs({ 4, 6 }) do lu.assertStrContains(live, ("reassemble%d.errors -> echo%d.errors"):format(v, v)) end
  -- Another address, and a softwire for who had none: the same table else, and nothing is lost.
  support.write(conf, (w.conf({ hop4 = HOPS.hop4, hop6 = HOPS.hop6, table = w.TABLE .. w.softwire(w.UNSERVED, 0, w.A, w.BR, "psid-length 0;") })
    :gsub("ip 203%.0%.113%.1;", "ip 203.0.113.7;")))
  local receipt, code = support.run(("%s reload %s"):format(support.nf, name))
  lu.assertEquals(code, 0, receipt)
  pings("203.0.113.7")
  -- One with a mistake changes nothing.
  support.write(conf, w.conf({ internal = "mtu 3;" }))
  receipt, code = support.run(("%s reload %s"):format(support.nf, name))
  lu.assertEquals(code, 1)
  lu.assertStrContains(receipt, "mtu")
  pings("203.0.113.7")
  local text = stop()
  lu.assertStrContains(text, "out-icmpv4-error-packets 1")
  lu.assertStrContains(text, "softwires 5")
  lu.assertNil(text:find("died", 1, true), text)
end

function TestLwaftrRun:testOnAStick()
  start(w.file(w.conf(HOPS)), "--on-a-stick tap:both")
  addresses("both", "both")
  pings(w.OWN4)
  pings(w.OWN6)
  stop()
end

-- Nothing but the file says where the sides are: devices that nf makes, interfaces of the kernel by their names.
function TestLwaftrRun:testDevicesOfTheFile()
  start(devices("tap:six", "tap:four", HOPS), "")
  addresses("four", "six")
  pings(w.OWN4)
  pings(w.OWN6)
  stop()
  if select(2, support.run(("ip -n %s link add wire type veth peer name peer"):format(namespace))) ~= 0 then lu.skip("this kernel has no veth") end
  netdev.within(namespace, "ip link set wire up && ip link set peer up && ethtool -K peer tx off >/dev/null 2>&1 || true")
  start(devices("wire", nil, HOPS), "")
  addresses("peer", "peer")
  pings(w.OWN4)
  pings(w.OWN6)
  stop()
end

-- Each side behind its tag.
function TestLwaftrRun:testOnAStickWithVlans()
  start(w.file(w.conf({ hop4 = HOPS.hop4, hop6 = HOPS.hop6, vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;" })), "--on-a-stick tap:both")
  if select(2, support.run(("ip netns exec %s ip link add link both name v12 type vlan id 12"):format(namespace))) ~= 0 then
    lu.skip("this kernel has no VLANs")
  end
  netdev.within(namespace, "ip link add link both name v13 type vlan id 13 && ip link set v12 up && ip link set v13 up")
  addresses("v12", "v13")
  pings(w.OWN4)
  pings(w.OWN6)
  stop()
end

os.exit(lu.LuaUnit.run())
