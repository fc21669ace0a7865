-- A worker with a relay dies: its successor has the table as it was, with what nf lwaftr softwire had changed in it.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local running = require("support_running").new("successor")
local capture = require("support_capture")
local w = require("support_lwaftr")

w.folder = running.folder

TestSuccessor = {}

function TestSuccessor:tearDown() running.clean() end

local function good(command)
  local text, code = running.nf(command)
  lu.assertEquals(code, 0, text .. running.output())
  return text
end

local function softwire(command, arguments) return good(("lwaftr softwire %s %s %s"):format(command, running.name, arguments or "")) end
local function list(arguments) return softwire("list", arguments) end

-- A relay that gets packets for a softwire of the file, without end. settings: in place of the file
local function relay(params)
  return ([[{ apps = { from = { "pcap.replay", file = %q, loop = 0 }, none = { "basic.source", number = 1 },
    relay = { "lwaftr.lwaftr", %s }, v4 = { "basic.sink" }, v6 = { "basic.sink" } },
    links = { "from -> relay.v4", "none -> relay.v6", "relay.v4 -> v4", "relay.v6 -> v6" } }]]):format(running.folder .. "/in.pcap", params)
end

local function start(text)
  support.write(running.folder .. "/in.pcap", capture.pcap({ { data = w.frame(w.inward(w.WHOLE, 80)) } }))
  running.start(text)
end

local function worker(number)
  return tonumber(good("stats --interval 0 " .. running.name):match(("worker %d: process (%%d+), running"):format(number or 1)))
end

-- End a worker by force, and wait for its successor.
local function kill(number)
  local before = worker(number)
  ffi.C.kill(before, 9)
  support.wait("a successor", function()
    local now = worker(number)
    return now and now ~= before
  end)
end

local function many(count, b4)
  local lines = {}
  for i = 0, count - 1 do
    lines[#lines + 1] = w.softwire(("10.0.%d.%d"):format(math.floor(i / 256 / 8), math.floor(i / 8) % 256), i % 8, b4, w.BR, "psid-length 3;")
  end
  local path = running.folder .. "/list"
  support.write(path, table.concat(lines))
  return path
end

-- All that came in is accounted for; what the dead workers had in hand is the only loss.
local function stop()
  local text = running.stop()
  lu.assertStrContains(text, "it is started again")
  lu.assertNotStrContains(text, "drop-no-dest-softwire-ipv4")
  return text
end

function TestSuccessor:testSingleChanges()
  local conf = w.file(w.conf())
  start("return " .. relay(("config = %q"):format(conf)))
  softwire("add", "10.1.0.0 7 2001:db8::1 2001:db8::2 --psid-length 6")
  softwire("add", ("%s 5 2001:db8::3 2001:db8::4 --psid-length 6 --replace"):format(w.SHARED))
  softwire("remove", w.SHARED .. " 4")
  -- Of what came and went nothing stays; what went may come again, with another port set once the address is empty.
  softwire("add", "10.1.0.1 0 2001:db8::1 2001:db8::2")
  softwire("remove", "10.1.0.1 0")
  softwire("remove", "10.1.0.0 7")
  softwire("add", "10.1.0.0 1 2001:db8::1 2001:db8::2 --psid-length 2")
  softwire("add", "10.1.0.0 2 2001:db8::1 2001:db8::2 --psid-length 2")
  -- What was refused, or only asked about, is not remembered.
  lu.assertEquals(select(2, running.nf(("lwaftr softwire remove %s 10.1.0.9 0"):format(running.name))), 1)
  softwire("add", "10.1.0.9 0 ::1 ::2 --check")
  local before = list()
  lu.assertStrContains(before, "10.1.0.0; psid 2;")
  kill()
  lu.assertEquals(list(), before)
  -- A second death, and what was changed between the two.
  softwire("remove", "10.1.0.0 1")
  softwire("add", ("%s 0 2001:db8::9 2001:db8::4 --psid-length 6 --replace"):format(w.SHARED))
  before = list()
  kill()
  lu.assertEquals(list(), before)
  lu.assertStrContains(good("lwaftr counters " .. running.name), "softwires 4\n")
  stop()
end

-- Ten thousand, again and again: the notes are written anew in between. The table had no room for them, either.
function TestSuccessor:testManyChanges()
  start("return " .. relay(("config = %q, room = 100"):format(w.file(w.conf()))))
  for round = 1, 4 do
    softwire("add --replace", "--file " .. many(10000, ("2001:db8:%d::1"):format(round)))
    if round == 2 then softwire("remove", "--file " .. many(5000, "::")) end
  end
  lu.assertStrContains(softwire("count"), "10004 softwires on 1252 addresses")
  local before = list()
  kill()
  lu.assertEquals(list(), before)
  softwire("remove", "--file " .. many(10000, "::"))
  before = list()
  kill()
  lu.assertEquals(list(), before)
  lu.assertStrContains(softwire("count"), "4 softwires on 2 addresses")
  stop()
end

-- A reload that finds another file has the last word; one that finds the same one, or a mistake, changes nothing.
function TestSuccessor:testReloads()
  local conf = w.file(w.conf())
  start("return " .. relay(("config = %q"):format(conf)))
  softwire("add", "10.1.0.0 0 ::1 ::2")
  good("reload " .. running.name)
  kill()
  lu.assertStrContains(softwire("count"), "5 softwires")
  support.write(conf, w.conf({ internal = "mtu 3;" }))
  lu.assertEquals(select(2, running.nf("reload " .. running.name)), 1)
  support.write(conf, w.conf())
  kill()
  lu.assertStrContains(softwire("count"), "5 softwires")
  support.write(conf, w.conf({ external = "mtu 1400;" }))
  good("reload " .. running.name)
  lu.assertStrContains(softwire("count"), "4 softwires")
  kill()
  lu.assertStrContains(softwire("count"), "4 softwires")
  softwire("remove", w.SHARED .. " 5")
  kill()
  lu.assertEquals(list("--ipv4 " .. w.SHARED .. " --br " .. w.BR2), "")
  stop()
end

-- The file was changed, not reloaded: what can be of both is.
function TestSuccessor:testOtherFile()
  local conf = w.file(w.conf())
  start("return " .. relay(("config = %q"):format(conf)))
  softwire("add", "10.1.0.0 0 ::1 ::2")
  softwire("add", "10.1.0.1 0 ::1 ::2")
  softwire("remove", w.SHARED .. " 5")
  support.write(conf, w.conf({ table = w.TABLE:gsub("[^\n]*psid 5;[^\n]*\n", "") .. w.softwire("10.1.0.1", 3, w.A, w.BR, "psid-length 2;") }))
  kill()
  lu.assertStrContains(softwire("count"), "5 softwires on 4 addresses")
  lu.assertStrContains(list("--ipv4 10.1.0.1"), "psid 3;")
  lu.assertStrContains(stop(), "1 softwires that were added by hand cannot be beside those of the file as it is now")
end

-- Two workers with relays of one name: each has changes of its own.
function TestSuccessor:testTwoWorkers()
  local conf = w.file(w.conf())
  start(("return { workers = { %s, %s } }"):format(relay(("config = %q"):format(conf)), relay(("config = %q, echo = 'identifier'"):format(conf))))
  softwire("add", "10.1.0.0 0 ::1 ::2")
  kill(2)
  local _, count = softwire("count"):gsub("5 softwires on 3 addresses", "")
  lu.assertEquals(count, 2)
  softwire("remove", "10.1.0.0 0")
  kill(1)
  kill(2)
  _, count = softwire("count"):gsub("4 softwires on 2 addresses", "")
  lu.assertEquals(count, 2)
  stop()
end

os.exit(lu.LuaUnit.run())
