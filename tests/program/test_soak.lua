-- A soak: a graph of everything that needs no device runs for 20 s (NF_SOAK=SECONDS), with millions of packets; memory and descriptors of
-- supervisor and worker do not grow, and at the end the ledger balances.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local SECONDS = tonumber(os.getenv("NF_SOAK")) or 20
local folder = support.folder()
local name = "test-soak-" .. ffi.C.getpid()

local GRAPH = [[
local folder = ...
return {
  apps = {
    source = { "basic.source", sizes = "imix", rate = "800Kpps" },
    fast = { "basic.source", sizes = 60 },
    tee = { "basic.tee" }, split = { "basic.split", mode = "flow" }, join = { "basic.join" },
    delay = { "basic.delay", time = "5ms", jitter = "2ms" },
    shaper = { "basic.shaper", rate = "400Kpps" },
    policer = { "basic.policer", rate = "200Kpps" },
    every = { "lua.select", protocol = "udp" },
    writer = { "pcap.writer", file = folder .. "/ring.pcap", size = "1M", files = 3 },
    sink = { "basic.sink" }, waste = { "basic.sink" },
  },
  links = {
    "source -> tee.input", "tee.a -> split.input", "tee.b -> writer.input",
    "split.x -> delay.input", "split.y -> shaper.input", "split.z -> policer.input",
    "delay -> join.a", "shaper -> join.b", "policer -> join.c", "join -> every.input", "every.output -> sink", "fast -> waste",
  },
}
]]

local function descriptors(pid)
  local count = 0
  for _ in io.popen(("ls /proc/%d/fd"):format(pid)):lines() do count = count + 1 end
  return count
end

-- Resident memory in KiB.
local function memory(pid)
  return tonumber((support.read(("/proc/%d/status"):format(pid)) or ""):match("VmRSS:%s*(%d+)"))
end

TestSoak = {}

function TestSoak:testMemoryAndDescriptorsDoNotGrow()
  support.write(folder .. "/graph.lua", GRAPH)
  os.execute(("%s run --name %s %s/graph.lua -- %s >%s/output 2>&1 & echo $! >%s/pid"):format(support.nf, name, folder, folder, folder,
    folder))
  local supervisor = tonumber(support.read(folder .. "/pid"))
  local warm = math.min(10, SECONDS / 3)
  os.execute("sleep " .. warm)
  local worker = tonumber((support.read(("/proc/%d/task/%d/children"):format(supervisor, supervisor)) or ""):match("%d+"))
  lu.assertNotNil(worker, support.read(folder .. "/output"))
  local before = { memory(supervisor), memory(worker), descriptors(supervisor), descriptors(worker) }
  os.execute("sleep " .. SECONDS - warm)
  local after = { memory(supervisor), memory(worker), descriptors(supervisor), descriptors(worker) }
  ffi.C.kill(supervisor, 15)
  for _ = 1, 500 do
    if (support.read("/proc/" .. supervisor .. "/stat") or ") Z"):find(") Z", 1, true) then break end
    os.execute("sleep 0.02")
  end
  lu.assertStrContains(support.read(folder .. "/output"), "it balances")
  lu.assertEquals(after[3], before[3], "descriptors of the supervisor")
  lu.assertEquals(after[4], before[4], "descriptors of the worker")
  -- 2 MiB for pages of the C library and of packets that are touched for the first time.
  lu.assertTrue(after[1] - before[1] < 2048, ("the supervisor grew from %d to %d KiB"):format(before[1], after[1]))
  lu.assertTrue(after[2] - before[2] < 2048, ("the worker grew from %d to %d KiB"):format(before[2], after[2]))
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
