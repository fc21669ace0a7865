-- nf stats --prometheus: the text exposition format, read by a strict parser.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local instance = require("support_instance")
local prometheus = require("support_prometheus")

TestPrometheus = {}

local function stats(arguments) return support.run("'" .. support.nf .. "' stats " .. arguments) end

function TestPrometheus:setUp() self.name = instance.name() end

function TestPrometheus:tearDown()
  if self.lock then nf.instance_remove(self.name, self.lock) end
  self.lock = nil
end

local function worker(packets)
  return { pid = 4711, time = 5, entries = instance.join(
    instance.app(0, "in", { received = packets, packets = packets, cycles = 155, calls = 3 }, { { "late", 6 }, { "flows", 12, "gauge" } }),
    instance.app(1, "out", { sent = 3, dropped = 2, packets = 9, held = 4, down = 1, ["lost-outside"] = 8 }, {}, { { "too-long", 2 },
      { "stop", 0 } }),
    instance.link(0, "in.output -> out.input", { sent = 10, received = 9, bytes = 640, dropped = 7 }),
    instance.engine({ breaths = 100, sleeps = 7, buckets = { [8] = 90, [20] = 10 } },
      { taken = 30, returned = 25, on_links = 1, held = 4, received = 10, sent = 3, dropped = 2 })) }
end

function TestPrometheus:parse(workers, header, options)
  self.lock = instance.create(self.name, instance.bytes(workers, header))
  local text, code = stats(self.name .. " --prometheus " .. (options or ""))
  lu.assertEquals(code, 0, text)
  return prometheus.parse(text), text
end

function TestPrometheus:testEveryNumberIsThere()
  local families = self:parse({ worker(10) })
  local function value(name, labels)
    labels.instance = self.name
    return prometheus.value(families, name, labels)
  end
  lu.assertEquals(value("nf_app_packets_total", { worker = "1", app = "in" }), 10)
  lu.assertEquals(value("nf_app_sent_packets_total", { worker = "1", app = "out" }), 3)
  lu.assertEquals(value("nf_app_held_packets", { app = "out" }), 4)
  lu.assertEquals(value("nf_app_down", { app = "out" }), 1)
  lu.assertEquals(value("nf_app_lost_outside_packets_total", { app = "out" }), 8)
  lu.assertEquals(value("nf_app_drops_total", { app = "out", reason = "too-long" }), 2)
  lu.assertEquals(value("nf_app_drops_total", { app = "out", reason = "stop" }), 0)
  lu.assertEquals(value("nf_app_counter_total", { app = "in", counter = "late" }), 6)
  lu.assertEquals(value("nf_app_gauge", { app = "in", gauge = "flows" }), 12)
  lu.assertEquals(families.nf_app_gauge.type, "gauge")
  lu.assertNil(value("nf_app_counter_total", { app = "in", counter = "flows" }))
  lu.assertEquals(value("nf_link_packets_total", { link = "in.output -> out.input" }), 10)
  lu.assertEquals(value("nf_link_bytes_total", { link = "in.output -> out.input" }), 640)
  lu.assertEquals(value("nf_link_waiting_packets", { link = "in.output -> out.input" }), 1)
  lu.assertEquals(value("nf_link_dropped_packets_total", { link = "in.output -> out.input" }), 7)
  lu.assertEquals(value("nf_worker_breaths_total", { worker = "1" }), 100)
  lu.assertEquals(value("nf_ledger_taken_total", { worker = "1" }), 30)
  lu.assertEquals(value("nf_ledger_on_links", { worker = "1" }), 1)
  lu.assertEquals(value("nf_worker_up", { worker = "1" }), 1)
  lu.assertEquals(value("nf_generation", {}), 1)
  lu.assertEquals(value("nf_info", { file = "/etc/nf/test.lua" }), 1)
end

function TestPrometheus:testTheHistogramIsCumulative()
  local families = self:parse({ worker(10) })
  local last, edge, buckets = 0, 0, 0
  for _, sample in ipairs(families.nf_worker_breath_seconds.samples) do
    if sample.name:match("_bucket$") then
      local le = sample.labels.le == "+Inf" and math.huge or tonumber(sample.labels.le)
      lu.assertTrue(le > edge, sample.labels.le)
      lu.assertTrue(sample.value >= last)
      edge, last, buckets = le, sample.value, buckets + 1
    end
  end
  lu.assertEquals({ edge, last, buckets }, { math.huge, 100, nf.STATS_BUCKETS / 4 })
  lu.assertEquals(prometheus.value(families, "nf_worker_breath_seconds_count", {}), 100)
  -- Bucket 8 ends at 10 ns: it is in the power of two that ends at 16.
  lu.assertEquals(prometheus.value(families, "nf_worker_breath_seconds_bucket", { le = "8e-09" }), 0)
  lu.assertEquals(prometheus.value(families, "nf_worker_breath_seconds_bucket", { le = "1.6e-08" }), 90)
end

function TestPrometheus:testWorkers()
  local families = self:parse({ worker(10), worker(20) })
  for number, packets in pairs({ ["1"] = 10, ["2"] = 20 }) do
    lu.assertEquals(prometheus.value(families, "nf_app_packets_total", { worker = number, app = "in" }), packets)
  end
  local one = prometheus.parse((stats(self.name .. " --prometheus --worker 2")))
  lu.assertNil(prometheus.value(one, "nf_app_packets_total", { worker = "1" }))
  lu.assertNil(prometheus.value(one, "nf_worker_breath_seconds_count", { worker = "1" }))
  lu.assertEquals(prometheus.value(one, "nf_app_packets_total", { worker = "2", app = "in" }), 20)
end

function TestPrometheus:testLabelsAreEscaped()
  local wild = 'a"b\\c\nd'
  local one = worker(10)
  for _, entry in ipairs(one.entries) do
    if entry[3] == "in" then entry[3] = wild end
  end
  local families, text = self:parse({ one }, { file = "/tmp/" .. wild })
  lu.assertEquals(prometheus.value(families, "nf_app_packets_total", { app = wild }), 10)
  lu.assertEquals(prometheus.value(families, "nf_info", { file = "/tmp/" .. wild }), 1)
  lu.assertStrContains(text, 'app="a\\"b\\\\c\\nd"')
end

function TestPrometheus:testMistakes()
  self.lock = instance.create(self.name, instance.bytes({ worker(1) }))
  local text, code = stats(self.name .. " --prometheus --json")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf stats: --json and --prometheus exclude each other\n")
end

-- The parser itself finds what is wrong.
function TestPrometheus:testTheParserIsStrict()
  local head = "# HELP a b\n# TYPE a counter\n"
  lu.assertEquals(prometheus.value(prometheus.parse(head .. 'a{x="1"} 5\n'), "a", { x = "1" }), 5)
  for _, wrong in ipairs({ head .. 'a{x="1"} 5', head .. 'a{x="1} 5\n', head .. 'a{x="\\q"} 5\n', head .. 'b{x="1"} 5\n',
    head .. 'a{x="1"} y\n', head .. 'a{x="1"} 5\na{x="1"} 6\n', 'a{x="1"} 5\n', "# TYPE a counter\n", "# HELP a b\na{} 1\n" }) do
    lu.assertFalse(pcall(prometheus.parse, wrong), wrong)
  end
end

os.exit(lu.LuaUnit.run())
