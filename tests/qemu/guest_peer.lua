-- One 82574 of QEMU is nf's, the other one the kernel's (its driver e1000e): a real peer. The kernel pings through nf, by a tap
-- in another network namespace. Runs in the guest of test_cards.lua.
local lu = require("luaunit")
local support = require("support")

local OURS, THEIRS = "0000:01:00.0", "0000:02:00.0"

local function shell(command)
  local text, code = support.run(command)
  lu.assertEquals(code, 0, command .. ": " .. text)
  return text
end

TestGuest = {}

function TestGuest:testTheKernelPingsThroughNf()
  lu.assertStrContains(shell("/nf pci"), "e1000e")
  shell("/nf pci unbind " .. OURS)
  local interface = shell("ls /sys/bus/pci/devices/" .. THEIRS .. "/net"):match("%S+")
  shell("/programs/ip netns add inner")
  shell(("/programs/ip address add 192.0.2.2/24 dev %s && /programs/ip link set %s up"):format(interface, interface))
  support.write("/tmp/peer.lua", ([[return { apps = { card = { "intel.e1000e", pci = "%s", wait_for_link = "10s" },
    tap = { "tap.tap", name = "nf0", namespace = "inner" } }, links = { "card.output -> tap.input", "tap.output -> card.input" } }]]):format(OURS))
  support.run("/nf run --name peer /tmp/peer.lua >/tmp/peer.log 2>&1 &")
  support.wait("nf", function() return support.run("/nf stats --interval 0 peer"):find(", running; [1-9]") end, "/tmp/peer.log")
  shell("/programs/ip -n inner address add 192.0.2.1/24 dev nf0")
  support.wait("an answer", function()
    return select(2, support.run("/programs/ip netns exec inner ping -c 1 -W 1 192.0.2.2")) == 0
  end, "/tmp/peer.log")
  for _, size in ipairs({ 0, 18, 100, 1472, 4000 }) do          -- the last one in fragments
    local text = shell(("/programs/ip netns exec inner ping -c 3 -W 2 -s %d 192.0.2.2"):format(size))
    lu.assertStrContains(text, "3 packets received")
  end
  local text = support.run("/nf stats --interval 0 peer")
  lu.assertStrContains(text, "balances")
  shell("/nf stop peer")
  support.wait("the end", function() return (support.read("/tmp/peer.log") or ""):find("it balances", 1, true) end)
end

os.exit(lu.LuaUnit.run())
