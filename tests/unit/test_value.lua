-- value: encoding from Lua, decoding of right and hostile bytes, look-up, equality, hash, printing.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local codec = require("nf.value")
local support = require("support")

TestValue = {}

local function decode(bytes)
  local out = ffi.new("struct value *[1]")
  local code = nf.value_decode(bytes, #bytes, out)
  if code ~= 0 then
    lu.assertEquals(code, -74)          -- EBADMSG
    lu.assertTrue(out[0] == nil)
    return nil, ffi.string(nf.nf_error())
  end
  return ffi.gc(out[0], nf.value_free)
end

local function print_value(v)
  local text = ffi.new("char[4096]")
  local n = nf.value_print(v, text, 4096)
  local s = ffi.string(text)
  lu.assertEquals(tonumber(n), #s)
  return s
end

local function u32(n) return ffi.string(ffi.new("uint32_t[1]", n), 4) end

local sample = { 1, 2.5, "three", { a = true, b = false, ["odd key"] = "x\0y\n\"" }, name = "n", list = {}, big = 18446744073709551615ULL,
  small = -9223372036854775807LL - 1LL }

function TestValue:testLuaValuesSurviveTheRoundTrip()
  local back = assert(codec.decode(assert(codec.encode(sample))))
  lu.assertEquals(back[1], 1)
  lu.assertEquals(back[2], 2.5)
  lu.assertEquals(back[3], "three")
  lu.assertEquals(back[4], sample[4])
  lu.assertEquals(back.name, "n")
  lu.assertEquals(back.list, {})
  lu.assertEquals(tostring(back.big), "18446744073709551615ULL")
  lu.assertEquals(tostring(back.small), "-9223372036854775808LL")
  lu.assertEquals(codec.decode(codec.encode(nil)), nil)
end

function TestValue:testTreeHasPositionsFirstThenSortedNames()
  local v = support.value({ z = 1, a = 2, aa = 3, 10, 20 })
  lu.assertEquals(tonumber(v.type), ffi.C.VALUE_TABLE)
  lu.assertEquals(v.count, 5)
  lu.assertEquals(nf.value_at(v, 1).number, 10)
  lu.assertEquals(nf.value_at(v, 2).number, 20)
  lu.assertTrue(nf.value_at(v, 3) == nil)
  lu.assertTrue(nf.value_at(v, 0) == nil)
  lu.assertEquals(nf.value_get(v, "a").number, 2)
  lu.assertEquals(nf.value_get(v, "aa").number, 3)
  lu.assertEquals(nf.value_get(v, "z").number, 1)
  lu.assertTrue(nf.value_get(v, "b") == nil)
  lu.assertTrue(nf.value_get(nil, "b") == nil)
  lu.assertTrue(nf.value_get(support.value("text"), "b") == nil)
  lu.assertTrue(nf.value_at(support.value("text"), 1) == nil)
  lu.assertEquals(ffi.string(v.entry[2].key.string), "a")
end

function TestValue:testWhatIsNoPlainDataIsRefusedByPath()
  local cyclic = { deep = {} }
  cyclic.deep.again = cyclic
  local nested = {}
  for _ = 1, 40 do nested = { nested } end
  for _, case in ipairs({
    { { apps = { x = { f = print } } }, "apps.x.f is a function; accepted: tables, strings, numbers, booleans" },
    { { 1, { coroutine.create(print) } }, "[2][1] is a thread; accepted: tables, strings, numbers, booleans" },
    { print, "the value is a function; accepted: tables, strings, numbers, booleans" },
    { { x = ffi.new("int[1]") }, "x is C data; accepted: tables, strings, numbers, booleans" },
    { cyclic, "deep.again is a table that contains itself" },
    { nested, "the value has more than 32 tables within each other" },
    { { x = { 1, 2, [4] = 4 } }, "x has the key 4; accepted keys: 1, 2, 3, ... without gaps, and strings" },
    { { [0] = 1 }, "the value has the key 0; accepted keys: 1, 2, 3, ... without gaps, and strings" },
    { { [true] = 1 }, "the value has a boolean for a key; accepted keys: 1, 2, 3, ... and strings" },
  }) do
    local bytes, message = codec.encode(case[1])
    lu.assertNil(bytes)
    lu.assertEquals(message, case[2])
  end
end

function TestValue:testTooManyEntriesAreRefused()
  -- Each level refers to the one below twice: 2^30 entries in 30 small tables.
  local t = { 1 }
  for _ = 1, 30 do t = { t, t } end
  local bytes, message = codec.encode(t)
  lu.assertNil(bytes)
  lu.assertEquals(message, "the value has more than 16777216 entries")
  local long = ("x"):rep(1000000)
  t = {}
  for i = 1, 300 do t[i] = long end
  bytes, message = codec.encode(t)
  lu.assertNil(bytes)
  lu.assertEquals(message, "the value needs more than 256 MiB")
end

function TestValue:testHostileBytesAreRefused()
  local name = function(s) return u32(#s) .. s end
  for _, case in ipairs({
    { "", "an encoded value is cut off" },
    { "d1234567", "an encoded value is cut off" },
    { "s" .. u32(5) .. "abcd", "an encoded value is cut off" },
    { "s" .. u32(0xffffffff) .. "abcd", "an encoded value is cut off" },
    { "T" .. u32(1), "an encoded value is cut off" },
    { "T" .. u32(2) .. u32(0) .. "t", "an encoded value is cut off" },
    { "T" .. u32(0xffffffff) .. u32(0xffffffff), "an encoded value has more than 16777216 entries" },
    { "T" .. u32(1) .. u32(0) .. "n", "an encoded table holds nil" },
    { "x", "an encoded value has a part of unknown type 120" },
    { "tt", "an encoded value is followed by 1 more bytes" },
    { "T" .. u32(0) .. u32(2) .. name("b") .. "t" .. name("a") .. "t", "an encoded table has its names twice or out of order" },
    { "T" .. u32(0) .. u32(2) .. name("a") .. "t" .. name("a") .. "t", "an encoded table has its names twice or out of order" },
    { ("T" .. u32(1) .. u32(0)):rep(40) .. "t", "an encoded value has more than 32 tables within each other" },
  }) do
    local value, message = decode(case[1])
    lu.assertNil(value)
    lu.assertEquals(message, case[2])
  end
end

function TestValue:testEveryCutOfAnEncodingIsRefused()
  local bytes = codec.encode(sample)
  for n = 0, #bytes - 1 do lu.assertNil((decode(bytes:sub(1, n)))) end
  lu.assertNotNil(decode(bytes))
end

function TestValue:testRandomDamageIsDecodedOrRefused()
  local bytes = codec.encode(sample)
  math.randomseed(1)
  local refused = 0
  for _ = 1, 20000 do
    local i = math.random(#bytes)
    local damaged = bytes:sub(1, i - 1) .. string.char(math.random(0, 255)) .. bytes:sub(i + 1)
    local v = decode(damaged)
    if v then nf.value_hash(v) else refused = refused + 1 end
  end
  lu.assertTrue(refused > 100)
end

function TestValue:testEqualValuesHaveEqualHashes()
  local a, b = support.value(sample), support.value(codec.decode(codec.encode(sample)))
  lu.assertTrue(nf.value_equal(a, b))
  lu.assertEquals(nf.value_hash(a), nf.value_hash(b))
  for _, pair in ipairs({ { 1, 2 }, { 1, "1" }, { {}, { 1 } }, { { 1 }, { 2 } }, { { a = 1 }, { b = 1 } }, { "a", "b" }, { "a", "ab" },
    { true, false }, { 1LL, 1 }, { 1LL, 2LL }, { 1ULL, 1LL }, { { "a", "b" }, { "ab" } }, { { {} }, {} } }) do
    local x, y = support.value(pair[1]), support.value(pair[2])
    lu.assertFalse(nf.value_equal(x, y))
    lu.assertNotEquals(nf.value_hash(x), nf.value_hash(y))
  end
  lu.assertTrue(nf.value_equal(nil, support.value(nil)))
  lu.assertEquals(nf.value_hash(nil), nf.value_hash(support.value(nil)))
  lu.assertTrue(nf.value_equal(support.value(0), support.value(-0.0)))
  lu.assertEquals(nf.value_hash(support.value(0)), nf.value_hash(support.value(-0.0)))
  lu.assertTrue(nf.value_equal(support.value(0 / 0), support.value(0 / 0)))
end

function TestValue:testPrintedValuesReadBack()
  local a = support.value(sample)
  local text = print_value(a)
  lu.assertTrue(nf.value_equal(a, support.value(loadstring("return " .. text)())))
  lu.assertEquals(print_value(support.value({ 1, b = { c = 0.1 } })), "{ 1, b = { c = 0.1 } }")
  lu.assertEquals(print_value(support.value({ ["end"] = 1, ["1a"] = 2, a_1 = 3 })), '{ ["1a"] = 2, a_1 = 3, ["end"] = 1 }')
  lu.assertEquals(print_value(support.value("\0\1\n\"\\")), '"\\000\\001\\n\\"\\\\"')
  lu.assertEquals(print_value(nil), "nil")
  lu.assertEquals(print_value(support.value({})), "{}")
  lu.assertEquals(print_value(support.value(1 / 0)), "1/0")
end

function TestValue:testPrintingIsCutOffAtTheSize()
  local v = support.value({ "abcdef" })
  local text = ffi.new("char[8]", "#######")
  lu.assertEquals(tonumber(nf.value_print(v, text, 5)), 12)
  lu.assertEquals(ffi.string(text), '{ "a')
  lu.assertEquals(text[5], ("#"):byte())
  lu.assertEquals(tonumber(nf.value_print(v, nil, 0)), 12)
end

function TestValue:testTypeNames()
  local names = { { nil, "nothing" }, { true, "a boolean" }, { 1, "a number" }, { 1LL, "an integer" }, { 1ULL, "an unsigned integer" },
    { "", "a string" }, { {}, "a table" } }
  for i = 1, 7 do lu.assertEquals(ffi.string(nf.value_type_name(support.value(names[i][1]))), names[i][2]) end
  lu.assertEquals(ffi.string(nf.value_type_name(nil)), "nothing")
end

os.exit(lu.LuaUnit.run())
