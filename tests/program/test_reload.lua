-- nf reload: a running graph is changed, all or nothing, and loses nothing.
-- NF_RELOADS=N sets how many reloads the test under traffic makes (default 1,000; 200 under a sanitizer).
local lu = require("luaunit")
local ffi = require("ffi")
local core = require("nf.core")
local support = require("support")
local netdev = require("support_netdev")

ffi.cdef("int kill(int pid, int signal); char *control_text(const char *name, const char *line); void free(void *memory);")

local folder = support.folder()
local name = "test-reload-" .. ffi.C.getpid()
local RELOADS = tonumber(os.getenv("NF_RELOADS")) or (support.nf:find("address", 1, true) and 200 or 1000)
local running

TestReload = {}

local wait, alive = support.wait, support.alive

local function background(command) return support.background(command, folder .. "/output") end

local function file(text, path)
  path = folder .. "/" .. (path or "graph.lua")
  support.write(path, text)
  return path
end

local function start(text, options, environment)
  running = background(("%s%s run --name %s %s %s"):format(environment or "", support.nf, name, options or "", file(text)))
  wait("nf", function()
    assert(alive(running), support.read(folder .. "/output"))
    return support.is_running(name)
  end)
end

-- End it; gives what it printed. The ledger must balance.
local function stop()
  ffi.C.kill(running, 15)
  wait("the end of nf", function() return not alive(running) end)
  running = nil
  local text = support.read(folder .. "/output")
  lu.assertStrContains(text, "it balances")
  return text
end

local function nf(arguments) return support.run(support.nf .. " " .. arguments) end

-- What `nf reload` does, without the start of a process; gives the receipt.
local function reload(path)
  local text = ffi.C.control_text(name, ("reload\t0\t%s\n"):format(path))
  if text == nil then error(ffi.string(core.nf_error()), 2) end
  local receipt = ffi.string(text)
  ffi.C.free(text)
  return receipt
end

local function flow(middle, links)
  return ([[return { apps = { source = { "basic.source", rate = "200Kpps", sizes = 60 }, sink = { "basic.sink" }, %s }, links = { %s } }]])
    :format(middle, links)
end

local PLAIN = flow("", [["source -> sink"]])
local SAMPLED = flow([[some = { "basic.sample", n = 4 }, rest = { "basic.sink" }]],
  [["source -> some.input", "some.output -> sink", "some.rejected -> rest"]])

function TestReload:tearDown()
  if running and alive(running) then ffi.C.kill(running, 9) end
  running = nil
  netdev.clean()
end

function TestReload:testTheReceiptNamesWhatWasDone()
  start(PLAIN)
  local text, code = nf(("reload %s %s"):format(name, file(SAMPLED)))
  lu.assertEquals(code, 0, text)
  for _, line in ipairs({ "kept           2  sink, source", "started        2  rest, some", "stopped        0", "packets lost   0",
    "links added    3  source.output -> some.input" }) do
    lu.assertStrContains(text, line)
  end
  lu.assertStrContains(text, " us  w1")
  text = nf(("reload %s %s"):format(name, file(SAMPLED:gsub("n = 4", "n = 5"))))
  lu.assertStrContains(text, "reconfigured   1  some")
  text = nf(("reload %s %s"):format(name, file(SAMPLED:gsub('"basic.sample", n = 4', '"lua.select"'))))
  lu.assertStrContains(text, "replaced       1  some")
  text = nf(("reload %s %s"):format(name, file(PLAIN)))
  lu.assertStrContains(text, "stopped        2  rest, some")
  stop()
end

function TestReload:testWithoutAFileThePresentOneIsReadAgain()
  start(PLAIN)
  file(SAMPLED)
  lu.assertStrContains(nf("reload " .. name), "started        2  rest, some")
  stop()
end

function TestReload:testSighupReloads()
  start(PLAIN)
  file(SAMPLED)
  ffi.C.kill(running, 1)
  wait("the reload", function() return nf("stats --interval 0 " .. name):find("rest", 1, true) end)
  stop()
end

function TestReload:testWatchReloadsWhenTheFileIsWritten()
  start(PLAIN, "--watch")
  os.execute("sleep 0.6")
  file(SAMPLED)
  wait("the reload", function() return nf("stats --interval 0 " .. name):find("rest", 1, true) end)
  stop()
end

function TestReload:testDiffTellsAndDoesNothing()
  start(PLAIN)
  local text, code = nf(("diff %s %s"):format(name, file(SAMPLED, "other.lua")))
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "started        2  rest, some")
  lu.assertNotStrContains(text, "pause")
  lu.assertNil(nf("stats --interval 0 " .. name):find("rest", 1, true))
  stop()
end

function TestReload:testAReloadThatIsNotConfirmedIsTakenBack()
  start(PLAIN)
  local text, code = nf(("reload --confirm 300ms %s %s"):format(name, file(SAMPLED, "other.lua")))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "started        2  rest, some")
  wait("the message", function() return support.read(folder .. "/output"):find("was not confirmed", 1, true) end)
  wait("the way back", function() return not nf("stats --interval 0 " .. name):find("rest", 1, true) end)
  lu.assertStrContains(stop(), "was not confirmed")
end

function TestReload:testAConfirmedReloadStays()
  start(PLAIN)
  local text, code
  -- A confirmation may come too late on a busy machine: then with more time.
  for _, seconds in ipairs({ 0.5, 4, 30 }) do
    text, code = nf(("reload --confirm %ss %s %s"):format(seconds, name, file(SAMPLED, "other.lua")))
    lu.assertEquals(code, 0, text)
    text, code = nf("confirm " .. name)
    if code == 0 then
      os.execute("sleep " .. seconds + 0.1)
      break
    end
    wait("the way back", function() return not nf("stats --interval 0 " .. name):find("rest", 1, true) end)
  end
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(nf("stats --interval 0 " .. name), "rest")
  text, code = nf("confirm " .. name)
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nothing waits")
  stop()
end

function TestReload:testAnEditedLuaModuleCountsAsAChange()
  local module = [[local link = require("nf.link")
    return { name = "mine", help = "Pass.", inputs = { "input" }, outputs = { "output" }, params = {},
      new = function() return {} end,
      push = function(self) for _ = 1, link.count(self.input.input) do link.send(self.output.output, link.receive(self.input.input)) end end } ]]
  file(module, "mine.lua")
  local text = flow([[mine = { "mine" }]], [["source -> mine -> sink"]])
  start(text)
  lu.assertStrContains(nf("reload " .. name), "kept           3  mine, sink, source")
  file(module .. "-- changed", "mine.lua")
  lu.assertStrContains(nf("reload " .. name), "replaced       1  mine")
  stop()
end

-- Every way to fail leaves the old graph running, and nothing behind.
local function descriptors(pid)
  local count = 0
  for _ in io.popen(("ls /proc/%d/fd"):format(pid)):lines() do count = count + 1 end
  return count
end

local function children(pid)
  return tonumber((support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):match("%d+"))
end

function TestReload:testFailuresLeaveTheOldGraphAndNothingBehind()
  start(PLAIN)
  local worker = children(running)
  nf(("reload %s %s"):format(name, file(PLAIN)))
  local before = { descriptors(running), descriptors(worker) }
  support.write(folder .. "/precious", "precious")
  local failures = {
    { "a wrong key", flow([[x = { "basic.sample", m = 1 }]], [["source -> x.input", "x.output -> sink"]]), "key 'm'" },
    { "a Lua error", "error('on purpose')", "on purpose" },
    { "not Lua", "return {", "graph.lua" },
    { "a missing file", flow([[r = { "pcap.reader", file = "missing.pcap" }]], [["source -> sink.a", "r -> sink.b"]]), "missing.pcap" },
    { "memory that is short", flow([[d = { "basic.delay", time = "1s", queue = 100000000 }]], [["source -> d -> sink"]]), "" },
    { "another number of workers", "local w = " .. PLAIN:gsub("^return", "") .. " return { workers = { w, w } }", "number of workers" },
    { "an app that fails to start", flow([[bad = { "failing" }]], [["source -> bad -> sink"]]), "refuses to start" },
    { "a file made and taken back", flow([[w = { "pcap.writer", file = "made.pcap" }, r = { "pcap.reader", file = "missing.pcap" },
      t = { "basic.tee" }]], [["source -> t.input", "t.a -> sink.a", "t.b -> w", "r -> sink.b"]]), "missing.pcap" },
  }
  file([[return { name = "failing", help = "Fails.", inputs = { "input" }, outputs = { "output" }, params = {},
    new = function() error("refuses to start") end, push = function() end }]], "failing.lua")
  for _ = 1, 10 do
    for _, failure in ipairs(failures) do
      local text, code = nf(("reload %s %s"):format(name, file(failure[2])))
      lu.assertEquals(code, 1, failure[1] .. ": " .. text)
      lu.assertStrContains(text, failure[3], false, failure[1])
      lu.assertStrContains(text, "nf reload: ")
    end
  end
  lu.assertNil(support.read(folder .. "/made.pcap"))
  lu.assertEquals({ descriptors(running), descriptors(worker) }, before)
  lu.assertEquals(children(running), worker)
  lu.assertStrContains(stop(), " 0 dropped")
end

function TestReload:testABusyDeviceIsToldAndNothingChanges()
  if not netdev.can_make() then lu.skip("needs root and /dev/net/tun") end
  local namespace = netdev.namespace("busy")
  local tap = ([[tap = { "tap.tap", name = "busy0", namespace = %q }]]):format(namespace)
  -- From the start in a namespace: else the supervisor could not enter one any more.
  start(flow((tap:gsub("busy0", "own0")), [["source -> tap.input", "tap.output -> sink"]]))
  local other = name .. "-other"
  support.run(("%s run --name %s %s >%s/other 2>&1 & echo $! >%s/pid"):format(support.nf, other,
    file(flow(tap, [["source -> tap.input", "tap.output -> sink"]]), "other.lua"), folder, folder))
  local pid = tonumber(support.read(folder .. "/pid"))
  wait("the other nf", function() return nf("ps"):find(other, 1, true) end)
  local text, code = nf(("reload %s %s"):format(name, folder .. "/other.lua"))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "busy0")
  ffi.C.kill(pid, 15)
  wait("its end", function() return not alive(pid) end)
  stop()
end

-- How often the app that takes its time has said that a worker makes it.
local function makings() return select(2, support.read(folder .. "/output"):gsub("slow is being made", "")) end

function TestReload:testAWorkerThatDiesMeanwhile()
  start(PLAIN, "", "env NF_LOG=info ")
  file([[return { name = "slow", help = "Slow.", inputs = { "input" }, outputs = { "output" }, params = {},
    new = function() print("slow is being made") local t = os.clock() while os.clock() - t < 0.2 do end return {} end,
    push = function() end }]], "slow.lua")
  file(flow([[slow = { "slow" }]], [["source -> slow -> sink"]]), "with_slow.lua")
  for i = 1, 4 do       -- five deaths within a minute end a run, on purpose
    local worker, before = children(running), makings()
    local client
    -- On a busy machine it may take longer than an app may, already before a worker makes it: then once more.
    wait("the app to be made", function()
      if not client or not alive(client) then
        client = support.background(("%s reload %s %s/with_slow.lua"):format(support.nf, name, folder), folder .. "/text")
      end
      return makings() > before
    end)
    ffi.C.kill(worker, 9)
    wait("the answer", function() return not alive(client) end)
    lu.assertStrContains(support.read(folder .. "/text"), "ended meanwhile")
    wait("the next worker", function()
      local now = children(running)
      return now and now ~= worker and support.is_running(name)
    end)
    local _, code = nf(("reload %s %s"):format(name, file(PLAIN)))
    lu.assertEquals(code, 0, "reload after death " .. i)
  end
  stop()
end

function TestReload:testTheControlSocketRefusesNonsense()
  start(PLAIN)
  local path = (os.getenv("XDG_RUNTIME_DIR") and support.run("id -u"):gsub("%s", "") ~= "0" and os.getenv("XDG_RUNTIME_DIR") .. "/nf" or
    "/run/nf") .. "/" .. name .. "/control"
  lu.assertStrContains(support.run("stat -c %a " .. path), "600")
  local script = folder .. "/nonsense.lua"
  support.write(script, ([[
    local ffi = require("ffi")
    ffi.cdef("int socket(int, int, int); int connect(int, const void *, unsigned); long send(int, const void *, size_t, int);" ..
      "long read(int, void *, size_t); int close(int); struct un { uint16_t family; char path[108]; };")
    for _, text in ipairs({ "frobnicate\n", "\n", "reload\n", "reload\t1\t2\t3\t4\n", "diff\n", "a\0b\n", ("x"):rep(20000), "no end" }) do
      local fd, address = ffi.C.socket(1, 1, 0), ffi.new("struct un", { 1, %q })
      assert(ffi.C.connect(fd, address, ffi.sizeof(address)) == 0)
      ffi.C.send(fd, text, #text, 0x4000)
      local buffer = ffi.new("char[200]")
      local answer, n = ""
      repeat
        n = tonumber(ffi.C.read(fd, buffer, 200))
        if n > 0 then answer = answer .. ffi.string(buffer, n) end
      until n <= 0
      print(answer == "" and "closed" or (answer:gsub("\n", " ")))
      ffi.C.close(fd)
    end
  ]]):format(path))
  local text, code = support.run(support.nf .. " lua " .. script)
  lu.assertEquals(code, 0, text)
  for line in text:gmatch("[^\n]+") do
    lu.assertTrue(line == "closed" or line:find("failed this nf does not know that command", 1, true) ~= nil, line)
  end
  lu.assertStrContains(nf("reload " .. name), "kept")
  stop()
end

function TestReload:testWhoCannotBeReached()
  local text, code = nf("reload nobody-is-there")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "there is no nf with the name 'nobody-is-there'; nf ps lists all")
  text, code = nf("reload")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "NAME")
end

-- Datagrams that a namespace received and that no socket had room for.
local function overflows(namespace)
  local text = support.run(("ip netns exec %s cat /proc/net/snmp"):format(namespace))
  local names, numbers = text:match("Udp: (%a[^\n]*)\nUdp: (%d[^\n]*)")
  local value = {}
  for number in numbers:gmatch("%d+") do value[#value + 1] = tonumber(number) end
  local i = 0
  for field in names:gmatch("%a+") do
    i = i + 1
    if field == "RcvbufErrors" then return value[i] end
  end
  error("the kernel does not count RcvbufErrors")
end

-- Sequence-numbered datagrams through two taps, both ways, while the path between them changes with each reload. The receivers
-- and the kernel's counters tell what is lost, not nf.
function TestReload:testAThousandReloadsUnderTrafficLoseNothing()
  if not netdev.can_make() then lu.skip("needs root and /dev/net/tun") end
  if support.run("command -v iperf3") == "" then lu.skip("needs iperf3") end
  local a, b = netdev.namespace("a"), netdev.namespace("b")
  local function tap(namespace) return ([[{ "tap.tap", name = "port", namespace = %q }]]):format(namespace) end
  local function path(middle, links)
    return file(("return { apps = { a = %s, b = %s, %s }, links = { %s } }"):format(tap(a), tap(b), middle, links))
  end
  local BACK = [["b.output -> a.input"]]
  -- Each step adds, removes, reconfigures or replaces an app in the path.
  local steps = {
    { "", [["a.output -> b.input", ]] .. BACK },
    { [[x = { "basic.join" }]], [["a.output -> x.1", "x -> b.input", ]] .. BACK },
    { [[x = { "basic.tee" }, s = { "basic.sink" }]], [["a.output -> x.input", "x.s -> s", "x.b -> b.input", ]] .. BACK },
    { [[x = { "basic.split" }, y = { "basic.join" }]], [["a.output -> x.input", "x.1 -> y.1", "x.2 -> y.2", "y -> b.input", ]] .. BACK },
    { [[x = { "basic.shaper", rate = "900Mbps" }]], [["a.output -> x -> b.input", ]] .. BACK },
    { [[x = { "basic.shaper", rate = "800Mbps" }, z = { "lua.select" }]], [["a.output -> x -> b.input", "b.output -> z.input", "z.output -> a.input"]] },
    { [[x = { "basic.delay", time = "1ms" }, z = { "basic.sample", n = 1 }]],
      [["a.output -> x -> b.input", "b.output -> z.input", "z.output -> a.input"]] },
    { [[x = { "basic.delay", time = "2ms" }]], [["a.output -> x -> b.input", ]] .. BACK },
  }
  path(steps[1][1], steps[1][2])
  start(support.read(folder .. "/graph.lua"), "--idle adaptive")
  -- A queue for some seconds: what an nf that does not get a processor for so long does not read is not lost by a reload.
  for i, namespace in ipairs({ a, b }) do
    wait("the tap", function() return select(2, support.run(("ip netns exec %s ip link show port"):format(namespace))) == 0 end)
    netdev.within(namespace, ("ip addr add 10.8.0.%d/24 dev port && ip link set port txqueuelen 20000"):format(i))
  end
  wait("the path", function()
    local _, code = support.run(("ip netns exec %s ping -q -c 1 -W 1 10.8.0.2"):format(a))
    return code == 0
  end)
  local seconds = 3600
  local sessions = {}
  -- Each client receives from the other end's server: its own count is complete when it is interrupted.
  for i, namespace in ipairs({ a, b }) do
    support.run(("ip netns exec %s iperf3 -s -1 --forceflush -p %d >%s/server%d 2>&1 &"):format(i == 1 and b or a, 5300 + i, folder, i))
    wait("iperf3", function() return (support.read(folder .. "/server" .. i) or ""):find("listening", 1, true) end)
    support.run(("ip netns exec %s iperf3 -c 10.8.0.%d -p %d -u -b 4M -l 200 -t %d --json -R >%s/client%d 2>&1 & echo $! >%s/pid"):format(
      namespace, 3 - i, 5300 + i, seconds, folder, i, folder))
    sessions[i] = tonumber(support.read(folder .. "/pid"))
  end
  local function count(namespace, what) return tonumber(netdev.within(namespace, "cat /sys/class/net/port/statistics/" .. what)) end
  wait("traffic", function() return count(a, "rx_packets") > 200 and count(b, "rx_packets") > 200 end)
  -- Until here the interfaces were made, and the length of their queues was changed.
  local before = {}
  for i, namespace in ipairs({ a, b }) do before[i] = { count(namespace, "tx_dropped"), count(namespace, "rx_dropped") } end
  for i = 1, RELOADS do
    local step = steps[i % #steps + 1]
    local ok, text = pcall(reload, path(step[1], step[2]))
    lu.assertTrue(ok, ("reload %d: %s"):format(i, text))
    lu.assertStrContains(text, "packets lost   0")
  end
  -- The reloads may be over before iperf3's receivers have run for long.
  wait("traffic", function() return count(a, "rx_packets") > 1200 and count(b, "rx_packets") > 1200 end)
  -- A client that is interrupted prints its results; what is on the way by then arrives first.
  for i, pid in ipairs(sessions) do
    ffi.C.kill(pid, 2)
    wait("iperf3", function() return not alive(pid) end)
    local text = support.read(folder .. "/client" .. i)
    local received = text:match('"sum":%s*(%b{})%s*,%s*"sum_sent"') or text:match('"end":.*"sum":%s*(%b{})') or text
    local lost, packets = received:match('"lost_packets":%s*(%-?%d+)'), received:match('"packets":%s*(%d+)')
    lu.assertTrue(tonumber(packets) > 1000, text)
    -- What reached the interface and was thrown away because iperf3 did not run in time is counted by its socket.
    lu.assertEquals(tonumber(lost) - overflows(i == 1 and a or b), 0, text)
  end
  for i, namespace in ipairs({ a, b }) do
    lu.assertEquals({ count(namespace, "tx_dropped"), count(namespace, "rx_dropped") }, before[i], "the kernel's counters of end " .. i)
  end
  lu.assertStrContains(stop(), " 0 dropped")
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
