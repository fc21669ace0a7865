-- intel.ixgbe on simulated cards that judge it: forwarding, RSS, jumbo frames, reload, deaths, faults. Needs root and huge pages.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local card = require("support_card")
local pci = require("support_pci")

ffi.cdef("int kill(int pid, int signal);")

local FORWARD = [[return { apps = { a = { "intel.ixgbe", pci = "05:00.0"%s }, b = { "intel.ixgbe", pci = "06:00.0"%s } },
  links = { "a.output -> b.input", "b.output -> a.input" } }]]
local function forward(parameters, name) return card.graph(FORWARD:format(parameters or "", parameters or ""), name) end

local function nf(arguments) return support.run(("'%s' %s"):format(support.nf, arguments)) end

TestIxgbe = {}

function TestIxgbe:setUp() card.need() end

function TestIxgbe:testFramesPassBothWays()
  local text = card.passes("--traffic count=2000,size=60-1514", forward())
  lu.assertStrMatches(text, ".*\n  a +4000 +2000 +2000 +0 +0 .*")
end

function TestIxgbe:testTheSmallestRingsAndShortBursts()
  card.passes("--traffic count=500,size=60-300", forward(", receive_ring = 64, transmit_ring = 64"))
end

function TestIxgbe:testJumboFrames()
  card.passes("--traffic count=300,size=60-9000", forward(", mtu = 9000"))
  local text, code = card.run("--strict --stop --wire generator --traffic count=200,size=1600-2500", forward(), "--duration 3s")
  if card.mode == "" then lu.assertEquals(code, 0, text) end
  lu.assertStrContains(text, "back 0, lost 200")
  lu.assertStrMatches(text, ".*\n  a +0 +0 +0 +0 +0 +length%-errors %d+.*")
end

function TestIxgbe:testTagsAreTakenOutAndPutIn()
  card.passes("--traffic count=300,size=64-1514,vlan=5", forward(", vlan = true"))
  card.passes("--traffic count=300,size=64-1514,vlan=5", forward())
end

-- A card that another driver left running, and one whose bits take their time.
function TestIxgbe:testADirtyCardAndASlowOne()
  card.passes("--traffic count=300 --do 'soil 0; soil 1'", forward())
  card.passes(("--traffic count=300 --do '%sdelay 0 transmit 2ms; delay 1 link 50ms'"):format(
    card.enable("delay 0 enable 5ms; delay 1 enable 3ms; ")), forward(', wait_for_link = "5s"'))
  -- Longer than a first try takes: frames wait for the second.
  if card.mode == "" then card.passes("--traffic count=300 --do 'delay 1 enable 15ms'", forward()) end
end

-- Several queues of one card in two workers; the flows spread, none is reordered.
function TestIxgbe:testRssSpreadsOverTheQueuesOfTwoWorkers()
  local workers = {}
  for w = 0, 1 do
    workers[#workers + 1] = ([[w%d = { apps = { a = { "intel.ixgbe", pci = "05:00.0", queue = %d, rss = "ip+tcp+udp" },
      b = { "intel.ixgbe", pci = "06:00.0", queue = %d, rss = "ip+tcp+udp" } },
      links = { "a.output -> b.input", "b.output -> a.input" } }]]):format(w, w, w)
  end
  local text = card.passes("--traffic count=30000,flows=64", card.graph("return { workers = { " .. table.concat(workers, ", ") .. " } }"))
  -- Neither queue got everything.
  local shares = {}
  for received in text:gmatch("\n +%S*a +%d+ +(%d+)") do shares[#shares + 1] = tonumber(received) end
  lu.assertEquals(#shares, 2, text)
  lu.assertEquals(shares[1] + shares[2], 30000)
  lu.assertTrue(shares[1] > 200 and shares[2] > 200, text)
end

function TestIxgbe:testSeveralQueuesInOneWorker()
  card.passes("--traffic count=1000,flows=64", card.graph([[
    local apps, links = {}, {}
    for q = 0, 3 do
      apps["a" .. q] = { "intel.ixgbe", pci = "05:00.0", queue = q, rss = "ip+tcp+udp" }
      apps["b" .. q] = { "intel.ixgbe", pci = "06:00.0", queue = q, rss = "ip+tcp+udp" }
      links[#links + 1] = ("a%d.output -> b%d.input"):format(q, q)
      links[#links + 1] = ("b%d.output -> a%d.input"):format(q, q)
    end
    return { apps = apps, links = links }]]))
end

function TestIxgbe:testMistakesAreTold()
  local function told(parameters, ...)
    local text, code = nf("check " .. card.graph(([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0" },
      b = { "intel.ixgbe", pci = "05:00.0", %s } }, links = { "a -> b", "b -> a" } }]]):format(parameters), "wrong.lua"))
    lu.assertEquals(code, 1, text)
    for _, message in ipairs({ ... }) do lu.assertStrContains(text, message) end
  end
  told("queue = 0", "queue:0000:05:00.0/0 is used by app 'a' already")
  told("queue = 16", "key 'queue'")
  told("queue = 1, mtu = 9000", "key 'mtu': app 'a' has the same card 0000:05:00.0 with another value")
  told("queue = 1, promiscuous = false", "key 'promiscuous': app 'a' has the same card")
  told("queue = 1, flow_control = true", "key 'flow_control': app 'a' has the same card")
  told('queue = 1, rss = "ip"', "key 'rss': app 'a' has the same card")
  told('queue = 1, mac = "02:00:00:00:00:01"', "key 'mac': app 'a' has the same card")
  told('queue = 1, mac = "03:00:00:00:00:01"', "key 'mac': a group address")
  told("queue = 1, receive_ring = 100", "key 'receive_ring': 100 is no power of two")
  told("queue = 1, transmit_ring = 1000", "key 'transmit_ring': 1000 is no power of two")
  told('queue = 1, rate_limit = "1Mpps"', "key 'rate_limit': a card counts bits")
  told('queue = 1, rate_limit = "1M"', "key 'rate_limit': too little, the card can limit a queue to 10M and more")
  local root = card.folder .. "/other"
  pci.card(root, "0000:05:00.0", { device = 0x100e })
  local text, code = support.run(("NF_SYSFS='%s' '%s' run --name %s '%s'"):format(root, support.nf, card.name("other"),
    card.graph([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0" }, sink = { "basic.sink" } }, links = { "a -> sink" } }]])))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'a': card 0000:05:00.0 is a 8086:100e, which intel.ixgbe does not drive")
end

TestIxgbeRunning = {}

function TestIxgbeRunning:setUp()
  card.need()
  self.name = card.name("live")
end

function TestIxgbeRunning:tearDown()
  support.run(("'%s' stop --now %s"):format(support.nf, self.name))
  if card.root then support.run(("'%s' nicsim --root '%s' --tell quit"):format(support.nf, card.root)) end
end

-- What the cards count, register accesses among it.
local function report(what) return tonumber(card.tell("report"):match(what .. " (%d+)")) end

local function master(address) return pci.bus_master(card.root .. "/bus/pci/devices/" .. address .. "/") end

local function stop(self, violation)
  local text, code = nf("stop " .. self.name)
  lu.assertEquals(code, 0, text)
  lu.assertFalse(master("0000:05:00.0"))
  lu.assertFalse(master("0000:06:00.0"))
  local said = card.stop()
  if card.mode ~= "" then return end
  if not violation then lu.assertStrContains(said, "nicsim: no violation\n") end
  for name in said:gmatch("nicsim: violation ([%w-]+)") do lu.assertEquals(name, violation, said) end
end

local function counts(self, app, key)
  local text = nf("stats --interval 0 " .. self.name)
  return tonumber((text:match("\n +" .. app .. " [^\n]*") or ""):match(key .. " (%d+)")), text
end

-- nf stats ends with 1 when the ledger does not balance.
local function balanced(self)
  local text, code = nf("stats --interval 0 " .. self.name)
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "balances")
end

-- How many frames the generators miss so far, those on their way among them.
local function missing()
  local n = 0
  for sent, back in card.tell("report"):gmatch("sent (%d+), back (%d+)") do n = n + sent - back end
  return n
end

-- Traffic runs, and what was sent before nf was ready is known.
local function running()
  local received = report("received")
  card.wait("traffic", function() return report("received") > received + 50 end)
  local least = 1000000
  for _ = 1, 20 do least = math.min(least, missing()) end
  return least
end

-- All that was sent since is back: at some moment nothing is on its way.
local function through(lost) card.wait("the last frame", function() return missing() <= lost end) end

function TestIxgbeRunning:testAReloadThatDoesNotChangeTheAppLosesNothing()
  card.start("--strict --wire generator --traffic rate=300")
  card.nf(self.name, forward())
  local lost = running()
  for i = 1, 3 do
    local text, code = nf(("reload %s %s"):format(self.name, card.graph(FORWARD:format("", ""):gsub("apps = {",
      ("apps = { x%d = { 'basic.source', number = 1 }, y = { 'basic.sink' },"):format(i)):gsub("links = {",
      ("links = { 'x%d -> y',"):format(i)), "more.lua")))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "packets lost   0")
  end
  through(lost)
  stop(self)
end

-- What can change in place does; the queue goes on.
function TestIxgbeRunning:testParametersChangeInPlace()
  card.start("--strict --wire generator --traffic rate=300")
  card.nf(self.name, forward())
  local lost = running()
  local resets = nf("stats --interval 0 " .. self.name)
  lu.assertNotStrContains(resets, "resets")
  -- What the rate scheduler has for queue 0: the link's speed over the limit, with 14 bits behind the point.
  local function rate() return card.peek(0, 0x4984) end
  lu.assertEquals(rate(), 0)
  for _, parameters in ipairs({ ', rate_limit = "1G"', ", flow_control = true", ", mtu = 1400", "" }) do
    local text, code = nf(("reload %s %s"):format(self.name, forward(parameters, "changed.lua")))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "packets lost   0")
    lu.assertEquals(rate(), parameters:find("rate_limit") and 0x80000000 + 10 * 16384 or 0)
  end
  through(lost)
  stop(self)
end

-- An app that comes, and one that goes, while others on the card run.
function TestIxgbeRunning:testAQueueComesAndGoes()
  local two = card.graph([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0" }, a1 = { "intel.ixgbe", pci = "05:00.0", queue = 1 },
    b = { "intel.ixgbe", pci = "06:00.0" }, join = { "basic.join" } },
    links = { "a.output -> join.x", "a1.output -> join.y", "join -> b.input", "b.output -> a.input" } }]], "two.lua")
  local one = card.graph([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0" },
    b = { "intel.ixgbe", pci = "06:00.0" }, join = { "basic.join" } },
    links = { "a.output -> join.x", "join -> b.input", "b.output -> a.input" } }]], "one.lua")
  card.start("--strict --wire generator --traffic rate=500,flows=64")
  card.nf(self.name, one)
  for _ = 1, 2 do
    for _, graph in ipairs({ two, one }) do
      local text, code = nf(("reload %s %s"):format(self.name, graph))
      lu.assertEquals(code, 0, text)
      ffi.C.usleep(150000)
    end
  end
  balanced(self)
  stop(self)
end

local function children(pid)
  local list = {}
  for child in (support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch("%d+") do list[#list + 1] = tonumber(child) end
  return list
end

function TestIxgbeRunning:testAKilledWorkerIsReplacedAndNothingIsWrittenToLostMemory()
  card.start("--strict --wire generator --traffic rate=500")
  local pid = card.nf(self.name, forward())
  for i = 1, 3 do
    local before = children(pid)[1]
    ffi.C.kill(before, 9)
    card.wait("the next worker", function()
      local now = children(pid)[1]
      return now and now ~= before and select(2, card.said(self.name):gsub("is back after", "")) == i
    end)
    local received = report("received")
    card.wait("traffic", function() return report("received") > received + 100 end)
  end
  lu.assertTrue(master("0000:05:00.0"))
  balanced(self)
  stop(self)
end

-- Supervisor and worker killed at once: the cards write to memory that nobody else has, until the next nf comes.
function TestIxgbeRunning:testAllKilled()
  card.start("--wire generator --traffic rate=500")
  local pid = card.nf(self.name, forward())
  local worker = children(pid)[1]
  ffi.C.kill(pid, 9)
  ffi.C.kill(worker, 9)
  card.wait("their end", function() return not support.alive(pid) and not support.alive(worker) end)
  lu.assertTrue(master("0000:05:00.0"))
  lu.assertStrContains(support.run("ls /run/nf-cards"), "0000:05:00.0-")
  card.nf(self.name, forward())
  -- The statistics of the dead instance are still there to be read.
  card.wait("the cards to be switched off", function()
    return card.said(self.name):find(":00.0 was left on by an nf that was killed; it is off now", 1, true)
  end)
  card.wait("the new instance", function() return not nf("stats --interval 0 " .. self.name):find("process " .. worker .. ",", 1, true) end)
  local received = report("received")
  card.wait("traffic", function() return report("received") > received + 100 end)
  -- Between the two the card wanted to write, and could not.
  stop(self, "bus-mastering-off")
end

function TestIxgbeRunning:testASecondNfDoesNotGetTheCard()
  card.start("--strict --wire generator --traffic rate=100")
  card.nf(self.name, forward())
  local text, code = support.run(("env %s '%s' run --name %s-b %s"):format(card.environment, support.nf, self.name, forward()))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "card 0000:05:00.0 is used by another nf")
  lu.assertTrue(master("0000:05:00.0"))
  stop(self)
end

function TestIxgbeRunning:testTheLinkGoesAndComes()
  card.need_traps()
  card.start("--strict --wire generator --traffic rate=500")
  card.nf(self.name, forward())
  card.tell("link 0 down")
  card.wait("the message", function() return card.said(self.name):find("the link of 0000:05:00.0 is down", 1, true) end)
  card.wait("the gauge", function() return (counts(self, "a", "link%-mbps") or 0) == 0 end)
  card.wait("drops", function() return (counts(self, "a", "link%-down") or 0) > 0 end)
  card.tell("link 0 up")
  card.wait("the link", function() return counts(self, "a", "link%-mbps") == 10000 end)
  local received = report("received")
  card.wait("traffic", function() return report("received") > received + 100 end)
  stop(self)
end

-- A queue that does not start: what is to be sent waits for a second, then it is dropped; and the queue is tried again and again.
function TestIxgbeRunning:testAQueueThatDoesNotStartIsTriedAgain()
  card.need_traps()
  card.start("--strict --wire generator --traffic rate=500 --do 'delay 1 enable 1h'")
  card.nf(self.name, forward())
  card.wait("drops", function() return (counts(self, "b", "link%-down") or 0) > 0 end)
  lu.assertStrContains(card.said(self.name), "app 'b': transmit queue 0 of card 0000:06:00.0 does not start; it is tried again")
  lu.assertEquals(counts(self, "b", "card%-resets") or 0, 0)
  card.tell("delay 1 enable 0s")
  card.wait("traffic", function() return report("back") > 100 end)
  balanced(self)
  stop(self)
end

-- The transmitter stands still: after a second the queue is reset, at last the card; then traffic goes on.
function TestIxgbeRunning:testATransmitterThatHangsIsReset()
  card.need_traps()
  card.start("--wire generator --traffic rate=500")
  card.nf(self.name, forward())
  card.tell("hang 0 on")
  card.wait("the reset of the queue", function() return (counts(self, "a", "queue%-resets") or 0) >= 1 end)
  card.wait("the reset of the card", function() return (counts(self, "a", "card%-resets") or 0) >= 1 end)
  card.tell("hang 0 off")
  local sent = function() return tonumber(card.tell("report"):match("sent (%d+), back")) end
  local before = sent()
  card.wait("traffic", function() return sent() > before + 200 end)
  balanced(self)
  stop(self)
end

function TestIxgbeRunning:testACardThatVanishesStopsTheAppAlone()
  card.need_traps()
  card.start("--wire generator --traffic rate=500")
  local pid = card.nf(self.name, forward())
  local worker = children(pid)[1]
  card.tell("vanish 0 on")
  card.wait("the message", function() return card.said(self.name):find("card 0000:05:00.0 has vanished; the app stops", 1, true) end)
  card.wait("drops", function() return (counts(self, "a", "gone") or 0) > 100 end)
  lu.assertEquals(children(pid)[1], worker)
  balanced(self)
  lu.assertEquals(select(2, nf("stop " .. self.name)), 0)
end

-- Not even a reset helps: the card keeps the packets that it has, and is cut off from memory before that is given back.
function TestIxgbeRunning:testACardThatDoesNotObeyIsCutOff()
  card.need_traps()
  card.start("--wire generator --traffic rate=500")
  card.nf(self.name, forward())
  running()
  card.tell("deaf 0 on")
  nf("stop " .. self.name)
  local said = card.said(self.name)
  lu.assertStrContains(said, "app 'a': card 0000:05:00.0 does not obey a reset; the app stops, and the card keeps its packets")
  lu.assertStrContains(said, "card 0000:05:00.0 does not obey a reset; bus mastering is switched off")
  lu.assertStrContains(said, "were still in use after every app was gone")
  lu.assertFalse(master("0000:05:00.0"))
  for name in card.stop():gmatch("nicsim: violation ([%w-]+)") do lu.assertEquals(name, "bus-mastering-off") end
end

function TestIxgbeRunning:testWhatTheCardDropsIsCounted()
  card.need_traps()
  card.start("--wire generator --traffic rate=500")
  card.nf(self.name, forward())
  card.tell("crc 0 37")
  card.wait("the counter", function() return counts(self, "a", "crc%-errors") == 37 end)
  lu.assertStrContains(nf("stats --interval 0 " .. self.name), "37")
  stop(self)
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
