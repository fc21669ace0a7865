-- nf lwaftr counters: what a running relay has counted, by the names of lwAFTRs.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local running = require("support_running").new("counters")
local w = require("support_lwaftr")
local capture = require("support_capture")

w.folder = running.folder

TestCounters = {}

-- Two packets for B4s and one for nobody, once; then nothing, for ever.
local function graph()
  local path = running.folder .. "/in.pcap"
  support.write(path, capture.pcap({ { data = w.frame(w.inward(w.WHOLE, 80)) }, { data = w.frame(w.inward(w.SHARED, 5200)) },
    { data = w.frame(w.inward(w.UNSERVED, 1)) } }))
  return ([[return {
    apps = { capture = { "pcap.replay", file = %q }, idle = { "basic.source", rate = "10pps" }, none = { "basic.source", number = 1 },
      relay = { "lwaftr.lwaftr", config = %q }, rest = { "basic.sink" }, v4 = { "basic.sink" }, v6 = { "basic.sink" } },
    links = { "capture -> relay.v4", "none -> relay.v6", "idle -> rest", "relay.v4 -> v4", "relay.v6 -> v6" } }]]):format(path,
    w.file(w.conf()))
end

local function counters(options) return running.nf(("lwaftr counters %s %s"):format(running.name, options or "")) end

function TestCounters:tearDown() running.clean() end

function TestCounters:testTextAndJson()
  running.start(graph())
  support.wait("the packets", function() return counters():find("in-ipv4-packets 3", 1, true) end)
  local text, code = counters()
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "out-ipv6-packets 2\n")
  lu.assertStrContains(text, "drop-no-dest-softwire-ipv4-packets 1\n")
  lu.assertStrContains(text, "softwires 4\n")
  lu.assertNil(text:find(" 0\n", 1, true), text)
  -- nf stats leaves none of them out, however many there are.
  local live = running.nf("stats --interval 0 " .. running.name)
  for line in text:gmatch("([%w-]+ %d+)\n") do lu.assertStrContains(live, line) end
  local all = counters("--all")
  local names = {}
  for name in all:gmatch("([%w-]+) %d+\n") do names[#names + 1] = name end
  for _, name in ipairs({ "ingress-packet-drops", "memuse-ipv4-frag-reassembly-buffer", "in-ndp-ns-packets", "out-arp-reply-bytes",
    "drop-ipv6-frag-random-evicted", "hairpin-ipv4-bytes", "in-icmpv6-echo-bytes" }) do
    lu.assertStrContains(all, "\n" .. name .. " 0\n")
  end
  local sorted = { unpack(names) }
  table.sort(sorted)
  lu.assertEquals(names, sorted)
  local json = counters("--json")
  lu.assertStrContains(json, '"name": "' .. running.name .. '"')
  lu.assertStrContains(json, '"in-ipv4-packets": 3')
  lu.assertNotStrContains(json, "memuse")
  lu.assertStrContains(counters("--json --all"), '"memuse-ipv6-frag-reassembly-buffer": 0')
  running.stop()
end

-- The successor of a worker goes on counting, but for what is no total.
function TestCounters:testSoftwiresAfterADeath()
  running.start(graph())
  support.wait("the packets", function() return counters():find("in-ipv4-packets 3", 1, true) end)
  local pid = tonumber(running.nf("stats --interval 0 " .. running.name):match("worker 1: process (%d+)"))
  ffi.C.kill(pid, 9)
  support.wait("the successor", function() return counters():find("in-ipv4-packets 6", 1, true) end)
  lu.assertStrContains(counters(), "softwires 4\n")
  running.stop()
end

function TestCounters:testNoRelay()
  running.start([[return { apps = { a = { "basic.source", rate = "10pps" }, b = { "basic.sink" } }, links = { "a -> b" } }]])
  local text, code = counters()
  lu.assertEquals({ text, code }, { ("nf lwaftr counters: instance '%s' has no app lwaftr.lwaftr\n"):format(running.name), 1 })
  running.stop()
  text, code = counters()
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nf lwaftr counters: ")
end

os.exit(lu.LuaUnit.run())
