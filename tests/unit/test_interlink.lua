-- The ring between two workers: order, room, indices that wrap, garbage from the other side, and what a successor finds.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local HELD, SENT, FREED = 64, 128, 192

TestInterlink = {}

function TestInterlink:setUp()
  support.memory(4000)
  lu.assertEquals(nf.memory_home_init(2), 0)
  lu.assertEquals(nf.interlink_init(), 0)
  nf.packet_worker = 0
  self.ring = nf.interlink_make("w1:a.x -> w2:b.y", 0, 1)
  self.sent, self.received, self.bad = ffi.new("uint64_t[1]"), ffi.new("uint64_t[1]"), ffi.new("uint64_t[1]")
end

function TestInterlink:tearDown()
  nf.packet_worker = 0
  lu.assertEquals(nf.memory_home_init(0), 0)
end

-- n packets with numbers as lengths; gives how many went in. What did not is freed.
function TestInterlink:send(n, first)
  local burst = ffi.new("struct packet *[?]", n)
  for i = 0, n - 1 do
    burst[i] = nf.packet_alloc()
    burst[i].length = (first or 0) + i
  end
  local fit = nf.interlink_send(self.ring, self.received, burst, n)
  for i = fit, n - 1 do nf.packet_free(burst[i]) end
  return fit
end

-- As worker 2: take out up to n; gives a list.
function TestInterlink:receive(n)
  local burst, list = ffi.new("struct packet *[?]", n), {}
  nf.packet_worker = 1
  for i = 0, nf.interlink_receive(self.ring, self.sent, burst, n, self.bad) - 1 do list[i + 1] = burst[i] end
  nf.packet_worker = 0
  return list
end

function TestInterlink:testPacketsComeOutInOrderHoweverOftenTheRingWraps()
  local expected, out = {}, 0
  for round = 1, 400 do
    for i = 0, self:send(round % 7 + 1, round) - 1 do expected[#expected + 1] = round + i end
    for _, p in ipairs(self:receive(round % 5 + 3)) do
      out = out + 1
      lu.assertEquals(p.length, expected[out])
      lu.assertEquals(p.place, HELD + 1)
      p.place = 0
      nf.packet_free(p)
    end
  end
  lu.assertTrue(out > nf.INTERLINK_SLOTS)
  lu.assertEquals(nf.interlink_count(self.ring), #expected - out)
end

function TestInterlink:testAFullRingTakesNoMore()
  lu.assertEquals(self:send(1000), 1000)
  lu.assertEquals(self:send(100), 24)
  lu.assertEquals(self:send(1), 0)
  lu.assertEquals(#self:receive(10), 10)
  lu.assertEquals(self:send(100), 10)
  lu.assertEquals(nf.interlink_count(self.ring), 1024)
end

function TestInterlink:testAClosedRingTakesNothing()
  self.ring.closed = 1
  lu.assertEquals(self:send(3), 0)
end

function TestInterlink:testTheTableFindsRingsByName()
  lu.assertTrue(nf.interlink_find("w1:a.x -> w2:b.y") == self.ring)
  lu.assertTrue(nf.interlink_find("w1:a.x -> w2:b.z") == nil)
  lu.assertTrue(nf.interlink_find("") == nil)
  lu.assertTrue(nf.interlink_make("w1:a.x -> w2:b.y", 0, 1) == self.ring)
  for i = 2, 256 do lu.assertTrue(nf.interlink_make("link " .. i, 0, 1) ~= nil) end
  lu.assertTrue(nf.interlink_make("one more", 0, 1) == nil)
  lu.assertEquals(ffi.string(nf.nf_error()), "no more than 256 links between workers")
end

function TestInterlink:testOffsetsThatAreNoPacketsAreLeftOutAndCounted()
  lu.assertEquals(self:send(8), 8)
  local good = self.ring.slot[0]
  self.ring.slot[1] = good + 1
  self.ring.slot[2] = 0xffffffffffffffffULL
  self.ring.slot[3] = good                      -- twice
  self.ring.slot[4] = nf.memory_offset(nf.packet_alloc())       -- a packet that was not sent
  self.ring.slot[5] = good + 64
  local list = self:receive(64)
  lu.assertEquals(#list, 3)
  lu.assertEquals(self.bad[0], 5ULL)
  lu.assertEquals({ list[1].length, list[2].length, list[3].length }, { 0, 6, 7 })
end

function TestInterlink:testGarbageInTheIndices()
  self.ring.sent = 5000000
  lu.assertEquals(#self:receive(64), 0)
  lu.assertEquals(self.bad[0], 1ULL)
  lu.assertEquals(nf.interlink_count(self.ring), 0)
  self.ring.received = 77
  lu.assertEquals(self:send(64), 0)
end

-- Random garbage in all of the ring: nothing but packets that were sent comes out.
function TestInterlink:testRandomGarbage()
  math.randomseed(7)
  for _ = 1, 200 do
    self:send(20)
    for i = 0, 1023 do
      if math.random(4) == 1 then self.ring.slot[i] = math.random(0, 2 ^ 33) end
    end
    if math.random(10) == 1 then self.ring.sent = self.ring.sent + math.random(0, 5000) end
    for _, p in ipairs(self:receive(64)) do
      lu.assertEquals(p.place, HELD + 1)
      lu.assertTrue(nf.memory_packet(nf.memory_offset(p)) == p)
      p.place = 0
      nf.packet_free(p)
    end
  end
end

-- What worker 2 had when it died: received, about to be received, freed and published, freed and not published.
function TestInterlink:testASuccessorSendsHomeWhatTheDeadOneHad()
  lu.assertEquals(self:send(100), 100)
  local held = self:receive(60)
  local before = self.ring.received
  local half = self:receive(10)
  self.ring.received = before                   -- it died before it published that it had taken these
  nf.packet_worker = 1
  for i = 1, 20 do nf.packet_free(held[i]) end
  nf.memory_home()                              -- 20 are in the ring home
  for i = 21, 30 do nf.packet_free(held[i]) end -- 10 in the list of the process that is gone
  lu.assertEquals(nf.memory_recover(1), 40)     -- these, and the 30 that it held
  lu.assertEquals(half[1].place, SENT + 0)
  lu.assertEquals(held[60].place, FREED + 1)
  nf.memory_home()
  nf.packet_worker = 0
  lu.assertEquals(nf.memory_home(), 60)
  lu.assertEquals(nf.memory_in_use(), 40ULL)
  lu.assertEquals(nf.interlink_count(self.ring), 40)
end

-- What of worker 1's own packets its successor does not use: those that worker 2 has, and those in the ring.
function TestInterlink:testASuccessorLeavesAloneWhatOthersHave()
  local all = nf.packet_pool[0].count
  lu.assertEquals(self:send(100), 100)
  self:receive(30)
  for _ = 1, 5 do nf.packet_alloc() end         -- in hand: nobody else has them
  local lost = nf.packet_alloc()
  lost.place = SENT + 0                         -- it died before it published this one
  nf.memory_worker_stop()
  nf.packet_debug_segment(nf.memory_segment[0]) -- a new process knows nothing of what was free
  lu.assertEquals(nf.memory_recover(0), 0)
  lu.assertEquals(nf.memory_worker_start(0), 0)
  lu.assertEquals(nf.memory_away(), 100ULL)
  lu.assertEquals(nf.packet_pool[0].count, all - 100)
  lu.assertEquals(nf.memory_in_use(), 100ULL)
end

function TestInterlink:testAnUnusedRingGivesItsPacketsBack()
  lu.assertEquals(self:send(100), 100)
  nf.packet_worker = 2                          -- the supervisor
  lu.assertEquals(nf.interlink_remove(self.ring), 100)
  nf.memory_home()
  nf.packet_worker = 0
  lu.assertEquals(nf.memory_home(), 100)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

ffi.cdef("int fork(void); void _exit(int code); int waitpid(int pid, int *status, int options); int sched_yield(void);" ..
  "int kill(int pid, int signal);")

-- The second worker, a process of its own: take `count` packets, which must come in order, and free them: they go home.
local function take_all(ring, count)
  local burst, seen, bad, taken = ffi.new("struct packet *[64]"), ffi.new("uint64_t[1]"), ffi.new("uint64_t[1]"), 0
  nf.packet_worker = 1
  while taken < count do
    local n = nf.interlink_receive(ring, seen, burst, 64, bad)
    for i = 0, n - 1 do
      if burst[i].length ~= (taken + i) % 1000 then return 1 end
      nf.packet_free(burst[i])
    end
    taken = taken + n
    if nf.memory_home() == 0 and n == 0 then ffi.C.sched_yield() end
  end
  while nf.memory_home_own() > 0 do                     -- until the last one is in the ring home
    nf.memory_home()
    ffi.C.sched_yield()
  end
  return bad[0] == 0 and 0 or 2
end

-- Millions of packets one way, with fewer buffers than the ring has room for: the sender lives on what comes home.
function TestInterlink:testOneWayWithFewBuffersGoesOnForEver()
  local count = support.nf == "build/nf" and 3000000 or 200000
  -- As a supervisor does it: the memory first, then the processes, each of which enters it as the worker that it is.
  nf.memory_worker_stop()
  for i = tonumber(nf.memory_segment_count) - 1, 0, -1 do nf.memory_segment_remove(i) end
  lu.assertTrue(nf.memory_segment_add(0, "PACKET_STANDARD", 900, -1) >= 0)
  local child = ffi.C.fork()
  if child == 0 then ffi.C._exit(take_all(self.ring, count)) end
  lu.assertEquals(nf.memory_worker_start(0), 0)
  local buffers = nf.packet_pool[0].count
  lu.assertTrue(buffers < nf.INTERLINK_SLOTS)
  local burst, sent, dry, idle, status = ffi.new("struct packet *[64]"), 0, 0, 0, ffi.new("int[1]")
  while sent < count and idle < 20000000 do
    local n = 0
    while n < 64 and sent + n < count do
      local p = nf.packet_alloc()
      if p == nil then break end
      p.length = (sent + n) % 1000
      burst[n] = p
      n = n + 1
    end
    local fit = nf.interlink_send(self.ring, self.received, burst, n)
    for i = fit, n - 1 do nf.packet_free(burst[i]) end
    sent = sent + fit
    if n == 0 then dry = dry + 1 end
    if nf.memory_home() == 0 and fit == 0 then
      idle = idle + 1
      ffi.C.sched_yield()
    else
      idle = 0
    end
  end
  if sent < count then ffi.C.kill(child, 9) end
  lu.assertEquals(ffi.C.waitpid(child, status, 0), child)
  lu.assertEquals(sent, count, "it starved")
  lu.assertEquals(status[0], 0)
  lu.assertTrue(dry > 0)                                -- or this test shows nothing
  nf.memory_home()
  lu.assertEquals(nf.packet_pool[0].count, buffers)     -- and all of them are home
end

os.exit(lu.LuaUnit.run())
