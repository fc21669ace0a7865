-- What holds for an lwAFTR whatever its table and whatever comes: random configurations and packets. NF_SEED=S starts elsewhere; a
-- failure says with which seed it comes again.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")

local SEED = tonumber(os.getenv("NF_SEED")) or 1
local random = math.random
local u16 = w.u16

-- Run f so often, each time with another seed, which a failure tells.
local function each(times, f)
  for i = 1, times do
    local seed = SEED * 1000 + i
    math.randomseed(seed)
    local ok, message = xpcall(f, function (m)
      if type(m) == "table" then
        if m.msg then m.msg = ("seed %d (NF_SEED=%d, round %d): %s"):format(seed, SEED, i, m.msg) end
        return m
      end
      return ("seed %d (NF_SEED=%d, round %d): %s"):format(seed, SEED, i, debug.traceback(tostring(m)))
    end)
    if not ok then error(message, 0) end
  end
end

local function chance(n) return random(n) == 1 end
local function pick(list) return list[random(#list)] end
local function total(p) return p:byte(3) * 256 + p:byte(4) end
local function payload_at(p) return (p:byte(1) % 16) * 4 end
local function address(bytes) return table.concat({ bytes:byte(1, 4) }, ".") end
-- An IPv4 header without what the way changes: TTL and checksum; with `id` also the identification and flags.
local function bare(p, id) return p:sub(1, 4) .. (id and "" or p:sub(5, 8)) .. p:sub(10, 10) .. p:sub(13) end

-- A table of random softwires. gives: { ipv4, psid, k, a, b4, br }
local function random_table(count)
  local shapes, taken, list = {}, {}, {}
  for i = 1, count do
    local ip = "198.51." .. random(100, 101) .. "." .. random(1, 4)
    local k = shapes[ip] and shapes[ip][1] or random(0, 16)
    local a = shapes[ip] and shapes[ip][2] or (chance(2) and 0 or random(0, 16 - k))
    local psid = random(0, 2 ^ k - 1)
    shapes[ip] = { k, a }
    if not taken[ip .. "/" .. psid] then
      taken[ip .. "/" .. psid] = true
      list[#list + 1] = { ipv4 = ip, psid = psid, k = k, a = a, b4 = ("2001:db8:b4::%x"):format(i), br = "2001:db8:af::" .. random(1, 5),
        host = "192.0.2." .. i }
    end
  end
  return list
end

local function table_text(list)
  local lines = {}
  for i, s in ipairs(list) do
    lines[i] = w.softwire(s.ipv4, s.psid, s.b4, s.br, ("psid-length %d; reserved-ports-bit-count %d;"):format(s.k, s.a))
  end
  return table.concat(lines)
end

-- A port of a softwire: RFC 7597 section 5.1: A, not all zero when a > 0, then the PSID, then the rest.
local function random_port(s)
  local m = 16 - s.k - s.a
  local high = s.a > 0 and random(1, 2 ^ s.a - 1) or 0
  return high * 2 ^ (s.k + m) + s.psid * 2 ^ m + random(0, 2 ^ m - 1)
end

-- Put the fragments of each packet together; they leave one packet after the other, in order.
local function join4(frames)
  local list, open = {}, nil
  for _, frame in ipairs(frames) do
    local p = frame:sub(15)
    local fragment = p:byte(7) * 256 + p:byte(8)
    local offset, more = fragment % 8192 * 8, math.floor(fragment / 8192) % 2 == 1
    if offset == 0 and not more then
      lu.assertNil(open)
      list[#list + 1] = p
    else
      if offset == 0 then open = { head = p:sub(1, payload_at(p)), data = "" } end
      lu.assertEquals(#open.data, offset)
      lu.assertEquals(bare(p:sub(1, 6) .. "\0\0" .. p:sub(9, payload_at(p))):sub(5), bare(open.head:sub(1, 6) .. "\0\0" .. open.head:sub(9)):sub(5))
      open.data = open.data .. p:sub(payload_at(p) + 1)
      if not more then
        local head = open.head
        list[#list + 1] = head:sub(1, 2) .. u16(#head + #open.data) .. head:sub(5, 6) .. "\0\0" .. head:sub(9) .. open.data
        open = nil
      end
    end
  end
  lu.assertNil(open)
  return list
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

local function payload(from, to, length) return u16(from) .. u16(to) .. u16(length) .. "\0\0" .. ("%d,"):format(random(1e6)):rep(400):sub(1, length - 8) end

TestThereAndBack = {}

-- Two relays in a row, the second one with the tunnels of the first one turned round: what the first one puts in, the second one takes
-- out, and it is what it was, but for the TTL, and the identification of what was cut and joined on the way. Each host has a softwire
-- of the second relay, so that also the fragments between the two are those of a B4.
function TestThereAndBack:testTwoRelays()
  each(12, function ()
    local list = random_table(random(1, 30))
    local back = {}
    for i, s in ipairs(list) do back[i] = { ipv4 = s.host, psid = 0, k = 0, a = 0, b4 = s.br, br = s.b4 } end
    local mtu6, mtu4 = random(1280, 1540), random(68, 1600)
    local sent, frames = {}, {}
    for i = 1, random(1, 60) do
      local s = pick(list)
      local fits = math.min(mtu6 - 40, mtu4)
      local options = chance(4) and ("\1"):rep(4 * random(1, 5)) or ""
      local df = chance(4) and fits > 68
      local most = (df and fits or 1990) - 20 - #options
      local p = w.ipv4({ src = s.host, dst = s.ipv4, ttl = random(2, 255), tos = random(0, 255), id = random(0, 65535), df = df, options = options,
        protocol = pick({ 6, 17, 17, 132 }),
        payload = payload(random(0, 65535), random_port(s), random(8, math.max(8, math.min(most, chance(2) and 100 or 2000)))) })
      sent[i] = { p = p }
      if options == "" and not df and #p > 100 and chance(3) then
        sent[i].joined = true
        for _, piece in ipairs(shuffle(c.cut4(p, 8 * random(6, 40), i))) do frames[#frames + 1] = c.FROM4 .. piece end
      else
        frames[#frames + 1] = c.FROM4 .. p .. (chance(5) and ("\xaa"):rep(random(1, 20)) or "")
      end
    end
    local limits = "reassembly { max-fragments-per-packet 1000; }"
    local v4, v6, counters = c.check({ table = table_text(list), internal = ("mtu %d;"):format(mtu6), external = limits }, frames)
    lu.assertEquals(v4, {})
    lu.assertEquals(counters["out-ipv6-packets"], #sent)
    for _, frame in ipairs(v6) do lu.assertTrue(#frame <= 14 + mtu6) end
    local out, six, second = c.check({ table = table_text(back), internal = "hairpinning false;" .. limits, external = ("mtu %d;"):format(mtu4) }, {}, v6)
    lu.assertEquals(six, {})
    lu.assertEquals(second["in-ipv6-packets"], #sent)
    for _, frame in ipairs(out) do lu.assertTrue(#frame <= 14 + mtu4) end
    out = join4(out)
    lu.assertEquals(#out, #sent)
    for i, x in ipairs(sent) do
      local cut = x.joined or #x.p > mtu4
      lu.assertEquals(bare(out[i], cut), bare(x.p, cut))
      lu.assertEquals(out[i]:byte(9), x.p:byte(9) - 1)
    end
  end)
end

TestErrors = {}

-- All that an lwAFTR of one table may get, mostly with something wrong. world: what the configuration says
local function random_packet(world)
  local function inner(from, to, from_port, to_port, most)
    local o = { src = from, dst = to, ttl = pick({ 0, 1, 2, 64, 255 }), tos = random(0, 255), id = random(1, 65535), df = chance(2), bad = chance(20),
      options = chance(8) and "\1\1\1\1" or "", more = chance(30), offset = chance(30) and 8 * random(1, 100) or 0 }
    local kind = random(6)
    if kind <= 4 then
      -- Often just what fits one of the sides, or a few bytes more or less.
      local edge = pick({ world.mtu4, world.mtu6 - 40, world.mtu6 }) + random(-1, 2) - 20 - #o.options
      o.payload, o.protocol = payload(from_port, to_port, pick({ random(8, 60), random(8, most), math.min(edge, most) })), kind == 1 and 6 or 17
    else
      o.protocol = 1
      local quoted = w.ipv4({ src = to, dst = from, payload = payload(to_port, from_port, 40) })
      o.payload = pick({ w.echo(pick({ from_port, to_port })), w.reply(pick({ from_port, to_port })),
        w.icmp(3, random(0, 5), "\0\0\5\0", quoted, chance(10)),
        w.icmp(11, 0, "\0\0\0\0", quoted:sub(1, 28)), w.icmp(random(0, 40), 0, "\0\0\0\0", quoted), w.icmp(3, 1, "\0\0\0\0", quoted:sub(1, random(0, 28))) })
    end
    return w.ipv4(o)
  end
  local b4s = { { w.A, w.WHOLE, 80, w.BR }, { w.B, w.SHARED, 4100, w.BR }, { w.C, w.SHARED, 5200, w.BR2 }, { w.D, w.SHARED, 0, w.BR },
    { w.B, w.UNSERVED, 1, w.BR }, { w.A, w.SHARED, 9999, w.BR }, { w.C, w.SHARED, 4100, w.BR } }
  local from, to = pick(b4s), pick(b4s)
  local host = pick({ w.HOST, w.HOST, "8.8.8.8", "0.0.0.0", "127.0.0.1", "224.0.0.9", "255.255.255.255", w.OWN4 })
  local kind = random(5)
  if kind == 1 then return 4, inner(host, to[2], random(0, 65535), to[3], 1700) end
  if kind == 2 then return 6, w.tunnel(from[1], inner(from[2], host, from[3], random(0, 65535), world.most), from[4]) end
  if kind == 3 then return 6, w.tunnel(from[1], inner(from[2], to[2], from[3], to[3], world.most), from[4]) end
  local quoted = w.tunnelled(to[1], inner(pick({ host, from[2] }), to[2], from[3], to[3], 900), to[4])
  if chance(6) then quoted = quoted:sub(1, random(0, #quoted)) end
  local message = w.icmpv6(pick({ "2001:db8::99", w.A }), w.BR, random(0, 5), random(0, 1), w.u32(random(0, 70000)), quoted:sub(1, 1200), chance(10))
  if kind == 4 then return 6, message end
  local either = pick({ inner(host, to[2], 1, to[3], 500), message, w.tunnel(from[1], inner(from[2], host, from[3], 1, 500)) })
  for _ = 1, random(3) do
    local at = random(#either)
    either = either:sub(1, at - 1) .. string.char(random(0, 255)) .. either:sub(at + 1)
  end
  return pick({ 4, 6 }), either
end

-- What an error about a packet may quote: the packet, or its inner packet, or what is in the quotation of a message; the TTL as it came,
-- less one, or 0.
local function may_quote(came, side)
  local list = {}
  local function add(p)
    if #p < 20 or p:byte(1) < 0x45 or p:byte(1) > 0x4f or total(p) > #p then return end
    p = p:sub(1, total(p))
    for _, value in ipairs({ p:byte(9), math.max(p:byte(9) - 1, 0), 0 }) do list[#list + 1] = { bare(p), p, value } end
  end
  if side == 4 then
    add(came)
  else
    add(came:sub(41))
    for at = 89, 97, 8 do               -- behind a quoted IPv6 header, and a fragment header
      local inner = came:sub(at)
      if #inner >= 20 and total(inner) > #inner then        -- it was cut off where it was quoted
        local p = inner
        for _, value in ipairs({ p:byte(9), 0 }) do list[#list + 1] = { bare(p), p, value } end
      else
        add(inner)
      end
    end
  end
  return list
end

local function assert_quotes(error4, came, side)
  local quoted = error4:sub(29)
  lu.assertEquals(total(error4), #error4)
  lu.assertTrue(#error4 <= 576)
  for _, candidate in ipairs(may_quote(came, side)) do
    local p = candidate[2]
    local whole = #p <= 548 and #quoted == #p or #quoted == 548
    if whole and bare(quoted) == candidate[1]:sub(1, #bare(quoted)) and (quoted:byte(9) == candidate[3] or quoted:byte(9) == p:byte(9)) then
      lu.assertEquals(error4:sub(17, 20), p:sub(13, 16))
      return
    end
  end
  lu.fail(("an error quotes what did not come: %s about %s"):format((error4:gsub(".", function (b) return ("%02x"):format(b:byte()) end)),
    (came:gsub(".", function (b) return ("%02x"):format(b:byte()) end))))
end

-- Is this IPv4 packet a message of the lwAFTR itself? Its identification is 0, that of the packets above is not.
local function is_own_error(p) return p:byte(10) == 1 and p:sub(13, 16) == w.ip(w.OWN4) and p:sub(5, 6) == "\0\0" end

-- One packet at a time, so that what leaves is due to it: every error quotes the packet that caused it and goes to who sent that, there is
-- one at most, and none to what is no host; no packet is longer than its side's MTU unless it may be cut; drops and the ledger add up.
function TestErrors:testEveryErrorQuotesItsCause()
  local errors4, errors6 = 0, 0
  each(16, function ()
    local mtu4, mtu6 = random(576, 1500), random(1280, 1540)
    local world = { most = 1700, mtu4 = mtu4, mtu6 = mtu6 }
    local app = w.app({ internal = ("mtu %d; error-rate-limiting { packets 1000000; } hairpinning %s;"):format(mtu6, chance(3) and "false" or "true"),
      external = ("mtu %d; error-rate-limiting { packets 1000000; }"):format(mtu4) },
      { ecn = pick({ "inner", "rfc6040" }), decrement_ttl_on_decapsulation = chance(2), echo = pick({ "port0", "identifier" }) })
    w.left = 0
    for _ = 1, 500 do
      local side, p = random_packet(world)
      local out4, out6 = w.send_frames(app, side == 4 and { c.FROM4 .. p } or {}, side == 6 and { c.FROM6 .. p } or {})
      local own, held = 0, app.class.held(app)
      for _, out in ipairs(out4) do
        lu.assertTrue(#out <= mtu4 or out:byte(7) < 0x40)
        if is_own_error(out) then
          own = own + 1
          assert_quotes(out, p, side)
          lu.assertTrue(out:byte(17) ~= 0 and out:byte(17) ~= 127 and out:byte(17) < 224)
        end
      end
      for _, out in ipairs(out6) do
        if out:byte(7) == 58 then
          own, errors6 = own + 1, errors6 + 1
          lu.assertEquals(side, 6)
          lu.assertTrue(#out <= 1280)
          lu.assertEquals(out:sub(25, 40), p:sub(9, 24))
          lu.assertEquals(out:sub(49), p:sub(1, 40 + total("\0\0" .. p:sub(5, 6))):sub(1, 1232))
        else
          local inner = out:sub(41)
          lu.assertTrue(#out <= mtu6 or inner:byte(7) < 0x40)
          if is_own_error(inner) and inner:byte(9) == 254 then
            own = own + 1
            assert_quotes(inner, p, side)
          end
        end
      end
      errors4 = errors4 + own
      lu.assertTrue(own <= 1 + held)
    end
    w.check(app, app.class.held(app))
    app.class.stop(app)
    support.finish(app)
  end)
  -- The packets above do provoke errors.
  lu.assertTrue(errors4 > 400, errors4)
  lu.assertTrue(errors6 > 100, errors6)
end

TestWholeGraph = {}

-- What else is on a wire: questions, pings, fragments, frames of other kinds.
local function random_frame(world)
  local kind = random(8)
  if kind == 1 then
    local ping = w.ipv4({ src = w.HOST, dst = w.OWN4, protocol = 1, df = chance(3), payload = w.echo(7, ("p"):rep(random(0, 1900))) })
    return 4, c.FROM4 .. ping .. ("\0"):rep(random(0, 60))
  elseif kind == 2 then
    return 6, c.FROM6 .. w.icmpv6("2001:db8::99", w.OWN6, 128, 0, "\0\7\0\1", ("p"):rep(random(0, 1900)))
  elseif kind == 3 then
    return 4, ("\255"):rep(6) .. c.PEER4 .. "\8\6\0\1\8\0\6\4\0\1" .. c.PEER4 .. w.ip(w.HOST) .. ("\0"):rep(6) .. w.ip(w.OWN4) .. ("\0"):rep(random(0, 1800))
  elseif kind == 4 then
    return pick({ 4, 6 }), ("\1"):rep(12) .. u16(random(0, 65535)) .. ("x"):rep(random(0, 1900))
  end
  local side, p = random_packet(world)
  return side, (side == 4 and c.FROM4 or c.FROM6) .. p
end

local function add_fragments(to, frame)
  local p, head = frame:sub(15), frame:sub(1, 14)
  if p:byte(1) == 0x45 and p:byte(7) % 0x40 == 0 and p:byte(8) == 0 and total(p) == #p and #p > 100 then
    for _, piece in ipairs(shuffle(c.cut4(p, 8 * random(8, 60), random(0, 65535)))) do to[#to + 1] = head .. piece end
  elseif frame:byte(13) == 0x86 and #p > 140 and p:byte(7) == 4 then
    for _, piece in ipairs(shuffle(c.cut6(p, 8 * random(8, 60), random(0, 65535)))) do to[#to + 1] = head .. piece end
  else
    to[#to + 1] = frame
  end
end

-- Anything on both sides of the whole graph: no frame is longer than the MTU of its side, the ledger balances (nf looks itself), the drop
-- counters add up, and what was cut is counted as often as it is there.
function TestWholeGraph:testMtusAndCounters()
  each(12, function ()
    local mtu4, mtu6, vlan = random(68, 1500), random(1280, 1540), chance(2)
    local world = { most = 1700, mtu4 = mtu4, mtu6 = mtu6 }
    local four, six = {}, {}
    for _ = 1, 200 do
      local side, frame = random_frame(world)
      local to = side == 4 and four or six
      if chance(4) then add_fragments(to, frame) else to[#to + 1] = frame end
    end
    local conf = { external = ("mtu %d; allow-incoming-icmp %s;"):format(mtu4, chance(4) and "false" or "true"),
      internal = ("mtu %d; hairpinning %s;"):format(mtu6, chance(4) and "false" or "true") }
    if vlan then
      conf.vlan4, conf.vlan6 = "vlan-tag 12;", "vlan-tag 13;"
      for i, frame in ipairs(four) do four[i] = frame:sub(1, 12) .. "\x81\0\0\12" .. frame:sub(13) end
      for i, frame in ipairs(six) do six[i] = frame:sub(1, 12) .. "\x81\0\0\13" .. frame:sub(13) end
    end
    local v4, v6, counters = c.check(conf, four, six, chance(2) and "--on-a-stick" or "")
    local head = vlan and 18 or 14
    for _, frame in ipairs(v4) do lu.assertTrue(#frame <= head + mtu4 or frame:sub(head - 1, head) == "\8\6", #frame) end
    for _, frame in ipairs(v6) do lu.assertTrue(#frame <= head + mtu6, #frame) end
    lu.assertEquals((counters["out-ipv4-frag"] or 0) + (counters["out-ipv4-frag-not"] or 0), #v4)
    lu.assertEquals((counters["out-ipv6-frag"] or 0) + (counters["out-ipv6-frag-not"] or 0), #v6)
    local drops = { packets = 0, bytes = 0 }
    local all = (counters["drop-all-ipv4-iface-packets"] or 0) + (counters["drop-all-ipv6-iface-packets"] or 0)
    for name, value in pairs(counters) do
      local unit = name:match("^drop%-.*%-(%w+)$")
      local is_sum = name:match("^drop%-all") or name:match("^drop%-out") or name:match("rate%-limit") or name:match("rfc7596")
      if drops[unit] and not is_sum then
        drops[unit] = drops[unit] + value
      elseif name:match("frag%-disabled$") then
        drops.packets = drops.packets + value
      end
    end
    lu.assertEquals(drops.packets, all)
  end)
end

-- However much at once: a relay of random addresses asks for its next hops once, and what waits for them is kept within bounds.
function TestWholeGraph:testUnknownNextHops()
  each(2, function ()
    local four, six = {}, {}
    for i = 1, random(600, 1500) do
      four[i], six[i] = c.FROM4 .. w.inward(w.WHOLE, random(0, 65535)), c.FROM6 .. w.tunnel(w.B, w.outward(w.SHARED, 4100))
    end
    local v4, v6, counters = c.check({ hop4 = "ip 203.0.113.254;", hop6 = "ip 2001:db8::1;" }, four, six)
    lu.assertEquals({ #v4, #v6 }, { 1, 1 })
    lu.assertEquals({ counters["out-ipv4-packets"], counters["out-ipv6-packets"] }, { #six, #four })
  end)
end

TestHelpers = {}

-- The helpers themselves find what is wrong: a test that cannot fail is none.
function TestHelpers:testFailureTellsItsSeed()
  local ok, message = pcall(each, 1, function () error("wrong") end)
  lu.assertFalse(ok)
  lu.assertStrContains(tostring(message), ("seed %d"):format(SEED * 1000 + 1))
  local p = w.inward(w.UNSERVED, 80)
  assert_quotes(w.error4(3, 1, 0, p), p, 4)
  lu.assertFalse(pcall(assert_quotes, w.error4(3, 1, 0, w.inward(w.UNSERVED, 81)), p, 4))
  lu.assertEquals(address(p:sub(13, 16)), w.HOST)
end

os.exit(lu.LuaUnit.run())
