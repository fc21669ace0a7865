-- cuckoo and map: against a model, at their load, with keys that meet, growing, and removing.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
require("support")              -- os.exit closes the Lua state, so that the tables are freed

TestCuckoo, TestMap = {}, {}

-- Numbers that are the same in each run.
local state = 1
local function random(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 2147483648 * n)
end

local function seed(a) return ffi.new("uint64_t[2]", a * 0x9e3779b97f4a7c15ULL, a * 0xd1342543de82ef95ULL + 1) end

local function new(capacity, a)
  local t = ffi.gc(ffi.new("struct cuckoo"), nf.cuckoo_fini)
  assert(nf.cuckoo_init(t, capacity, seed(a or 1)) == 0)
  return t
end

local value = ffi.new("uint8_t[20]")
local function put(t, key, n)
  ffi.fill(value, 20, 0)
  ffi.cast("uint32_t *", value)[0] = n
  ffi.cast("uint32_t *", value)[4] = n + 1
  return nf.cuckoo_put(t, key, value)
end

-- What a key has: a number, or nil. Both ends of the value are looked at.
local function get(t, key)
  local entry = nf.cuckoo_find(t, key)
  if entry == nil then return nil end
  local words = ffi.cast("uint32_t *", entry.value)
  lu.assertEquals(words[4], words[0] + 1)
  return words[0]
end

-- Each bucket's first entry tells the truth about who is away: compared with what a walk finds.
local function away(t)
  local total = 0
  for i = 0, tonumber(t.buckets) - 1 do
    total = total + t.entry[2 * i].away
    lu.assertEquals(t.entry[2 * i].away > 0, t.entry[2 * i + 1].away ~= 0)
  end
  return total
end

function TestCuckoo:testEmpty()
  local t = new(0)
  lu.assertNil(get(t, 5))
  lu.assertNil(get(t, 0))
  lu.assertEquals(nf.cuckoo_remove(t, 5), 0)
  lu.assertEquals(nf.cuckoo_remove(t, 0), 0)
  lu.assertEquals(tonumber(t.count), 0)
end

function TestCuckoo:testPutReplaceRemove()
  local t = new(10)
  lu.assertEquals(put(t, 7, 1), 0)
  lu.assertEquals(put(t, 7, 2), 1)
  lu.assertEquals(get(t, 7), 2)
  lu.assertEquals(tonumber(t.count), 1)
  lu.assertEquals(nf.cuckoo_remove(t, 7), 1)
  lu.assertNil(get(t, 7))
  lu.assertEquals(tonumber(t.count), 0)
end

-- The announced number fits, at a load of 0.8, and costs at most 40 bytes each.
function TestCuckoo:testHoldsWhatWasAnnounced()
  for _, n in ipairs({ 1, 2, 3, 10, 100, 1000, 50000 }) do
    for a = 1, 5 do
      local t = new(n, a)
      for i = 1, n do lu.assertEquals(put(t, i * 65536ULL, i), 0) end
      for i = 1, n do lu.assertEquals(get(t, i * 65536ULL), i) end
      lu.assertNil(get(t, 3))
      if n >= 1000 then
        lu.assertTrue(tonumber(t.count) / (tonumber(t.buckets) * 2) > 0.79)
        lu.assertTrue(tonumber(t.bytes) <= 40.5 * n + 256)
      end
    end
  end
end

-- More than fits: refused, and all that is there stays.
function TestCuckoo:testFull()
  local t, there = new(100), {}
  local refused = 0
  for i = 1, 400 do
    local code = put(t, i, i)
    if code == 0 then there[i] = true else
      lu.assertEquals(code, -28)
      refused = refused + 1
    end
  end
  lu.assertTrue(refused > 100)
  for i = 1, 400 do lu.assertEquals(get(t, i), there[i] and i or nil) end
  local larger = new(400, 2)
  lu.assertEquals(nf.cuckoo_copy(larger, t), 0)
  lu.assertEquals(larger.count, t.count)
  for i = 1, 400 do lu.assertEquals(get(larger, i), there[i] and i or nil) end
  lu.assertEquals(nf.cuckoo_copy(new(1), larger), -28)
end

-- Random calls against a Lua table, singly and in bursts of every length.
function TestCuckoo:testAgainstModel()
  local keys, found = ffi.new("uint64_t[200]"), ffi.new("struct cuckoo_entry *[200]")
  for a = 1, 4 do
    local t, model, count = new(800, a), {}, 0
    for step = 1, 20000 do
      local key = random(1200) + 1
      if random(10) < 6 then
        local code = put(t, key * 0x100000001ULL, step)
        if code ~= -28 then
          lu.assertEquals(code, model[key] and 1 or 0)
          count = count + 1 - code
          model[key] = step
        else
          lu.assertTrue(count > 800)
        end
      else
        lu.assertEquals(nf.cuckoo_remove(t, key * 0x100000001ULL), model[key] and 1 or 0)
        if model[key] then count = count - 1 end
        model[key] = nil
      end
      lu.assertEquals(tonumber(t.count), count)
      if step % 100 == 0 then
        local n = random(200) + 1
        for i = 0, n - 1 do keys[i] = random(1201) * 0x100000001ULL end
        nf.cuckoo_find_burst(t, keys, found, n)
        for i = 0, n - 1 do
          local key_i = tonumber(keys[i] % 0x100000000ULL)
          local has = found[i] ~= nil and ffi.cast("uint32_t *", found[i].value)[0] or nil
          lu.assertEquals(has, model[key_i])
        end
      end
    end
    for key = 1, 1200 do
      lu.assertEquals(get(t, key * 0x100000001ULL), model[key])
      nf.cuckoo_remove(t, key * 0x100000001ULL)
    end
    lu.assertEquals(away(t), 0)
  end
end

-- A walk meets each entry once.
function TestCuckoo:testNext()
  local t, seen, n = new(300), {}, 0
  for i = 1, 300 do put(t, i, i) end
  local position = ffi.new("uint64_t[1]")
  while true do
    local entry = nf.cuckoo_next(t, position)
    if entry == nil then break end
    local key = tonumber(entry.key)
    lu.assertNil(seen[key])
    seen[key] = true
    n = n + 1
  end
  lu.assertEquals(n, 300)
end

-- The place of keys depends on the seed: keys that share a bucket under one do not under another.
function TestCuckoo:testSeedDecides()
  local one, two, same = new(4000, 1), new(4000, 2), 0
  for i = 1, 4000 do
    put(one, i, i)
    put(two, i, i)
  end
  local function places(t)
    local at = {}
    for i = 0, tonumber(t.buckets) * 2 - 1 do
      if t.entry[i].key ~= 0 then at[tonumber(t.entry[i].key)] = math.floor(i / 2) end
    end
    return at
  end
  local a, b = places(one), places(two)
  for i = 1, 4000 do if a[i] == b[i] then same = same + 1 end end
  lu.assertTrue(same < 20)
end

-- Keys chosen by somebody who knows the seed of one start fill a few buckets, and do not fit; under the seed of any other start they are keys
-- as any others. Where a key belongs is found out by asking: alone it lies in its first bucket, beside two that fill that one in its second.
function TestCuckoo:testChosenKeys()
  local t, CHOSEN = new(80, 1), 6
  local function where(key) return math.floor(tonumber(nf.cuckoo_find(t, key) - t.entry) / 2) end
  local function first(key)
    put(t, key, 1)
    local bucket = where(key)
    nf.cuckoo_remove(t, key)
    return bucket
  end
  local fillers, key = {}, 0
  for b = 0, CHOSEN - 1 do fillers[b] = {} end
  local function open() for b = 0, CHOSEN - 1 do if #fillers[b] < 2 then return true end end end
  while open() do
    key = key + 1
    local list = fillers[first(key)]
    if list and #list < 2 then list[#list + 1] = key end
  end
  local chosen = {}
  while #chosen < 2 * CHOSEN + 1 do
    key = key + 1
    local list = fillers[first(key)]
    if list then
      for _, filler in ipairs(list) do put(t, filler, 1) end
      put(t, key, 1)
      lu.assertEquals(get(t, list[1]) and get(t, list[2]), 1)
      if where(key) < CHOSEN then chosen[#chosen + 1] = key end
      for _, filler in ipairs(list) do nf.cuckoo_remove(t, filler) end
      nf.cuckoo_remove(t, key)
    end
  end
  local function fit(a)
    local table = new(80, a)
    for _, k in ipairs(chosen) do if put(table, k, 1) ~= 0 then return false end end
    return true
  end
  lu.assertFalse(fit(1))
  for a = 2, 50 do lu.assertTrue(fit(a), a) end
end

-- Keys with a pattern, as addresses and ports have them, fit as well as any, whatever the seed.
function TestCuckoo:testPatterns()
  for a = 1, 6 do
    for _, pattern in ipairs({ function (i) return i end, function (i) return i * 65536ULL end, function (i) return i * 4294967296ULL end,
      function (i) return 0x1000000000000ULL + i * 65536ULL end, function (i) return i * 0x100010001ULL end,
      function (i) return 0xffffffffffffffffULL - i end }) do
      local t = new(3000, a)
      for i = 1, 3000 do lu.assertEquals(put(t, pattern(i), i), 0) end
    end
  end
end

function TestCuckoo:testTooLarge()
  local t = ffi.new("struct cuckoo")
  lu.assertEquals(nf.cuckoo_init(t, 0xffffffffffffULL, seed(1)), -22)
end

local function new_map(capacity)
  local m = ffi.gc(ffi.new("struct map"), nf.map_fini)
  assert(nf.map_init(m, capacity, 0x9e3779b97f4a7c15ULL) == 0)
  return m
end

local function map_find(m, number) return tonumber(nf.map_find(m, number)) end

function TestMap:testHoldsWhatWasAnnounced()
  for _, n in ipairs({ 0, 1, 7, 100, 30000 }) do
    local m = new_map(n)
    for i = 1, n do lu.assertEquals(nf.map_put(m, i * 256, i), 0) end
    for i = 1, n do lu.assertEquals(map_find(m, i * 256), i) end
    lu.assertEquals(map_find(m, 5), 0)
    if n >= 1000 then lu.assertTrue(tonumber(m.bytes) <= 14 * n) end
  end
end

function TestMap:testFull()
  local m, code, n = new_map(100), 0, 0
  while code == 0 and n < 1000 do
    code = nf.map_put(m, n, 1)
    n = n + 1
  end
  lu.assertEquals(code, -28)
  lu.assertTrue(n > 100 and n < 150)
  lu.assertEquals(nf.map_put(m, 0, 9), 0)
  lu.assertEquals(map_find(m, 0), 9)
end

function TestMap:testAgainstModel()
  local there = ffi.new("uint8_t[?]", 256)
  local m, model, count = new_map(500), {}, 0
  local numbers, values = ffi.new("uint32_t[150]"), ffi.new("uint32_t[150]")
  for step = 1, 40000 do
    local number = random(700)
    if random(10) < 6 then
      if nf.map_put(m, number, step) == 0 then
        if not model[number] then count = count + 1 end
        model[number] = step
      end
    else
      lu.assertEquals(nf.map_remove(m, number), model[number] and 1 or 0)
      if model[number] then count = count - 1 end
      model[number] = nil
    end
    lu.assertEquals(tonumber(m.count), count)
    if step % 50 == 0 then
      local n = random(150) + 1
      for i = 0, n - 1 do numbers[i] = random(700) end
      nf.map_find_burst(m, numbers, values, n)
      for i = 0, n - 1 do lu.assertEquals(values[i], model[numbers[i]] or 0) end
      nf.map_has_burst(m, numbers, there, n)
      for i = 0, n - 1 do lu.assertEquals(there[i], model[numbers[i]] and 1 or 0) end
    end
  end
  for number = 0, 699 do lu.assertEquals(map_find(m, number), model[number] or 0) end
  -- What is removed leaves no mark, so that a map whose numbers come and go stays fast.
  for number = 0, 699 do nf.map_remove(m, number) end
  for i = 0, tonumber(m.size) - 1 do lu.assertEquals(m.begins[i], 0) end
end

function TestMap:testNext()
  local m, seen, n = new_map(100), {}, 0
  for i = 1, 100 do nf.map_put(m, i * 7, i) end
  local position, number = ffi.new("uint64_t[1]"), ffi.new("uint32_t[1]")
  while true do
    local found = tonumber(nf.map_next(m, position, number))
    if found == 0 then break end
    lu.assertEquals(number[0], found * 7)
    lu.assertNil(seen[found])
    seen[found], n = true, n + 1
  end
  lu.assertEquals(n, 100)
end

function TestMap:testTooLarge()
  lu.assertEquals(nf.map_init(ffi.new("struct map"), 0xffffffffffULL, 1), -22)
end

os.exit(lu.LuaUnit.run())
