-- tap.tap: frames with and without metadata, from a peer that lies, to a kernel that refuses; then real interfaces (as root).
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local DOWN, TOO_LONG, GSO, METADATA, REJECTED = netdev.DOWN, netdev.TOO_LONG, netdev.GSO, netdev.METADATA, netdev.REJECTED
local GSO_RECEIVED, GSO_SENT, SEGMENTS = netdev.GSO_RECEIVED, netdev.GSO_SENT, netdev.SEGMENTS
local LOST, RETRIES, REOPENED = netdev.LOST, netdev.RETRIES, netdev.REOPENED

local app, peer

TestTap = { setUp = netdev.set_up }

function TestTap:start(params)
  params = params or {}
  params.name = "nf-test"
  app, peer = netdev.pretend("tap.tap", params)
end

function TestTap:tearDown()
  netdev.tear_down(app, peer)
  app, peer = nil, nil
end

function TestTap:testFramesComeInOrderWithTheirTime()
  self:start()
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

function TestTap:testEveryLengthUpToTheLargest()
  self:start()
  for _, length in ipairs({ 14, 15, 60, 1514, 2047, 2048, 2049, 5000, 10240, 10241, 65549, 65663 }) do
    local frame = frames.ethernet(frames.random(length - 14))
    lu.assertTrue(netdev.say(peer, frame))
    support.pull(app)
    local p = nf.link_peek(app.output[0], 0)
    lu.assertEquals(p.size, length <= 2048 and 0 or 2, length)
    lu.assertTrue(support.receive(app.output[0])[1] == frame, length)
  end
  lu.assertTrue(netdev.say(peer, frames.ethernet(frames.random(65650))))
  support.pull(app)
  lu.assertEquals(app.reason[TOO_LONG], 1ULL)
  netdev.assertLedger(app)
end

function TestTap:testWithoutGsoLongFramesTakeJumboPackets()
  self:start({ gso = false })
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
  self:start()
  for length = 0, 13 do netdev.say(peer, ("x"):rep(length)) end
  ffi.C.send(peer, "short", 5, 0)               -- not even a header
  support.pull(app)
  support.pull(app)
  lu.assertEquals(app.reason[METADATA], 14ULL)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  netdev.assertLedger(app)
end

function TestTap:testPullStopsAtTheOutputsRoomAndPacketMemory()
  self:start()
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
  self:start()
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

function TestTap:testGsoFrameTravelsBothWays()
  self:start()
  local frame, header = frames.tcp({ payload = frames.random(60000), bytes = 1448 })
  netdev.say(peer, frame, header)
  support.pull(app)
  lu.assertEquals(app.counter[GSO_RECEIVED], 1ULL)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.gso, p.meta.gso_bytes, p.meta.gso_header, p.meta.flags }, { 1, 1448, 54, 1 })
  nf.link_send(app.input[0], p)
  support.push(app)
  local back, virtio = netdev.hear(peer)
  lu.assertTrue(back == frame)
  lu.assertEquals({ virtio.flags, virtio.gso_type, virtio.gso_bytes, virtio.header_length, virtio.checksum_start },
    { 1, 1, 1448, 54, 34 })
  lu.assertEquals(app.counter[GSO_SENT], 1ULL)
  netdev.assertLedger(app)
end

function TestTap:testGsoFrameOfOneSegmentIsAnOrdinaryOne()
  self:start()
  netdev.say(peer, frames.tcp({ payload = "hello", bytes = 1448 }))
  support.pull(app)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.gso, p.meta.flags }, { 0, 1 })
  nf.packet_free(p)
end

function TestTap:testVerifiedChecksumIsRemembered()
  self:start()
  netdev.say(peer, frames.ethernet("checked"), { flags = 2 })
  support.pull(app)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals(p.meta.flags, 2)
  nf.packet_free(p)
end

function TestTap:testLyingMetadataIsDropped()
  self:start()
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

-- Without gso the kernel gets segments.
function TestTap:testWithoutGsoFramesAreCut()
  self:start({ gso = false })
  local frame, header = frames.tcp({ payload = frames.random(5000), bytes = 1448 })
  netdev.send_gso(app.input[0], frame, header)
  support.send(app.input[0], frames.ethernet("after"))
  support.push(app)
  local payload = {}
  for i = 1, 4 do
    local segment, virtio = netdev.hear(peer)
    lu.assertEquals(virtio.flags, 0)
    lu.assertEquals(virtio.gso_type, 0)
    lu.assertTrue(frames.is_sound(segment), i)
    payload[i] = segment:sub(55)
  end
  lu.assertTrue(table.concat(payload) == frame:sub(55))
  lu.assertEquals((netdev.hear(peer)), frames.ethernet("after"))
  lu.assertEquals({ app.created, app.sent, app.consumed, app.counter[SEGMENTS] }, { 4ULL, 5ULL, 1ULL, 4ULL })
  netdev.assertLedger(app)
end

function TestTap:testGsoFrameThatCannotBeCutIsDropped()
  self:start({ gso = false })
  local p = support.packet(frames.ethernet(frames.random(3000)))
  p.meta.gso, p.meta.gso_bytes = 1, 1448
  nf.link_send(app.input[0], p)
  support.push(app)
  lu.assertEquals(app.reason[GSO], 1ULL)
  netdev.assertLedger(app)
end

-- The kernel takes no more: packets stay on the link; a GSO frame is held with what is left of it, and goes on later.
function TestTap:testFullOutsideLeavesPacketsOnTheLink()
  self:start({ gso = false })
  local many = 600
  for i = 1, many do support.send(app.input[0], frames.ethernet(("%06d"):format(i))) end
  for _ = 1, 10 do support.push(app) end
  local left = nf.link_waiting(app.input[0])
  lu.assertTrue(left > 0 and left < many)
  lu.assertEquals(app.sent, many - left + 0ULL)
  local heard = 0
  for _ = 1, 2000 do
    local frame = netdev.hear(peer)
    if frame then
      heard = heard + 1
      lu.assertEquals(frame:sub(15, 20), ("%06d"):format(heard))
    end
    support.push(app)
  end
  lu.assertEquals(heard, many)
  netdev.assertLedger(app)
end

function TestTap:testCutIsContinuedWhenTheOutsideHasRoom()
  self:start({ gso = false })
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
  self:start({ gso = false })
  netdev.send_gso(app.input[0], frames.tcp({ payload = frames.random(60000), bytes = 100 }))
  support.push(app)
  lu.assertEquals(app.class.held(app), 1)
  app.class.stop(app)
  lu.assertEquals(app.reason[app.reason_count + 1], 1ULL)        -- "stop"
  lu.assertEquals(app.class.held(app), 0)
end

function TestTap:testTagOfTheMetadataGoesIntoTheFrame()
  self:start()
  local p = support.packet(frames.ethernet("tagged"))
  p.meta.flags, p.meta.vlan = 4, 0x2005
  nf.link_send(app.input[0], p)
  support.push(app)
  lu.assertEquals((netdev.hear(peer)), frames.ethernet("tagged", "\x81\0\x20\5"))
end

function TestTap:testShortFrameIsNotSent()
  self:start()
  support.send(app.input[0], "", "x", ("x"):rep(13))
  support.push(app)
  lu.assertEquals(app.reason[REJECTED], 3ULL)
  lu.assertNil(netdev.hear(peer))
  netdev.assertLedger(app)
end

function TestTap:testWithoutOutputItHasEnded()
  app, peer = netdev.pretend("tap.tap", { name = "nf-test" }, { "input" }, {})
  lu.assertTrue(app.ended)
  netdev.say(peer, frames.ethernet("nobody"))
  support.pull(app)
  lu.assertEquals(app.received, 0ULL)
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

-- Real interfaces, in namespaces of this test.
TestTapKernel = { setUp = netdev.set_up_kernel }

function TestTapKernel:tearDown()
  netdev.tear_down_kernel(app)
  app = nil
end

local function start(params)
  local made, message = netdev.start_kernel("tap.tap", params)
  app = made
  return made, message
end

function TestTapKernel:testMakesTheInterfaceAsAsked()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace, mtu = 9000, mac = "02:00:00:00:00:77" }))
  local shown = netdev.within(namespace, "ip link show port")
  lu.assertStrContains(shown, "mtu 9000")
  lu.assertStrContains(shown, "02:00:00:00:00:77")
  lu.assertStrContains(shown, "LOWER_UP")
  -- and takes it away again
  support.finish(app)
  app = nil
  netdev.unserve()
  lu.assertError(netdev.within, namespace, "ip link show port")
end

function TestTapKernel:testAttachesToAnInterfaceAndLeavesItThere()
  local namespace = netdev.namespace("tap")
  for _, kind in ipairs({ "", " multi_queue" }) do
    netdev.within(namespace, "ip tuntap add port mode tap" .. kind)
    assert(start({ name = "port", namespace = "/run/netns/" .. namespace, up = false }))
    lu.assertNotStrContains(netdev.within(namespace, "ip link show port"), "LOWER_UP")
    support.finish(app)
    app = nil
    netdev.unserve()
    netdev.within(namespace, "ip link del port")
  end
end

function TestTapKernel:testWhatCannotBeOpened()
  local namespace = netdev.namespace("tap")
  netdev.within(namespace, "ip link add wire type veth peer name wire2")
  local _, message = start({ name = "wire", namespace = namespace })
  lu.assertEquals(message, "app 'x': 'wire' is there, but it is no tap interface (socket.raw takes any interface)")
  _, message = start({ name = "port", namespace = "nf-no-such" })
  lu.assertEquals(message, "app 'x': there is no network namespace 'nf-no-such': /run/netns/nf-no-such: No such file or directory")
  _, message = start({ name = "port", namespace = "/dev/null" })
  lu.assertEquals(message, "app 'x': cannot enter the network namespace '/dev/null': Invalid argument")
  assert(start({ name = "port", namespace = namespace }))
  local first = app
  netdev.serve()
  local second
  second, message = start({ name = "port", namespace = namespace })
  lu.assertNil(second)
  lu.assertEquals(message, "app 'x': another process has the tap interface 'port'")
  app = first
end

function TestTapKernel:testPingIsAnsweredByTheStackAndSentBack()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace, mac = "02:00:00:00:00:01" }))
  netdev.within(namespace, "ip addr add 10.9.0.1/24 dev port && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev port nud permanent")
  support.send(app.input[0], frames.echo("\10\9\0\2", "\10\9\0\1", "\2\0\0\0\0\2", "\2\0\0\0\0\1"))
  local answer
  lu.assertTrue(netdev.run({ app }, function ()
    for _, bytes in ipairs(support.receive(app.output[0])) do
      if bytes:byte(35) == 0 and bytes:sub(13, 14) == "\8\0" and bytes:byte(24) == 1 then answer = bytes end
    end
    return answer ~= nil
  end))
  lu.assertEquals(answer:sub(27, 34), "\10\9\0\1\10\9\0\2")
  lu.assertTrue(frames.is_sound(answer))
  netdev.assertLedger(app)
end

function TestTapKernel:testInterfaceThatIsDownDropsAndComesBack()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace, up = false }))
  support.send(app.input[0], frames.ethernet("lost"))
  support.push(app)
  support.tick(app)
  lu.assertEquals(app.reason[DOWN], 1ULL)
  lu.assertFalse(app.down)
  netdev.within(namespace, "ip link set port up")
  support.send(app.input[0], frames.ethernet("sent"))
  support.push(app)
  lu.assertEquals(app.sent, 1ULL)
  netdev.assertLedger(app)
end

function TestTapKernel:testDeletedInterfaceIsOpenedAgain()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace }))
  lu.assertTrue(app.class.event_fd(app) >= 0)
  netdev.within(namespace, "ip link del port")
  support.send(app.input[0], frames.ethernet("one"), frames.ethernet("two"))
  support.pull(app)
  support.push(app)
  lu.assertEquals(app.reason[DOWN], 2ULL)
  support.tick(app)
  lu.assertTrue(app.down)
  lu.assertEquals(app.counter[LOST], 1ULL)
  lu.assertEquals(app.class.event_fd(app), -1)
  support.send(app.input[0], frames.ethernet("three"))
  support.pull(app)
  support.push(app)
  lu.assertEquals(app.reason[DOWN], 3ULL)
  lu.assertTrue(netdev.run({ app }, function () return not app.down end))
  lu.assertEquals(app.counter[REOPENED], 1ULL)
  lu.assertTrue(app.class.event_fd(app) >= 0)
  lu.assertStrContains(netdev.within(namespace, "ip link show port"), "LOWER_UP")
  support.send(app.input[0], frames.ethernet("four"))
  support.push(app)
  lu.assertEquals(app.sent, 1ULL)
  netdev.assertLedger(app)
end

-- How many taps and sockets this process has open.
local function descriptors()
  local text = support.run("ls -l /proc/" .. ffi.C.getpid() .. "/fd")
  return select(2, text:gsub("/dev/net/tun", "")) + select(2, text:gsub("socket:", ""))
end

function TestTapKernel:testReopeningLeavesNoDescriptorsBehind()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace }))
  local before = descriptors()
  lu.assertEquals(before, 4)                            -- the supervisor's and the worker's, here in one process
  for i = 1, 4 do
    netdev.within(namespace, "ip link del port")
    lu.assertTrue(netdev.run({ app }, function () return app.counter[REOPENED] == i and not app.down end))
  end
  lu.assertEquals(descriptors(), before)
  lu.assertEquals(app.counter[LOST], 4ULL)
end

-- What the app does not fetch is dropped by the kernel when the tap's queue of 1,000 frames is full.
function TestTapKernel:testFramesNotFetchedInTimeAreCounted()
  local namespace = netdev.namespace("tap")
  netdev.within(namespace, "ip tuntap add port mode tap && ip link set port up && ip addr add 10.9.0.1/24 dev port && "
    .. "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev port nud permanent")
  local flood = "ping -q -c 1500 -l 1500 -w 1 10.9.0.2 || true"
  netdev.within(namespace, flood)                       -- with nobody there: not the app's loss
  assert(start({ name = "port", namespace = namespace }))
  nf.clock_update()
  for _ = 1, 3 do support.tick(app) end
  lu.assertEquals(app.lost_outside, 0ULL)
  netdev.within(namespace, flood)
  lu.assertTrue(netdev.run({ app }, function ()
    support.receive(app.output[0])
    return app.lost_outside > 0ULL
  end))
  lu.assertTrue(app.lost_outside >= 400ULL and app.lost_outside <= 1500ULL)
  netdev.assertLedger(app)
end

-- A namespace that goes away takes the interface along; retries go on, bounded, and nothing else happens.
function TestTapKernel:testDeletedNamespaceIsRetried()
  local namespace = netdev.namespace("tap")
  assert(start({ name = "port", namespace = namespace }))
  netdev.within(namespace, "ip link del port")
  netdev.clean()
  local frozen = nf.clock_system_ns()
  nf.clock_set(frozen)
  support.pull(app)
  support.tick(app)
  lu.assertTrue(app.down)
  support.tick(app)
  for i = 1, 100 do
    nf.clock_set(frozen + i * 100000000ULL)             -- 10 s in all
    support.tick(app)
    support.tick(app)
  end
  lu.assertTrue(app.down)
  lu.assertTrue(app.counter[RETRIES] >= 5ULL and app.counter[RETRIES] <= 12ULL)
  lu.assertEquals(app.counter[REOPENED], 0ULL)
end

os.exit(lu.LuaUnit.run(), true)
