-- reassembly, ident, address_set, icmp_error: what the IP apps are made of, without packets.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local ip = require("support_ip")

TestReassembly = {}

local function reassembly(datagrams, pieces)
  local memory = ffi.new("uint8_t[?]", nf.reassembly_size(datagrams, pieces))
  local r, key = ffi.new("struct reassembly"), ffi.new("struct siphash_key", { { 1, 2 } })
  nf.reassembly_init(r, memory, datagrams, pieces, key)
  return r, memory
end

local function key(n)
  local bytes = ffi.new("uint8_t[40]")
  ffi.cast("uint32_t *", bytes)[0] = n
  return bytes
end

local zeros = ffi.new("uint8_t[2000]")
local function item(n) return ffi.cast("void *", n) end

-- All places taken and given back in any order, many times: the lists stay whole.
function TestReassembly:testAllPlacesAgainAndAgain()
  math.randomseed(3)
  local r, memory = reassembly(37, 80)
  local open, oldest = {}, {}
  for n = 1, 5000 do
    if #open < 37 and math.random(3) > 1 then
      local d = nf.reassembly_begin(r, key(n), n)
      open[#open + 1] = n
      if r.piece_count < 80 then lu.assertEquals(tonumber(nf.reassembly_put(r, d, item(n), zeros, 8, 16, false)), nf.REASSEMBLY_KEPT) end
    elseif #open > 0 then
      local d = nf.reassembly_find(r, key(table.remove(open, math.random(#open))))
      lu.assertTrue(d ~= nil)
      nf.reassembly_end(r, d)
    end
    lu.assertEquals(r.count, #open)
    oldest[1] = math.huge
    for _, m in ipairs(open) do oldest[1] = math.min(oldest[1], m) end
    if #open > 0 then
      lu.assertEquals(tonumber(nf.reassembly_oldest(r).since_ns), oldest[1])
      local drawn = nf.reassembly_draw(r, nf.random_seed * 0x9e3779b97f4a7c15ULL * n)
      lu.assertTrue(nf.reassembly_find(r, drawn.key) == drawn)
    else
      lu.assertTrue(nf.reassembly_oldest(r) == nil)
    end
  end
  for _, n in ipairs(open) do nf.reassembly_end(r, nf.reassembly_find(r, key(n))) end
  lu.assertEquals({ r.count, r.piece_count, r.oldest, r.newest }, { 0, 0, -1, -1 })
  lu.assertTrue(memory ~= nil)
end

function TestReassembly:testDrawGivesEach()
  local r, memory = reassembly(16, 16)
  for n = 1, 16 do nf.reassembly_begin(r, key(n), n) end
  local seen = {}
  for n = 0, 15 do seen[tonumber(nf.reassembly_draw(r, ffi.cast("uint64_t", n) * 0x1000000000000000ULL).since_ns)] = true end
  lu.assertEquals(#seen, 16)
  lu.assertTrue(memory ~= nil)
end

-- Pieces of given-up datagrams are free again at once.
function TestReassembly:testGiveUp()
  local r, memory = reassembly(2, 2)
  local d = nf.reassembly_begin(r, key(1), 1)
  nf.reassembly_put(r, d, item(1), zeros, 0, 8, false)
  nf.reassembly_put(r, d, item(2), zeros, 16, 24, false)
  nf.reassembly_give_up(r, d)
  lu.assertEquals({ r.piece_count, d.given_up, nf.reassembly_first(r, d) == nil }, { 0, true, true })
  local e = nf.reassembly_begin(r, key(2), 2)
  nf.reassembly_put(r, e, item(3), zeros, 0, 8, false)
  lu.assertEquals(tonumber(nf.reassembly_put(r, e, item(4), zeros, 8, 16, true)), nf.REASSEMBLY_COMPLETE)
  lu.assertTrue(memory ~= nil)
end

TestIdent = {}

function TestIdent:testPlain()
  local ident = ffi.new("struct ident")
  nf.ident_init_plain(ident, 0xffffffff)
  lu.assertEquals({ nf.ident_next(ident, "ab", 2), nf.ident_next(ident, "cd", 2) }, { 0xffffffff, 0 })
end

-- Another key, other numbers; the same destination one more each time.
function TestIdent:testSecret()
  local a, b, same = ffi.new("struct ident"), ffi.new("struct ident"), 0
  nf.ident_init(a, 1, 2)
  nf.ident_init(b, 1, 3)
  for n = 1, 100 do
    local name = "host" .. n
    local first = nf.ident_next(a, name, #name)
    lu.assertEquals(nf.ident_next(a, name, #name), (first + 1) % 2 ^ 32)
    if first == nf.ident_next(b, name, #name) then same = same + 1 end
  end
  lu.assertEquals(same, 0)
end

TestAddressSet = {}

local kept = {}                 -- the memory of sets
local function set(bytes, prefixes)
  local s, ranges = ffi.new("struct address_set"), ffi.new("struct address_range[?]", #prefixes)
  kept[#kept + 1] = ranges
  nf.address_set_init(s, ranges, bytes)
  for _, prefix in ipairs(prefixes) do nf.address_set_add(s, prefix[1], prefix[2]) end
  nf.address_set_sort(s)
  return s
end

function TestAddressSet:testOverlapsAreMerged()
  local s = set(4, { { "\10\1\0\0", 16 }, { "\10\0\0\0", 8 }, { "\10\0\0\0", 24 }, { "\192\0\2\1", 32 } })
  lu.assertEquals(s.count, 2)
  for address, has in pairs({ ["\10\0\0\0"] = true, ["\10\255\255\255"] = true, ["\11\0\0\0"] = false, ["\9\255\255\255"] = false,
    ["\192\0\2\1"] = true, ["\192\0\2\0"] = false, ["\192\0\2\2"] = false }) do lu.assertEquals(nf.address_set_has(s, address), has) end
  s = set(4, { { "\0\0\0\0", 0 } })
  lu.assertTrue(nf.address_set_has(s, "\255\255\255\255"))
  lu.assertFalse(nf.address_set_has(set(4, {}), "\1\2\3\4"))
end

-- Any prefixes, against looking at each of them.
function TestAddressSet:testAgainstALook()
  math.randomseed(5)
  for _, bytes in ipairs({ 4, 16 }) do
    local function address() return string.char(math.random(0, 3), math.random(0, 255)) .. ("\0"):rep(bytes - 3) .. string.char(math.random(0, 255)) end
    local prefixes = {}
    for i = 1, 40 do
      local bits = math.random(6, bytes * 8)
      prefixes[i] = { address(), bits }
    end
    local s = set(bytes, prefixes)
    for _ = 1, 2000 do
      local a, expected = address(), false
      for _, p in ipairs(prefixes) do
        local whole, rest = math.floor(p[2] / 8), 2 ^ (8 - p[2] % 8)
        expected = expected or (a:sub(1, whole) == p[1]:sub(1, whole) and (p[2] % 8 == 0 or
          math.floor(a:byte(whole + 1) / rest) == math.floor(p[1]:byte(whole + 1) / rest)))
      end
      lu.assertEquals(nf.address_set_has(s, a), expected)
    end
  end
end

TestIcmpError = {}

local function error4(frame)
  local to = ffi.new("uint8_t[?]", nf.ICMP_ERROR_FRAME)
  return ffi.string(to, nf.icmp_error4(to, frame, #frame, 3, 1, 0, "\10\0\0\1"))
end
local function error6(frame)
  local to = ffi.new("uint8_t[?]", nf.ICMP_ERROR_FRAME)
  return ffi.string(to, nf.icmp_error6(to, frame, #frame, 1, 5, 0, ip.ip6("::1")))
end

-- Only what the packet has is quoted, whatever its length field says; every length is safe.
function TestIcmpError:testEveryLength()
  local frame4, frame6 = ip.ipv4({}, ("x"):rep(30)), ip.ipv6({ next = 60 }, "\17\0\0\0\0\0\0\0" .. ("x"):rep(30))
  for length = 0, #frame4 do
    local out = error4(frame4:sub(1, length))
    if length < 34 then lu.assertEquals(out, "") else lu.assertEquals(out:sub(43), frame4:sub(15, length)) end
  end
  for length = 0, #frame6 do
    local out = error6(frame6:sub(1, length))
    if length < 62 then lu.assertEquals(out, "") else lu.assertEquals(out:sub(63), frame6:sub(15, length)) end
  end
  lu.assertEquals(error4(frame4 .. "padding"), error4(frame4))
  lu.assertEquals(error6(frame6 .. "padding"), error6(frame6))
  lu.assertEquals(#error4(ip.ipv4({}, ("x"):rep(3000))), 14 + nf.ICMP_ERROR_MOST4)
  lu.assertEquals(#error6(ip.ipv6({}, ("x"):rep(3000))), nf.ICMP_ERROR_FRAME)
  lu.assertEquals(error4(ip.ipv4({ protocol = 1 }, "")), "", "an ICMP packet whose type is not there")
  lu.assertEquals(error6(ip.ipv6({ next = 58 }, "")), "")
end

os.exit(lu.LuaUnit.run())
