-- nf graph NAME: the graph of what runs, with its rates.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local instance = require("support_instance")

ffi.cdef("int kill(int pid, int signal); int usleep(unsigned us);")

TestGraphLive = {}

local function graph(arguments) return support.run("'" .. support.nf .. "' graph " .. arguments) end

function TestGraphLive:setUp() self.name = instance.name() end

function TestGraphLive:tearDown()
  if self.lock then nf.instance_remove(self.name, self.lock) end
  if self.pid then ffi.C.kill(self.pid, 9) end
  self.lock, self.pid = nil, nil
end

local function worker()
  return { pid = 1, time = 5, entries = instance.join(
    instance.app(0, "both", { packets = 10 }), instance.app(1, "in", { created = 10, packets = 10 }),
    instance.app(2, "out", { packets = 9, down = 1 }),
    instance.link(0, "in.output -> both.input", { sent = 10 }), instance.link(1, "both.a -> out.one", { sent = 10 }),
    instance.link(2, "both.b -> out.two", { sent = 10 }), instance.link(3, "both.c -> elsewhere.input", { sent = 10 }),
    instance.link(4, "no link", {}), instance.engine({}, {})) }
end

function TestGraphLive:testAPictureWithRates()
  self.lock = instance.create(self.name, instance.bytes({ worker() }))
  local text, code = graph(self.name .. " --interval 0")
  lu.assertEquals(code, 0)
  lu.assertEquals(text, [[
┌─────┐   ┌──────┐               ┌───────────┐
│ in  ├──▶│ both ├─┬─a 0/s─(one)▶│ out       │
│ 0/s │   │ 0/s  │ │             │ 0/s, down │
└─────┘   └──────┘ │             └───────────┘
                   └─b 0/s──────▶ out.two
]])
end

function TestGraphLive:testDot()
  self.lock = instance.create(self.name, instance.bytes({ worker(), worker() }))
  local text, code = graph(self.name .. " --dot --interval 10ms")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, '"1:out" [label="out\\n0/s, down"];')
  lu.assertStrContains(text, '"2:both" -> "2:out" [taillabel="b 0/s", headlabel="two"];')
  lu.assertStrContains(text, "subgraph cluster_1 {")
  lu.assertNotStrContains(text, "elsewhere")
end

-- Rates of one that runs; and a file of the same name goes first.
function TestGraphLive:testARunningInstance()
  local folder = support.folder()
  support.write(folder .. "/graph.lua", [[return { apps = { source = { "basic.source", rate = "10Kpps" }, some = { "basic.sample", n = 2 },
    sink = { "basic.sink" } }, links = { "source -> some.input", "some.output -> sink" } }]])
  support.run(("'%s' run --quiet --name %s %s/graph.lua >%s/output 2>&1 & echo $! >%s/pid"):format(support.nf, self.name, folder, folder,
    folder))
  self.pid = tonumber(support.read(folder .. "/pid"))
  local text
  for _ = 1, 300 do
    text = graph(self.name .. " --interval 100ms")
    if text:match("some.*%d k/s, drops") then break end
    ffi.C.usleep(20000)
  end
  lu.assertStrContains(text, "│ source")
  lu.assertStrMatches(text, ".*some.*%d k/s, drops .*")
  support.write(folder .. "/" .. self.name, support.read(folder .. "/graph.lua"))
  local binary = support.nf:sub(1, 1) == "/" and support.nf or support.run("pwd"):gsub("\n", "") .. "/" .. support.nf
  text = support.run(("cd %s && '%s' graph %s"):format(folder, binary, self.name))
  lu.assertStrContains(text, "basic.sample")
end

function TestGraphLive:testMistakes()
  local text, code = graph("no-such-file")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nf graph: ")
  lu.assertStrContains(text, "no-such-file")
  self.lock = instance.create(self.name, "no statistics")
  text, code = graph(self.name)
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "is no statistics file of this version of nf\n")
  text, code = graph(self.name .. " --interval soon")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "'soon' is not a duration")
end

os.exit(lu.LuaUnit.run())
