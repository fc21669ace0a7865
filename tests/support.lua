-- support -- what tests share. Every test file runs in a process of its own (tests/run.lua), from the project's root.
local ffi = require("ffi")
local nf = require("nf.core")

ffi.cdef([[
int getpid(void);
int usleep(unsigned us);
int dup(int fd);
int dup2(int from, int to);
int creat(const char *path, unsigned mode);
int close(int fd);
]])

local support = {}

-- A test file ends with os.exit: close the Lua state, so that what its garbage collector owns is freed and no leak is reported.
local exit = os.exit
function os.exit(code) exit(code, true) end             -- luacheck: ignore

-- Give this process packet memory of its own, `count` standard packets, and jumbo and GSO packets when wanted; again after
-- each other test.
function support.memory(count, jumbo, gso)
  nf.memory_worker_stop()
  for i = tonumber(nf.memory_segment_count) - 1, 0, -1 do nf.memory_segment_remove(i) end
  assert(nf.memory_reserve() == 0)
  assert(nf.memory_segment_add(0, "PACKET_STANDARD", count, -1) >= 0)
  if jumbo then assert(nf.memory_segment_add(0, "PACKET_JUMBO", jumbo, -1) >= 0) end
  if gso then assert(nf.memory_segment_add(0, "PACKET_GSO", gso, -1) >= 0) end
  assert(nf.memory_worker_start(0) == 0)
end

-- The binary under test.
support.nf = os.getenv("NF") or "build/nf"

-- Run a shell command; gives its standard output and error together, and the exit code.
function support.run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \" $?\"", "r"))
  local text = pipe:read("*a")
  pipe:close()
  local output, code = text:match("^(.*) (%d+)\n$")
  return output, tonumber(code)
end

-- A file's content, or nil.
function support.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- What f writes to stderr.
function support.stderr(f)
  local path, before = os.tmpname(), ffi.C.dup(2)
  local fd = ffi.C.creat(path, 384)
  ffi.C.dup2(fd, 2)
  local ok, message = pcall(f)
  ffi.C.dup2(before, 2)
  ffi.C.close(fd)
  ffi.C.close(before)
  local text = support.read(path)
  os.remove(path)
  if not ok then error(message, 0) end
  return text
end

-- An empty folder for this test file, removed by the runner.
function support.folder()
  local path = (os.getenv("TMPDIR") or "/tmp") .. "/nf-test." .. ffi.C.getpid()
  os.execute("rm -rf '" .. path .. "'; mkdir -p '" .. path .. "'")
  return path
end

local value_codec = require("nf.value")

-- A struct value made from a Lua value; collected with the last reference to it.
function support.value(x)
  local bytes = assert(value_codec.encode(x))
  local out = ffi.new("struct value *[1]")
  if nf.value_decode(bytes, #bytes, out) ~= 0 then error(ffi.string(nf.nf_error())) end
  return ffi.gc(out[0], nf.value_free)
end

-- The messages of a struct errors as a list; the struct is emptied.
function support.errors(errors)
  local list = {}
  for i = 0, errors.count - 1 do list[#list + 1] = ffi.string(errors.text[i]) end
  nf.errors_fini(errors)
  return list
end

-- A list of strings as a NULL-terminated array; its second result keeps the strings alive.
function support.names(list)
  local array = ffi.new("const char *[?]", #list + 1)
  for i, name in ipairs(list) do array[i - 1] = name end
  return array, list
end

-- What a test's app needs to stay alive: by address.
local kept = {}
local function address(app) return tonumber(ffi.cast("uintptr_t", app)) end

-- Attach a new link to each of an app's ports that is wanted (a list of names; nil: all of them).
local function attach(app, ports, names, count, wanted, keep)
  local is_wanted = {}
  for _, name in ipairs(wanted or {}) do is_wanted[name] = true end
  for i = 0, count - 1 do
    local name = ffi.string(names[i])
    if not wanted or is_wanted[name] then
      local link = ffi.new("struct link")
      link.name, link.number = app.name, i
      ports[i] = link
      keep[#keep + 1] = link
      is_wanted[name] = nil
    end
  end
  assert(next(is_wanted) == nil, "no port '" .. tostring(next(is_wanted)) .. "'")
end

local function port_names(ports, wanted, usual)
  if ports ~= nil and ports[0] ~= nil and ffi.string(ports[0]) == "*" then return wanted or { usual } end
  return {}
end

-- An instance of a class as the check makes it; nil and the list of messages when it cannot be.
--   input_names, output_names: the ports to link; nil: all (of "*": one, "input" or "output")
function support.new(class_name, params, input_names, output_names)
  local class = nf.app_class_find(class_name)
  assert(class ~= nil, "no class " .. class_name)
  local errors = ffi.new("struct errors")
  local inputs = support.names(port_names(class.inputs, input_names, "input"))
  local outputs = support.names(port_names(class.outputs, output_names, "output"))
  local value = params and support.value(params)
  local app = nf.app_new(class, "x", value, "", inputs, outputs, errors)
  if app == nil then return nil, support.errors(errors) end
  local keep = { value, {} }
  kept[address(app)] = keep
  attach(app, app.input, app.input_name, app.input_count, input_names, keep)
  attach(app, app.output, app.output_name, app.output_count, output_names, keep)
  if class.check ~= nil then class.check(app, errors) end
  if errors.count > 0 then
    kept[address(app)] = nil
    nf.app_delete(app)
    return nil, support.errors(errors)
  end
  return app
end

-- Let resource_open serve what an instance names, and nothing else.
local function serve(app)
  local resources, errors = ffi.new("struct resources"), ffi.new("struct errors")
  if app.class.resources == nil then return resources end
  resources.app, resources.errors = app, errors
  app.class.resources(app, resources)
  nf.resource_serve_here(resources)
  return resources
end

-- A running instance of a class, linked to nothing but its links app.input[i] and app.output[i]: made, checked, prepared,
-- committed and linked as the engine does it, with its resources opened here. End it with support.finish.
--   old: the running instance that it follows in a reload, to be finished afterwards
function support.app(class_name, params, input_names, output_names, old)
  local app, messages = support.new(class_name, params, input_names, output_names)
  if not app then error(table.concat(messages, "\n"), 2) end
  local class = app.class
  local resources = serve(app)
  local code = class.prepare ~= nil and class.prepare(app, old) or 0
  nf.resource_serve_here(nil)
  nf.resources_fini(resources, false)
  if code ~= 0 then
    local message = ffi.string(nf.nf_error())
    kept[address(app)] = nil
    nf.app_delete(app)
    error(message, 2)
  end
  if class.commit ~= nil then class.commit(app, old) end
  if class.link ~= nil then class.link(app) end
  return app
end

-- One call of pull, push or tick, as the engine does it; push only when something waits or the class has wake_at.
function support.pull(app)
  if app.class.pull ~= nil then app.class.pull(app) end
end

function support.push(app)
  local waiting = app.class.wake_at ~= nil
  for i = 0, app.input_count - 1 do
    waiting = waiting or (app.input[i] ~= nil and nf.link_waiting(app.input[i]) > 0)
  end
  if waiting and app.class.push ~= nil then app.class.push(app) end
end

function support.tick(app)
  if app.class.tick ~= nil then app.class.tick(app) end
end

-- End an instance: stop, retire, free what is left on its links, delete.
function support.finish(app)
  local class = app.class
  if class.stop ~= nil then class.stop(app) end
  for _, side in ipairs({ { app.input, app.input_count }, { app.output, app.output_count } }) do
    for i = 0, side[2] - 1 do
      local link = side[1][i]
      while link ~= nil and nf.link_waiting(link) > 0 do nf.packet_free(nf.link_receive(link)) end
    end
  end
  if class.retire ~= nil then class.retire(app) end
  kept[address(app)] = nil
  nf.app_delete(app)
end

-- A packet with these bytes; and a packet's bytes.
function support.packet(bytes)
  local p = nf.packet_alloc_length(#bytes)
  assert(p ~= nil, "no packet of " .. #bytes .. " bytes")
  assert(nf.packet_set(p, bytes, #bytes))
  return p
end

function support.bytes(p) return ffi.string(p.data, p.length) end

-- Send packets with these bytes to a link; receive all that waits on one, as a list of bytes.
function support.send(link, ...)
  for _, bytes in ipairs({ ... }) do nf.link_send(link, support.packet(bytes)) end
end

function support.receive(link)
  local list = {}
  while nf.link_waiting(link) > 0 do
    local p = nf.link_receive(link)
    list[#list + 1] = support.bytes(p)
    nf.packet_free(p)
  end
  return list
end

local function numbered(names, name)
  local i = nf.app_name_find(names, name)
  assert(i >= 0, "no '" .. name .. "'")
  return i
end

-- A counter of an app, and how many packets it dropped for a reason, as Lua numbers.
function support.counter(app, name) return tonumber(app.counter[numbered(app.class.counters, name)]) end

function support.reason(app, name)
  local common = { reload = 0, stop = 1, quarantined = 2, crash = 3 }
  if common[name] then return tonumber(app.reason[app.reason_count + common[name]]) end
  return tonumber(app.reason[numbered(app.class.reasons, name)])
end

-- Wait until `done` gives something true, a minute and a thousand looks at least; gives it. Fails with `what`, and what the file `path`
-- says. The first looks follow each other sooner: most of what is waited for is there at once.
function support.wait(what, done, path)
  local looks, until_ns = 0, nf.clock_system_ns() + 60000000000ULL
  while looks < 1000 or nf.clock_system_ns() < until_ns do
    local value = done()
    if value then return value end
    looks = looks + 1
    ffi.C.usleep(math.min(looks, 20) * 1000)
  end
  error("waited in vain for " .. what .. "\n" .. (path and support.read(path) or ""), 2)
end

-- Does a process run? One that has ended and was not waited for does not.
function support.alive(pid)
  local status = support.read("/proc/" .. pid .. "/stat")
  return status ~= nil and not status:find(") Z", 1, true)
end

-- Do all workers of an instance run? Its first statistics are there before they do.
function support.is_running(name)
  local text, code = support.run(("'%s' stats --interval 0 %s"):format(support.nf, name))
  local _, workers = text:gsub("\nworker %d+: process", "")
  return code == 0 and workers > 0 and select(2, text:gsub("\nworker %d+: process [1-9]%d*, running", "")) == workers
end

-- Start a command in the background, its output into a file; gives its process.
function support.background(command, path)
  return tonumber((support.run(("{ %s; } >%s 2>&1 & echo $!"):format("exec " .. command, path))))
end

return support
