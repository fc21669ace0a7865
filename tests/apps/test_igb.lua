-- intel.igb on simulated cards that judge it, of the 82576 and the I210. Needs root and huge pages.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local card = require("support_card")
local pci = require("support_pci")

ffi.cdef("int kill(int pid, int signal);")

local FORWARD = [[return { apps = { a = { "intel.igb", pci = "05:00.0", wait_for_link = "5s"%s },
  b = { "intel.igb", pci = "06:00.0", wait_for_link = "5s"%s } },
  links = { "a.output -> b.input", "b.output -> a.input" } }]]
local function forward(parameters) return card.graph(FORWARD:format(parameters or "", parameters or "")) end
local KINDS = { "82576,82576", "i210,i210" }

local function passes(options, graph)
  for _, cards in ipairs(KINDS) do card.passes("--cards " .. cards .. " " .. options, graph) end
end

TestIgb = {}

function TestIgb:setUp() card.need() end

function TestIgb:testFramesPassBothWays() passes("--traffic count=1000,size=60-1514", forward()) end

function TestIgb:testTheSmallestRings()
  passes("--traffic count=500,size=60-300", forward(", receive_ring = 64, transmit_ring = 64"))
end

function TestIgb:testJumboFrames() passes("--traffic count=200,size=60-9000", forward(", mtu = 9000")) end

function TestIgb:testTagsAreTakenOutAndPutIn() passes("--traffic count=200,size=64-1514,vlan=5", forward(", vlan = true")) end

function TestIgb:testADirtyCardAndASlowOne()
  passes(("--traffic count=200 --do 'soil 0; soil 1; %sdelay 1 transmit 2ms; delay 1 link 50ms'"):format(card.enable("delay 0 enable 3ms; ")),
    forward())
end

function TestIgb:testRssSpreadsOverTheQueuesOfTwoWorkers()
  local workers = {}
  for w = 0, 1 do
    workers[#workers + 1] = ([[w%d = { apps = { a = { "intel.igb", pci = "05:00.0", queue = %d, rss = "ip+tcp+udp", wait_for_link = "5s" },
      b = { "intel.igb", pci = "06:00.0", queue = %d, rss = "ip+tcp+udp" } },
      links = { "a.output -> b.input", "b.output -> a.input" } }]]):format(w, w, w)
  end
  -- Long enough: the second worker takes its share of what comes once it runs.
  local graph = card.graph("return { workers = { " .. table.concat(workers, ", ") .. " } }")
  for _, cards in ipairs(KINDS) do
    local least, text
    -- On a busy machine all may be through before the second worker runs: then it gets another try. Cards that only look are that fast.
    for _ = 1, card.mode == "" and 5 or 1 do
      text, least = card.passes("--cards " .. cards .. " --traffic count=30000,flows=64", graph), 30000
      for received in text:gmatch("\n +%S*a +%d+ +(%d+)") do least = math.min(least, tonumber(received)) end
      if least >= 100 then break end
    end
    lu.assertTrue(least >= (card.mode == "" and 100 or 0), text)
  end
end

function TestIgb:testAQueueThatTheCardHasNot()
  local text, code = card.run("--cards i210 --wire none", card.graph([[return { apps = { a = { "intel.igb", pci = "05:00.0", queue = 4 },
    s = { "basic.sink" } }, links = { "a -> s" } }]]))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'a': key 'queue': card 0000:05:00.0, I210 copper, has queues 0..3")
  text, code = card.run("--cards 82576 --wire none", card.graph([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0" },
    s = { "basic.sink" } }, links = { "a -> s" } }]]))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'a': card 0000:05:00.0 is a 82576: it takes intel.igb")
end

function TestIgb:testAKilledWorkerAndAHangingTransmitter()
  card.need_traps()
  local name = card.name("igb")
  card.start("--cards 82576,i210 --wire generator --traffic rate=500")
  local pid = card.nf(name, forward())
  local function received() return tonumber(card.tell("report"):match("received (%d+)")) end
  local function traffic()
    local before = received()
    card.wait("traffic", function() return received() > before + 100 end)
  end
  traffic()
  ffi.C.kill(tonumber(support.read(("/proc/%d/task/%d/children"):format(pid, pid)):match("%d+")), 9)
  card.wait("the next worker", function() return card.said(name):find("is back after", 1, true) end)
  traffic()
  card.tell("hang 1 on")
  card.wait("the reset", function() return support.run(("'%s' stats --interval 0 %s"):format(support.nf, name)):find("queue%-resets") end)
  card.tell("hang 1 off")
  traffic()
  local text, code = support.run(("'%s' stop %s"):format(support.nf, name))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(card.stop(), "nicsim: no violation\n")
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
