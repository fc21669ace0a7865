-- basic.drop: losing packets on purpose.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestDrop = {}

function TestDrop:setUp()
  support.memory(6000)
  nf.random_seed = 7
end

function TestDrop:testEveryFourth()
  local drop = basic.start("basic.drop", { "basic.drop", every = 4 })
  drop:give_many(0, 10)
  drop:push()
  lu.assertEquals(drop:take_numbers(0), { 1, 2, 3, 5, 6, 7, 9, 10 })
  lu.assertEquals(drop:reason("chosen"), 2)
  drop:finish()
end

local function survivors(seed, probability)
  nf.random_seed = seed
  local drop, list = basic.start("basic.drop", { "basic.drop", probability = probability }), {}
  for i = 1, 20 do
    drop:give_many(0, 500, 60, i * 500)
    drop:push_all()
    for _, number in ipairs(drop:take_numbers(0)) do list[#list + 1] = number end
  end
  lu.assertEquals(drop:reason("chosen"), 10000 - #list)
  drop:finish()
  return list
end

-- 10,000 packets with 0.3: 3,000 are lost on average, with a deviation of 46; the seed is fixed.
function TestDrop:testProbabilityAndSeed()
  local list = survivors(1, 0.3)
  lu.assertAlmostEquals(#list, 7000, 200)
  lu.assertEquals(survivors(1, 0.3), list)
  lu.assertNotEquals(survivors(2, 0.3), list)
end

function TestDrop:testNoneAndAll()
  lu.assertEquals(#survivors(1, 0), 10000)
  lu.assertEquals(#survivors(1, 1), 0)
end

function TestDrop:testReconfigureGoesOnCounting()
  local drop = basic.start("basic.drop", { "basic.drop", every = 3 })
  drop:give_many(0, 2)
  drop:push()
  drop:reconfigure({ "basic.drop", every = 4 })
  drop:give_many(0, 2, 60, 3)
  drop:push()
  lu.assertEquals(drop:take_numbers(0), { 1, 2, 3 })
  drop:finish()
end

function TestDrop:testEmptyFullAndHostile()
  basic.common("basic.drop", { "basic.drop", every = 2 })
  basic.common("basic.drop", { "basic.drop", probability = 0.5 })
end

function TestDrop:testMessages()
  lu.assertEquals(basic.messages("basic.drop", {}),
    { "app 'x': key 'probability': neither probability nor every is given; accepted: one of both" })
  lu.assertEquals(basic.messages("basic.drop", { probability = 0.1, every = 2 }),
    { "app 'x': key 'every': probability is given, too; accepted: one of both" })
  lu.assertEquals(basic.messages("basic.drop", { probability = 1.5 }),
    { "app 'x': key 'probability': 1.5 is out of range; accepted: a number 0..1" })
end

os.exit(lu.LuaUnit.run(), true)
