-- What simulated cards do to frames: which queue gets them, what descriptors say of them, tags, checksums, segments; and faults on
-- command. The driver is tests/nicsim/driver; frames come from captures and go into captures.
local lu = require("luaunit")
local bit = require("bit")
local capture = require("support_capture")
local frames = require("support_frames")
local nicsim = require("support_nicsim")
local support = require("support")

local folder, u16 = support.folder(), frames.u16
local driver, lacks = nicsim.prepare(folder)

TestFrames = {}

function TestFrames:setUp() if lacks then lu.skip(lacks) end end

local MAC = "\2\0\0\x5a\0\0"

-- An IPv4 or IPv6 packet with its transport header, checksums right.
local function ip4(protocol, src, dst, payload, fragment)
  local head = "\x45\0" .. u16(20 + #payload) .. "\0\1" .. u16(fragment or 0) .. "\64" .. string.char(protocol)
  return head .. u16(0xffff - frames.sum(head .. src .. dst)) .. src .. dst .. payload
end

local function ip6(protocol, src, dst, payload)
  return "\x60\0\0\0" .. u16(#payload) .. string.char(protocol) .. "\64" .. src .. dst .. payload
end

local function l4(protocol, src, dst, sport, dport, data)
  local length = (protocol == 6 and 20 or 8) + #data
  local pseudo = src .. dst .. u16(0) .. u16(protocol) .. u16(0) .. u16(length)
  if protocol == 6 then
    local head, tail = u16(sport) .. u16(dport) .. ("\0"):rep(8) .. "\x50\x10\16\0", "\0\0" .. data
    return head .. u16(0xffff - frames.sum(pseudo .. head .. "\0\0" .. tail)) .. tail
  end
  local head = u16(sport) .. u16(dport) .. u16(length)
  return head .. u16(0xffff - frames.sum(pseudo .. head .. "\0\0" .. data)) .. data
end

local function ethernet(dst, type, payload, tag)
  local frame = dst .. "\2\0\0\0\0\1" .. (tag and "\x81\0" .. u16(tag) or "") .. type .. payload
  return frame .. ("\0"):rep(60 - #frame)
end

-- Bring frames to one card whose driver shows descriptors; gives its lines, and all output.
local function show(list, arguments, options, count)
  local packets = {}
  for i, data in ipairs(list) do packets[i] = { data = data } end
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local text, code = nicsim.run(("--cards 82599 --wire %s/in.pcap %s"):format(folder, options or ""),
    driver, ("1 %d show %s"):format(count or #list, arguments or ""))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "nicsim: no violation")
  local lines = {}
  for line in text:gmatch("queue [^\n]+") do
    lines[#lines + 1] = {
      queue = tonumber(line:match("queue (%d+)")), length = tonumber(line:match("length (%d+)")),
      vlan = tonumber(line:match("vlan (%x+)"), 16), hash = line:match("hash (%x+)"), rss = tonumber(line:match("rss (%x+)"), 16),
      status = tonumber(line:match("status (%x+)"), 16), errors = tonumber(line:match("errors (%x+)"), 16),
      type = tonumber(line:match("type (%x+)"), 16),
    }
  end
  return lines, text
end

local function addresses(a, b, c, d, e, f, g, h) return string.char(a, b, c, d), string.char(e, f, g, h) end

-- The frames of the verification suite for the Toeplitz hash, with another key here (the driver's, 6d 5a repeated, makes it
-- symmetric): both directions of a flow have one hash. A slow reference stands below.
local function toeplitz(input)
  local key = ("\x5a\x6d\x5a\x6d"):rep(10)
  local result, window, at = 0, 0, 0
  local function key_bit(i) return bit.band(bit.rshift(key:byte(math.floor(i / 8) + 1), 7 - i % 8), 1) end
  for i = 0, 31 do window = bit.bor(bit.lshift(window, 1), key_bit(i)) end
  for i = 1, #input do
    for b = 7, 0, -1 do
      if bit.band(bit.rshift(input:byte(i), b), 1) == 1 then result = bit.bxor(result, window) end
      at = at + 1
      window = bit.bor(bit.lshift(window, 1), key_bit(31 + at))
    end
  end
  return bit.tohex(result)
end

function TestFrames:testRssHashes()
  local src, dst = addresses(66, 9, 149, 187, 161, 142, 100, 80)
  local src6, dst6 = ("\x3f\xfe\5\1"):rep(4), ("\x20\1\2\3"):rep(4)
  local list = {
    ethernet(MAC, "\8\0", ip4(6, src, dst, l4(6, src, dst, 2794, 1766, "x"))),
    ethernet(MAC, "\8\0", ip4(6, dst, src, l4(6, dst, src, 1766, 2794, "x"))),
    ethernet(MAC, "\8\0", ip4(17, src, dst, l4(17, src, dst, 5, 6, "x"))),
    ethernet(MAC, "\8\0", ip4(47, src, dst, ("g"):rep(30))),
    ethernet(MAC, "\8\0", ip4(17, src, dst, ("f"):rep(16), 0x2000)),
    ethernet(MAC, "\x86\xdd", ip6(6, src6, dst6, l4(6, src6, dst6, 2794, 1766, ""))),
    ethernet(MAC, "\x86\xdd", ip6(17, src6, dst6, l4(17, src6, dst6, 7, 8, ""))),
    ethernet(MAC, "\x88\xb5", ("p"):rep(46)),
  }
  local inputs = {
    src .. dst .. u16(2794) .. u16(1766), src .. dst .. u16(2794) .. u16(1766), src .. dst .. u16(5) .. u16(6), src .. dst, src .. dst,
    src6 .. dst6 .. u16(2794) .. u16(1766), src6 .. dst6 .. u16(7) .. u16(8),
  }
  local types, expected = { 1, 1, 7, 2, 2, 3, 8, 0 }, {}
  for i = 1, #list do
    local hash = inputs[i] and toeplitz(inputs[i]) or "00000000"
    expected[i] = ("%s %d %d"):format(hash, types[i], inputs[i] and tonumber(hash:sub(8), 16) % 4 or 0)
  end
  local found = {}
  for i, line in ipairs(show(list, "queues=4")) do found[i] = ("%s %d %d"):format(line.hash, line.rss, line.queue) end
  table.sort(expected)
  table.sort(found)
  lu.assertEquals(found, expected)
end

function TestFrames:testWhatDescriptorsSay()
  local src, dst = addresses(10, 0, 0, 1, 10, 0, 0, 2)
  local good = ip4(17, src, dst, l4(17, src, dst, 5, 6, ("d"):rep(20)))
  local tcp = ip4(6, src, dst, l4(6, src, dst, 5, 6, ("d"):rep(20)))
  local list = {
    ethernet(MAC, "\8\0", good),
    ethernet(MAC, "\8\0", good:sub(1, 8) .. "\65" .. good:sub(10)),             -- the header's checksum is wrong
    ethernet(MAC, "\8\0", tcp:sub(1, -2) .. "e"),                               -- the transport's checksum is wrong
    ethernet(MAC, "\8\0", good:sub(1, 26) .. "\0\0" .. good:sub(29)),           -- UDP without a checksum
    ethernet(MAC, "\8\0", tcp, 0x6005),                                         -- tagged; stripped
    ethernet(MAC, "\x88\xb5", ("p"):rep(100)),
  }
  local lines = show(list, "vlan")
  lu.assertEquals(#lines, 6)
  local DD_EOP, VP, UDPCS, L4I, IPCS = 3, 8, 16, 32, 64
  local expected = {
    { DD_EOP + UDPCS + L4I + IPCS, 0, 0x21, 62 }, { DD_EOP + UDPCS + L4I + IPCS, 0x800, 0x21, 62 },
    { DD_EOP + L4I + IPCS, 0x400, 0x11, 74 }, { DD_EOP + IPCS, 0, 0x21, 62 }, { DD_EOP + VP + L4I + IPCS, 0, 0x11, 74 },
    { DD_EOP, 0, 0, 114 },
  }
  for i, line in ipairs(lines) do
    lu.assertEquals({ line.status, line.errors, line.type, line.length }, expected[i], "frame " .. i)
    lu.assertEquals(line.vlan, i == 5 and 0x6005 or 0)
  end
end

function TestFrames:testAddressFilterAndPools()
  local second, all = "\2\0\0\0\0\x11", ("\255"):rep(6)
  local list = {
    ethernet(MAC, "\x88\xb5", "a"), ethernet(second, "\x88\xb5", "b"), ethernet(second, "\x88\xb5", "c", 5),
    ethernet(second, "\x88\xb5", "d", 6), ethernet(all, "\x88\xb5", "e"),
  }
  local found = {}
  for _, line in ipairs(show(list, "pools queues=5", "", 9)) do found[line.queue] = (found[line.queue] or 0) + 1 end
  -- Pool 0: a, d (a VLAN of nobody), e. Pool 1: b, c, e; the mirror in pool 2 has the same. Queues are two a pool.
  lu.assertEquals(found, { [0] = 3, [2] = 3, [4] = 3 })
end

function TestFrames:testSegmentation()
  local payload = frames.random(5000)
  local frame = frames.tcp({ payload = payload, bytes = 1000 })
  support.write(folder .. "/in.pcap", capture.pcap({ { data = frame } }))
  local text, code = nicsim.run(("--wire %s/in.pcap,:%s/out.pcap"):format(folder, folder), driver, "2 1 jumbo segment=1200")
  lu.assertEquals(code, 0, text)
  local all, sizes, number = "", {}, 7
  for i, packet in ipairs(capture.read(support.read(folder .. "/out.pcap"))) do
    lu.assertTrue(frames.is_sound(packet.data), "segment " .. i)
    sizes[i] = #packet.data
    lu.assertEquals(packet.data:byte(14 + 6), i)                                -- the IP header's identification
    local now = packet.data:byte(41) * 256 + packet.data:byte(42)
    lu.assertEquals(now, (i == 1 and now) or number)
    number = now + #packet.data - 54
    lu.assertEquals(bit.band(packet.data:byte(48), 8), i == 5 and 8 or 0)       -- PSH: only the last
    all = all .. packet.data:sub(55)
  end
  lu.assertEquals(sizes, { 1254, 1254, 1254, 1254, 254 })
  lu.assertTrue(all == payload)
end

os.exit(lu.LuaUnit.run())
