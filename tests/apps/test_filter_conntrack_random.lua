-- filter.conntrack: random frames of hostile hosts. Nothing passes from the outside that has no frame of the inside before it, by a
-- second reading of the frames, written apart from the app's; the ledger balances; flows are neither lost nor invented.
local lu = require("luaunit")
local bit = require("bit")
local support = require("support")
local nf = require("nf.core")
local ct = require("support_conntrack")

TestRandom = {}

local function u16(text, at) return text:byte(at + 1) * 256 + text:byte(at + 2) end
local function pick(list) return list[math.random(#list)] end

local extension = { [0] = 8, [43] = 8, [60] = 8, [135] = 8, [139] = 8, [140] = 8, [51] = 4 }

-- Where the transport header of an IP packet is: its protocol, the rest of the packet, both addresses; the offset of a fragment, and
-- the name of its datagram.
local function read_ip(packet)
  if packet:byte(1) < 80 then
    local field, options = u16(packet, 6), packet:byte(1) % 16 * 4
    local fragment = field % 16384 ~= 0 and { at = field % 8192, name = packet:sub(5, 6) .. packet:sub(10, 10) .. packet:sub(13, 20) }
    return packet:byte(10), packet:sub(options + 1), packet:sub(13, 16), packet:sub(17, 20), fragment
  end
  local at, protocol, fragment = 40, packet:byte(7), nil
  while true do
    if protocol == 44 then
      local field = u16(packet, at + 2)
      fragment = math.floor(field / 8) * 8 + field % 2 ~= 0
        and { at = math.floor(field / 8), name = packet:sub(at + 5, at + 8) .. packet:sub(9, 40) } or nil
      protocol, at = packet:byte(at + 1), at + 8
      if fragment and fragment.at > 0 then break end
    elseif extension[protocol] then
      local length = extension[protocol] == 4 and (packet:byte(at + 2) + 2) * 4 or (packet:byte(at + 2) + 1) * 8
      protocol, at = packet:byte(at + 1), at + length
    else
      break
    end
  end
  return protocol, packet:sub(at + 1), packet:sub(9, 24), packet:sub(25, 40), fragment
end

local function flow_name(protocol, a, b, zone)
  if a > b then a, b = b, a end
  return protocol .. "|" .. zone .. "|" .. a .. "|" .. b
end

-- The name of a packet's flow, and what kind of packet it is: "flow", "error", "later", "neighbour".
local function read_packet(packet, zone, quoted)
  local protocol, rest, src, dst, fragment = read_ip(packet)
  if fragment and fragment.at > 0 then return "later", zone .. fragment.name end
  local first = fragment and zone .. fragment.name
  if protocol == 6 or protocol == 17 then
    return "flow", flow_name(protocol, src .. rest:sub(1, 2), dst .. rest:sub(3, 4), zone), first
  end
  if protocol == (#src == 4 and 1 or 58) then
    local type = rest:byte(1)
    local echo = #src == 4 and (type == 0 or type == 8) or #src == 16 and (type == 128 or type == 129)
    if echo then return "flow", flow_name(protocol, src .. rest:sub(5, 6), dst .. rest:sub(5, 6), zone), first end
    if #src == 16 and type >= 130 then return "neighbour" end
    lu.assertNil(quoted, "an error about an error")
    local _, name = read_packet(rest:sub(9), zone, true)
    return "error", name
  end
  return "flow", flow_name(protocol, src, dst, zone), first
end

local function read(frame)
  local at, zone = 12, 0
  while u16(frame, at) == 0x8100 or u16(frame, at) == 0x88a8 do
    zone = zone * 4096 + u16(frame, at + 2) % 4096
    at = at + 4
  end
  if u16(frame, at) == 0x806 then return "neighbour" end
  return read_packet(frame:sub(at + 3), zone)
end

-- A frame of a few hosts, ports and numbers, so that they often belong together.
local flags = { "S", "SA", "A", "PA", "FA", "R", "RA", "F", "" }
local tags = { "", "", "", "\x81\0\0\5", "\x88\xa8\0\1\x81\0\0\5" }
local function connection()
  return ct.connection({ family = pick({ 4, 6 }), tags = pick(tags), host = math.random(3), peer = math.random(3), sport = math.random(2),
    dport = math.random(2) })
end

local makers = {
  function (c, side) return c:tcp(side, pick(flags), 1000 + math.random(0, 2), 1000 + math.random(0, 2), { data = ("x"):rep(math.random(0, 2)) }) end,
  function (c, side) return c:udp(side) end,
  function (c, side) return c:echo(side, math.random(2) == 1, math.random(2)) end,
  function (c, side) return c:frame(side, function () return "other" end, pick({ 47, 50, 1, 58 })) end,
  function (c, side)
    local first = ct.udp({ sport = side == "inside" and c.sport or c.dport, dport = side == "inside" and c.dport or c.sport, length = 3000 })
    local at, id = pick({ 0, 0, 3, 100 }), math.random(3)
    local text = at == 0 and first or "later"
    if c.family == 4 then return c:frame(side, function () return text end, 17, { id = id, fragment = at + 8192 }) end
    return c:frame(side, function () return text end, 44, { extensions = "\17\0" .. ct.u16(at * 8 + 1) .. ct.u32(id) })
  end,
  function (c, side)
    local other = connection()
    other.family, other.tags, other.a, other.b = c.family, c.tags, c.a, c.b
    local about = pick({ other:udp("inside"), other:udp("outside"), other:tcp("inside", "A", 1000, 1000), other:tcp("outside", "A", 1000, 1000),
      other:echo("inside", false, 1) })
    return c:error(side, about, { quote = math.random(20, 80), type = math.random(1, 12) })
  end,
  function () return ("\2"):rep(12) .. "\8\6" .. ("\0"):rep(28) end,
}

-- The frame as it is, with some bytes changed, or cut off.
local function damage(frame)
  local kind = math.random(4)
  if kind == 1 then return frame:sub(1, math.random(0, #frame)) end
  if kind > 2 then return frame end
  for _ = 1, math.random(3) do
    local at = math.random(13, #frame)
    frame = frame:sub(1, at - 1) .. string.char(bit.bxor(frame:byte(at), 2 ^ math.random(0, 7))) .. frame:sub(at + 1)
  end
  return frame
end

local function run(params, seed, steps)
  math.randomseed(seed)
  support.memory(100)
  nf.clock_set(1000000000ULL)
  local w = ct.start(params)
  local opened, firsts, passed = {}, { inside = {}, outside = {} }, { inside = 0, outside = 0 }
  for step = 1, steps do
    local side = pick({ "inside", "outside" })
    local frame = damage(pick(makers)(connection(), pick({ side, side, side, "inside", "outside" })))
    if w:send(side, frame) == "pass" then
      local kind, name, first = read(frame)
      passed[side] = passed[side] + 1
      if kind == "later" then
        lu.assertTrue(firsts[side][name], "a later fragment without the first one")
      elseif kind == "error" then
        lu.assertTrue(opened[name], "an error about nothing")
      elseif kind == "flow" then
        lu.assertTrue(side == "inside" or opened[name], "a frame of no flow passed from the outside")
        opened[name] = true
        if first then firsts[side][first] = true end
      end
    end
    if step % 50 == 0 then
      w:later(pick({ 0.001, 1, 20 }))
      w:tick()
      w.bench:balance()
      local counters = w:counters()
      local function count(key) return counters[key] or 0 end
      lu.assertEquals(count("opened"), count("closed") + count("timed-out") + count("evicted") + count("current"))
      lu.assertTrue(count("half-open") <= count("current") and count("current") <= params.flows)
    end
    if step % 1000 == 0 then
      local copy = {}
      params.flows = math.random(16, 40)
      for key, value in pairs(params) do copy[key] = value end
      w:reconfigure(copy)
      w:tick(3)
    end
  end
  lu.assertTrue(passed.inside > steps / 20 and passed.outside > steps / 100, "the test is worth something")
  w:finish()
end

function TestRandom:testFramesOfHostileHosts()
  for seed = 1, 8 do run({ flows = 24, half_open = 12, fragments = 8 }, seed, 6000) end
end

function TestRandom:testWithMidstream()
  for seed = 21, 24 do run({ flows = 64, midstream = true }, seed, 6000) end
end

os.exit(lu.LuaUnit.run())
