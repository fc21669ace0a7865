-- socket.raw with real interfaces, in network namespaces (as root).
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local DOWN, TOO_LONG, GSO, REJECTED = netdev.DOWN, netdev.TOO_LONG, netdev.GSO, netdev.REJECTED
local LOST, RETRIES, REOPENED = netdev.LOST, netdev.RETRIES, netdev.REOPENED

local app

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
