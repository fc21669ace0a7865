-- Reloads of graphs with cards: apps that become others, and queues that come and go. What does not change loses nothing. Needs root and huge pages.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local card = require("support_card")
local pci = require("support_pci")

local function nf(arguments) return support.run(("'%s' %s"):format(support.nf, arguments)) end

-- Frames that the generator of card 05 or 06 has not got back.
local function missing(address)
  local sent, back = card.tell("report"):match("generator at 0000:" .. address .. ":00.0: sent (%d+), back (%d+)")
  return sent - back
end

local function received(number)
  local n = 0
  for count in card.tell("report"):gmatch("card 0000:%d%d:00.0 %([^)]*%): received (%d+)") do
    if n == number then return tonumber(count) end
    n = n + 1
  end
end

-- Traffic runs, and what was sent before nf was ready is known.
local function running(address, number)
  local before = received(number)
  card.wait("traffic of " .. address, function() return received(number) > before + 50 end)
  local least = 1000000
  for _ = 1, 4 do least = math.min(least, missing(address)) end
  return least
end

-- At some moment nothing is on its way, and all that was sent since `running` is back.
local function through(address, lost)
  card.wait("the last frame of " .. address, function() return missing(address) <= lost end)
end

TestReload = {}

function TestReload:setUp()
  card.need()
  self.name = card.name("reload")
end

function TestReload:tearDown()
  nf("stop --now " .. self.name)
  if card.root then support.run(("'%s' nicsim --root '%s' --tell quit"):format(support.nf, card.root)) end
end

function TestReload:reload(graph)
  local text, code = nf(("reload %s %s"):format(self.name, card.graph(graph, "next.lua")))
  lu.assertEquals(code, 0, text)
  return text
end

function TestReload:stop()
  local text, code = nf("stats --interval 0 " .. self.name)
  lu.assertEquals(code, 0, text)
  text, code = nf("stop " .. self.name)
  lu.assertEquals(code, 0, text)
  local said = card.stop()
  if card.mode == "" then lu.assertStrContains(said, "nicsim: no violation\n") end
end

local TWO = [[return { apps = { x = { "intel.ixgbe", pci = "05:00.0" }, %s }, links = { "x.output -> x.input", %s } }]]

-- The app y is a card, then something else, then a card again; x goes on.
function TestReload:testACardBecomesAnotherApp()
  local igb = TWO:format('y = { "intel.igb", pci = "06:00.0", wait_for_link = "5s" }', '"y.output -> y.input"')
  card.start("--strict --cards 82599,82576 --wire generator --traffic rate=200,flows=16")
  card.nf(self.name, card.graph(igb))
  local lost = running("05", 0)
  running("06", 1)
  do
    self:reload(TWO:format('y = { "basic.source", number = 1000 }, s = { "basic.sink" }', '"y -> s"'))
    lu.assertFalse(pci.bus_master(card.root .. "/bus/pci/devices/0000:06:00.0/"))
    self:reload(igb)
    local before = received(1)
    card.wait("traffic of 06", function() return received(1) > before + 50 end)
  end
  through("05", lost)
  self:stop()
end

-- ... and an app of one card takes another card, of another kind: both names stay.
function TestReload:testAnAppTakesAnotherCard()
  local first = '%s = { "intel.ixgbe", pci = "05:00.0" }, %s = { "intel.igb", pci = "06:00.0", wait_for_link = "5s" }'
  local graph = "return { apps = { " .. first .. ' }, links = { "x.output -> x.input", "y.output -> y.input" } }'
  card.start("--strict --cards 82599,82576 --wire generator --traffic rate=300,flows=16")
  card.nf(self.name, card.graph(graph:format("x", "y")))
  for _, names in ipairs({ { "y", "x" }, { "x", "y" } }) do
    self:reload(graph:format(unpack(names)))
    for number = 0, 1 do
      local before = received(number)
      card.wait("traffic", function() return received(number) > before + 50 end)
    end
  end
  self:stop()
end

-- Queues of one card come and go; the other card goes on.
function TestReload:testTheNumberOfQueuesChanges()
  local function graph(queues)
    local apps, links = {}, {}
    for q = 0, queues - 1 do
      apps[q + 1] = ('q%d = { "intel.ixgbe", pci = "06:00.0", queue = %d, rss = "ip+tcp+udp" }'):format(q, q)
      links[q + 1] = ('"q%d.output -> q%d.input"'):format(q, q)
    end
    return TWO:format(table.concat(apps, ", "), table.concat(links, ", "))
  end
  card.start("--strict --wire generator --traffic rate=200,flows=64")
  card.nf(self.name, card.graph(graph(1)))
  local lost = running("05", 0)
  running("06", 1)
  for _, queues in ipairs({ 2, 4, 1 }) do
    self:reload(graph(queues))
    ffi.C.usleep(100000)
  end
  through("05", lost)
  self:stop()
end

-- One of two workers gives its queue up, and gets it again; the other goes on. What the queue still held is counted, nothing else is lost.
function TestReload:testOneOfTwoWorkersGivesItsQueueUp()
  card.need_traps()
  local function graph(second)
    return card.graph(([[return { workers = {
      one = { apps = { x = { "intel.ixgbe", pci = "05:00.0", queue = 0, rss = "ip+tcp+udp" } }, links = { "x.output -> x.input" } },
      two = { apps = { %s s = { "basic.source", rate = "100pps" }, t = { "basic.sink" } }, links = { "s -> t" %s } } } }]]):format(
      second and 'y = { "intel.ixgbe", pci = "05:00.0", queue = 1, rss = "ip+tcp+udp" },' or "", second and ', "y.output -> y.input"' or ""),
      second and "two.lua" or "one.lua")
  end
  local function row(app) return tonumber((card.stats(self.name, app):match('"received": (%d+)'))) or 0 end
  card.start("--strict --cards 82599 --wire generator --traffic rate=1000,flows=64")
  card.nf(self.name, graph(true))
  card.wait("both queues", function() return row("x") > 50 and row("y") > 50 end)
  local lost = running("05", 0)
  for _, second in ipairs({ false, true, false }) do
    local text, code = nf(("reload %s %s"):format(self.name, graph(second)))
    lu.assertEquals(code, 0, text)
    lost = lost + tonumber(text:match("packets lost +(%d+)"))
    local x, y = row("x"), row("y")
    card.wait("traffic", function() return row("x") > x + 50 and (not second or row("y") > y + 50) end)
    through("05", lost)
  end
  self:stop()
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
