-- The sandbox of a worker: who it is, what it cannot do, and that a run survives one that tries.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal); unsigned geteuid(void);")

local folder = support.folder()
local name = "test-sandbox-" .. ffi.C.getpid()
local running

-- An app that tries something when its worker is the process `pid`, with the first packet that comes. The worker's successor is
-- another process, and harmless.
local ATTACKS = {
  openat = [[C.open("/etc/passwd", 0)]],
  socket = [[C.socket(2, 1, 0)]],
  execve = [[C.execve("/bin/true", ffi.new("char *[1]"), ffi.new("char *[1]"))]],
  ptrace = [[C.ptrace(0, 0, nil, nil)]],
  mmap = [[C.mmap(nil, 4096, 7, 0x22, -1, 0)]],
  mprotect = [[C.mprotect(C.mmap(nil, 4096, 3, 0x22, -1, 0), 4096, 7)]],
  setuid = [[C.setuid(0)]],
  clone = [[C.fork()]],
  kill = [[C.kill(1, 0)]],
  ioctl = [[C.ioctl(0, 0x5412, ffi.new("char[1]", "x"))]],        -- TIOCSTI: type on the terminal
  garbage = [[for fd = 3, 40 do C.send(fd, "garbage", 7, 0x40) end]],
  endless = [[local bytes = ffi.new("char[9000]") for fd = 3, 40 do C.send(fd, bytes, 9000, 0x40) end]],
  unmask = [[C.signal(31, nil)]],
}

local function module()
  local text = { [[
local ffi = require("ffi")
ffi.cdef("int open(const char *, int, ...); int socket(int, int, int); int execve(const char *, char **, char **);" ..
  "long ptrace(int, int, void *, void *); void *mmap(void *, size_t, int, int, int, long); int mprotect(void *, size_t, int);" ..
  "int setuid(unsigned); int fork(void); int kill(int, int); int ioctl(int, unsigned long, ...); int getpid(void);" ..
  "long send(int, const void *, size_t, int); void *signal(int, void *);")
local C, try = ffi.C, {}
]] }
  for what, code in pairs(ATTACKS) do text[#text + 1] = ("function try.%s() %s end\n"):format(what, code) end
  text[#text + 1] = [[
local link = require("nf.link")
return { name = "attack", help = "Try what no worker may.", unsafe = true, inputs = { "input" }, outputs = { "output" },
  params = { what = { type = "string", help = "what" }, pid = { type = "u32", default = 0, help = "whose process" } },
  new = function(params) return { what = params.what, pid = params.pid } end,
  push = function(self)
    local input, output = self.input.input, self.output.output
    if C.getpid() == self.pid then
      self.pid = 0
      try[self.what]()
    end
    for _ = 1, link.count(input) do link.send(output, link.receive(input)) end
  end }
]]
  return table.concat(text)
end

local function write_graph(what, pid)
  support.write(folder .. "/graph.lua", ([[return { apps = { source = { "basic.source", rate = "10kpps" },
    a = { "%s", %s }, sink = { "basic.sink" } }, links = { "source -> a -> sink" } }]]):format(what and "attack" or "basic.tee",
    what and ("what = %q, pid = %d"):format(what, pid or 0) or ""))
end

local function children(pid)
  local list = {}
  for child in (support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch("%d+") do list[#list + 1] = tonumber(child) end
  return list
end

local function wait_for(what, condition)
  for _ = 1, 1000 do
    local result = condition()
    if result then return result end
    os.execute("sleep 0.02")
  end
  error("waited in vain for " .. what .. "\n" .. (support.read(folder .. "/output") or ""), 2)
end

-- A worker that runs: has read its statistics in.
local function worker()
  return wait_for("a worker", function()
    if not support.run(support.nf .. " ps"):find(name, 1, true) then return end
    local pid = children(running)[1]
    local status = pid and support.read("/proc/" .. pid .. "/status")
    return status and status:find("NoNewPrivs:\t1") and pid
  end)
end

local function start(options, prefix)
  support.run(("%s %s run --name %s %s %s/graph.lua > %s/output 2>&1 & echo $! > %s/pid"):format(prefix or "", support.nf, name,
    options or "", folder, folder, folder))
  running = tonumber(support.read(folder .. "/pid"))
end

-- Give the instance its orders again and again: right after a start the worker may not run yet.
local function reload()
  local text, code = support.run(("%s reload %s"):format(support.nf, name))
  return text, code
end

local function status_of(pid) return support.read("/proc/" .. pid .. "/status") end

local function is_filtered(pid) return wait_for("the status", function() return status_of(pid) end):find("Seccomp:\t2") ~= nil end

TestSandbox = {}

function TestSandbox:setUp() support.write(folder .. "/attack.lua", module()) end

function TestSandbox:tearDown()
  if not running then return end
  ffi.C.kill(running, 15)
  local pid = running
  running = nil
  wait_for("the end", function() return ffi.C.kill(pid, 0) ~= 0 or (support.read("/proc/" .. pid .. "/stat") or ") Z"):find(") Z", 1, true) end)
end

-- Start with the app, or let a reload bring it; let it attack. The run must go on with another worker; gives what nf said.
local function attack(what, from_the_start)
  write_graph(from_the_start and what or nil)
  start()
  local first = worker()
  write_graph(what, first)
  local text = reload()
  local second = wait_for("another worker", function()
    local pid = children(running)[1]
    return pid and pid ~= first and pid
  end)
  lu.assertNotEquals(second, first, text)
  write_graph(nil)
  wait_for("a reload of the new worker", function() return select(2, reload()) == 0 end)
  local output = support.read(folder .. "/output")
  ffi.C.kill(running, 15)
  wait_for("the end", function() return support.read(folder .. "/output"):find("it balances") end)
  return output
end

local function skip_without_filter()
  if os.getenv("NF") and os.getenv("NF"):find("build%-[a-z,-]*address") then lu.skip("sanitizers have no filter of system calls") end
end

for _, call in ipairs({ "openat", "socket", "execve", "ptrace", "mmap", "mprotect", "setuid", "clone", "kill", "ioctl" }) do
  TestSandbox["testNoWorkerMakesTheCall_" .. call] = function()
    skip_without_filter()
    lu.assertStrContains(attack(call, true), ("worker 'w1' made the system call '%s', which no worker makes"):format(call))
  end
end

function TestSandbox:testMemoryIsNotExecutableInAWorkerWithoutLua()
  skip_without_filter()
  local before = ATTACKS.mmap
  ATTACKS.mmap = [[C.mmap(nil, 4096, 5, 0x22, -1, 0)]]
  support.write(folder .. "/attack.lua", module())
  ATTACKS.mmap = before
  local output = attack("mmap")
  lu.assertStrContains(output, "made the system call 'mmap'")
  lu.assertStrContains(output, "app 'a' is interpreted")
end

-- A graph without Lua apps, then one with: native when nf was told so at the start.
function TestSandbox:testAReloadBringsLuaToAWorkerThatMayCompile()
  skip_without_filter()
  for _, option in ipairs({ "", "--compile" }) do
    write_graph(nil)
    start(option)
    worker()
    write_graph("wait", 1)
    wait_for("the reload", function() return select(2, reload()) == 0 end)
    local output = support.read(folder .. "/output")
    lu.assertEquals(output:find("app 'a' is interpreted, which is slow: its worker was started without apps that make native code; " ..
      "start nf anew, or with --compile", 1, true) == nil, option ~= "", output)
    self:tearDown()
  end
end

function TestSandbox:testTheHandlerOfForbiddenCallsStays()
  skip_without_filter()
  lu.assertStrContains(attack("unmask", true), "was ended by signal 31")
end

function TestSandbox:testAWorkerThatSendsGarbageIsStartedAgain()
  for _, what in ipairs({ "garbage", "endless" }) do
    local output = attack(what, true)
    lu.assertTrue(output:find("sent what no worker sends", 1, true) ~= nil or
      output:find("asked for a resource in a way that no worker does", 1, true) ~= nil, output)
    lu.assertStrContains(output, "it is started again")
  end
end

local function assert_closed(pid)
  local status = status_of(pid)
  for _, set in ipairs({ "CapInh", "CapPrm", "CapEff", "CapAmb" }) do lu.assertStrContains(status, set .. ":\t0000000000000000") end
  lu.assertStrContains(status, "NoNewPrivs:\t1")
  return status
end

function TestSandbox:testAWorkerOfRootIsSomebodyElse()
  if ffi.C.geteuid() ~= 0 then lu.skip("needs root") end
  for user, options in pairs({ [support.run("id -u nf 2>/dev/null || id -u nobody")] = "", [support.run("id -u daemon")] = "--user daemon" }) do
    write_graph()
    start(options)
    local pid = worker()
    local status = assert_closed(pid)
    local uid = user:match("%d+")
    lu.assertStrContains(status, ("Uid:\t%s\t%s\t%s\t%s\n"):format(uid, uid, uid, uid))
    lu.assertStrMatches(status, ".*\nGroups:%s*\n.*")
    lu.assertStrContains(status, "CapBnd:\t0000000000000000")
    self:tearDown()
  end
end

function TestSandbox:testUsersThatCannotBe()
  write_graph()
  for user, message in pairs(ffi.C.geteuid() == 0 and { root = "user 'root' is root: workers do not run as root",
    ["no-such-user"] = "there is no user 'no-such-user'" } or { root = "only root can run workers as another user" }) do
    local text, code = support.run(("%s run --name %s --user %s %s/graph.lua"):format(support.nf, name, user, folder))
    lu.assertEquals(code, 1)
    lu.assertStrContains(text, message)
  end
end

function TestSandbox:testWithoutASandboxItSaysSo()
  write_graph()
  local text, code = support.run(("%s run --no-sandbox --duration 50ms --name %s %s/graph.lua"):format(support.nf, name, folder))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "WARNING: no sandbox")
  text, code = support.run(("%s run --no-sandbox --user daemon --duration 50ms --name %s %s/graph.lua"):format(support.nf, name, folder))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "--user needs the sandbox")
end

-- Commands as nobody, who must be able to read the binary.
local AS_NOBODY = "env -u XDG_RUNTIME_DIR setpriv --reuid 65534 --regid 65534 --clear-groups "

local function need_nobody()
  if ffi.C.geteuid() ~= 0 then lu.skip("needs root, to be somebody else") end
  if select(2, support.run(AS_NOBODY .. support.nf .. " --version")) ~= 0 then lu.skip("nobody cannot run this nf") end
  os.execute("chmod 777 '" .. folder .. "'")
end

function TestSandbox:testAnOrdinaryUserRunsCaptures()
  need_nobody()
  support.run(("cp examples/demo.pcap %s/in.pcap && chmod 644 %s/in.pcap"):format(folder, folder))
  support.write(folder .. "/graph.lua", [[return { apps = { reader = { "pcap.reader", file = "in.pcap" },
    writer = { "pcap.writer", file = "out.pcap" } }, links = { "reader -> writer" } }]])
  local text, code = support.run(("%s %s run --name %s %s/graph.lua"):format(AS_NOBODY, support.nf, name, folder))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "it balances")
  lu.assertTrue(#support.read(folder .. "/out.pcap") > 1000)
end

function TestSandbox:testAnOrdinaryUserRunsATapOfTheirs()
  need_nobody()
  local namespace = "nfsandbox" .. ffi.C.getpid()
  local made, code = support.run(("ip netns add %s && ip -n %s tuntap add tap0 mode tap user 65534 && ip -n %s link set tap0 up"):format(
    namespace, namespace, namespace))
  if code ~= 0 then
    support.run("ip netns del " .. namespace)
    lu.skip("no tap in a network namespace: " .. made)
  end
  support.write(folder .. "/graph.lua", [[return { apps = { source = { "basic.source", number = 100, rate = "1kpps" },
    tap = { "tap.tap", name = "tap0" } }, links = { "source -> tap.input" } }]])
  -- A machine whose users may open the device: in the mounts of this command alone.
  local text
  text, code = support.run(([[ip netns exec %s sh -c 'mknod %s/tun c 10 200 && chmod 666 %s/tun && mount --bind %s/tun /dev/net/tun &&
    exec %s %s run --name %s %s/graph.lua']]):format(namespace, folder, folder, folder, AS_NOBODY, support.nf, name, folder))
  support.run("ip netns del " .. namespace)
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "100 created = 100 sent")
end

function TestSandbox:testTheSupervisorKeepsFewCapabilities()
  if ffi.C.geteuid() ~= 0 then lu.skip("needs root") end
  write_graph()
  start()
  worker()
  local set = tonumber(status_of(running):match("CapEff:\t(%x+)"), 16)
  local function has(capability) return math.floor(set / 2 ^ capability) % 2 == 1 end
  lu.assertTrue(has(5))                                 -- CAP_KILL
  for _, capability in ipairs({ 16, 17, 18, 19, 21, 22, 25, 27 }) do lu.assertFalse(has(capability), capability) end
  support.write(folder .. "/graph.lua", [[return { apps = { source = { "basic.source" }, raw = { "socket.raw", interface = "lo",
    namespace = "blue" } }, links = { "source -> raw.input" } }]])
  local text, code = reload()
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "gave up the capability to enter one (cap_sys_admin); start nf anew")
end

function TestSandbox:testOthersCannotReadTheConfigurationNorGiveOrders()
  write_graph()
  start()
  worker()
  local root = support.run("id -u"):match("%d+") == "0" and "/run/nf" or (os.getenv("XDG_RUNTIME_DIR") and
    os.getenv("XDG_RUNTIME_DIR") .. "/nf" or "/tmp/nf-" .. support.run("id -u"):match("%d+"))
  for file, mode in pairs({ control = "600", lock = "600", ["config.lua"] = "600", stats = "644", [""] = "755" }) do
    lu.assertEquals(support.run(("stat -c %%a '%s/%s/%s'"):format(root, name, file)), mode .. "\n", file)
  end
end

function TestSandbox:testTheDoctorTellsWhatWorkersMayDo()
  skip_without_filter()
  write_graph()
  start()
  wait_for("the filter", function() return is_filtered(worker()) end)
  local text, code = support.run(support.nf .. " doctor " .. name)
  lu.assertEquals(code, 0, text)
  for _, line in ipairs({ ": closed", "capabilities      none", "new privileges    cannot be got", "any other ends it", "recvmmsg" }) do
    lu.assertStrContains(text, line)
  end
  lu.assertNil(text:find("openat", 1, true))
  text, code = support.run(support.nf .. " doctor --json " .. name)
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, '{"worker": 1, "process": %d+, "user": "[%w-]+", "uid": [1-9]%d*, "capabilities": 0, ' ..
    '"no%-new%-privileges": true, "seccomp": 2, "closed": true, "placement": {.*}}\n')
end

function TestSandbox:testTheDoctorTellsOfAnOpenWorker()
  write_graph()
  start("--no-sandbox")
  wait_for("the instance", function() return support.run(support.nf .. " ps"):find(name, 1, true) end)
  local text, code = support.run(support.nf .. " doctor " .. name)
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "NOT CLOSED")
  lu.assertStrContains(text, "system calls      none")
  text, code = support.run(support.nf .. " doctor no-such-instance")
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "no-such-instance")
end

function TestSandbox:testTheFilterIsThereUnlessSanitizersAre()
  write_graph()
  start()
  local pid = worker()
  if not (os.getenv("NF") or ""):find("address") then
    wait_for("the filter", function() return is_filtered(pid) end)
  else
    lu.assertFalse(is_filtered(pid))
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
