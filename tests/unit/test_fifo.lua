-- fifo and heap: order, bounds, walking.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")

TestFifo = {}

local function item(n) return ffi.cast("void *", n) end
local function number(p) return tonumber(ffi.cast("uintptr_t", p)) end

local function fifo(limit)
  local entries = ffi.new("struct fifo_entry[?]", nf.fifo_slots(limit))
  local f = ffi.new("struct fifo")
  nf.fifo_init(f, entries, limit)
  return f, entries
end

function TestFifo:testSlotsAreAPowerOfTwo()
  for limit, slots in pairs({ [1] = 1, [2] = 2, [3] = 4, [1000] = 1024, [1024] = 1024, [1048576] = 1048576 }) do
    lu.assertEquals(nf.fifo_slots(limit), slots)
  end
end

function TestFifo:testOrderOverTheEndOfTheSlots()
  local f, entries = fifo(5)
  local put, taken = 0, 0
  for round = 1, 40 do
    while nf.fifo_room(f) > 0 and put < taken + 1 + round % 5 do
      put = put + 1
      nf.fifo_put(f, item(put), put * 10)
    end
    lu.assertEquals(nf.fifo_count(f), put - taken)
    lu.assertEquals(nf.fifo_walk(f), put - taken)
    lu.assertEquals(nf.fifo_first(f).key, ffi.cast("uint64_t", (taken + 1) * 10))
    for _ = 1, math.min(put - taken, 1 + round % 3) do
      taken = taken + 1
      lu.assertEquals(number(nf.fifo_take(f)), taken)
    end
  end
  lu.assertNotNil(entries)
end

function TestFifo:testLimitIsExact()
  local f, entries = fifo(3)
  for i = 1, 3 do nf.fifo_put(f, item(i), 0) end
  lu.assertEquals(nf.fifo_room(f), 0)
  lu.assertTrue(entries[3].item == nil)
end

-- What was taken behind the fifo's back is missed by the walk: it does not derive its result.
function TestFifo:testWalkLooksAtTheItems()
  local f, entries = fifo(4)
  for i = 1, 3 do nf.fifo_put(f, item(i), 0) end
  entries[1].item = nil
  lu.assertEquals(nf.fifo_walk(f), 2)
end

TestHeap = {}

function TestHeap:testSortsByKeyAndKeepsTheOrderOfEqualKeys()
  math.randomseed(4)
  local entries = ffi.new("struct heap_entry[500]")
  local h = ffi.new("struct heap")
  nf.heap_init(h, entries, 500)
  local kept = {}
  local function take()
    table.sort(kept, function (a, b) return a.key < b.key or (a.key == b.key and a.number < b.number) end)
    lu.assertEquals(h.entry[0].key, ffi.cast("uint64_t", kept[1].key))
    lu.assertEquals(number(nf.heap_take(h)), table.remove(kept, 1).number)
  end
  local n = 0
  for _ = 1, 60 do
    for _ = 1, math.random(1, 12) do
      n = n + 1
      kept[#kept + 1] = { key = math.random(0, 30), number = n }
      nf.heap_put(h, item(n), kept[#kept].key)
    end
    for _ = 1, math.min(h.count, math.random(0, 10)) do take() end
    lu.assertEquals(h.count, #kept)
  end
  while h.count > 0 do take() end
  lu.assertEquals(#kept, 0)
  for i = 0, 499 do lu.assertTrue(entries[i].item == nil) end
end

os.exit(lu.LuaUnit.run(), true)
