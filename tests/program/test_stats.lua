-- nf stats: what it says about numbers that the test writes.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local instance = require("support_instance")

ffi.cdef("int close(int fd);")

TestStats = {}

local function stats(arguments) return support.run("'" .. support.nf .. "' stats " .. arguments) end

-- A worker that received 10 packets: 2 dropped, 3 sent, 1 on the link, 4 held.
local function worker(changes)
  local ledger = { taken = 30, returned = 25, on_links = 1, held = 4, received = 10, sent = 3, dropped = 2 }
  for name, value in pairs(changes or {}) do ledger[name] = value end
  return { pid = 4711, time = 5, entries = instance.join(
    instance.app(0, "in", { received = 10, packets = 10, cycles = 155, calls = 3 }, { { "late", 6 }, { "early", 0 } }),
    instance.app(1, "out", { sent = 3, dropped = 2, packets = 9, cycles = 90, held = 4, down = 1, ["lost-outside"] = 8 }, {},
      { { "too-long", 2 }, { "stop", 0 } }),
    instance.link(0, "in.output -> out.input", { sent = 10, received = 9, bytes = 640, dropped = 0,
      ["residence-p50"] = 1500, ["residence-p99"] = 40 }),
    instance.engine({ breaths = 100, sleeps = 7, buckets = { [8] = 90, [20] = 10 } }, ledger)) }
end

function TestStats:setUp() self.name = instance.name() end

function TestStats:tearDown()
  if self.lock then nf.instance_remove(self.name, self.lock) end
end

function TestStats:create(workers, header) self.lock = instance.create(self.name, instance.bytes(workers, header)) end

-- The cells of the row of a name.
local function row(text, name)
  local line = ("\n" .. text):match("\n +" .. name:gsub("%p", "%%%0") .. " +([^\n]*)")
  local cells = {}
  for cell in line:gmatch("%S+") do cells[#cells + 1] = cell end
  return cells, line
end

function TestStats:testTheHeadTellsWhatRuns()
  self:create({ worker() })
  local text, code = stats(self.name .. " --interval 0")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, self.name:gsub("%-", "%%-") .. ": process %d+, 1 worker, since 1970%-01%-%d%d [%d:]+\n/etc/nf/test%.lua\n" ..
    "\nworker 1: process 4711, running; 100 breaths, 7 sleeps; a breath takes 10 ns %(half%), 80 ns %(99 %%%), 80 ns %(99%.9 %%%)\n.*")
end

function TestStats:testAppsHaveARowEach()
  self:create({ worker() })
  local text = stats(self.name .. " --interval 0")
  lu.assertEquals(row(text, "app"), { "packets", "per", "second", "cycles", "each", "received", "created", "sent", "consumed", "dropped",
    "held" })
  lu.assertEquals(row(text, "in"), { "10", "0", "15.5", "10", "0", "0", "0", "0", "0", "late", "6" })
  local cells, line = row(text, "out")
  lu.assertEquals({ unpack(cells, 1, 9) }, { "9", "0", "10.0", "0", "0", "3", "0", "2", "4" })
  lu.assertStrContains(line, "4  down, lost outside 8, dropped as too-long 2")
end

function TestStats:testLinksHaveARowEach()
  self:create({ worker() })
  local text = stats(self.name .. " --interval 0")
  lu.assertEquals(row(text, "in.output -> out.input"), { "10", "0", "640", "1", "0", "1.5", "us", "40", "ns" })
end

function TestStats:testTheLedgerIsPrinted()
  self:create({ worker({ lost_outside = 8 }) })
  local text, code = stats(self.name .. " --interval 0")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "  ledger  memory: 30 taken - 25 returned = 1 on links + 4 held: balances\n")
  lu.assertStrContains(text, "  ledger  flow:   10 received + 0 created = 3 sent + 0 consumed + 2 dropped + 5 queued: balances\n")
  lu.assertStrContains(text, "  lost outside of nf (by cards, the kernel): 8\n")
end

function TestStats:testABrokenFlowFails()
  self:create({ worker({ sent = 2 }) })
  local text, code = stats(self.name .. " --interval 0")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "+ 2 dropped + 5 queued: DOES NOT BALANCE\n")
  lu.assertStrContains(text, "nf stats: the ledger of worker 1 does not balance: flow: 10 received")
  text, code = stats(self.name .. " --interval 0 --json 2>/dev/null")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, '"balances": false')
end

function TestStats:testBrokenMemoryFails()
  self:create({ worker({ taken = 31 }) })
  local text, code = stats(self.name .. " --interval 0")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "31 taken - 25 returned = 1 on links + 4 held: DOES NOT BALANCE\n")
  lu.assertStrContains(text, "does not balance: memory: 6 packets are in use")
end

function TestStats:testOneWorkerOfSeveral()
  self:create({ worker(), worker({ sent = 2 }) })
  local text, code = stats(self.name .. " --interval 0 --worker 1")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "worker 1:")
  lu.assertNotStrContains(text, "worker 2:")
  lu.assertEquals(select(2, stats(self.name .. " --interval 0 --worker 2")), 1)
  text, code = stats(self.name .. " --worker 3")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf stats: option '--worker': '3' is not a number 1..2\n")
  for _, wrong in ipairs({ "0", "-1", "x", "1x", "''" }) do
    lu.assertEquals(select(2, stats(self.name .. " --worker " .. wrong)), 2, wrong)
  end
end

function TestStats:testIntervalIsADuration()
  self:create({ worker() })
  lu.assertEquals(select(2, stats(self.name .. " --interval 1ms")), 0)
  lu.assertEquals(select(2, stats(self.name .. " --interval 0.001")), 0)
  local text, code = stats(self.name .. " --interval soon")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf stats: option '--interval': 'soon' is not a duration, for example 10s, 1.5min or 100us\n")
end

function TestStats:testRatesAreMeasured()
  self:create({ worker() })
  local later = worker()
  later.time = 1000000005
  for _, entry in ipairs(later.entries) do
    if entry[4] == "packets" then entry[5] = entry[5] + 14880000 end
    if entry[4] == "cycles" then entry[5] = entry[5] + 29760000 end
  end
  local text, code
  -- The numbers are exchanged between the two looks, if the machine lets both take place when they should.
  for _, seconds in ipairs({ 0.3, 3, 12 }) do
    support.write(instance.path(self.name, "stats.first"), instance.bytes({ worker() }))
    support.write(instance.path(self.name, "stats.later"), instance.bytes({ later }))
    os.rename(instance.path(self.name, "stats.first"), instance.path(self.name, "stats"))
    text, code = support.run(("{ sleep %s; mv '%s' '%s'; } & '%s' stats %s --interval %ss; (exit $?)"):format(seconds,
      instance.path(self.name, "stats.later"), instance.path(self.name, "stats"), support.nf, self.name, 2 * seconds))
    lu.assertEquals(code, 0)
    if (row(text, "in"))[2] ~= "0" then break end
  end
  lu.assertEquals({ unpack((row(text, "in")), 1, 4) }, { "14880010", "14.9", "M", "2.0" })
end

function TestStats:testJsonHasEveryNumber()
  self:create({ worker() })
  local text, code = stats(self.name .. " --interval 0 --json")
  lu.assertEquals(code, 0)
  lu.assertEquals(select(2, text:gsub("\n", "")), 1)
  lu.assertStrContains(text, '{"name": "' .. self.name .. '", "file": "/etc/nf/test.lua", "running": true, "pid": ' .. ffi.C.getpid())
  lu.assertStrContains(text, '"state": "running", "torn": false')
  lu.assertStrContains(text, '"breath_ns": {"p50": 10, "p99": 80, "p999": 80}')
  lu.assertStrContains(text, '"in": {"received": 10, "created": 0, "sent": 0, "consumed": 0, "dropped": 0, "lost-outside": 0, ' ..
    '"cycles": 155, "packets": 10, "calls": 3, "held": 0, "down": 0, "packets_per_second": 0.0, "counters": {"late": 6, "early": 0}, "gauges": {}, ' ..
    '"reasons": {}}')
  lu.assertStrContains(text, '"counters": {}, "gauges": {}, "reasons": {"too-long": 2, "stop": 0}}')
  lu.assertStrContains(text, '"in.output -> out.input": {"sent": 10, "received": 9, "bytes": 640, "dropped": 0, ' ..
    '"residence-p50": 1500, "residence-p99": 40, "packets_per_second": 0.0}')
  lu.assertStrContains(text, '"ledger": {"taken": 30, "returned": 25, "on_links": 1, "held": 4, "received": 10, "created": 0, "sent": 3, ' ..
    '"consumed": 0, "dropped": 2, "lost_outside": 0, "between": 0, "posted": 0, "balances": true}')
end

function TestStats:testAKilledInstanceStillTells()
  self:create({ worker() })
  ffi.C.close(self.lock)
  local text, code = stats(self.name)
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, self.name .. ": does not run any more; the last numbers of process " .. ffi.C.getpid() .. ", started ")
  lu.assertStrContains(text, "\nworker 1: running; ")
  lu.assertStrContains(stats(self.name .. " --json"), '"running": false')
  self.lock = nf.instance_create(self.name)
end

function TestStats:testASnapshotThatWasCutOffIsMarked()
  local w = worker()
  w.sequence = 3
  self:create({ w })
  lu.assertStrContains(stats(self.name .. " --interval 0"), "this worker died in the middle of a snapshot: numbers may not fit together\n")
  lu.assertStrContains(stats(self.name .. " --interval 0 --json"), '"torn": true')
end

function TestStats:testNamesThatAreNone()
  lu.assertEquals({ stats("no-such-nf") }, { "nf stats: there is no nf with the name 'no-such-nf'; nf ps lists all\n", 1 })
  local text, code = stats("../etc")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nf stats: '../etc' is no name for an instance")
  text, code = stats("")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf stats: NAME is missing\n")
end

function TestStats:testHostileFilesAreRefused()
  local good = instance.bytes({ worker() })
  local size = ffi.sizeof("struct stats_header")
  self:create({ worker() })
  local function refuse(bytes, what)
    support.write(instance.path(self.name, "stats"), bytes)
    local text, code = stats(self.name .. " --interval 0")
    lu.assertEquals(code, 1, what)
    lu.assertStrContains(text, "is no statistics file of this version of nf\n")
  end
  refuse("", "empty")
  refuse(good:sub(1, size), "header alone")
  refuse(good:sub(1, -9), "cut off")
  refuse(good .. "x", "too long")
  for field, value in pairs({ magic = 1, version = 2, workers = 65, bytes = 1 }) do
    refuse(instance.bytes({ worker() }, { [field] = value }), field)
  end
  for _, offset in ipairs({ #good, #good - 8, 4, 2 ^ 40 }) do
    refuse(instance.bytes({ worker() }, { block = ffi.new("uint64_t[64]", { offset }) }), "block at " .. offset)
  end
  local block = ffi.new("struct stats_block")
  ffi.copy(block, good:sub(size + 1), ffi.sizeof(block))
  for field, value in pairs({ count = 0xffffffff, entry = 2 ^ 40, snapshot = #good }) do
    local bad = ffi.new("struct stats_block", block)
    bad[field] = value
    refuse(good:sub(1, size) .. ffi.string(bad, ffi.sizeof(bad)) .. good:sub(size + ffi.sizeof(bad) + 1), field)
  end
end

-- A worker maps the file and may write to it at any time, also after a reader has checked it.
function TestStats:testWhatWasCheckedIsNotReadAgain()
  self:create({ worker() })
  local path = instance.path(self.name, "stats")
  local out = ffi.new("struct stats *[1]")
  lu.assertEquals(nf.stats_open(out, path), 0)
  local reader, header = out[0], ffi.new("struct stats_header")
  local count = nf.stats_entry_count(reader, 0)
  local block = ffi.new("struct stats_block")
  header.workers, header.block[0] = 64, 2 ^ 40
  block.count, block.entry, block.snapshot, block.sequence = 2 ^ 31, 2 ^ 40, 2 ^ 40, 2
  local file = io.open(path, "r+b")
  file:write(ffi.string(header, ffi.sizeof(header)), ffi.string(block, ffi.sizeof(block)))
  file:close()
  local values = ffi.new("uint64_t[?]", count + 1)
  values[count] = 12345
  lu.assertEquals(nf.stats_worker_count(reader), 1)
  lu.assertEquals(nf.stats_entry_count(reader, 0), count)
  lu.assertEquals(nf.stats_read(reader, 0, values, nil), 0)
  lu.assertEquals({ values[0], values[count] }, { 10ULL, 12345ULL })
  lu.assertEquals(nf.stats_value(reader, 0, values, "out", "sent"), 3ULL)
  nf.stats_close(reader)
end

os.exit(lu.LuaUnit.run())
