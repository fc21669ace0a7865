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

local MAC, ip4, ip6, l4, ethernet = nicsim.MAC, nicsim.ip4, nicsim.ip6, nicsim.l4, nicsim.ethernet

local function show(list, ...) return nicsim.show(folder, driver, list, ...) end

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

-- The CRC32c of a text, one bit after the other.
local function crc32c(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = bit.bxor(crc, text:byte(i))
    for _ = 1, 8 do crc = bit.bxor(bit.rshift(crc, 1), bit.band(crc, 1) == 1 and 0x82f63b78 or 0) end
  end
  crc = bit.bnot(crc)
  return string.char(bit.band(crc, 255), bit.band(bit.rshift(crc, 8), 255), bit.band(bit.rshift(crc, 16), 255), bit.rshift(crc, 24))
end

-- What the card puts in place of checksums that the driver left to it is what was there before.
function TestFrames:testChecksumsAreInserted()
  local src, dst = addresses(10, 0, 0, 1, 10, 0, 0, 2)
  local src6, dst6 = ("\x20\1\2\3"):rep(4), ("\x3f\xfe\5\1"):rep(4)
  local sctp = "\4\0\8\0\0\0\0\7"
  sctp = sctp .. crc32c(sctp .. "\0\0\0\0" .. ("s"):rep(40)) .. ("s"):rep(40)
  local list = { ethernet(MAC, "\x88\xb5", ("p"):rep(80)), ethernet(MAC, "\8\0", ip4(132, src, dst, sctp)),
    ethernet(MAC, "\x86\xdd", ip6(132, src6, dst6, sctp)) }
  for _, length in ipairs({ 30, 31, 800, 1400 }) do
    for _, protocol in ipairs({ 6, 17 }) do
      local data = frames.random(length)
      list[#list + 1] = ethernet(MAC, "\8\0", ip4(protocol, src, dst, l4(protocol, src, dst, 5, 6, data)))
      list[#list + 1] = ethernet(MAC, "\x86\xdd", ip6(protocol, src6, dst6, l4(protocol, src6, dst6, 5, 6, data)))
    end
  end
  local packets = {}
  for i, data in ipairs(list) do packets[i] = { data = data } end
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  for _, kinds in ipairs({ "82599,82599", "82576,i350", "i210,i210" }) do
    local text, code = nicsim.run(("--strict --cards %s --wire %s/in.pcap,:%s/out.pcap"):format(kinds, folder, folder), driver,
      ("2 %d sums"):format(#list))
    lu.assertEquals(code, 0, text)
    lu.assertNil(capture.difference(capture.read(support.read(folder .. "/out.pcap")), packets, { "data" }), kinds)
  end
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
