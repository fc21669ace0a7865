-- support_graph -- run a graph in the test's own process, engine and all.
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local graphs = {}

-- All messages of a struct errors, as a list.
function graphs.messages(errors)
  local list = {}
  for i = 0, errors.count - 1 do list[i + 1] = ffi.string(errors.text[i]) end
  nf.errors_fini(errors)
  return list
end

-- A graph from Lua source text; fails the test with the messages when there are any.
function graphs.load(text, ...)
  local errors, n = ffi.new("struct errors"), select("#", ...)
  local arguments = ffi.new("const char *[?]", n + 1)
  local keep = { ... }
  for i = 1, n do arguments[i - 1] = keep[i] end
  local graph = nf.graph_from_text(text, "test", arguments, errors)
  if graph == nil then error(table.concat(graphs.messages(errors), "\n"), 2) end
  return graph
end

-- An engine with the first worker of the graph, prepared and committed; or nil and a message.
function graphs.engine(graph)
  local engine, plan = nf.engine_new(), ffi.new("struct engine_plan *[1]")
  nf.resource_serve_here(graph.resources)
  if nf.engine_plan(engine, graph.worker[0], plan) < 0 then
    local message = ffi.string(nf.nf_error())
    nf.engine_free(engine)
    return nil, message
  end
  nf.engine_commit(engine, plan[0])
  nf.engine_retire(engine, plan[0])
  return engine
end

-- Change a stopped engine's graph for another one, as a reload does.
function graphs.change(engine, graph)
  local plan = ffi.new("struct engine_plan *[1]")
  nf.resource_serve_here(graph.resources)
  if nf.engine_plan(engine, graph.worker[0], plan) < 0 then return nil, ffi.string(nf.nf_error()) end
  nf.engine_commit(engine, plan[0])
  nf.engine_retire(engine, plan[0])
  return true
end

-- The ledger as a table of numbers, whether it balances, and the sentence if not.
function graphs.ledger(engine)
  local ledger, text = ffi.new("struct ledger"), ffi.new("char[600]")
  nf.engine_ledger(engine, ledger)
  local balances = nf.ledger_balances(ledger, text, 600)
  local numbers = {}
  for _, name in ipairs({ "taken", "returned", "on_links", "held", "received", "created", "sent", "consumed", "dropped" }) do
    numbers[name] = tonumber(ledger[name])
  end
  return numbers, balances, ffi.string(text)
end

-- Run a configuration from beginning to end. options: virtual, duration (seconds), seed, packets (of memory).
-- Gives the ledger at the end; fails when it does not balance or a packet leaks.
function graphs.run(text, options, ...)
  options = options or {}
  support.memory(options.packets or 8000)
  nf.random_seed = options.seed or 1
  if options.virtual then nf.clock_set(0) else nf.clock_set_real() end
  local graph = graphs.load(text, ...)
  local engine = assert(graphs.engine(graph))
  if options.duration then nf.engine_set_duration(engine, options.duration * 1e9) end
  if options.idle then nf.engine_set_idle(engine, options.idle) end
  assert(nf.engine_run(engine) == 0, ffi.string(nf.nf_error()))
  local numbers, balances, sentence = graphs.ledger(engine)
  local result = options.look and options.look(engine)
  nf.engine_free(engine)
  nf.resources_fini(graph.resources, false)
  nf.graph_free(graph)
  nf.clock_set_real()
  if not balances then error(sentence .. "\n" .. text, 2) end
  if nf.memory_in_use() ~= 0 then error("leaked packets: " .. tostring(nf.memory_in_use()) .. "\n" .. text, 2) end
  return numbers, result
end

-- A counter or reason of an app of an engine, by name.
function graphs.number(engine, app_name, name)
  local app = nf.engine_app_find(engine, app_name)
  assert(app ~= nil, "no app " .. app_name)
  for _, place in ipairs({ { "counters", "counter" }, { "reasons", "reason" } }) do
    local names = app.class[place[1]]
    local i = 0
    while names ~= nil and names[i] ~= nil do
      if ffi.string(names[i]) == name then return tonumber(app[place[2]][i]) end
      i = i + 1
    end
  end
  error(app_name .. " has no counter or reason " .. name, 2)
end

return graphs
