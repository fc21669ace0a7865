-- resource: keys, opening here and over a socket, hostile requests.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

ffi.cdef([[
int socketpair(int domain, int type, int protocol, int pair[2]);
long send(int socket, const void *bytes, size_t length, int flags);
long recv(int socket, void *bytes, size_t length, int flags);
long read(int fd, void *bytes, size_t length);
long write(int fd, const void *bytes, size_t length);
int close(int fd);
int fork(void);
int waitpid(int pid, int *status, int options);
void _exit(int code);
int eventfd(unsigned int count, int flags);
]])

local SEQPACKET, UNIX = 5, 1
local EVENTFD_NONBLOCK = 0x800
local folder = support.folder()

-- An app whose class opens files. Everything stays referenced by the table.
local function new_app(name)
  local class = ffi.new("struct app_class")
  class.name, class.open = "test.file", nf.resource_file
  local app = ffi.new("struct app")
  app.class, app.name = class, name
  return { app = app, class = class, name = name }
end

local function new_resources(owner)
  local errors, resources = ffi.new("struct errors"), ffi.new("struct resources")
  resources.errors, resources.app = errors, owner.app
  return resources, errors
end

local function content(fd)
  local buffer = ffi.new("char[100]")
  local n = ffi.C.read(fd, buffer, 100)
  return ffi.string(buffer, n)
end

TestResource = {}

function TestResource:tearDown()
  nf.resource_serve_here(nil)
  nf.resource_ask(-1)
end

function TestResource:testTwoAppsWithOneKeyAreAnError()
  local a, b = new_app("a"), new_app("b")
  local resources, errors = new_resources(a)
  nf.resources_add(resources, "tap:%s", "tap0")
  resources.app = b.app
  nf.resources_add(resources, "tap:%s", "tap0")
  lu.assertEquals(errors.count, 1)
  lu.assertEquals(ffi.string(errors.text[0]), "app 'b': tap:tap0 is used by app 'a' already; only one app can have it")
  nf.errors_fini(errors)
  nf.resources_fini(resources, false)
end

function TestResource:testAFileThatIsOnlyReadMayBeShared()
  support.write(folder .. "/in", "hello")
  local a, b = new_app("a"), new_app("b")
  local resources, errors = new_resources(a)
  nf.resources_add(resources, "read:%s", folder .. "/in")
  resources.app = b.app
  nf.resources_add(resources, "read:%s", folder .. "/in")
  lu.assertEquals(errors.count, 0)
  lu.assertEquals(resources.count, 1)
  nf.resource_serve_here(resources)
  -- Each reader has a position of its own.
  local first, second = nf.resource_open("read:" .. folder .. "/in"), nf.resource_open("read:" .. folder .. "/in")
  lu.assertTrue(first >= 0 and second >= 0)
  lu.assertEquals(content(first), "hello")
  lu.assertEquals(content(second), "hello")
  ffi.C.close(first)
  ffi.C.close(second)
  nf.resources_fini(resources, false)
end

function TestResource:testOnlyKeysOfTheConfigurationAreServed()
  local a = new_app("a")
  local resources = new_resources(a)
  nf.resource_serve_here(resources)
  lu.assertEquals(nf.resource_open("read:/etc/passwd"), -1)
  lu.assertEquals(ffi.string(nf.nf_error()), "'read:/etc/passwd' is not named by the configuration")
end

function TestResource:testWithoutAServerNothingOpens()
  lu.assertEquals(nf.resource_open("read:/etc/passwd"), -1)
  lu.assertStrContains(ffi.string(nf.nf_error()), "nobody serves")
end

function TestResource:testAFileToBeWrittenIsMadeButNeverTruncated()
  local a = new_app("a")
  local resources, errors = new_resources(a)
  support.write(folder .. "/old", "precious")
  nf.resources_add(resources, "write:%s", folder .. "/old")
  nf.resources_add(resources, "write:%s", folder .. "/new")
  lu.assertEquals(errors.count, 0)
  nf.resource_serve_here(resources)
  for _, name in ipairs({ "old", "new" }) do
    local fd = nf.resource_open("write:" .. folder .. "/" .. name)
    lu.assertTrue(fd >= 0)
    ffi.C.close(fd)
  end
  lu.assertEquals(support.read(folder .. "/old"), "precious")
  -- A start that failed leaves no file behind that was not there before.
  nf.resources_fini(resources, true)
  lu.assertEquals(support.read(folder .. "/old"), "precious")
  lu.assertNil(support.read(folder .. "/new"))
end

function TestResource:testWhatCannotBeOpenedIsToldInWords()
  local a = new_app("a")
  local resources = new_resources(a)
  nf.resources_add(resources, "read:%s", folder .. "/missing")
  nf.resources_add(resources, "read:%s", folder)
  nf.resource_serve_here(resources)
  lu.assertTrue(nf.resource_open("read:" .. folder .. "/missing") < 0)
  lu.assertEquals(ffi.string(nf.nf_error()),
    "app 'a': cannot open " .. folder .. "/missing for reading: No such file or directory")
  lu.assertTrue(nf.resource_open("read:" .. folder) < 0)
  lu.assertStrContains(ffi.string(nf.nf_error()), "is a folder")
  nf.resources_fini(resources, false)
end

function TestResource:testALongKeyIsRefused()
  local a = new_app("a")
  local resources, errors = new_resources(a)
  nf.resources_add(resources, "read:%s", ("x"):rep(5000))
  lu.assertEquals(errors.count, 1)
  lu.assertEquals(resources.count, 0)
  nf.errors_fini(errors)
end

-- What a reload's list has of the list before it: a worker that is started again must meet those that went on.
local function reload_of(key, class)
  local a = new_app("a")
  if class then a.app.class = class end
  local before, after = new_resources(a), new_resources(a)
  nf.resources_add(before, "%s", key)
  nf.resources_add(after, "%s", key)
  nf.resource_serve_here(before)
  local old = nf.resource_open(key)
  lu.assertTrue(old >= 0)
  nf.resources_carry(after, before)
  return before, after, old, a
end

function TestResource:testALinkBetweenWorkersIsWokenThroughTheSameDescriptorAfterAReload()
  local class = ffi.new("struct app_class")
  class.name, class.open = "test.event", function() return ffi.C.eventfd(0, EVENTFD_NONBLOCK) end
  local before, after, old, a = reload_of("interlink:w1:a.x -> w2:b.y", class)
  nf.resources_fini(before, false)
  nf.resource_serve_here(after)
  local successor = nf.resource_open("interlink:w1:a.x -> w2:b.y")
  lu.assertTrue(successor >= 0)
  local one = ffi.new("uint64_t[1]", 1)
  lu.assertEquals(tonumber(ffi.C.write(old, one, 8)), 8)
  one[0] = 0
  lu.assertEquals(tonumber(ffi.C.read(successor, one, 8)), 8)
  lu.assertEquals(tonumber(one[0]), 1)
  ffi.C.close(old)
  ffi.C.close(successor)
  nf.resources_fini(after, false)
  lu.assertNotNil(a)
end

function TestResource:testAFileThatIsReadIsOpenedAnewByAReload()
  support.write(folder .. "/in", "before")
  local before, after, old = reload_of("read:" .. folder .. "/in")
  os.remove(folder .. "/in")
  support.write(folder .. "/in", "after")
  nf.resources_fini(before, false)
  nf.resource_serve_here(after)
  local new = nf.resource_open("read:" .. folder .. "/in")
  lu.assertEquals(content(new), "after")
  ffi.C.close(old)
  ffi.C.close(new)
  nf.resources_fini(after, false)
end

-- The worker is a child process; this one answers as the supervisor does.
local function with_child(child, resources, answers)
  local pair = ffi.new("int[2]")
  assert(ffi.C.socketpair(UNIX, SEQPACKET, 0, pair) == 0)
  local pid = ffi.C.fork()
  if pid == 0 then
    ffi.C.close(pair[0])
    local ok, code = pcall(child, pair[1])
    ffi.C._exit(ok and code or 99)
  end
  ffi.C.close(pair[1])
  local codes = {}
  for i = 1, answers do codes[i] = nf.resource_answer(pair[0], resources) end
  ffi.C.close(pair[0])
  local status = ffi.new("int[1]")
  ffi.C.waitpid(pid, status, 0)
  return math.floor(status[0] / 256), codes
end

function TestResource:testAWorkerGetsADescriptorOverTheSocket()
  support.write(folder .. "/in", "over the socket")
  local a = new_app("a")
  local resources = new_resources(a)
  nf.resources_add(resources, "read:%s", folder .. "/in")
  local code, codes = with_child(function(socket)
    nf.resource_ask(socket)
    local fd = nf.resource_open("read:" .. folder .. "/in")
    if fd < 0 then return 1 end
    if content(fd) ~= "over the socket" then return 2 end
    if nf.resource_open("read:/etc/passwd") ~= -1 then return 3 end
    if not ffi.string(nf.nf_error()):find("not named by the configuration", 1, true) then return 4 end
    return 0
  end, resources, 2)
  lu.assertEquals(code, 0)
  lu.assertEquals(codes, { 0, 0 })
  nf.resources_fini(resources, false)
end

function TestResource:testGarbageFromAWorkerIsAnErrorOfThatWorker()
  local a = new_app("a")
  for _, request in ipairs({ ("k"):rep(6000), "read:\0x", "" }) do
    local resources = new_resources(a)
    local _, codes = with_child(function(socket)
      ffi.C.send(socket, request, #request, 0)
      return 0
    end, resources, 1)
    lu.assertTrue(codes[1] < 0)
  end
end

TestJob = {}

function TestJob:testWithoutAThreadAJobRunsAtOnce()
  local job, ran = ffi.new("struct job"), 0
  local run = ffi.cast("void (*)(struct job *)", function() ran = ran + 1 end)
  job.run = run
  lu.assertTrue(nf.job_is_idle(job))
  nf.job_submit(job)
  lu.assertEquals(ran, 1)
  lu.assertTrue(nf.job_finished(job))
  lu.assertFalse(nf.job_finished(job))
  lu.assertTrue(nf.job_is_idle(job))
  run:free()
end

function TestJob:testTheThreadRunsJobsAndTells()
  lu.assertEquals(nf.job_start(), 0)
  local jobs = {}
  for i = 1, 100 do
    jobs[i] = ffi.new("struct job")
    jobs[i].run = ffi.cast("void (*)(struct job *)", ffi.C.getpid)
    nf.job_submit(jobs[i])
  end
  for i = 1, 100 do
    nf.job_wait(jobs[i])
    lu.assertTrue(nf.job_is_idle(jobs[i]))
  end
  local told = ffi.new("uint64_t[1]")
  lu.assertEquals(tonumber(ffi.C.read(nf.job_event_fd(), told, 8)), 8)
  nf.job_stop()
  lu.assertEquals(nf.job_event_fd(), -1)
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
