-- Filters in a running instance: in the sandbox of a worker, over reloads.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local folder = support.folder()
local name = "test-filter-" .. ffi.C.getpid()
local running

local function write_graph(apps, links)
  support.write(folder .. "/graph.lua", ([[return { apps = {
    source = { "basic.source", rate = "20kpps", ipv4 = { src = "10.0.0.1" }, udp = {} }, %s sink = { "basic.sink" } }, links = { %s } }]])
    :format(apps, links))
end

local function filter(expression, more)
  write_graph(('filter = { "filter.pcap", filter = %q %s },'):format(expression, more or ""),
    '"source -> filter.input", "filter.output -> sink"')
end

local function output() return support.read(folder .. "/output") or "" end

local function start()
  running = support.background(("%s run --name %s %s/graph.lua"):format(support.nf, name, folder), folder .. "/output")
  support.wait("the instance", function() return support.run(support.nf .. " ps"):find(name, 1, true) end, folder .. "/output")
end

local function reload() return support.run(("%s reload %s"):format(support.nf, name)) end

-- What the instance has counted, from its statistics.
local function figure(app, field)
  local text = support.run(("%s stats --json --interval 0 %s"):format(support.nf, name))
  return tonumber(text:match('"' .. app .. '": {[^{}]-"' .. field .. '": (%d+)')) or 0
end

local function goes_on(app, field)
  local before = figure(app, field)
  support.wait(app .. " " .. field, function() return figure(app, field) > before end, folder .. "/output")
end

local function worker()
  return tonumber((support.read(("/proc/%d/task/%d/children"):format(running, running)) or ""):match("%d+"))
end

TestRun = {}

function TestRun:tearDown()
  if running and support.alive(running) then
    ffi.C.kill(running, 15)
    local pid = running
    support.wait("the end", function() return not support.alive(pid) end, folder .. "/output")
  end
  running = nil
end

function TestRun:testAReloadChangesTheExpressionInPlace()
  filter("tcp")
  start()
  goes_on("filter", "dropped")
  lu.assertEquals(figure("sink", "consumed"), 0)
  filter("udp and src host 10.0.0.1")
  local text, code = reload()
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, ".*reconfigured +1  filter\n.*packets lost +0\n.*")
  goes_on("sink", "consumed")
  filter("udp prot 1")
  text, code = reload()
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "app 'filter': key 'filter': can't parse filter expression: syntax error, at character 5: 'prot'")
  goes_on("sink", "consumed")
  filter("", ", invert = true")
  lu.assertEquals(select(2, reload()), 0)
  goes_on("filter", "dropped")
  lu.assertNil(output():find("interpreted", 1, true))
end

-- Native code lies in memory that is never writable and executable; nothing is left of filters that were replaced.
function TestRun:testMemoryIsNeverWritableAndExecutable()
  if jit.arch ~= "x64" then lu.skip("no native code on this processor") end
  filter("udp port 53")
  start()
  local function mappings(pattern)
    local n = 0
    for line in support.read(("/proc/%d/maps"):format(worker())):gmatch("[^\n]+") do
      lu.assertNil(line:match("^%S+ .w?x"), line)
      if line:match("^%S+ " .. pattern .. " %S+ 00:00 0 *$") then n = n + 1 end
    end
    return n
  end
  support.wait("the native filter", function() return mappings("r%-xp") == 1 end, folder .. "/output")
  for i = 1, 5 do
    filter("udp port " .. i)
    lu.assertEquals(select(2, reload()), 0)
    support.wait("one native filter", function() return mappings("r%-xp") == 1 end, folder .. "/output")
  end
  filter("udp port 1", ", native = false")
  lu.assertEquals(select(2, reload()), 0)
  support.wait("no native filter", function() return mappings("r%-xp") == 0 end, folder .. "/output")
end

-- A worker that was started without an app that makes native code may not map executable memory.
function TestRun:testAFilterThatAReloadBringsIsInterpreted()
  write_graph("", '"source -> sink"')
  start()
  filter("udp")
  local text, code = reload()
  lu.assertEquals(code, 0, text)
  goes_on("sink", "consumed")
  if not support.nf:find("address") and jit.arch == "x64" then
    support.wait("the message", function()
      return output():find("app 'filter': its filter is interpreted: its worker was started without apps that make native code; " ..
        "start nf anew, or with --compile", 1, true)
    end, folder .. "/output")
  end
  filter("udp and greater 10")
  lu.assertEquals(select(2, reload()), 0)
  goes_on("sink", "consumed")
end

-- Two apps, also in two workers, may have the same expression; a worker that died is given its programs again.
function TestRun:testOneExpressionInManyApps()
  write_graph('a = { "filter.pcap", filter = "udp" }, b = { "filter.pcap", filter = "udp" }, c = { "filter.classify", classes = {' ..
    '{ name = "udp", filter = "udp" }, { name = "same", filter = "udp" } } },',
    '"source -> a.input", "a.output -> b.input", "b.output -> c.input", "c.udp -> sink"')
  start()
  goes_on("sink", "consumed")
  local first = worker()
  ffi.C.kill(first, 9)
  support.wait("another worker", function()
    local pid = worker()
    return pid and pid ~= first
  end, folder .. "/output")
  goes_on("sink", "consumed")
end

function TestRun:testTwoWorkers()
  support.write(folder .. "/graph.lua", [[
    local function apps(seed)
      return { source = { "basic.source", number = 1000, ipv4 = {}, udp = {} }, filter = { "filter.pcap", filter = "udp" },
        sink = { "basic.sink" } }
    end
    local links = { "source -> filter.input", "filter.output -> sink" }
    return { workers = { one = { apps = apps(), links = links }, two = { apps = apps(), links = links } } }]])
  local text, code = support.run(("%s run --name %s %s/graph.lua"):format(support.nf, name, folder))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "2000 consumed")
end

function TestRun:testASingleProcess()
  for _, options in ipairs({ "--single-process", "--no-sandbox", "--clock virtual" }) do
    support.write(folder .. "/graph.lua", ([[return { apps = { reader = { "pcap.reader", file = "%s/examples/demo.pcap" },
      filter = { "filter.pcap", filter = "udp port domain" }, sink = { "basic.sink" } },
      links = { "reader -> filter.input", "filter.output -> sink" } }]]):format(support.run("pwd"):match("[^\n]+")))
    local text, code = support.run(("%s run --name %s %s %s/graph.lua"):format(support.nf, name, options, folder))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "matched 20")
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
