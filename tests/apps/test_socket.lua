-- socket.raw: frames with and without metadata, from a peer that lies, to a kernel that refuses; then real interfaces (as root).
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

TestSocket = { setUp = netdev.set_up }

function TestSocket:start(params)
  params = params or {}
  params.interface = "nf-test"
  app, peer = netdev.pretend("socket.raw", params)
end

function TestSocket:tearDown()
  netdev.tear_down(app, peer)
  app, peer = nil, nil
end

function TestSocket:testFramesComeInOrderWithTheirTime()
  self:start()
  local sent = {}
  for round = 1, 20 do
    for i = 1, 9 do
      local frame = frames.ethernet(("%d.%d"):format(round, i):rep(i * 20))
      sent[#sent + 1] = frame
      lu.assertTrue(netdev.say(peer, frame))
    end
    support.pull(app)
    if round % 5 == 0 then support.pull(app) end
  end
  lu.assertEquals(app.received, 180ULL)
  lu.assertEquals(nf.link_peek(app.output[0], 0).meta.timestamp, 1600000000000000000ULL)
  lu.assertEquals(support.receive(app.output[0]), sent)
  netdev.assertLedger(app)
end

function TestSocket:testEveryLengthUpToTheLargest()
  self:start()
  for _, length in ipairs({ 14, 15, 60, 1514, 2047, 2048, 2049, 5000, 10240, 10241, 65549, 65664 }) do
    local frame = frames.ethernet(frames.random(length - 14))
    lu.assertTrue(netdev.say(peer, frame))
    support.pull(app)
    local p = nf.link_peek(app.output[0], 0)
    lu.assertEquals(p.size, length <= 2048 and 0 or 2, length)
    lu.assertTrue(support.receive(app.output[0])[1] == frame, length)
  end
  lu.assertTrue(netdev.say(peer, frames.ethernet(frames.random(65651))))
  support.pull(app)
  lu.assertEquals(app.reason[TOO_LONG], 1ULL)
  netdev.assertLedger(app)
end

function TestSocket:testShortAndLongFramesInOneBurst()
  self:start()
  local sent = {}
  for i = 1, 8 do
    sent[i] = frames.ethernet(frames.random(i % 2 == 0 and 100 or 9000))
    lu.assertTrue(netdev.say(peer, sent[i]))
  end
  for _ = 1, 4 do support.pull(app) end
  lu.assertTrue(table.concat(support.receive(app.output[0])) == table.concat(sent))
end

function TestSocket:testNoFrameIsNoPacket()
  self:start()
  for length = 0, 13 do netdev.say(peer, ("x"):rep(length)) end
  ffi.C.send(peer, "short", 5, 0)               -- not even a header
  for _ = 1, 5 do support.pull(app) end
  lu.assertEquals(app.reason[METADATA], 15ULL)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  netdev.assertLedger(app)
end

function TestSocket:testPullStopsAtTheOutputsRoomAndPacketMemory()
  self:start()
  local link = app.output[0]
  while nf.link_room(link) > 3 do nf.link_send(link, support.packet(frames.ethernet("old"))) end
  for i = 1, 5 do netdev.say(peer, frames.ethernet("new" .. i)) end
  support.pull(app)
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
  nf.packet_free(table.remove(taken))
  for _ = 1, 3 do support.pull(app) end         -- one place is enough to go on
  lu.assertEquals(app.received, 5ULL)
  for _, p in ipairs(taken) do nf.packet_free(p) end
end

function TestSocket:testGsoFrameTravelsBothWays()
  self:start()
  local frame, header = frames.tcp({ payload = frames.random(60000), bytes = 1448 })
  netdev.say(peer, frame, header)
  support.pull(app)
  lu.assertEquals(app.counter[GSO_RECEIVED], 1ULL)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.gso, p.meta.gso_bytes, p.meta.gso_header, p.meta.flags, p.meta.checksum_start }, { 1, 1448, 54, 1, 34 })
  nf.link_send(app.input[0], p)
  support.push(app)
  local back, virtio = netdev.hear(peer)
  lu.assertTrue(back == frame)
  lu.assertEquals({ virtio.flags, virtio.gso_type, virtio.gso_bytes, virtio.header_length, virtio.checksum_start },
    { 1, 1, 1448, 54, 34 })
  lu.assertEquals(app.counter[GSO_SENT], 1ULL)
  netdev.assertLedger(app)
end

function TestSocket:testLyingMetadataIsDroppedAmongGoodFrames()
  self:start()
  local frame = frames.tcp({ payload = frames.random(4000), bytes = 1448 })
  netdev.say(peer, frames.ethernet("first"))
  netdev.say(peer, frame, { flags = 1, checksum_start = 65535, checksum_offset = 65535 })
  netdev.say(peer, frame, { flags = 1, gso_type = 1, gso_bytes = 0, checksum_start = 34, checksum_offset = 16 })
  netdev.say(peer, frame, { flags = 1, gso_type = 4, gso_bytes = 1448, checksum_start = 34, checksum_offset = 16 })
  netdev.say(peer, frames.ethernet("last"))
  for _ = 1, 4 do support.pull(app) end
  lu.assertEquals(app.reason[METADATA], 3ULL)
  lu.assertEquals(support.receive(app.output[0]), { frames.ethernet("first"), frames.ethernet("last") })
  netdev.assertLedger(app)
end

-- The payload of the TCP segments in a list of frames, each of which must be sound.
local function payload_of(list)
  local payload = {}
  for i, segment in ipairs(list) do
    lu.assertTrue(frames.is_sound(segment), i)
    payload[i] = segment:sub(55)
  end
  return table.concat(payload)
end

function TestSocket:testWithoutGsoFramesThatGoAreCut()
  self:start({ gso = false })
  local frame, header = frames.tcp({ payload = frames.random(5000), bytes = 1448 })
  support.send(app.input[0], frames.ethernet("before"))
  netdev.send_gso(app.input[0], frame, header)
  support.send(app.input[0], frames.ethernet("after"))
  support.push(app)
  lu.assertEquals((netdev.hear(peer)), frames.ethernet("before"))
  local list = {}
  for i = 1, 4 do list[i] = netdev.hear(peer) end
  lu.assertTrue(payload_of(list) == frame:sub(55))
  lu.assertEquals((netdev.hear(peer)), frames.ethernet("after"))
  lu.assertEquals({ app.created, app.sent, app.consumed, app.counter[SEGMENTS] }, { 4ULL, 6ULL, 1ULL, 4ULL })
  netdev.assertLedger(app)
end

-- GSO frames come whether they are wanted or not: their senders are other interfaces.
function TestSocket:testWithoutGsoFramesThatComeAreCut()
  self:start({ gso = false })
  local frame, header = frames.tcp({ payload = frames.random(30000), bytes = 1448 })
  local link = app.output[0]
  for i = 1, 4 do
    netdev.say(peer, frames.ethernet("before " .. i))
    lu.assertTrue(netdev.say(peer, frame, header))
  end
  lu.assertTrue(netdev.say(peer, frames.ethernet("last")))
  local got, old = {}, 0
  local function fill()
    while nf.link_room(link) > 10 do
      nf.link_send(link, support.packet(frames.ethernet("old")))
      old = old + 1
    end
  end
  -- little room at a time: what was received waits, in order, and is held
  fill()
  support.pull(app)
  lu.assertTrue(app.class.held(app) >= 1)
  lu.assertEquals(nf.link_waiting(link) + app.class.held(app) + 0ULL, nf.memory_in_use())
  netdev.assertLedger(app, app.class.held(app) - old)
  support.receive(link)
  fill()
  support.pull(app)
  netdev.assertLedger(app, app.class.held(app) - old)
  -- what was sent until now, pieces of the first frame, is not looked at
  support.receive(link)
  for _ = 1, 20 do
    support.pull(app)
    for _, bytes in ipairs(support.receive(link)) do got[#got + 1] = bytes end
  end
  lu.assertEquals(table.remove(got), frames.ethernet("last"))
  local parts, part = {}, nil
  for _, bytes in ipairs(got) do
    local number = bytes:match("before (%d)$")
    if number then
      part = {}
      parts[tonumber(number)] = part
    elseif part then
      part[#part + 1] = bytes
    end
  end
  for i = 2, 4 do
    lu.assertEquals(#parts[i], 21)
    lu.assertTrue(payload_of(parts[i]) == frame:sub(55), i)
  end
  lu.assertEquals(app.counter[SEGMENTS], 4 * 21ULL)
  lu.assertEquals(app.received, 9ULL)
  lu.assertEquals(app.class.held(app), 0)
  netdev.assertLedger(app, -old)
end

function TestSocket:testWaitingFramesAreDroppedAtStop()
  self:start({ gso = false })
  local frame, header = frames.tcp({ payload = frames.random(60000), bytes = 100 })
  for _ = 1, 3 do netdev.say(peer, frame, header) end
  for _ = 1, 4 do support.pull(app) end
  local held = app.class.held(app)
  lu.assertTrue(held > 0)
  netdev.assertLedger(app, held)
  app.class.stop(app)
  lu.assertEquals(app.class.held(app), 0)
  lu.assertEquals(app.reason[app.reason_count + 1], held + 0ULL)        -- "stop"
end

function TestSocket:testFullOutsideLeavesPacketsOnTheLink()
  self:start()
  local many = 700
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

function TestSocket:testBadFramesDoNotHoldUpGoodOnes()
  self:start()
  local tagged = support.packet(frames.ethernet("tagged"))
  tagged.meta.flags, tagged.meta.vlan = 4, 0x2005
  support.send(app.input[0], "x", frames.ethernet("one"), "", frames.ethernet("two"))
  nf.link_send(app.input[0], tagged)
  support.send(app.input[0], ("x"):rep(13))
  support.push(app)
  lu.assertEquals(app.reason[REJECTED], 3ULL)
  for _, want in ipairs({ frames.ethernet("one"), frames.ethernet("two"), frames.ethernet("tagged", "\x81\0\x20\5") }) do
    lu.assertEquals((netdev.hear(peer)), want)
  end
  netdev.assertLedger(app)
end

function TestSocket:testWithoutOutputItHasEnded()
  app, peer = netdev.pretend("socket.raw", { interface = "nf-test" }, { "input" }, {})
  lu.assertTrue(app.ended)
  netdev.say(peer, frames.ethernet("nobody"))
  support.pull(app)
  lu.assertEquals(app.received, 0ULL)
end

function TestSocket:testSleepIsLimitedByTheBuffer()
  self:start({ buffer = "8M" })
  lu.assertEquals(app.class.sleep_limit(app), 8388608ULL / 768ULL * 67ULL / 2ULL)
end

-- Real interfaces, in namespaces of this test: a veth pair, with the app at `far` and the kernel's stack at `near`.
TestSocketKernel = {}

local namespace

function TestSocketKernel:setUp()
  netdev.set_up_kernel()
  namespace = netdev.namespace("raw")
  self:makeWire()
end

function TestSocketKernel:makeWire()
  netdev.wire(namespace, "near", "far")
end

function TestSocketKernel:tearDown()
  netdev.tear_down_kernel(app)
  app = nil
end

local function start(params)
  params.namespace = params.namespace or namespace
  local made, message = netdev.start_kernel("socket.raw", params)
  app = made
  return made, message
end

function TestSocketKernel:testWhatCannotBeOpened()
  local _, message = start({ interface = "nothing" })
  lu.assertEquals(message, "app 'x': there is no interface 'nothing' in the network namespace " .. namespace)
  netdev.within(namespace, "ip tuntap add layer3 mode tun")
  _, message = start({ interface = "layer3" })
  lu.assertEquals(message, "app 'x': 'layer3' is no Ethernet interface")
  _, message = start({ interface = "far", namespace = "nf-no-such" })
  lu.assertEquals(message, "app 'x': there is no network namespace 'nf-no-such': /run/netns/nf-no-such: No such file or directory")
end

function TestSocketKernel:testPromiscuousWhenAsked()
  start({ interface = "far" })
  lu.assertStrContains(netdev.within(namespace, "ip -d link show far"), "promiscuity 1")
  support.finish(app)
  app = nil
  netdev.unserve()
  start({ interface = "far", promiscuous = false })
  lu.assertStrContains(netdev.within(namespace, "ip -d link show far"), "promiscuity 0")
end

function TestSocketKernel:testNoOffloadIsChanged()
  local before = netdev.within(namespace, "ethtool -k far; ethtool -k near")
  start({ interface = "far" })
  lu.assertEquals(netdev.within(namespace, "ethtool -k far; ethtool -k near"), before)
end

-- Both ends of the wire: what one sends, the other receives, and the sender does not hear itself.
function TestSocketKernel:testOwnFramesAreNotReceived()
  local far = start({ interface = "far" })
  local near = start({ interface = "near" })
  app = near
  netdev.serve(far, near)
  support.send(far.input[0], frames.ethernet("from far"))
  support.send(near.input[0], frames.ethernet("from near"))
  local heard = { {}, {} }
  lu.assertTrue(netdev.run({ far, near }, function ()
    for i, from in ipairs({ far, near }) do
      for _, bytes in ipairs(support.receive(from.output[0])) do
        if bytes:sub(13, 14) == "\x88\xb5" then table.insert(heard[i], bytes) end
      end
    end
    return #heard[1] > 0 and #heard[2] > 0
  end))
  for _ = 1, 20 do support.pull(far) end
  for _, bytes in ipairs(support.receive(far.output[0])) do lu.assertNotEquals(bytes, frames.ethernet("from far")) end
  lu.assertEquals(heard, { { frames.ethernet("from near") }, { frames.ethernet("from far") } })
  support.finish(far)
end

-- The kernel takes the outer tag out of every frame that arrives and keeps it beside: it comes back into the data. Offsets of an
-- unfinished checksum move along.
function TestSocketKernel:testTagsAreRestored()
  local far, near = start({ interface = "far" }), start({ interface = "near" })
  netdev.serve(far, near)
  local tcp = frames.tcp({ payload = "hello" })
  local want = { frames.ethernet("one", "\x81\0\x20\5"), frames.ethernet("two", "\x88\xa8\0\7\x81\0\0\5"), frames.ethernet("none"),
    tcp:sub(1, 12) .. "\x81\0\0\9" .. tcp:sub(13) }
  support.send(near.input[0], unpack(want))
  local last = nf.link_peek(near.input[0], 3)
  last.meta.flags, last.meta.checksum_start, last.meta.checksum_offset = 1, 38, 16
  local heard, start_of_last = {}, 0
  lu.assertTrue(netdev.run({ far, near }, function ()
    for _ = 1, nf.link_waiting(far.output[0]) do
      local p = nf.link_receive(far.output[0])
      local bytes = support.bytes(p)
      if bytes:sub(1, 12) == tcp:sub(1, 12) then heard[#heard + 1] = bytes end
      if p.meta.flags == 1 then start_of_last = p.meta.checksum_start end
      nf.packet_free(p)
    end
    return #heard >= 4
  end))
  lu.assertEquals(heard, want)
  lu.assertEquals(start_of_last, 38)
  support.finish(far)
  app = near
end

function TestSocketKernel:testFrameBeyondTheMtuIsCounted()
  start({ interface = "far" })
  support.send(app.input[0], frames.ethernet(frames.random(1500)), frames.ethernet(frames.random(2000)), frames.ethernet("fits"))
  lu.assertTrue(netdev.run({ app }, function () return nf.link_waiting(app.input[0]) == 0 end))
  lu.assertEquals(app.reason[TOO_LONG], 1ULL)
  lu.assertEquals(app.sent, 2ULL)
  netdev.assertLedger(app)
end

-- The kernel checks what it is given, too: a lying GSO frame is cut here if that is possible, else dropped.
function TestSocketKernel:testLyingMetadataIsRefusedByTheKernel()
  start({ interface = "far" })
  local p = support.packet(frames.ethernet(frames.random(1000)))
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = 1, 60000, 60000
  nf.link_send(app.input[0], p)
  netdev.send_gso(app.input[0], frames.ethernet(frames.random(3000)), { flags = 0, gso_type = 3, gso_bytes = 1000,
    checksum_start = 0, checksum_offset = 0 })
  support.send(app.input[0], frames.ethernet("fits"))
  lu.assertTrue(netdev.run({ app }, function () return nf.link_waiting(app.input[0]) == 0 end))
  lu.assertEquals(app.sent + app.reason[REJECTED] + app.reason[GSO], 3ULL)
  lu.assertTrue(app.sent >= 1ULL)
  lu.assertEquals(app.reason[REJECTED], 1ULL)
  netdev.assertLedger(app)
end

function TestSocketKernel:testKernelsDropsAreCounted()
  start({ interface = "far", buffer = "64K" })
  netdev.within(namespace, "ip addr add 10.9.0.1/24 dev near && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev near nud permanent")
  netdev.within(namespace, "ping -q -c 2000 -l 2000 -s 1000 -w 1 10.9.0.2 || true")
  nf.clock_update()
  support.tick(app)
  lu.assertTrue(app.lost_outside > 500ULL)
  local lost = app.lost_outside
  support.tick(app)
  lu.assertEquals(app.lost_outside, lost)
end

function TestSocketKernel:testInterfaceThatIsDownDropsAndComesBack()
  start({ interface = "far" })
  netdev.within(namespace, "ip link set far down")
  support.send(app.input[0], frames.ethernet("lost"))
  support.pull(app)
  support.push(app)
  support.tick(app)
  lu.assertEquals(app.reason[DOWN], 1ULL)
  lu.assertFalse(app.down)
  netdev.within(namespace, "ip link set far up")
  support.send(app.input[0], frames.ethernet("sent"))
  support.push(app)
  lu.assertEquals(app.sent, 1ULL)
  netdev.assertLedger(app)
end

function TestSocketKernel:testDeletedInterfaceIsOpenedAgainWhenItIsBack()
  start({ interface = "far" })
  netdev.within(namespace, "ip link del far")
  support.send(app.input[0], frames.ethernet("one"))
  support.pull(app)
  support.push(app)
  support.tick(app)
  lu.assertEquals(app.reason[DOWN], 1ULL)
  lu.assertTrue(app.down)
  lu.assertEquals(app.counter[LOST], 1ULL)
  for _ = 1, 5 do support.tick(app) end
  lu.assertTrue(app.down)
  lu.assertTrue(app.counter[RETRIES] >= 1ULL)
  self:makeWire()
  lu.assertTrue(netdev.run({ app }, function () return not app.down end))
  lu.assertEquals(app.counter[REOPENED], 1ULL)
  support.send(app.input[0], frames.ethernet("two"))
  support.push(app)
  lu.assertEquals(app.sent, 1ULL)
  netdev.assertLedger(app)
end

os.exit(lu.LuaUnit.run(), true)
