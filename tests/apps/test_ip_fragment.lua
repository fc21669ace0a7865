-- ip.fragment4 and ip.fragment6: what is longer than the MTU leaves in fragments.
local lu = require("luaunit")
local bit = require("bit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")
local frames = require("support_frames")
local ip = require("support_ip")

local u16, u32 = frames.u16, frames.u32
local OUTPUT, ERRORS = 0, 1

TestFragment = {}

function TestFragment:setUp()
  support.memory(4000, 60)
  nf.clock_set(nf.clock_now() + 1000000000ULL)
end

local function start4(params)
  params = params or {}
  params[1], params.first_id = "ip.fragment4", params.first_id or 0x4243
  return basic.start("ip.fragment4", params, nil, params.error_source and { "output", "errors" } or { "output" })
end
local function start6(params)
  params = params or {}
  params[1], params.first_id = "ip.fragment6", params.first_id or 0x42424243
  return basic.start("ip.fragment6", params, nil, params.error_source and { "output", "errors" } or { "output" })
end

local function cut(s, ...)
  s:give(0, ...)
  s:push_all()
  return s:take(OUTPUT)
end

local function payload(n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(i * 7 % 251) end
  return table.concat(bytes)
end

local function read16(text, at) return text:byte(at + 1) * 256 + text:byte(at + 2) end

-- The fragments that a whole IPv4 packet must become: written apart from the C code.
local function fragments4(o, text, mtu, id)
  local list, per = {}, math.floor((mtu - 20 - #(o.options or "")) / 8) * 8
  for at = 0, #text - 1, per do
    local last = at + per >= #text
    local copy = { id = id, fragment = (o.fragment or 0) + at / 8 + (last and 0 or 0x2000) }
    for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
    list[#list + 1] = ip.ipv4(copy, text:sub(at + 1, at + per))
  end
  return list
end

local function fragments6(o, text, mtu, id)
  local list, per = {}, math.floor((mtu - 48) / 8) * 8
  for at = 0, #text - 1, per do
    local copy = {}
    for k, v in pairs(o) do copy[k] = v end
    copy.next = 44
    list[#list + 1] = ip.ipv6(copy, string.char(o.next or 17, 0) .. u16(at + (at + per < #text and 1 or 0)) .. u32(id) .. text:sub(at + 1, at + per))
  end
  return list
end

-- Two fragments, as the data of the lwAFTR has them: 1046 bytes for an MTU of 576 are 572 and 440.
function TestFragment:testTwoFragments()
  local s, o = start4({ mtu = 576 }), { tos = 0x89, ttl = 17, protocol = 6 }
  local text = payload(992)
  local out = cut(s, ip.ipv4(o, text))
  lu.assertEquals(out, fragments4(o, text, 576, 0x4243))
  lu.assertEquals({ #out[1] - 14, #out[2] - 14 }, { 572, 460 })
  lu.assertEquals(s:counter("out-ipv4-frag"), 2)
  lu.assertEquals(s:counter("out-ipv4-frag-not"), 0)
  s:finish()
end

function TestFragment:testSixTunnelPackets()
  local s, o = start6({ mtu = 1280 }), { next = 4, class_label = 0x8912345, hop_limit = 255 }
  local out = cut(s, ip.ipv6(o, payload(1480)))
  lu.assertEquals(out, fragments6(o, payload(1480), 1280, 0x42424243))
  lu.assertEquals({ #out[1], #out[2] }, { 14 + 48 + 1232, 14 + 48 + 248 })
  lu.assertEquals(s:counter("out-ipv6-frag"), 2)
  s:finish()
end

-- The edge: as long as the MTU fits, one byte more does not.
function TestFragment:testEdge()
  for mtu = 1280, 1288 do
    local s = start4({ mtu = mtu })
    local whole, over = ip.ipv4({}, payload(mtu - 20)), payload(mtu - 19)
    lu.assertEquals(cut(s, whole), { whole })
    lu.assertEquals(cut(s, ip.ipv4({}, over)), fragments4({}, over, mtu, 0x4243))
    lu.assertEquals(s:counter("out-ipv4-frag-not"), 1)
    s:finish()
    s = start6({ mtu = mtu })
    whole, over = ip.ipv6({}, payload(mtu - 40)), payload(mtu - 39)
    lu.assertEquals(cut(s, whole), { whole })
    lu.assertEquals(cut(s, ip.ipv6({}, over)), fragments6({}, over, mtu, 0x42424243))
    lu.assertEquals(s:counter("out-ipv6-frag-not"), 1)
    s:finish()
  end
end

-- In order of their offsets, and packets in their order: what fits does not overtake.
function TestFragment:testOrder()
  local s = start4({ mtu = 68 })
  local small = ip.ipv4({ id = 9 }, "small")
  local long = payload(400)
  local expected = { small }
  for _, frame in ipairs(fragments4({}, long, 68, 0x4243)) do expected[#expected + 1] = frame end
  expected[#expected + 1] = small
  for _, frame in ipairs(fragments4({}, long, 68, 0x4244)) do expected[#expected + 1] = frame end
  lu.assertEquals(cut(s, small, ip.ipv4({}, long), small, ip.ipv4({}, long)), expected)
  lu.assertEquals(s:counter("out-ipv4-frag"), #expected - 2)
  lu.assertEquals(s:counter("out-ipv4-frag-not"), 2)
  s:finish()
end

-- RFC 791, 3.1: all options by default, or those that are flagged to be copied.
function TestFragment:testOptions()
  -- Record route (7, not copied), loose source route (131, copied), no operation, end.
  local options = "\7\7\4\0\0\0\0" .. "\131\7\4\1\2\3\4" .. "\1\0"
  local o = { options = options }
  local s = start4({ mtu = 100 })
  lu.assertEquals(cut(s, ip.ipv4(o, payload(150))), fragments4(o, payload(150), 100, 0x4243))
  s:finish()
  s = start4({ mtu = 100, options = "flagged" })
  local out = cut(s, ip.ipv4(o, payload(150)))
  lu.assertEquals(out[1], ip.ipv4({ options = options, id = 0x4243, fragment = 0x2000 }, payload(64)))
  lu.assertEquals(out[2], ip.ipv4({ options = "\131\7\4\1\2\3\4\0", id = 0x4243, fragment = 0x2000 + 8 }, payload(136):sub(65)))
  lu.assertEquals(out[3], ip.ipv4({ options = "\131\7\4\1\2\3\4\0", id = 0x4243, fragment = 17 }, payload(150):sub(137)))
  lu.assertEquals(#out, 3)
  -- An option that does not fit ends the list.
  for _, wrong in ipairs({ "\7\0\0\0", "\131\1\0\0", "\131\99\0\0", "\1\1\1\131" }) do
    out = cut(s, ip.ipv4({ options = wrong }, payload(150)))
    lu.assertEquals(out[2]:byte(15), 0x45)
  end
  s:finish()
end

-- A fragment that is too long itself is cut again: offset, flag and identification go on (others lose them).
function TestFragment:testFragmentOfAFragment()
  local s = start4({ mtu = 300 })
  local text = payload(800)
  for _, fragment in ipairs({ 0x2000, 0x2000 + 100, 100 }) do
    local out = cut(s, ip.ipv4({ id = 77, fragment = fragment }, text))
    lu.assertEquals(#out, 3)
    for i, frame in ipairs(out) do
      lu.assertEquals(read16(frame, 18), 77)
      lu.assertEquals(bit.band(read16(frame, 20), 0x1fff), bit.band(fragment, 0x1fff) + (i - 1) * 35)
      lu.assertEquals(bit.band(read16(frame, 20), 0x2000), i < 3 and 0x2000 or bit.band(fragment, 0x2000))
    end
  end
  s:finish()
end

function TestFragment:testDontFragment()
  local s = start4({ mtu = 576 })
  lu.assertEquals(cut(s, ip.ipv4({ fragment = 0x4000 }, payload(600)), ip.ipv4({ fragment = 0x4000 }, payload(556))),
    { ip.ipv4({ fragment = 0x4000 }, payload(556)) })
  lu.assertEquals(s:reason("dont-fragment"), 1)
  lu.assertEquals(s:counter("out-ipv4-frag"), 0)
  s:finish()
end

-- The sender is told, from the address that was given: 576 bytes at most.
function TestFragment:testErrors4()
  local s = start4({ mtu = 576, error_source = "10.0.0.1" })
  local packet = ip.ipv4({ fragment = 0x4000 }, payload(1000))
  lu.assertEquals(cut(s, packet), {})
  local out = s:take(ERRORS)
  lu.assertEquals(out, { ip.ipv4({ src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC, id = 0, ttl = 255, protocol = 1, src = ip.ip4("10.0.0.1"),
    dst = ip.ip4("192.0.2.1") }, ip.icmp(3, 4, "\0\0\2\64" .. packet:sub(15, 14 + 548))) })
  lu.assertEquals(s:counter("out-errors"), 1)
  s:finish()
end

function TestFragment:testErrors6()
  local s = start6({ mtu = 1280, error_source = "2001:db8::ff", refuse = true })
  local packet = ip.ipv6({}, payload(2000))
  lu.assertEquals(cut(s, packet), {})
  local o = { src_mac = ip.OWN_MAC, dst_mac = ip.PEER_MAC, next = 58, hop_limit = 255, src = ip.ip6("2001:db8::ff"), dst = ip.ip6("2001:db8::1") }
  lu.assertEquals(s:take(ERRORS), { ip.ipv6(o, ip.icmp6(o, 2, 0, "\0\0\5\0" .. packet:sub(15, 14 + 1232))) })
  lu.assertEquals(s:reason("too-big"), 1)
  s:finish()
end

-- RFC 1122, 3.2.2 and RFC 4443, 2.4: about which packets nobody is told.
function TestFragment:testNoErrorAbout()
  local s = start4({ mtu = 576, error_source = "10.0.0.1" })
  local text, list = payload(1000), { { src = ip.ip4("0.0.0.0") }, { src = ip.ip4("127.0.0.1") }, { src = ip.ip4("224.0.0.1") },
    { dst = ip.ip4("239.1.1.1") }, { dst = ip.ip4("255.255.255.255") }, { fragment = 0x4001 }, { dst_mac = ip.ALL_MAC } }
  for _, o in ipairs(list) do
    o.fragment = o.fragment or 0x4000
    cut(s, ip.ipv4(o, text))
  end
  for type = 0, 40 do cut(s, ip.ipv4({ fragment = 0x4000, protocol = 1 }, string.char(type) .. text)) end
  lu.assertEquals(#s:take(ERRORS), 10, "only about ICMP queries")
  lu.assertEquals(s:reason("dont-fragment"), #list + 41)
  s:finish()
  s = start6({ error_source = "2001:db8::ff", refuse = true })
  text = payload(2000)
  cut(s, ip.ipv6({ src = ("\0"):rep(16) }, text), ip.ipv6({ src = ip.ip6("ff02::1") }, text), ip.ipv6({ next = 58 }, "\1" .. text),
    ip.ipv6({ next = 0 }, "\58\0\1\4\0\0\0\0\3" .. text), ip.ipv6({ next = 44 }, "\17\0\0\8\0\0\0\0" .. text))
  lu.assertEquals(s:take(ERRORS), {})
  cut(s, ip.ipv6({ next = 58 }, "\128" .. text), ip.ipv6({ dst = ip.ip6("ff02::1"), dst_mac = "\x33\x33\0\0\0\1" }, text),
    ip.ipv6({ next = 44 }, "\17\0\0\1\0\0\0\0" .. text))
  lu.assertEquals(#s:take(ERRORS), 3)
  lu.assertEquals(s:reason("too-big"), 8)
  s:finish()
end

function TestFragment:testErrorsAreLimited()
  local s = start4({ mtu = 576, error_source = "10.0.0.1", error_rate = 5 })
  local function errors(n)
    for _ = 1, n do cut(s, ip.ipv4({ fragment = 0x4000 }, payload(600))) end
    return #s:take(ERRORS)
  end
  lu.assertEquals(errors(20), 5)
  nf.clock_set(nf.clock_now() + 1000000000ULL)
  lu.assertEquals(errors(20), 5)
  s:finish()
end

-- The headers that every fragment must have, and those that go with the payload.
function TestFragment:testExtensionHeaders()
  local hop, dst, route = "\0\1\4\0\0\0\0", "\0\1\4\0\0\0\0", "\0\0\0\0\0\0\0"
  local function check(chain, next, unfragmentable, expected_next)
    local s = start6({ mtu = 1280 })
    local whole = ip.ipv6({ next = next }, chain .. payload(2000))
    local out = cut(s, whole)
    lu.assertTrue(#out >= 2)
    local per = math.floor((1280 - 48 - unfragmentable) / 8) * 8
    for i, frame in ipairs(out) do
      lu.assertTrue(#frame - 14 <= 1280)
      lu.assertEquals(read16(frame, 18), #frame - 54)
      local at = 54 + unfragmentable
      lu.assertEquals(frame:byte(at + 1), expected_next)
      lu.assertEquals(read16(frame, at + 2), (i - 1) * per + (i < #out and 1 or 0))
    end
    -- Together they are the packet again.
    local together = {}
    for i, frame in ipairs(out) do together[i] = frame:sub(54 + unfragmentable + 9) end
    lu.assertEquals(table.concat(together), whole:sub(54 + unfragmentable + 1))
    s:finish()
  end
  check("", 17, 0, 17)
  check("\17" .. hop, 0, 8, 17)
  check("\60" .. hop .. "\43" .. dst .. "\17" .. route, 0, 24, 17)
  check("\17" .. dst, 60, 0, 60)
  check("\60" .. hop .. "\17" .. dst, 0, 8, 60)
  check("\60" .. route .. "\17" .. dst, 43, 8, 60)
end

function TestFragment:testImpossibleHeaders()
  local s = start6({ mtu = 1280 })
  lu.assertEquals(cut(s, ip.ipv6({ next = 44 }, "\17\0\0\1\0\0\0\1" .. payload(1500)), ip.ipv6({ next = 0 }, "\17\255" .. payload(1500)),
    ip.ipv6({ next = 0 }, ("\0\0\1\4\0\0\0\0"):rep(170))), {})
  lu.assertEquals(s:reason("too-big"), 3)
  s:finish()
end

-- Offsets that would pass the end, lengths that pass the frame, a middle fragment that is not whole.
function TestFragment:testInvalid()
  local s = start4({ mtu = 576 })
  lu.assertEquals(cut(s, ip.ipv4({ fragment = 0x1fff }, payload(600)), ip.ipv4({ fragment = 0x2000 }, payload(601)),
    ip.ipv4({ total = 700 }, payload(600))), {})
  lu.assertEquals(s:reason("invalid"), 3)
  s:finish()
  s = start6()
  lu.assertEquals(cut(s, ip.ipv6({ payload = 3000 }, payload(2000))), {})
  lu.assertEquals(s:reason("invalid"), 1)
  s:finish()
end

-- Long frames that are none of its business, and padding.
function TestFragment:testOthersPass()
  local s = start4({ mtu = 100 })
  local list = { ip.ipv6({}, payload(500)), ip.ethernet({}, "\8\6", payload(500)), ip.ipv4({ total = 19 }, payload(500)),
    ip.ipv4({}, payload(50)) .. ("\0"):rep(500) }
  lu.assertEquals(cut(s, unpack(list)), list)
  lu.assertEquals(s:counter("out-ipv4-frag-not"), 4)
  s:finish()
  s = start6()
  list = { ip.ipv4({}, payload(1900)), ip.ethernet({}, ip.TYPE6, "\x45" .. payload(1900)) }
  lu.assertEquals(cut(s, unpack(list)), list)
  s:finish()
end

local function ids(out)
  local list, seen = {}, {}
  for _, frame in ipairs(out) do
    local id = read16(frame, 18)
    if not seen[id] then list[#list + 1] = id end
    seen[id] = true
  end
  return list
end

-- By default each pair of hosts has identifications of its own: one more each time, begun anywhere.
function TestFragment:testIdentification()
  local s = basic.start("ip.fragment4", { "ip.fragment4", mtu = 576 }, nil, { "output" })
  local begins = {}
  for host = 1, 20 do
    local o = { dst = ip.ip4("198.51.100." .. host), id = 1 }
    local out = cut(s, ip.ipv4(o, payload(600)), ip.ipv4(o, payload(600)))
    local list = ids(out)
    lu.assertEquals(#list, 2)
    lu.assertEquals((list[1] + 1) % 65536, list[2])
    begins[list[1]] = true
  end
  local n = 0
  for _ in pairs(begins) do n = n + 1 end
  lu.assertTrue(n > 15, "different hosts, different numbers")
  s:finish()
  s = start4({ mtu = 576, identification = "keep" })
  lu.assertEquals(ids(cut(s, ip.ipv4({ id = 4711 }, payload(600)))), { 4711 })
  s:finish()
end

function TestFragment:testReloadGoesOnWithTheNumbers()
  local s = start4({ mtu = 576 })
  lu.assertEquals(ids(cut(s, ip.ipv4({}, payload(600)))), { 0x4243 })
  s:reconfigure({ "ip.fragment4", mtu = 500, first_id = 0x4243 })
  lu.assertEquals(ids(cut(s, ip.ipv4({}, payload(600)))), { 0x4244 })
  s:reconfigure({ "ip.fragment4", mtu = 500, first_id = 7 })
  lu.assertEquals(ids(cut(s, ip.ipv4({}, payload(600)))), { 7 })
  s:finish()
end

-- Without room, or without packets: it waits, or is dropped as a whole; never a part.
function TestFragment:testRoom()
  local s = start4({ mtu = 68 })
  s:fill(OUTPUT, 5)
  s:give(0, ip.ipv4({}, "small"), ip.ipv4({}, payload(300)), ip.ipv4({}, "small"))
  s:push()
  lu.assertEquals(s:waiting_inputs(), 2, "seven fragments and what stands behind them wait")
  s:balance()
  s:take(OUTPUT)
  s:push()
  lu.assertEquals(#s:take(OUTPUT), 8)
  s:finish()
end

function TestFragment:testTooManyFragments()
  local s = start4({ mtu = 68 })
  support.memory(100, nil, 4)
  local frame = ip.ipv4({}, payload(60000))
  lu.assertEquals(cut(s, frame), {})
  lu.assertEquals(s:reason("too-many"), 1)
  s:finish()
end

function TestFragment:testWithoutPacketMemory()
  support.memory(1)
  local s = start4({ mtu = 68 })
  local all, packet = {}, support.packet(ip.ipv4({}, payload(300)))
  while true do
    local p = nf.packet_alloc()
    if p == nil then break end
    all[#all + 1] = p
  end
  nf.packet_free(table.remove(all))
  nf.link_send(s.app.input[0], packet)
  s.given = 1
  s:push()
  lu.assertEquals(s:reason("no-packet"), 1)
  for _, p in ipairs(all) do nf.packet_free(p) end
  s:finish()
end

-- A checksum that its sender left unfinished is finished before the cut; segments that fit are left to the output.
function TestFragment:testOffloads()
  local s = start4({ mtu = 576 })
  local frame, virtio = frames.tcp({ payload = payload(2000), bytes = 500 })
  frame = frame:sub(1, 20) .. "\0\0" .. frame:sub(23)
  local function give()
    local p = support.packet(frame)
    p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = nf.PACKET_CHECKSUM_PARTIAL, virtio.checksum_start, virtio.checksum_offset
    p.meta.gso, p.meta.gso_bytes, p.meta.gso_header = virtio.gso_type, virtio.gso_bytes, virtio.header_length
    return p
  end
  nf.link_send(s.app.input[0], give())
  s.given = s.given + 1
  s:push()
  lu.assertEquals(s:take(OUTPUT), { frame })
  local p = give()
  p.meta.gso_bytes = 600
  nf.link_send(s.app.input[0], p)
  s.given = s.given + 1
  s:push()
  lu.assertEquals(nf.link_peek(s.app.output[OUTPUT], 3).meta.gso, 0)
  lu.assertEquals(nf.link_peek(s.app.output[OUTPUT], 3).meta.flags, 0)
  local out, together = s:take(OUTPUT), {}
  lu.assertEquals(#out, 4)
  for i, fragment in ipairs(out) do together[i] = fragment:sub(35) end
  local tcp = table.concat(together)
  lu.assertEquals(frames.sum(tcp, frames.sum("\10\0\0\1\10\0\0\2" .. u16(6) .. u16(#tcp))), 0xffff)
  s:finish()
end

-- Any packet and any MTU: no fragment is longer than the MTU, all but the last are as long as can be, together they are the packet.
function TestFragment:testAnyPacketAndAnyMtu()
  math.randomseed(7)
  for _ = 1, 150 do
    local mtu, text = math.random(68, 2000), frames.random(math.random(1, 4000))
    local s = start4({ mtu = mtu })
    local o = { options = ("\1"):rep(4 * math.random(0, 10)), tos = math.random(0, 255), ttl = math.random(1, 255) }
    local whole = ip.ipv4(o, text)
    local out = cut(s, whole)
    if #whole - 14 <= mtu then lu.assertEquals(out, { whole }) else lu.assertEquals(out, fragments4(o, text, mtu, 0x4243)) end
    s:finish()
    mtu = math.random(1280, 3000)
    s = start6({ mtu = mtu })
    whole = ip.ipv6({ next = 4 }, text)
    out = cut(s, whole)
    if #whole - 14 <= mtu then lu.assertEquals(out, { whole }) else lu.assertEquals(out, fragments6({ next = 4 }, text, mtu, 0x42424243)) end
    s:finish()
  end
end

function TestFragment:testHostileFramesAndFullOutputs()
  basic.common("ip.fragment4", { "ip.fragment4", mtu = 68, error_source = "10.0.0.1" })
  basic.common("ip.fragment6", { "ip.fragment6", mtu = 1280 }, nil, { "output" })
end

function TestFragment:testMistakes()
  lu.assertEquals(#basic.messages("ip.fragment4", { "ip.fragment4", mtu = 67, first_id = 65536, options = "none", identification = 5,
    error_source = "x", error_rate = 0 }), 6)
  lu.assertEquals(#basic.messages("ip.fragment6", { "ip.fragment6", mtu = 1279 }), 1)
  local message = { "app 'x': key 'error_source': not the address of one host; a unicast address is needed" }
  lu.assertEquals(basic.messages("ip.fragment4", { "ip.fragment4", error_source = "224.0.0.1" }), message)
  lu.assertEquals(basic.messages("ip.fragment6", { "ip.fragment6", error_source = "ff02::1" }), message)
end

os.exit(lu.LuaUnit.run())
