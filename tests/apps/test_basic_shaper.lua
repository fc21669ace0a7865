-- basic.shaper: what is above the rate waits.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestShaper = {}

local NEVER = 0xffffffffffffffffULL

function TestShaper:setUp()
  support.memory(6000)
  nf.clock_set(1000000000ULL)
end

local function shaper(params)
  params[1] = "basic.shaper"
  return basic.start("basic.shaper", params)
end

-- The engine's part: sleep until it wants to be woken, push, see what came out. Gives the numbers and the times in ns.
local function run(s)
  local numbers, times, start = {}, {}, nf.clock_now()
  while true do
    local at = s.app.class.wake_at(s.app)
    if at == NEVER then return numbers, times end
    lu.assertTrue(at > nf.clock_now(), "it was woken for something")
    nf.clock_set(at)
    s:push()
    for _, number in ipairs(s:take_numbers(0)) do
      numbers[#numbers + 1], times[#times + 1] = number, tonumber(nf.clock_now() - start)
    end
  end
end

function TestShaper:testPacketsLeaveAtTheRateInOrder()
  local s = shaper({ rate = "1Kpps", burst = 2 })
  s:give_many(0, 6)
  s:push()
  lu.assertEquals(s:take_numbers(0), { 1, 2 })
  lu.assertEquals(s:held(), 4)
  lu.assertFalse(s.app.ended)
  local numbers, times = run(s)
  lu.assertEquals(numbers, { 3, 4, 5, 6 })
  lu.assertEquals(times, { 1000000, 2000000, 3000000, 4000000 })
  lu.assertTrue(s.app.ended)
  lu.assertEquals(s:dropped(), 0)
  s:finish()
end

-- 8 Mbit/s: as many microseconds as bytes. A long packet is waited for, the short one behind it does not overtake.
function TestShaper:testBitsPerSecond()
  local s = shaper({ rate = "8M", burst = 100 })
  s:give_many(0, 1, 100, 1)
  s:give_many(0, 1, 2000, 2)
  s:give_many(0, 1, 60, 3)
  s:push()
  lu.assertEquals(s:take_numbers(0), { 1 })
  local numbers, times = run(s)
  lu.assertEquals(numbers, { 2, 3 })
  lu.assertEquals(times, { 100000, 2060000 })
  s:finish()
end

function TestShaper:testQueueIsBounded()
  local s = shaper({ rate = "1Kpps", burst = 1, queue = 10 })
  s:give_many(0, 30)
  s:push_all()
  lu.assertEquals(s:held(), 10)
  lu.assertEquals(s:take_numbers(0), { 1 })
  lu.assertEquals(s:reason("queue-full"), 19)
  s:balance()
  local numbers = run(s)
  lu.assertEquals(numbers, basic.range(2, 11), "the newest are dropped")
  s:finish()
end

-- What the rate lets through at once needs no place in the queue.
function TestShaper:testShortQueueAndLargeBurst()
  local s = shaper({ rate = "1Kpps", burst = 1000, queue = 1 })
  s:give_many(0, 60)
  s:push()
  lu.assertEquals(s:take_numbers(0), basic.range(1, 60))
  lu.assertEquals(s:dropped(), 0)
  s:finish()
end

-- When it is the output that holds up the queue, nothing is dropped: the rest waits on the input.
function TestShaper:testFullOutputLosesNothing()
  local s = shaper({ rate = "1Mpps", burst = 1000, queue = 10 })
  s:fill(0, 0)
  s:give_many(0, 50)
  for _ = 1, 5 do s:push() end
  lu.assertEquals(s:held(), 10)
  lu.assertEquals(nf.link_waiting(s.app.input[0]), 40)
  lu.assertEquals(s:dropped(), 0)
  lu.assertEquals(s.app.class.wake_at(s.app), NEVER)
  s:take(0)
  s:push()
  lu.assertEquals(s:take_numbers(0), basic.range(1, 50))
  lu.assertEquals(s:dropped(), 0)
  s:finish()
end

function TestShaper:testStopDropsWhatIsHeld()
  local s = shaper({ rate = "1Kpps", burst = 1 })
  s:give_many(0, 5)
  s:push()
  s:take(0)
  s.app.class.stop(s.app)
  lu.assertEquals(s:reason("stop"), 4)
  s:finish()
end

function TestShaper:testReconfigureKeepsTheQueueInOrder()
  local s = shaper({ rate = "1Kpps", burst = 1, queue = 50 })
  s:give_many(0, 9)
  s:push()
  lu.assertEquals(s:take_numbers(0), { 1 })
  s:reconfigure({ "basic.shaper", rate = "2Kpps", burst = 1, queue = 5 })
  lu.assertEquals(s:held(), 5)
  lu.assertEquals(s:reason("reload"), 3)
  lu.assertFalse(s.app.ended)
  local numbers, times = run(s)
  lu.assertEquals(numbers, { 2, 3, 4, 5, 6 })
  lu.assertEquals(times, { 500000, 1000000, 1500000, 2000000, 2500000 })
  s:reconfigure({ "basic.shaper", rate = "1G" })
  lu.assertTrue(s.app.ended)
  s:finish()
end

function TestShaper:testHoldsWhatItsQueueHolds()
  local s = shaper({ rate = "1G", queue = 77 })
  local holds = basic.ffi.new("uint32_t[3]")
  s.app.class.holds(s.app, holds)
  lu.assertEquals({ holds[0], holds[1], holds[2] }, { 77, 0, 0 })
  s:finish()
end

function TestShaper:testEmptyFullAndHostile()
  basic.common("basic.shaper", { "basic.shaper", rate = "1Mpps", queue = 100 }, nil, nil, 1000000)
  basic.common("basic.shaper", { "basic.shaper", rate = "1M", burst = 1 }, nil, nil, 1000000)
end

function TestShaper:testMessages()
  lu.assertEquals(basic.messages("basic.shaper", { rate = "1G", queue = 0 }),
    { "app 'x': key 'queue': 0 is out of range; accepted: a whole number 1..1048576" })
  lu.assertEquals(basic.messages("basic.shaper", { queue = 5 }),
    { "app 'x': key 'rate': is missing; accepted: a rate, for example \"10G\" (bits) or \"14.88Mpps\"" })
end

os.exit(lu.LuaUnit.run(), true)
