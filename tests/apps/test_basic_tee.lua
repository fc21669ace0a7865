-- basic.tee: every packet on every output.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestTee = {}

function TestTee:setUp() support.memory(9000) end

function TestTee:testEveryOutputGetsEveryPacketInOrder()
  local tee = basic.start("basic.tee", nil, nil, { "a", "b", "c" })
  tee:give_many(0, 300)
  tee:push_all()
  for i = 0, 2 do lu.assertEquals(tee:take_numbers(i), basic.range(1, 300)) end
  lu.assertEquals(tee.app.created, 600ULL)
  tee:finish()
end

function TestTee:testCopiesOfAllLengths()
  local tee = basic.start("basic.tee", nil, nil, { "a", "b" })
  local list = {}
  for i, length in ipairs({ 0, 1, 59, 60, 63, 64, 65, 128, 1514, 2048 }) do
    list[i] = {}
    for j = 1, length do list[i][j] = string.char((i * 31 + j * 7) % 256) end
    list[i] = table.concat(list[i])
  end
  tee:give(0, unpack(list))
  tee:push_all()
  lu.assertEquals(tee:take(0), list)
  lu.assertEquals(tee:take(1), list)
  tee:finish()
end

function TestTee:testOneOutputGetsThePacketsThemselves()
  local tee = basic.start("basic.tee", nil, nil, { "only" })
  tee:give_many(0, 10)
  tee:push()
  lu.assertEquals(#tee:take(0), 10)
  lu.assertEquals(tee.app.created, 0ULL)
  tee:finish()
end

function TestTee:testMetadataIsCopied()
  local tee = basic.start("basic.tee", nil, nil, { "a", "b" })
  local p = basic.packet("abc")
  p.meta.vlan, p.meta.flags, p.meta.timestamp = 7, nf.PACKET_VLAN, 12345
  nf.link_send(tee.app.input[0], p)
  tee:push()
  for i = 0, 1 do
    local q = nf.link_peek(tee.app.output[i], 0)
    lu.assertEquals(q.meta.vlan, 7)
    lu.assertEquals(q.meta.timestamp, 12345ULL)
  end
  tee.given = 1
  lu.assertEquals(tee:take(0), { "abc" })
  lu.assertEquals(tee:take(1), { "abc" })
  tee:finish()
end

-- The slowest output sets the pace: nothing is lost and nothing is sent twice.
function TestTee:testFullOutputHoldsUpAll()
  local tee = basic.start("basic.tee", nil, nil, { "a", "b" })
  tee:fill(1, 5)
  tee:give_many(0, 40)
  for _ = 1, 3 do tee:push() end
  lu.assertEquals(nf.link_waiting(tee.app.input[0]), 35)
  tee:balance()
  lu.assertEquals(tee:take_numbers(0), basic.range(1, 5))
  lu.assertEquals(tee:take_numbers(1), basic.range(1, 5))
  tee:push_all()
  lu.assertEquals(tee:take_numbers(0), basic.range(6, 40))
  lu.assertEquals(tee:take_numbers(1), basic.range(6, 40))
  tee:finish()
end

function TestTee:testExhaustedMemoryIsCounted()
  local tee = basic.start("basic.tee", nil, nil, { "a", "b" })
  tee:give_many(0, 50)
  local all = {}
  while nf.packet_pool[0].count > 10 do all[#all + 1] = nf.packet_alloc() end
  tee:push_all()
  lu.assertEquals(tee:counter("uncopied"), 40)
  lu.assertEquals(tee.app.created, 10ULL)
  for _, p in ipairs(all) do nf.packet_free(p) end
  lu.assertEquals(tee:take_numbers(0), basic.range(1, 10))
  lu.assertEquals(tee:take_numbers(1), basic.range(1, 50))
  tee:finish()
end

function TestTee:testLargePacketsAreCopiedIntoLargePackets()
  lu.assertEquals(nf.memory_worker_add(nf.memory_segment_add(0, "PACKET_JUMBO", 100, -1)), 0)
  local tee = basic.start("basic.tee", nil, nil, { "a", "b" })
  local large = ("0123456789"):rep(900)
  tee:give(0, "small", large, "small", large, large)
  tee:push()
  for i = 0, 1 do lu.assertEquals(tee:take(i), { "small", large, "small", large, large }) end
  tee:finish()
end

function TestTee:testEmptyFullAndHostile() basic.common("basic.tee", nil, nil, { "a", "b" }) end

os.exit(lu.LuaUnit.run(), true)
