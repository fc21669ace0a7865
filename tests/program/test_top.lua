-- nf top: what it computes (rates, history, tables), called through the FFI; what it prints; its screen in tmux.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local instance = require("support_instance")

require("support_program").declare("reading.h", "measure.h", "top/history.h", "top/view.h")
ffi.cdef("int kill(int pid, int signal); int usleep(unsigned us);")

TestTop = {}

local SECOND = 1e9

function TestTop:setUp()
  self.name = instance.name()
  self.readings = {}
end

function TestTop:tearDown()
  for _, reading in ipairs(self.readings) do nf.reading_fini(reading) end
  if self.lock then nf.instance_remove(self.name, self.lock) end
  self.lock = nil
  if self.running then ffi.C.kill(self.running, 9) end
  if self.tmux then support.run("tmux -L " .. self.name .. " kill-server") end
  self.running, self.tmux = nil, nil
end

-- The statistics of the instance are these from now on.
function TestTop:write(workers, header)
  local bytes = instance.bytes(workers, header)
  if self.lock then
    support.write(instance.path(self.name, "stats.next"), bytes)
    assert(os.rename(instance.path(self.name, "stats.next"), instance.path(self.name, "stats")))
  else
    self.lock = instance.create(self.name, bytes)
  end
end

function TestTop:read(workers, header)
  self:write(workers, header)
  local reading = ffi.new("struct reading")
  assert(nf.reading_init(reading, self.name) == 0, ffi.string(nf.nf_error()))
  self.readings[#self.readings + 1] = reading
  return reading
end

local function measure(before, now)
  local m = ffi.gc(ffi.new("struct measure"), nf.measure_fini)
  lu.assertEquals(nf.measure_init(m, before, now), 0)
  return m
end

-- A worker after `t` seconds: a source of 1,000 packets per second of 100 bytes, an app that drops a tenth of them.
local function worker(t, extra)
  local n = 1000 * t
  return { pid = 4711, time = t * SECOND + 1, entries = instance.join(
    instance.app(0, "filter", { dropped = n / 10, packets = n, cycles = n * 50, held = 3 }, { { "seen", n } },
      { { "too-long", n / 10 }, { "stop", 0 } }),
    instance.app(1, "source", { created = n, packets = n, cycles = n * 20 }),
    extra or {},
    instance.link(0, "source.output -> filter.input", { sent = n, received = n > 512 and n - 512 or n, bytes = n * 100, dropped = t,
      ["residence-p50"] = 1500, ["residence-p99"] = 24800000 }),
    instance.engine({ breaths = 10 * t, sleeps = t, buckets = { [8] = 90 * t, [20] = 9 * t, [28] = t } },
      { created = n, dropped = n / 10, taken = n, returned = n })) }
end

local function app(m, name)
  for i = 0, m.app_count - 1 do
    if ffi.string(m.app[i].name) == name then return m.app[i] end
  end
  error("no app " .. name)
end

function TestTop:testRatesCostsAndShares()
  local m = measure(self:read({ worker(1) }), self:read({ worker(3) }))
  lu.assertEquals({ m.app_count, m.link_count, m.worker_count }, { 2, 1, 1 })
  local filter, source = app(m, "filter"), app(m, "source")
  lu.assertAlmostEquals(filter.packets, 1000, 1e-3)
  lu.assertAlmostEquals(filter.bits, 800000, 1e-3)
  lu.assertAlmostEquals(source.bits, 800000, 1e-3)
  lu.assertAlmostEquals(filter.drops, 100, 1e-3)
  lu.assertEquals(ffi.string(filter.reason), "too-long")
  lu.assertTrue(source.reason == nil)
  lu.assertAlmostEquals(filter.cycles, 50, 1e-6)
  lu.assertAlmostEquals(filter.ns, 50, 1e-6)            -- the clock of the test has 1 GHz
  lu.assertAlmostEquals(filter.share, 50e-6, 1e-9)
  lu.assertEquals({ filter.held, filter.total, filter.dropped }, { 3, 3000, 300 })
  local link = m.link[0]
  lu.assertAlmostEquals(link.packets, 1000, 1e-3)
  lu.assertEquals({ link.waiting, link.bytes, link.dropped, link.p50, link.p99 }, { 512, 300000, 3, 1500, 24800000 })
  local w = m.worker[0]
  lu.assertAlmostEquals(w.packets, 1000, 1e-3)
  lu.assertAlmostEquals(w.drops, 101, 1e-3)
  lu.assertAlmostEquals(w.breaths, 10, 1e-3)
  lu.assertEquals({ w.p50, w.p99, w.most }, { tonumber(nf.stats_bucket_low(9)), tonumber(nf.stats_bucket_low(21)),
    tonumber(nf.stats_bucket_low(29)) })
  lu.assertEquals(ffi.string(w.name), "running")
end

function TestTop:testWhatIsZeroIsNoCount()
  local m = measure(self:read({ worker(1) }), self:read({ worker(2) }))
  local seen = {}
  for i = 0, m.count_count - 1 do
    local c = m.count[i]
    seen[#seen + 1] = ("%s %s %s %g %g"):format(ffi.string(c.name), ffi.string(c.what), ffi.string(c.kind), c.rate, c.total)
  end
  lu.assertEquals(seen, { "filter seen counter 1000 2000", "filter too-long dropped 100 200",
    "source.output -> filter.input link-full dropped 1 2" })
end

function TestTop:testAReadingAloneHasNoRates()
  local r = self:read({ worker(2) })
  local m = measure(r, r)
  lu.assertEquals({ app(m, "filter").packets, m.link[0].bits, m.worker[0].p50, app(m, "filter").total }, { 0, 0, 0, 2000 })
end

-- A reload brings an app between the two: what stays is found by its name.
function TestTop:testRatesGoOnOverAReload()
  local before = self:read({ worker(1) })
  local now = self:read({ worker(2, instance.app(2, "new", { packets = 500 })) }, { generation = 2 })
  local m = measure(before, now)
  lu.assertEquals(m.app_count, 3)
  lu.assertAlmostEquals(app(m, "filter").packets, 1000, 1e-3)
  lu.assertEquals(app(m, "new").packets, 0)
  lu.assertAlmostEquals(m.link[0].packets, 1000, 1e-3)
  lu.assertAlmostEquals(m.worker[0].packets, 1000, 1e-3)
  m = measure(now, before)                              -- back in time: the clock does not run backwards
  lu.assertEquals(app(m, "filter").packets, 0)
end

function TestTop:testAWorkerThatBeganAgainHasNoRatesAtFirst()
  local before = self:read({ worker(5) })
  local again = worker(1)
  again.time = 6 * SECOND
  local m = measure(before, self:read({ again }))
  lu.assertEquals({ app(m, "filter").packets, m.worker[0].packets, m.worker[0].p50 }, { 0, 0, 0 })
end

function TestTop:testAWorkerMoreThanBefore()
  local m = measure(self:read({ worker(1) }), self:read({ worker(2), worker(2) }, { generation = 2 }))
  lu.assertEquals(m.worker_count, 2)
  lu.assertAlmostEquals(m.worker[0].packets, 1000, 1e-3)
  lu.assertEquals(m.worker[1].packets, 0)
end

function TestTop:testTheAppsOfALink()
  local from, to = ffi.new("char[?]", nf.STATS_OWNER), ffi.new("char[?]", nf.STATS_OWNER)
  for link, apps in pairs({ ["a.x -> b.y"] = { "a", "b" }, ["a.x -> w2:b.y"] = { "a", "w2:b.y" },
    ["w1:a.x -> b.y"] = { "w1:a.x", "b" } }) do
    lu.assertTrue(nf.measure_link_apps(link, from, to), link)
    lu.assertEquals({ ffi.string(from), ffi.string(to) }, apps)
  end
  for _, link in ipairs({ "", "a.x", "a -> b", "a.x -> b", "a.x->b.y", ("a"):rep(200) .. ".x -> b.y" }) do
    lu.assertFalse(nf.measure_link_apps(link, from, to), link)
  end
end

-- Everything of a reading but its open file.
local function contents(reading)
  local list = { tonumber(reading.time_ns), reading.runs, tonumber(reading.header.generation) }
  for w = 0, reading.workers - 1 do
    local x = reading.worker[w]
    list[#list + 1] = { tonumber(x.count), tonumber(x.snapshot_ns), x.torn, tonumber(x.state), reading.header.worker_pid[w],
      ffi.string(x.entry, x.count * ffi.sizeof("struct stats_entry")), ffi.string(x.value, (x.count + 1) * 8) }
  end
  return list
end

function TestTop:testTheHistoryGivesBackWhatItWasGiven()
  local history = ffi.gc(nf.history_new(), nf.history_free)
  local expected = {}
  math.randomseed(7)
  for t = 1, 200 do
    local extra = instance.app(2, "wild", { packets = math.random(0, 2 ^ 52), held = math.random(0, 5), cycles = -math.random(1, 9) })
    local one = worker(t, extra)
    one.pid, one.state, one.sequence = math.random(0, 99999), math.random(0, 3), 2
    local reading = self:read(t % 7 == 0 and { one, worker(t) } or { one }, { generation = math.floor(t / 50) })
    reading.worker[0].torn = math.random() < 0.2
    expected[t] = contents(reading)
    lu.assertEquals(nf.history_add(history, reading), 0)
    lu.assertEquals(nf.history_count(history), t)
  end
  for t = 1, 200 do
    local reading = ffi.new("struct reading")
    lu.assertEquals(nf.history_get(history, t - 1, reading), 0)
    lu.assertEquals(contents(reading), expected[t], t)
    nf.reading_fini(reading)
  end
end

function TestTop:testTheHistoryForgetsTheOldestHour()
  local history = ffi.gc(nf.history_new(), nf.history_free)
  local reading = self:read({ worker(1) })
  local total = 3 * nf.HISTORY_MOST
  for i = 1, total do
    reading.time_ns = i
    reading.worker[0].value[0] = i * 7
    lu.assertEquals(nf.history_add(history, reading), 0)
  end
  local count, forgotten = nf.history_count(history), tonumber(nf.history_forgotten(history))
  lu.assertEquals(count + forgotten, total)
  lu.assertTrue(count >= nf.HISTORY_MOST and count < nf.HISTORY_MOST + nf.HISTORY_CHUNK, count)
  for _, i in ipairs({ 0, 1, 59, 60, count - 1 }) do
    local r = ffi.new("struct reading")
    lu.assertEquals(nf.history_get(history, i, r), 0)
    lu.assertEquals({ tonumber(r.time_ns), tonumber(r.worker[0].value[0]) }, { forgotten + i + 1, (forgotten + i + 1) * 7 })
    nf.reading_fini(r)
  end
  -- Two numbers that go on and all others that stand still: a few bytes a second.
  lu.assertTrue(nf.history_bytes(history) < 20 * count, tonumber(nf.history_bytes(history)))
end

local function lines(view, m, width)
  local count = ffi.new("uint32_t[1]")
  local array = nf.view_lines(view, m, width, count)
  local list = {}
  for i = 0, count[0] - 1 do list[#list + 1] = ffi.string(array[i]) end
  lu.assertTrue(array[count[0]] == nil)
  nf.view_free(array)
  return list
end

local function first_words(list)
  local words = {}
  for i = 2, #list do words[#words + 1] = list[i]:match("%S+") end
  return words
end

function TestTop:testEveryViewFitsTheTerminal()
  local m = measure(self:read({ worker(1) }), self:read({ worker(2) }))
  for kind = 0, nf.VIEW_KINDS - 1 do
    local view = ffi.new("struct view", { kind = kind })
    for _, width in ipairs({ 0, 40, 80, 200, 100000 }) do
      for _, line in ipairs(lines(view, m, width)) do
        lu.assertTrue(#line <= math.max(math.min(width, nf.VIEW_WIDE), nf.VIEW_NARROW), line)
        lu.assertFalse(line:match(" $") ~= nil, line)
      end
    end
  end
  local view = ffi.new("struct view", { kind = "VIEW_APPS" })
  lu.assertEquals(lines(view, m, 80), {
    "APP             PACKETS/S  BITS/S     NS  CYCLES CORE%  HELD DROPS/S FOR",
    "filter                1 k   800 k   50.0    50.0   0.0     3     100 too-long",
    "source                1 k   800 k   20.0    20.0   0.0     0       0" })
  view.kind = "VIEW_LINKS"
  lu.assertEquals(lines(view, m, 80), {
    "LINK                        PACKETS/S  BITS/S WAIT FILL%     P50     P99 DROPS/S",
    "source.out~ -> filter.input       1 k   800 k  512    50  1.5 us 24.8 ms       1" })
  lu.assertStrContains(lines(view, m, 84)[2], "source.output -> filter.input  ")
  view.kind = "VIEW_WORKERS"
  lu.assertStrContains(lines(view, m, 80)[2], "1:running")
end

-- Both ends of a link can be told at any width; of a short end the other has the room.
function TestTop:testNamesOfLinksAreCutAtBothEnds()
  local view = ffi.new("struct view", { kind = "VIEW_LINKS" })
  for name, cut in pairs({
    ["a.x -> " .. ("b"):rep(50)] = "a.x -> " .. ("b"):rep(19) .. "~",
    [("a"):rep(50) .. " -> b.x"] = ("a"):rep(19) .. "~ -> b.x",
    [("a"):rep(50) .. " -> " .. ("b"):rep(50)] = ("a"):rep(10) .. "~ -> " .. ("b"):rep(11) .. "~",
    [("a"):rep(11) .. " -> " .. ("b"):rep(12)] = ("a"):rep(11) .. " -> " .. ("b"):rep(12),
    [("a"):rep(12) .. " -> " .. ("b"):rep(12)] = ("a"):rep(10) .. "~ -> " .. ("b"):rep(12),
  }) do
    local one = { pid = 1, entries = instance.join(instance.link(0, name, {}), instance.engine({}, {})) }
    local reading = self:read({ one })
    lu.assertEquals(lines(view, measure(reading, reading), 80)[2]:sub(1, 27), (cut .. (" "):rep(27)):sub(1, 27))
  end
end

function TestTop:testLinksAreSortedByHowLongPacketsStay()
  local one = { pid = 1, entries = instance.join(instance.link(0, "a.x -> b.x", { ["residence-p99"] = 900 }),
    instance.link(1, "b.x -> c.x", { ["residence-p99"] = 1100 }), instance.engine({}, {})) }
  local reading = self:read({ one })
  local view = ffi.new("struct view", { kind = "VIEW_LINKS" })
  lu.assertTrue(nf.view_sort_by(view, "p99"))
  lu.assertEquals(first_words(lines(view, measure(reading, reading), 80)), { "b.x", "a.x" })
end

function TestTop:testSorting()
  local m = measure(self:read({ worker(1) }), self:read({ worker(2) }))
  local view = ffi.new("struct view", { kind = "VIEW_APPS" })
  lu.assertFalse(nf.view_sort_by(view, "color"))
  lu.assertTrue(nf.view_sort_by(view, "cycles"))
  lu.assertEquals(first_words(lines(view, m, 80)), { "filter", "source" })
  view.reverse[0] = true
  lu.assertEquals(first_words(lines(view, m, 80)), { "source", "filter" })
  lu.assertTrue(nf.view_sort_by(view, "APP"))
  lu.assertEquals(first_words(lines(view, m, 80)), { "source", "filter" })
  view.reverse[0] = false
  lu.assertEquals(first_words(lines(view, m, 80)), { "filter", "source" })
  -- Round and round: as many steps as there are columns, and one without an order.
  local start = view.sort[0]
  for _ = 1, nf.view_columns(view) + 1 do nf.view_sort_next(view, 1) end
  lu.assertEquals(view.sort[0], start)
  nf.view_sort_next(view, -1)
  lu.assertEquals(view.sort[0], start - 1)
end

function TestTop:testLongNamesAreCut()
  local long = worker(1)
  long.entries[1][3] = ("x"):rep(100)
  for _, entry in ipairs(long.entries) do
    if entry[3] == "filter" then entry[3] = ("x"):rep(100) end
  end
  local m = measure(self:read({ long }), self.readings[1])
  local line = lines(ffi.new("struct view", { kind = "VIEW_APPS" }), m, 80)[2]
  lu.assertStrMatches(line, "x+~ +0 .*")
  lu.assertTrue(#line <= 80)
end

local function top(arguments) return support.run("'" .. support.nf .. "' top " .. arguments) end

function TestTop:testTextOfAnInstance()
  self:write({ worker(1), worker(1) })
  local text, code = top(self.name .. " --count 2 --interval 10ms --sort packets/s")
  lu.assertEquals(code, 0, text)
  local _, tables = text:gsub("\nAPP +PACKETS/S", "")
  lu.assertEquals(tables, 2)
  lu.assertStrContains(text, "\n2:filter ")
  lu.assertStrContains(text, "worker 2 running  0 packets/s")
  for _, view in ipairs({ "links", "drops", "workers" }) do
    text, code = top(self.name .. " --count 1 --interval 10ms --view " .. view)
    lu.assertEquals(code, 0)
    lu.assertStrContains(text, ({ links = "FILL%", drops = "too-long", workers = "4711" })[view])
  end
end

function TestTop:testABrokenLedgerIsSaid()
  local bad = worker(1)
  bad.entries[#bad.entries - nf.STATS_BUCKETS - 4][5] = 1      -- created
  self:write({ bad })
  lu.assertStrContains((top(self.name .. " --count 1 --interval 10ms")), "THE LEDGER DOES NOT BALANCE")
end

function TestTop:testMistakes()
  self:write({ worker(1) })
  for arguments, message in pairs({
    ["--count 0"] = "option '--count': '0' is not a number 1..",
    ["--interval 1ms"] = "option '--interval': at least 10ms",
    ["--interval soon"] = "is not a duration",
    ["--view ap"] = "'ap' is none of apps, links, drops, workers",
    ["--sort x"] = "the view apps has no column 'x', but APP, PACKETS/S, BITS/S, NS, CYCLES, CORE%, HELD, DROPS/S, FOR",
  }) do
    local text, code = top(self.name .. " " .. arguments)
    lu.assertEquals(code, 2, text)
    lu.assertStrContains(text, message)
  end
  local text, code = top("no-such-nf --count 1")
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf top: there is no nf with the name 'no-such-nf'; nf ps lists all\n")
end

local wait = support.wait

local GRAPH = [[return { apps = { source = { "basic.source", rate = "10Kpps", sizes = 60 }, %s sink = { "basic.sink" } },
  links = { %s } }]]

-- Start an instance; gives the path of its configuration.
function TestTop:start()
  local folder = support.folder()
  support.write(folder .. "/graph.lua", GRAPH:format("", '"source -> sink"'))
  support.run(("'%s' run --name %s --quiet '%s/graph.lua' >%s/output 2>&1 & echo $! >%s/pid"):format(support.nf, self.name, folder,
    folder, folder))
  self.running = tonumber(support.read(folder .. "/pid"))
  wait("nf", function() return (top(self.name .. " --count 1 --interval 10ms")):find("source", 1, true) end)
  return folder .. "/graph.lua"
end

function TestTop:testTextEndsWithTheInstance()
  self:start()
  local folder = support.folder()
  support.run(("'%s' top %s --interval 20ms >%s/top 2>&1 & echo $! >%s/top.pid"):format(support.nf, self.name, folder, folder))
  wait("a table", function() return (support.read(folder .. "/top") or ""):find("source", 1, true) end)
  support.run(("'%s' stop %s"):format(support.nf, self.name))
  wait("the end of nf top", function() return support.read(folder .. "/top"):find(self.name .. " has ended\n", 1, true) end)
end

-- The screen in a terminal of 80 columns.
function TestTop:testTheScreen()
  if select(2, support.run("command -v tmux")) ~= 0 then lu.skip("tmux is not installed") end
  local config = self:start()
  local function tmux(arguments) return (support.run("tmux -L " .. self.name .. " " .. arguments)) end
  local function shows(text)
    local screen
    wait("'" .. text .. "'", function()
      screen = tmux("capture-pane -p")
      return screen:find(text, 1, true)
    end)
    return screen
  end
  self.tmux = true
  tmux(("-f /dev/null new-session -d -x 80 -y 24 \"'%s' top --interval 50ms %s; echo code $?; sleep 60\""):format(support.nf, self.name))
  shows("\nsource ")
  lu.assertStrContains(shows("q quit"), "nf top " .. self.name)
  tmux("send-keys l")
  -- A packet stays longer than no time on a link: the worker samples, nf top shows it.
  wait("how long packets stay", function()
    local row = tmux("capture-pane -p"):match("\nsource%.output %-> sink%.input([^\n]*)")
    return row and row:match("[1-9][%d.]* [num]?s +[1-9][%d.]* [num]?s +%d+$")
  end)
  tmux("send-keys s s")
  shows("links by PACKETS/S")
  tmux("send-keys r")
  shows("links by PACKETS/S reversed")
  tmux("send-keys w")
  shows("1:running")
  tmux("send-keys '?'")
  shows("[ ] a minute; Home, End")
  tmux("send-keys a Space")
  shows("PAUSED")
  tmux("send-keys '<' '<'")
  shows("PAUSED, 0 s ago")
  tmux("send-keys End")
  wait("it goes on", function() return not tmux("capture-pane -p"):find("PAUSED", 1, true) end)
  support.write(config, GRAPH:format('late = { "basic.tee" },', '"source -> late", "late.output -> sink"'))
  lu.assertEquals(select(2, support.run(("'%s' reload %s"):format(support.nf, self.name))), 0)
  shows("\nlate ")
  support.run(("'%s' stop %s"):format(support.nf, self.name))
  shows("it has ended")
  tmux("send-keys q")
  shows("code 0")
end

os.exit(lu.LuaUnit.run())
