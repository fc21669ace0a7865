-- script: a graph with an app in Lua that goes wrong. The rest of the graph goes on to its end, nothing is lost without a
-- reason, and the ledger balances.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local graphs = require("support_graph")
local script = require("support_script")

local PACKETS = 3000

TestScriptGraph = {}

function TestScriptGraph:tearDown() script.forget() end

-- Packets go to the app `bad` and past it.
local GRAPH = ([[return {
  apps = { packets = { "basic.source", number = %d }, copy = { "basic.tee" }, bad = { "bad" }, good = { "good" },
    badsink = { "basic.sink" }, goodsink = { "basic.sink" } },
  links = { "packets -> copy", "copy.a -> bad -> badsink", "copy.b -> good -> goodsink" },
}]]):format(PACKETS)

-- Run the graph with this body of push in `bad`, which goes right for 1,000 packets. gives: the cause
local function run(body, fields, head)
  script.class("good", script.pushing("for _ = 1, link.count(input) do link.send(output, link.receive(input)) end"))
  script.class("bad", script.pushing([[
    if seen < 1000 then
      for _ = 1, link.count(input) do link.send(output, link.receive(input)) seen = seen + 1 end
      return
    end
    ]] .. body, fields, "local seen = 0 " .. (head or "")))
  local ledger, result = graphs.run(GRAPH, { look = function(engine)
    local bad, goodsink, badsink = nf.engine_app_find(engine, "bad"), nf.engine_app_find(engine, "goodsink"), nf.engine_app_find(engine, "badsink")
    local cause = nf.script_app_cause(bad)
    return { cause = cause ~= nil and ffi.string(cause), good = tonumber(goodsink.consumed), bad = tonumber(badsink.consumed),
      quarantined = support.reason(bad, "quarantined") }
  end })
  lu.assertEquals(result.good, PACKETS)
  lu.assertIsString(result.cause, "not quarantined")
  lu.assertTrue(result.bad >= 1000)
  lu.assertTrue(result.quarantined > 1000)
  lu.assertEquals(ledger.on_links + ledger.held, 0)
  return result.cause
end

function TestScriptGraph:testAnError()
  lu.assertStrContains(run("local p = link.receive(input) link.send(output, p)\nerror('broken')"), "bad.lua:11: broken")
end

function TestScriptGraph:testAnErrorWithPacketsInHand()
  lu.assertStrContains(run("for _ = 1, 10 do link.receive(input) packet.new(60) end error('broken')"), "broken")
end

function TestScriptGraph:testEndlessLoops()
  lu.assertStrContains(run("link.receive(input) while true do end"), "longer than its budget")
  lu.assertStrContains(run("link.receive(input) while true do pcall(function () while true do end end) end"), "longer than its budget")
  lu.assertStrContains(run("local p = link.receive(input) while true do packet.free(packet.copy(p)) end"), "longer than its budget")
  lu.assertStrContains(run("coroutine.wrap(function () while true do pcall(error) end end)()"), "longer than its budget")
end

function TestScriptGraph:testALongCall()
  lu.assertStrContains(run("local s = ('a'):rep(2000) return s:find(('a-'):rep(100) .. 'b')"), "longer than its budget")
end

function TestScriptGraph:testMemory()
  lu.assertStrContains(run("local p = link.receive(input) local t = {} while true do t[#t + 1] = { p } end", "memory = '4M', budget = 1,"),
    "not enough memory")
  lu.assertStrContains(run([[
    local function f() local t = {} while true do t[#t + 1] = { 1 } end end
    while true do pcall(f) end]], "memory = '4M', budget = 0.02,"), "longer than its budget")
end

function TestScriptGraph:testAWriteOutOfBounds()
  lu.assertStrContains(run("local p = link.receive(input)\npacket.set_u32(p, 58, 1)"), "packet.set_u32: 4 bytes at offset 58 do not fit the packet of 60 bytes")
end

function TestScriptGraph:testAPacketSentTwice()
  lu.assertStrContains(run("local p = link.receive(input) link.send(output, p) link.send(output, p)"), "already passed on")
end

function TestScriptGraph:testPacketsKept()
  lu.assertStrContains(run("for _ = 1, link.count(input) do link.receive(input) end"), "neither passed on nor freed")
end

function TestScriptGraph:testTheCStack()
  lu.assertStrContains(run("local function f() string.gsub('a', 'a', f) end f()", "budget = 1,"), "the C stack is full")
end

-- An input in Lua that goes wrong has ended: the graph comes to its end.
function TestScriptGraph:testAnInput()
  script.class("source", [[
    local link, packet = require("nf.link"), require("nf.packet")
    return { outputs = { "output" }, new = function () return { n = 0 } end, pull = function (self)
      for _ = 1, link.room(self.output.output) do
        self.n = self.n + 1
        if self.n == 500 then local p = packet.new(60) error("broken") end
        link.send(self.output.output, packet.new(60))
      end
    end }]])
  local ledger = graphs.run([[return { apps = { a = { "source" }, b = { "basic.sink" } }, links = { "a -> b" } }]])
  lu.assertEquals(ledger.created, 500)
  lu.assertEquals(ledger.consumed, 499)
  lu.assertEquals(ledger.dropped, 1)
end

-- Many instances, some of which go wrong at the same time, in all ways; the engine waits in between.
function TestScriptGraph:testManyAtOnce()
  script.class("bad", script.pushing([[
    if self.params.way == 1 then while true do end
    elseif self.params.way == 2 then pcall(function () while true do end end)
    elseif self.params.way == 3 then error("x")
    elseif self.params.way == 4 then link.receive(input) end
    for _ = 1, link.count(input) do link.send(output, link.receive(input)) end]], "params = { way = { type = 'u8' } },"))
  local apps, links = { 'packets = { "basic.source", number = 500, rate = "100Kpps" }', 'copy = { "basic.tee" }' }, { '"packets -> copy"' }
  for i = 1, 20 do
    apps[#apps + 1] = ('a%d = { "bad", way = %d }, s%d = { "basic.sink" }'):format(i, i % 6, i)
    links[#links + 1] = ('"copy.p%d -> a%d -> s%d"'):format(i, i, i)
  end
  for _, idle in ipairs({ "ENGINE_BUSY", "ENGINE_ADAPTIVE", "ENGINE_WAIT" }) do
    local ledger, causes = graphs.run(("return { apps = { %s }, links = { %s } }"):format(table.concat(apps, ", "), table.concat(links, ", ")),
      { idle = idle, packets = 20000, look = function(engine)
        local list = {}
        for i = 1, 20 do list[i] = nf.script_app_cause(nf.engine_app_find(engine, "a" .. i)) ~= nil end
        return list
      end })
    for i = 1, 20 do lu.assertEquals(causes[i], i % 6 >= 1 and i % 6 <= 4, i) end
    lu.assertEquals(ledger.created, 500 + 19 * 500)
  end
end

-- An app that did not change keeps its state over a reload; one that changed starts anew, and what it held is dropped.
function TestScriptGraph:testReload()
  support.memory(8000)
  script.class("count", script.pushing([[
    for _ = 1, link.count(input) do
      self.seen = (self.seen or 0) + 1
      self:count("seen")
      kept[#kept + 1] = link.receive(input)
    end]], "holds = 1000, counters = { 'seen' }, params = { n = { type = 'u8', default = 1 } },", "local kept = {}"))
  local text = 'return { apps = { a = { "basic.source", number = 100 }, b = { "count", n = %d }, c = { "basic.sink"} }, links = { "a -> b -> c" } }'
  local old, new, same = graphs.load(text:format(1)), graphs.load(text:format(2)), graphs.load(text:format(1))
  local engine = assert(graphs.engine(old))
  for _ = 1, 5 do nf.engine_breathe(engine) end
  local app = nf.engine_app_find(engine, "b")
  lu.assertEquals(app.class.held(app), 100)
  assert(graphs.change(engine, same))
  lu.assertEquals(nf.engine_app_find(engine, "b").class.held(app), 100)
  assert(graphs.change(engine, new))
  app = nf.engine_app_find(engine, "b")
  lu.assertEquals(app.class.held(app), 0)
  local _, balances, sentence = graphs.ledger(engine)
  lu.assertTrue(balances, sentence)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  -- What was dropped of the old instance is carried into the totals of the new one.
  lu.assertEquals(support.reason(app, "reload"), 100)
  nf.engine_free(engine)
  for _, graph in ipairs({ old, new, same }) do
    nf.resources_fini(graph.resources, false)
    nf.graph_free(graph)
  end
end

-- An app with any number of inputs is a new instance when it gets more of them: what it notes of each has a fixed size.
function TestScriptGraph:testMoreInputsAfterAReload()
  support.memory(8000)
  script.class("many", [[
    local link = require("nf.link")
    return { inputs = { "*" }, outputs = { "output" }, push = function (self)
      for i = 1, #self.input do
        for _ = 1, link.count(self.input[i]) do link.send(self.output.output, link.receive(self.input[i])) end
      end
    end }]])
  local function text(n)
    local apps, links = {}, {}
    for i = 1, n do
      apps[i] = ("a%d = { 'basic.source', number = 10 },"):format(i)
      links[i] = ("'a%d -> m.p%d',"):format(i, i)
    end
    return ("return { apps = { %s m = { 'many' }, s = { 'basic.sink' } }, links = { %s 'm -> s' } }"):format(table.concat(apps),
      table.concat(links))
  end
  local old, new = graphs.load(text(1)), graphs.load(text(200))
  local engine = assert(graphs.engine(old))
  for _ = 1, 5 do nf.engine_breathe(engine) end
  local app = nf.engine_app_find(engine, "m")
  assert(graphs.change(engine, new))
  lu.assertFalse(nf.engine_app_find(engine, "m") == app)
  for _ = 1, 60 do nf.engine_breathe(engine) end
  lu.assertTrue(nf.script_app_cause(nf.engine_app_find(engine, "m")) == nil)
  lu.assertEquals(tonumber(nf.engine_app_find(engine, "s").consumed), 2000)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  nf.engine_free(engine)
  for _, graph in ipairs({ old, new }) do
    nf.resources_fini(graph.resources, false)
    nf.graph_free(graph)
  end
end

os.exit(lu.LuaUnit.run())
