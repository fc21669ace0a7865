-- graph: evaluation within its limits, order and cycles, packets, hashes, the difference of two graphs.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local folder = support.folder()

TestGraph = {}

function TestGraph:tearDown()
  nf.graph_seconds, nf.graph_bytes = 10, 2 ^ 30
end

local function from_text(source, ...)
  local errors = ffi.new("struct errors")
  local arguments, keep = support.names({ ... })
  local graph = nf.graph_from_text(source, "text", arguments, errors)
  lu.assertEquals(#keep, select("#", ...))
  local messages = support.errors(errors)
  if graph == nil then return nil, messages end
  lu.assertEquals(messages, {})
  return ffi.gc(graph, nf.graph_free)
end

local function from_value(value, in_folder)
  local errors = ffi.new("struct errors")
  local tree = ffi.gc(support.value(value), nil)        -- the graph owns it
  local graph = nf.graph_from_value(tree, "", in_folder or folder, errors)
  local messages = support.errors(errors)
  if graph == nil then return nil, messages end
  lu.assertEquals(messages, {})
  return ffi.gc(graph, nf.graph_free)
end

-- A graph of apps { name = class } and links; further parameters in `params` by name.
local function make(classes, links, params)
  local apps = {}
  for name, class in pairs(classes) do
    apps[name] = { class }
    for k, v in pairs(params and params[name] or {}) do apps[name][k] = v end
  end
  local graph, messages = from_value({ config = { apps = apps, links = links } })
  if not graph then error(table.concat(messages, "\n"), 2) end
  return graph
end

local function order(worker)
  local list = {}
  for i = 0, worker.app_count - 1 do list[#list + 1] = ffi.string(worker.app[worker.order[i]].name) end
  return table.concat(list, " ")
end

local function back_links(worker)
  local list = {}
  for i = 0, worker.link_count - 1 do
    if worker.link[i].back then list[#list + 1] = ffi.string(worker.link[i].name) end
  end
  return list
end

function TestGraph:testEvaluationIsLimitedInTime()
  nf.graph_seconds = 1
  for _, source in ipairs({ "while true do end", "while true do pcall(function() while true do end end) end", "os.execute('exec sleep 77.25')" }) do
    local graph, messages = from_text(source)
    lu.assertNil(graph)
    lu.assertEquals(messages, { "text: is not done after 1 seconds (an endless loop?)" })
  end
  -- What it had started has ended with it.
  support.wait("the end of what it had started", function()
    return support.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 77.2[5] '") == "0\n"
  end)
end

function TestGraph:testEvaluationIsLimitedInMemory()
  nf.graph_bytes = 64 * 2 ^ 20
  for _, source in ipairs({
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", "return ('x'):rep(1e9)",
    "local s = 'x' while true do s = s .. s end", "local function f() return {}, f() end f()",
  }) do
    local graph, messages = from_text(source)
    lu.assertNil(graph)
    lu.assertEquals(#messages, 1)
    lu.assertTrue(messages[1] == "text: needs more than 64 MiB of memory" or messages[1]:match("stack overflow") ~= nil, messages[1])
  end
  -- A file that catches the error and goes on is fine.
  lu.assertNotNil(from_text([[
    pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end)
    collectgarbage()
    return { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } }]]))
end

function TestGraph:testWhatIsReturnedIsLimited()
  local graph, messages = from_text("local t = {} for i = 1, 300 do t[i] = ('x'):rep(1e6) end return t")
  lu.assertNil(graph)
  lu.assertEquals(messages, { "text: what it returns is no plain data: the value needs more than 256 MiB" })
end

function TestGraph:testAChildThatDiesIsReported()
  local graph, messages = from_text("os.execute('kill -SEGV ' .. io.open('/proc/self/stat'):read('*n'))")
  lu.assertNil(graph)
  lu.assertEquals(messages, { "text: its evaluation was ended by signal 11 (Segmentation fault)" })
  graph, messages = from_text("os.exit(0)")
  lu.assertNil(graph)
  lu.assertEquals(messages, { "text:1: attempt to call field 'exit' (a nil value)" })
end

function TestGraph:testTheChildLeavesNothingBehind()
  local function descriptors()
    collectgarbage()
    collectgarbage()                    -- a file is closed by the first, gone after the second
    return tonumber((support.run("ls /proc/" .. ffi.C.getpid() .. "/fd | wc -l")))
  end
  local before = descriptors()
  for _ = 1, 5 do
    from_text("error('x')")
    from_text("return 1")
  end
  lu.assertTrue(descriptors() <= before)
  local output = support.run("ps -o stat= --ppid " .. ffi.C.getpid())
  lu.assertNotStrContains(output, "Z")
end

function TestGraph:testArgumentsReachTheText()
  local graph = from_text([[local a, b = ... assert(a == "x y" and b == "" and arg[0] == "text" and #arg == 2)
    return { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } }]], "x y", "")
  lu.assertNotNil(graph)
  lu.assertEquals(ffi.string(graph.file), "")
  lu.assertEquals(ffi.string(graph.folder), (support.run("pwd -P"):gsub("\n", "")))
end

function TestGraph:testAFileHasItsFolder()
  support.write(folder .. "/f.lua", "return { apps = { s = { 'basic.source' }, k = { 'basic.sink' } }, links = { 's -> k' } }")
  local errors = ffi.new("struct errors")
  local graph = nf.graph_load(folder .. "/./f.lua", nil, errors)
  lu.assertTrue(graph ~= nil)
  lu.assertEquals(ffi.string(graph.file), folder .. "/f.lua")
  lu.assertEquals(ffi.string(graph.folder), folder)
  lu.assertEquals(ffi.string(graph.worker[0].link[0].name), "s.output -> k.input")
  nf.graph_free(graph)
end

function TestGraph:testOrderFollowsTheLinks()
  local w = make({ s = "basic.source", t = "basic.tee", j = "basic.join", a = "basic.join", k = "basic.sink" },
    { "s -> t.input", "t.x -> j.x", "t.y -> a.x", "a -> j.y", "j -> k" }).worker[0]
  lu.assertEquals(order(w), "s t a j k")
  lu.assertEquals(back_links(w), {})
end

function TestGraph:testOrderIsThatOfTheConfigurationWhereLinksAllowIt()
  local w = make({ s2 = "basic.source", k2 = "basic.sink", s1 = "basic.source", k1 = "basic.sink" }, { "s2 -> k2", "s1 -> k1" }).worker[0]
  lu.assertEquals(order(w), "s2 k2 s1 k1")
  w = make({ s = "basic.source", t = "basic.tee", b = "basic.sink", a = "basic.sink" }, { "s -> t.input", "t.x -> b", "t.y -> a" }).worker[0]
  lu.assertEquals(order(w), "s t b a")
end

function TestGraph:testTheLinkThatClosesACycleIsABackLink()
  local w = make({ s = "basic.source", j = "basic.join", t = "basic.tee", k = "basic.sink" },
    { "t.b -> j.y", "s -> j.x", "j -> t", "t.a -> k" }).worker[0]
  lu.assertEquals(order(w), "s j t k")
  lu.assertEquals(back_links(w), { "t.b -> j.y" })
  -- A link to itself.
  w = make({ s = "basic.source", k = "basic.sink", t = "basic.tee" }, { "s -> k", "t.a -> t.input", "t.b -> k.b" }).worker[0]
  lu.assertEquals(back_links(w), { "t.a -> t.input" })
end

function TestGraph:testACycleOfInputsBeginsAtAnInput()
  -- Two ports with a filter between them: each pull fills a link before any push, so no direction waits for a breath.
  local w = make({ up = "tap.tap", filter = "basic.join", down = "tap.tap" },
    { "up.output -> filter.x", "filter -> down.input", "down.output -> up.input" }, { up = { name = "nfa" }, down = { name = "nfb" } }).worker[0]
  lu.assertEquals(order(w), "up filter down")
  lu.assertEquals(back_links(w), { "down.output -> up.input" })
end

-- In every random graph the order respects all links but the back links, and without those there is no cycle.
function TestGraph:testRandomGraphsAreOrdered()
  math.randomseed(7)
  for _ = 1, 100 do
    local n, classes, links = math.random(2, 12), { s = "basic.source" }, {}
    for i = 1, n do classes["t" .. i] = i % 2 == 0 and "basic.tee" or "basic.join" end
    local outputs, fed = {}, {}
    for i = 1, n do outputs[#outputs + 1] = i % 2 == 0 and "t" .. i .. ".o" or "t" .. i .. ".output" end
    for i = 1, n do
      local input = i % 2 == 0 and "t" .. i .. ".input" or "t" .. i .. ".i"
      local from = outputs[i % n + 1]
      if math.random() < 0.5 and not fed.s then
        fed.s = true
        links[#links + 1] = "s -> " .. input
        links[#links + 1] = from .. " -> k" .. i
        classes["k" .. i] = "basic.sink"
      else
        links[#links + 1] = from .. " -> " .. input
      end
    end
    if not fed.s then classes.ks, links[#links + 1] = "basic.sink", "s -> ks" end
    local w = make(classes, links).worker[0]
    local place, seen = {}, 0
    for i = 0, w.app_count - 1 do
      lu.assertNil(place[w.order[i]])
      place[w.order[i]], seen = i, seen + 1
    end
    lu.assertEquals(seen, w.app_count)
    for i = 0, w.link_count - 1 do
      local link = w.link[i]
      if not link.back then lu.assertTrue(place[link.from] < place[link.to]) else lu.assertTrue(place[link.from] >= place[link.to]) end
    end
  end
end

function TestGraph:testPackets()
  local function packets(graph) return { graph.worker[0].packets[0], graph.worker[0].packets[1], graph.worker[0].packets[2] } end
  lu.assertEquals(packets(make({ s = "basic.source", k = "basic.sink" }, { "s -> k" })), { 4096 + 1024, 0, 0 })
  local links, classes = { "s -> t.input" }, { s = "basic.source", t = "basic.tee", k = "basic.sink" }
  for i = 1, 40 do links[#links + 1] = ("t.o%d -> k.i%d"):format(i, i) end
  lu.assertEquals(packets(make(classes, links)), { 4096 + 32768, 0, 0 })
  local held = ffi.new("uint32_t[3]")
  local graph = make({ s = "basic.source", d = "basic.delay", k = "basic.sink" }, { "s -> d -> k" }, { d = { time = 0.001 } })
  local app = graph.worker[0].app[0]
  lu.assertEquals(ffi.string(app.name), "d")
  app.class.holds(app.checked, held)
  lu.assertTrue(held[0] > 0)
  lu.assertEquals(packets(graph), { 4096 + 2 * 1024 + held[0], held[1] > 0 and 256 + held[1] or 0, held[2] > 0 and 64 + held[2] or 0 })
end

local function hash(graph, name)
  for i = 0, graph.worker[0].app_count - 1 do
    if ffi.string(graph.worker[0].app[i].name) == name then return graph.worker[0].app[i].hash end
  end
end

function TestGraph:testHashesFollowClassAndParameters()
  local function graph(number) return make({ s = "basic.source", k = "basic.sink" }, { "s -> k" }, { s = { number = number } }) end
  local one, same, other = graph(1), graph(1), graph(2)
  lu.assertEquals(hash(one, "s"), hash(same, "s"))
  lu.assertNotEquals(hash(one, "s"), hash(other, "s"))
  lu.assertEquals(hash(one, "k"), hash(other, "k"))
  lu.assertNotEquals(hash(one, "s"), hash(one, "k"))
end

local verbs = { [0] = "keep", "reconfigure", "replace", "start", "stop", "link keep", "link add", "link remove" }

local function diff(old, new)
  local d, list = ffi.new("struct graph_diff"), {}
  lu.assertEquals(nf.graph_diff(d, old and old.worker[0], new.worker[0]), 0)
  for i = 0, d.count - 1 do
    local a = d.action[i]
    list[#list + 1] = verbs[tonumber(a.verb)] .. " " .. ffi.string(a.name)
    local of_link = tonumber(a.verb) >= 5
    local function name(graph, number)
      return ffi.string(of_link and graph.worker[0].link[number].name or graph.worker[0].app[number].name)
    end
    if a.old ~= 0xffffffff then lu.assertEquals(name(old, a.old), ffi.string(a.name)) end
    if a.new ~= 0xffffffff then lu.assertEquals(name(new, a.new), ffi.string(a.name)) end
  end
  nf.graph_diff_free(d)
  lu.assertEquals(d.count, 0)
  return list
end

function TestGraph:testDifferences()
  local old = make({ s = "basic.source", t = "basic.tee", k = "basic.sink", gone = "basic.sink", x = "basic.tee" },
    { "s -> t.input", "t.a -> k", "t.b -> gone", "s.more -> x.input", "x.y -> k.y" }, { s = { number = 1 } })
  local new = make({ s = "basic.source", t = "basic.tee", k = "basic.sink", fresh = "basic.sink", x = "basic.join" },
    { "s -> t.input", "t.b -> k", "t.a -> fresh", "s.more -> x.input", "x -> k.y" }, { s = { number = 2 } })
  lu.assertEquals(diff(nil, old), { "start gone", "start k", "start s", "start t", "start x", "link add s.output -> t.input",
    "link add t.a -> k.input", "link add t.b -> gone.input", "link add s.more -> x.input", "link add x.y -> k.y" })
  lu.assertEquals(diff(old, old), { "keep gone", "keep k", "keep s", "keep t", "keep x", "link keep s.output -> t.input",
    "link keep t.a -> k.input", "link keep t.b -> gone.input", "link keep s.more -> x.input", "link keep x.y -> k.y" })
  lu.assertEquals(diff(old, new), { "start fresh", "stop gone", "keep k", "reconfigure s", "reconfigure t", "replace x",
    "link keep s.output -> t.input", "link add t.b -> k.input", "link add t.a -> fresh.input", "link keep s.more -> x.input",
    "link add x.output -> k.y", "link remove t.a -> k.input", "link remove t.b -> gone.input", "link remove x.y -> k.y" })
end

local module = [[
  local link = require("nf.link")
  local shared = require("shared")
  return { inputs = { "input" }, outputs = { "output" }, push = function (self)
    for _ = 1, link.count(self.input.input) do link.send(self.output.output, link.receive(self.input.input)) end
  end }]]

function TestGraph:testHashesFollowTheContentOfFilesThatAreRead()
  local function hash_of(content)
    support.write(folder .. "/h.pcap", content)
    return hash(make({ r = "pcap.reader", k = "basic.sink" }, { "r -> k" }, { r = { file = "h.pcap" } }), "r")
  end
  local one = hash_of("some content")
  lu.assertEquals(hash_of("some content"), one)
  lu.assertNotEquals(hash_of("some Content"), one)
  lu.assertNotEquals(hash_of(""), one)
  os.remove(folder .. "/h.pcap")
end

function TestGraph:testAChangedModuleReplacesItsApps()
  local function load()
    support.write(folder .. "/m.lua", [[return { apps = { s = { "basic.source" }, x = { "pass" }, k = { "basic.sink" } }, links = { "s -> x -> k" } }]])
    local errors = ffi.new("struct errors")
    local graph = nf.graph_load(folder .. "/m.lua", nil, errors)
    lu.assertEquals(support.errors(errors), {})
    return ffi.gc(graph, nf.graph_free)
  end
  support.write(folder .. "/pass.lua", module)
  support.write(folder .. "/shared.lua", "return 1")
  local one, same = load(), load()
  support.write(folder .. "/shared.lua", "return 2")
  local other = load()
  lu.assertStrContains(table.concat(diff(one, same), ","), "keep x")
  lu.assertStrContains(table.concat(diff(one, other), ","), "replace x")
  lu.assertEquals(ffi.string(one.modules.name), "pass")
  -- The sources came along: the file is not needed any more.
  local sources = nf.value_get(one.modules.value, "sources")
  lu.assertEquals(ffi.string(nf.value_get(nf.value_at(sources, 1), "text").string), module)
  lu.assertEquals(ffi.string(nf.value_get(nf.value_at(sources, 2), "name").string), "shared")
  lu.assertEquals(ffi.string(nf.value_get(nf.value_at(sources, 2), "path").string), folder .. "/shared.lua")
end

function TestGraph:testOddValuesAreRefusedNotTrusted()
  for _, value in ipairs({ {}, { config = 1 }, { config = {}, modules = 5 }, { config = { apps = { x = { "m" } } }, modules = { m = 5 } },
    { config = { apps = { x = { "m" } } }, modules = { m = { class = 5, sources = 6 } } },
    { config = { apps = { x = { "m" } } }, modules = { m = { error = 5 } } } }) do
    local graph, messages = from_value(value)
    lu.assertNil(graph)
    lu.assertTrue(#messages > 0)
  end
  local errors = ffi.new("struct errors")
  lu.assertTrue(nf.graph_from_value(nil, "", "", errors) == nil)
  lu.assertEquals(support.errors(errors), { "the configuration returns nothing; accepted: a table, { apps = {...}, links = {...} }" })
  nf.graph_free(nil)
end

os.exit(lu.LuaUnit.run())
