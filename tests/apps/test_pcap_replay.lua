-- pcap.replay and lwaftr.stick: a capture out of memory; frames of one wire by what they carry.
local lu = require("luaunit")
local support = require("support")

TestReplay, TestStick = {}, {}

local folder = support.folder()

local function pcap(frames)
  local list = { "\212\195\178\161\2\0\4\0" .. ("\0"):rep(8) .. "\255\255\0\0\1\0\0\0" }
  for i, frame in ipairs(frames) do
    local length = string.char(#frame % 256, math.floor(#frame / 256) % 256, math.floor(#frame / 65536), 0)
    list[#list + 1] = string.char(i % 256, 0, 0, 0) .. "\0\0\0\0" .. length .. length .. frame
  end
  local path = folder .. "/in.pcap"
  support.write(path, table.concat(list))
  return path
end

local function all(app)
  local list = {}
  for _ = 1, 100 do
    support.pull(app)
    for _, frame in ipairs(support.receive(app.output[0])) do list[#list + 1] = frame end
  end
  return list
end

-- Frames of every length come as they are, in order, jumbo ones too.
function TestReplay:testFrames()
  support.memory(200, 100)
  local frames = {}
  for i, length in ipairs({ 0, 1, 14, 60, 63, 64, 65, 128, 1514, 1983, 1984, 1985, 2048, 2049, 9014 }) do
    frames[i] = ("abcdefghijk"):rep(1000):sub(1, length)
  end
  local app = support.app("pcap.replay", { "pcap.replay", file = pcap(frames) })
  lu.assertEquals(all(app), frames)
  lu.assertTrue(app.ended)
  lu.assertEquals(tonumber(app.received), #frames)
  lu.assertEquals(support.counter(app, "rounds"), 1)
  support.finish(app)
end

function TestReplay:testLoop()
  support.memory(100)
  local app = support.app("pcap.replay", { "pcap.replay", file = pcap({ "one", "two" }), loop = 3 })
  lu.assertEquals(all(app), { "one", "two", "one", "two", "one", "two" })
  lu.assertTrue(app.ended)
  support.finish(app)
  app = support.app("pcap.replay", { "pcap.replay", file = pcap({ "one" }), loop = 0 })
  lu.assertEquals(#all(app), 64 * 100)
  lu.assertFalse(app.ended)
  support.finish(app)
end

function TestReplay:testNoPackets()
  support.memory(100)
  local app = support.app("pcap.replay", { "pcap.replay", file = pcap({}), loop = 0 })
  lu.assertTrue(app.ended)
  lu.assertEquals(all(app), {})
  support.finish(app)
end

-- When no packet is free it waits, and loses nothing.
function TestReplay:testWithoutMemory()
  support.memory(1)
  local frames = {}
  for i = 1, 3000 do frames[i] = "frame " .. i end
  local app = support.app("pcap.replay", { "pcap.replay", file = pcap(frames) })
  lu.assertEquals(all(app), frames)
  support.finish(app)
end

function TestReplay:testErrors()
  support.memory(10)
  local function fails(path, message)
    local ok, text = pcall(support.app, "pcap.replay", { "pcap.replay", file = path })
    lu.assertFalse(ok)
    lu.assertStrContains(text, message)
  end
  fails("/nonexistent/x.pcap", "No such file")
  fails("/tmp", "is a folder")
  support.write(folder .. "/empty", "")
  fails(folder .. "/empty", "is empty")
  support.write(folder .. "/cut", support.read(pcap({ "frame" })):sub(1, -2))
  fails(folder .. "/cut", "cut: ")
  fails(pcap({ ("x"):rep(66000) }), "a frame of 66000 bytes is too long")
end

local function frame(kind) return ("\0"):rep(12) .. kind .. "x" end

function TestStick:testByType()
  support.memory(100)
  local app = support.app("lwaftr.stick", { "lwaftr.stick" })
  local v4, arp, v6, lldp, tagged = frame("\8\0"), frame("\8\6"), frame("\x86\xdd"), frame("\x88\xcc"), frame("\x81\0")
  support.send(app.input[0], v6, v4, lldp, arp, "short", tagged, "")
  support.push(app)
  lu.assertEquals(support.receive(app.output[0]), { v4, arp })
  lu.assertEquals(support.receive(app.output[1]), { v6, lldp, "short", tagged, "" })
  support.finish(app)
end

-- What carries IPv4 behind a tag is IPv4, or, without `tags`, something else.
function TestStick:testTags()
  support.memory(100)
  local behind4, behind6 = frame("\x81\0\0\12\8\0"), frame("\x81\0\0\12\x86\xdd")
  for _, tags in ipairs({ true, false }) do
    local app = support.app("lwaftr.stick", { "lwaftr.stick", tags = tags })
    support.send(app.input[0], behind4, frame("\8\0"), behind6)
    support.push(app)
    lu.assertEquals(support.receive(app.output[0]), tags and { behind4, frame("\8\0") } or { frame("\8\0") })
    lu.assertEquals(support.receive(app.output[1]), tags and { behind6 } or { behind4, behind6 })
    support.finish(app)
  end
end

os.exit(lu.LuaUnit.run())
