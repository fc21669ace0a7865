-- Random graphs of random apps, also with cycles: the ledger balances and nothing leaks; between files nothing is lost.
-- NF_RANDOM=N runs N graphs of each kind (default 60), NF_SEED=S starts elsewhere.
local lu = require("luaunit")
local graphs = require("support_graph")
local support = require("support")

local COUNT = tonumber(os.getenv("NF_RANDOM")) or 60
local SEED = tonumber(os.getenv("NF_SEED")) or 1
local folder = support.folder()

-- { class, parameters, outputs ("*": any number), has several inputs, may lose packets }
local APPS = {
  { "basic.tee", "", "*" },
  { "basic.split", "", "*" },
  { "basic.split", "mode = 'flow'", "*" },
  { "basic.join", "", { "output" }, true },
  { "basic.sample", "n = 3", { "output", "rejected" } },
  { "basic.truncate", "length = 40", { "output" } },
  { "basic.delay", "time = '2ms', jitter = '1ms'", { "output" } },
  { "basic.shaper", "rate = '2Mpps'", { "output" }, false, true },
  { "basic.policer", "rate = '1Mpps'", { "output" }, false, true },
  { "basic.drop", "probability = 0.2", { "output" }, false, true },
  { "lua.select", "protocol = 'udp'", { "output", "rejected" } },
}

-- The text of a random configuration. lossless: only apps that pass everything on. sources, sinks: lines for both ends.
local function random_graph(random, lossless, cycles, source, sink)
  local apps, links, open, joins, tees = {}, {}, {}, {}, 0
  local function add(line, outputs, class)
    local name = "a" .. #apps
    apps[#apps + 1] = ("    %s = %s,"):format(name, line)
    for _, output in ipairs(outputs) do open[#open + 1] = name .. "." .. output end
    if class == "basic.join" then joins[#joins + 1] = name end
    return name
  end
  local function take() return table.remove(open, random(#open)) end
  for i = 1, random(3) do add(source(i), { "output" }) end
  for _ = 1, random(12) do
    local app = APPS[random(#APPS)]
    if #open > 0 and not (lossless and app[5]) then
      local outputs = app[3]
      -- A tee in a cycle multiplies packets for ever; three of them are enough outside.
      if app[1] == "basic.tee" and (cycles or tees >= 3) then outputs = { "x" } end
      if app[1] == "basic.tee" then tees = tees + 1 end
      if outputs == "*" then
        outputs = {}
        for i = 1, random(3) do outputs[i] = "x" .. i end
      end
      local from = { take() }
      if app[4] and #open > 0 and random(2) == 1 then from[2] = take() end
      local name = add(("{ %q, %s }"):format(app[1], app[2]), outputs, app[1])
      for i, output in ipairs(from) do
        links[#links + 1] = ("%s -> %s.%s"):format(output, name, app[4] and "i" .. i or "input")
      end
    end
  end
  if cycles then
    for i, join in ipairs(joins) do
      if #open > 1 and random(2) == 1 then links[#links + 1] = ("%s -> %s.back%d"):format(take(), join, i) end
    end
  end
  local n = 0
  while #open > 0 do
    n = n + 1
    local name = add(sink(n), {})
    links[#links + 1] = ("%s -> %s.input"):format(take(), name)
  end
  local lines = {}
  for i, link in ipairs(links) do lines[i] = ("    %q,"):format(link) end
  return ("return {\n  apps = {\n%s\n  },\n  links = {\n%s\n  },\n}\n"):format(table.concat(apps, "\n"), table.concat(lines, "\n"))
end

local function generator(seed)
  math.randomseed(seed)
  return function(n) return math.random(n) end
end

local function source() return "{ 'basic.source', number = 3000, sizes = 'imix' }" end
local function sink() return "{ 'basic.sink' }" end

TestRandom = {}

function TestRandom:testBalanceUnderTheVirtualClock()
  for i = 1, COUNT do
    local text = random_graph(generator(SEED + i), false, false, source, sink)
    local ledger = graphs.run(text, { virtual = true, seed = i })
    lu.assertTrue(ledger.created >= 3000, text)
  end
end

function TestRandom:testBalanceInRealTime()
  for i = 1, COUNT do
    local text = random_graph(generator(SEED + 1000 + i), false, false, source, sink)
    graphs.run(text, { seed = i, idle = i % 3 })
  end
end

function TestRandom:testBalanceWithCyclesAndLittleMemory()
  for i = 1, COUNT do
    local text = random_graph(generator(SEED + 2000 + i), false, true, source, sink)
    graphs.run(text, { seed = i, duration = 0.02, packets = i % 2 == 0 and 900 or 8000 })
  end
end

-- Readers to writers: whatever was read and copied is written, nothing is dropped anywhere.
function TestRandom:testFromFileToFileNothingIsLost()
  local input = folder .. "/in.pcap"
  graphs.run(("return { apps = { s = { 'basic.source', number = 20000, sizes = 'imix' }, w = { 'pcap.writer', file = %q } }, links = { 's -> w' } }")
    :format(input), {})
  for i = 1, COUNT do
    local text = random_graph(generator(SEED + 3000 + i), true, false,
      function() return ("{ 'pcap.reader', file = %q }"):format(input) end,
      function(n) return ("{ 'pcap.writer', file = %q }"):format(folder .. "/out" .. n .. ".pcap") end)
    for _, virtual in ipairs({ false, true }) do
      local ledger = graphs.run(text, { virtual = virtual, seed = i })
      lu.assertEquals(ledger.dropped, 0, text)
      lu.assertTrue(ledger.received >= 20000)
      lu.assertEquals(ledger.received + ledger.created, ledger.sent, text)
    end
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
