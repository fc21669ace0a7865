-- basic.join: several inputs, one output.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestJoin = {}

function TestJoin:setUp() support.memory(6000) end

function TestJoin:testKeepsTheOrderOfEachInput()
  local join = basic.start("basic.join", nil, { "a", "b" })
  join:give_many(0, 100, 60, 1)
  join:give_many(1, 100, 60, 1001)
  join:push_all()
  local a, b = {}, {}
  for _, number in ipairs(join:take_numbers(0)) do
    local list = number > 1000 and b or a
    list[#list + 1] = number
  end
  lu.assertEquals(a, basic.range(1, 100))
  lu.assertEquals(b, basic.range(1001, 1100))
  join:finish()
end

-- With room for one packet at a time no input is left out.
function TestJoin:testSlowOutputIsShared()
  local join = basic.start("basic.join", nil, { "a", "b", "c" })
  for i = 0, 2 do join:give_many(i, 100, 60, i * 1000) end
  local share = { 0, 0, 0 }
  for _ = 1, 90 do
    join:fill(0, 1)
    join:push()
    local numbers = join:take_numbers(0)
    lu.assertEquals(#numbers, 1)
    local input = math.floor(numbers[1] / 1000) + 1
    share[input] = share[input] + 1
  end
  lu.assertEquals(share, { 30, 30, 30 })
  join:finish()
end

function TestJoin:testFullOutputLeavesThePacketsOnTheInput()
  local join = basic.start("basic.join", nil, { "a", "b" })
  join:fill(0, 0)
  join:give_many(0, 10)
  join:push()
  lu.assertEquals(nf.link_waiting(join.app.input[0]), 10)
  join:finish()
end

function TestJoin:testEmptyFullAndHostile() basic.common("basic.join") end

os.exit(lu.LuaUnit.run(), true)
