-- How long packets stay on links: sampled by the engine, published in the statistics.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local graphs = require("support_graph")

-- A compiled call of C must not call back into Lua.
require("jit").off()

ffi.cdef("int usleep(unsigned us);")

-- A class of this test alone: it takes packets only while `open`.
local open = true
local class, ports = ffi.new("struct app_class"), support.names({ "input" })
local function push(app)
  while open and nf.link_waiting(app.input[0]) > 0 do
    nf.packet_free(nf.link_receive(app.input[0]))
    app.consumed = app.consumed + 1
  end
end
local callback = ffi.cast("void (*)(struct app *)", push)
class.name, class.help, class.size, class.inputs, class.push = "test.gate", "A class of a test.", ffi.sizeof("struct app"), ports, callback

local GRAPH = [[return { apps = { source = { "basic.source", number = 64 }, tee = { "basic.tee" }, gate = { "test.gate" },
  sink = { "basic.sink" } }, links = { "source -> tee", "tee.a -> gate", "tee.b -> sink" } }]]

TestResidence = {}

function TestResidence:setUp()
  local count = 0
  while nf.app_classes[count] ~= nil do count = count + 1 end
  self.classes = ffi.new("const struct app_class *[?]", count + 2)
  for i = 0, count - 1 do self.classes[i] = nf.app_classes[i] end
  self.classes[count] = class
  self.before, nf.app_classes = nf.app_classes, self.classes
  support.memory(4000)
  nf.clock_set(1000000000ULL)
  self.graph = graphs.load(GRAPH)
  self.engine = assert(graphs.engine(self.graph))
  local stats = ffi.new("struct stats *[1]")
  lu.assertEquals(nf.stats_create(stats, nil, self.graph), 0)
  self.stats = stats[0]
  nf.engine_set_stats(self.engine, self.stats, 0)
end

function TestResidence:tearDown()
  nf.engine_free(self.engine)
  nf.graph_free(self.graph)
  nf.stats_close(self.stats)
  nf.clock_set_real()
  nf.app_classes = self.before
end

-- Each tick makes the percentiles of a hundredth of the links.
function TestResidence:ticks(count)
  for _ = 1, count do
    nf.clock_set(nf.clock_now() + 1000000ULL)
    nf.engine_breathe(self.engine)
  end
end

function TestResidence:stay(link)
  local values = ffi.new("uint64_t[?]", nf.stats_entry_count(self.stats, 0))
  lu.assertEquals(nf.stats_read(self.stats, 0, values, nil), 0)
  local function value(name) return tonumber(nf.stats_value(self.stats, 0, values, link, name)) end
  return value("residence-p50"), value("residence-p99")
end

-- Packets that stay 20 ms are told from those that are taken in the same breath.
function TestResidence:testPacketsThatWaitLong()
  open = false
  nf.engine_breathe(self.engine)
  ffi.C.usleep(20000)
  open = true
  self:ticks(102)
  local p50, p99 = self:stay("tee.a -> gate.input")
  lu.assertTrue(p50 >= 20000000, p50)
  lu.assertTrue(p99 >= p50)
  p50, p99 = self:stay("tee.b -> sink.input")
  lu.assertTrue(p50 > 0)
  lu.assertTrue(p99 < 20000000 or p99 >= p50)
  lu.assertEquals(tonumber(nf.engine_link(self.engine, 1).received), 64)
end

-- A packet that is still there counts when it leaves, not before.
function TestResidence:testPacketsThatAreStillThere()
  open = false
  self:ticks(102)
  lu.assertEquals({ self:stay("tee.a -> gate.input") }, { 0, 0 })
  lu.assertTrue(select(2, self:stay("source.output -> tee.input")) > 0)
  open = true
  self:ticks(102)
  lu.assertTrue((self:stay("tee.a -> gate.input")) > 0)
end

-- The marked packet's link goes in a change of the graph, and another one comes: nothing is mixed up.
function TestResidence:testALinkThatGoes()
  open = false
  self:ticks(2)
  local other = graphs.load((GRAPH:gsub("tee.a %-> gate", "tee.z -> gate")))
  nf.engine_set_stats(self.engine, nil, 0)
  assert(graphs.change(self.engine, other))
  open = true
  self:ticks(150)
  local _, balances, text = graphs.ledger(self.engine)
  lu.assertTrue(balances, text)
  nf.graph_free(self.graph)
  self.graph = other
end

os.exit(lu.LuaUnit.run())
