-- basic.delay: packets leave a while after they came.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestDelay = {}

local NEVER = 0xffffffffffffffffULL

function TestDelay:setUp()
  support.memory(6000)
  nf.random_seed = 11
  nf.clock_set(1000000000ULL)
end

local function delay(params)
  params[1] = "basic.delay"
  return basic.start("basic.delay", params)
end

local function later(ns) nf.clock_set(nf.clock_now() + ns) end

-- Sleep and push until nothing is held. Gives numbers and the times at which they came, in ns.
local function run(d)
  local numbers, times, start = {}, {}, nf.clock_now()
  while true do
    local at = d.app.class.wake_at(d.app)
    if at == NEVER then return numbers, times end
    nf.clock_set(at)
    d:push()
    for _, number in ipairs(d:take_numbers(0)) do
      numbers[#numbers + 1], times[#times + 1] = number, tonumber(nf.clock_now() - start)
    end
  end
end

function TestDelay:testFixedDelay()
  local d = delay({ time = "5ms" })
  d:give_many(0, 2)
  d:push()
  later(1000000)
  d:give_many(0, 1, 60, 3)
  d:push()
  lu.assertEquals(d:take(0), {})
  lu.assertEquals(d:held(), 3)
  lu.assertFalse(d.app.ended)
  local numbers, times = run(d)
  lu.assertEquals(numbers, { 1, 2, 3 })
  lu.assertEquals(times, { 4000000, 4000000, 5000000 })
  lu.assertTrue(d.app.ended)
  d:finish()
end

function TestDelay:testNothingIsEarly()
  local d = delay({ time = "1ms" })
  d:give_many(0, 1)
  d:push()
  later(999999)
  d:push()
  lu.assertEquals(d:take(0), {})
  later(1)
  d:push()
  lu.assertEquals(#d:take(0), 1)
  d:finish()
end

function TestDelay:testZeroPassesAtOnce()
  local d = delay({ time = 0 })
  d:give_many(0, 5)
  d:push()
  lu.assertEquals(d:take_numbers(0), basic.range(1, 5))
  d:finish()
end

local function jittered(order, seed)
  nf.random_seed = seed
  local d = delay({ time = "10ms", jitter = "4ms", order = order })
  d:give_many(0, 300)
  d:push_all()
  local numbers, times = run(d)
  lu.assertEquals(#numbers, 300)
  for _, time in ipairs(times) do lu.assertTrue(time >= 10000000 and time <= 14000000) end
  d:finish()
  return numbers, times
end

function TestDelay:testJitterKeepsTheOrder()
  lu.assertEquals(jittered(true, 1), basic.range(1, 300))
end

function TestDelay:testJitterMayReorder()
  local numbers, times = jittered(false, 1)
  lu.assertNotEquals(numbers, basic.range(1, 300))
  lu.assertTrue(times[300] - times[1] > 3000000, "the jitter is spread")
  local again, sorted = jittered(false, 1), {}
  lu.assertEquals(again, numbers)
  lu.assertNotEquals(jittered(false, 2), numbers)
  for i, number in ipairs(numbers) do sorted[i] = number end
  table.sort(sorted)
  lu.assertEquals(sorted, basic.range(1, 300))
end

-- What does not fit waits on the input; its time begins when it is taken.
function TestDelay:testBounded()
  local d = delay({ time = "1ms", queue = 10 })
  d:give_many(0, 25)
  d:push()
  d:push()
  lu.assertEquals(d:held(), 10)
  lu.assertEquals(nf.link_waiting(d.app.input[0]), 15)
  d:balance()
  local list = {}
  for _ = 1, 8 do
    later(1000000)
    d:push()
    for _, number in ipairs(d:take_numbers(0)) do list[#list + 1] = number end
    d:push()
  end
  lu.assertEquals(list, basic.range(1, 25))
  lu.assertEquals(d:dropped(), 0)
  d:finish()
end

function TestDelay:testFullOutputLosesNothing()
  for _, order in ipairs({ true, false }) do
    local d = delay({ time = "1ms", order = order })
    d:fill(0, 2)
    d:give_many(0, 20)
    d:push()
    later(1000000)
    d:push()
    d:push()
    lu.assertEquals(d:held(), 18)
    lu.assertEquals(d.app.class.wake_at(d.app), NEVER)
    lu.assertEquals(d:take_numbers(0), { 1, 2 })
    d:push()
    lu.assertEquals(d:take_numbers(0), basic.range(3, 20))
    d:finish()
  end
end

function TestDelay:testStopDropsWhatIsHeld()
  for _, order in ipairs({ true, false }) do
    local d = delay({ time = "1h", order = order })
    d:give_many(0, 60)
    d:push()
    d.app.class.stop(d.app)
    lu.assertEquals(d:reason("stop"), 60)
    lu.assertEquals(d:held(), 0)
    d:finish()
  end
end

-- Packets on their way keep their time, whatever becomes of the delay; from one kind of queue to the other.
function TestDelay:testReconfigure()
  for _, kinds in ipairs({ { true, false }, { false, true }, { true, true }, { false, false } }) do
    local d = delay({ time = "5ms", order = kinds[1] })
    d:give_many(0, 3)
    d:push()
    later(1000000)
    d:give_many(0, 5, 60, 4)
    d:push()
    d:reconfigure({ "basic.delay", time = "5ms", order = kinds[2], queue = 6 })
    lu.assertEquals(d:held(), 6)
    lu.assertEquals(d:reason("reload"), 2)
    local numbers, times = run(d)
    lu.assertEquals(numbers, { 1, 2, 3, 4, 5, 6 })
    lu.assertEquals(times, { 4000000, 4000000, 4000000, 5000000, 5000000, 5000000 })
    d:reconfigure({ "basic.delay", time = "5ms" })
    lu.assertTrue(d.app.ended)
    d:finish()
  end
end

-- With the order kept, a shorter delay does not let new packets overtake.
function TestDelay:testShorterDelayDoesNotOvertake()
  local d = delay({ time = "5ms" })
  d:give_many(0, 1)
  d:push()
  d:reconfigure({ "basic.delay", time = "1ms" })
  d:give_many(0, 1, 60, 2)
  d:push()
  local numbers, times = run(d)
  lu.assertEquals(numbers, { 1, 2 })
  lu.assertEquals(times, { 5000000, 5000000 })
  d:finish()
end

function TestDelay:testEmptyFullAndHostile()
  basic.common("basic.delay", { "basic.delay", time = "1ms", jitter = "1ms", queue = 50 }, nil, nil, 3000000)
  basic.common("basic.delay", { "basic.delay", time = "1ms", jitter = "1ms", order = false, queue = 50 }, nil, nil, 3000000)
end

function TestDelay:testMessages()
  local list = basic.messages("basic.delay", { jitter = "2h", order = 1 })
  lu.assertEquals(#list, 3)
  local accepted = 'a duration 0..1h, for example "100us" or 0.5 (seconds)'
  lu.assertEquals(list[1], "app 'x': key 'time': is missing; accepted: " .. accepted)
  lu.assertEquals(list[2], "app 'x': key 'jitter': '2h' is out of range; accepted: " .. accepted)
  lu.assertEquals(list[3], "app 'x': key 'order': 1 is a number; accepted: true or false")
end

os.exit(lu.LuaUnit.run(), true)
