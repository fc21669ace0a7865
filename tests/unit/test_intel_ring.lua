-- intel_ring: descriptors as a broken or hostile card writes them back. Whatever stands there, packets stay within their buffers, none
-- is given twice, none is lost from the pool, and each is counted.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

-- The driver's own header, without what is for the preprocessor.
local header = support.read("src/apps/intel/intel_ring.h"):gsub("#[^\n]*", "")
ffi.cdef(header)
local C = ffi.C

local RING, ROOM = 64, 2048
local DD, EOP = 1, 2
local MALFORMED, HANG = tonumber(C.INTEL_MALFORMED), tonumber(C.INTEL_HANG)
local burst, bytes = ffi.new("struct packet *[64]"), ffi.new("uint64_t[1]")

local packets, last = ffi.new("struct packet *[?]", RING + 64), ffi.new("uint32_t[?]", RING)
local app, reasons, ring, tail, r, t

-- high half of a descriptor: status and errors, length, VLAN
local function written(status, length, vlan) return 1ULL * status + length * 2ULL ^ 32 + (vlan or 0) * 2ULL ^ 48 end

-- The card has written back the first n descriptors that it has.
local function fill(n, high, low)
  for i = 0, n - 1 do
    local d = ring[(r.next + i) % RING]
    d.high, d.low = type(high) == "function" and high(i) or high, low or 0
  end
end

-- Take what came; gives how many packets, and the lengths.
local function receive()
  local n, lengths = C.intel_receive(r, app, burst, 32, bytes), {}
  for i = 0, n - 1 do
    local p = burst[i]
    lu.assertTrue(p.length >= 1 and p.length <= ROOM)
    lu.assertEquals(nf.packet_headroom(p), 128)
    lengths[i + 1] = p.length
    nf.packet_free(p)
  end
  return n, lengths
end

TestIntelRing = {}

function TestIntelRing:setUp()
  support.memory(1000)
  app, reasons = ffi.new("struct app"), ffi.new("uint64_t[32]")
  ring, tail = ffi.new("struct intel_descriptor[?]", RING), ffi.new("uint32_t[1]")
  app.reason = reasons
  r, t = ffi.new("struct intel_receive"), ffi.new("struct intel_transmit")
  r.ring, r.packet, r.tail, r.mask, r.room, r.wrong = ring, packets, tail, RING - 1, ROOM, 3 * 2 ^ 30
  t.ring, t.packet, t.last, t.tail, t.mask, t.longest = ring, packets, last, tail, RING - 1, 1522
  t.command, t.command_last, t.unit = 0x23300000ULL, 0x08000000ULL, 1ULL + 2ULL ^ 46
  bytes[0] = 0
end

function TestIntelRing:tearDown()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- Begin to receive; at the end all is the pool's again, and what was received was delivered or counted.
local function receiving(f)
  C.intel_refill(r, true)
  lu.assertEquals(C.intel_posted(r), RING - 1)
  f()
  C.intel_receive_empty(r)
  lu.assertEquals(C.intel_posted(r), 0)
end

function TestIntelRing:testLengthsBeyondTheBufferAndEmptyFrames()
  receiving(function ()
    local lengths = { 0, 1, ROOM, ROOM + 1, 65535, 60 }
    fill(#lengths, function (i) return written(DD + EOP, lengths[i + 1]) end)
    local n, got = receive()
    lu.assertEquals(n, 3)
    lu.assertEquals(got, { 1, ROOM, 60 })
    lu.assertEquals(reasons[MALFORMED], 3ULL)
    lu.assertEquals(app.received, 6ULL)
    lu.assertEquals(bytes[0], 0ULL + 1 + ROOM + 60)
  end)
end

function TestIntelRing:testFramesInSeveralPiecesAndWithoutAnEnd()
  receiving(function ()
    -- Three pieces, whatever the last one's length is, are one frame that is dropped; the next one is whole.
    for _, rest in ipairs({ 0, 1, 100, 65535 }) do
      local before = reasons[MALFORMED]
      local pieces = { written(DD, ROOM), written(DD, 0), written(DD + EOP, rest), written(DD + EOP, 64) }
      fill(#pieces, function (i) return pieces[i + 1] end)
      local n, got = receive()
      lu.assertEquals(n, 1)
      lu.assertEquals(got, { 64 })
      lu.assertEquals(reasons[MALFORMED], before + 1)
      C.intel_refill(r, true)
    end
    -- No end for many laps of the ring: nothing comes of it, and the ring goes on.
    local before = app.received
    for _ = 1, 200 do
      fill(20, written(DD, 64))
      lu.assertEquals(receive(), 0)
      C.intel_refill(r, true)
      lu.assertEquals(C.intel_posted(r), RING - 1)
    end
    lu.assertEquals(app.received, before)
    fill(2, written(DD + EOP, 64))
    lu.assertEquals(receive(), 1)
    lu.assertEquals(app.received, before + 2)
  end)
end

-- All ones, in all descriptors, those that the card was not given among them.
function TestIntelRing:testOnesEverywhere()
  receiving(function ()
    ffi.fill(ring, ffi.sizeof(ring), 0xff)
    for _ = 1, 5 do receive() end
    lu.assertEquals(reasons[MALFORMED], 0ULL + RING - 1)
    lu.assertEquals(C.intel_posted(r), 0)
    C.intel_refill(r, true)
    lu.assertEquals(C.intel_posted(r), RING - 1)
    lu.assertEquals(receive(), 0)
  end)
end

local function random_word() return math.random(0, 0xffffffff) * 2ULL ^ 32 + math.random(0, 0xffffffff) end

-- Anything at all, written between any two steps.
function TestIntelRing:testReceivedGarbage()
  math.randomseed(41)
  receiving(function ()
    local delivered = 0
    for _ = 1, 3000 do
      for _ = 1, math.random(0, 20) do
        local d = ring[math.random(0, RING - 1)]
        d.low, d.high = random_word(), random_word()
      end
      fill(math.random(0, 20), function () return written(DD + EOP, math.random(0, 4000), math.random(0, 65535)) end, random_word())
      delivered = delivered + receive()
      if math.random() < 0.7 then C.intel_refill(r, math.random() < 0.5) end
      lu.assertTrue(C.intel_posted(r) <= RING - 1)
      lu.assertTrue(tail[0] < RING)
    end
    lu.assertTrue(delivered > 1000 and reasons[MALFORMED] > 1000, delivered)
    lu.assertEquals(app.received, delivered + reasons[MALFORMED])
  end)
end

local function send(link, n)
  for _ = 1, n do
    local p = nf.packet_alloc()
    nf.packet_append(p, 60)
    nf.link_send(link, p)
  end
  C.intel_send(t, app, link)
end

-- Nothing is ever reported: the ring fills, and the rest waits on the link.
function TestIntelRing:testReportsThatNeverCome()
  local link = ffi.new("struct link")
  for _ = 1, 6 do send(link, 20) end
  lu.assertEquals(C.intel_held(t), RING - 1)
  lu.assertEquals(nf.link_waiting(link), 120 - (RING - 1))
  lu.assertEquals(app.sent, 0ULL)
  C.intel_transmit_empty(t, app, HANG)
  lu.assertEquals(reasons[HANG], 0ULL + RING - 1)
  while nf.link_waiting(link) > 0 do nf.packet_free(nf.link_receive(link)) end
end

-- Reports of what was not sent, of what is not there, and garbage over all descriptors: each packet is given back once.
function TestIntelRing:testReportedGarbage()
  math.randomseed(42)
  local link, given = ffi.new("struct link"), 0
  for _ = 1, 3000 do
    for _ = 1, math.random(0, 20) do
      local d = ring[math.random(0, RING - 1)]
      d.low, d.high = random_word(), random_word()
    end
    local n = math.random(0, 12)
    if nf.link_waiting(link) < 500 then
      given = given + n
      send(link, n)
    else
      C.intel_send(t, app, link)
    end
    lu.assertTrue(C.intel_held(t) <= RING - 1)
    lu.assertTrue(tail[0] < RING)
    lu.assertEquals(app.sent + C.intel_held(t) + nf.link_waiting(link), 0ULL + given)
  end
  lu.assertTrue(app.sent > 1000)
  C.intel_transmit_empty(t, app, HANG)
  while nf.link_waiting(link) > 0 do nf.packet_free(nf.link_receive(link)) end
end

os.exit(lu.LuaUnit.run())
