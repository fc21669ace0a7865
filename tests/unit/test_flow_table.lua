-- flow_table: against a model in Lua, with every number of flows, time-outs, half-open flows and their limit.
local lu = require("luaunit")
local ffi = require("ffi")
local bit = require("bit")
local nf = require("nf.core")

TestFlowTable = {}

local secret = ffi.new("struct siphash_key")
secret.word[0], secret.word[1] = 5, 6

local function table_of(capacity, half_open)
  local t = nf.flow_table_new(capacity, half_open or capacity, secret)
  assert(t ~= nil)
  for i = 0, nf.FLOW_TABLE_TIMEOUTS - 1 do t.timeout_ms[i] = (i + 1) * 1000 end
  return ffi.gc(t, nf.flow_table_free)
end

-- The key of a number: IPv4 for even ones, IPv6 for odd ones; `back` gives that of a packet in the other direction.
local function key_of(n, back)
  local key = ffi.new("struct flow_key")
  local a, b = math.floor(n / 65536) + 1, 0x0a000001
  local sport, dport = n % 65536, 443
  if back then a, b, sport, dport = b, a, dport, sport end
  if n % 2 == 0 then return key, nf.flow_key_ipv4(key, a, b, sport, dport, 6, 7) end
  local src, dst = ("\32\1\13\184" .. ("\0"):rep(8)), ("\32\1\13\184" .. ("\0"):rep(8))
  local function last(x) return string.char(bit.rshift(x, 24) % 256, bit.rshift(x, 16) % 256, bit.rshift(x, 8) % 256, x % 256) end
  return key, nf.flow_key_ipv6(key, src .. last(a), dst .. last(b), sport, dport, 6, 7)
end

local function find(t, n, back)
  local key = key_of(n, back)
  local hash = nf.flow_table_hash(t, key)
  nf.flow_table_prefetch(t, hash)
  nf.flow_table_prefetch_flow(t, hash)
  return nf.flow_table_find(t, key, hash)
end

local function add(t, n)
  local key = key_of(n)
  return nf.flow_table_add(t, key, nf.flow_table_hash(t, key))
end

function TestFlowTable:testBothDirectionsAreOneFlow()
  for n = 0, 5 do
    local one, high = key_of(n)
    local other, high_back = key_of(n, true)
    lu.assertEquals(ffi.string(one, ffi.sizeof(one)), ffi.string(other, ffi.sizeof(other)))
    lu.assertEquals(high + high_back, 1, "one of the directions comes from the higher end")
  end
end

function TestFlowTable:testEqualAddressesAreOrderedByPorts()
  local one, other = ffi.new("struct flow_key"), ffi.new("struct flow_key")
  lu.assertEquals(nf.flow_key_ipv4(one, 9, 9, 1, 2, 17, 0), 0)
  lu.assertEquals(nf.flow_key_ipv4(other, 9, 9, 2, 1, 17, 0), 1)
  lu.assertEquals(ffi.string(one, 40), ffi.string(other, 40))
  local address = ("x"):rep(16)
  lu.assertEquals(nf.flow_key_ipv6(one, address, address, 1, 2, 17, 0), 0)
  lu.assertEquals(nf.flow_key_ipv6(other, address, address, 2, 1, 17, 0), 1)
  lu.assertEquals(ffi.string(one, 40), ffi.string(other, 40))
  lu.assertEquals(nf.flow_key_ipv4(one, 9, 9, 5, 5, 17, 0), 0)
end

-- Each part of a key counts: no two of these are equal.
function TestFlowTable:testEveryPartCounts()
  local seen, count = {}, 0
  local function four(...)
    local key = ffi.new("struct flow_key")
    nf.flow_key_ipv4(key, ...)
    seen[ffi.string(key, 40)] = true
    count = count + 1
  end
  local function six(src, dst, ...)
    local key = ffi.new("struct flow_key")
    nf.flow_key_ipv6(key, src, dst, ...)
    seen[ffi.string(key, 40)] = true
    count = count + 1
  end
  four(1, 2, 3, 4, 6, 0); four(1, 2, 4, 3, 6, 0); four(2, 1, 3, 4, 17, 0); four(1, 2, 3, 4, 6, 1); four(1, 3, 3, 4, 6, 0)
  four(1, 2, 3, 4, 6, 0xffffff); four(1, 2, 259, 4, 6, 0)
  for i = 0, 15 do six(("\0"):rep(i) .. "\1" .. ("\0"):rep(15 - i), ("\2"):rep(16), 3, 4, 6, 0) end
  six(("\1"):rep(16), ("\2"):rep(16), 3, 4, 6, 0); six(("\1"):rep(16), ("\2"):rep(16), 4, 3, 6, 0)
  six(("\1"):rep(16), ("\2"):rep(16), 3, 4, 6, 0x10000)
  local different = 0
  for _ in pairs(seen) do different = different + 1 end
  lu.assertEquals(different, count)
end

-- The hash of an address does not depend on which table it is, only on the secret.
function TestFlowTable:testHashIsKeyed()
  local t, same = table_of(16), table_of(5000)
  local other = ffi.new("struct siphash_key")
  local strange = ffi.gc(nf.flow_table_new(16, 16, other), nf.flow_table_free)
  for n = 0, 9 do
    local key = key_of(n)
    lu.assertEquals(nf.flow_table_hash(t, key), nf.flow_table_hash(same, key))
    lu.assertNotEquals(nf.flow_table_hash(t, key), nf.flow_table_hash(strange, key))
  end
end

-- Four keys at once, of one family or of both.
function TestFlowTable:testHashOfFourKeys()
  local t, hash = table_of(16), ffi.new("uint64_t[4]")
  for first = 0, 20 do
    for step = 1, 2 do
      local keys, keep = ffi.new("const struct flow_key *[4]"), {}
      for i = 0, 3 do
        keep[i] = key_of(first + i * step)
        keys[i] = keep[i]
      end
      nf.flow_table_hash_four(t, keys, hash)
      for i = 0, 3 do lu.assertEquals(hash[i], nf.flow_table_hash(t, keep[i])) end
    end
  end
end

-- Every place can be used, whatever the keys are, and none is lost; three times.
function TestFlowTable:testFillsUpToTheLastPlace()
  for _, capacity in ipairs({ 16, 17, 100, 4096, 20000 }) do
    local t = table_of(capacity)
    for round = 0, 2 do
      local flows = {}
      for n = 1, capacity do
        flows[n] = add(t, n + round * 7777)
        lu.assertTrue(flows[n] ~= nil, "flow " .. n)
        flows[n].data[0] = n
      end
      lu.assertTrue(add(t, capacity + 1 + round * 7777) == nil, "one too many")
      lu.assertEquals(t.used, capacity)
      for n = 1, capacity do
        local flow = find(t, n + round * 7777, n % 3 == 0)
        lu.assertTrue(flow == flows[n] and flow.data[0] == n, "flow " .. n)
      end
      for n = capacity, 1, -1 do nf.flow_table_remove(t, flows[(n * 7919) % capacity + 1]) end
      lu.assertEquals(t.used, 0)
      lu.assertTrue(find(t, 1 + round * 7777) == nil)
    end
  end
end

-- All keys in one bucket: the spare buckets take them, and come back.
function TestFlowTable:testOneBucketForAll()
  local t = table_of(20000)
  local key, flows, n = ffi.new("struct flow_key"), {}, 0
  while #flows < 100 do
    n = n + 1
    nf.flow_key_ipv4(key, n, 1, 2, 3, 6, 0)
    local hash = nf.flow_table_hash(t, key)
    if bit.band(tonumber(hash % 4294967296ULL), t.mask) == 77 then
      local flow = nf.flow_table_add(t, key, hash)
      lu.assertTrue(flow ~= nil)
      flow.data[0] = n
      flows[#flows + 1] = { flow = flow, n = n }
    end
  end
  math.randomseed(3)
  while #flows > 0 do
    for _, f in ipairs(flows) do
      nf.flow_key_ipv4(key, f.n, 1, 2, 3, 6, 0)
      local found = nf.flow_table_find(t, key, nf.flow_table_hash(t, key))
      lu.assertTrue(found == f.flow and found.data[0] == f.n)
    end
    nf.flow_table_remove(t, table.remove(flows, math.random(#flows)).flow)
  end
  local free, at = 0, t.spare
  while at ~= 0 do free, at = free + 1, t.bucket[t.mask + at].next end
  lu.assertEquals(free, t.spare_count, "every spare bucket has come back")
  lu.assertEquals(t.bucket[77].next, 0)
end

function TestFlowTable:testTimeoutsAndAClockThatWraps()
  for _, start in ipairs({ 0, 1000000, 4294967296 - 1500 }) do
    local function at(ms) return (start + ms) % 4294967296 end
    local t = table_of(16)
    local a, b = add(t, 1), add(t, 2)
    a.seen_ms, a.timeout, b.seen_ms, b.timeout = at(0), 0, at(500), 2
    for _, case in ipairs({ { 0, false, false }, { 999, false, false }, { 1000, true, false }, { 3499, true, false },
      { 3500, true, true } }) do
      if case[1] >= 500 then lu.assertEquals(nf.flow_table_is_expired(t, b, at(case[1])), case[3]) end
      lu.assertEquals(nf.flow_table_is_expired(t, a, at(case[1])), case[2], "after " .. case[1])
    end
    local steps = ffi.new("uint32_t[1]", 40)
    lu.assertTrue(nf.flow_table_sweep(t, at(999), steps) == nil)
    lu.assertEquals(steps[0], 0)
    steps[0] = 16
    lu.assertTrue(nf.flow_table_sweep(t, at(3000), steps) == a)
    lu.assertTrue(steps[0] < 16)
    nf.flow_table_remove(t, a)
    lu.assertTrue(nf.flow_table_sweep(t, at(3000), steps) == nil)
  end
end

function TestFlowTable:testHalfOpenFlowsHaveALimitOfTheirOwn()
  local t = table_of(32, 8)
  for n = 1, 8 do lu.assertTrue(add(t, n) ~= nil) end
  lu.assertTrue(add(t, 9) == nil)
  lu.assertTrue(nf.flow_table_victim(t, 0) ~= nil)
  for n = 1, 8 do
    local flow = find(t, n)
    lu.assertFalse(nf.flow_table_is_settled(t, flow))
    nf.flow_table_settle(t, flow)
    nf.flow_table_settle(t, flow)
    lu.assertTrue(nf.flow_table_is_settled(t, flow))
  end
  lu.assertTrue(nf.flow_table_victim(t, 0) == nil, "no half-open flow there")
  lu.assertTrue(add(t, 9) ~= nil)
  lu.assertTrue(nf.flow_table_victim(t, 0) == nil, "there is room")
  nf.flow_table_limit(t, 1000)
  lu.assertEquals(t.half_open_most, 32)
  for n = 10, 32 do lu.assertTrue(add(t, n) ~= nil) end
  lu.assertTrue(add(t, 33) == nil)
  local chosen = {}
  for i = 0, 999 do
    local flow = nf.flow_table_victim(t, math.floor(i / 1000 * 4294967296))
    lu.assertFalse(nf.flow_table_is_settled(t, flow))
    chosen[tonumber(flow - t.flow)] = true
  end
  local count = 0
  for _ in pairs(chosen) do count = count + 1 end
  lu.assertEquals(count, 24, "chance may choose any of them")
  nf.flow_table_limit(t, 4)
  lu.assertTrue(add(t, 33) == nil)
  lu.assertEquals(t.half_open, 24, "a lower limit leaves those that are there")
end

-- A long life by chance beside a model: adding with displacement, settling, finding, silence, sweeping, removing.
function TestFlowTable:testAgainstAModel()
  math.randomseed(11)
  for _, size in ipairs({ { 16, 5 }, { 60, 60 }, { 1000, 300 } }) do
    local t, model, now = table_of(size[1], size[2]), {}, 4294967296 - 200000
    local used, half = 0, 0
    local function forget(n)
      used = used - 1
      if not model[n].settled then half = half - 1 end
      model[n] = nil
    end
    local function expired(m) return now - m.seen >= (m.timeout + 1) * 1000 end
    for step = 1, 12000 do
      now = now + math.random(0, 40)
      local clock = now % 4294967296
      local n = math.random(1, size[1] * 2)
      local flow, m = find(t, n, step % 2 == 0), model[n]
      lu.assertEquals(flow ~= nil, m ~= nil)
      if flow ~= nil then
        lu.assertEquals(flow.data[3], n)
        lu.assertEquals(nf.flow_table_is_settled(t, flow), m.settled)
        lu.assertEquals(nf.flow_table_is_expired(t, flow, clock), expired(m))
      end
      local action = math.random(1, 10)
      if flow == nil then
        local lot = math.random(0, 4294967295)
        if half > 0 then for prefetch = 0, 2 do nf.flow_table_prefetch_victim(t, lot, prefetch) end end
        local victim = nf.flow_table_victim(t, lot)
        lu.assertEquals(victim ~= nil, half > 0 and (half >= size[2] or used == size[1]))
        if victim ~= nil then
          lu.assertFalse(model[victim.data[3]].settled)
          forget(victim.data[3])
          nf.flow_table_remove(t, victim)
        end
        flow = add(t, n)
        lu.assertEquals(flow ~= nil, used < size[1] and half < size[2])
        if flow ~= nil then
          lu.assertEquals(flow.mark[0] + flow.data[0] + flow.data[1], 0)
          flow.seen_ms, flow.timeout, flow.data[3], flow.mark[0] = clock, n % 16, n, 9
          model[n] = { seen = now, timeout = n % 16, settled = false }
          used, half = used + 1, half + 1
        end
      elseif action <= 3 then
        nf.flow_table_settle(t, flow)
        if not m.settled then half = half - 1 end
        m.settled = true
      elseif action <= 6 then
        flow.seen_ms, m.seen = clock, now
      elseif action <= 7 then
        forget(n)
        nf.flow_table_remove(t, flow)
      end
      if step % 100 == 0 then
        local steps = ffi.new("uint32_t[1]", size[1])
        while true do
          local old = nf.flow_table_sweep(t, clock, steps)
          if old == nil then break end
          lu.assertTrue(expired(model[old.data[3]]))
          forget(old.data[3])
          nf.flow_table_remove(t, old)
        end
        for _, other in pairs(model) do lu.assertFalse(expired(other)) end
      end
      lu.assertEquals(t.used, used)
      lu.assertEquals(t.half_open, half)
    end
    for place = 0, size[1] - 1 do lu.assertEquals(t.place[t.order[place]], place) end
  end
end

os.exit(lu.LuaUnit.run(), true)
