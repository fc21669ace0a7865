-- Several workers: links between them, homecoming, the ledger of all, the end, reload, and the death of a worker.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local folder = support.folder()
local name = "test-workers-" .. ffi.C.getpid()
local running

TestWorkers = {}

local alive = support.alive

-- What is waited for in vain is told with what nf has printed and what its workers do.
local function wait(what, done)
  local ok, result = pcall(support.wait, what, done, folder .. "/output")
  if ok then return result end
  error(result .. support.run(support.nf .. " stats --interval 0 " .. name), 2)
end

local function file(text, path)
  path = folder .. "/" .. (path or "graph.lua")
  support.write(path, text)
  return path
end

-- Run until it ends by itself; gives what it printed. The ledger of all workers must balance.
local function run(text, options)
  local output, code = support.run(("timeout 200 %s run --name %s %s %s"):format(support.nf, name, options or "", file(text)))
  lu.assertEquals(code, 0, output)
  lu.assertStrContains(output, "it balances")
  return output
end

local function start(text, options)
  support.run(("%s run --name %s %s %s >%s/output 2>&1 & echo $! >%s/pid"):format(support.nf, name, options or "", file(text),
    folder, folder))
  running = tonumber(support.read(folder .. "/pid"))
  wait("nf", function()
    assert(alive(running), support.read(folder .. "/output"))
    return support.is_running(name)
  end)
end

-- Reload this configuration; gives the receipt.
local function reload(text)
  local output, code = support.run(("%s reload %s %s"):format(support.nf, name, file(text, "next.lua")))
  lu.assertEquals(code, 0, output .. support.read(folder .. "/output"))
  return output
end

local function stats() return (support.run(support.nf .. " stats --interval 0 --json " .. name)) end

-- A number of an app of all workers' statistics: the first app of that name.
local function number(text, app, key)
  return tonumber(text:match('"' .. app:gsub("%p", "%%%0") .. '": {[^{}]-"' .. key .. '": (%d+)'))
end

local function stop()
  ffi.C.kill(running, 15)
  wait("the end of nf", function() return not alive(running) end)
  running = nil
  local text = support.read(folder .. "/output")
  lu.assertStrContains(text, "it balances")
  return text
end

-- A configuration of workers, each given as the inside of its apps, and links.
local function graph(workers, links)
  local parts = {}
  for i, apps in ipairs(workers) do parts[i] = ("{ apps = { %s } }"):format(apps) end
  return ("return { workers = { %s }, links = { %s } }"):format(table.concat(parts, ", "), links)
end

-- The numbers of a line of the table at the end: packets, in, out, consumed, dropped.
local function line(output, app)
  local numbers = {}
  local text = assert(output:match("\n  " .. app:gsub("%p", "%%%0") .. " +([%d ]+)"), output)
  for n in text:gmatch("%d+") do numbers[#numbers + 1] = tonumber(n) end
  return { packets = numbers[1], received = numbers[2], out = numbers[3], consumed = numbers[4], dropped = numbers[5] }
end

function TestWorkers:tearDown()
  if running and alive(running) then ffi.C.kill(running, 9) end
  running = nil
end

function TestWorkers:testOneWayEveryPacketComesHome()
  for _, idle in ipairs({ "busy", "adaptive", "wait" }) do
    local output = run(graph({ 'source = { "basic.source", sizes = 60, number = 1000000 }', 'sink = { "basic.sink" }' },
      '"w1:source.output -> w2:sink.input"'), "--idle " .. idle)
    lu.assertEquals(line(output, "w2:sink.input"), { packets = 1000000, received = 0, out = 1000000, consumed = 0, dropped = 0 })
    lu.assertEquals(line(output, "w1:source.output"), { packets = 1000000, received = 1000000, out = 0, consumed = 0, dropped = 0 })
    lu.assertEquals(line(output, "sink").consumed, 1000000)
  end
end

function TestWorkers:testBothWaysBothEnd()
  local both = 'source = { "basic.source", sizes = 60, number = 300000 }, sink = { "basic.sink" }'
  local output = run(graph({ both, both }, '"w1:source.output -> w2:sink.input", "w2:source.output -> w1:sink.input"'))
  lu.assertStrContains(output, "ledger: 600000 received + 600000 created = 600000 sent + 600000 consumed + 0 dropped + 0 queued")
end

function TestWorkers:testAPacketThatComesBackToItsOwnWorker()
  local output = run(graph({ 'source = { "basic.source", sizes = 60, number = 300000 }, sink = { "basic.sink" }',
    'cut = { "basic.truncate", length = 60 }', 'cut = { "basic.truncate", length = 60 }' },
    '"w1:source.output -> w2:cut.input", "w2:cut.output -> w3:cut.input", "w3:cut.output -> w1:sink.input"'))
  lu.assertStrContains(output, "ledger: 900000 received + 300000 created = 900000 sent + 300000 consumed + 0 dropped + 0 queued")
end

local CIRCLE = [[return { workers = {
  { apps = { source = { "basic.source", sizes = 60 %s }, join = { "basic.join" } }, links = { "source -> join.a", "join.output -> w2:cut.input" } },
  { apps = { cut = { "basic.truncate", length = 60 } }, links = { "cut.output -> w3:cut.input" } },
  { apps = { cut = { "basic.truncate", length = 60 } }, links = { "cut.output -> w1:join.b" } } } }]]

-- A circle of three workers: as many packets as were made go round and round, and none is lost or added.
function TestWorkers:testThreeWorkersInACircle()
  start(CIRCLE:format(", number = 500"))
  local ends = { "w1:join.output", "w2:cut.output", "w3:cut.output" }
  wait("ten rounds", function()
    local text = stats()
    for _, app in ipairs(ends) do
      if (number(text, app, "received") or 0) < 5000 then return false end
    end
    return true
  end)
  local output = stop()
  lu.assertEquals(line(output, "source").received, 500)
  local dropped = 0
  for _, app in ipairs({ "source", "join", "cut", "w2:cut.input", "w3:cut.input", "w1:join.b", unpack(ends) }) do
    dropped = dropped + line(output, app).dropped
  end
  -- What still goes round in the end stands in the ledger, and nowhere else.
  local all, queued = output:match("(%d+) dropped %+ (%d+) queued: it balances")
  lu.assertEquals(all + queued, 500, output)
  lu.assertTrue(dropped <= 500)
end

-- One that is filled until nothing moves any more ends all the same.
function TestWorkers:testACircleThatIsFull()
  local output = run(CIRCLE:format(""), "--duration 300ms")
  local made = line(output, "source").received
  local dropped, queued = output:match("(%d+) dropped %+ (%d+) queued: it balances")
  lu.assertTrue(made >= 1024, output)
  lu.assertEquals(dropped + queued, made, output)
end

function TestWorkers:testLinksWithinOneWorkerMayNameIt()
  local output = run(graph({ 'source = { "basic.source", number = 10 }, sink = { "basic.sink" }' },
    '"w1:source.output -> w1:sink.input"'))
  lu.assertEquals(line(output, "sink").consumed, 10)
end

function TestWorkers:testAPlacementThatIsBadIsTold()
  local apps = 'apps = { s = { "basic.source", number = 1 }, k = { "basic.sink" } }, links = { "s -> k" }'
  local output = run(("return { workers = { { cpu = 4095, %s }, { cpu = 0, %s }, { cpu = 0, %s } } }"):format(apps, apps, apps))
  lu.assertStrContains(output, "worker 'w1': there is no processor 4095; this machine has 0..")
  lu.assertStrContains(output, "workers 'w2' and 'w3' share processor 0")
end

function TestWorkers:testFromFileToFileNothingIsLostAndTheOrderIsKept()
  local input = "tests/graph/common.in.pcap"
  local text = ([[return { workers = {
    { apps = { reader = { "pcap.reader", file = "%s" } }, links = { "reader.output -> w2:cut.input" } },
    { apps = { cut = { "basic.truncate", length = 2000 } } },
    { apps = { writer = { "pcap.writer", file = "%s/out.pcap" } } } }, links = { "w2:cut.output -> w3:writer.input" } }]])
  run(text:format(support.run("realpath -z " .. input .. " | tr -d '\\0'"), folder))
  local _, code = support.run(("tcpdump -nr %s -w - 2>/dev/null | tail -c +25 | cmp - <(tcpdump -nr %s/out.pcap -w - 2>/dev/null | tail -c +25)")
    :format(input, folder):gsub("^(.*)$", "bash -c '%1'"))
  lu.assertEquals(code, 0)
end

-- A worker that takes nothing: both links and the ring between them fill up, and then the source waits. When a reload puts an app
-- there that takes all, everything arrives.
function TestWorkers:testAFullRing()
  file([[return { name = "gate", help = "Take nothing.", inputs = { "input" }, push = function () end }]], "gate.lua")
  local workers = graph({ 'source = { "basic.source", sizes = 60, number = 100000 }', 'sink = { %s }' }, '"w1:source.output -> w2:sink.input"')
  start(workers:format('"gate"'))
  wait("full links", function()
    local text = stats()
    return number(text, "source", "created") == 3 * 1024 and number(text, "w1:source.output", "received") == 1024
  end)
  local output = reload(workers:format('"basic.sink"'))
  lu.assertStrContains(output, "packets lost   0")
  wait("the end, when all have arrived", function() return not alive(running) end)
  running, output = nil, support.read(folder .. "/output")
  lu.assertEquals(line(output, "source"), { packets = 100000, received = 100000, out = 0, consumed = 0, dropped = 0 })
  lu.assertStrContains(output, "100000 created = 100000 sent + 100000 consumed + 0 dropped + 0 queued")
end

function TestWorkers:testStatsSayThatTheMemoryOfAllBalancesAtRest()
  start(graph({ 'source = { "basic.source", sizes = 60, rate = "100Kpps", number = 1000 }, more = { "basic.source", rate = "1pps" }, rest = { "basic.sink" }',
    'sink = { "basic.sink" }' }, '"w1:source.output -> w2:sink.input", "w1:more.output -> w1:rest.input"'))
  wait("the source", function() return number(stats(), "w1:source.output", "received") == 1000 end)
  local text = wait("the balance of all workers", function()
    local out = support.run(support.nf .. " stats --interval 0 " .. name)
    return out:match("\nall workers\n.- 0 held %+ 0 between workers: balances") and out
  end)
  lu.assertNotStrContains(text, "DOES NOT BALANCE")
  stop()
end

-- A worker that has ended by itself cannot count what comes home to it later; the memory of all balances all the same.
function TestWorkers:testStatsBalanceAfterAWorkerHasEnded()
  start(graph({ 'source = { "basic.source", sizes = 60, number = 3000 }',
    'wait = { "basic.delay", time = "500ms" }, sink = { "basic.sink" }, more = { "basic.source", rate = "1pps" }' },
    '"w1:source.output -> w2:wait.input", "w2:wait.output -> w2:sink.a", "w2:more.output -> w2:sink.b"'))
  wait("the packets' end", function() return (number(stats(), "wait", "packets") or 0) == 3000 and
    (number(stats(), "sink", "consumed") or 0) >= 3000 end)
  local text = wait("the balance of all workers", function()
    local out = support.run(support.nf .. " stats --interval 0 " .. name)
    return out:match("\nall workers\n.- 0 held %+ %d+ between workers: balances") and out
  end)
  lu.assertStrMatches(text, ".*worker 1: ended;.*")
  -- 1,024 of them fill the ring home; the others wait for room in it.
  lu.assertTrue(tonumber(text:match("(%d+) between workers: balances")) >= 1024, text)
  stop()
end

function TestWorkers:testAReloadAddsKeepsAndRemovesLinks()
  local a = 'source = { "basic.source", sizes = 60, rate = "200Kpps" }, near = { "basic.sink" }, one = { "basic.source", rate = "1pps" }'
  local b = 'sink = { "basic.sink" }, one = { "basic.source", rate = "1pps" }'
  local own = '"w1:one.output -> w1:near.one", "w2:one.output -> w2:sink.one", '
  local near = graph({ a, b }, own .. '"w1:source.output -> w1:near.input"')
  local far = graph({ a, b }, own .. '"w1:source.output -> w2:sink.input"')
  local both = graph({ a, b }, own .. '"w1:source.output -> w2:sink.input", "w1:source.more -> w2:sink.more"')
  -- With the link goes what stands behind it, and an app that holds packets.
  local chain = graph({ a, b .. ', cut = { "basic.truncate", length = 50 }, wait = { "basic.delay", time = "1ms" }' },
    own .. '"w1:source.output -> w2:cut.input", "w2:cut.output -> w2:wait.input", "w2:wait.output -> w2:sink.input"')
  start(near)
  for _ = 1, 5 do
    for _, text in ipairs({ far, both, far, chain, near }) do
      lu.assertStrContains(reload(text), "packets lost   0")
    end
  end
  local output, code = support.run(("%s reload %s %s"):format(support.nf, name,
    file((far:gsub("{ workers = { {", "{ workers = { { name = 'x',"):gsub("w1:", "x:")), "next.lua")))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "a reload cannot rename worker 'w1' to 'x'; start nf anew")
  stop()
end

-- A reload gives a worker more packets; those that it sends to the other one are known there, and come home.
function TestWorkers:testPacketsThatAReloadAddedAreKnownToAllWorkers()
  local sink = 'sink = { "basic.sink" }'
  start(graph({ 'source = { "basic.source", sizes = 60, rate = "200Kpps" }', sink }, '"w1:source.output -> w2:sink.input"'))
  lu.assertStrMatches(reload(graph({
    'source = { "basic.source", sizes = 60, rate = "200Kpps" }, wait = { "basic.delay", time = "500ms", queue = 200000 }', sink },
    '"w1:source.output -> w1:wait.input", "w1:wait.output -> w2:sink.input"')), ".*\nsegments       [1-9].*")
  local before = number(stats(), "sink", "consumed")
  wait("packets of the new segment", function() return (number(stats(), "sink", "consumed") or 0) > before + 150000 end)
  lu.assertNotStrContains(stop(), "bad")
end

local function workers()
  local list = {}
  for pid in (support.read(("/proc/%d/task/%d/children"):format(running, running)) or ""):gmatch("%d+") do list[#list + 1] = tonumber(pid) end
  return list
end

local DUPLEX = graph({ 'source = { "basic.source", sizes = 60, rate = "200Kpps" }, sink = { "basic.sink" }',
  'source = { "basic.source", sizes = 60, rate = "200Kpps" }, sink = { "basic.sink" }' },
  '"w1:source.output -> w2:sink.input", "w2:source.output -> w1:sink.input"')

-- Both workers breathe, and packets arrive at both.
local function traffic()
  local before = stats()
  return wait("traffic", function()
    local now = stats()
    for _, app in ipairs({ "w1:source.output", "w2:source.output" }) do
      local a, b = number(before, app, "received"), number(now, app, "received")
      if not a or not b or b <= a then return false end
    end
    return #workers() == 2
  end)
end

-- Either end dies, ten times under traffic; the other one goes on, no packet is lost to it, and totals never go back.
function TestWorkers:testDeathOfEitherEnd()
  start(DUPLEX)
  local last = { 0, 0 }
  for i = 1, 10 do
    traffic()
    local pid = tonumber(stats():match('"worker": ' .. i % 2 + 1 .. ', "pid": (%d+)'))
    ffi.C.kill(pid, 9)
    wait("its successor", function()
      local now = tonumber(stats():match('"worker": ' .. i % 2 + 1 .. ', "pid": (%d+)'))
      return now and now ~= 0 and now ~= pid
    end)
    traffic()
    local now = stats()
    for w, app in ipairs({ "w2:source.output", "w1:source.output" }) do
      local received = number(now, app, "received")
      lu.assertTrue(received >= last[w], app)
      last[w] = received
    end
  end
  local text = stop()
  local count = select(2, text:gsub("is back after", ""))
  lu.assertEquals(count, 10, text)
  lu.assertStrContains(text, "workers that died and were started again: 10; what they had in hand is counted as crash")
end

function TestWorkers:testAWorkerThatDoesNotBreatheIsStartedAgain()
  start(DUPLEX)
  traffic()
  local pid = tonumber(stats():match('"worker": 1, "pid": (%d+)'))
  ffi.C.kill(pid, 19)   -- SIGSTOP
  wait("the watchdog", function() return not alive(pid) end)
  traffic()
  lu.assertStrContains(stop(), "worker 'w1' has not breathed for a second; it is ended")
end

-- The packet thread blocks within an app, which takes no time of the processor that a budget could see; the process lives on.
function TestWorkers:testAWorkerThatBlocksIsStartedAgain()
  file(([[local ffi, link = require("ffi"), require("nf.link")
    ffi.cdef("int pthread_mutex_lock(void *mutex); int access(const char *path, int mode); int creat(const char *path, unsigned mode);")
    local marker, mutex, seen = "%s/blocked", ffi.new("uint64_t[16]"), 0
    return { name = "block", help = "Block once.", unsafe = true, inputs = { "input" }, outputs = { "output" },
      push = function (self)
        for _ = 1, link.count(self.input.input) do link.send(self.output.output, link.receive(self.input.input)) seen = seen + 1 end
        if seen > 100 and ffi.C.access(marker, 0) ~= 0 then
          ffi.C.creat(marker, 384)
          ffi.C.pthread_mutex_lock(mutex)
          ffi.C.pthread_mutex_lock(mutex)
        end
      end }]]):format(folder), "block.lua")
  start(graph({ 'source = { "basic.source", sizes = 60, rate = "10Kpps" }, block = { "block" }, rest = { "basic.sink" }',
    'source = { "basic.source", sizes = 60, rate = "10Kpps" }, sink = { "basic.sink" }' },
    '"w1:source.output -> w1:block.input", "w1:block.output -> w1:rest.input", "w2:source.output -> w2:sink.input"'), "--no-sandbox")
  wait("the watchdog", function() return support.read(folder .. "/output"):find("is back after", 1, true) end)
  local before = number(stats(), "rest", "consumed") or 0
  wait("traffic", function() return (number(stats(), "rest", "consumed") or 0) > before + 1000 end)
  local text = stop()
  lu.assertStrContains(text, "worker 'w1' has not breathed for a second; it is ended")
  lu.assertEquals(select(2, text:gsub("is back after", "")), 1)
  lu.assertStrContains(text, "workers that died and were started again: 1;")
end

-- A worker that dies of a Lua app, which never comes back from a call of C, is started again without that app.
function TestWorkers:testAnAppThatEndsItsWorkerIsQuarantinedInTheSuccessor()
  file([[local ffi, link = require("ffi"), require("nf.link")
    ffi.cdef("int pthread_spin_lock(volatile int *lock);")
    local lock, seen = ffi.new("int[1]", 1), 0
    return { name = "hang", help = "Never come back.", unsafe = true, inputs = { "input" }, outputs = { "output" },
      push = function (self)
        for _ = 1, link.count(self.input.input) do link.send(self.output.output, link.receive(self.input.input)) seen = seen + 1 end
        if seen > 100 then ffi.C.pthread_spin_lock(lock) ffi.C.pthread_spin_lock(lock) end
      end }]], "hang.lua")
  start('return { apps = { source = { "basic.source", rate = "10Kpps" }, tee = { "basic.tee" }, hang = { "hang" }, ' ..
    'one = { "basic.sink" }, two = { "basic.sink" } }, links = { "source -> tee.input", "tee.a -> hang.input", "hang -> one", ' ..
    '"tee.b -> two" } }')
  wait("the quarantine", function() return support.read(folder .. "/output"):find("is quarantined", 1, true) end)
  local before = number(stats(), "two", "consumed")
  wait("traffic", function() return (number(stats(), "two", "consumed") or 0) > before + 1000 end)
  local text = stop()
  lu.assertStrContains(text, "app 'hang' cannot be left")
  lu.assertStrContains(text, "ended with code 98; it is started again")
  lu.assertStrContains(text, "app 'hang' is quarantined: a call of C did not come back, which ended the worker before this one")
  lu.assertStrContains(text, "workers that died and were started again: 1;")
end

os.exit(lu.LuaUnit.run())
