-- param: decoding of every type, ranges, defaults, and the message of every mistake.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

TestParam = {}

-- Keep what C points to.
local kept = {}
local function keep(x)
  kept[#kept + 1] = x
  return x
end

local function choices(...) return keep(support.names(keep({ ... }))) end

-- A table of parameters with one, "y", at offset 0, and a "present" byte at 64.
local function params(fields)
  local list = keep(ffi.new("struct param[2]"))
  for k, v in pairs(fields) do list[0][k] = v end
  keep(fields)
  list[0].name = "y"
  return list
end

local function decode(list, table_value, folder)
  local base, errors = ffi.new("uint8_t[256]"), ffi.new("struct errors")
  local arena = keep(ffi.gc(ffi.new("struct arena"), nf.arena_free))
  local context = ffi.new("struct param_context", { app = "app 'x'", folder = folder or "/etc/nf", arena = arena, errors = errors })
  local good = nf.param_decode(list, table_value and keep(support.value(table_value)), base, context)
  local messages = support.errors(errors)
  lu.assertEquals(good, #messages == 0)
  return base, messages
end

local function field(type, list, value)
  local base, messages = decode(list, { y = value })
  lu.assertEquals(messages, {})
  return ffi.cast(type .. " *", base)[0]
end

local function message(fields, value)
  local _, messages = decode(params(fields), { y = value })
  lu.assertEquals(#messages, 1)
  return messages[1]
end

-- One mistake, one message: a misspelt key that was to be the required one is not told as missing, too.
function TestParam:testAMisspeltRequiredKeyIsToldOnce()
  local list = keep(ffi.new("struct param[2]"))
  list[0].name, list[0].type, list[0].required = keep("length"), "PARAM_U32", true
  local _, messages = decode(list, { lenght = 5 })
  lu.assertEquals(messages, { "app 'x': key 'lenght': is unknown, did you mean 'length'?" })
  _, messages = decode(list, { colour = 5 })
  lu.assertEquals(#messages, 2)
end

function TestParam:testUnsignedNumbers()
  for _, case in ipairs({ { "PARAM_U8", "uint8_t", 255 }, { "PARAM_U16", "uint16_t", 65535 }, { "PARAM_U32", "uint32_t", 4294967295 },
    { "PARAM_U64", "uint64_t", 18446744073709551615ULL }, { "PARAM_U64", "uint64_t", 7LL } }) do
    lu.assertTrue(field(case[2], params({ type = case[1] }), case[3]) == case[3])
    lu.assertTrue(field(case[2], params({ type = case[1] }), 0) == 0)
  end
  lu.assertEquals(message({ type = "PARAM_U8" }, 256), "app 'x': key 'y': 256 is out of range; accepted: a whole number 0..255")
  lu.assertEquals(message({ type = "PARAM_U16" }, -1), "app 'x': key 'y': -1 is out of range; accepted: a whole number 0..65535")
  lu.assertEquals(message({ type = "PARAM_U32", min = 1, max = 9 }, 10), "app 'x': key 'y': 10 is out of range; accepted: a whole number 1..9")
  lu.assertEquals(message({ type = "PARAM_U32", min = 5 }, 4),
    "app 'x': key 'y': 4 is out of range; accepted: a whole number 5..4294967295")
  lu.assertEquals(message({ type = "PARAM_U32" }, 1.5),
    "app 'x': key 'y': 1.5 is no whole number; accepted: a whole number 0..4294967295")
  lu.assertEquals(message({ type = "PARAM_U8" }, "12"), "app 'x': key 'y': '12' is a string; accepted: a whole number 0..255")
  lu.assertEquals(message({ type = "PARAM_U8" }, true), "app 'x': key 'y': true is a boolean; accepted: a whole number 0..255")
  lu.assertEquals(message({ type = "PARAM_U8" }, {}), "app 'x': key 'y': a table is given; accepted: a whole number 0..255")
  lu.assertEquals(message({ type = "PARAM_U64" }, 2 ^ 64),
    "app 'x': key 'y': 1.8446744073709552e+19 is out of range; accepted: a whole number 0..18446744073709551615")
  lu.assertEquals(message({ type = "PARAM_U64" }, -1LL),
    "app 'x': key 'y': -1LL is out of range; accepted: a whole number 0..18446744073709551615")
  lu.assertEquals(message({ type = "PARAM_U8" }, 0 / 0), "app 'x': key 'y': 0/0 is no whole number; accepted: a whole number 0..255")
  lu.assertEquals(message({ type = "PARAM_U8" }, 1e300), "app 'x': key 'y': 1e+300 is no whole number; accepted: a whole number 0..255")
end

function TestParam:testSignedAndRealNumbers()
  lu.assertEquals(field("int64_t", params({ type = "PARAM_INT" }), -5), -5LL)
  lu.assertEquals(field("int64_t", params({ type = "PARAM_INT" }), -9223372036854775807LL - 1LL), -9223372036854775807LL - 1LL)
  lu.assertEquals(field("double", params({ type = "PARAM_NUMBER", real_max = 1 }), 0.25), 0.25)
  lu.assertEquals(message({ type = "PARAM_INT" }, 9223372036854775808ULL),
    "app 'x': key 'y': 9223372036854775808ULL is out of range; accepted: a whole number")
  lu.assertEquals(message({ type = "PARAM_INT", real_min = -5, real_max = 5 }, -6),
    "app 'x': key 'y': -6 is out of range; accepted: a whole number -5..5")
  lu.assertEquals(message({ type = "PARAM_INT" }, 0.5), "app 'x': key 'y': 0.5 is no whole number; accepted: a whole number")
  lu.assertEquals(message({ type = "PARAM_INT" }, "a"), "app 'x': key 'y': 'a' is a string; accepted: a whole number")
  lu.assertEquals(message({ type = "PARAM_NUMBER", real_max = 1 }, 1.5), "app 'x': key 'y': 1.5 is out of range; accepted: a number 0..1")
  lu.assertEquals(message({ type = "PARAM_NUMBER", real_min = 2 }, 1.5), "app 'x': key 'y': 1.5 is out of range; accepted: a number, 2 or more")
  lu.assertEquals(message({ type = "PARAM_NUMBER" }, 1 / 0), "app 'x': key 'y': 1/0 is no finite number; accepted: a number")
  lu.assertEquals(message({ type = "PARAM_NUMBER" }, "a"), "app 'x': key 'y': 'a' is a string; accepted: a number")
end

function TestParam:testBooleansStringsAndEnums()
  lu.assertEquals(field("bool", params({ type = "PARAM_BOOL", initial = 1 }), false), false)
  lu.assertEquals(ffi.string(field("const char *", params({ type = "PARAM_STRING" }), "abc")), "abc")
  lu.assertEquals(field("uint32_t", params({ type = "PARAM_ENUM", choices = choices("flow", "robin") }), "robin"), 1)
  lu.assertEquals(message({ type = "PARAM_BOOL" }, 1), "app 'x': key 'y': 1 is a number; accepted: true or false")
  lu.assertEquals(message({ type = "PARAM_STRING" }, 1), "app 'x': key 'y': 1 is a number; accepted: a string")
  lu.assertEquals(message({ type = "PARAM_STRING", min = 2, max = 4 }, "a"), "app 'x': key 'y': 'a' is too short; accepted: a string of 2..4 bytes")
  lu.assertEquals(message({ type = "PARAM_STRING", max = 4 }, "abcde"), "app 'x': key 'y': 'abcde' is too long; accepted: a string of 0..4 bytes")
  lu.assertEquals(message({ type = "PARAM_STRING" }, "a\0b"), "app 'x': key 'y': 'a?b' has a zero byte inside; accepted: a string")
  local modes = choices("flow", "robin")
  lu.assertEquals(message({ type = "PARAM_ENUM", choices = modes }, "robbin"),
    "app 'x': key 'y': 'robbin' is unknown, did you mean 'robin'? accepted: one of flow, robin")
  lu.assertEquals(message({ type = "PARAM_ENUM", choices = modes }, "zzzzzzzz"),
    "app 'x': key 'y': 'zzzzzzzz' is unknown; accepted: one of flow, robin")
  lu.assertEquals(message({ type = "PARAM_ENUM", choices = modes }, 1), "app 'x': key 'y': 1 is a number; accepted: one of flow, robin")
  -- What is shown of a long or odd string is short and plain.
  lu.assertEquals(message({ type = "PARAM_BOOL" }, ("\n"):rep(100)),
    "app 'x': key 'y': '" .. ("?"):rep(42) .. "...' is a string; accepted: true or false")
end

function TestParam:testAmountsWithUnits()
  local bytes, time = params({ type = "PARAM_BYTES" }), params({ type = "PARAM_DURATION" })
  for text, n in pairs({ ["64K"] = 65536, ["1M"] = 1048576, ["2G"] = 2147483648, ["1.5K"] = 1536, ["10"] = 10, ["3KiB"] = 3072, ["7B"] = 7 }) do
    lu.assertEquals(tonumber(field("uint64_t", bytes, text)), n)
  end
  lu.assertEquals(tonumber(field("uint64_t", bytes, 1500)), 1500)
  for text, n in pairs({ ["100us"] = 1e5, ["5ms"] = 5e6, ["2s"] = 2e9, ["1min"] = 6e10, ["1h"] = 36e11, ["0.5ms"] = 5e5, ["7ns"] = 7 }) do
    lu.assertEquals(tonumber(field("uint64_t", time, text)), n)
  end
  lu.assertEquals(tonumber(field("uint64_t", time, 0.25)), 25e7)
  local accepted = "; accepted: bytes, for example 1500 or \"64K\""
  for _, text in ipairs({ "", "K", "64k!", "-1", "1e3", ".5", "5.", "64 K", "99999999999999999T", "0x10" }) do
    lu.assertEquals(message({ type = "PARAM_BYTES" }, text), "app 'x': key 'y': '" .. text .. "' is not understood" .. accepted)
  end
  lu.assertEquals(message({ type = "PARAM_BYTES" }, 1.5), "app 'x': key 'y': 1.5 is no whole number" .. accepted)
  lu.assertEquals(message({ type = "PARAM_BYTES" }, -1), "app 'x': key 'y': -1 is out of range" .. accepted)
  lu.assertEquals(message({ type = "PARAM_BYTES" }, true), "app 'x': key 'y': true is a boolean" .. accepted)
  lu.assertEquals(message({ type = "PARAM_BYTES", min = 64, max = 65536 }, "1M"),
    "app 'x': key 'y': '1M' is out of range; accepted: bytes 64..64K, for example 1500 or \"64K\"")
  lu.assertEquals(message({ type = "PARAM_DURATION", min = 1000, max = 1000000000 }, 2),
    "app 'x': key 'y': 2 is out of range; accepted: a duration 1us..1s, for example \"100us\" or 0.5 (seconds)")
  lu.assertEquals(message({ type = "PARAM_DURATION" }, "10"),
    "app 'x': key 'y': '10' is not understood; accepted: a duration, for example \"100us\" or 0.5 (seconds)")
end

function TestParam:testRates()
  local rate = params({ type = "PARAM_RATE" })
  for text, expected in pairs({ ["10G"] = { 1e10, false }, ["100M"] = { 1e8, false }, ["14.88Mpps"] = { 14.88e6, true }, ["5pps"] = { 5, true },
    ["10Gbps"] = { 1e10, false }, ["64Kbit"] = { 64e3, false }, ["2.5G"] = { 2.5e9, false } }) do
    local r = field("struct rate", rate, text)
    lu.assertAlmostEquals(r.per_second, expected[1], 1e-3)
    lu.assertEquals(r.packets, expected[2])
  end
  lu.assertEquals(field("struct rate", rate, 1000).per_second, 1000)
  local accepted = "; accepted: a rate, for example \"10G\" (bits) or \"14.88Mpps\""
  for _, text in ipairs({ "fast", "10X", "", "10 G", "Mpps" }) do
    lu.assertEquals(message({ type = "PARAM_RATE" }, text), "app 'x': key 'y': '" .. text .. "' is not understood" .. accepted)
  end
  lu.assertEquals(message({ type = "PARAM_RATE" }, 0), "app 'x': key 'y': 0 is no rate above zero" .. accepted)
  lu.assertEquals(message({ type = "PARAM_RATE" }, -1), "app 'x': key 'y': -1 is no rate above zero" .. accepted)
  lu.assertEquals(message({ type = "PARAM_RATE" }, {}), "app 'x': key 'y': a table is given" .. accepted)
  lu.assertEquals(message({ type = "PARAM_RATE", min = 1000, max = 1000000 }, "2M"),
    "app 'x': key 'y': '2M' is out of range; accepted: a rate 1K..1M, for example \"10G\" (bits) or \"14.88Mpps\"")
end

local function bytes_of(type, list, value, n)
  local base, messages = decode(list, { y = value })
  lu.assertEquals(messages, {})
  return ffi.string(ffi.cast(type, base), n)
end

function TestParam:testAddresses()
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_MAC" }), "02:00:00:00:aB:01", 6), "\2\0\0\0\171\1")
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_IPV4" }), "192.0.2.1", 4), "\192\0\2\1")
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_IPV6" }), "2001:db8::1", 16), "\32\1\13\184" .. ("\0"):rep(11) .. "\1")
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_PREFIX4" }), "10.0.0.0/8", 17), "\10" .. ("\0"):rep(15) .. "\8")
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_PREFIX4" }), "0.0.0.0/0", 17), ("\0"):rep(17))
  lu.assertEquals(bytes_of("char *", params({ type = "PARAM_PREFIX6" }), "2001:db8::/32", 17), "\32\1\13\184" .. ("\0"):rep(12) .. "\32")
  lu.assertEquals(ffi.string(field("const char *", params({ type = "PARAM_PCI" }), "01:0A.1")), "0000:01:0a.1")
  lu.assertEquals(ffi.string(field("const char *", params({ type = "PARAM_PCI" }), "0001:ff:1f.7")), "0001:ff:1f.7")
end

function TestParam:testWrongAddresses()
  local accepted = {
    PARAM_MAC = "a MAC address, for example \"02:00:00:00:00:01\"", PARAM_IPV4 = "an IPv4 address, for example \"192.0.2.1\"",
    PARAM_IPV6 = "an IPv6 address, for example \"2001:db8::1\"", PARAM_PREFIX4 = "an IPv4 prefix, for example \"192.0.2.0/24\"",
    PARAM_PREFIX6 = "an IPv6 prefix, for example \"2001:db8::/32\"", PARAM_PCI = "a PCI address, for example \"0000:01:00.0\"",
  }
  for _, case in ipairs({
    { "PARAM_MAC", "02:00:00:00:00", "is not understood" }, { "PARAM_MAC", "02:00:00:00:00:0g", "is not understood" },
    { "PARAM_MAC", "02-00-00-00-00-01", "is not understood" }, { "PARAM_IPV4", "1.2.3", "is not understood" },
    { "PARAM_IPV4", "1.2.3.256", "is not understood" }, { "PARAM_IPV4", "::1", "is not understood" },
    { "PARAM_IPV6", "1.2.3.4", "is not understood" }, { "PARAM_IPV6", "2001:::1", "is not understood" },
    { "PARAM_PREFIX4", "10.0.0.0", "has no length (/32 is one address)" }, { "PARAM_PREFIX4", "10.0.0.0/", "is not understood" },
    { "PARAM_PREFIX4", "10.0.0.0/33", "is not understood" }, { "PARAM_PREFIX4", "10.0.0.0/8x", "is not understood" },
    { "PARAM_PREFIX4", "10.0.0.0/0008", "is not understood" },
    { "PARAM_PREFIX4", "10.1.2.3/8", "has bits set behind its length; the network is 10.0.0.0/8" },
    { "PARAM_PREFIX6", "2001:db8::1/32", "has bits set behind its length; the network is 2001:db8::/32" },
    { "PARAM_PREFIX6", "2001:db8::", "has no length (/128 is one address)" }, { "PARAM_PREFIX6", "::/129", "is not understood" },
    { "PARAM_PCI", "01:00", "is not understood" }, { "PARAM_PCI", "0000:01:00.8", "is not understood" },
    { "PARAM_PCI", "0000:01:20.0", "is not understood" }, { "PARAM_PCI", "0000-01:00.0", "is not understood" },
  }) do
    lu.assertEquals(message({ type = case[1] }, case[2]), ("app 'x': key 'y': '%s' %s; accepted: %s"):format(case[2], case[3], accepted[case[1]]))
  end
  lu.assertEquals(message({ type = "PARAM_IPV4" }, 5), "app 'x': key 'y': 5 is a number; accepted: " .. accepted.PARAM_IPV4)
end

function TestParam:testFilesStartAtTheFolder()
  local file = params({ type = "PARAM_FILE" })
  for name, path in pairs({ ["a.pcap"] = "/etc/nf/a.pcap", ["/b"] = "/b", ["./c//d/./e"] = "/etc/nf/c/d/e", ["../f"] = "/etc/nf/../f", ["/"] = "/",
    ["g/."] = "/etc/nf/g", [".hidden"] = "/etc/nf/.hidden" }) do
    lu.assertEquals(ffi.string(field("const char *", file, name)), path)
  end
  local accepted = "; accepted: the path of a file"
  lu.assertEquals(message({ type = "PARAM_FILE" }, ""), "app 'x': key 'y': '' is empty" .. accepted)
  lu.assertEquals(message({ type = "PARAM_FILE" }, 1), "app 'x': key 'y': 1 is a number" .. accepted)
  lu.assertEquals(message({ type = "PARAM_FILE" }, ("x"):rep(5000)),
    "app 'x': key 'y': '" .. ("x"):rep(42) .. "...' is too long for a path" .. accepted)
  local base = decode(file, { y = "z" }, "")
  lu.assertEquals(ffi.string(ffi.cast("const char **", base)[0]), support.run("pwd -P"):gsub("\n", "") .. "/z")
end

local function list_of(item, fields)
  fields = fields or {}
  fields.type, fields.item = "PARAM_LIST", keep(ffi.new("struct param", item))
  keep(item)
  return fields
end

function TestParam:testLists()
  local list = field("struct param_list", params(list_of({ type = "PARAM_U16" })), { 1, 2, 65535 })
  lu.assertEquals(list.count, 3)
  lu.assertEquals(ffi.cast("uint16_t *", list.items)[2], 65535)
  list = field("struct param_list", params(list_of({ type = "PARAM_U16" })), 7)
  lu.assertEquals(list.count, 1)
  lu.assertEquals(ffi.cast("uint16_t *", list.items)[0], 7)
  lu.assertEquals(field("struct param_list", params(list_of({ type = "PARAM_U16" })), {}).count, 0)
  local _, messages = decode(params(list_of({ type = "PARAM_U8", max = 9 })), { y = { 1, 10, "z" } })
  lu.assertEquals(messages, {
    "app 'x': key 'y[2]': 10 is out of range; accepted: a whole number 0..9",
    "app 'x': key 'y[3]': 'z' is a string; accepted: a whole number 0..9",
  })
  lu.assertEquals(message(list_of({ type = "PARAM_U8" }, { min = 1, max = 2 }), {}),
    "app 'x': key 'y': 0 elements are too few; accepted: a list of 1..2: each a whole number 0..255")
  lu.assertEquals(message(list_of({ type = "PARAM_U8" }, { max = 2 }), { 1, 2, 3 }),
    "app 'x': key 'y': 3 elements are too many; accepted: a list of 0..2: each a whole number 0..255")
  lu.assertEquals(message(list_of({ type = "PARAM_U8" }), { a = 1 }),
    "app 'x': key 'y': a table with names is given; accepted: a list: each a whole number 0..255")
end

function TestParam:testAWordInPlaceOfAList()
  local function list(fields)
    fields.choices = choices("imix", "random")
    return list_of({ type = "PARAM_U8" }, fields)
  end
  local word = field("struct param_list", params(list({})), "random")
  lu.assertEquals(word.count, 0)
  lu.assertEquals(ffi.string(ffi.cast("const char *", word.items)), "random")
  lu.assertEquals(message(list({}), "imixx"),
    "app 'x': key 'y': 'imixx' is unknown, did you mean 'imix'? accepted: imix, or random, or a list: each a whole number 0..255")
  local base, messages = decode(params(list({ initial_text = "imix" })), {})
  lu.assertEquals(messages, {})
  lu.assertEquals(ffi.string(ffi.cast("const char *", ffi.cast("struct param_list *", base).items)), "imix")
end

-- A nested table: { n = u8 at 0 (required), s = string at 8, default "q" }, 16 bytes.
local function nested(fields)
  local inner = keep(ffi.new("struct param[3]", {
    { name = "n", type = "PARAM_U8", required = true }, { name = "s", type = "PARAM_STRING", offset = 8, initial_text = "q" } }))
  fields = fields or {}
  fields.type, fields.fields, fields.size = "PARAM_TABLE", inner, 16
  return fields
end

function TestParam:testNestedTables()
  local base, messages = decode(params(nested()), { y = { n = 5 } })
  lu.assertEquals(messages, {})
  lu.assertEquals(base[0], 5)
  lu.assertEquals(ffi.string(ffi.cast("const char **", base + 8)[0]), "q")
  messages = select(2, decode(params(nested()), { y = { n = 256, t = 1, 9 } }))
  table.sort(messages)
  lu.assertEquals(messages, {
    "app 'x': key 'y.n': 256 is out of range; accepted: a whole number 0..255",
    "app 'x': key 'y.t': is unknown; accepted: n, s",
    "app 'x': key 'y[1]': a value without a name is given; accepted: name = value",
  })
  lu.assertEquals(message(nested(), 5), "app 'x': key 'y': 5 is a number; accepted: a table { n =, s = }")
  lu.assertEquals(message(nested(), {}), "app 'x': key 'y.n': is missing; accepted: a whole number 0..255")
  -- A missing nested table has its defaults, unless it is optional.
  messages = select(2, decode(params(nested()), {}))
  lu.assertEquals(messages, { "app 'x': key 'y.n': is missing; accepted: a whole number 0..255" })
  messages = select(2, decode(params(nested({ optional = true })), {}))
  lu.assertEquals(messages, {})
end

function TestParam:testListsOfTables()
  local function list() return list_of(nested()) end
  local two = field("struct param_list", params(list()), { { n = 1 }, { n = 2 } })
  lu.assertEquals(two.count, 2)
  lu.assertEquals(ffi.cast("uint8_t *", two.items)[16], 2)
  local one = field("struct param_list", params(list()), { n = 3 })
  lu.assertEquals(one.count, 1)
  lu.assertEquals(ffi.cast("uint8_t *", one.items)[0], 3)
  lu.assertEquals(message(list(), { { n = 1 }, { n = 2, x = 5 } }), "app 'x': key 'y[2].x': is unknown; accepted: n, s")
end

function TestParam:testDefaults()
  local function default(fields, type)
    local base, messages = decode(params(fields), nil)
    lu.assertEquals(messages, {})
    return ffi.cast(type .. " *", base)[0]
  end
  lu.assertEquals(default({ type = "PARAM_U8", initial = 3 }, "uint8_t"), 3)
  lu.assertEquals(default({ type = "PARAM_U16", initial = 3 }, "uint16_t"), 3)
  lu.assertEquals(default({ type = "PARAM_U32", initial_text = "4000" }, "uint32_t"), 4000)
  lu.assertEquals(default({ type = "PARAM_U64", initial_text = "18446744073709551615" }, "uint64_t"), 18446744073709551615ULL)
  lu.assertEquals(default({ type = "PARAM_INT", initial_text = "-3" }, "int64_t"), -3LL)
  lu.assertEquals(default({ type = "PARAM_U64", initial_text = "1e3" }, "uint64_t"), 1000ULL)
  lu.assertEquals(default({ type = "PARAM_U16", initial_text = "0x10" }, "uint16_t"), 16)
  lu.assertEquals(default({ type = "PARAM_INT", initial = ffi.cast("uint64_t", -3LL) }, "int64_t"), -3LL)
  lu.assertEquals(default({ type = "PARAM_NUMBER", initial_text = "0.5" }, "double"), 0.5)
  lu.assertEquals(default({ type = "PARAM_NUMBER", initial = 2 }, "double"), 2)
  lu.assertEquals(default({ type = "PARAM_BOOL", initial = 1 }, "bool"), true)
  lu.assertEquals(default({ type = "PARAM_BOOL", initial_text = "true" }, "bool"), true)
  lu.assertEquals(default({ type = "PARAM_BYTES", initial_text = "2K" }, "uint64_t"), 2048ULL)
  lu.assertEquals(default({ type = "PARAM_DURATION", initial = 5 }, "uint64_t"), 5ULL)
  lu.assertEquals(default({ type = "PARAM_RATE", initial_text = "5pps" }, "struct rate").packets, true)
  lu.assertEquals(default({ type = "PARAM_RATE", initial = 7 }, "struct rate").per_second, 7)
  lu.assertEquals(default({ type = "PARAM_ENUM", choices = choices("a", "b"), initial = 1 }, "uint32_t"), 1)
  lu.assertEquals(default({ type = "PARAM_ENUM", choices = choices("a", "b"), initial_text = "b" }, "uint32_t"), 1)
  lu.assertEquals(ffi.string(default({ type = "PARAM_STRING", initial_text = "w" }, "const char *")), "w")
  lu.assertTrue(default({ type = "PARAM_STRING" }, "const char *") == nil)
  local list = default(list_of({ type = "PARAM_U16" }, { initial_text = "1, 2,3" }), "struct param_list")
  lu.assertEquals(list.count, 3)
  lu.assertEquals(ffi.cast("uint16_t *", list.items)[2], 3)
  lu.assertEquals(default(list_of({ type = "PARAM_U16" }, { initial_text = "" }), "struct param_list").count, 0)
end

function TestParam:testWrongDefaultsAreMistakes()
  for _, case in ipairs({ { "PARAM_U8", "300", "300ULL is out of range" }, { "PARAM_U8", "2.5", "2.5 is no whole number" },
    { "PARAM_INT", "x", "'x' is a string" }, { "PARAM_U8", "", "'' is a string" }, { "PARAM_BOOL", "yes", "'yes' is a string" },
    { "PARAM_MAC", "z", "'z' is not understood" } }) do
    local _, messages = decode(params({ type = case[1], initial_text = case[2] }), {})
    lu.assertEquals(#messages, 1)
    lu.assertStrContains(messages[1], "app 'x': key 'y': " .. case[3])
  end
end

function TestParam:testRequiredOptionalAndPresent()
  local _, messages = decode(params({ type = "PARAM_U8", required = true }), {})
  lu.assertEquals(messages, { "app 'x': key 'y': is missing; accepted: a whole number 0..255" })
  local base
  base, messages = decode(params({ type = "PARAM_U8", optional = true, present = 64, initial = 9 }), {})
  lu.assertEquals(messages, {})
  lu.assertEquals(base[0] + base[64], 0)
  base = decode(params({ type = "PARAM_U8", optional = true, present = 64 }), { y = 4 })
  lu.assertEquals(base[0], 4)
  lu.assertEquals(base[64], 1)
end

function TestParam:testUnknownKeysAndTheClassName()
  local list = keep(ffi.new("struct param[3]", { { name = "rate", type = "PARAM_U8" }, { name = "burst", type = "PARAM_U8", offset = 1 } }))
  local _, messages = decode(list, { "basic.policer", "more", rat = 1, colour = 1, ["bu\nrst"] = 1 })
  table.sort(messages)
  lu.assertEquals(messages, {
    "app 'x': key '[2]': a value without a name is given; accepted: name = value",
    "app 'x': key 'bu?rst': is unknown, did you mean 'burst'?",
    "app 'x': key 'colour': is unknown; accepted: rate, burst",
    "app 'x': key 'rat': is unknown, did you mean 'rate'?",
  })
  messages = select(2, decode(nil, { a = 1 }))
  lu.assertEquals(messages, { "app 'x': key 'a': is unknown; accepted: no parameters" })
  messages = select(2, decode(list, "text"))
  lu.assertEquals(messages, { "app 'x': a string is given for its parameters; accepted: a table" })
end

local function describe(fields)
  local text = ffi.new("char[200]")
  nf.param_default(params(fields), text, 200)
  return ffi.string(text)
end

function TestParam:testDefaultsInWords()
  lu.assertEquals(describe({ type = "PARAM_U32", initial = 5 }), "5")
  lu.assertEquals(describe({ type = "PARAM_BYTES", initial = 65536 }), "64K")
  lu.assertEquals(describe({ type = "PARAM_BYTES", initial = 1500 }), "1500")
  lu.assertEquals(describe({ type = "PARAM_DURATION", initial = 5000000 }), "5ms")
  lu.assertEquals(describe({ type = "PARAM_DURATION", initial = 0 }), "0s")
  lu.assertEquals(describe({ type = "PARAM_RATE", initial = 10000000000ULL }), "10G")
  lu.assertEquals(describe({ type = "PARAM_RATE" }), "")
  lu.assertEquals(describe({ type = "PARAM_INT", initial = ffi.cast("uint64_t", -2LL) }), "-2")
  lu.assertEquals(describe({ type = "PARAM_BOOL" }), "false")
  lu.assertEquals(describe({ type = "PARAM_ENUM", choices = choices("a", "b"), initial = 1 }), "b")
  lu.assertEquals(describe({ type = "PARAM_STRING", initial_text = "w" }), "w")
  lu.assertEquals(describe({ type = "PARAM_STRING", required = true, initial_text = "w" }), "")
  lu.assertEquals(describe({ type = "PARAM_U32", optional = true, initial = 5 }), "")
end

function TestParam:testArenaGivesZeroedAlignedMemory()
  local arena = ffi.new("struct arena")
  for i = 1, 200 do
    local size = (i * 37) % 9000
    local piece = ffi.cast("uint8_t *", nf.arena_alloc(arena, size))
    lu.assertEquals(tonumber(ffi.cast("uintptr_t", piece) % 16), 0)
    for k = 0, size - 1 do
      if piece[k] ~= 0 then lu.fail("not zeroed") end
      piece[k] = 255
    end
  end
  lu.assertEquals(ffi.string(nf.arena_copy(arena, "abcdef", 3)), "abc")
  nf.arena_free(arena)
  lu.assertTrue(arena.block == nil)
end

os.exit(lu.LuaUnit.run())
