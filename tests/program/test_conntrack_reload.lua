-- filter.conntrack in a worker with its sandbox: flows outlive reloads with other time-outs and other sizes of the table.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local SIGTERM = 15
local folder = support.folder()
local name = "test-conntrack-" .. ffi.C.getpid()
local config, log = folder .. "/graph.lua", folder .. "/log"

TestReload = {}

-- 100 flows of the inside, and the answers to them.
local function write(params)
  support.write(config, ([[
    return { apps = {
        there = { "basic.source", rate = "5Kpps", ipv4 = { src = "10.0.0.1", src_count = 100, dst = "192.0.2.1" }, udp = { src = 1, dst = 2 } },
        back = { "basic.source", rate = "5Kpps", ipv4 = { src = "192.0.2.1", dst = "10.0.0.1", dst_count = 100 }, udp = { src = 2, dst = 1 } },
        flows = { "filter.conntrack", %s }, one = { "basic.sink" }, two = { "basic.sink" } },
      links = { "there -> flows.inside", "back -> flows.outside", "flows.outside -> one", "flows.inside -> two" } }]]):format(params))
end

-- A counter of the app.
local function counter(key)
  local line = support.run(("%s stats --interval 0 %s"):format(support.nf, name)):match("\n *flows [^\n]+") or ""
  return tonumber(line:match(" " .. key:gsub("%-", "%%-") .. " (%d+)") or 0)
end

local function reload(params)
  write(params)
  local text, code = support.run(("%s reload %s"):format(support.nf, name))
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, ".*flows.*")
end

local function settled() return counter("current") == 100 and counter("half-open") == 0 end

function TestReload:testFlowsStay()
  write("flows = 1000")
  local pid = support.background(("%s run --name %s %s"):format(support.nf, name, config), log)
  support.wait("100 flows", settled, log)
  local refused = counter("no-flow")
  for _, params in ipairs({ "flows = 1000, timeouts = { udp = '10min' }", "flows = 200000", "flows = 200000, other = 'drop'", "flows = 120" }) do
    reload(params)
    support.wait("100 flows after " .. params, settled, log)
    lu.assertEquals(counter("opened"), 100, params)
    lu.assertEquals(counter("evicted") + counter("timed-out"), 0, params)
    lu.assertEquals(counter("no-flow"), refused, params)
  end
  ffi.C.kill(pid, SIGTERM)
  support.wait("the end of nf", function () return not support.alive(pid) end, log)
  local text = support.read(log)
  lu.assertStrContains(text, "it balances")
  lu.assertNotStrContains(text, "is started again")
end

os.exit(lu.LuaUnit.run())
