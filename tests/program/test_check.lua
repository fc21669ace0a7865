-- nf check and nf graph as a user types them: every message about a configuration, exit codes, pictures.
local lu = require("luaunit")
local support = require("support")

local folder = support.folder()
local nf = support.nf

TestCheck = {}

-- Check a configuration given as source; gives the lines of output without "nf check: ", and the exit code.
local function check(source, arguments)
  support.write(folder .. "/c.lua", source)
  local output, code = support.run(("'%s' check '%s/c.lua' %s"):format(nf, folder, arguments or ""))
  local lines = {}
  for line in output:gmatch("[^\n]+") do
    lines[#lines + 1] = line:gsub("^nf check: ", ""):gsub(folder:gsub("%p", "%%%0"), "DIR")
  end
  return lines, code
end

-- A configuration must give exactly these messages.
local function refuse(source, messages)
  local lines, code = check(source)
  local count = table.remove(lines)
  lu.assertEquals(lines, messages)
  lu.assertEquals(count, ("DIR/c.lua: %d mistake%s"):format(#messages, #messages == 1 and "" or "s"))
  lu.assertEquals(code, 1)
end

-- The same for a graph: the inside of apps, and links.
local function refuse_graph(apps, links, messages)
  refuse(("return { apps = { %s }, links = { %s } }"):format(apps, links), messages)
end

-- Messages about a link of a graph that is right but for it.
local function refuse_link(link, message)
  refuse_graph('s = { "basic.source" }, t = { "basic.tee" }, k = { "basic.sink" }, m = { "basic.match" }',
    '"s.output -> t.input", "t.a -> m.expected", "t.b -> m.actual", "t.c -> k.input", "' .. link .. '"',
    { "link '" .. link .. "': " .. message })
end

function TestCheck:testGoodOnes()
  local lines, code = check([[
    local n = ...
    assert(arg[1] == n and arg[0]:match("c.lua$"))
    local apps, links = { source = { "basic.source" } }, {}
    local last = "source"
    for i = 1, tonumber(n) do
      apps["j" .. i] = { "basic.join" }
      links[i] = last .. ".output -> j" .. i .. ".input"
      last = "j" .. i
    end
    apps.sink = { "basic.sink" }
    links[#links + 1] = last .. " -> sink"
    return { apps = apps, links = links }
  ]], "-- 3")
  lu.assertEquals(lines, { "DIR/c.lua: good: 5 apps, 4 links, memory for 8192 packets" })
  lu.assertEquals(code, 0)
  lines, code = check([[return { workers = {
    { cpu = 0, apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s.output -> k.x" } },
    { name = "other", apps = { s = { "basic.source" }, j = { "basic.join" }, k = { "basic.sink" } }, links = { "s -> j -> k.x" } },
  } }]])
  lu.assertEquals(lines, { "DIR/c.lua: good", "    worker w1: 2 apps, 1 link, memory for 5120 packets",
    "    worker other: 3 apps, 2 links, memory for 6144 packets" })
  lu.assertEquals(code, 0)
  lines = check([[return { workers = { b = { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } } } }]])
  lu.assertEquals(lines, { "DIR/c.lua: good: 2 apps, 1 link, memory for 5120 packets" })
end

function TestCheck:testTheFileItself()
  refuse("return {", { "DIR/c.lua:1: unexpected symbol near '<eof>'" })
  refuse("local x\nx.y = 1", { "DIR/c.lua:2: attempt to index local 'x' (a nil value)" })
  refuse("error('no uplink given', 0)", { "no uplink given" })
  refuse("error({})", { "DIR/c.lua: it raised an error that is a table; accepted: a string" })
  refuse("error(setmetatable({}, { __tostring = function () return 'custom' end }))", { "custom" })
  refuse("", { "the configuration returns nothing; accepted: a table, { apps = {...}, links = {...} }" })
  refuse("return 5", { "the configuration returns a number; accepted: a table, { apps = {...}, links = {...} }" })
  refuse("\27LJ\2\0", { "DIR/c.lua: is no Lua source but byte code" })
  local output, code = support.run(nf .. " check /no/such.lua")
  lu.assertEquals(output, "nf check: /no/such.lua: No such file or directory\nnf check: /no/such.lua: 1 mistake\n")
  lu.assertEquals(code, 1)
  output, code = support.run(nf .. " check " .. folder)
  lu.assertStrContains(output, "Is a directory")
  lu.assertEquals(code, 1)
end

function TestCheck:testWhatAConfigurationMayNotDo()
  refuse("return { apps = { x = { 'basic.sink', f = print } } }",
    { "DIR/c.lua: what it returns is no plain data: apps.x.f is a function; accepted: tables, strings, numbers, booleans" })
  refuse("local t = { apps = {} } t.apps.again = t.apps return t",
    { "DIR/c.lua: what it returns is no plain data: apps.again is a table that contains itself" })
  refuse("return { apps = { [7] = {} } }",
    { "DIR/c.lua: what it returns is no plain data: apps has the key 7; accepted keys: 1, 2, 3, ... without gaps, and strings" })
  refuse("return print",
    { "DIR/c.lua: what it returns is no plain data: config is a function; accepted: tables, strings, numbers, booleans" })
  refuse("local ffi = require('ffi')", { "DIR/c.lua:1: module 'ffi' not found: there is no file DIR/ffi.lua" })
  refuse("debug.getinfo(1)", { "DIR/c.lua:1: attempt to index global 'debug' (a nil value)" })
end

function TestCheck:testRequireBesideTheFile()
  support.run("mkdir -p " .. folder .. "/my")
  support.write(folder .. "/my/parts.lua", "return { sink = { 'basic.sink' } }")
  support.write(folder .. "/broken.lua", "return nil + 1")
  support.write(folder .. "/loop.lua", "return require('loop')")
  local lines, code = check([[
    local parts = require("my.parts")
    assert(parts == require("my.parts"))
    return { apps = { s = { "basic.source" }, k = parts.sink }, links = { "s -> k" } }]])
  lu.assertEquals(lines, { "DIR/c.lua: good: 2 apps, 1 link, memory for 5120 packets" })
  lu.assertEquals(code, 0)
  refuse("\nrequire('none')", { "DIR/c.lua:2: module 'none' not found: there is no file DIR/none.lua" })
  refuse("require('../x')", { "DIR/c.lua:1: module '../x' not found" })
  refuse("require({})", { "DIR/c.lua:1: require takes the name of a module, not a table" })
  refuse("require('broken')", { "DIR/broken.lua:1: attempt to perform arithmetic on a nil value" })
  refuse("require('loop')", { "module 'loop' requires itself" })
end

function TestCheck:testThePrintsOfAFileGoToStandardError()
  support.write(folder .. "/c.lua", [[print("hello") return { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } }]])
  local output = support.run(("'%s' check %s/c.lua 2>/dev/null"):format(nf, folder))
  lu.assertEquals(output, folder .. "/c.lua: good: 2 apps, 1 link, memory for 5120 packets\n")
  output = support.run(("'%s' check %s/c.lua 2>&1 >/dev/null"):format(nf, folder))
  lu.assertEquals(output, "hello\n")
end

function TestCheck:testTopLevel()
  refuse("return { app = {}, link = {} }", { "key 'app' is unknown, did you mean 'apps'?", "key 'link' is unknown, did you mean 'links'?",
    "'apps' is missing; accepted: a table, { name = { \"class\", key = value, ... }, ... }" })
  refuse("return { apps = { k = { 'basic.sink' } }, links = { 's -> k' }, something = 1, 5 }", {
    "key 'something' is unknown; accepted: apps, links, workers",
    "the configuration has a value without a name; accepted: apps, links, workers",
    "link 's -> k': there is no app 's'",
  })
  refuse("return { apps = {} }", { "'apps' is empty: there is nothing to run" })
  refuse("return { apps = 5, links = 6 }", { "'apps' is a number; accepted: a table, { name = { \"class\", key = value, ... }, ... }",
    "'links' is a number; accepted: a list, { \"app.output -> app.input\", ... }" })
end

function TestCheck:testAppNamesAndClasses()
  local rule = "is no good name; accepted: 1..31 letters, digits, _ and -"
  refuse_graph('["a.b"] = { "basic.sink" }', "", { "app 'a.b': " .. rule, "app 'a.b': no input is linked; it needs one or more, of any name" })
  refuse_graph('["' .. ("x"):rep(32) .. '"] = {}', "", { "app '" .. ("x"):rep(32) .. "': " .. rule,
    "app '" .. ("x"):rep(32) .. "': has no class; accepted: { \"class\", key = value, ... }" })
  refuse_graph('[""] = 1', "", { "app '': " .. rule, "app '': is a number; accepted: { \"class\", key = value, ... }" })
  refuse_graph('{ "basic.sink" }', "", { "'apps' has a value without a name at position 1; accepted: name = { \"class\", ... }" })
  refuse_graph('x = "basic.sink"', "", { "app 'x': is a string; accepted: { \"class\", key = value, ... }" })
  refuse_graph("x = { 5 }", "", { "app 'x': has no class; accepted: { \"class\", key = value, ... }" })
  refuse_graph('x = { "basic.sinc" }', "", { "app 'x': class 'basic.sinc' is unknown, did you mean 'basic.sink'?" })
  refuse_graph('x = { "tee" }', "", { "app 'x': class 'tee' is unknown, did you mean 'basic.tee'?" })
  refuse_graph('x = { "my.wonderful" }', "", { "app 'x': class 'my.wonderful' is unknown, and there is no file my/wonderful.lua beside "
    .. "the configuration; accepted: a class that 'nf help apps' lists, or a Lua module" })
end

function TestCheck:testParametersOfAllAppsAtOnce()
  refuse_graph([[s = { "basic.source", sizes = 60, numbr = 5 }, k = { "basic.sink", 7, x = 1 }]], '"s -> k"', {
    "app 'k': key '[2]': a value without a name is given; accepted: name = value",
    "app 'k': key 'x': is unknown; accepted: no parameters",
    "app 's': key 'numbr': is unknown, did you mean 'number'?",
  })
end

function TestCheck:testLinks()
  refuse_link("s", "is no link; accepted: \"app.output -> app.input\"")
  refuse_link("s => k", "is no link; accepted: \"app.output -> app.input\"")
  refuse_link("s -> ", "is no link; accepted: \"app.output -> app.input\"")
  refuse_link("s. -> k", "is no link; accepted: \"app.output -> app.input\"")
  refuse_link("", "is no link; accepted: \"app.output -> app.input\"")
  refuse_link("s.a -> kk.b", "there is no app 'kk'")
  refuse_link("something -> k.b", "there is no app 'something'")
  refuse_link("m.expected -> k.x", "'expected' is an input of app 'm'; a link goes from an output to an input")
  refuse_link("t.x -> m.expeted", "app 'm' has no input 'expeted', did you mean 'expected'?")
  refuse_link("t.x -> m.something", "app 'm' has no input 'something'; accepted: expected, actual")
  refuse_link("t.x -> m", "app 'm' has several inputs: say which, as in 'm.expected'; accepted: expected, actual")
  refuse_link("k.x -> t.input", "app 'k' has no outputs")
  refuse_link("t.x -> s.input", "app 's' has no inputs")
  refuse_link("t.x -> k.a b", "'a b' is no good name for a port; accepted: 1..31 letters, digits, _ and -")
  refuse_link("t.a -> k.y", "output 'a' of app 't' is linked already, by 't.a -> m.expected'")
  refuse_link("t.x -> k.input", "input 'input' of app 'k' is linked already, by 't.c -> k.input'")
  refuse_link("t.x -> k", "input 'input' of app 'k' is linked already, by 't.c -> k.input'")
  refuse_link("w1:t.x -> w2:k.y", "names a worker, and there are no 'workers'")
  refuse_link("t.x -> t.input -> k.y", "'t.input' stands in the middle of a chain, where an app has no port; accepted: 't', "
    .. "when it has one input and one output")
  refuse_graph('s = { "basic.source" }, filter = { "basic.tee" }, k = { "basic.sink" }', '"s -> fliter.input", "filter.a -> k"',
    { "link 's -> fliter.input': there is no app 'fliter', did you mean 'filter'?" })
  refuse_graph('s = { "basic.source" }, k = { "basic.sink" }', '"s -> k", 5, {}, x = "s -> k"', {
    "'links' has a number at position 2; accepted: \"app.output -> app.input\"",
    "'links' has a table at position 3; accepted: \"app.output -> app.input\"",
    "'links' has the key 'x'; accepted: a list, { \"app.output -> app.input\", ... }",
  })
  refuse_graph('s = { "basic.source" }, k = { "basic.sink" }', '"s -> k", ("x"):rep(5000)',
    { "link '" .. ("x"):rep(95) .. "...': is longer than a link may be" })
  refuse_graph('s = { "basic.source" }, k = { "basic.sink" }', '"s\\n->\\tk", "s.\\27[1m -> k.x"',
    { "link 's.?[1m -> k.x': '?[1m' is no good name for a port; accepted: 1..31 letters, digits, _ and -" })
  refuse_graph('s = { "basic.source" }, k = { "basic.sink" }', '"s -> k", "s\\0 -> k"', { "link 's? -> k': has a zero byte inside" })
end

function TestCheck:testPortsThatMustBeLinked()
  refuse_graph('s = { "basic.source" }, t = { "basic.tee" }, k = { "basic.sink" }', '"t.a -> k"', {
    "app 's': no output is linked; it needs one or more, of any name",
    "app 't': input 'input' is not linked",
  })
  -- An unknown class: its ports are not known, so nothing is said of them and of what they may be linked to.
  refuse_graph('s = { "basic.sorce" }, k = { "basic.sink" }', '"s.anything -> k"',
    { "app 's': class 'basic.sorce' is unknown, did you mean 'basic.source'?" })
end

function TestCheck:testWorkers()
  local good = [[apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" }]]
  refuse("return { workers = { { " .. good .. " } }, apps = {} }",
    { "both 'apps' and 'workers' are given; accepted: either apps and links, or workers, each with its apps and links" })
  local rule = 'is no link between workers; accepted: "worker:app.output -> worker:app.input", with both ports'
  for text, message in pairs({
    ["w1:s.x -> w2:k.y"] = "there is no worker 'w2'", ["w1:s.x -> other:k.y"] = "there is no worker 'other'",
    ["w1:s.x -> k.y"] = rule, ["w1:s -> w1:k.y"] = rule, ["w1:s.x -> w1:k"] = rule, ["w1:.x -> w1:k.y"] = rule, ["w1:s.x -> w1:!.y"] = rule,
    ["w1:s.x, w1:k.y"] = 'is no link; accepted: "worker:app.output -> worker:app.input"',
    ["w1:s.x -> w1:k.y -> w1:s.z"] = 'goes to another worker, which no chain does; accepted: "worker:app.output -> worker:app.input"',
  }) do
    refuse("return { workers = { { " .. good .. " } }, links = { '" .. text .. "' } }", { "link '" .. text .. "': " .. message })
  end
  refuse("return { workers = { { " .. good .. " } }, links = { 'w1:s.x -> w1:k\\0.y' } }", { "link 'w1:s.x -> w1:k?.y': has a zero byte inside" })
  refuse("return { workers = { { " .. good .. " } }, links = 5 }",
    { "'links' is a number; accepted: a list, { \"worker:app.output -> worker:app.input\", ... }" })
  refuse("return { workers = { { " .. good .. " } }, links = { 's -> k', 7 } }", {
    "'links' beside 'workers' has 's -> k' at position 1; accepted: \"worker:app.output -> worker:app.input\"",
    "'links' beside 'workers' has a number at position 2; accepted: \"worker:app.output -> worker:app.input\"" })
  local two = "return { workers = { { apps = { s = { 'basic.source' } } }, { apps = { k = { 'basic.sink' } } } }, links = { %s } }"
  lu.assertEquals(select(2, check(two:format("'w1:s.output -> w2:k.input'"))), 0)
  refuse(two:format("'w1:s.output -> w2:k.input', 'w1:s.output->w2:k.input'"), { "link 'w1:s.output->w2:k.input': stands there twice" })
  refuse(two:format("'w1:s.output -> w2:k.a', 'w1:s.output -> w2:k.b'"), {
    "worker 'w1': link 'w1:s.output -> w2:k.b': output 'output' of app 's' is linked already, by 's.output -> w2:k.a'",
    "worker 'w2': link 'w1:s.output -> w2:k.b': output 'output' of app 'w1:s.output' is linked already, by 'w1:s.output -> k.a'" })
  refuse(two:format("'w1:t.output -> w2:k.input'"), { "worker 'w1': link 'w1:t.output -> w2:k.input': there is no app 't'",
    "worker 'w1': app 's': no output is linked; it needs one or more, of any name" })
  refuse(two:format("'w1:s.output -> w2:k.input', 'w2:k.output -> w1:s.input'"), {
    "worker 'w1': link 'w2:k.output -> w1:s.input': app 's' has no inputs",
    "worker 'w2': link 'w2:k.output -> w1:s.input': app 'k' has no outputs" })
  refuse("return { workers = {} }", { "'workers' is empty; accepted: a list of workers, { { cpu = N, apps = {...}, links = {...} }, ... }" })
  refuse("return { workers = 5 }", { "'workers' is a number; accepted: a list of workers, { { cpu = N, apps = {...}, links = {...} }, ... }" })
  refuse("local w = {} for i = 1, 65 do w[i] = {} end return { workers = w }", { "65 workers are too many; accepted: 1..63" })
  refuse("return { workers = { 5 } }", { "worker 'w1': is a number; accepted: { cpu = N, apps = {...}, links = {...} }" })
  refuse("return { workers = { { name = 5, " .. good .. " } } }", { "worker 1: key 'name' is a number; accepted: a string" })
  refuse("return { workers = { { name = 'a b', " .. good .. " } } }",
    { "worker 'a b': is no good name; accepted: 1..31 letters, digits, _ and -" })
  refuse("return { workers = { { name = 'w2', " .. good .. " }, { " .. good .. " } } }", { "worker 'w2': two workers have this name" })
  refuse("return { workers = { { cpu = 'x', " .. good .. " }, { cpu = 1.5, " .. good .. " }, { cpu = -1, " .. good .. " } } }", {
    "worker 'w1': key 'cpu': is not the number of a processor; accepted: a whole number 0..4095",
    "worker 'w2': key 'cpu': is not the number of a processor; accepted: a whole number 0..4095",
    "worker 'w3': key 'cpu': is not the number of a processor; accepted: a whole number 0..4095",
  })
  refuse("return { workers = { a = { " .. good .. ", lnks = 1 }, b = { apps = { x = { 'basic.sinc' } } } } }", {
    "worker 'a': key 'lnks' is unknown, did you mean 'links'?",
    "worker 'b': app 'x': class 'basic.sinc' is unknown, did you mean 'basic.sink'?",
  })
end

local module = [[
  local link = require("nf.link")
  local receive = link.receive
  local parts = require("my.shared")
  return { inputs = { "input" }, outputs = { "output" }, help = "Does nothing.",
    params = { n = { type = "u32", max = 9, help = "a number" } },
    push = function (self) link.send(self.output.output, receive(self.input.input)) end, more = nil }
]]

function TestCheck:testModulesOfApps()
  support.run("mkdir -p " .. folder .. "/my")
  support.write(folder .. "/my/pass.lua", module)
  support.write(folder .. "/my/shared.lua", "return {}")
  local source = [[return { apps = { s = { "basic.source" }, k = { "basic.sink" }, x = { "%s", %s } }, links = { "s -> x -> k" } }]]
  local lines, code = check(source:format("my.pass", "n = 5"))
  lu.assertEquals(lines, { "DIR/c.lua: good: 3 apps, 2 links, memory for 6144 packets" })
  lu.assertEquals(code, 0)
  refuse(source:format("my.pass", "n = 10, m = 1"), {
    "app 'x': key 'm': is unknown; accepted: n",
    "app 'x': key 'n': 10 is out of range; accepted: a whole number 0..9",
  })
  refuse(source:format("my.pas", "n = 5"), { "app 'x': class 'my.pas' is unknown, and there is no file my/pas.lua beside the configuration; "
    .. "accepted: a class that 'nf help apps' lists, or a Lua module" })
  refuse(source:format("../x", ""), { "app 'x': class '../x' is no name of a class but a path; accepted: a class that 'nf help apps' "
    .. "lists, or a Lua module beside the configuration: 'my.module' is my/module.lua" })
  local function bad(text, message)
    support.write(folder .. "/bad.lua", text)
    refuse(source:format("bad", ""), { "app module 'bad': " .. message })
  end
  bad("return {", "DIR/bad.lua:1: unexpected symbol near '<eof>'")
  bad("return 5", "returns a number; accepted: a table with inputs, outputs, params, push and so on")
  bad("", "returns nothing; accepted: a table with inputs, outputs, params, push and so on")
  bad("return { 5 }", "has a value without a name; accepted: fields such as name, inputs, params, push")
  bad("return io.open('x')", "DIR/bad.lua:1: attempt to index global 'io' (a nil value)")
  bad("require('nf.packet').new()", "DIR/bad.lua:1: nf.packet.new cannot be called while the module is read, only by its functions")
  bad("local ffi = require('ffi') return {}", "requires 'ffi', which can break everything; accepted in a module with unsafe = true")
  bad("local x = require('none') return x", "DIR/bad.lua:1: module 'none' not found: there is no file DIR/none.lua")
  bad("\27LJ", "DIR/bad.lua: is no Lua source but byte code")
  -- Two apps of a bad class: one message.
  refuse([[return { apps = { x = { "bad" }, y = { "bad" } } }]], { "app module 'bad': DIR/bad.lua: is no Lua source but byte code" })
  -- A module sees neither the configuration's globals nor what it did to the libraries.
  support.write(folder .. "/pure.lua", "assert(leak == nil and string.rep ~= nil and ('x'):rep(2) == 'xx')\n" .. module)
  lines = check("leak = 1 string.rep = nil tostring = nil " .. source:format("pure", ""))
  lu.assertEquals(lines, { "DIR/c.lua: good: 3 apps, 2 links, memory for 6144 packets" })
end

-- `new` is run once in a child: what goes wrong there is told with all other mistakes, and does no harm to what runs.
function TestCheck:testAppsThatCannotBeMade()
  local function makes(name, new)
    support.write(("%s/%s.lua"):format(folder, name), ("return { outputs = { 'output' }, pull = function () end, new = function () %s end }")
      :format(new))
  end
  makes("fails", "error('no luck')")
  makes("fine", "return {}")
  makes("grows", "local t = {} for i = 1, 1e9 do t[i] = {} end")
  makes("hangs", "return ('a'):rep(2000):find(('a-'):rep(100) .. 'b')")
  makes("nests", "local function f(s) return (s:gsub('.', f)) end f('a')")
  makes("spins", "while true do pcall(error) end")
  refuse([[return { apps = { a = { "fails" }, b = { "fine" }, c = { "hangs" }, d = { "grows" }, e = { "nests" }, f = { "spins" },
    k = { "basic.sink" } }, links = { "a.output -> k.a", "b.output -> k.b", "c.output -> k.c", "d.output -> k.d", "e.output -> k.e",
    "f.output -> k.f" } }]], {
    "app 'a': DIR/fails.lua:1: no luck",
    "app 'c': DIR/hangs.lua: making the app takes longer than 2 s, in a call that does not come back",
    "app 'd': DIR/grows.lua: not enough memory: more than its 64 MiB",
    "app 'e': DIR/nests.lua: making the app fills the C stack: calls nested too deep",
    "app 'f': DIR/spins.lua:1: making the app takes longer than 1000 ms",
  })
end

function TestCheck:testEmbeddedLuaApps()
  local lines = check([[return { apps = { s = { "basic.source" }, k = { "basic.sink" }, x = { "lua.selekt" } }, links = { "s -> x -> k" } }]])
  lu.assertStrContains(lines[1], "app 'x': class 'lua.selekt' is unknown")
end

function TestCheck:testTwoAppsWithOneResource()
  refuse_graph([[a = { "tap.tap", name = "nf0" }, b = { "tap.tap", name = "nf0" }]], '"a.output -> b.input", "b.output -> a.input"',
    { "app 'b': tap:nf0 is used by app 'a' already; only one app can have it" })
end

function TestCheck:testTwoAppsWithOneFile()
  refuse_graph([[s = { "basic.source" }, a = { "pcap.writer", file = "o.pcap" }, b = { "pcap.writer", file = "./x/.././o.pcap" },
    c = { "pcap.writer", file = "./o.pcap" }]], '"s.a -> a", "s.b -> b", "s.c -> c"',
    { "app 'c': write:DIR/o.pcap is used by app 'a' already; only one app can have it" })
end

function TestCheck:testAFileThatIsReadAndWritten()
  refuse_graph([[r = { "pcap.reader", file = "o.pcap" }, w = { "pcap.writer", file = "./o.pcap" }]], '"r -> w"',
    { "app 'w': it would write DIR/o.pcap, which app 'r' reads" })
  refuse_graph([[a = { "pcap.writer", file = "o.pcap" }, b = { "pcap.reader", file = "o.pcap" }]], '"b -> a"',
    { "app 'b': it would read DIR/o.pcap, which app 'a' writes" })
end

function TestCheck:testUsage()
  local output, code = support.run(nf .. " check")
  lu.assertEquals(code, 2)
  lu.assertStrContains(output, "nf check")
  code = select(2, support.run(nf .. " graph --dot --svg x.lua"))
  lu.assertEquals(code, 2)
  code = select(2, support.run(nf .. " check --help"))
  lu.assertEquals(code, 0)
end

TestGraph = {}

local function graph(source, options)
  support.write(folder .. "/g.lua", source)
  return support.run(("'%s' graph %s '%s/g.lua'"):format(nf, options or "", folder))
end

function TestGraph:testPictureOfABranchAndAMerge()
  local output, code = graph([[return {
    apps = { s = { "basic.source" }, t = { "basic.tee" }, k = { "basic.sink" }, d = { "basic.sink" }, j = { "basic.join" } },
    links = { "s -> t.input", "t.a -> j.one", "t.b -> d", "t.c -> j.two", "j -> k" } }]])
  lu.assertEquals(code, 0)
  lu.assertEquals(output, [[
┌──────────────┐   ┌───────────┐           ┌────────────┐   ┌────────────┐
│ s            ├──▶│ t         ├─┬─a─(one)▶│ j          ├──▶│ k          │
│ basic.source │   │ basic.tee │ │         │ basic.join │   │ basic.sink │
└──────────────┘   └───────────┘ │         └────────────┘   └────────────┘
                                 │         ┌────────────┐
                                 ├─b──────▶│ d          │
                                 │         │ basic.sink │
                                 │         └────────────┘
                                 └─c──────▶ j.two
]])
end

function TestGraph:testPictureOfACycle()
  local output = graph([[return {
    apps = { s = { "basic.source" }, j = { "basic.join" }, t = { "basic.tee" }, k = { "basic.sink" } },
    links = { "s -> j.x", "j -> t", "t.a -> k", "t.b -> j.y" } }]])
  lu.assertStrContains(output, "└─b─▶ j.y (back)")
end

function TestGraph:testWideGraphsAreListed()
  local output = graph([[
    local apps, links, last = { s = { "basic.source" }, z = { "basic.sink" } }, {}, "s"
    for i = 1, 12 do
      apps["t" .. i] = { "basic.tee" }
      links[i] = last .. " -> t" .. i .. ".input"
      last = "t" .. i .. ".a"
    end
    links[#links + 1] = last .. " -> z.x"
    links[#links + 1] = "t11.b -> z.y"
    return { apps = apps, links = links }]])
  lu.assertStrContains(output, "t10  basic.tee\nt11  basic.tee\n├─ a ─▶ t12  basic.tee\n│   (x) z  basic.sink\n└─ b ─▶ z.y\n")
end

function TestGraph:testDeepBranchesBeginAgainAtTheLeft()
  local output, code = graph([[
    local apps, links, last = { s = { "basic.source" }, z = { "basic.sink" } }, {}, "s"
    for i = 1, 100 do
      apps["t" .. i] = { "basic.tee" }
      links[#links + 1] = last .. " -> t" .. i .. ".input"
      links[#links + 1] = "t" .. i .. ".b -> z.i" .. i
      last = "t" .. i .. ".a"
    end
    links[#links + 1] = last .. " -> z.last"
    return { apps = apps, links = links }]])
  lu.assertEquals(code, 0)
  lu.assertTrue(output:find("└─ a ─▶ t42.input\n", 1, true) ~= nil)
  lu.assertTrue(output:find("\nt42  basic.tee\n├─ b ─▶ z.i42\n", 1, true) ~= nil)
end

function TestGraph:testWorkersHaveHeadings()
  local output = graph([[return { workers = {
    one = { cpu = 2, apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } },
    two = { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } } } }]])
  lu.assertStrContains(output, "worker one, cpu 2\n┌")
  lu.assertStrContains(output, "\n\nworker two\n┌")
end

function TestGraph:testDotLanguage()
  local output, code = graph([[return { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } }]], "--dot")
  lu.assertEquals(code, 0)
  lu.assertStrContains(output, "digraph nf {")
  lu.assertStrContains(output, [["w1:s" -> "w1:k" [taillabel="", headlabel=""];]])
end

function TestGraph:testSvgThroughGraphviz()
  local _, missing = support.run("command -v dot")
  local source = [[return { apps = { s = { "basic.source" }, k = { "basic.sink" } }, links = { "s -> k" } }]]
  local output, code
  support.write(folder .. "/g.lua", source)
  output, code = support.run(("PATH=/nowhere '%s' graph --svg '%s/g.lua'"):format(nf, folder))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "--svg needs the program dot, which is not here")
  if missing ~= 0 then lu.skip("graphviz is not installed") end
  output, code = graph(source, "--svg")
  lu.assertEquals(code, 0)
  lu.assertStrContains(output, "<svg")
end

function TestGraph:testMistakesAreToldAsByCheck()
  local output, code = graph("return {}")
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "nf graph: 'apps' is missing")
end

os.exit(lu.LuaUnit.run())
