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

-- One packet stays behind each time: a link that was emptied begins at its first slot again.
function TestLink:testBurstsWrapAround()
  local link, burst = new_link(), ffi.new("struct packet *[300]")
  local number, expected = 1, 0
  nf.link_send(link, packet(1))
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
  lu.assertEquals(nf.link_free(link, 300), 1)
end

function TestLink:testAnEmptiedLinkBeginsAtItsFirstSlot()
  local link, burst = new_link(), ffi.new("struct packet *[40]")
  for _ = 1, 100 do
    for i = 0, 39 do burst[i] = packet(i) end
    nf.link_send_burst(link, burst, 40)
    lu.assertTrue(link.slot[0] == burst[0])
    lu.assertTrue(link.slot[39] == burst[39])
    lu.assertEquals(nf.link_free(link, 40), 40)
  end
  lu.assertEquals(link.sent, 4000ULL)
  lu.assertEquals(link.received, 4000ULL)
end

-- All ways to send and receive, mixed at random, against two queues in Lua: order and totals stay right wherever the slots begin.
function TestLink:testAnyMixOfCallsKeepsTheOrder()
  local links, models = { new_link(), new_link() }, { {}, {} }
  local burst, number = ffi.new("struct packet *[500]"), 0
  local function fresh()
    number = number + 1
    return packet(number % 2000)
  end
  local sent = { 0, 0 }
  local function put(model, length)
    model[#model + 1] = length
    local i = model == models[1] and 1 or 2
    sent[i] = sent[i] + length
  end
  local function take(model, n)
    local taken = {}
    for i = 1, n do taken[i] = table.remove(model, 1) end
    return taken
  end
  local steps = {
    function(link, model)
      if nf.link_room(link) == 0 then return end
      local p = fresh()
      put(model, p.length)
      nf.link_send(link, p)
    end,
    function(link, model, n)
      n = math.min(n, nf.link_room(link))
      for i = 0, n - 1 do
        burst[i] = fresh()
        put(model, burst[i].length)
      end
      nf.link_send_burst(link, burst, n)
    end,
    function(link, model, n)
      n = math.min(n, nf.link_room(link))
      local bytes = 0
      for i = 0, n - 1 do
        burst[i] = fresh()
        bytes = bytes + burst[i].length
        put(model, burst[i].length)
      end
      nf.link_send_known(link, burst, n, bytes)
    end,
    function(link, model, n)
      n = math.min(n, #model)
      local count = ffi.new("uint32_t[1]", n)
      local list = nf.link_front(link, count)
      lu.assertTrue(n == 0 or count[0] > 0)
      for i = 0, count[0] - 1 do lu.assertEquals(list[i].length, model[i + 1]) end
    end,
    function(link, model)
      if #model == 0 then return end
      local p = nf.link_receive(link)
      lu.assertEquals(p.length, table.remove(model, 1))
      nf.packet_free(p)
    end,
    function(link, model, n)
      n = math.min(n, #model)
      lu.assertEquals(nf.link_receive_burst(link, burst, n), n)
      for i, length in ipairs(take(model, n)) do
        lu.assertEquals(burst[i - 1].length, length)
        nf.packet_free(burst[i - 1])
      end
    end,
    function(link, model, n)
      n = math.min(n, #model)
      lu.assertEquals(nf.link_free(link, n), n)
      take(model, n)
    end,
    function(link, model, n, other, other_model)
      n = math.min(n, #model, nf.link_room(other))
      lu.assertEquals(nf.link_move(link, other, n), n)
      for _, length in ipairs(take(model, n)) do put(other_model, length) end
    end,
    function(link, model, n, other, other_model)
      n = math.min(n, #model, nf.link_room(other))
      local bytes = 0
      for i = 1, n do bytes = bytes + model[i] end
      nf.link_pass(link, other, n, bytes)
      for _, length in ipairs(take(model, n)) do put(other_model, length) end
    end,
    function(link, model, n, other, other_model)
      n = math.min(n, #model, nf.link_room(other))
      lu.assertEquals(nf.link_copy(link, other, n), n)
      for i = 1, n do put(other_model, model[i]) end
    end,
  }
  math.randomseed(1)
  for _ = 1, 4000 do
    local from = math.random(2)
    local to = 3 - from
    steps[math.random(#steps)](links[from], models[from], math.random(0, 500), links[to], models[to])
    for i = 1, 2 do
      lu.assertEquals(nf.link_waiting(links[i]), #models[i])
      if #models[i] > 0 then lu.assertEquals(nf.link_peek(links[i], #models[i] - 1).length, models[i][#models[i]]) end
    end
  end
  -- Each link has counted the bytes of all that went in, as have the models.
  for i = 1, 2 do
    lu.assertEquals(tonumber(links[i].bytes), sent[i])
    lu.assertEquals(links[i].dropped, 0ULL)
    nf.link_free(links[i], 1024)
  end
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
