-- socket.raw: frames with and without metadata, from a peer that lies, to a kernel that refuses.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")
local frames = require("support_frames")
local port = require("support_frame_port")

local METADATA, REJECTED = netdev.METADATA, netdev.REJECTED
local SEGMENTS = netdev.SEGMENTS

TestSocket = port.new("socket.raw", "interface", 65664)

function TestSocket:testFramesComeInOrderWithTheirTime()
  local app, peer = self:start()
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

function TestSocket:testShortAndLongFramesInOneBurst()
  local app, peer = self:start()
  local sent = {}
  for i = 1, 8 do
    sent[i] = frames.ethernet(frames.random(i % 2 == 0 and 100 or 9000))
    lu.assertTrue(netdev.say(peer, sent[i]))
  end
  for _ = 1, 4 do support.pull(app) end
  lu.assertTrue(table.concat(support.receive(app.output[0])) == table.concat(sent))
end

function TestSocket:testNoFrameIsNoPacket()
  local app, peer = self:start()
  for length = 0, 13 do netdev.say(peer, ("x"):rep(length)) end
  ffi.C.send(peer, "short", 5, 0)               -- not even a header
  for _ = 1, 5 do support.pull(app) end
  lu.assertEquals(app.reason[METADATA], 15ULL)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  netdev.assertLedger(app)
end

function TestSocket:testPullStopsAtTheOutputsRoomAndPacketMemory()
  local app, peer = self:start()
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

function TestSocket:testLyingMetadataIsDroppedAmongGoodFrames()
  local app, peer = self:start()
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

-- GSO frames come whether they are wanted or not: their senders are other interfaces.
function TestSocket:testWithoutGsoFramesThatComeAreCut()
  local app, peer = self:start({ gso = false })
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
    lu.assertTrue(port.payload_of(parts[i]) == frame:sub(55), i)
  end
  lu.assertEquals(app.counter[SEGMENTS], 4 * 21ULL)
  lu.assertEquals(app.received, 9ULL)
  lu.assertEquals(app.class.held(app), 0)
  netdev.assertLedger(app, -old)
end

function TestSocket:testWaitingFramesAreDroppedAtStop()
  local app, peer = self:start({ gso = false })
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

function TestSocket:testBadFramesDoNotHoldUpGoodOnes()
  local app, peer = self:start()
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

function TestSocket:testSleepIsLimitedByTheBuffer()
  local app = self:start({ buffer = "8M" })
  lu.assertEquals(app.class.sleep_limit(app), 8388608ULL / 768ULL * 67ULL / 2ULL)
end

os.exit(lu.LuaUnit.run())
