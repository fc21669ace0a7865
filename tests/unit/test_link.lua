-- link: order, bounds, totals.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

TestLink = {}

local function new_link()
  return ffi.new("struct link")
end

local function packet(length)
  local p = nf.packet_alloc()
  nf.packet_append(p, length)
  return p
end

function TestLink:setUp() support.memory(3000) end

function TestLink:tearDown() lu.assertEquals(nf.memory_in_use(), 0ULL) end

function TestLink:testFirstInFirstOut()
  local link = new_link()
  for i = 1, 5 do nf.link_send(link, packet(i)) end
  lu.assertEquals(nf.link_waiting(link), 5)
  lu.assertEquals(nf.link_peek(link, 2).length, 3)
  for i = 1, 5 do
    local p = nf.link_receive(link)
    lu.assertEquals(p.length, i)
    nf.packet_free(p)
  end
  lu.assertEquals(nf.link_waiting(link), 0)
  lu.assertEquals(link.bytes, 15ULL)
  lu.assertEquals(link.sent, 5ULL)
end

function TestLink:testAFullLinkDropsAndCounts()
  local link = new_link()
  for _ = 1, 1030 do nf.link_send(link, packet(60)) end
  lu.assertEquals(nf.link_room(link), 0)
  lu.assertEquals(link.dropped, 6ULL)
  lu.assertEquals(link.sent, 1024ULL)
  lu.assertEquals(nf.memory_in_use(), 1024ULL)
  for _ = 1, 1024 do nf.packet_free(nf.link_receive(link)) end
end

function TestLink:testBurstsWrapAround()
  local link, burst = new_link(), ffi.new("struct packet *[300]")
  local number, expected = 0, 0
  for _ = 1, 20 do
    for i = 0, 299 do
      number = number + 1
      burst[i] = packet(number % 1000)
    end
    nf.link_send_burst(link, burst, 300)
    lu.assertEquals(nf.link_receive_burst(link, burst, 300), 300)
    for i = 0, 299 do
      expected = expected + 1
      lu.assertEquals(burst[i].length, expected % 1000)
      nf.packet_free(burst[i])
    end
  end
  lu.assertEquals(link.dropped, 0ULL)
end

function TestLink:testABurstThatDoesNotFitIsDroppedFromItsEnd()
  local link, burst = new_link(), ffi.new("struct packet *[100]")
  for _ = 1, 1000 do nf.link_send(link, packet(1)) end
  for i = 0, 99 do burst[i] = packet(100 + i) end
  nf.link_send_burst(link, burst, 100)
  lu.assertEquals(link.dropped, 76ULL)
  for _ = 1, 1000 do nf.packet_free(nf.link_receive(link)) end
  for i = 0, 23 do
    local p = nf.link_receive(link)
    lu.assertEquals(p.length, 100 + i)
    nf.packet_free(p)
  end
  lu.assertEquals(nf.link_receive_burst(link, burst, 100), 0)
end

function TestLink:testMoveStopsAtTheRoomOfTheReceiver()
  local from, to = new_link(), new_link()
  for i = 1, 800 do nf.link_send(from, packet(i)) end
  for _ = 1, 500 do nf.link_send(to, packet(1)) end
  lu.assertEquals(nf.link_move(from, to, 1000), 524)
  lu.assertEquals(nf.link_waiting(from), 276)
  lu.assertEquals(nf.link_peek(to, 500).length, 1)
  lu.assertEquals(nf.link_peek(to, 501).length, 2)
  lu.assertEquals(nf.link_peek(from, 0).length, 525)
  lu.assertEquals(to.bytes, ffi.cast("uint64_t", 500 + 524 * 525 / 2))
  for _, link in ipairs({ from, to }) do
    while nf.link_waiting(link) > 0 do nf.packet_free(nf.link_receive(link)) end
  end
end

os.exit(lu.LuaUnit.run())
