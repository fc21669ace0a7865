-- memory: segments, the window, packets that come home.
local lu = require("luaunit")
local ffi = require("ffi")
local bit = require("bit")
local nf = require("nf.core")
local support = require("support")

ffi.cdef([[
int fork(void);
int waitpid(int pid, int *status, int options);
void _exit(int code);
]])

TestMemory = {}

function TestMemory:setUp() support.memory(3000) end

function TestMemory:testSegmentsHoldAtLeastWhatWasAskedFor()
  local segment = nf.memory_segment[0]
  lu.assertTrue(segment.count >= 3000)
  lu.assertEquals(nf.packet_pool[0].count, segment.count)
  lu.assertEquals(segment.bytes % 0x200000, 0ULL)
end

function TestMemory:testTheStrideIsAnOddNumberOfCacheLines()
  for size, room in pairs({ [0] = 2048, [1] = 10240, [2] = 65664 }) do
    local number = nf.memory_segment_add(9, ffi.cast("enum packet_size", size), 10, -1)
    lu.assertTrue(number > 0)
    local segment = nf.memory_segment[number]
    lu.assertEquals(segment.stride % 64, 0)
    lu.assertEquals(segment.stride / 64 % 2, 1)
    lu.assertTrue(segment.stride - 64 - 128 >= room)
    nf.memory_segment_remove(number)
  end
end

function TestMemory:testNoPacketCrossesAHugePage()
  local base = ffi.cast("uint8_t *", nf.memory_segment[0].base)
  local seen, visits = {}, 0
  local visit = ffi.cast("void (*)(struct packet *, void *)", function(p)
    local offset = tonumber(ffi.cast("uint8_t *", p) - base)
    local page = math.floor(offset / 0x200000)
    lu.assertEquals(math.floor((offset + nf.memory_segment[0].stride - 1) / 0x200000), page)
    lu.assertNil(seen[offset])
    seen[offset] = true
    visits = visits + 1
  end)
  nf.memory_walk(visit, nil)
  visit:free()
  lu.assertEquals(visits, nf.memory_segment[0].count)
end

function TestMemory:testAnOffsetIsAPacketOnlyWhereAPacketBegins()
  local p = nf.packet_alloc()
  local offset = nf.memory_offset(p)
  lu.assertTrue(nf.memory_packet(offset) == p)
  lu.assertTrue(nf.memory_packet(offset + 1) == nil)
  lu.assertTrue(nf.memory_packet(offset + 64) == nil)
  lu.assertTrue(nf.memory_packet(ffi.cast("uint64_t", -64)) == nil)
  lu.assertTrue(nf.memory_packet(nf.memory_segment[0].bytes * 100) == nil)
  nf.packet_free(p)
end

function TestMemory:testAllocLengthTakesTheSmallestSizeThatFits()
  lu.assertTrue(nf.packet_alloc_length(5000) == nil)
  local number = nf.memory_segment_add(0, "PACKET_JUMBO", 10, -1)
  lu.assertEquals(nf.memory_worker_add(number), 0)
  local small, large = nf.packet_alloc_length(2048), nf.packet_alloc_length(2049)
  lu.assertEquals(small.size, 0)
  lu.assertEquals(large.size, 1)
  lu.assertEquals(large.length, 2049)
  nf.packet_free(small)
  nf.packet_free(large)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

function TestMemory:testASegmentThatIsTooLargeIsRefused()
  local used = nf.memory_segment_count
  lu.assertTrue(nf.memory_segment_add(0, "PACKET_GSO", 4000000000, -1) < 0)
  lu.assertStrContains(ffi.string(nf.nf_error()), "no room")
  lu.assertEquals(nf.memory_segment_count, used)
end

-- With huge pages in the system a segment uses them; when they run out, ordinary ones.
function TestMemory:testHugePagesAreUsedWhenThereAreAny()
  local path = "/proc/sys/vm/nr_hugepages"
  local before = support.read(path)
  local file = io.open(path, "w")
  lu.skipIf(file == nil, "not allowed to make huge pages (needs root)")
  file:write(tostring(tonumber(before) + 2))
  file:close()
  local free = tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s*(%d+)"))
  local number, too_many
  if free >= 1 then
    number = nf.memory_segment_add(9, "PACKET_STANDARD", 100, -1)
    too_many = nf.memory_segment_add(9, "PACKET_STANDARD", 936 * (free + 1), -1)
  end
  local huge, ordinary = number and nf.memory_segment[number].huge, too_many and not nf.memory_segment[too_many].huge
  if number then nf.memory_segment_remove(too_many) nf.memory_segment_remove(number) end
  support.write(path, before)
  lu.skipIf(free < 1, "the system has no 2 MiB in one piece")
  lu.assertTrue(huge)
  lu.assertTrue(ordinary)
end

-- Two processes: worker 0 allocates, worker 1 frees, and all come home. The packets' addresses travel as offsets.
function TestMemory:testPacketsFreedByAnotherWorkerComeHome()
  lu.assertEquals(nf.memory_home_init(2), 0)
  local total, offsets = 2500, {}
  for i = 1, total do offsets[i] = nf.memory_offset(nf.packet_alloc()) end
  local pid = ffi.C.fork()
  if pid == 0 then
    nf.packet_worker = 1
    for i = 1, total do nf.packet_free(nf.memory_packet(offsets[i])) end
    local started = os.time()
    repeat nf.memory_home() until os.time() - started >= 2
    ffi.C._exit(0)
  end
  local home, started = 0, os.time()
  while home < total and os.time() - started < 30 do home = home + nf.memory_home() end
  lu.assertEquals(home, total)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  local status = ffi.new("int[1]")
  lu.assertEquals(ffi.C.waitpid(pid, status, 0), pid)
  lu.assertEquals(bit.band(status[0], 0x7f), 0)
  lu.assertEquals(nf.memory_home_init(0), 0)
end

os.exit(lu.LuaUnit.run())
