-- nf lwaftr convert: a configuration in its three forms; and as a table in a graph.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")

local folder = support.folder()
w.folder = folder

TestConvert, TestJson, TestLua, TestGraph = {}, {}, {}, {}

local number = 0
local function file(text, ending)
  number = number + 1
  local path = ("%s/%d%s"):format(folder, number, ending)
  support.write(path, text)
  return path
end

local function run(arguments) return support.run(support.nf .. " lwaftr convert " .. arguments) end

-- Convert text; gives the new text and the messages.
local function convert(text, from, to)
  local path = file(text, from)
  local out = path .. to
  local messages, code = run(path .. " " .. out)
  lu.assertEquals(code, 0, messages)
  return support.read(out), messages
end

-- Everything that the model has, with values that are no defaults.
local RICH = w.conf({ vlan4 = "vlan-tag 12;", vlan6 = "vlan-tag 13;", hop4 = "ip 203.0.113.254;", hop6 = "ip 2001:db8::1;",
  external = 'mtu 1400; mru 1401; ingress-filter "ip and \\"x\\"" ; egress-filter "tcp\\nor\\\\udp"; allow-incoming-icmp false; ' ..
    "generate-icmp-errors false; error-rate-limiting { packets 1; period 3; } reassembly { max-fragments-per-packet 3; max-packets 4; }",
  internal = "mtu 1540; flow-label 5; hairpinning false; vlan-tag 7; error-rate-limiting { packets 0; }",
  table = w.TABLE .. w.softwire("192.0.2.1", 5, "::", "1::", "psid-length 6; reserved-ports-bit-count 6;") ..
    "version { number 18446744073709551615; date 2021-11-08T00:00:00Z; }" })
  :gsub("instance {", 'name "a \\"name\\"";\n  instance {', 1):gsub("device test;", 'device "te st";\n    external-device x;')
  :gsub('ingress%-filter "ip and \\"x\\""', 'ingress-filter "ip and port 80"'):gsub('egress%-filter "tcp\\nor\\\\udp"', 'egress-filter "tcp\\n or udp"')

-- What only the model of RFC 8676 has.
local LEAN = [[
softwire-config {
  name "relay";
  internal-interface { mtu 1540; mru 1600; hairpinning false; error-rate-limiting { packets 20; } generate-icmp-errors false; }
  external-interface { allow-incoming-icmp false; generate-icmp-errors false; }
  binding-table {
    version { number 18446744073709551615; date 2021-11-08T00:00:00Z; }
]] .. w.TABLE .. w.softwire("192.0.2.1", 5, "::", "1::", "psid-length 6; reserved-ports-bit-count 6;") .. "  }\n}\n"

-- One form of a text: what convert makes of it.
local function normal(text) return (convert(text, ".conf", ".conf")) end

function TestConvert:testTextAndLuaThereAndBack()
  for _, text in ipairs({ RICH, LEAN, w.conf(), "softwire-config {}" }) do
    local plain = normal(text)
    lu.assertEquals(normal(plain), plain)
    local lua, messages = convert(text, ".conf", ".lua")
    lu.assertEquals(messages, "")
    lu.assertEquals(convert(lua, ".lua", ".conf"), plain)
    lu.assertEquals(convert(lua, ".lua", ".lua"), lua)
  end
  local text = normal(RICH)
  for _, part in ipairs({ 'name "a \\"name\\"";', 'device "te st";', 'egress-filter "tcp\\n or udp";', "vlan-tag 7;", "flow-label 5;",
    "number 18446744073709551615;", "reserved-ports-bit-count 6;", "packets 0;", "ip 203.0.113.254;" }) do
    lu.assertStrContains(text, part)
  end
end

function TestConvert:testJsonThereAndBack()
  local json, messages = convert(LEAN, ".conf", ".json")
  lu.assertEquals(messages, "")
  lu.assertEquals(convert(json, ".json", ".conf"), normal(LEAN))
  lu.assertEquals(convert(json, ".json", ".json"), json)
  lu.assertEquals(convert(convert(json, ".json", ".lua"), ".lua", ".json"), json)
  for _, part in ipairs({ '"ietf-softwire-br:br-instances"', '"version": "18446744073709551615"', '"softwire-payload-mtu": 1500',
    '"softwire-path-mru": 1600', '"icmpv6-rate": 10', '"enable-hairpinning": false', '"softwire-num-max": 5',
    '{ "binding-ipv6info": "2001:db8:b4::b", "binding-ipv4-addr": "198.51.100.2", "port-set": { "psid-offset": 0, "psid-len": 6, ' ..
    '"psid": 4 }, "br-ipv6-addr": "2001:db8:af::1" }' }) do
    lu.assertStrContains(json, part)
  end
end

-- What the new form has no place for is told, each thing once.
function TestConvert:testLosses()
  local _, messages = convert(RICH, ".conf", ".json")
  for _, what in ipairs({ "'instance': devices, own addresses, VLANs, next hops", "external-interface/mtu", "external-interface/mru",
    "external-interface/ingress-filter", "external-interface/egress-filter", "external-interface/error-rate-limiting",
    "external-interface/reassembly", "internal-interface/flow-label", "internal-interface/vlan-tag" }) do
    lu.assertStrContains(messages, "nf lwaftr convert: not in the new form: RFC 8676 has no place for " .. what .. "\n")
  end
  _, messages = convert("softwire-config { internal-interface { reassembly { max-packets 5; } error-rate-limiting { packets 5; } } }", ".conf", ".json")
  lu.assertEquals(messages, "nf lwaftr convert: not in the new form: RFC 8676 has no place for internal-interface/error-rate-limiting\n" ..
    "nf lwaftr convert: not in the new form: RFC 8676 has no place for internal-interface/reassembly\n" ..
    "nf lwaftr convert: not in the new form: RFC 8676 wants a name: it is 'lwaftr'\n")
  _, messages = convert(w.conf({ table = w.softwire(w.WHOLE, 0, w.A, w.BR, "psid-length 0;"):gsub("port%-set", "padding 5; port-set") }), ".conf", ".lua")
  lu.assertEquals(messages, "nf lwaftr convert: not in the new form: 'padding' of 1 softwires, which means nothing, is left out\n")
end

function TestConvert:testWhatCannotBe()
  local path = file(w.conf({ table = w.TABLE .. w.softwire("192.0.2.1", 5, w.A, w.BR, "psid-length 16;") }), ".conf")
  local out = path .. ".json"
  local text, code = run(path .. " " .. out)
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf lwaftr convert: RFC 8676 has no psid-length 16, as PSID 5 has; at most 15\n" ..
    "nf lwaftr convert: RFC 8676 has one binding-entry for each B4; 2001:db8:b4::a has more than one softwire\n" ..
    "nf lwaftr convert: nothing was written\n")
  lu.assertNil(support.read(out))
end

function TestConvert:testMistakes()
  local path = file(w.conf({ internal = "mtu 3;", table = w.TABLE .. w.TABLE }), ".conf")
  local text, code = run(path .. " " .. path .. ".lua")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, path .. ":11:28: 'mtu': a number 1280..65535 is expected, not '3'")
  lu.assertNil(support.read(path .. ".lua"))
  text, code = run(path .. " " .. path .. ".x --to yaml")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "text, lua, json")
  text, code = run("/nowhere/x.conf -")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "/nowhere/x.conf: No such file or directory")
  path = file(w.conf(), ".conf")
  text, code = run(path .. " /nowhere/x.conf")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "cannot write /nowhere/x.conf")
end

function TestConvert:testStandardInputAndOutput()
  local path = file(LEAN, ".conf")
  local text, code = support.run(("%s lwaftr convert - - --to json < %s | %s lwaftr convert - - --from json"):format(support.nf, path, support.nf))
  lu.assertEquals({ text, code }, { normal(LEAN), 0 })
end

local function instance(inside)
  return ('{"ietf-softwire-br:br-instances": {"binding": {"bind-instance": [{"name": "x", "softwire-num-max": 5, ' ..
    '"softwire-payload-mtu": 1460, "softwire-path-mru": 1500%s}]}}}'):format(inside and ", " .. inside or "")
end

local function bad(json, ...)
  local path = file(json, ".json")
  local text, code = run(path .. " " .. path .. ".conf")
  lu.assertEquals(code, 1, text)
  for _, message in ipairs({ ... }) do lu.assertStrContains(text, ("nf lwaftr convert: %s%s\n"):format(path, message)) end
  lu.assertNil(support.read(path .. ".conf"))
end

function TestJson:testMistakes()
  bad("{", ":1:1: string or '}' expected near end of file")
  bad('{"a": 1, "a": 1}', ":1:12: duplicate object key near '\"a\"'")
  bad("[]", ": one object in ietf-softwire-br:br-instances/binding/bind-instance is expected; there are 0")
  bad('{"ietf-softwire-br:br-instance": {}}', ": the top level: unknown member 'ietf-softwire-br:br-instance'; did you mean 'br-instances'?")
  bad(instance('"softwire-path-mtu": 5'), ": bind-instance: unknown member 'softwire-path-mtu'; did you mean 'softwire-path-mru'?")
  bad(instance():gsub('"softwire%-num%-max": 5, ', ""), ": bind-instance lacks 'softwire-num-max'")
  bad(instance():gsub("1460", '"1460"'), ": bind-instance: 'softwire-payload-mtu': a number 0..65495 is expected")
  bad(instance('"icmp-policy": 5'), ": bind-instance: 'icmp-policy' must be an object")
  bad(instance('"icmp-policy": {"icmpv6-errors": {"icmpv6-rate": -1}}'), ": icmpv6-errors: 'icmpv6-rate': a number 0..2147483647 is expected")
  bad(instance('"enable-hairpinning": "perhaps"'), ": bind-instance: 'hairpinning': true or false is expected, not 'perhaps'")
  bad(instance('"binding-table": {"binding-entry": [5]}'), ": binding-entry[1] must be an object")
  bad(instance('"binding-table": {"binding-entry": {}}'), ": 'binding-entry' must be an array")
end

function TestJson:testEntries()
  local good = '{"binding-ipv6info": "::1", "binding-ipv4-addr": "192.0.2.1", "port-set": {"psid-len": 6, "psid": 1}, "br-ipv6-addr": "::2"}'
  local function table_of(...) return instance('"binding-table": {"binding-entry": [' .. table.concat({ ... }, ", ") .. "]}") end
  local text = convert(table_of(good), ".json", ".conf")
  lu.assertStrContains(text, "softwire { ipv4 192.0.2.1; psid 1; b4-ipv6 ::1; br-address ::2; port-set { psid-length 6; } }")
  bad(table_of(good, (good:gsub("::1", "2001:db8::/56"))),
    ": binding-table.binding-entry[2]: 'b4-ipv6': an IPv6 address is expected, not '2001:db8::/56'")
  bad(table_of(good, good), ": binding-table.binding-entry[2]: 'softwire': there is another one with ipv4 192.0.2.1 and psid 1")
  bad(table_of((good:gsub('"psid": 1', '"psid": 64'))), ": binding-table.binding-entry[1]: 'psid': 64 does not fit psid-length 6: at most 63")
  bad(table_of((good:gsub(', "br%-ipv6%-addr": "::2"', ""))), ": binding-table.binding-entry[1]: 'softwire' lacks 'br-address'")
  bad(table_of((good:gsub("psid%-len", "psid-length"))), ": binding-entry[1]: unknown member 'psid-length'; did you mean 'psid-len'?")
  bad(table_of((good:gsub("}$", ', "more": 1}'))), ": binding-entry[1]: unknown member 'more'")
  bad(table_of(good, good, good, good, good, good), ": 6 entries are more than 'softwire-num-max'")
end

-- State, and what is not limited here, is told and left out.
function TestJson:testLosses()
  local _, messages = convert(instance('"traffic-stat": {"x": 1}, "icmp-policy": {"icmpv4-errors": {"icmpv4-rate": 5}}'), ".json", ".conf")
  lu.assertStrContains(messages, "'traffic-stat' is not taken over: it is no configuration\n")
  lu.assertStrContains(messages, "'icmpv4-rate' is not taken over: ICMPv4 that comes in is not limited here\n")
end

function TestLua:testMistakes()
  local function fails(text, message)
    local path = file(text, ".lua")
    local output, code = run(path .. " -")
    lu.assertEquals(code, 1, output)
    lu.assertStrContains(output, message)
  end
  fails("return 5", "a table is expected")
  fails("error('no')", "no")
  fails('return { ["internal-interface"] = { mtu = 3 } }', ": internal-interface: 'mtu': a number 1280..65535 is expected, not '3'\n")
  fails('return { ["internal-interface"] = { mtu = 1500.5 } }', ": internal-interface: 'mtu': a number 1280..65535 is expected, not '1500.5'\n")
  fails('return { ["binding-table"] = { softwire = { { ipv4 = "192.0.2.1" } } } }', ": binding-table.softwire[1]: 'softwire' lacks 'psid'\n")
  fails('return { { name = "x" } }', ": unknown key '_' in 'softwire-config'")
  fails('return { ["a b"] = 5 }', ": unknown key '_' in 'softwire-config'")
  fails('return { name = "a\\0b" }', "'name': a zero byte in the value")
end

-- More softwires than a Lua function has room for constants.
function TestLua:testManySoftwires()
  local dir = folder .. "/gen"
  support.run(("%s lwaftr gen %s --softwires 20000 --packets 0"):format(support.nf, dir))
  local _, code = run(("%s/lwaftr.conf %s/x.lua"):format(dir, dir))
  lu.assertEquals(code, 0)
  _, code = run(("%s/x.lua %s/y.json"):format(dir, dir))
  lu.assertEquals(code, 0)
  _, code = run(("%s/x.lua %s/y.conf"):format(dir, dir))
  lu.assertEquals(code, 0)
  _, code = run(("%s/lwaftr.conf %s/z.conf"):format(dir, dir))
  lu.assertEquals(code, 0)
  lu.assertTrue(support.read(dir .. "/y.conf") == support.read(dir .. "/z.conf"))
end

-- A graph whose relay has its configuration in the graph: the same packets come out.
local function graph(relay)
  return ([[
local settings = dofile(%q)
return { apps = { v4 = { "basic.source", number = 1 }, v6 = { "basic.source", number = 1 }, o4 = { "basic.sink" }, o6 = { "basic.sink" },
  relay = { "lwaftr.lwaftr", %s } }, links = { "v4 -> relay.v4", "v6 -> relay.v6", "relay.v4 -> o4", "relay.v6 -> o6" } }]]):format(
    folder .. "/settings.lua", relay)
end

local function check(text) return support.run(("%s check %s"):format(support.nf, file(text, ".lua"))) end

function TestGraph:testSettings()
  support.write(folder .. "/settings.lua", (convert(w.conf(), ".conf", ".lua")))
  local text, code = check(graph("settings = settings"))
  lu.assertEquals(code, 0, text)
  text, code = check(graph('settings = settings["softwire-config"]'))
  lu.assertEquals(code, 0, text)
  text, code = support.run(("%s run --clock virtual --name test-settings-%d %s"):format(support.nf, require("ffi").C.getpid(),
    file(graph("settings = settings"), ".lua")))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "softwires 4")
end

function TestGraph:testMistakes()
  support.write(folder .. "/settings.lua", (convert(w.conf(), ".conf", ".lua")))
  for relay, message in pairs({
    ["room = 1"] = "app 'relay': key 'config' or 'settings' must be given",
    ["settings = settings, config = 'x'"] = "app 'relay': keys 'config' and 'settings' exclude each other",
    ["settings = 5"] = "app 'relay': key 'settings': 5 is a number; accepted: a table",
    ["settings = { ['internal-interface'] = { mtu = 3 } }"] =
      "app 'relay': key 'settings': internal-interface: 'mtu': a number 1280..65535 is expected, not '3'",
    ["settings = {}"] = "app 'relay': key 'settings': app 'relay': key 'settings' has no instance",
  }) do
    local text, code = check(graph(relay))
    lu.assertEquals(code, 1, relay)
    lu.assertStrContains(text, message)
  end
end

os.exit(lu.LuaUnit.run())
