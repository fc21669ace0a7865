-- vlan.tag, vlan.untag, vlan.mux: tags on and off.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

local MACS = "\2\0\0\0\0\1\2\0\0\0\0\2"
local function plain(n) return MACS .. "\8\0" .. "payload " .. (n or "") end
local function tagged(tci, n, type) return MACS .. (type or "\x81\0") .. tci .. plain(n):sub(13) end

TestVlan = {}

function TestVlan:setUp() support.memory(2000) end

-- Without the optional output.
local function pass(class, params, ...)
  params[1] = class
  local s = basic.start(class, params, nil, { "output" })
  s:give(0, ...)
  s:push()
  return s, s:take(0)
end

function TestVlan:testTag()
  local s, out = pass("vlan.tag", { vlan = 1092 }, plain(1), plain(2), tagged("\0\5", 3))
  lu.assertEquals(out, { tagged("\x04\x44", 1), tagged("\x04\x44", 2), MACS .. "\x81\0\x04\x44" .. tagged("\0\5", 3):sub(13) })
  s:finish()
  s, out = pass("vlan.tag", { vlan = 1, priority = 7, type = "802.1ad" }, plain(1))
  lu.assertEquals(out, { tagged("\xe0\1", 1, "\x88\xa8") })
  s:finish()
end

function TestVlan:testTagDropsWhatIsTooShort()
  local s, out = pass("vlan.tag", { vlan = 1 }, "", MACS, MACS .. "\8", plain():sub(1, 14))
  lu.assertEquals(out, { tagged("\0\1"):sub(1, 18) })
  lu.assertEquals(s:reason("untaggable"), 3)
  s:finish()
end

function TestVlan:testTagUntilThereIsNoRoom()
  local s = basic.start("vlan.tag", { "vlan.tag", vlan = 1 })
  local p, length = support.packet(plain()), #plain()
  s.given = 1
  while true do
    nf.link_send(s.app.input[0], p)
    s:push()
    if s:reason("untaggable") > 0 then break end
    p = nf.link_receive(s.app.output[0])
    length = length + 4
    lu.assertEquals(p.length, length)
  end
  lu.assertEquals(length, #plain() + nf.PACKET_HEADROOM)
  s:finish()
end

-- Priority and drop eligibility may be any; other VLANs, untagged frames and other tags are dropped.
function TestVlan:testUntag()
  local s, out = pass("vlan.untag", { vlan = 1092 }, tagged("\x04\x44", 1), tagged("\xf4\x44", 2), tagged("\x04\x45", 3), plain(4),
    tagged("\x04\x44", 5, "\x88\xa8"), tagged("\x04\x44", 6):sub(1, 18), tagged("\x04\x44", 7):sub(1, 17), "", tagged("\x14\x44"))
  lu.assertEquals(out, { plain(1), plain(2), plain(6):sub(1, 14), plain() })
  lu.assertEquals(s:reason("other-vlan"), 1)
  lu.assertEquals(s:reason("untagged"), 4)
  s:finish()
end

function TestVlan:testUntagOtherOutput()
  local s = basic.start("vlan.untag", { "vlan.untag", vlan = 5, type = "802.1ad" })
  s:give(0, tagged("\0\5", 1, "\x88\xa8"), tagged("\0\6", 2, "\x88\xa8"), plain(3))
  s:push()
  lu.assertEquals(s:take(0), { plain(1) })
  lu.assertEquals(s:take(1), { tagged("\0\6", 2, "\x88\xa8"), plain(3) })
  s:finish()
end

-- A tag beside the data, as a card or a socket brings it, is a tag of type 802.1Q.
function TestVlan:testTagBesideTheData()
  local s = basic.start("vlan.untag", { "vlan.untag", vlan = 5 })
  for _, tci in ipairs({ 0x2005, 6 }) do
    local p = support.packet(plain(tci))
    p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, tci
    nf.link_send(s.app.input[0], p)
    s.given = s.given + 1
  end
  s:push()
  local p = nf.link_peek(s.app.output[0], 0)
  lu.assertEquals({ p.meta.flags, p.meta.vlan }, { 0, 0 })
  lu.assertEquals(s:take(0), { plain(0x2005) })
  lu.assertEquals(#s:take(1), 1)
  s:finish()
  s = basic.start("vlan.tag", { "vlan.tag", vlan = 9 })
  p = support.packet(plain(1))
  p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, 6
  nf.link_send(s.app.input[0], p)
  s.given = 1
  s:push()
  lu.assertEquals(s:take(0), { MACS .. "\x81\0\0\9" .. tagged("\0\6", 1):sub(13) })
  s:finish()
end

-- The place of an unfinished checksum moves with the data.
function TestVlan:testUnfinishedChecksum()
  for class, distance in pairs({ ["vlan.tag"] = 4, ["vlan.untag"] = -4 }) do
    local s = basic.start(class, { class, vlan = 5 })
    local p = support.packet(tagged("\0\5", 1) .. ("x"):rep(60))
    p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = nf.PACKET_CHECKSUM_PARTIAL, 38, 2
    nf.link_send(s.app.input[0], p)
    s.given = 1
    s:push()
    lu.assertEquals(nf.link_peek(s.app.output[0], 0).meta.checksum_start, 38 + distance)
    s:take(0)
    s:finish()
  end
end

function TestVlan:testHostileFramesAndFullOutputs()
  basic.common("vlan.tag", { "vlan.tag", vlan = 1 })
  basic.common("vlan.mux", { "vlan.mux" }, { "trunk" }, { "native" })
  basic.common("vlan.mux", { "vlan.mux" }, { "vlan1" }, { "trunk" })
  basic.common("vlan.untag", { "vlan.untag", vlan = 1 })
  basic.common("vlan.untag", { "vlan.untag", vlan = 1 }, nil, { "output" })
end

local function mux(inputs, outputs, params)
  params = params or {}
  params[1] = "vlan.mux"
  return basic.start("vlan.mux", params, inputs, outputs)
end

function TestVlan:testMuxFromTheTrunk()
  local s = mux({ "trunk" }, { "vlan5", "native", "vlan4094", "vlan0" })
  s:give(0, tagged("\0\5", 1), tagged("\x2f\xfe", 2), plain(3), tagged("\xe0\0", 4), tagged("\0\6", 5), tagged("\0\5", 6, "\x88\xa8"))
  s:push()
  lu.assertEquals(s:take(0), { plain(1) })
  lu.assertEquals(s:take(1), { plain(3), tagged("\0\5", 6, "\x88\xa8") })
  lu.assertEquals(s:take(2), { plain(2) })
  lu.assertEquals(s:take(3), { plain(4) })
  lu.assertEquals(s:reason("unknown-vlan"), 1)
  s:finish()
  s = mux({ "trunk" }, { "vlan5" })
  s:give(0, plain(1), "")
  s:push()
  lu.assertEquals(s:reason("untagged"), 2)
  s:finish()
end

function TestVlan:testMuxToTheTrunk()
  local s = mux({ "vlan5", "native", "vlan6" }, { "trunk" }, { priority = 1 })
  s:give(0, plain(1), "short")
  s:give(1, plain(2))
  s:give(2, plain(3))
  s:push()
  lu.assertEquals(s:take(0), { tagged("\x20\5", 1), plain(2), tagged("\x20\6", 3) })
  lu.assertEquals(s:reason("untaggable"), 1)
  s:finish()
end

-- A full VLAN holds up what comes from the trunk, not what goes there; a full trunk not what comes from it.
function TestVlan:testMuxRoom()
  local s = mux({ "trunk", "vlan5" }, { "trunk", "vlan5", "vlan6" })
  s:fill(1, 0)
  s:give(0, tagged("\0\6", 1))
  s:give(1, plain(2))
  s:push()
  lu.assertEquals(s:take(0), { tagged("\0\5", 2) })
  lu.assertEquals(s:take(2), {})
  s:take(1)
  s:fill(0, 0)
  s:give(1, plain(3))
  s:push()
  lu.assertEquals(s:take(2), { plain(1) })
  s:balance()
  s:take(0)
  s:push()
  lu.assertEquals(s:take(0), { tagged("\0\5", 3) })
  s:finish()
end

function TestVlan:testMuxMistakes()
  local function mistakes(inputs, outputs) return select(2, support.new("vlan.mux", { "vlan.mux" }, inputs, outputs)) end
  for _, name in ipairs({ "vlan4095", "vlan", "vlan05", "vlan5x", "vlan-1", "x" }) do
    lu.assertEquals(mistakes({ "trunk" }, { name }), { ("app 'x': there is no port '%s'; accepted: trunk, native, vlan0 to vlan4094"):format(name) })
  end
  lu.assertEquals(mistakes({ "vlan1" }, { "vlan1" }), { "app 'x': its output 'trunk' is not linked", "app 'x': its input 'trunk' is not linked" })
end

function TestVlan:testMistakes()
  lu.assertEquals(#basic.messages("vlan.tag", { "vlan.tag", vlan = 4095, priority = 8, type = "x" }), 3)
  lu.assertEquals(#basic.messages("vlan.untag", { "vlan.untag", vlan = 4095 }), 1)
end

os.exit(lu.LuaUnit.run())
