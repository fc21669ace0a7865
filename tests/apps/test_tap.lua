-- tap.tap: frames with and without metadata, from a peer that lies, to a kernel that refuses.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")
local port = require("support_frame_port")

local TOO_LONG, GSO, METADATA, REJECTED = netdev.TOO_LONG, netdev.GSO, netdev.METADATA, netdev.REJECTED

TestTap = port.new("tap.tap", "name", 65663)

function TestTap:testFramesComeInOrderWithTheirTime()
  local app, peer = self:start()
  local sent = {}
  for i = 1, 5 do
    sent[i] = frames.ethernet(("%d"):format(i):rep(i * 20))
    lu.assertTrue(netdev.say(peer, sent[i]))
  end
  support.pull(app)
  lu.assertEquals(app.received, 5ULL)
  lu.assertEquals(nf.link_peek(app.output[0], 0).meta.timestamp, 1600000000000000000ULL)
  lu.assertEquals(support.receive(app.output[0]), sent)
  netdev.assertLedger(app)
  support.pull(app)
  lu.assertEquals(app.received, 5ULL)
end

function TestTap:testWithoutGsoLongFramesTakeJumboPackets()
  local app, peer = self:start({ gso = false })
  for length, size in pairs({ [2048] = 0, [2049] = 1, [10239] = 1 }) do
    netdev.say(peer, frames.ethernet(frames.random(length - 14)))
    support.pull(app)
    lu.assertEquals(nf.link_peek(app.output[0], 0).size, size)
    support.receive(app.output[0])
  end
  netdev.say(peer, frames.ethernet(frames.random(10300)))
  support.pull(app)
  lu.assertEquals(app.reason[TOO_LONG], 1ULL)
end

function TestTap:testNoFrameIsNoPacket()
  local app, peer = self:start()
  for length = 0, 13 do netdev.say(peer, ("x"):rep(length)) end
  ffi.C.send(peer, "short", 5, 0)               -- not even a header
  support.pull(app)
  support.pull(app)
  lu.assertEquals(app.reason[METADATA], 14ULL)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  netdev.assertLedger(app)
end

function TestTap:testPullStopsAtTheOutputsRoomAndPacketMemory()
  local app, peer = self:start()
  local link = app.output[0]
  while nf.link_room(link) > 3 do nf.link_send(link, support.packet(frames.ethernet("old"))) end
  for i = 1, 5 do netdev.say(peer, frames.ethernet("new" .. i)) end
  support.pull(app)
  lu.assertEquals(app.received, 3ULL)
  support.pull(app)
  lu.assertEquals(app.received, 3ULL)
  support.receive(link)
  local taken = {}
  repeat
    local p = nf.packet_alloc_size("PACKET_GSO")
    taken[#taken + 1] = p ~= nil and p or nil
  until p == nil
  support.pull(app)
  lu.assertEquals(app.received, 3ULL)
  for _, p in ipairs(taken) do nf.packet_free(p) end
  support.pull(app)
  lu.assertEquals(app.received, 5ULL)
end

function TestTap:testUnfinishedChecksumTravelsBothWays()
  local app, peer = self:start()
  local frame, header = frames.tcp({ payload = "hello" })
  netdev.say(peer, frame, header)
  support.pull(app)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals(p.meta.flags, 1)
  lu.assertEquals(p.meta.checksum_start, 34)
  lu.assertEquals(p.meta.checksum_offset, 16)
  nf.link_send(app.input[0], p)
  support.push(app)
  local back, virtio = netdev.hear(peer)
  lu.assertTrue(back == frame)
  lu.assertEquals({ virtio.flags, virtio.gso_type, virtio.checksum_start, virtio.checksum_offset }, { 1, 0, 34, 16 })
  lu.assertEquals(app.sent, 1ULL)
  netdev.assertLedger(app)
end

function TestTap:testGsoFrameOfOneSegmentIsAnOrdinaryOne()
  local app, peer = self:start()
  netdev.say(peer, frames.tcp({ payload = "hello", bytes = 1448 }))
  support.pull(app)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.gso, p.meta.flags }, { 0, 1 })
  nf.packet_free(p)
end

function TestTap:testVerifiedChecksumIsRemembered()
  local app, peer = self:start()
  netdev.say(peer, frames.ethernet("checked"), { flags = 2 })
  support.pull(app)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals(p.meta.flags, 2)
  nf.packet_free(p)
end

function TestTap:testLyingMetadataIsDropped()
  local app, peer = self:start()
  local frame = frames.tcp({ payload = frames.random(4000), bytes = 1448 })
  local lies = {
    { flags = 1, checksum_start = 65535, checksum_offset = 65535 },
    { flags = 1, checksum_start = #frame - 1, checksum_offset = 0 },
    { flags = 1, checksum_start = 0, checksum_offset = 0 },
    { flags = 1, gso_type = 1, gso_bytes = 0, checksum_start = 34, checksum_offset = 16 },
    { flags = 1, gso_type = 1, gso_bytes = 1, checksum_start = 34, checksum_offset = 16 },
    { flags = 1, gso_type = 1, gso_bytes = 1448, checksum_start = 36, checksum_offset = 16 },
    { flags = 1, gso_type = 1, gso_bytes = 1448, checksum_start = 34, checksum_offset = 6 },
    { flags = 1, gso_type = 4, gso_bytes = 1448, checksum_start = 34, checksum_offset = 16 },
    { flags = 1, gso_type = 5, gso_bytes = 1448, checksum_start = 34, checksum_offset = 6 },
    { flags = 1, gso_type = 3, gso_bytes = 1448, checksum_start = 34, checksum_offset = 16 },
    { flags = 1, gso_type = 0x80, gso_bytes = 1448, checksum_start = 34, checksum_offset = 16 },
    { flags = 255, gso_type = 255, header_length = 65535, gso_bytes = 65535, checksum_start = 65535, checksum_offset = 65535 },
  }
  for _, header in ipairs(lies) do netdev.say(peer, frame, header) end
  support.pull(app)
  lu.assertEquals(app.reason[METADATA], #lies + 0ULL)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  -- and what tells nothing about offloads is nobody's business
  netdev.say(peer, frame, { header_length = 65535, gso_bytes = 65535, checksum_start = 65535, checksum_offset = 65535 })
  support.pull(app)
  lu.assertEquals(nf.link_waiting(app.output[0]), 1)
  netdev.assertLedger(app)
end

function TestTap:testGsoFrameThatCannotBeCutIsDropped()
  local app = self:start({ gso = false })
  local p = support.packet(frames.ethernet(frames.random(3000)))
  p.meta.gso, p.meta.gso_bytes = 1, 1448
  nf.link_send(app.input[0], p)
  support.push(app)
  lu.assertEquals(app.reason[GSO], 1ULL)
  netdev.assertLedger(app)
end

function TestTap:testCutIsContinuedWhenTheOutsideHasRoom()
  local app, peer = self:start({ gso = false })
  local frame, header = frames.tcp({ payload = frames.random(60000), bytes = 100 })
  netdev.send_gso(app.input[0], frame, header)
  support.send(app.input[0], frames.ethernet("after"))
  support.push(app)
  lu.assertEquals(app.class.held(app), 1)
  lu.assertEquals(nf.memory_in_use(), 2ULL)
  netdev.assertLedger(app, 1)
  local payload = {}
  for _ = 1, 3000 do
    local segment = netdev.hear(peer)
    if segment then payload[#payload + 1] = segment end
    support.push(app)
  end
  lu.assertEquals(#payload, 601)
  lu.assertEquals(table.remove(payload), frames.ethernet("after"))
  for i, segment in ipairs(payload) do
    lu.assertTrue(frames.is_sound(segment))
    payload[i] = segment:sub(55)
  end
  lu.assertTrue(table.concat(payload) == frame:sub(55))
  lu.assertEquals(app.class.held(app), 0)
  netdev.assertLedger(app)
end

function TestTap:testHeldPacketIsDroppedAtStop()
  local app = self:start({ gso = false })
  netdev.send_gso(app.input[0], frames.tcp({ payload = frames.random(60000), bytes = 100 }))
  support.push(app)
  lu.assertEquals(app.class.held(app), 1)
  app.class.stop(app)
  lu.assertEquals(app.reason[app.reason_count + 1], 1ULL)        -- "stop"
  lu.assertEquals(app.class.held(app), 0)
end

function TestTap:testTagOfTheMetadataGoesIntoTheFrame()
  local app, peer = self:start()
  local p = support.packet(frames.ethernet("tagged"))
  p.meta.flags, p.meta.vlan = 4, 0x2005
  nf.link_send(app.input[0], p)
  support.push(app)
  lu.assertEquals((netdev.hear(peer)), frames.ethernet("tagged", "\x81\0\x20\5"))
end

function TestTap:testShortFrameIsNotSent()
  local app, peer = self:start()
  support.send(app.input[0], "", "x", ("x"):rep(13))
  support.push(app)
  lu.assertEquals(app.reason[REJECTED], 3ULL)
  lu.assertNil(netdev.hear(peer))
  netdev.assertLedger(app)
end

function TestTap:testParametersAreChecked()
  local function messages(params)
    local made, list = support.new("tap.tap", params)
    lu.assertNil(made)
    return list
  end
  lu.assertEquals(messages({ name = "a/b" }), { "app 'x': key 'name': 'a/b' cannot be the name of an interface" })
  lu.assertEquals(messages({ name = "tap%d" }), { "app 'x': key 'name': 'tap%d' cannot be the name of an interface" })
  lu.assertEquals(messages({ name = ".." }), { "app 'x': key 'name': '..' cannot be the name of an interface" })
  lu.assertEquals(messages({ name = "t", mac = "01:00:5e:00:00:01" }),
    { "app 'x': key 'mac': a group address, accepted is one of a single station" })
  lu.assertEquals(#messages({}), 1)
  lu.assertEquals(#messages({ name = ("x"):rep(16) }), 1)
  lu.assertEquals(#messages({ name = "t", mtu = 67 }), 1)
end

function TestTap:testOneInterfaceIsForOneApp()
  local a = support.new("tap.tap", { name = "nf-test" })
  local b = support.new("tap.tap", { name = "nf-test" })
  local c = support.new("tap.tap", { name = "nf-test", namespace = "elsewhere" })
  a.name, b.name, c.name = "a", "b", "c"
  lu.assertEquals(netdev.serve(a, b, c),
    { "app 'b': tap:nf-test is used by app 'a' already; only one app can have it" })
  for _, made in ipairs({ a, b, c }) do nf.app_delete(made) end
end

os.exit(lu.LuaUnit.run())
