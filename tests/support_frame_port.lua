-- support_frame_port -- the tests that tap.tap and socket.raw share: ports whose frames come and go behind a virtio-net header.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")

local M = {}

-- The payload of the TCP segments in a list of frames, each of which must be sound and finished.
function M.payload_of(list)
  local payload = {}
  for i, segment in ipairs(list) do
    lu.assertTrue(frames.is_sound(segment), i)
    payload[i] = segment:sub(55)
  end
  return table.concat(payload)
end

local Cases = {}

function Cases:testEveryLengthUpToTheLargest()
  self:start()
  for _, length in ipairs({ 14, 15, 60, 1514, 2047, 2048, 2049, 5000, 10240, 10241, 65549, self.largest }) do
    local frame = frames.ethernet(frames.random(length - 14))
    lu.assertTrue(netdev.say(self.peer, frame))
    support.pull(self.app)
    local p = nf.link_peek(self.app.output[0], 0)
    lu.assertEquals(p.size, length <= 2048 and 0 or 2, length)
    lu.assertTrue(support.receive(self.app.output[0])[1] == frame, length)
  end
  lu.assertTrue(netdev.say(self.peer, frames.ethernet(frames.random(self.largest + 1 - 14))))
  support.pull(self.app)
  lu.assertEquals(self.app.reason[netdev.TOO_LONG], 1ULL)
  netdev.assertLedger(self.app)
end

function Cases:testGsoFrameTravelsBothWays()
  self:start()
  local app, frame, header = self.app, frames.tcp({ payload = frames.random(60000), bytes = 1448 })
  netdev.say(self.peer, frame, header)
  support.pull(app)
  lu.assertEquals(app.counter[netdev.GSO_RECEIVED], 1ULL)
  local p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.gso, p.meta.gso_bytes, p.meta.gso_header, p.meta.flags, p.meta.checksum_start }, { 1, 1448, 54, 1, 34 })
  nf.link_send(app.input[0], p)
  support.push(app)
  local back, virtio = netdev.hear(self.peer)
  lu.assertTrue(back == frame)
  lu.assertEquals({ virtio.flags, virtio.gso_type, virtio.gso_bytes, virtio.header_length, virtio.checksum_start },
    { 1, 1, 1448, 54, 34 })
  lu.assertEquals(app.counter[netdev.GSO_SENT], 1ULL)
  netdev.assertLedger(app)
end

-- Without gso the kernel gets segments.
function Cases:testWithoutGsoFramesThatGoAreCut()
  self:start({ gso = false })
  local app, frame, header = self.app, frames.tcp({ payload = frames.random(5000), bytes = 1448 })
  support.send(app.input[0], frames.ethernet("before"))
  netdev.send_gso(app.input[0], frame, header)
  support.send(app.input[0], frames.ethernet("after"))
  support.push(app)
  lu.assertEquals((netdev.hear(self.peer)), frames.ethernet("before"))
  local list = {}
  for i = 1, 4 do
    local segment, virtio = netdev.hear(self.peer)
    lu.assertEquals({ virtio.flags, virtio.gso_type }, { 0, 0 })
    list[i] = segment
  end
  lu.assertTrue(M.payload_of(list) == frame:sub(55))
  lu.assertEquals((netdev.hear(self.peer)), frames.ethernet("after"))
  lu.assertEquals({ app.created, app.sent, app.consumed, app.counter[netdev.SEGMENTS] }, { 4ULL, 6ULL, 1ULL, 4ULL })
  netdev.assertLedger(app)
end

-- The kernel takes no more: packets stay on the link.
function Cases:testFullOutsideLeavesPacketsOnTheLink()
  self:start({ gso = false })
  local app, many = self.app, 700
  for i = 1, many do support.send(app.input[0], frames.ethernet(("%06d"):format(i))) end
  for _ = 1, 10 do support.push(app) end
  local left = nf.link_waiting(app.input[0])
  lu.assertTrue(left > 0 and left < many)
  lu.assertEquals(app.sent, many - left + 0ULL)
  local heard = 0
  for _ = 1, 2000 do
    local frame = netdev.hear(self.peer)
    if frame then
      heard = heard + 1
      lu.assertEquals(frame:sub(15, 20), ("%06d"):format(heard))
    end
    support.push(app)
  end
  lu.assertEquals(heard, many)
  netdev.assertLedger(app)
end

function Cases:testWithoutOutputItHasEnded()
  self:start({}, { "input" }, {})
  lu.assertTrue(self.app.ended)
  netdev.say(self.peer, frames.ethernet("nobody"))
  support.pull(self.app)
  lu.assertEquals(self.app.received, 0ULL)
end

-- A class of tests of app class `name`, whose device is the parameter `key`; largest: bytes of the longest frame that it takes.
-- Its start(params) makes self.app and self.peer.
function M.new(name, key, largest)
  local Test = { setUp = netdev.set_up, largest = largest }
  for case, run in pairs(Cases) do Test[case] = run end

  function Test:start(params, inputs, outputs)
    params = params or {}
    params[key] = "nf-test"
    self.app, self.peer = netdev.pretend(name, params, inputs, outputs)
    return self.app, self.peer
  end

  function Test:tearDown()
    netdev.tear_down(self.app, self.peer)
    self.app, self.peer = nil, nil
  end

  return Test
end

return M
