-- token_bucket: rates, debts, and when there is enough.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")

TestTokenBucket = {}

local function bucket(rate, capacity, now)
  local b = ffi.new("struct token_bucket")
  nf.token_bucket_init(b, rate, capacity, now or 0)
  return b
end

function TestTokenBucket:testBeginsFullAndIsBounded()
  local b = bucket(1000, 10)
  lu.assertEquals(nf.token_bucket_take(b, 10), 1)
  lu.assertEquals(nf.token_bucket_take(b, 1), 0)
  nf.token_bucket_fill(b, 5000000)
  lu.assertEquals(nf.token_bucket_take(b, 5), 1)
  lu.assertEquals(nf.token_bucket_take(b, 1), 0)
  nf.token_bucket_fill(b, 60000000000ULL)
  lu.assertEquals(b.tokens, 10)
end

function TestTokenBucket:testTimeDoesNotGoBack()
  local b = bucket(1000, 10, 1000000000)
  nf.token_bucket_take(b, 10)
  nf.token_bucket_fill(b, 5)
  lu.assertEquals(b.tokens, 0)
  nf.token_bucket_fill(b, 1001000000)
  lu.assertEquals(b.tokens, 1)
end

-- More than the capacity is a debt: the rate is kept.
function TestTokenBucket:testDebt()
  local b = bucket(1000, 10)
  lu.assertEquals(nf.token_bucket_take(b, 25), 1)
  lu.assertEquals(b.tokens, -15)
  lu.assertEquals(nf.token_bucket_ready(b, 1), 16000000ULL)
  lu.assertEquals(nf.token_bucket_ready(b, 25), 25000000ULL)
  nf.token_bucket_fill(b, 24999999)
  lu.assertEquals(nf.token_bucket_take(b, 25), 0)
  nf.token_bucket_fill(b, 25000000)
  lu.assertEquals(nf.token_bucket_take(b, 25), 1)
end

-- At the time that ready gives there is enough, and two nanoseconds before there is not; for rates without an even period too.
function TestTokenBucket:testReadyIsExact()
  for _, rate in ipairs({ 1, 3, 7, 1000, 14880952.38, 1e9 / 7, 1e10, 0.001 }) do
    local b = bucket(rate, 1, 123456789)
    nf.token_bucket_take(b, 1)
    for _ = 1, 200 do
      local at = nf.token_bucket_ready(b, 1)
      if at > b.filled_ns + 2 then
        local early = ffi.new("struct token_bucket", b)
        nf.token_bucket_fill(early, at - 2)
        if rate > 1 and rate < 1e5 then lu.assertEquals(nf.token_bucket_has(early, 1), 0) end
      end
      nf.token_bucket_fill(b, at)
      lu.assertEquals(nf.token_bucket_take(b, 1), 1)
    end
  end
end

function TestTokenBucket:testReadyNever()
  local b = bucket(1e-12, 1)
  nf.token_bucket_take(b, 1)
  lu.assertEquals(nf.token_bucket_ready(b, 1), 0xffffffffffffffffULL)
  b = bucket(1e-3, 1, 0xfffffffffffffff0ULL)
  nf.token_bucket_take(b, 1)
  lu.assertEquals(nf.token_bucket_ready(b, 1), 0xffffffffffffffffULL, "the end of time")
end

-- A million fractions add up to the rate.
function TestTokenBucket:testNoDrift()
  local b, now, taken = bucket(3e6, 100), 0, 0
  nf.token_bucket_take(b, 100)
  for _ = 1, 1000000 do
    now = now + 100
    nf.token_bucket_fill(b, now)
    taken = taken + nf.token_bucket_take(b, 1)
  end
  lu.assertAlmostEquals(taken, 300000, 1)
end

function TestTokenBucket:testChangeKeepsTokensThatFit()
  local b = bucket(1000, 10)
  nf.token_bucket_change(b, 500, 4, 0)
  lu.assertEquals(b.tokens, 4)
  nf.token_bucket_take(b, 4)
  nf.token_bucket_change(b, 2000, 100, 2000000)
  lu.assertEquals(b.tokens, 1, "what came until now came at the old rate")
  nf.token_bucket_fill(b, 3000000)
  lu.assertEquals(b.tokens, 3)
end

function TestTokenBucket:testUsualCapacity()
  lu.assertEquals(nf.token_bucket_capacity(1e9, 5), 1e7)
  lu.assertEquals(nf.token_bucket_capacity(100, 5), 5)
end

os.exit(lu.LuaUnit.run(), true)
