-- engine: breaths, order, back links, ends, commits, statistics; and a ledger that notices apps which cheat.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local graphs = require("support_graph")

-- A compiled call of C must not call back into Lua.
require("jit").off()

-- Classes of this test alone, made of Lua callbacks, beside those of the binary.
local keep = {}

local function names(list)
  local array = ffi.new("const char *[?]", #list + 1)
  for i, name in ipairs(list) do array[i - 1] = name end
  keep[#keep + 1] = { array, list }
  return array
end

local function new_class(name, functions)
  local class = ffi.new("struct app_class")
  class.name, class.help, class.size = name, "A class of a test.", ffi.sizeof("struct app")
  class.inputs, class.outputs = names({ "input" }), names({ "output" })
  class.reasons = names({ "test" })
  for field, code in pairs(functions) do
    local callback = ffi.cast(field == "held" and "uint32_t (*)(const struct app *)" or "void (*)(struct app *)", code)
    class[field] = callback
    keep[#keep + 1] = callback
  end
  keep[#keep + 1] = { class, name }
  return class
end

-- Pass everything on, but treat the first packet of all as `first` says.
local function passer(first)
  local seen = 0
  return function(app)
    local input, output = app.input[0], app.output[0]
    while nf.link_waiting(input) > 0 do
      local p = nf.link_receive(input)
      seen = seen + 1
      if seen > 1 or not first(app, p) then nf.link_send(output, p) end
    end
  end
end

local kept = {}
local classes = {
  new_class("test.honest", { push = passer(function() return false end) }),
  new_class("test.loser", { push = passer(function() return true end) }),
  new_class("test.miscounter", { push = passer(function(app) app.consumed = app.consumed + 1 return false end) }),
  new_class("test.swallower", { push = passer(function(_, p) nf.packet_free(p) return true end) }),
  new_class("test.twice", { push = passer(function(app, p)
    nf.app_drop(app, 0, p)
    nf.packet_free(p)
    return true
  end) }),
  new_class("test.holder", {
    push = function(app)
      while nf.link_waiting(app.input[0]) > 0 do
        kept[#kept + 1] = nf.link_receive(app.input[0])
        app.ended = false
      end
    end,
    held = function() return #kept end,
    stop = function(app)
      for _, p in ipairs(kept) do nf.app_drop(app, 0, p) end
      kept = {}
    end,
  }),
}

local native, count = nf.app_classes, 0
while native[count] ~= nil do count = count + 1 end
local all = ffi.new("const struct app_class *[?]", count + #classes + 1)
for i = 0, count - 1 do all[i] = native[i] end
for i, class in ipairs(classes) do all[count + i - 1] = class end
nf.app_classes = all

local function flow(class, number)
  return ([[return { apps = { source = { "basic.source", number = %d }, x = { %q }, sink = { "basic.sink" } },
    links = { "source -> x -> sink" } }]]):format(number or 100, class)
end

local function prepared(text)
  support.memory(8000)
  nf.clock_set_real()
  local graph = graphs.load(text)
  return assert(graphs.engine(graph)), graph
end

TestLedger = {}

function TestLedger:testAnHonestAppBalances()
  local ledger = graphs.run(flow("test.honest"))
  lu.assertEquals(ledger.created, 100)
  lu.assertEquals(ledger.consumed, 100)
end

function TestLedger:testALostPacketIsNoticed()
  local _, message = pcall(graphs.run, flow("test.loser"))
  lu.assertStrContains(message, "memory: 1 packets are in use, but 0 on links + 0 held by apps were found")
  lu.assertStrContains(message, "flow: 0 received + 100 created, but 0 sent + 99 consumed")
end

function TestLedger:testAWrongCountIsNoticed()
  local _, message = pcall(graphs.run, flow("test.miscounter"))
  lu.assertStrContains(message, "flow: 0 received + 100 created, but 0 sent + 101 consumed")
  lu.assertNotStrContains(message, "memory:")
end

function TestLedger:testAPacketFreedWithoutAReasonIsNoticed()
  local _, message = pcall(graphs.run, flow("test.swallower"))
  lu.assertStrContains(message, "flow: 0 received + 100 created, but 0 sent + 99 consumed")
end

-- In a debug build the second free ends the process and names the app; in a release build the pool or the ledger tells.
function TestLedger:testADoubleFreeIsNoticed()
  local script = os.tmpname()
  support.write(script, [[NF_TEST_TWICE = true; dofile("tests/unit/test_engine.lua")]])
  local text, code = support.run(("LUA_PATH='tests/?.lua;;' %s lua %s"):format(support.nf, script))
  os.remove(script)
  lu.assertNotEquals(code, 0)
  local told = text:find("freed twice: first by app 'x', now by app 'x'", 1, true) or
    text:find("was freed twice: more packets came back than there are", 1, true) or
    text:find("memory: 18446744073709551615 packets are in use", 1, true)
  lu.assertNotNil(told, text)
end

function TestLedger:testHeldPacketsAreQueued()
  local engine, graph = prepared(flow("test.holder", 50))
  nf.engine_breathe(engine)
  local ledger, balances, sentence = graphs.ledger(engine)
  lu.assertTrue(balances, sentence)
  lu.assertEquals(ledger.held, 50)
  lu.assertEquals(ledger.taken - ledger.returned, 50)
  nf.engine_stop(engine)
  lu.assertEquals(nf.engine_run(engine), 0)
  ledger, balances, sentence = graphs.ledger(engine)
  lu.assertTrue(balances, sentence)
  lu.assertEquals(ledger.dropped, 50)
  nf.engine_free(engine)
  nf.graph_free(graph)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

TestEngine = {}

function TestEngine:testOneBreathTakesABurstThroughTheWholeChain()
  local engine, graph = prepared([[return { apps = { z = { "basic.source", number = 10 }, y = { "basic.join" }, x = { "basic.join" },
    w = { "basic.join" }, a = { "basic.sink" } }, links = { "z -> y.1", "y -> x.1", "x -> w.1", "w -> a.1" } }]])
  lu.assertTrue(nf.engine_breathe(engine) > 0)
  lu.assertEquals(nf.engine_app_find(engine, "a").consumed, 10ULL)
  lu.assertEquals(tonumber(nf.engine_app_find(engine, "x").packets), 10)
  lu.assertTrue(nf.engine_app_find(engine, "x").cycles > 0)
  lu.assertTrue(nf.engine_app_find(engine, "nobody") == nil)
  lu.assertEquals(nf.engine_app_count(engine), 5)
  nf.engine_free(engine)
  nf.graph_free(graph)
end

-- Reading the counter costs as much as an app has for some packets: of full breaths, one in 16 is measured for all.
function TestEngine:testFullBreathsAreMeasuredNowAndThen()
  local engine, graph = prepared([[return { apps = { s = { "basic.source" }, t = { "basic.sink" } }, links = { "s -> t" } }]])
  local sink, changes, last = nf.engine_app_find(engine, "t"), 0, 0
  for _ = 1, 161 do
    nf.engine_breathe(engine)
    if sink.cycles ~= last then changes = changes + 1 end
    last = sink.cycles
  end
  lu.assertEquals(sink.calls, 161ULL)
  lu.assertEquals(sink.packets, sink.consumed)
  lu.assertEquals(changes, 11)
  nf.engine_free(engine)
  nf.graph_free(graph)
end

function TestEngine:testTheLinkThatClosesACycleWaitsForTheNextBreath()
  local engine, graph = prepared([[return { apps = { s = { "basic.source", number = 8 }, j = { "basic.join" }, x = { "basic.split" },
    e = { "basic.sink" } }, links = { "s -> j.a", "j -> x.input", "x.back -> j.b", "x.out -> e.i" } }]])
  local back = 0
  for i = 0, nf.engine_link_count(engine) - 1 do
    if nf.engine_link(engine, i).back then
      back = back + 1
      lu.assertEquals(ffi.string(nf.engine_link(engine, i).name), "x.back -> j.b")
    end
  end
  lu.assertEquals(back, 1)
  nf.engine_breathe(engine)
  lu.assertEquals(nf.engine_app_find(engine, "e").consumed, 4ULL)
  nf.engine_breathe(engine)
  lu.assertEquals(nf.engine_app_find(engine, "e").consumed, 6ULL)
  lu.assertEquals(nf.engine_run(engine), 0)
  lu.assertEquals(nf.engine_app_find(engine, "e").consumed, 8ULL)
  nf.engine_free(engine)
  nf.graph_free(graph)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- What an app has between two sides passes both ways: a link back to it carries nothing in a circle, and its packets go on at once.
function TestEngine:testPacketsPassAnAppOfTwoSidesBothWaysInABreath()
  local engine, graph = prepared([[return { apps = { s = { "basic.source", number = 8 }, a = { "ip.echo4", ip = "192.0.2.1" },
    b = { "ip.echo4", ip = "192.0.2.2" }, j = { "basic.join" }, k = { "basic.join" }, e = { "basic.sink" } },
    links = { "s -> a.wire", "a.inside -> b.wire", "b.inside -> j.x", "j -> b.inside", "b.wire -> a.inside", "a.wire -> k.x",
    "k -> e.i" } }]])
  local back = 0
  for i = 0, nf.engine_link_count(engine) - 1 do back = back + (nf.engine_link(engine, i).back and 1 or 0) end
  lu.assertEquals(back, 2)
  lu.assertEquals(tonumber(nf.engine_breathe(engine)), 8 * 8)
  lu.assertEquals(nf.engine_app_find(engine, "e").consumed, 8ULL)
  nf.engine_free(engine)
  nf.graph_free(graph)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

function TestEngine:testItEndsByItselfWhenAllInputsHaveEnded()
  for idle = 0, 2 do
    local ledger = graphs.run([[return { apps = { s = { "basic.source", number = 5000, rate = "1Mpps" }, t = { "basic.sink" } },
      links = { "s -> t" } }]], { idle = idle })
    lu.assertEquals(ledger.consumed, 5000)
  end
end

-- While a reload is prepared it waits for what that brings: here, for the end of its time.
function TestEngine:testItDoesNotEndByItselfWhileItIsHeld()
  for idle = 0, 2 do
    local engine, graph = prepared(flow("test.honest", 10))
    nf.engine_set_idle(engine, idle)
    nf.engine_set_duration(engine, 50000000)
    lu.assertEquals(nf.engine_hold(engine), 0)
    nf.clock_update()
    local before = nf.clock_now()
    lu.assertEquals(nf.engine_run(engine), 0)
    lu.assertTrue(nf.clock_now() - before >= 50000000ULL)
    nf.engine_let_go(engine)
    lu.assertEquals(nf.engine_hold(engine), -125)         -- ECANCELED: too late
    lu.assertEquals(ffi.string(nf.nf_error()), "the graph has ended")
    nf.engine_free(engine)
    nf.graph_free(graph)
  end
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

function TestEngine:testAStopDrainsTheLinks()
  local engine, graph = prepared(flow("test.honest", 1000000))
  nf.engine_breathe(engine)
  nf.engine_stop(engine)
  lu.assertEquals(nf.engine_run(engine), 0)
  local ledger, balances, sentence = graphs.ledger(engine)
  lu.assertTrue(balances, sentence)
  lu.assertEquals(ledger.on_links, 0)
  lu.assertEquals(ledger.dropped, 0)
  lu.assertEquals(nf.engine_state(engine), ffi.cast("enum engine_state", "ENGINE_ENDED"))
  nf.engine_free(engine)
  nf.graph_free(graph)
end

function TestEngine:testAStopLetsAShortDelayPass()
  for _, virtual in ipairs({ false, true }) do
    local ledger = graphs.run([[return { apps = { s = { "basic.source", rate = "100Kpps" }, d = { "basic.delay", time = "20ms" },
      t = { "basic.sink" } }, links = { "s -> d -> t" } }]], { duration = 0.1, virtual = virtual })
    lu.assertEquals(ledger.dropped, 0)
    lu.assertTrue(ledger.consumed > 1000)
  end
end

function TestEngine:testAStopDropsWhatWouldTakeTooLong()
  local ledger = graphs.run([[return { apps = { s = { "basic.source", rate = "1Kpps" }, d = { "basic.delay", time = "1h" },
    t = { "basic.sink" } }, links = { "s -> d -> t" } }]], { duration = 0.05, virtual = true })
  lu.assertTrue(ledger.dropped > 10)
  lu.assertEquals(ledger.consumed, 0)
end

function TestEngine:testAFailingPrepareLeavesNothingBehind()
  support.memory(8000)
  local graph = graphs.load([[return { apps = { s = { "basic.source" }, r = { "pcap.reader", file = "/nonexistent/x.pcap" },
    j = { "basic.join" }, t = { "basic.sink" } }, links = { "s -> j.a", "r -> j.b", "j -> t.i" } }]])
  local engine, message = graphs.engine(graph)
  lu.assertNil(engine)
  lu.assertStrContains(message, "/nonexistent/x.pcap")
  nf.graph_free(graph)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

TestChange = {}

-- Make the engine of `from`, put packets on its way, change it for `to`; gives the engine and both graphs.
local function changed(from, to, breaths)
  local engine, old = prepared(from)
  for _ = 1, breaths or 1 do nf.engine_breathe(engine) end
  local new = graphs.load(to)
  assert(graphs.change(engine, new))
  nf.graph_free(old)
  return engine, new
end

local function finish(engine, graph)
  lu.assertEquals(nf.engine_run(engine), 0)
  local ledger, balances, sentence = graphs.ledger(engine)
  lu.assertTrue(balances, sentence)
  nf.engine_free(engine)
  nf.graph_free(graph)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  return ledger
end

function TestChange:testAnUnchangedAppKeepsItsState()
  local engine, graph = changed(
    [[return { apps = { s = { "basic.source", number = 1000 }, t = { "basic.sink" } }, links = { "s -> t.i" } }]],
    [[return { apps = { s = { "basic.source", number = 1000 }, t = { "basic.sink" }, n = { "basic.join" } },
      links = { "s -> n.i", "n -> t.i" } }]], 3)
  local before = tonumber(nf.engine_app_find(engine, "s").created)
  lu.assertTrue(before > 0 and before < 1000)
  local ledger = finish(engine, graph)
  lu.assertEquals(ledger.created, 1000)
  lu.assertEquals(ledger.consumed, 1000)
end

function TestChange:testPacketsOfALinkThatGoesMoveToTheNewLinkOfTheSameOutput()
  -- The holder's link is full of packets that nobody takes: a rate of almost nothing behind it.
  local engine, graph = changed(
    [[return { apps = { s = { "basic.source", number = 3000 }, d = { "basic.shaper", rate = "1pps", queue = 1 }, t = { "basic.sink" } },
      links = { "s -> d -> t.i" } }]],
    [[return { apps = { s = { "basic.source", number = 3000 }, t = { "basic.sink" } }, links = { "s -> t.i" } }]], 30)
  local ledger = finish(engine, graph)
  lu.assertEquals(ledger.created, 3000)
  lu.assertEquals(ledger.consumed + ledger.dropped, 3000)
end

function TestChange:testAReconfiguredAppGoesOnCounting()
  local engine, graph = changed(
    [[return { apps = { s = { "basic.source", number = 1000 }, d = { "basic.sample", n = 2 }, t = { "basic.sink" } },
      links = { "s -> d.input", "d.output -> t.i" } }]],
    [[return { apps = { s = { "basic.source", number = 1000 }, d = { "basic.sample", n = 5 }, t = { "basic.sink" } },
      links = { "s -> d.input", "d.output -> t.i" } }]], 2)
  local packets = tonumber(nf.engine_app_find(engine, "d").packets)
  lu.assertTrue(packets > 0)
  local ledger = finish(engine, graph)
  lu.assertEquals(ledger.created, 1000)
end

function TestChange:testAppsThatGoLeaveTheirTotals()
  local engine, graph = changed(
    [[return { apps = { s = { "basic.source", number = 500 }, t = { "basic.sink" } }, links = { "s -> t.i" } }]],
    [[return { apps = { s2 = { "basic.source", number = 70 }, t2 = { "basic.sink" } }, links = { "s2 -> t2.i" } }]], 100)
  local ledger = finish(engine, graph)
  lu.assertEquals(ledger.created, 570)
  lu.assertEquals(ledger.consumed + ledger.dropped, 570)
end

function TestChange:testAFailingChangeLeavesTheOldGraphRunning()
  local engine, old = prepared([[return { apps = { s = { "basic.source", number = 500 }, t = { "basic.sink" } }, links = { "s -> t.i" } }]])
  local new = graphs.load([[return { apps = { s = { "basic.source", number = 500 }, r = { "pcap.reader", file = "/nonexistent/y" },
    t = { "basic.sink" } }, links = { "s -> t.i", "r -> t.j" } }]])
  local done, message = graphs.change(engine, new)
  lu.assertNil(done)
  lu.assertStrContains(message, "/nonexistent/y")
  nf.graph_free(new)
  lu.assertEquals(finish(engine, old).consumed, 500)
end

TestStats = {}

function TestStats:testASnapshotHoldsWhatAppsAndLinksCounted()
  support.memory(8000)
  local graph = graphs.load(flow("test.honest", 300))
  local stats = ffi.new("struct stats *[1]")
  lu.assertEquals(nf.stats_create(stats, nil, graph), 0)
  local engine = assert(graphs.engine(graph))
  nf.engine_set_stats(engine, stats[0], 0)
  lu.assertEquals(nf.engine_run(engine), 0)
  local values = ffi.new("uint64_t[?]", nf.stats_block(stats[0], 0).count)
  lu.assertEquals(nf.stats_read(stats[0], 0, values, nil), 0)
  local function value(owner, name) return tonumber(nf.stats_value(stats[0], 0, values, owner, name)) end
  lu.assertEquals(value("source", "created"), 300)
  lu.assertEquals(value("sink", "consumed"), 300)
  lu.assertEquals(value("x", "packets"), 300)
  lu.assertEquals(value("source.output -> x.input", "sent"), 300)
  lu.assertEquals(value("engine", "ledger.consumed"), 300)
  lu.assertEquals(value("engine", "ledger.taken"), value("engine", "ledger.returned"))
  lu.assertTrue(value("engine", "breaths") > 0)
  local histogram = 0
  for i = 0, 127 do histogram = histogram + value("engine", "breath_ns." .. i) end
  lu.assertTrue(histogram > 0)
  lu.assertEquals(value("nobody", "created"), 0)
  nf.engine_free(engine)
  nf.stats_close(stats[0])
  nf.graph_free(graph)
end

function TestStats:testBucketsAreInOrderAndPercentilesFollow()
  local last = -1
  for _, ns in ipairs({ 0, 1, 3, 4, 5, 7, 8, 100, 1000, 65536, 1e6, 1e9 }) do
    local bucket = nf.stats_bucket(ns)
    lu.assertTrue(bucket > last)
    lu.assertTrue(nf.stats_bucket_low(bucket) <= ns)
    lu.assertTrue(nf.stats_bucket_low(bucket + 1) > ns)
    last = bucket
  end
  lu.assertEquals(nf.stats_bucket(ffi.cast("uint64_t", -1)), 127)
  local buckets = ffi.new("uint64_t[128]")
  buckets[nf.stats_bucket(100)], buckets[nf.stats_bucket(10000)] = 98, 2
  lu.assertTrue(nf.stats_percentile(buckets, 0.5) <= 128)
  lu.assertTrue(nf.stats_percentile(buckets, 0.99) >= 10000)
end

function TestStats:testAFileThatIsNoStatisticsFileIsRefused()
  local path, stats = os.tmpname(), ffi.new("struct stats *[1]")
  for _, text in ipairs({ "", "short", ("\0"):rep(10000), ("\255"):rep(100000) }) do
    support.write(path, text)
    lu.assertTrue(nf.stats_open(stats, path) < 0)
    lu.assertStrContains(ffi.string(nf.nf_error()), "no statistics file")
  end
  os.remove(path)
  lu.assertTrue(nf.stats_open(stats, path) < 0)
end

if NF_TEST_TWICE then
  graphs.run(flow("test.twice"))
else
  os.exit(lu.LuaUnit.run())
end
