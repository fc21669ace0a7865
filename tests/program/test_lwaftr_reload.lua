-- nf reload of a relay whose configuration has changed: only the difference is applied to its table, and nothing is lost.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local running = require("support_running").new("lwaftr-reload")
local capture = require("support_capture")
local w = require("support_lwaftr")

w.folder = running.folder

ffi.cdef("int setenv(const char *name, const char *value, int overwrite);")
ffi.C.setenv("NF_LOG", "info", 1)

TestReload = {}

function TestReload:tearDown() running.clean() end

local conf

-- Two B4s get packets without end.
local function start(params)
  local path = running.folder .. "/in.pcap"
  support.write(path, capture.pcap({ { data = w.frame(w.inward(w.WHOLE, 80)) }, { data = w.frame(w.inward(w.SHARED, 5200)) } }))
  conf = w.file(w.conf())
  running.start(([[return { apps = { from = { "pcap.replay", file = %q, loop = 0 }, none = { "basic.source", number = 1 },
    relay = { "lwaftr.lwaftr", config = %q, %s }, v4 = { "basic.sink" }, v6 = { "basic.sink" } },
    links = { "from -> relay.v4", "none -> relay.v6", "relay.v4 -> v4", "relay.v6 -> v6" } }]]):format(path, conf, params or ""))
end

local function reload(options)
  support.write(conf, w.conf(options))
  local text, code = running.nf("reload " .. running.name)
  lu.assertEquals(code, 0, text)
  return text
end

local function list() return (running.nf("lwaftr softwire list " .. running.name)) end

-- What a relay that starts with this table lists.
local function lines(text)
  local result = {}
  for line in text:gmatch("softwire [^\n]+") do result[#result + 1] = (line:gsub("; } }$", "; } }")) end
  table.sort(result)
  return result
end

local function is_table(text)
  lu.assertEquals(lines(list()), lines(text))
end

-- All packets that came in went out.
local function stop()
  local text = running.stop()
  local sent = tonumber(text:match("in%-ipv4%-packets (%d+)"))
  lu.assertTrue(sent > 0)
  lu.assertEquals(tonumber(text:match("out%-ipv6%-packets (%d+)")), sent)
  lu.assertNil(text:find("drop%-no%-dest"), text)
  return text
end

local function many(from, to, b4)
  local result = {}
  for i = from, to do
    result[#result + 1] = w.softwire(("10.0.%d.%d"):format(math.floor(i / 256), i % 256), 1, b4 or "2001:db8:1::1", w.BR, "psid-length 6;")
  end
  return table.concat(result)
end

function TestReload:testTheDifferenceAlone()
  start("room = 3000")
  local text = reload({ table = w.TABLE .. many(0, 999) })
  lu.assertStrContains(text, "packets lost   0")
  lu.assertStrContains(text, ", and later ones of up to ")
  is_table(w.TABLE .. many(0, 999))
  -- Some go, some have another tunnel, some come.
  reload({ table = w.TABLE .. many(100, 899) .. many(900, 949, "2001:db8:1::2") .. many(2000, 2009), external = "mtu 1400;" })
  is_table(w.TABLE .. many(100, 899) .. many(900, 949, "2001:db8:1::2") .. many(2000, 2009))
  local output = running.output()
  lu.assertStrContains(output, "app 'relay': softwires: 1000 added, 0 with another tunnel, 0 removed")
  lu.assertStrContains(output, "app 'relay': softwires: 10 added, 50 with another tunnel, 150 removed")
  lu.assertStrContains(running.nf("lwaftr counters " .. running.name), "softwires 864\n")
  stop()
end

-- Another port set for an address whose softwires all change.
function TestReload:testOtherPortSets()
  start()
  local changed = w.softwire(w.WHOLE, 0, w.A, w.BR, "psid-length 0;") .. w.softwire(w.SHARED, 5, w.C, w.BR2, "psid-length 6;") ..
    w.softwire("10.0.0.1", 3, w.B, w.BR, "psid-length 4;")
  reload({ table = changed })
  is_table(changed)
  changed = changed:gsub("10.0.0.1; psid 3(.-)psid%-length 4;", "10.0.0.1; psid 3%1psid-length 2;")
  reload({ table = changed })
  is_table(changed)
  stop()
end

-- More than there is room for; then everything but what is needed goes.
function TestReload:testGrowsAndShrinks()
  start("room = 10")
  reload({ table = w.TABLE .. many(0, 4999) })
  is_table(w.TABLE .. many(0, 4999))
  reload({ table = w.TABLE })
  is_table(w.TABLE)
  stop()
end

-- A reload has the last word: what was changed by hand is undone. One that finds the same file changes nothing.
function TestReload:testChangesByHand()
  start()
  running.nf(("lwaftr softwire add %s 10.0.0.1 0 ::1 ::2"):format(running.name))
  local text, code = running.nf("reload " .. running.name)
  lu.assertEquals(code, 0, text)
  is_table(w.TABLE .. w.softwire("10.0.0.1", 0, "::1", "::2", "psid-length 0;"))
  reload({ table = w.TABLE, external = "mtu 1400;" })
  is_table(w.TABLE)
  running.nf(("lwaftr softwire add %s 10.0.0.1 0 ::1 ::2"):format(running.name))
  is_table(w.TABLE .. w.softwire("10.0.0.1", 0, "::1", "::2", "psid-length 0;"))
  stop()
end

function TestReload:testMistakesChangeNothing()
  start()
  local function fails(options, ...)
    support.write(conf, w.conf(options))
    local text, code = running.nf("reload " .. running.name)
    lu.assertEquals(code, 1)
    for _, message in ipairs({ ... }) do lu.assertStrContains(text, message) end
    is_table(w.TABLE)
  end
  fails({ table = w.TABLE .. w.TABLE }, ":17:5: 'softwire': there is another one with ipv4 198.51.100.1 and psid 0")
  fails({ table = w.TABLE .. many(1, 1) .. many(1, 1) }, ":18:5: 'softwire': there is another one with ipv4 10.0.0.1 and psid 1")
  fails({ table = w.TABLE .. w.softwire(w.SHARED, 1, w.B, w.BR, "psid-length 5;") },
    ":17:5: 'port-set': another softwire of ipv4 198.51.100.2 has a different one")
  stop()
end

os.exit(lu.LuaUnit.run())
