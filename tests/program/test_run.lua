-- nf run: how a run starts, ends, fails; supervisor and worker.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local folder = support.folder()
local name = "test-run-" .. ffi.C.getpid()

local function config(text)
  local path = folder .. "/graph.lua"
  support.write(path, text)
  return path
end

local FLOW = [[return { apps = { source = { "basic.source" }, sink = { "basic.sink" } }, links = { "source -> sink" } }]]

-- Start nf in the background, with variables of the environment if any; gives its supervisor's pid when its instance is there.
local function start(arguments, path, environment)
  local output = folder .. "/output"
  support.run(("%s %s run --name %s %s %s >%s 2>&1 & echo $! >%s/pid"):format(environment or "", support.nf, name, arguments, path, output,
    folder))
  local pid = tonumber(support.read(folder .. "/pid"))
  for _ = 1, 500 do
    local text = support.run(support.nf .. " ps")
    if text:find(name, 1, true) then return pid, output end
    os.execute("sleep 0.02")
  end
  error("it did not start: " .. (support.read(output) or ""))
end

-- Wait until a process is gone.
local function ended(pid)
  for _ = 1, 1000 do
    if ffi.C.kill(pid, 0) ~= 0 or (support.read("/proc/" .. pid .. "/stat") or ") Z"):find(") Z", 1, true) then return true end
    os.execute("sleep 0.02")
  end
  return false
end

local function children(pid)
  local list = {}
  for child in (support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch("%d+") do list[#list + 1] = tonumber(child) end
  return list
end

-- The first worker, other than `before`, that runs: children come and go before it, which read the configuration.
local function worker_of(pid, before)
  for _ = 1, 500 do
    local child = children(pid)[1]
    if child and child ~= before and support.read("/proc/" .. child .. "/comm") == "nf-worker\n" then return child end
    os.execute("sleep 0.02")
  end
  return nil
end

TestRun = {}

function TestRun:testANumberedFlowEndsByItself()
  local path = config([[return { apps = { source = { "basic.source", number = 1000 }, sink = { "basic.sink" } },
    links = { "source -> sink" } }]])
  for _, mode in ipairs({ "", "--single-process", "--clock virtual", "--idle busy", "--idle wait" }) do
    local text, code = support.run(("%s run --name %s %s %s"):format(support.nf, name, mode, path))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "0 received + 1000 created = 0 sent + 1000 consumed + 0 dropped + 0 queued: it balances")
  end
end

function TestRun:testADurationEndsAnEndlessFlow()
  local text, code = support.run(("%s run --name %s --duration 200ms %s"):format(support.nf, name, config(FLOW)))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "it balances")
end

function TestRun:testQuietSaysNothing()
  local text, code = support.run(("%s run --name %s --quiet --duration 50ms %s"):format(support.nf, name, config(FLOW)))
  lu.assertEquals(code, 0)
  lu.assertEquals(text, "")
end

function TestRun:testAMissingFile()
  local text, code = support.run(support.nf .. " run /nonexistent/graph.lua")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "/nonexistent/graph.lua")
  lu.assertStrContains(text, "No such file")
end

function TestRun:testMistakesOfAConfigurationAreAllTold()
  local text, code = support.run(support.nf .. " run " .. config([[return { apps = { source = { "basic.sauce" },
    tee = { "basic.tee", colour = 1 } }, links = { "source -> nobody.input" } }]]))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "basic.source")
  lu.assertStrContains(text, "colour")
  lu.assertStrContains(text, "nobody")
end

function TestRun:testAFileThatCannotBeOpenedStopsTheStart()
  local text, code = support.run(("%s run --name %s %s"):format(support.nf, name, config([[return { apps = {
    reader = { "pcap.reader", file = "missing.pcap" }, writer = { "pcap.writer", file = "made.pcap" } },
    links = { "reader -> writer" } }]])))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, folder .. "/missing.pcap")
  lu.assertNil(support.read(folder .. "/made.pcap"))
end

function TestRun:testSignalsEndItCleanly()
  for _, signal in ipairs({ 2, 15 }) do
    local pid, output = start("", config(FLOW))
    ffi.C.kill(pid, signal)
    lu.assertTrue(ended(pid))
    lu.assertStrContains(support.read(output), "it balances")
  end
end

function TestRun:testANameIsUsedOnce()
  local pid = start("", config(FLOW))
  local text, code = support.run(("%s run --name %s %s"):format(support.nf, name, folder .. "/graph.lua"))
  ffi.C.kill(pid, 15)
  lu.assertTrue(ended(pid))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "'" .. name .. "' is running")
end

function TestRun:testABadNameIsRefused()
  local text, code = support.run(("%s run --name ../x %s"):format(support.nf, config(FLOW)))
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "'../x' is no name")
end

function TestRun:testAnyFileNameGivesAName()
  for _, file in ipairs({ "it's \"a\" b.lua", "-x.lua", ".lua", "\195\188.lua", ("x"):rep(200) .. ".lua" }) do
    support.write(folder .. "/" .. file, [[return { apps = { s = { "basic.source", number = 5 }, k = { "basic.sink" } }, links = { "s -> k" } }]])
    local text, code = support.run(("%s run '%s'"):format(support.nf, ((folder .. "/" .. file):gsub("'", "'\\''"))))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "it balances")
  end
end

-- A worker that does not even begin to drain: C code of an unsafe module that never comes back.
function TestRun:testTheThirdRequestToStopEndsAWorkerThatIsStuck()
  support.write(folder .. "/stuck.lua", [[local ffi = require("ffi")
    ffi.cdef("int pause(void);")
    return { unsafe = true, outputs = { "output" }, pull = function () end, new = function () while true do ffi.C.pause() end end }]])
  support.write(folder .. "/stuck_graph.lua", [[return { apps = { s = { "stuck" }, k = { "basic.sink" } }, links = { "s -> k" } }]])
  support.run(("%s run --name %s %s/stuck_graph.lua >%s/stuck.out 2>&1 & echo $! >%s/stuck.pid"):format(support.nf, name, folder, folder,
    folder))
  local pid = tonumber(support.read(folder .. "/stuck.pid"))
  lu.assertNotNil(worker_of(pid))
  for _ = 1, 3 do
    ffi.C.kill(pid, 15)
    os.execute("sleep 0.3")
  end
  lu.assertTrue(ended(pid))
  lu.assertStrContains(support.read(folder .. "/stuck.out"), "was ended by signal 9")
end

-- End the worker of a graph by one signal, wait for its successor, and look at what the run said in the end. The address sanitizer is
-- told to leave faults alone: it makes an exit code of them.
local function after_death(graph, signal)
  local pid, output = start("", graph, "ASAN_OPTIONS=handle_segv=0")
  local first = worker_of(pid)
  lu.assertNotNil(first)
  os.execute("sleep 0.2")
  ffi.C.kill(first, signal)
  lu.assertNotNil(worker_of(pid, first))
  os.execute("sleep 0.2")
  ffi.C.kill(pid, 15)
  lu.assertTrue(ended(pid))
  local text = support.read(output)
  lu.assertStrContains(text, "was ended by signal " .. signal)
  lu.assertStrContains(text, "workers that died and were started again: 1;")
  lu.assertStrContains(text, "it balances")
end

function TestRun:testAWorkerThatDiesIsStartedAgain()
  after_death(config(FLOW), 9)
end

-- Where Lua apps run, a fault at the end of the stack is no death; one that somebody sends is.
function TestRun:testAFaultThatSomebodySendsToAWorkerWithLuaAppsEndsIt()
  after_death(config([[return { apps = { source = { "basic.source" }, hop = { "lua.forward" }, sink = { "basic.sink" } },
    links = { "source -> hop.input", "hop -> sink" } }]]), 11)
end

function TestRun:testAWorkerDoesNotOutliveItsSupervisor()
  local pid = start("", config(FLOW))
  local worker = worker_of(pid)
  ffi.C.kill(pid, 9)
  lu.assertTrue(ended(pid))
  lu.assertTrue(ended(worker))
  -- The folder that it left behind is used again.
  local text, code = support.run(("%s run --name %s --duration 50ms %s"):format(support.nf, name, folder .. "/graph.lua"))
  lu.assertEquals(code, 0, text)
end

function TestRun:testSeveralWorkersEachWithAGraph()
  local text, code = support.run(("%s run --name %s %s"):format(support.nf, name, config([[
    local function flow(n) return { apps = { source = { "basic.source", number = n }, sink = { "basic.sink" } },
      links = { "source -> sink" } } end
    return { workers = { flow(100), flow(23) } }]])))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "0 received + 123 created = 0 sent + 123 consumed")
  lu.assertStrMatches(text, ".*\nworker 1\n.*\nworker 2\n.*")
  text, code = support.run(("%s run --name %s --single-process %s"):format(support.nf, name, folder .. "/graph.lua"))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "--single-process runs one worker")
end

-- Virtual time stands still while a source without a rate sends: statistics and watchdog must not depend on it.
function TestRun:testAFlowInWhichVirtualTimeStandsStillIsNotTakenForDead()
  local text, code = support.run(("timeout -s TERM 2.5 %s run --name %s --clock virtual %s"):format(support.nf, name, config(FLOW)))
  lu.assertEquals(code, 124, text)
  lu.assertStrContains(text, "it balances")
  lu.assertNotStrContains(text, "has not breathed")
end

function TestRun:testTheSamePerSeedUnderAVirtualClock()
  local path = config([[return { apps = { source = { "basic.source", number = 10000 }, drop = { "basic.drop", probability = 0.3 },
    sink = { "basic.sink" } }, links = { "source -> drop -> sink" } }]])
  local function run(seed)
    local text, code = support.run(("%s run --name %s --clock virtual --seed %d %s"):format(support.nf, name, seed, path))
    lu.assertEquals(code, 0, text)
    return text:match("(%d+) consumed"), text
  end
  local a, b, c = run(1), run(1), run(2)
  lu.assertEquals(a, b)
  lu.assertNotEquals(a, c)
end

function TestRun:testWrongOptions()
  for option, message in pairs({ ["--cpu 999999"] = "--cpu", ["--idle lazy"] = "adaptive", ["--duration soon"] = "--duration",
    ["--clock slow"] = "virtual", ["--quite"] = "--quiet" }) do
    local text, code = support.run(("%s run %s %s"):format(support.nf, option, folder .. "/graph.lua"))
    lu.assertEquals(code, 2, text)
    lu.assertStrContains(text, message)
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
