-- basic.truncate: long packets are cut.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestTruncate = {}

function TestTruncate:setUp() support.memory(6000) end

local params = { "basic.truncate", length = 64 }

function TestTruncate:testCutsOnlyWhatIsLonger()
  local truncate = basic.start("basic.truncate", params)
  local text = ("abcdefgh"):rep(100)
  truncate:give(0, "", text:sub(1, 63), text:sub(1, 64), text:sub(1, 65), text)
  truncate:push()
  lu.assertEquals(truncate:take(0), { "", text:sub(1, 63), text:sub(1, 64), text:sub(1, 64), text:sub(1, 64) })
  lu.assertEquals(truncate:counter("truncated"), 2)
  truncate:finish()
end

-- What says how to finish or to cut up the whole packet must not stay on a part of it.
function TestTruncate:testUnfinishedChecksumGoesWithTheRest()
  local truncate = basic.start("basic.truncate", params)
  for _, length in ipairs({ 60, 100 }) do
    local p = support.packet(("x"):rep(length))
    p.meta.flags = nf.PACKET_CHECKSUM_PARTIAL + nf.PACKET_VLAN
    p.meta.gso = nf.PACKET_GSO_TCP4
    nf.link_send(truncate.app.input[0], p)
  end
  truncate.given = 2
  truncate:push()
  local whole, cut = nf.link_peek(truncate.app.output[0], 0).meta, nf.link_peek(truncate.app.output[0], 1).meta
  lu.assertEquals(whole.flags, nf.PACKET_CHECKSUM_PARTIAL + nf.PACKET_VLAN)
  lu.assertEquals(whole.gso, nf.PACKET_GSO_TCP4)
  lu.assertEquals(cut.flags, tonumber(nf.PACKET_VLAN))
  lu.assertEquals(cut.gso, tonumber(nf.PACKET_GSO_NONE))
  truncate:take(0)
  truncate:finish()
end

function TestTruncate:testEmptyFullAndHostile() basic.common("basic.truncate", params) end

function TestTruncate:testMessages()
  lu.assertEquals(basic.messages("basic.truncate", {}),
    { "app 'x': key 'length': is missing; accepted: a whole number 1..4294967295" })
  lu.assertEquals(basic.messages("basic.truncate", { length = 0 }),
    { "app 'x': key 'length': 0 is out of range; accepted: a whole number 1..4294967295" })
end

os.exit(lu.LuaUnit.run(), true)
