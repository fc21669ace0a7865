-- bench: each benchmark runs, tiny, and prints what it promises. Figures of such runs mean nothing and are not looked at.
local lu = require("luaunit")
local support = require("support")

local TINY = " bench --runs 2 --seconds 1ms "

local function names()
  local list = {}
  local text, code = support.run(support.nf .. " bench --list")
  lu.assertEquals(code, 0)
  for name in text:gmatch("(%w+) [^\n]+\n") do list[#list + 1] = name end
  return list
end

-- The cases that a benchmark must have; there may be more.
local CASES = {
  basic = { "bare-32", "bare-512", "c", "c-1514", "c-imix", "c-many", "lua" },
  classify = { "bpf", "native", "graph", "graph-10", "app-10" },
  filter = { "bpf-0", "run-0", "native-0", "bpf-20", "run-20", "native-20", "graph", "graph-5", "app-hop", "app-0", "app-5", "app-20" },
  conntrack = { "tcp-1m", "tcp-64k", "tcp-1k", "udp-1m", "tcp6-1m", "syn-flood-1m" },
  hop = { "c-1", "c-10", "c-per-hop", "lua-1", "lua-10", "lua-per-hop" },
  idle = { "busy", "adaptive", "adaptive-ring", "wait" },
  link = { "single", "burst", "move" },
  memory = { "single", "burst", "burst-many", "copy-60", "copy-1514", "copy-1514-many", "home" },
  nic = { "receive-32", "transmit-32", "forward-1", "forward-32", "forward-64", "forward-32-ring-4096", "forward-32-9014" },
  pcap = { "libpcap-read-64", "read-64", "read-64-ahead", "read-594", "read-1514", "libpcap-write-64", "write-64", "write-64-ahead",
    "write-594", "write-1514" },
  reload = { "10-apps", "100-apps", "1000-apps" },
  interlink = { "one-way", "both-ways" },
  ip = { "none-4", "none-6", "reassemble4-per-app", "fragment6-per-app", "arp-out-per-app", "ndp-in-per-app", "vlan-per-app", "cut-6" },
  table = { "hit-1k", "miss-1k", "hit-256k" },
  nicsim = {},
  tables = {},
  workers = { "one", "two" },
  xdp = {},
}
-- Those that take gigabytes and minutes to set up, or many programs, are only listed here.
local LARGE = { nicsim = true, tables = true, xdp = true }
-- What a case is compared with.
local RATIOS = { filter = { ["native-5"] = "bpf-5", ["run-20"] = "bpf-20" }, classify = { native = "bpf" },
  basic = { c = "bare-", ["c-1514"] = "c", lua = "c" }, link = { burst = "single", move = "single" },
  pcap = { ["read-64"] = "libpcap-read-64", ["read-64-ahead"] = "libpcap-read-64", ["write-1514"] = "libpcap-write-1514" } }
-- Further figures.
local EXTRAS = { reload = { "whole_ns" }, idle = { "p50_ns", "p99_ns", "cpu", "cpu_silent" } }

-- The flat JSON objects that the program prints, one a line.
local function decode(line)
  local object = {}
  lu.assertStrMatches(line, "{.*}")
  for key, value in line:sub(2, -2):gmatch('"([%w_]+)":("?[^,"]*"?)') do
    object[key] = tonumber(value) or value:match('^"(.*)"$')
  end
  return object
end

TestBench = {}

function TestBench:testListNamesAllBenchmarks()
  local found = {}
  for _, name in ipairs(names()) do found[name] = true end
  for name in pairs(CASES) do lu.assertTrue(found[name], name) end
  for name in pairs(found) do lu.assertNotNil(CASES[name], name .. " is not tested here") end
end

local function json(name)
  local output, code = support.run(support.nf .. TINY .. "--json " .. name)
  lu.assertEquals(code, 0, output)
  local cases = {}
  for line in output:gmatch("[^\n]+") do
    local object = decode(line)
    lu.assertEquals(object.name, name)
    lu.assertNil(cases[object.case], object.case .. " is there twice")
    cases[object.case] = object
    lu.assertEquals(object.runs, 2)
    for _, field in ipairs({ "mpps", "ns", "cycles", "spread", "min", "max" }) do
      lu.assertIsNumber(object[field], line)
    end
    lu.assertTrue(object.min <= object.mpps and object.mpps <= object.max, line)
  end
  for _, case in ipairs(CASES[name]) do lu.assertNotNil(cases[case], name .. " " .. case) end
  for case, object in pairs(cases) do
    for _, extra in ipairs(EXTRAS[name] or {}) do lu.assertIsNumber(object[extra], case) end
  end
  for case, against in pairs(RATIOS[name] or {}) do
    lu.assertStrContains(cases[case].against, against)
    lu.assertIsNumber(cases[case].ratio)
  end
end

for name in pairs(CASES) do
  if not LARGE[name] then TestBench["test_json_" .. name] = function() json(name) end end
end

function TestBench:testTextHasOneLinePerCase()
  local output, code = support.run(support.nf .. TINY .. "link")
  lu.assertEquals(code, 0, output)
  lu.assertStrMatches(output, "name +case +Mpps +ns +cycles +runs +spread\n" ..
    "link +single +[%d.]+ +[%d.]+ +[%d.]+ +2 +[%d.]+ %%\n" ..
    "link +burst +[%d.]+ +[%d.]+ +[%d.]+ +2 +[%d.]+ %%  [%d.]+ of single\n" ..
    "link +move +[%d.]+ +[%d.]+ +[%d.]+ +2 +[%d.]+ %%  [%d.]+ of single\n")
end

-- What it starts and makes ends with it, also after an interrupt.
function TestBench:testXdpLeavesNothing()
  local text, code = support.run("timeout -s INT -k 20 3 " .. support.nf .. " bench xdp 2>&1")
  if text:find("left out: it needs root", 1, true) then lu.skip("needs root") end
  lu.assertEquals(code, 124, text)
  support.wait("the end of what it had started", function ()
    return support.run("ls -d /tmp/nf-bench-* 2>/dev/null; pgrep -f '[n]ame bench-.*-generator'") == ""
  end)
end

-- Capture files lie in memory while they are measured, and are gone afterwards: also after an interrupt.
function TestBench:testNoCaptureFileIsLeft()
  local function count() return (support.run("find /dev/shm /tmp -maxdepth 1 -name 'nf-bench.*' -newer " .. self.mark .. " | wc -l")) end
  self.mark = support.folder() .. "/mark"
  support.write(self.mark, "")
  local output = support.run(support.nf .. TINY .. "pcap > /dev/null && echo done")
  lu.assertEquals(output, "done\n")
  lu.assertEquals(count(), "0\n")
  local _, code = support.run("timeout -s INT -k 20 2 " .. support.nf .. " bench pcap --seconds 10 > /dev/null")
  lu.assertEquals(code, 124)
  lu.assertEquals(count(), "0\n")
end

function TestBench:testWrongUsage()
  for arguments, message in pairs({
    ["memoy"] = "unknown benchmark 'memoy'; did you mean 'memory'?",
    ["zzzzzzzzzz"] = "unknown benchmark 'zzzzzzzzzz'; --list shows all",
    ["--runs 0"] = "option '--runs': '0' is not a number 1..1000",
    ["--seconds 61"] = "option '--seconds': a run takes at most 60 seconds",
  }) do
    local output, code = support.run(support.nf .. " bench " .. arguments)
    lu.assertEquals(code, 2, output)
    lu.assertStrContains(output, message)
  end
end

os.exit(lu.LuaUnit.run())
