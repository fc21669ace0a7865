-- What cards finish before they send: VLAN tags and checksums that packets' metadata ask for. Needs root and huge pages.
local lu = require("luaunit")
local support = require("support")
local card = require("support_card")
local capture = require("support_capture")
local frames = require("support_frames")
local pci = require("support_pci")
local unfinish = require("support_unfinish")

local u16, sum = frames.u16, frames.sum
local DST, SRC = "\2\0\0\0\0\17", "\2\0\0\0\0\18"

local function ipv4(protocol, payload, options)
  options = options or ""
  local head = string.char(0x45 + #options / 4) .. "\0" .. u16(20 + #options + #payload) .. "\0\1\64\0\64" .. string.char(protocol)
  local addresses = "\10\0\0\1\10\0\0\2"
  return "\8\0", head .. u16(0xffff - sum(head .. addresses .. options)) .. addresses .. options .. payload, addresses
end

local function ipv6(protocol, payload)
  local addresses = "\32\1\13\184" .. ("\0"):rep(11) .. "\1\32\1\13\184" .. ("\0"):rep(11) .. "\2"
  return "\134\221", "\96\0\0\0" .. u16(#payload) .. string.char(protocol) .. "\64" .. addresses .. payload, addresses
end

-- A frame with right checksums. o: ip, protocol, bytes of payload, tag (TCI), inner (a tag that stays in the data), options, src
local function frame(o)
  local payload = frames.random(o.bytes)
  local head = o.protocol == 6 and "\4\0\8\0\0\0\3\232\0\0\0\7\80\24\1\0\0\0\0\0" or o.protocol == 17 and "\4\0\8\0" .. u16(8 + o.bytes) .. "\0\0" or
    "\8\0\0\0\0\7\0\1"
  local at = o.protocol == 6 and 17 or o.protocol == 17 and 7 or 3
  local make = o.ip == 6 and ipv6 or ipv4
  local _, _, addresses = make(o.protocol, "")
  local pseudo = o.protocol == 1 and 0 or sum(addresses .. "\0" .. string.char(o.protocol) .. u16(#head + o.bytes))
  local check = 0xffff - sum(head .. payload, pseudo)
  if check == 0 and o.protocol ~= 1 then check = 0xffff end
  local transport = head:sub(1, at - 1) .. u16(check) .. head:sub(at + 2) .. payload
  local type, ip = make(o.protocol, transport, o.options)
  local data = DST .. (o.src or SRC) .. (o.tag and "\129\0" .. u16(o.tag) or "") .. (o.inner and "\129\0" .. u16(o.inner) or "") .. type .. ip
  return data .. ("\0"):rep(math.max(0, 60 - #data))
end

local function mixture()
  math.randomseed(7)
  local list = {}
  for round = 0, 11 do
    for _, protocol in ipairs({ 6, 17, 1 }) do
      list[#list + 1] = frame({ protocol = protocol, bytes = round * 97 })
      list[#list + 1] = frame({ protocol = protocol, bytes = round * 31, tag = 100 + round })
      list[#list + 1] = frame({ protocol = protocol, bytes = 200 + round, inner = 7, options = round % 2 == 1 and "\1\1\1\1\1\1\1\0" or "" })
      if protocol ~= 1 then
        list[#list + 1] = frame({ ip = 6, protocol = protocol, bytes = round * 53 })
        list[#list + 1] = frame({ ip = 6, protocol = protocol, bytes = round * 2, tag = 200, inner = 9 })
      end
    end
    list[#list + 1] = DST .. SRC .. "\129\0" .. u16(300) .. "\136\181" .. ("x"):rep(60 + round)
    list[#list + 1] = DST .. SRC .. "\129\0" .. u16(300 + round % 3) .. "\136\181" .. ("y"):rep(60 + round)
    list[#list + 1] = frame({ protocol = 6, bytes = 1460 })
  end
  return list
end

local function write(name, list)
  local packets = {}
  for i, data in ipairs(list) do packets[i] = { data = data } end
  support.write(card.folder .. "/" .. name, capture.pcap(packets))
  return card.folder .. "/" .. name
end

-- Send them from one card to the other for some seconds; gives the frames that were received, and what was said.
local function send_for(seconds, class, parameters, list, options)
  support.write(card.folder .. "/unfinish.lua", unfinish)
  local text, code = card.run("--strict --wire joined --lossless " .. (options or ""), card.graph(([[return { apps = {
    file = { "pcap.reader", file = "%s" }, un = { "unfinish" }, tx = { "%s", pci = "06:00.0", wait_for_link = "5s", %s },
    rx = { "%s", pci = "05:00.0" }, out = { "pcap.writer", file = "%s/out.pcap" } },
    links = { "file -> un", "un -> tx.input", "rx.output -> out" } }]]):format(write("in.pcap", list), class, parameters, class, card.folder)),
    ("--duration %ds"):format(seconds))
  if card.mode == "" then
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "nicsim: no violation\n")
  end
  lu.assertStrContains(text, "it balances")
  local received = {}
  for i, packet in ipairs(capture.read(support.read(card.folder .. "/out.pcap"))) do received[i] = packet.data end
  return received, text
end

-- The same until `count` frames are there. A machine that has much to do gets more time.
local function send(count, ...)
  local received, text
  for _, seconds in ipairs({ 1, 5, 20 }) do
    received, text = send_for(seconds, ...)
    if #received >= count then break end
  end
  return received, text
end

local KINDS = { { "intel.ixgbe", "" }, { "intel.igb", "--cards 82576,82576" }, { "intel.igb", "--cards i210,i210" } }

local function passes(parameters, more)
  local list = mixture()
  for _, kind in ipairs(KINDS) do
    local received, text = send(#list, kind[1], parameters, list, kind[2] .. (more or ""))
    lu.assertEquals(#received, #list, text)
    for i, data in ipairs(list) do
      lu.assertTrue(received[i] == data, ("%s, %s: frame %d, %d bytes"):format(kind[1], parameters, i, #data))
    end
  end
end

TestOffload = {}

function TestOffload:setUp() card.need() end

function TestOffload:testTheCardFinishesTagsAndChecksums() passes("vlan = true") end
function TestOffload:testChecksumsAlone() passes("vlan = false") end
function TestOffload:testTagsAlone() passes("vlan = true, checksum = false") end
function TestOffload:testNothing() passes("checksum = false") end
function TestOffload:testTheSmallestRingAndSlowTransmission()
  passes("vlan = true, transmit_ring = 64", " --do 'delay 0 transmit 1ms; delay 1 transmit 1ms'")
end

-- A checksum that lies outside of its frame, for the card as for nf.
function TestOffload:testAChecksumThatIsNotThereIsDropped()
  local list = { frame({ protocol = 17, bytes = 50 }), frame({ protocol = 17, bytes = 50, src = "\2\0\0\0\0\99" }), frame({ protocol = 6, bytes = 9 }) }
  for _, kind in ipairs(KINDS) do
    local received, text = send(2, kind[1], "vlan = true", list, kind[2])
    lu.assertEquals(received, { list[1], list[3] })
    lu.assertStrContains(text, "metadata 1")
  end
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
