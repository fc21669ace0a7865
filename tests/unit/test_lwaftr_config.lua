-- The configuration of an lwAFTR: its text, its model, its mistakes with their places; through nf lwaftr validate.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")

TestText, TestModel, TestTable = {}, {}, {}

local function validate(text)
  local path = w.file(text)
  local output, code = support.run(support.nf .. " lwaftr validate " .. path)
  return output:gsub(path:gsub("%p", "%%%0"), "FILE"), code
end

local function good(text)
  local output, code = validate(text)
  lu.assertEquals(code, 0, output)
  return output
end

-- The messages, without their beginning; all of them, in order.
local function bad(text, ...)
  local output, code = validate(text)
  lu.assertEquals(code, 1, output)
  local list = {}
  for line in output:gmatch("nf lwaftr validate: FILE:(%d+:%d+: [^\n]*)\n") do list[#list + 1] = line end
  lu.assertEquals(list, { ... })
  lu.assertStrContains(output, ("FILE: %d mistake%s\n"):format(#list, #list == 1 and "" or "s"))
end

local function top(text) return "softwire-config {\n" .. text .. "\n}\n" end

function TestText:testGood()
  lu.assertEquals(good(w.conf()), "FILE: good: 4 softwires on 2 addresses, 2 br-addresses, 1 instance with 1 queue, table of 10 KiB\n")
  good(w.conf({ vlan4 = "vlan-tag 0;", vlan6 = "vlan-tag 4094;" }))
end

function TestText:testCommentsQuotesBlanks()
  good("// nothing\n" .. top("/* a\n comment */external-interface{mtu \"1500\" ;}internal-interface { mtu '1300'; // so\n }") .. "/**/")
  good(top("external-interface { mtu/**/1500; mru 1500// so\n; }"))
  good("softwire-config{}")
end

-- Filters show what a string became: libpcap would refuse anything else.
function TestText:testStrings()
  good(top('external-interface { ingress-filter "ip and " + \'tcp\' + /* now */ " port 80"; egress-filter ""; }'))
  good(top('external-interface { ingress-filter "ip and\n          tcp\\t\\n"; }'))
  bad(top('external-interface { ingress-filter "ip" + tcp; }'), "2:44: a quoted string is expected behind +")
  local output, code = validate(top('external-interface { ingress-filter "\\q"; }'))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "FILE:2:37: 'ingress-filter': ")
  bad(top('name "a\0b";'), "2:6: 'name': a zero byte in the value")
end

function TestText:testSyntax()
  bad("", "1:1: 'the top level' lacks 'softwire-config'")
  bad("softwire-config { name x; } softwire-config { }", "1:29: 'softwire-config' is given twice in this block")
  bad(top("name x"), "2:7: ; is missing behind the value of 'name'")
  bad(top("name;"), "2:5: 'name': a value or { is expected, not ';'")
  bad(top("name }"), "2:6: 'name': a value or { is expected, not '}'", "3:1: } without {")
  bad("softwire-config { name", "1:1: this block has no }", "1:23: 'name': a value or { is expected, not the end of the file")
  bad(top("name x y;"), "2:7: ; is missing behind the value of 'name'")
  bad(top("name x 5; name y;"), "2:7: ; is missing behind the value of 'name'", "2:11: 'name' is given twice in this block")
  bad(top("external-interface { mtu 1500 mru 1400x; }"), "2:30: ; is missing behind the value of 'mtu'",
    "2:35: 'mru': a number 0..65535 is expected, not '1400x'")
  bad(top("name x;;"), "2:8: a keyword is expected, not ';'")
  bad(top("binding-table { };"), "2:18: a keyword is expected, not ';'")
  bad(top("# { name x;\nname y;"), "2:1: a keyword is expected, not '#': comments begin with //")
  bad(top("instance 5 { device x; }"), "2:11: 'instance': a value or { is expected, not both")
  bad(top("\1 name x;"), "2:1: a keyword is expected, not 0x01")
  bad(top("external-interface{mtu\"1500\";}"), "2:23: 'mtu': a blank is expected, not '\"'")
  bad(top("name 'x;"), "2:6: a string without its closing '")
  bad(top("}"), "3:1: } without {")
  bad(top("binding-table { softwire {"), "2:1: this block has no }", "2:17: 'softwire' lacks 'ipv4'",
    "2:17: 'softwire' lacks 'psid'", "2:17: 'softwire' lacks 'b4-ipv6'", "2:17: 'softwire' lacks 'br-address'",
    "2:17: 'softwire' lacks 'port-set'")
  bad(top("/* x"), "2:1: a comment without its end")
  bad(top("{ name x; }"), "2:1: { without a keyword")
end

-- After a mistake the rest is read: each one is found, in the order of the file.
function TestText:testAllMistakes()
  bad(top("nam x; external-interface { mtu 67; mtu 1500; generate-icmp-errors yes; } name { } binding-table 5;"),
    "2:1: unknown key 'nam' in 'softwire-config'; did you mean 'name'?", "2:33: 'mtu': a number 68..65535 is expected, not '67'",
    "2:37: 'mtu' is given twice in this block", "2:68: 'generate-icmp-errors': true or false is expected, not 'yes'",
    "2:75: 'name' takes a value, not a block", "2:84: 'binding-table' is a block: { is expected, not a value")
end

-- Depth beyond the model is no danger.
function TestText:testDeep()
  bad(("x {"):rep(20000) .. ("}"):rep(20000), "1:1: unknown key 'x' in 'the top level'", "1:1: 'the top level' lacks 'softwire-config'")
end

-- A file that is cut off anywhere is refused, with a place; what stands before its end is read as ever.
function TestText:testCutOff()
  local whole = w.conf({ external = 'mtu 1500; ingress-filter "ip and " + "tcp"; /* so */ reassembly { max-packets 3; }' })
  local last = whole:find("}%s*$") - 1
  for at = 0, last, 53 do
    local output, code = validate(whole:sub(1, at))
    lu.assertEquals(code, 1, output)
    lu.assertStrMatches(output, "nf lwaftr validate: FILE:%d+:%d+: .*mistakes?\n")
  end
end

-- Words without end: their beginning is shown, and no byte of them that a terminal would obey.
function TestText:testHugeWords()
  local long, part = ("a"):rep(3000000), ("a"):rep(64) .. "..."
  bad(long, ("1:1: 'the top level' lacks 'softwire-config'"), ("1:3000001: '%s': a value or { is expected, not the end of the file"):format(part))
  bad(top("external-interface { mtu " .. ("9"):rep(200000) .. "; }"), ("2:26: 'mtu': a number 68..65535 is expected, not '%s...'"):format(("9"):rep(64)))
  bad(top("name " .. long .. ";"), "2:6: 'name': a value of more than 65536 bytes")
  bad(top("name '" .. long .. "' + \"" .. long .. "\";"), "2:6: 'name': a value of more than 65536 bytes")
  bad(top(long .. " { x 1; }"), ("2:1: unknown key '%s' in 'softwire-config'"):format(part))
  good(top("name " .. long:sub(1, 65536) .. ";"))
  bad(top("external-interface { mtu \27[31m\1\0x; }"), "2:26: 'mtu': a number 68..65535 is expected, not '?[31m??x'")
end

-- However many mistakes: the first 100,000 are told, the rest is counted.
function TestText:testVeryManyMistakes()
  local output, code = validate(("{\n"):rep(150000))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "FILE:1:1: { without a keyword\n")
  lu.assertStrContains(output, "FILE: 50002 more mistakes, which are not told\n")
  local _, lines = output:gsub("\n", "")
  lu.assertEquals(lines, 100002)
end

-- Nothing is included from elsewhere, so nothing goes round in circles.
function TestText:testNoInclude()
  bad('include "FILE";\n' .. top(""), "1:1: unknown key 'include' in 'the top level'")
end

-- Values: what is accepted of each type, and what is not.
local function leaf(side, key, value, message)
  local text = top(("%s-interface { %s %s; }"):format(side, key, value))
  if not message then return good(text) end
  bad(text, ("2:%d: '%s': %s is expected, not '%s'"):format(#side + 13 + #key + 2, key, message, value))
end

function TestModel:testNumbers()
  for _, value in ipairs({ "68", "65535", "0x5dc", "0X5dc", "02734", '"1500"' }) do leaf("external", "mtu", value) end
  for _, value in ipairs({ "67", "65536", "1500x", "-1500", "+1500", "0x", "0xg", "089", "1e3", "99999999999999999999999" }) do
    leaf("external", "mtu", value, "a number 68..65535")
  end
  leaf("internal", "mtu", "1279", "a number 1280..65535")
  leaf("internal", "flow-label", "1048576", "a number 0..1048575")
  leaf("internal", "vlan-tag", "4095", "a number 0..4094")
  bad(top("external-interface { error-rate-limiting { period 0; packets 4294967296; } reassembly { max-packets 0; } }"),
    "2:51: 'period': a number 1..4294967295 is expected, not '0'", "2:62: 'packets': a number 0..4294967295 is expected, not '4294967296'",
    "2:101: 'max-packets': a number 1..4294967295 is expected, not '0'")
  good(top("binding-table { version { number 18446744073709551615; date 2021-11-08T01:02:03.5+01:00; } }"))
  bad(top("binding-table { version { date 2021-11-08; } }"), "2:32: 'date': a time stamp such as 2021-11-08T00:00:00Z is expected")
end

function TestModel:testBooleans()
  leaf("external", "allow-incoming-icmp", "false")
  leaf("internal", "hairpinning", "True", "true or false")
  bad(top("external-interface { hairpinning true; }"), "2:22: unknown key 'hairpinning' in 'external-interface'")
end

local function address(key, value, expected)
  local set = { ipv4 = "192.0.2.1", psid = "0", ["b4-ipv6"] = "::1", ["br-address"] = "::2" }
  set[key] = value
  local text = top(("binding-table { softwire { %s %s; port-set { psid-length 0; } "):format(key, value) ..
    (function()
      local list = ""
      for _, k in ipairs({ "ipv4", "psid", "b4-ipv6", "br-address" }) do if k ~= key then list = list .. k .. " " .. set[k] .. "; " end end
      return list
    end)() .. "} }")
  if not expected then return good(text) end
  bad(text, ("2:%d: '%s': %s is expected, not '%s'"):format(28 + #key + 1, key, expected, value))
end

function TestModel:testAddresses()
  for _, value in ipairs({ "0.0.0.0", "255.255.255.255" }) do address("ipv4", value) end
  for _, value in ipairs({ "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4/32", "1..3.4", "a.b.c.d", "1.2.3.0004" }) do
    address("ipv4", value, "an IPv4 address")
  end
  for _, value in ipairs({ "::", "1::", "::1", "1:2:3:4:5:6:7:8", "A:b::C", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8" }) do address("b4-ipv6", value) end
  for _, value in ipairs({ ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1%eth0", "::1/64", "1:", ":1",
    "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:" }) do
    address("b4-ipv6", value, "an IPv6 address")
  end
end

-- The bytes are right, too: compared with the C library's reading.
function TestModel:testAddressBytes()
  local ffi = require("ffi")
  for _, value in ipairs({ "::", "1::", "::1", "1:2:3:4:5:6:7:8", "A:b::C", "::ffff:1.2.3.4", "fe80::1:0:0:2", "1:2:3:4:5:6:7::" }) do
    local app = w.app({ table = w.softwire("192.0.2.1", 0, value, w.BR, "psid-length 0;") })
    local p = w.inward("192.0.2.1", 80)
    w.left = 0
    local _, out6 = w.send(app, { p })
    lu.assertEquals(out6[1]:sub(25, 40), w.ip(value), value)
    support.finish(app)
  end
  lu.assertEquals(ffi.sizeof("struct cuckoo_entry"), 32)
end

function TestModel:testMac()
  for _, value in ipairs({ "2:0:0:0:4:1", "02:00:00:00:04", "02-00-00-00-04-01", "02:00:00:00:04:0g", "02:00:00:00:04:01:02" }) do
    local text = w.conf({ hop4 = ("mac %s;"):format(value) })
    local output, code = validate(text)
    lu.assertEquals(code, 1)
    lu.assertStrContains(output, "'mac': an Ethernet address such as 02:00:00:00:00:01 is expected, not '" .. value .. "'")
  end
end

-- Addresses of the relay itself and of its next hops: those of one host, or interface.
function TestModel:testHosts()
  local function refused(conf, from, to, ...)
    local text = w.conf(conf)
    local begin, last = text:find(from, 1, true)
    local output, code = validate(text:sub(1, begin - 1) .. to .. text:sub(last + 1))
    lu.assertEquals(code, 1, to)
    for _, part in ipairs({ ... }) do lu.assertStrContains(output, part) end
    lu.assertStrContains(output, "FILE: 1 mistake\n")
  end
  for _, value in ipairs({ "01:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff" }) do
    local expected = "'mac': the Ethernet address of one interface is expected, not '" .. value .. "'"
    refused({}, "mac 02:00:00:00:06:01", "mac " .. value, expected)
    refused({ hop4 = "mac 02:00:00:00:00:01;" }, "mac 02:00:00:00:00:01", "mac " .. value, expected)
  end
  for _, value in ipairs({ "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" }) do
    local expected = "'ip': the address of one host is expected, not '" .. value .. "'"
    refused({}, "ip " .. w.OWN4, "ip " .. value, expected)
    refused({ hop4 = "ip 203.0.113.254;" }, "ip 203.0.113.254", "ip " .. value, expected)
  end
  for _, value in ipairs({ "::", "ff02::1" }) do
    local expected = "'ip': the address of one host is expected, not '" .. value .. "'"
    refused({}, "ip " .. w.OWN6, "ip " .. value, expected)
    refused({ hop6 = "ip 2001:db8::1;" }, "ip 2001:db8::1;", "ip " .. value .. ";", expected)
  end
  refused({ hop4 = "ip 203.0.113.254;" }, "ip 203.0.113.254", "ip " .. w.OWN4, "'next-hop': its ip is the own one")
end

function TestModel:testNextHop()
  local output = validate(w.conf({ hop4 = "" }))
  lu.assertStrContains(output, "'next-hop': 'ip' or 'mac' must be given")
  output = validate(w.conf({ hop6 = "ip 2001:db8::1; mac 02:00:00:00:00:01;" }))
  lu.assertStrContains(output, "'next-hop': 'ip' and 'mac' exclude each other")
end

-- What the model calls state is no configuration.
function TestModel:testUnknown()
  bad(top("softwire-state { in-ipv4-packets 5; }"), "2:1: unknown key 'softwire-state' in 'softwire-config'")
  local output = validate(w.conf({ hop4 = "mac 02:00:00:00:00:01; resolved-mac 02:00:00:00:00:01;" }))
  lu.assertStrContains(output, "unknown key 'resolved-mac' in 'next-hop'")
end

function TestModel:testVlans()
  local output = validate(w.conf({ vlan4 = "vlan-tag 5;" }))
  lu.assertStrContains(output, "'vlan-tag' must be given on both sides or on none")
  local same = w.conf({ vlan4 = "vlan-tag 5;", vlan6 = "vlan-tag 6;" }):gsub("mac 02:00:00:00:06:01", "mac 02:00:00:00:04:01")
  output = validate(same)
  lu.assertStrContains(output, "'mac': two VLANs on one device need two addresses")
  good((same:gsub("device test;", "device test; external-device other;")))
end

function TestModel:testKeysAreUnique()
  local queue = "queue { id %d; external-interface { ip 192.0.2.1; mac 02:00:00:00:04:01; next-hop { mac 02:00:00:00:04:02; } } " ..
    "internal-interface { ip ::1; mac 02:00:00:00:06:01; next-hop { mac 02:00:00:00:06:02; } } }\n"
  bad(top("instance { device a;\n" .. queue:format(1) .. queue:format(2) .. queue:format(1) .. "}"), "5:1: 'queue': there is another one with id 1")
  bad(top("instance { device a; }\ninstance { device b; }\ninstance { device a; }"), "4:1: 'instance': there is another one with device 'a'")
  bad(top("instance { }"), "2:1: 'instance' lacks 'device'")
end

function TestModel:testFilters()
  local long = validate(w.conf({ external = 'ingress-filter "' .. ("ip or "):rep(100000) .. 'ip";' }))
  lu.assertStrContains(long, "'ingress-filter': a value of more than 65536 bytes")
  good(w.conf({ external = 'ingress-filter ip; egress-filter "len < 0";', internal = 'ingress-filter "ip6 and not tcp"; egress-filter "";' }))
  local output = validate(top('internal-interface { egress-filter "ip and and"; }'))
  lu.assertStrContains(output, "FILE:2:36: 'egress-filter': ")
end

function TestTable:testPortSets()
  local function one(set, psid) return top("binding-table {\n" .. w.softwire("192.0.2.1", psid or 0, w.A, w.BR, set) .. "}") end
  good(one("psid-length 16;", 65535))
  good(one("psid-length 6; reserved-ports-bit-count 10;", 63))
  bad(one("psid-length 6; reserved-ports-bit-count 11;"),
    "3:5: 'port-set': psid-length 6 and reserved-ports-bit-count 11 are more than 16 bits together")
  bad(one("psid-length 6;", 64), "3:5: 'psid': 64 does not fit psid-length 6: at most 63")
  bad(one("psid-length 0;", 1), "3:5: 'psid': 1 does not fit psid-length 0: at most 0")
  local output = validate(one("psid-length 17;"))
  lu.assertStrContains(output, "'psid-length': a number 0..16 is expected, not '17'")
end

function TestTable:testDuplicates()
  local a, b = w.softwire("192.0.2.1", 1, w.A, w.BR, "psid-length 6;"), w.softwire("192.0.2.1", 2, w.A, w.BR, "psid-length 6;")
  good(top("binding-table {\n" .. a .. b .. "}"))
  bad(top("binding-table {\n" .. a .. b .. a .. "}"), "5:5: 'softwire': there is another one with ipv4 192.0.2.1 and psid 1")
  bad(top("binding-table {\n" .. a .. w.softwire("192.0.2.1", 3, w.A, w.BR, "psid-length 7;") .. "}"),
    "4:5: 'port-set': another softwire of ipv4 192.0.2.1 has a different one")
end

-- Many softwires, each with a mistake: all are reported.
function TestTable:testMany()
  local list = {}
  for i = 1, 20000 do list[i] = w.softwire("192.0.2.1", 64 + i % 100, w.A, w.BR, "psid-length 6;") end
  local output, code = validate(top("binding-table {\n" .. table.concat(list) .. "}"))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "FILE:20002:5: 'psid': ")
  lu.assertStrContains(output, "FILE: 20000 mistakes")
end

function TestTable:testNoFile()
  local output, code = support.run(support.nf .. " lwaftr validate /nonexistent/x.conf")
  lu.assertEquals(code, 1)
  lu.assertEquals(output, "nf lwaftr validate: cannot open /nonexistent/x.conf: No such file or directory\n")
  output, code = support.run(support.nf .. " lwaftr validate /tmp")
  lu.assertEquals(code, 1)
  lu.assertEquals(output, "nf lwaftr validate: /tmp is no regular file\n")
end

os.exit(lu.LuaUnit.run())
