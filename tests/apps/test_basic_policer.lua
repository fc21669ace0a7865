-- basic.policer: what is above the rate is dropped.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestPolicer = {}

function TestPolicer:setUp()
  support.memory(6000)
  nf.clock_set(1000000000ULL)
end

local function policer(params)
  params[1] = "basic.policer"
  return basic.start("basic.policer", params)
end

local function later(ns) nf.clock_set(nf.clock_now() + ns) end

function TestPolicer:testPacketsPerSecond()
  local p = policer({ rate = "1Kpps", burst = 5 })
  p:give_many(0, 20)
  p:push()
  lu.assertEquals(p:take_numbers(0), basic.range(1, 5))
  lu.assertEquals(p:reason("exceeded"), 15)
  later(3000000)
  p:give_many(0, 20, 60, 101)
  p:push()
  lu.assertEquals(p:take_numbers(0), { 101, 102, 103 })
  later(60000000000)
  p:give_many(0, 20, 60, 201)
  p:push()
  lu.assertEquals(p:take_numbers(0), basic.range(201, 205), "a pause saves up no more than the burst")
  p:finish()
end

-- 8 Mbit/s are 1,000 bytes in a millisecond.
function TestPolicer:testBitsPerSecond()
  local p = policer({ rate = "8M", burst = 3000 })
  p:give_many(0, 5, 1000)
  p:push()
  lu.assertEquals(#p:take(0), 3)
  local passed = 0
  for _ = 1, 1000 do
    later(1000000)
    p:give_many(0, 3, 500)
    p:push()
    passed = passed + #p:take(0)
  end
  lu.assertEquals(passed, 2000)
  p:finish()
end

-- A small packet may pass where a large one did not.
function TestPolicer:testSmallPacketFindsRoom()
  local p = policer({ rate = "8M", burst = 1000 })
  p:give(0, ("a"):rep(700), ("b"):rep(700), ("c"):rep(300), ("d"):rep(60))
  p:push()
  lu.assertEquals(p:take(0), { ("a"):rep(700), ("c"):rep(300) })
  p:finish()
end

-- Longer than the whole burst: it passes when the bucket is full, and the debt is waited for.
function TestPolicer:testPacketLongerThanTheBurst()
  local p = policer({ rate = "8M", burst = 100 })
  p:give_many(0, 2, 1000)
  p:push()
  lu.assertEquals(#p:take(0), 1)
  later(999000)
  p:give_many(0, 1, 1000)
  p:push()
  lu.assertEquals(#p:take(0), 0)
  later(1000)
  p:give_many(0, 1, 1000)
  p:push()
  lu.assertEquals(#p:take(0), 1)
  p:finish()
end

-- Without `burst` it is what comes in 10 ms.
function TestPolicer:testUsualBurst()
  local p = policer({ rate = "5Kpps" })
  p:give_many(0, 60)
  p:push()
  lu.assertEquals(#p:take(0), 50)
  p:finish()
  p = policer({ rate = "1Kbps" })
  p:give_many(0, 2, 1514)
  p:push()
  lu.assertEquals(#p:take(0), 1, "one frame at least")
  p:finish()
end

function TestPolicer:testReconfigureKeepsTheTokens()
  local p = policer({ rate = "1Kpps", burst = 10 })
  p:give_many(0, 8)
  p:push()
  lu.assertEquals(#p:take(0), 8)
  p:reconfigure({ "basic.policer", rate = "2Kpps", burst = 100 })
  p:give_many(0, 20)
  p:push()
  lu.assertEquals(#p:take(0), 2)
  later(1000000)
  p:give_many(0, 20)
  p:push()
  lu.assertEquals(#p:take(0), 2)
  p:reconfigure({ "basic.policer", rate = "8M", burst = 600 })
  p:give_many(0, 20)
  p:push()
  lu.assertEquals(#p:take(0), 10, "tokens of another unit are not worth anything: a full bucket")
  p:finish()
end

function TestPolicer:testFullOutputHoldsUp()
  local p = policer({ rate = "1Mpps", burst = 1000 })
  p:fill(0, 3)
  p:give_many(0, 10)
  p:push()
  p:push()
  lu.assertEquals(p:take_numbers(0), { 1, 2, 3 })
  lu.assertEquals(nf.link_waiting(p.app.input[0]), 7)
  p:finish()
end

function TestPolicer:testEmptyFullAndHostile()
  basic.common("basic.policer", { "basic.policer", rate = "1Mpps" })
  basic.common("basic.policer", { "basic.policer", rate = "1M", burst = 1 })
end

function TestPolicer:testMessages()
  local accepted = '; accepted: a rate, for example "10G" (bits) or "14.88Mpps"'
  lu.assertEquals(basic.messages("basic.policer", {}), { "app 'x': key 'rate': is missing" .. accepted })
  lu.assertEquals(basic.messages("basic.policer", { rate = "fast" }), { "app 'x': key 'rate': 'fast' is not understood" .. accepted })
  lu.assertEquals(basic.messages("basic.policer", { rate = "1G", burst = 0 }),
    { "app 'x': key 'burst': 0 is out of range; accepted: bytes 1 or more, for example 1500 or \"64K\"" })
end

os.exit(lu.LuaUnit.run(), true)
