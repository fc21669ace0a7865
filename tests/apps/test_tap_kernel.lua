-- tap.tap with real interfaces, in network namespaces (as root).
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local DOWN = netdev.DOWN
local LOST, RETRIES, REOPENED = netdev.LOST, netdev.RETRIES, netdev.REOPENED

local app

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
