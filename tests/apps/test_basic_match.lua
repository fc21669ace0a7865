-- basic.match: two streams compared.
local lu = require("luaunit")
local support = require("support")
local basic = require("support_basic")

TestMatch = {}

function TestMatch:setUp() support.memory(6000) end

local function match(params) return basic.start("basic.match", params) end

-- The counters: matched, different, missing, unexpected, number of the first fault.
local function result(m)
  local list = {}
  for i, name in ipairs({ "matched", "different", "missing", "unexpected", "first-fault" }) do list[i] = m:counter(name) end
  return list
end

function TestMatch:testEqualStreams()
  local m = match()
  m:give_many(0, 200)
  m:give_many(1, 200)
  m:push_all()
  lu.assertEquals(result(m), { 200, 0, 0, 0, 0 })
  lu.assertEquals(m.app.consumed, 400ULL)
  m:finish()
end

function TestMatch:testDifferentBytesAndLengths()
  local m = match()
  m:give(0, "same", "abcd", "abcd", "", "same")
  m:give(1, "same", "abcx", "abc", "a", "same")
  m:push()
  lu.assertEquals(result(m), { 2, 3, 0, 0, 2 })
  m:finish()
end

-- One stream comes later than the other: what waits is held.
function TestMatch:testStreamsMayBeApart()
  local m = match()
  m:give_many(0, 300)
  m:push_all()
  lu.assertEquals(m:held(), 300)
  lu.assertTrue(m.app.ended, "nothing more comes from here")
  m:balance()
  m:give_many(1, 300)
  m:push_all()
  lu.assertEquals(result(m), { 300, 0, 0, 0, 0 })
  m:finish()
end

function TestMatch:testWhatIsLeftAtTheEnd()
  local m = match()
  m:give_many(0, 5)
  m:give_many(1, 3)
  m:push()
  m.app.class.stop(m.app)
  lu.assertEquals(result(m), { 3, 0, 2, 0, 4 })
  m:finish()
  m = match()
  m:give_many(1, 2)
  m:push()
  m.app.class.stop(m.app)
  lu.assertEquals(result(m), { 0, 0, 0, 2, 1 })
  m:finish()
end

-- A stream that is too far ahead does not wait for ever.
function TestMatch:testWindow()
  local m = match({ "basic.match", window = 10 })
  m:give_many(0, 25)
  m:push()
  lu.assertEquals(m:held(), 10)
  lu.assertEquals(result(m), { 0, 0, 15, 0, 1 })
  m:give_many(1, 10, 60, 16)
  m:push()
  lu.assertEquals(result(m), { 10, 0, 15, 0, 1 })
  m:finish()
end

function TestMatch:testReconfigure()
  local m = match({ "basic.match", window = 100 })
  m:give(0, "a", "b")
  m:give(1, "x")
  m:push()
  m:give_many(0, 20)
  m:push()
  m:reconfigure({ "basic.match", window = 5 })
  lu.assertEquals(m:held(), 5)
  lu.assertEquals(result(m), { 0, 1, 16, 0, 1 })
  m:give_many(1, 5, 60, 16)
  m:push()
  lu.assertEquals(result(m), { 5, 1, 16, 0, 1 })
  m:finish()
end

function TestMatch:testHostile()
  local m = match()
  for _ = 1, 3 do m:push() end
  for i = 0, 1 do m:give(i, unpack(basic.hostile)) end
  m:push()
  lu.assertEquals(result(m), { #basic.hostile, 0, 0, 0, 0 })
  m:finish()
end

function TestMatch:testMessages()
  lu.assertEquals(basic.messages("basic.match", { window = 0 }),
    { "app 'x': key 'window': 0 is out of range; accepted: a whole number 1..1048576" })
end

os.exit(lu.LuaUnit.run(), true)
