-- basic.sample: one packet in n.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestSample = {}

function TestSample:setUp() support.memory(6000) end

function TestSample:testEveryThirdPasses()
  local sample = basic.start("basic.sample", { "basic.sample", n = 3 }, nil, { "output" })
  sample:give_many(0, 200)
  sample:push_all()
  lu.assertEquals(sample:take_numbers(0), basic.range(3, 200, 3))
  lu.assertEquals(sample:reason("skipped"), 134)
  sample:finish()
end

function TestSample:testTheOthersGoToTheSecondOutput()
  local sample = basic.start("basic.sample", { "basic.sample", n = 2 }, nil, { "output", "rejected" })
  sample:give_many(0, 9)
  sample:push()
  lu.assertEquals(sample:take_numbers(0), { 2, 4, 6, 8 })
  lu.assertEquals(sample:take_numbers(1), { 1, 3, 5, 7, 9 })
  lu.assertEquals(sample:dropped(), 0)
  sample:finish()
end

function TestSample:testOneMeansAll()
  local sample = basic.start("basic.sample", { "basic.sample", n = 1 }, nil, { "output" })
  sample:give_many(0, 5)
  sample:push()
  lu.assertEquals(#sample:take(0), 5)
  sample:finish()
end

-- The count goes on over a reload, also to a smaller n than what was counted.
function TestSample:testReconfigure()
  local sample = basic.start("basic.sample", { "basic.sample", n = 5 }, nil, { "output" })
  sample:give_many(0, 3)
  sample:push()
  sample:reconfigure({ "basic.sample", n = 4 })
  sample:give_many(0, 1, 60, 77)
  sample:push()
  lu.assertEquals(sample:take_numbers(0), { 77 })
  sample:give_many(0, 3)
  sample:push()
  sample:reconfigure({ "basic.sample", n = 2 })
  sample:give_many(0, 2, 60, 1)
  sample:push()
  lu.assertEquals(sample:take_numbers(0), { 1 })
  sample:finish()
end

function TestSample:testFullOutputLosesNothing()
  local sample = basic.start("basic.sample", { "basic.sample", n = 2 }, nil, { "output", "rejected" })
  sample:fill(1, 0)
  sample:give_many(0, 10)
  sample:push()
  lu.assertEquals(nf.link_waiting(sample.app.input[0]), 10)
  sample:finish()
end

function TestSample:testEmptyFullAndHostile()
  basic.common("basic.sample", { "basic.sample", n = 2 }, nil, { "output" })
  basic.common("basic.sample", { "basic.sample", n = 2 }, nil, { "output", "rejected" })
end

function TestSample:testMessages()
  lu.assertEquals(basic.messages("basic.sample", { n = 0 }),
    { "app 'x': key 'n': 0 is out of range; accepted: a whole number 1..4294967295" })
end

os.exit(lu.LuaUnit.run(), true)
