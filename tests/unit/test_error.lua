-- error, log, random, clock: the small ones.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local function names(...)
  local list = { ... }
  local array = ffi.new("const char *[?]", #list + 1)
  for i, name in ipairs(list) do array[i - 1] = name end
  return array, list
end

TestError = {}

function TestError:testFailRemembersTheSentence()
  lu.assertEquals(nf.nf_fail(22, "no %s number %d", "app", ffi.cast("int", 7)), -22)
  lu.assertEquals(ffi.string(nf.nf_error()), "no app number 7")
end

function TestError:testFailMayQuoteTheLastSentence()
  nf.nf_fail(1, "inner")
  nf.nf_fail(1, "outer: %s", nf.nf_error())
  lu.assertEquals(ffi.string(nf.nf_error()), "outer: inner")
end

function TestError:testErrorsAreCollected()
  local errors = ffi.new("struct errors")
  for i = 1, 100 do nf.errors_add(errors, "message %d", ffi.cast("int", i)) end
  lu.assertEquals(errors.count, 100)
  lu.assertEquals(ffi.string(errors.text[99]), "message 100")
  nf.errors_fini(errors)
  lu.assertEquals(errors.count, 0)
end

function TestError:testNearestName()
  local array, keep = names("basic.tee", "basic.sink", "pcap.reader", "basic.source")
  local function nearest(word)
    local found = nf.error_nearest(word, array)
    return found ~= nil and ffi.string(found) or nil
  end
  lu.assertEquals(nearest("basic.te"), "basic.tee")
  lu.assertEquals(nearest("basic.skin"), "basic.sink")
  lu.assertEquals(nearest("tee"), "basic.tee")
  lu.assertEquals(nearest("pcap.raeder"), "pcap.reader")
  lu.assertNil(nearest("intel.ixgbe"))
  lu.assertNil(nearest(("x"):rep(1000)))
  lu.assertEquals(#keep, 4)
end

TestLog = {}

function TestLog:testOneLinePerMessageAndARateLimit()
  local script = os.tmpname()
  support.write(script, [[
    local ffi, nf = require("ffi"), require("nf.core")
    local site = ffi.new("struct log_site")
    for i = 1, 100 do nf.log_write(site, "LOG_WARN", "two\nlines %d", ffi.cast("int", i)) end
  ]])
  local output = support.run(support.nf .. " lua " .. script)
  os.remove(script)
  local count = 0
  for line in output:gmatch("[^\n]+") do
    lu.assertStrContains(line, "nf: warn: two?lines")
    count = count + 1
  end
  -- 10 a second; the loop may cross into a second one.
  lu.assertTrue(count >= 10 and count <= 20, output)
end

function TestLog:testAnUnknownLevelIsTold()
  local output = support.run("NF_LOG=loud " .. support.nf .. " --version")
  lu.assertStrContains(output, "NF_LOG=loud")
  lu.assertStrContains(output, "error, warn, info, debug")
end

TestRandom = {}

function TestRandom:testSameSeedAndNameSameNumbers()
  local a, b, c = ffi.new("struct random"), ffi.new("struct random"), ffi.new("struct random")
  nf.random_init(a, 5, "x")
  nf.random_init(b, 5, "x")
  nf.random_init(c, 5, "y")
  local different = false
  for _ = 1, 100 do
    local n = nf.random_u64(a)
    lu.assertEquals(nf.random_u64(b), n)
    different = different or nf.random_u64(c) ~= n
  end
  lu.assertTrue(different)
end

function TestRandom:testBelowAndChance()
  local r, hits, seen = ffi.new("struct random"), 0, {}
  nf.random_init(r, 1, "t")
  for _ = 1, 10000 do
    local n = nf.random_below(r, 7)
    lu.assertTrue(n >= 0 and n < 7)
    seen[n] = true
    if nf.random_chance(r, 0.25) then hits = hits + 1 end
  end
  for i = 0, 6 do lu.assertTrue(seen[i]) end
  lu.assertTrue(hits > 2300 and hits < 2700, hits)
  lu.assertFalse(nf.random_chance(r, 0))
  lu.assertTrue(nf.random_chance(r, 1))
end

TestClock = {}

function TestClock:testRealTimeGoesForward()
  nf.clock_set_real()
  local last = nf.clock_now()
  for _ = 1, 1000 do
    nf.clock_update()
    lu.assertTrue(nf.clock_now() >= last)
    last = nf.clock_now()
  end
  nf.clock_adjust()
  nf.clock_update()
  lu.assertTrue(nf.clock_now() >= last)
  -- The same hour as the system says.
  lu.assertAlmostEquals(tonumber(nf.clock_wall()) / 1e9, os.time(), 5)
  lu.assertAlmostEquals(tonumber(nf.clock_now()) / 1e9, tonumber(nf.clock_system_ns()) / 1e9, 1)
end

-- A machine without an invariant TSC counts nanoseconds of the system's clock instead.
function TestClock:testWithoutAnInvariantTscTheSystemsClockCounts()
  nf.clock_set_real()
  local invariant = nf.clock_invariant
  nf.clock_invariant = false
  ffi.C.usleep(2000)            -- well past what the TSC said last
  local before, cycles = nf.clock_system_ns(), nf.clock_cycles()
  nf.clock_update()
  local now, after = nf.clock_now(), nf.clock_system_ns()
  nf.clock_invariant = invariant
  nf.clock_set_real()
  lu.assertTrue(before <= cycles and cycles <= after)
  lu.assertTrue(before <= now and now <= after, tostring(now))
end

function TestClock:testVirtualTimeIsSetAndNeverGoesBack()
  nf.clock_set(1000)
  lu.assertEquals(nf.clock_now(), 1000ULL)
  nf.clock_update()
  lu.assertEquals(nf.clock_now(), 1000ULL)
  nf.clock_set(500)
  lu.assertEquals(nf.clock_now(), 1000ULL)
  nf.clock_set(2000)
  lu.assertEquals(nf.clock_wall(), 2000ULL)
  nf.clock_set_real()
end

os.exit(lu.LuaUnit.run())
