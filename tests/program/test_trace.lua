-- nf trace: the way of packets through a running graph, app by app.
local lu = require("luaunit")
local support = require("support")

local running = require("support_running").new("trace")
local folder, name = running.folder, running.name
local nf, file, start, stop, background = running.nf, running.file, running.start, running.stop, running.background
local wait, alive = support.wait, support.alive

-- An app that takes one off the TTL (and leaves the checksum as it is), and doubles a byte of the payload.
local HOP = [[
local link, packet = require("nf.link"), require("nf.packet")
return {
  name = "hop", help = "A hop.", inputs = { "input" }, outputs = { "output" },
  push = function(self)
    for _ = 1, link.count(self.input.input) do
      local p = link.receive(self.input.input)
      packet.set_u8(p, 22, packet.u8(p, 22) - 1)
      packet.set_u8(p, 50, packet.u8(p, 50) + 7)
      link.send(self.output.output, p)
    end
  end,
}
]]

local GRAPH = [[return { apps = { source = { "basic.source", rate = "50pps", sizes = 60, ipv4 = { src_count = 4 }, udp = {} },
  thin = { "basic.sample", n = 2 }, hop = { "hop" }, tee = { "basic.tee" }, cut = { "basic.truncate", length = 58 },
  hold = { "basic.delay", time = "10ms" }, here = { "basic.sink" }, there = { "basic.sink" } },
  links = { "source -> thin.input", "thin.output -> hop -> tee.input", "tee.a -> cut -> here", "tee.b -> hold -> there" } }]]

-- Two workers: to the second and back.
local WORKERS = [[return { workers = {
  { apps = { source = { "basic.source", %s, ipv4 = { src_count = 4 }, udp = {} }, here = { "basic.sink" } }, links = {} },
  { apps = { cut = { "basic.truncate", length = 58 }, tee = { "basic.tee" }, there = { "basic.sink" } },
    links = { "cut -> tee.input", "tee.a -> there" } } },
  links = { "w1:source.output -> w2:cut.input", "w2:tee.b -> w1:here.back" } }]]

TestTrace = {}

function TestTrace:setUp() support.write(folder .. "/hop.lua", HOP) end

function TestTrace:tearDown()
  running.clean()
end

-- What was shown of the packets that were made after the trace began, without times: a set of ways.
local function ways(text)
  local set = {}
  for part in text:gsub("packet %d+\n", "\1"):gmatch("\1([^\1]*)") do
    set[(part:gsub("nf trace:.*", ""):gsub("  %d%d:%d%d:%d%d%.%d+  ", ""):gsub(" +\n", "\n"))] = true
  end
  return set
end

local MADE = "source        made, sent to source.output -> thin.input: 198.18.0.%d:1024 > 198.19.0.1:9 UDP, 60 bytes\n"
local HOPPED = "thin          forwarded to thin.output -> hop.input\n" ..
  "hop           forwarded to hop.output -> tee.input: ipv4.ttl 64 -> 63, payload from byte 8 on\n"

function TestTrace:testTheWayOfEachPacket()
  start(GRAPH)
  local text, code = nf(("trace %s src host 198.18.0.2 or src host 198.18.0.3 --count 9"):format(name))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "nf trace: 9 packets shown, 0 breaths left out\n")
  local seen = ways(text)
  local dropped, passed = 2, 3
  if not seen[MADE:format(2) .. "thin          dropped as skipped\n"] then dropped, passed = 3, 2 end
  for _, way in ipairs({
    MADE:format(dropped) .. "thin          dropped as skipped\n",
    MADE:format(passed) .. HOPPED .. "tee           forwarded to tee.b -> hold.input\nhold          held\n" ..
      "hold          forwarded to hold.output -> there.input\nthere         consumed\n",
    MADE:format(passed) .. HOPPED .. ("tee           copied to tee.a -> cut.input: 198.18.0.%d:1024 > 198.19.0.1:9 UDP, 60 bytes\n")
      :format(passed) .. "cut           forwarded to cut.output -> here.input: length 60 -> 58\nhere          consumed\n" }) do
    lu.assertTrue(seen[way], way .. "is not in\n" .. text)
  end
  stop()
end

-- The way through one worker, from and to another.
function TestTrace:testSeveralWorkers()
  start(WORKERS:format('rate = "500pps", sizes = 60'))
  local LINE = "198.18.0.2:1024 > 198.19.0.1:9 UDP, %d bytes\n"
  local CAME = "w1:source.output  came from the other worker, sent to w1:source.output -> cut.input: " .. LINE:format(60) ..
    "cut           forwarded to cut.output -> tee.input: length 60 -> 58\n"
  for worker, expected in pairs({
    { "source        made, sent to source.output -> w2:cut.input: " .. LINE:format(60) .. "w2:cut.input  sent to the other worker\n",
      "w2:tee.b      came from the other worker, sent to w2:tee.b -> here.back: " .. LINE:format(58) .. "here          consumed\n" },
    { CAME .. "tee           forwarded to tee.b -> w1:here.back\nw1:here.back  sent to the other worker\n",
      CAME .. "tee           copied to tee.a -> there.input: " .. LINE:format(58) .. "there         consumed\n" } }) do
    local text, code = nf(("trace %s src host 198.18.0.2 --count 6 --worker %d"):format(name, worker))
    lu.assertEquals(code, 0, text)
    local seen = ways(text)
    for _, way in ipairs(expected) do lu.assertTrue(seen[way], way .. "is not in\n" .. text) end
  end
  stop()
end

-- Both workers at full speed, traced at the same time: whole ways, and the graph goes on.
function TestTrace:testFastWorkers()
  start(WORKERS:format("sizes = 60"))
  local clients = {}
  for i = 1, 2 do clients[i] = background(("'%s' trace %s --worker %d --count 2000"):format(support.nf, name, i), "client" .. i) end
  for i, client in ipairs(clients) do
    wait("the end", function() return not alive(client) end)
    local text = support.read(folder .. "/client" .. i)
    lu.assertStrContains(text, "nf trace: 2000 packets shown, ")
    lu.assertStrContains(text, i == 1 and "w2:cut.input  sent to the other worker\n" or "there         consumed\n")
    lu.assertNotStrContains(text, "not seen any further")
  end
  stop()
end

-- Several packets in one call, of which some are held and the others dropped: it does not guess.
function TestTrace:testItSaysWhenItIsNotSure()
  start([[return { apps = { source = { "basic.source", sizes = 60 }, slow = { "basic.shaper", rate = "100M" },
    sink = { "basic.sink" } }, links = { "source -> slow -> sink" } }]])
  local text, code = nf(("trace %s --count 20000 | sort | uniq -c"):format(name))
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, ".*slow          not sure which: of the call's packets %d+ dropped as queue%-full %d+ held\n.*")
  stop()
end

-- At full speed breaths are left out, and those that are told are whole: every way has an end.
function TestTrace:testAFastFlow()
  start([[return { apps = { source = { "basic.source", sizes = 60 }, sink = { "basic.sink" } }, links = { "source -> sink" } }]])
  local text, code = nf(("trace %s --count 3000"):format(name))
  lu.assertEquals(code, 0)
  lu.assertEquals(select(2, text:gsub("sink          consumed\n", "")), 3000)
  lu.assertNotStrContains(text, "not seen")
  text, code = nf(("trace %s arp --duration 0.2s"):format(name))
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, "nf trace: 0 packets shown, %d+ breaths left out.*")
  stop()
end

-- A client has the ring when the worker was told.
local function wait_for_the_trace(client)
  wait("the trace", function() return (support.read(("/proc/%d/maps"):format(client)) or ""):find("nf-probe", 1, true) end)
end

function TestTrace:testReloadsAndTheEnd()
  start(GRAPH)
  for _ = 1, 3 do
    local client = background(("'%s' trace %s"):format(support.nf, name), "client")
    wait_for_the_trace(client)
    local text, code = nf(("reload %s %s"):format(name, file((GRAPH:gsub("length = 58", "length = 57")))))
    lu.assertEquals(code, 0, text)
    wait("the end", function() return not alive(client) end)
    lu.assertStrContains(support.read(folder .. "/client"), "nf trace: a reload changed the graph\n")
  end
  local client = background(("'%s' trace %s"):format(support.nf, name), "client")
  wait_for_the_trace(client)
  stop()
  wait("the end", function() return not alive(client) end)
  lu.assertStrContains(support.read(folder .. "/client"), "nf trace: the graph has ended\n")
end

function TestTrace:testMessages()
  local text, code = nf("trace " .. name)
  lu.assertEquals({ text, code }, { ("nf trace: there is no nf with the name '%s'; nf ps lists all\n"):format(name), 1 })
  start(GRAPH)
  text, code = nf("trace " .. name .. " --worker 2")
  lu.assertEquals({ text, code }, { "nf trace: there is no worker 2; there are 1\n", 1 })
  text, code = nf("trace " .. name .. " --worker 0")
  lu.assertEquals({ text, code }, { "nf trace: option '--worker': '0' is not a number 1..63\n       nf trace --help shows how it is used\n", 2 })
  text, code = nf("trace " .. name .. " port")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf trace: the filter 'port': ")
  stop()
end

os.exit(lu.LuaUnit.run())
