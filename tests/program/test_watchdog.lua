-- The watchdog ends workers that hang, and no others: see test_workers.lua for those that do.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local running = require("support_running").new("watchdog")

ffi.cdef("int geteuid(void);")

local FLOW = [[return { apps = { source = { "basic.source", rate = "10Kpps" }, sink = { "basic.sink" } }, links = { "source -> sink" } }]]
local SECONDS = 3

TestWatchdog = {}

function TestWatchdog:tearDown() running.clean() end

-- The threads of a process with a name.
local function threads(pid, name)
  local list = {}
  for thread in support.run("ls /proc/" .. pid .. "/task"):gmatch("%d+") do
    if support.read("/proc/" .. pid .. "/task/" .. thread .. "/comm") == name .. "\n" then list[#list + 1] = tonumber(thread) end
  end
  return list
end

local function worker() return tonumber(running.nf("stats --interval 0 --json " .. running.name):match('"worker": 1, "pid": (%d+)')) end
local function consumed() return tonumber(running.nf("stats --interval 0 --json " .. running.name):match('"sink": {.-"consumed": (%d+)')) end

-- A packet thread that is ready to run, but has the last place on a processor that another process wants for itself.
function TestWatchdog:testAPacketThreadThatGetsNoProcessorIsNotEnded()
  if ffi.C.geteuid() ~= 0 then lu.skip("needs root: another process takes a processor for itself") end
  running.start(FLOW)
  local pid = worker()
  local packets = threads(pid, "nf-packets")
  lu.assertEquals(#packets, 1)
  local processor = support.run(("taskset -p -c %d"):format(packets[1])):match("(%d+)[-,%d]*\n")
  local text, code = support.run(("chrt -i -p 0 %d && taskset -p -c %s %d"):format(packets[1], processor, packets[1]))
  lu.assertEquals(code, 0, text)
  support.run(("timeout %d taskset -c %s nice -n -20 sh -c 'while :; do :; done'"):format(SECONDS, processor))
  local before = consumed()
  support.wait("traffic", function() return consumed() > before + 1000 end)
  lu.assertEquals(worker(), pid)
  lu.assertNotStrContains(running.stop(), "has not breathed")
end

os.exit(lu.LuaUnit.run())
