-- basic.sink: swallows everything and counts it.
local lu = require("luaunit")
local support = require("support")
local basic = require("support_basic")

TestSink = {}

function TestSink:setUp() support.memory(4000) end

function TestSink:testSwallowsAllInputs()
  local sink = basic.start("basic.sink", nil, { "a", "b", "c" })
  sink:give_many(0, 1000)
  sink:give_many(2, 5, 1514)
  sink:push_all()
  lu.assertEquals(sink.app.consumed, 1005ULL)
  sink:finish()
end

function TestSink:testEmptyAndHostile() basic.common("basic.sink") end

function TestSink:testPassesTheEndOfTheRing()
  local sink = basic.start("basic.sink")
  for _ = 1, 50 do
    sink:give_many(0, 61)
    sink:push()
    sink:balance()
  end
  lu.assertEquals(sink.app.consumed, 3050ULL)
  sink:finish()
end

function TestSink:testHasNoParameters()
  lu.assertEquals(basic.messages("basic.sink", { speed = 1 }), { "app 'x': key 'speed': is unknown; accepted: no parameters" })
end

os.exit(lu.LuaUnit.run(), true)
