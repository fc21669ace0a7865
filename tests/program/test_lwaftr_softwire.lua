-- nf lwaftr softwire: the table of a relay is looked at and changed while packets go through it.
local lu = require("luaunit")
local support = require("support")
local running = require("support_running").new("softwire")
local capture = require("support_capture")
local w = require("support_lwaftr")

w.folder = running.folder

TestOne, TestFile, TestTraffic, TestMistakes = {}, {}, {}, {}

-- A relay without packets, and something that keeps the run going; params: more parameters of the relay.
local function quiet(params, name)
  local text = [[{ apps = { idle = { "basic.source", rate = "10pps" }, none = { "basic.source", number = 1 }, rest = { "basic.sink" },
    more = { "basic.source", number = 1 }, v4 = { "basic.sink" }, v6 = { "basic.sink" }, NAME = { "lwaftr.lwaftr", config = "CONF", PARAMS } },
    links = { "none -> NAME.v4", "more -> NAME.v6", "idle -> rest", "NAME.v4 -> v4", "NAME.v6 -> v6" } }]]
  return (text:gsub("%u%u%u+", { NAME = name or "relay", CONF = running.conf, PARAMS = params or "" }))
end

local function softwire(command, arguments)
  return running.nf(("lwaftr softwire %s %s %s"):format(command, running.name, arguments or ""))
end

local function good(command, arguments)
  local text, code = softwire(command, arguments)
  lu.assertEquals(code, 0, text)
  return text
end

-- Nothing is changed, and each of the messages is told.
local function bad(command, arguments, ...)
  local before = good("list")
  local text, code = softwire(command, arguments)
  lu.assertEquals(code, 1, text)
  local expected = {}
  for _, line in ipairs({ ... }) do expected[#expected + 1] = ("nf lwaftr softwire %s: %s\n"):format(command, line) end
  lu.assertEquals(text, table.concat(expected))
  lu.assertEquals(good("list"), before)
end

local function line(ipv4, psid, b4, br, length, reserved)
  return ("softwire { ipv4 %s; psid %d; b4-ipv6 %s; br-address %s; port-set { psid-length %d; %s} }\n"):format(ipv4, psid, b4, br, length,
    reserved and ("reserved-ports-bit-count %d; "):format(reserved) or "")
end

local WHOLE, D, B = line(w.WHOLE, 0, w.A, w.BR, 0), line(w.SHARED, 0, w.D, w.BR, 6), line(w.SHARED, 4, w.B, w.BR, 6)
local C = line(w.SHARED, 5, w.C, w.BR2, 6)

local function start(params)
  running.conf = w.file(w.conf())
  running.start("return " .. quiet(params))
end

local function tearDown() running.clean() end
TestOne.tearDown, TestFile.tearDown, TestTraffic.tearDown, TestMistakes.tearDown = tearDown, tearDown, tearDown, tearDown

function TestOne:testLookAndChange()
  start()
  lu.assertEquals(good("list"), WHOLE .. D .. B .. C)
  lu.assertStrContains(good("count"), "4 softwires on 2 addresses, 2 br-addresses; room for 1028 softwires, ")
  lu.assertEquals(good("show", w.SHARED), D .. B .. C)
  lu.assertEquals(good("show", w.SHARED .. " 5"), C)
  lu.assertEquals(good("show", w.SHARED .. " --port 4100"), B)
  lu.assertEquals(good("list", "--b4 " .. w.A), WHOLE)
  lu.assertEquals(good("list", "--br " .. w.BR2), C)
  lu.assertEquals(good("list", "--ipv4 " .. w.SHARED .. " --br " .. w.BR), D .. B)
  lu.assertEquals(good("list", "--b4 ::1"), "")
  lu.assertStrMatches(good("add", ("%s 63 2001:db8::1 2001:db8::2 --psid-length 6"):format(w.SHARED)),
    "1 change in [%d.]+ ms, 5 softwires in the table; 1 pause of the packet thread, the longest [%d.]+ us %([%d.]+ us of its own time%)\n")
  lu.assertEquals(good("show", w.SHARED .. " --port 65535"), line(w.SHARED, 63, "2001:db8::1", "2001:db8::2", 6))
  good("add", ("%s 7 2001:db8::1 2001:db8::2 --psid-length 6 --reserved 4"):format(w.UNSERVED))
  lu.assertEquals(good("show", w.UNSERVED), line(w.UNSERVED, 7, "2001:db8::1", "2001:db8::2", 6, 4))
  good("remove", w.UNSERVED .. " 7")
  good("remove", w.SHARED .. " 63")
  lu.assertEquals(good("list"), WHOLE .. D .. B .. C)
  lu.assertStrContains(running.nf("lwaftr counters " .. running.name), "softwires 4\n")
  running.stop()
end

function TestOne:testReplace()
  start()
  good("add", ("%s 4 2001:db8::1 2001:db8::2 --psid-length 6 --replace"):format(w.SHARED))
  lu.assertEquals(good("show", w.SHARED .. " 4"), line(w.SHARED, 4, "2001:db8::1", "2001:db8::2", 6))
  -- What is an address's only one may have another port set, and what is not there is added.
  good("add", ("%s 0 2001:db8::1 2001:db8::2 --psid-length 3 --replace"):format(w.WHOLE))
  good("add", ("%s 1 2001:db8::3 2001:db8::2 --psid-length 3 --replace"):format(w.WHOLE))
  lu.assertEquals(good("show", w.WHOLE), line(w.WHOLE, 0, "2001:db8::1", "2001:db8::2", 3) .. line(w.WHOLE, 1, "2001:db8::3", "2001:db8::2", 3))
  bad("add", ("%s 0 2001:db8::1 2001:db8::2 --psid-length 4 --replace"):format(w.WHOLE),
    "softwire 198.51.100.1 psid 0 cannot have this port set: other softwires of the address have a different one", "nothing was changed")
  running.stop()
end

function TestOne:testJson()
  start()
  lu.assertEquals(good("show", w.SHARED .. " 5 --json"), '[{"ipv4": "198.51.100.2", "psid": 5, "b4-ipv6": "2001:db8:b4::c", ' ..
    '"br-address": "2001:db8:af::2", "port-set": {"psid-length": 6, "reserved-ports-bit-count": 0}}]\n')
  lu.assertStrMatches(good("remove", w.SHARED .. " 5 --json"), '{"relays": 1, "changes": 1, "softwires": 3, "milliseconds": [%d.]+, ' ..
    '"grew": false, "pauses": 1, "longest_pause_us": [%d.]+, "longest_pause_processor_us": [%d.]+, "all_pauses_us": [%d.]+}\n')
  lu.assertStrMatches(good("count", "--json"), '{"softwires": 3, "addresses": 2, "br_addresses": 1, "room": 1028, "bytes": %d+}\n')
  running.stop()
end

function TestOne:testRefused()
  start()
  bad("add", ("%s 4 ::1 ::2 --psid-length 6"):format(w.SHARED),
    "softwire 198.51.100.2 psid 4 is there already, in the table or earlier in this list; --replace changes it", "nothing was changed")
  bad("add", ("%s 3 ::1 ::2 --psid-length 5"):format(w.SHARED),
    "softwire 198.51.100.2 psid 3 cannot have this port set: other softwires of the address have a different one", "nothing was changed")
  bad("remove", w.SHARED .. " 3", "softwire 198.51.100.2 psid 3 is not in the table", "nothing was changed")
  bad("show", w.UNSERVED, "there is no such softwire")
  bad("add", ("%s 3 ::1 ::2 --psid-length 6 --app other"):format(w.SHARED), ("instance '%s' has no app lwaftr.lwaftr named 'other'"):format(running.name))
  running.stop()
end

-- A file of `count` softwires on addresses from 10.1.0.0 on, 64 on each.
local function write_list(count, name)
  local list = {}
  for i = 0, count - 1 do
    list[#list + 1] = line(("10.%d.%d.%d"):format(1 + math.floor(i / 4194304), math.floor(i / 16384) % 256, math.floor(i / 64) % 256), i % 64,
      ("2001:db8:%x:%x::1"):format(1 + math.floor(i / 60000), 1 + i % 60000), "2001:db8:af::1", 6)
  end
  local path = running.folder .. "/" .. (name or "list")
  support.write(path, table.concat(list))
  return path, list
end

function TestFile:testThereAndBack()
  start()
  local path, list = write_list(500)
  lu.assertStrContains(good("add", "--file " .. path), "500 changes in ")
  lu.assertEquals(good("list"), table.concat(list) .. WHOLE .. D .. B .. C)
  support.write(running.folder .. "/all", good("list"))
  lu.assertStrContains(good("remove", "--file " .. running.folder .. "/all"), "504 changes in ")
  lu.assertEquals(good("list"), "")
  lu.assertStrContains(running.nf(("lwaftr softwire add %s --file - < %s/all"):format(running.name, running.folder)), "504 changes in ")
  lu.assertEquals(good("list"), support.read(running.folder .. "/all"))
  -- Of what is removed, its name is enough.
  support.write(path, "// these two\nsoftwire { ipv4 10.1.0.0; psid 1; }\nsoftwire { psid 2; ipv4 10.1.0.0; }\n")
  lu.assertStrContains(good("remove", "--file " .. path .. " --check"), "2 changes could be made")
  lu.assertStrContains(good("remove", "--file " .. path), "2 changes in ")
  lu.assertStrContains(good("count"), "502 softwires on 10 addresses")
  support.write(path, "")
  lu.assertStrContains(good("add", "--file " .. path), "0 changes in ")
  running.stop()
end

-- More than there is room for: a larger table takes the place of the present one.
function TestFile:testGrows()
  start("room = 10")
  local path = write_list(20000)
  lu.assertStrContains(good("add", "--file " .. path), "the table had no room, a larger one has taken its place")
  lu.assertStrContains(good("count"), "20004 softwires on 315 addresses, 2 br-addresses")
  lu.assertEquals(good("show", w.SHARED), D .. B .. C)
  good("remove", "--file " .. path)
  lu.assertEquals(good("list"), WHOLE .. D .. B .. C)
  -- New br-addresses need room, too.
  local list = {}
  for i = 1, 2000 do list[i] = line("10.9.0.0", i, "2001:db8::1", ("2001:db8:1::%x"):format(i), 16) end
  support.write(path, table.concat(list))
  good("add", "--file " .. path)
  lu.assertStrContains(good("count"), "2004 softwires on 3 addresses, 2002 br-addresses")
  lu.assertEquals(good("show", "10.9.0.0 1999"), line("10.9.0.0", 1999, "2001:db8::1", "2001:db8:1::7cf", 16))
  running.stop()
end

function TestFile:testAllMistakes()
  start()
  local path = running.folder .. "/list"
  local function text(...) support.write(path, table.concat({ ... })) end
  text(line("10.1.0.0", 1, "::1", "::2", 6), "\n  ", B, line("10.1.0.0", 1, "::3", "::2", 6), line("10.1.0.0", 2, "::3", "::2", 7), C)
  bad("add", "--file " .. path,
    path .. ":3:3: softwire 198.51.100.2 psid 4 is there already, in the table or earlier in this list; --replace changes it",
    path .. ":4:1: softwire 10.1.0.0 psid 1 is there already, in the table or earlier in this list; --replace changes it",
    path .. ":5:1: softwire 10.1.0.0 psid 2 cannot have this port set: other softwires of the address have a different one",
    path .. ":6:1: softwire 198.51.100.2 psid 5 is there already, in the table or earlier in this list; --replace changes it",
    "nothing was changed")
  bad("remove", "--file " .. path, path .. ":1:1: softwire 10.1.0.0 psid 1 is not in the table",
    path .. ":4:1: softwire 10.1.0.0 psid 1 is not in the table", path .. ":5:1: softwire 10.1.0.0 psid 2 is not in the table",
    "nothing was changed")
  text("softwire { ipv4 10.1.0; psid 64; b4-ipv6 ::1; br-address ::2; port-set { psid-length 6; } }\n", "softwir { }\n",
    line("10.1.0.0", 64, "::1", "::2", 6))
  bad("add", "--file " .. path, path .. ":1:17: 'ipv4': an IPv4 address is expected, not '10.1.0'",
    path .. ":2:1: unknown key 'softwir' in 'the top level'; did you mean 'softwire'?",
    path .. ":3:1: 'psid': 64 does not fit psid-length 6: at most 63", path .. ": 3 mistakes")
  bad("add", "--file " .. running.folder .. "/nothing", ("cannot open %s/nothing: No such file or directory"):format(running.folder))
  running.stop()
end

function TestMistakes:testArguments()
  for arguments, message in pairs({
    ["add x 1.2.3.4 0 ::1"] = "add: it needs IPV4, PSID, B4 and BR, or --file",
    ["add x 1.2.3.4 0 ::1 ::2 --file y"] = "add: --file and a softwire exclude each other",
    ["add x 1.2.3 0 ::1 ::2"] = "add: IPV4: an IPv4 address is expected, not '1.2.3'",
    ["add x 1.2.3.4 65536 ::1 ::2"] = "add: PSID: a number 0..65535 is expected, not '65536'",
    ["add x 1.2.3.4 0 z ::2"] = "add: B4: an IPv6 address is expected, not 'z'",
    ["add x 1.2.3.4 0 ::1 1.2.3.4"] = "add: BR: an IPv6 address is expected, not '1.2.3.4'",
    ["add x 1.2.3.4 1 ::1 ::2"] = "add: PSID 1 does not fit --psid-length 0: at most 0",
    ["add x 1.2.3.4 1 ::1 ::2 --psid-length 10 --reserved 7"] = "add: --psid-length and --reserved are more than 16 bits together",
    ["add x 1.2.3.4 1 ::1 ::2 --psid-length 17"] = "add: option '--psid-length'",
    ["remove x 1.2.3.4"] = "remove: it needs IPV4 and PSID, or --file",
    ["show x 1.2.3.4 y"] = "show: PSID: a number 0..65535 is expected, not 'y'",
    ["list x --b4 1"] = "list: --b4: an IPv6 address is expected, not '1'",
  }) do
    local text, code = running.nf("lwaftr softwire " .. arguments)
    lu.assertEquals(code, 2, arguments)
    lu.assertStrContains(text, "nf lwaftr softwire " .. message)
  end
  local text, code = running.nf("lwaftr softwire lst")
  lu.assertEquals({ text:match("[^\n]*"), code }, { "nf lwaftr softwire: unknown command 'lst'; did you mean 'list'?", 2 })
  text, code = running.nf("lwaftr softwire count no-such-instance")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "no-such-instance")
end

function TestMistakes:testNoRelay()
  running.start([[return { apps = { a = { "basic.source", rate = "10pps" }, b = { "basic.sink" } }, links = { "a -> b" } }]])
  local text, code = softwire("count")
  lu.assertEquals({ text, code }, { ("nf lwaftr softwire count: instance '%s' has no app lwaftr.lwaftr\n"):format(running.name), 1 })
  running.stop()
end

-- Two relays of one file: both are changed, or none.
function TestMistakes:testTwoWorkers()
  running.conf = w.file(w.conf())
  running.start("return { workers = { " .. quiet(nil, "one") .. ", " .. quiet(nil, "two") .. " } }")
  lu.assertStrMatches(good("add", "10.1.0.0 0 ::1 ::2"), "1 change in .*5 softwires in the table; 2 pauses .*")
  local _, count = good("count"):gsub("5 softwires on 3 addresses", "")
  lu.assertEquals(count, 2)
  good("remove", "10.1.0.0 0 --app two")
  bad("remove", "10.1.0.0 0", "softwire 10.1.0.0 psid 0 is not in the table", "nothing was changed")
  good("remove", "10.1.0.0 0 --app one")
  running.stop()
end

-- Packets of two softwires go on, none is lost, while others come and go.
function TestTraffic:testNothingIsLost()
  local path = running.folder .. "/in.pcap"
  support.write(path, capture.pcap({ { data = w.frame(w.inward(w.WHOLE, 80)) }, { data = w.frame(w.inward(w.SHARED, 5200)) } }))
  running.conf = w.file(w.conf())
  running.start(([[return { apps = { from = { "pcap.replay", file = %q, loop = 0 }, none = { "basic.source", number = 1 },
    relay = { "lwaftr.lwaftr", config = %q, room = 3000 }, v4 = { "basic.sink" }, v6 = { "basic.sink" } },
    links = { "from -> relay.v4", "none -> relay.v6", "relay.v4 -> v4", "relay.v6 -> v6" } }]]):format(path, running.conf))
  local list = write_list(2500)
  for _ = 1, 5 do
    good("add", "--file " .. list)
    good("remove", "--file " .. list)
  end
  local more = write_list(20000, "more")
  lu.assertStrContains(good("add", "--file " .. more), "a larger one has taken its place")
  good("remove", "--file " .. more)
  local text = running.stop()
  local sent = tonumber(text:match("in%-ipv4%-packets (%d+)"))
  lu.assertTrue(sent > 0)
  lu.assertEquals(tonumber(text:match("out%-ipv6%-packets (%d+)")), sent)
  lu.assertNil(text:find("drop%-no%-dest"), text)
end

os.exit(lu.LuaUnit.run())
