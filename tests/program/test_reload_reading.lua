-- nf reload while a configuration takes its time: the supervisor does everything else meanwhile.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local running = require("support_running").new("reading")

local folder = running.folder
local FLOW = [[return { apps = { source = { "basic.source", rate = "10Kpps" }, sink = { "basic.sink" } }, links = { "source -> sink" } }]]
-- Is not done before somebody opens the pipe "go" to write; until then it takes no time of the processor, which is limited.
local SLOW = ([[io.open("%s/go"):close()
  return { apps = { source = { "basic.source", rate = "10Kpps" }, other = { "basic.sink" } }, links = { "source -> other" } }]])
  :format(folder)

local function children(pid)
  return support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
end

-- The worker of an instance: the child with that name.
local function worker()
  local pid = tonumber((running.nf("ps")):match(running.name:gsub("%-", "%%-") .. "%s+(%d+)"))
  for child in children(pid):gmatch("%d+") do
    if support.read("/proc/" .. child .. "/comm") == "nf-worker\n" then return tonumber(child), pid end
  end
  return nil, pid
end

-- Let what is being read, or will be, come to its end.
local pipe
local function go() pipe = pipe or io.open(folder .. "/go", "r+") end

-- Begin to reload the slow one, and wait until it is being read; gives what to wait for.
local function begin(verb)
  support.write(folder .. "/slow.lua", SLOW)
  local _, pid = worker()
  local client = running.background(("'%s' %s %s %s/slow.lua"):format(support.nf, verb, running.name, folder), "answer")
  support.wait("the evaluation", function() return select(2, children(pid):gsub("%d+", "")) == 2 end)
  return client, pid
end

local function answer(client)
  support.wait("the answer", function() return not support.alive(client) end)
  return support.read(folder .. "/answer")
end

TestReading = {}

function TestReading:setUp()
  support.run(("rm -f %s/go && mkfifo %s/go"):format(folder, folder))
  running.start(FLOW)
end

function TestReading:tearDown()
  go()
  running.clean()
  pipe:close()
  pipe = nil
end

function TestReading:testAWorkerThatDiesMeanwhileIsStartedAtOnceAndTheReloadComesAfterwards()
  local first = worker()
  local client = begin("reload")
  ffi.C.kill(first, 9)
  support.wait("the next worker", function()
    local next = worker()
    return next and next ~= first and running.nf("stats --interval 0 " .. running.name):find(", running", 1, true)
  end)
  lu.assertTrue(support.alive(client))
  go()
  lu.assertStrContains(answer(client), "other")
  lu.assertStrContains(running.nf("stats " .. running.name .. " --interval 0"), "other")
  running.stop()
end

function TestReading:testASecondReloadIsRefusedAndADifferenceIsTold()
  local client = begin("diff")
  local text, code = running.nf(("reload %s %s/graph.lua"):format(running.name, folder))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "another reload is under way")
  go()
  lu.assertStrContains(answer(client), "other")
  lu.assertNotStrContains(running.nf("stats " .. running.name .. " --interval 0"), "other")
  running.stop()
end

function TestReading:testAnEndMeanwhileEndsTheEvaluation()
  local client, pid = begin("reload")
  local evaluation = {}
  for child in children(pid):gmatch("%d+") do evaluation[#evaluation + 1] = tonumber(child) end
  running.stop()
  lu.assertStrContains(answer(client), "the instance is ending")
  for _, child in ipairs(evaluation) do lu.assertFalse(support.alive(child)) end
end

-- Nothing is left of it that could change over: the reload does not wait for it.
function TestReading:testAWorkerWhoseGraphHasEndedIsTold()
  running.stop()
  running.start([[local function flow(number) return { apps = { source = { "basic.source", rate = "10Kpps", number = number },
      sink = { "basic.sink" } }, links = { "source -> sink" } } end
    return { workers = { one = flow(nil), two = flow(30000) } }]])
  support.wait("the end of a worker", function()
    return select(2, running.nf("stats --interval 0 " .. running.name):gsub(", running", "")) == 1
  end)
  local text, code = running.nf(("reload %s"):format(running.name))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "the graph of worker 'two' has ended, and a reload changes all workers or none; start nf anew")
  running.stop()
end

function TestReading:testAnEvaluationThatIsKilledIsTold()
  local client, pid = begin("reload")
  local first = worker()
  for child in children(pid):gmatch("%d+") do
    if tonumber(child) ~= first then ffi.C.kill(tonumber(child), 9) end
  end
  lu.assertStrContains(answer(client), "was ended by signal 9")
  running.stop()
end

os.exit(lu.LuaUnit.run())
