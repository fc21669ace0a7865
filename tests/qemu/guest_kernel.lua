-- What takes a kernel of its own: VLAN interfaces, huge pages, the packet filter of another kernel. Runs in the guest of
-- test_kernel.lua.
local lu = require("luaunit")
local support = require("support")

TestGuest = {}

local function shell(command)
  local text, code = support.run(command)
  lu.assertEquals(code, 0, command .. ": " .. text)
  return text
end

-- Commands of the host's ip; busybox has one that knows less.
local function ip(...)
  for _, command in ipairs({ ... }) do shell("/programs/ip " .. command) end
end

local function start(name, text)
  support.write("/tmp/" .. name .. ".lua", text)
  support.run(("/nf run --name %s /tmp/%s.lua >/tmp/%s.log 2>&1 &"):format(name, name, name))
  support.wait("nf", function() return select(2, support.run("/nf stats --interval 0 " .. name)) == 0 end, "/tmp/" .. name .. ".log")
end

local function stop(name)
  shell("/nf stop " .. name)
  support.wait("the end", function() return (support.read("/tmp/" .. name .. ".log") or ""):find("it balances", 1, true) end)
  return support.read("/tmp/" .. name .. ".log")
end

function TestGuest:testHugePages()
  lu.assertStrContains(shell("/nf doctor 2>&1 || true"), "huge")
  start("huge", 'return { apps = { source = { "basic.source", rate = "1Kpps" }, sink = { "basic.sink" } }, links = { "source -> sink.input" } }')
  local free = tonumber(shell("cat /proc/meminfo"):match("HugePages_Free:%s+(%d+)"))
  local total = tonumber(shell("cat /proc/meminfo"):match("HugePages_Total:%s+(%d+)"))
  stop("huge")
  lu.assertTrue(total > 0 and free < total, total .. " huge pages, " .. free .. " free")
  support.wait("the pages", function()
    return tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s+(%d+)")) == total
  end)
end

-- A frame of a VLAN interface, whose tag the kernel takes out of the frame, travels with it from one packet socket to the other.
function TestGuest:testVlanInterface()
  ip("link add va type veth peer name vb", "link add wa type veth peer name wb", "netns add far", "link set wb netns far")
  ip("link add link vb name vb.5 type vlan id 5", "addr add 10.5.0.1/24 dev vb.5")
  ip("-n far link add link wb name wb.5 type vlan id 5", "-n far addr add 10.5.0.2/24 dev wb.5")
  ip("link set va up", "link set vb up", "link set vb.5 up", "link set wa up", "-n far link set wb up", "-n far link set wb.5 up")
  start("vlan", [[return { apps = { a = { "socket.raw", interface = "va" }, b = { "socket.raw", interface = "wa" },
    dump = { "pcap.writer", file = "/tmp/vlan.pcap" }, copy = { "basic.tee" } },
    links = { "a.output -> copy.input", "copy.a -> b.input", "copy.b -> dump.input", "b.output -> a.input" } }]])
  lu.assertStrContains(shell("ping -c 3 -W 2 10.5.0.2"), "3 packets received")
  stop("vlan")
  -- The ARP request: the broadcast address, the source, then 81 00 00 05 08 06.
  lu.assertStrMatches(support.read("/tmp/vlan.pcap"), ".*" .. ("\255"):rep(6) .. "......\129%z%z\5\8\6.*")
end

os.exit(lu.LuaUnit.run())
