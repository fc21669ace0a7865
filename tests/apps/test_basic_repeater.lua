-- basic.repeater: collect, then replay.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestRepeater = {}

local NEVER = 0xffffffffffffffffULL

function TestRepeater:setUp()
  support.memory(6000)
  nf.clock_set(1000000000ULL)
end

local function repeater(params)
  params[1] = "basic.repeater"
  return basic.start("basic.repeater", params)
end

local function later(ns) nf.clock_set(nf.clock_now() + ns) end

function TestRepeater:testReplaysForEver()
  local r = repeater({ number = 3 })
  lu.assertTrue(r.app.ended, "nothing is held")
  r:give_many(0, 3)
  r:push()
  lu.assertFalse(r.app.ended)
  r:fill(0, 8)
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3, 1, 2, 3, 1, 2 })
  lu.assertEquals(r.app.created, 8ULL)
  for _ = 1, 50 do
    r:fill(0, 3)
    r:pull()
    lu.assertEquals(#r:take_numbers(0), 3)
  end
  lu.assertFalse(r.app.ended)
  lu.assertEquals(r:held(), 3)
  r:finish()
end

-- The last round sends the packets themselves: nothing is left.
function TestRepeater:testCountedRounds()
  local r = repeater({ number = 100, count = 3 })
  r:give_many(0, 100)
  r:push_all()
  local list = {}
  for _ = 1, 10 do
    r:pull()
    r:balance()
    for _, number in ipairs(r:take_numbers(0)) do list[#list + 1] = number end
  end
  lu.assertEquals(#list, 300)
  for round = 0, 2 do
    for i = 1, 100 do lu.assertEquals(list[round * 100 + i], i) end
  end
  lu.assertEquals(r.app.created, 200ULL)
  lu.assertEquals(r:held(), 0)
  lu.assertTrue(r.app.ended)
  r:finish()
end

function TestRepeater:testCountOfOnePassesThePacketsOn()
  local r = repeater({ number = 2, count = 1 })
  r:give_many(0, 2)
  r:push()
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2 })
  lu.assertEquals(r.app.created, 0ULL)
  r:finish()
end

-- Fewer than `number` will do when none has come for `wait`.
function TestRepeater:testWaitsForMore()
  local r = repeater({ number = 10, wait = "5ms", count = 1 })
  lu.assertEquals(r.app.class.wake_at(r.app), NEVER)
  r:give_many(0, 2)
  r:push()
  later(3000000)
  r:give_many(0, 1, 60, 3)
  r:push()
  lu.assertEquals(r.app.class.wake_at(r.app), nf.clock_now() + 5000000)
  later(4999999)
  r:push()
  r:pull()
  lu.assertEquals(r:take(0), {})
  later(1)
  r:push()
  lu.assertEquals(r.app.class.wake_at(r.app), nf.clock_now())
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3 })
  lu.assertEquals(r.app.class.wake_at(r.app), NEVER)
  r:finish()
end

-- While it replays, more packets wait on the input; after the last round they are dropped, so that the sender can end.
function TestRepeater:testSurplus()
  local r = repeater({ number = 2, count = 2 })
  r:give_many(0, 5)
  r:push()
  r:push()
  lu.assertEquals(nf.link_waiting(r.app.input[0]), 3)
  r:pull()
  r:push()
  lu.assertEquals(r:reason("surplus"), 3)
  lu.assertEquals(r:take_numbers(0), { 1, 2, 1, 2 })
  r:finish()
end

function TestRepeater:testFullOutput()
  local r = repeater({ number = 2 })
  r:give_many(0, 2)
  r:push()
  r:fill(0, 0)
  r:pull()
  r:balance()
  lu.assertEquals(r.app.class.wake_at(r.app), NEVER)
  lu.assertEquals(r:take_numbers(0), {})
  r:finish()
end

-- Without memory for copies the round goes on where it stopped.
function TestRepeater:testExhaustedMemory()
  local r = repeater({ number = 5 })
  r:give_many(0, 5)
  r:push()
  local all = {}
  while nf.packet_pool[0].count > 3 do all[#all + 1] = nf.packet_alloc() end
  r:pull()
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3 })
  for _, p in ipairs(all) do nf.packet_free(p) end
  r:fill(0, 4)
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 4, 5, 1, 2 })
  r:finish()
end

function TestRepeater:testReconfigure()
  local r = repeater({ number = 6, count = 3 })
  r:give_many(0, 5)
  r:push()
  r:reconfigure({ "basic.repeater", number = 4, count = 3 })
  lu.assertEquals(r:held(), 4)
  lu.assertEquals(r:reason("reload"), 1)
  lu.assertFalse(r.app.ended)
  r:push()
  r:fill(0, 6)
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3, 4, 1, 2 })
  r:reconfigure({ "basic.repeater", number = 9, count = 2 })
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3, 4 }, "the round begins anew, and it is the last")
  lu.assertTrue(r.app.ended)
  r:finish()
end

-- In the middle of the last round some packets are gone already.
function TestRepeater:testReconfigureInTheLastRound()
  local r = repeater({ number = 4, count = 1 })
  r:give_many(0, 4)
  r:push()
  r:fill(0, 3)
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 1, 2, 3 })
  r:reconfigure({ "basic.repeater", number = 5, count = 1 })
  lu.assertEquals(r:held(), 1)
  r:pull()
  lu.assertEquals(r:take_numbers(0), { 4 })
  r:reconfigure({ "basic.repeater", number = 5 })
  lu.assertTrue(r.app.ended)
  r:give_many(0, 1)
  r:push()
  lu.assertEquals(r:reason("surplus"), 1, "what is finished stays finished")
  r:finish()
end

function TestRepeater:testStopDropsTheStore()
  local r = repeater({ number = 100 })
  r:give_many(0, 7)
  r:push()
  r.app.class.stop(r.app)
  lu.assertEquals(r:reason("stop"), 7)
  r:finish()
end

function TestRepeater:testEmptyAndHostile()
  local r = repeater({ number = 1000, wait = "1ms", count = 2 })
  r:push()
  r:pull()
  r:give(0, unpack(basic.hostile))
  r:push()
  later(1000000)
  r:push()
  r:pull()
  lu.assertEquals(#r:take(0), 2 * #basic.hostile)
  r:finish()
end

function TestRepeater:testMessages()
  lu.assertEquals(basic.messages("basic.repeater", { number = 0, count = 0 }), {
    "app 'x': key 'number': 0 is out of range; accepted: a whole number 1..1048576",
    "app 'x': key 'count': 0 is out of range; accepted: a whole number 1..18446744073709551615" })
end

os.exit(lu.LuaUnit.run(), true)
