-- One card of QEMU is nf's, the other one the kernel's, with its own driver: a real peer. The kernel talks through nf, from the card
-- to a tap in another network namespace. Runs in the guests of test_e1000e_peer.lua and test_igb_peer.lua.
local lu = require("luaunit")
local guest = require("support_guest")
local support = require("support")

local OURS, THEIRS = guest.FIRST, guest.SECOND
local INNER = "/programs/ip netns exec inner "
local GRAPH = ([[return { apps = { card = { "%s", pci = "%s", mtu = 9000, wait_for_link = "10s" },
  tap = { "tap.tap", name = "nf0", namespace = "inner", mtu = 9000 } }, links = { "card.output -> tap.input", "tap.output -> card.input" } }]]):format(
  guest.class, OURS)

local interface                         -- of the kernel's card

-- A file as the kernel's own count of packets.
local function statistic(name) return tonumber(support.read(("/sys/class/net/%s/statistics/%s"):format(interface, name))) end

local function start(name)
  local pid = guest.start(name, GRAPH)
  guest.ip("-n inner address replace 192.0.2.1/24 dev nf0")
  guest.wait("an answer", name, function() return select(2, support.run(INNER .. "ping -c 1 -W 1 192.0.2.2")) == 0 end)
  return pid
end

-- What goes in at one end comes out at the other: TCP, whose checksums and segments the cards make.
local function transfer(listen, send, address)
  guest.shell("rm -f /tmp/received; head -c 1000000 /dev/urandom > /tmp/sent")
  local listener = support.background(listen .. "nc -l -p 5000 -e sh -c 'cat > /tmp/received'", "/tmp/listener.log")
  guest.wait("a listener", "peer", function() return support.run(listen .. "netstat -ltn"):find(":5000", 1, true) end)
  guest.shell(send .. "sh -c 'nc " .. address .. " 5000 < /tmp/sent'")
  guest.wait("the end of the transfer", "peer", function() return not support.alive(listener) end)
  guest.shell("cmp /tmp/sent /tmp/received")
end

TestGuest = {}

function TestGuest:setUp()
  if interface then return end
  lu.assertStrContains(guest.shell("/nf pci"), guest.card)
  guest.take(OURS)
  interface = guest.shell("ls /sys/bus/pci/devices/" .. THEIRS .. "/net"):match("%S+")
  guest.ip("netns add inner", "address add 192.0.2.2/24 dev " .. interface, "link set " .. interface .. " mtu 9000 up")
end

function TestGuest:tearDown() guest.clean_up() end

-- What the kernel's card counts against what ours does, when nothing is under way: frames received, and sent, more than sent, and
-- received, here. What one end sent before the other was ready makes it other than 0; then it stays.
local function difference()
  local before
  return unpack(guest.wait("a rest", "peer", function()
    local now = { statistic("rx_packets"), statistic("tx_packets"), guest.count("peer", "card", "sent"), guest.count("peer", "card", "received") }
    local text = table.concat(now, " ")
    if text == before then return { now[1] - now[3], now[2] - now[4] } end
    before = text
  end))
end

function TestGuest:testTheKernelIsThePeer()
  start("peer")
  local received, sent = difference()
  for _, size in ipairs({ 0, 18, 100, 1472, 4000, 8972, 20000 }) do     -- the last one in fragments
    lu.assertStrContains(guest.shell((INNER .. "ping -c 3 -W 60 -s %d 192.0.2.2"):format(size)), "3 packets received")
  end
  lu.assertEquals({ difference() }, { received, sent })
  transfer("", INNER, "192.0.2.2")
  transfer(INNER, "", "192.0.2.1")
  lu.assertEquals((difference()), received)                     -- what the kernel's card cuts into segments counts as one there
  lu.assertStrContains(support.run("/nf stats --interval 0 peer"), "balances")
  guest.stop("peer")
  lu.assertFalse(guest.is_master(OURS))
end

-- Another nf sends by the kernel's card, all the while, to the one with a card of its own, whose worker is killed, and then whose
-- supervisor, too. With direct access the card then writes on into memory that is still nobody else's, until the next nf has
-- switched it off; through vfio the kernel does so at once, and no write comes too late for the IOMMU (tearDown).
function TestGuest:testTheKernelSendsToTheKilled()
  local total = guest.memory("HugePages_Free")
  guest.start("sender", ([[return { apps = { source = { "basic.source", sizes = { 60, 590, 9014 }, rate = "500pps" },
    raw = { "socket.raw", interface = "%s" } }, links = { "source -> raw.input" } }]]):format(interface))
  local others = guest.memory("HugePages_Free")
  local pid = start("killed")
  for _ = 1, 3 do
    local worker, before = guest.worker(pid), guest.count("killed", "card", "received")
    guest.kill(worker, 9)
    guest.wait("the next worker", "killed", function()
      local now = guest.worker(pid)
      return now and now ~= worker and guest.count("killed", "card", "received") > before + 100
    end)
  end
  local worker, free = guest.worker(pid), guest.memory("HugePages_Free")
  guest.kill(pid, 9)
  guest.kill(worker, 9)
  guest.wait("their end", "killed", function() return not support.alive(pid) and not support.alive(worker) end)
  if guest.vfio then
    guest.wait("bus mastering off", "killed", function() return not guest.is_master(OURS) end)
  else
    local head = guest.card == "igb" and "RDH[0]" or "RDH"
    local before = guest.register(OURS, head)
    lu.assertTrue(guest.is_master(OURS))
    lu.assertEquals(guest.memory("HugePages_Free"), free)
    guest.wait("a frame to nobody", "killed", function() return guest.register(OURS, head) ~= before end)
  end
  start("next")
  local text = guest.stop("next")
  if not guest.vfio then lu.assertStrContains(text, "was left on by an nf that was killed; it is off now") end
  lu.assertFalse(guest.is_master(OURS))
  lu.assertEquals(guest.memory("HugePages_Free"), others)
  guest.stop("sender")
  lu.assertEquals(guest.memory("HugePages_Free"), total)
end

os.exit(lu.LuaUnit.run())
