-- Bursts of packets: taken, copied, freed and sent together, of several sizes and from other workers.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

TestBurst = {}

function TestBurst:setUp()
  support.memory(2000)
  lu.assertEquals(nf.memory_worker_add(nf.memory_segment_add(0, "PACKET_JUMBO", 10, -1)), 0)
end

function TestBurst:tearDown() lu.assertEquals(nf.memory_in_use(), 0ULL) end

local function link() return ffi.new("struct link") end
local small, large = ("0123456789"):rep(6), ("abcdefgh"):rep(1000)

local function fill(l, ...)
  support.send(l, ...)
  return l
end

function TestBurst:testAllocatedPacketsAreEmpty()
  local burst = ffi.new("struct packet *[200]")
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, 200), 200)
  lu.assertEquals(nf.memory_in_use(), 200ULL)
  for i = 0, 199 do
    nf.packet_append(burst[i], 10)
    burst[i].meta.flags, burst[i].meta.vlan, burst[i].meta.hash = 7, 7, 7
    nf.packet_strip(burst[i], 5)
  end
  nf.packet_free_burst(burst, 200)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, 200), 200)
  local seen = {}
  for i = 0, 199 do
    lu.assertEquals(burst[i].length, 0)
    lu.assertEquals(nf.packet_headroom(burst[i]), 128)
    lu.assertEquals(burst[i].meta.flags + burst[i].meta.vlan + burst[i].meta.hash, 0)
    local address = tonumber(ffi.cast("uintptr_t", burst[i]))
    lu.assertNil(seen[address])
    seen[address] = true
  end
  nf.packet_free_burst(burst, 200)
end

function TestBurst:testAllocStopsAtTheEndOfThePool()
  local n = nf.packet_pool[0].count
  local burst = ffi.new("struct packet *[?]", n + 50)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst, n + 50), n)
  lu.assertEquals(nf.packet_pool[0].exhausted, 1ULL)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_STANDARD", burst + n, 1), 0)
  lu.assertEquals(nf.packet_alloc_burst("PACKET_GSO", burst + n, 1), 0)
  nf.packet_free_burst(burst, n)
end

function TestBurst:testFreeOfMixedSizes()
  local l = fill(link(), small, large, large, small, small, large)
  lu.assertEquals(nf.link_free(l, 100), 6)
  lu.assertEquals(nf.packet_pool[0].taken, nf.packet_pool[0].returned)
  lu.assertEquals(nf.packet_pool[1].taken, 3ULL)
  lu.assertEquals(nf.packet_pool[1].returned, 3ULL)
end

-- Packets of another worker go home and not into this one's pool.
function TestBurst:testFreeOfAnotherWorkersPackets()
  lu.assertEquals(nf.memory_home_init(2), 0)
  local segment = nf.memory_segment[nf.memory_segment_add(1, "PACKET_STANDARD", 100, -1)]
  local foreign = ffi.cast("struct packet *", segment.base)
  foreign.worker = 1                    -- as that worker writes it when it starts
  local burst = ffi.new("struct packet *[3]")
  burst[0], burst[1], burst[2] = nf.packet_alloc(), foreign, nf.packet_alloc()
  local before = nf.packet_pool[0].count
  nf.packet_free_burst(burst, 3)
  lu.assertEquals(nf.packet_pool[0].count, before + 2)
  lu.assertEquals(nf.memory_home_init(1), 0)
end

function TestBurst:testCopiesAreEqualAndTheOriginalsStay()
  local from, to = link(), link()
  local list = { small, large, "", small, ("x"):rep(2048), large }
  for _ = 1, 180 do                     -- over the end of the ring
    fill(from, unpack(list))
    lu.assertEquals(nf.link_copy(from, to, 6), 6)
    lu.assertEquals(nf.link_waiting(from), 6)
    lu.assertEquals(support.receive(to), list)
    lu.assertEquals(nf.link_free(from, 6), 6)
  end
  lu.assertEquals(to.sent, 180 * 6ULL)
  lu.assertEquals(to.bytes, 180ULL * (60 + 8000 + 60 + 2048 + 8000))
end

function TestBurst:testCopyStopsWhereAPoolIsEmpty()
  local from, to = link(), link()
  fill(from, small, small, large, small)
  local jumbos, standards = {}, {}
  while nf.packet_pool[1].count > 0 do jumbos[#jumbos + 1] = nf.packet_alloc_size("PACKET_JUMBO") end
  lu.assertEquals(nf.link_copy(from, to, 4), 2)
  lu.assertEquals(nf.packet_pool[1].exhausted, 1ULL)
  lu.assertEquals(support.receive(to), { small, small })
  while nf.packet_pool[0].count > 1 do standards[#standards + 1] = nf.packet_alloc() end
  lu.assertEquals(nf.link_copy(from, to, 4), 1)
  lu.assertEquals(nf.packet_pool[0].exhausted, 1ULL)
  nf.link_free(to, 10)
  local burst = ffi.new("struct packet *[4]")
  lu.assertEquals(nf.packet_copy_burst(from.slot, burst, 4), 1)
  nf.packet_free_burst(burst, 1)
  for _, p in ipairs(jumbos) do nf.packet_free(p) end
  for _, p in ipairs(standards) do nf.packet_free(p) end
  nf.link_free(from, 10)
end

-- A copy has the room of its original: what lies at the very end is copied, too.
function TestBurst:testCopyAtTheEndOfTheBuffer()
  local p = nf.packet_alloc()
  nf.packet_append(p, nf.packet_tailroom(p))
  nf.packet_strip(p, p.length - 70)
  for i = 0, 69 do p.data[i] = i end
  local burst, copy = ffi.new("struct packet *[1]", { p }), ffi.new("struct packet *[1]")
  lu.assertEquals(nf.packet_copy_burst(burst, copy, 1), 1)
  lu.assertEquals(support.bytes(copy[0]), support.bytes(p))
  nf.packet_free_burst(copy, 1)
  nf.packet_free(p)
end

-- Over the end of both rings, which are at different places.
function TestBurst:testPassMovesInOrder()
  local from, to = link(), link()
  fill(to, small, small)
  lu.assertEquals(nf.link_free(to, 1), 1)
  fill(from, "first")
  for i = 1, 40 do
    for j = 1, 60 do fill(from, ("%d.%d"):format(i, j)) end
    fill(to, "x")
    nf.link_pass(from, to, 60, 100)
    lu.assertEquals(nf.link_waiting(from), 1)
    local list = support.receive(to)
    lu.assertEquals(list[#list], ("%d.%d"):format(i, 59))
    lu.assertEquals(list[#list - 59], i == 1 and "first" or ("%d.%d"):format(i - 1, 60))
    fill(to, "y")
  end
  lu.assertEquals(from.dropped + to.dropped, 0ULL)
  nf.link_free(from, 100)
  nf.link_free(to, 100)
end

function TestBurst:testFreeTakesNoMoreThanAsked()
  local l = fill(link(), small, small, small)
  lu.assertEquals(nf.link_free(l, 2), 2)
  lu.assertEquals(nf.link_waiting(l), 1)
  lu.assertEquals(nf.link_free(l, 2), 1)
  lu.assertEquals(nf.link_free(l, 2), 0)
end

os.exit(lu.LuaUnit.run(), true)
