-- nf ps and nf stop.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local instance = require("support_instance")

ffi.cdef("int close(int fd);")

local folder = support.folder()
local function run(arguments) return support.run("'" .. support.nf .. "' " .. arguments) end

local alive = support.alive

local function bytes(header)
  return instance.bytes({ { time = 1, entries = instance.join(instance.app(0, "a", { received = 5 }), instance.app(1, "b", {}),
    instance.engine({}, {})) } }, header)
end

TestPs = {}

function TestPs:setUp() self.name = instance.name() end

function TestPs:tearDown() nf.instance_remove(self.name, self.lock) end

-- The row of our instance; others may run here.
function TestPs:row()
  local text, code = run("ps 2>/dev/null")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, "name +pid +workers +apps +packets/s +since +file *\n.*")
  return ("\n" .. text):match("\n" .. self.name:gsub("%p", "%%%0") .. " +([^\n]*)")
end

function TestPs:testARunningInstanceIsListed()
  self.lock = instance.create(self.name, bytes())
  lu.assertStrMatches(self:row(), ffi.C.getpid() .. " +1 +2 +0 +1970%-01%-%d%d [%d:]+ +/etc/nf/test%.lua")
end

function TestPs:testAKilledOneIsStale()
  self.lock = instance.create(self.name, bytes())
  ffi.C.close(self.lock)
  lu.assertStrMatches(self:row(), "stale +1 +2 +0 .*")
  self.lock = nf.instance_create(self.name)
end

function TestPs:testJsonAndNames()
  self.lock = instance.create(self.name, bytes())
  local text, code = run("ps --json 2>/dev/null")
  lu.assertEquals(code, 0)
  lu.assertStrContains("\n" .. text, '\n{"name": "' .. self.name .. '", "pid": ' .. ffi.C.getpid() .. ', "running": true, "workers": 1, ' ..
    '"apps": 2, "packets_per_second": 0.0, "started_ns": 0, "file": "/etc/nf/test.lua"}\n')
  text, code = run("ps --names 2>/dev/null")
  lu.assertEquals(code, 0)
  lu.assertStrContains("\n" .. text, "\n" .. self.name .. "\n")
end

function TestPs:testOneThatStartsIsPassedOver()
  self.lock = nf.instance_create(self.name)
  local text, code = run("ps")
  lu.assertEquals(code, 0)
  lu.assertNotStrContains(text, self.name)
end

function TestPs:testADamagedOneIsToldAndPassedOver()
  self.lock = instance.create(self.name, "nothing")
  local text, code = run("ps")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, ".*nf ps: [^\n]*" .. self.name:gsub("%p", "%%%0") .. "/stats is no statistics file of this version of nf\n.*")
end

TestStop = {}

function TestStop:setUp() self.name = instance.name() end

function TestStop:tearDown()
  if self.pid then       -- one that is killed leaves its folder behind
    support.run(("kill -9 %d 2>/dev/null; sleep 0.05; rm -rf '%s'"):format(self.pid, instance.path(self.name, "")))
  end
  if self.lock then nf.instance_remove(self.name, self.lock) end
end

-- Another process that is the supervisor of our instance, and runs `code` when it is.
function TestStop:supervisor(code)
  support.write(folder .. "/supervisor.lua", ([[
    local ffi, nf, instance = require("ffi"), require("nf.core"), require("support_instance")
    ffi.cdef("int getpid(void); int pause(void); void *signal(int number, void *handler);")
    %s
    instance.create("%s", instance.bytes({ { entries = instance.engine({}, {}) } }))
    print(ffi.C.getpid())
    io.stdout:flush()
    while true do ffi.C.pause() end
  ]]):format(code or "", self.name))
  local pid = support.run(("rm -f %s/pid; '%s' lua %s/supervisor.lua > %s/pid 2>&1 & for i in $(seq 100); do [ -s %s/pid ] && break; sleep 0.05; " ..
    "done; cat %s/pid")
    :format(folder, support.nf, folder, folder, folder, folder))
  self.pid = assert(tonumber(pid), pid)
end

function TestStop:testItStopsAndWaits()
  self:supervisor()
  lu.assertEquals({ run("stop " .. self.name) }, { "", 0 })
  lu.assertFalse(alive(self.pid))
  self.lock = nf.instance_create(self.name)               -- its place is free
  lu.assertTrue(self.lock >= 0)
end

function TestStop:testOneThatDoesNotEndIsAFailure()
  self:supervisor("ffi.C.signal(15, ffi.cast('void *', 1))")
  lu.assertEquals({ run("stop --wait 200ms " .. self.name) },
    { ("nf stop: '%s' has not ended within 200ms; without draining: nf stop --now %s\n"):format(self.name, self.name), 1 })
  lu.assertEquals({ run("stop --now --wait 200ms " .. self.name) },
    { ("nf stop: '%s' has not ended within 200ms\n"):format(self.name), 1 })
  lu.assertTrue(alive(self.pid))
  support.run("kill -9 " .. self.pid .. "; sleep 0.1")
  self.lock = nf.instance_create(self.name)
end

function TestStop:testAStaleOneCannotBeStopped()
  self.lock = instance.create(self.name, bytes())
  ffi.C.close(self.lock)
  lu.assertEquals({ run("stop " .. self.name) },
    { ("nf stop: '%s' does not run any more; the next nf run --name %s uses its place again\n"):format(self.name, self.name), 1 })
  self.lock = nf.instance_create(self.name)
end

-- Workers can write to the statistics: the number there must not make nf stop end another process.
function TestStop:testAForeignProcessIsNotStopped()
  local text = support.run("sleep 60 > /dev/null 2>&1 & echo $!")
  self.pid = tonumber(text)
  self.lock = instance.create(self.name, bytes({ supervisor = self.pid }))
  lu.assertEquals({ run("stop " .. self.name) },
    { ("nf stop: process %d is not the one that runs '%s', or belongs to somebody else\n"):format(self.pid, self.name), 1 })
  lu.assertTrue(alive(self.pid))
  for _, pid in ipairs({ 0, -1, 2 ^ 22 + 1 }) do
    support.write(instance.path(self.name, "stats"), bytes({ supervisor = pid }))
    lu.assertEquals({ run("stop " .. self.name) }, { ("nf stop: the process of '%s' cannot be found\n"):format(self.name), 1 })
  end
end

function TestStop:testSeveralAreStopped()
  self:supervisor()
  local text, code = run("stop no-such-nf " .. self.name)
  lu.assertEquals({ text, code }, { "nf stop: there is no nf with the name 'no-such-nf'; nf ps lists all\n", 1 })
  lu.assertFalse(alive(self.pid))
  self.lock = nf.instance_create(self.name)
end

function TestStop:testWrongUsage()
  local text, code = run("stop")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf stop: NAME... is missing\n")
  text, code = run("stop x --wait never")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "option '--wait': 'never' is not a duration")
end

TestRunning = {}

-- The whole life of an instance as a user sees it.
function TestRunning:testARealInstanceIsSeenAndStopped()
  local name = instance.name()
  support.write(folder .. "/life.lua", [[return {
    apps = { source = { "basic.source", rate = "100Kpps" }, copy = { "basic.tee" }, a = { "basic.sink" },
      slow = { "basic.policer", rate = "1Kpps" }, b = { "basic.sink" } },
    links = { "source.output -> copy.input", "copy.x -> a.input", "copy.y -> slow.input", "slow.output -> b.input" },
  }]])
  support.run(("'%s' run --quiet --name %s '%s/life.lua' > '%s/said' 2>&1 & echo"):format(support.nf, name, folder, folder))
  local text, code
  for _ = 1, 200 do                                       -- it starts when it starts
    text, code = run("stats --interval 0 " .. name)
    if text:match("\n  a +[1-9]") then break end
    support.run("sleep 0.05")
  end
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, name:gsub("%-", "%%-") .. ": process %d+, 1 worker, since .*worker 1: process %d+, running; [1-9]%d* breaths.*")
  lu.assertStrMatches(text, ".*\n  source.*\n  copy%.y %-> slow%.input +[1-9]%d* .*memory: [^\n]*: balances\n.*flow: [^\n]*: balances\n")
  text = run("stats --interval 200ms --json " .. name)
  lu.assertStrMatches(text, '.*"packets_per_second": [1-9].*"reasons": {"exceeded": [1-9].*"balances": true.*')
  text = run("ps 2>/dev/null")
  lu.assertStrMatches(("\n" .. text):match("\n" .. name:gsub("%p", "%%%0") .. " +([^\n]*)"), "%d+ +1 +5 +[1-9]%d* +%d+%-.*/life%.lua")
  lu.assertEquals({ run("stop " .. name) }, { "", 0 })
  lu.assertEquals({ run("stats " .. name) }, { ("nf stats: there is no nf with the name '%s'; nf ps lists all\n"):format(name), 1 })
  lu.assertNotStrContains((run("ps")), name)
  lu.assertEquals(support.read(folder .. "/said"), "")
end

os.exit(lu.LuaUnit.run())
