-- support_instance -- instances of nf that are not there: a folder, a lock, and statistics with the numbers of a test.
local ffi = require("ffi")
local nf = require("nf.core")

local instance = {}
local count = 0

-- A name that nobody else uses.
function instance.name()
  count = count + 1
  return ("test-%d-%d"):format(ffi.C.getpid(), count)
end

function instance.path(name, file)
  local path = ffi.new("char[512]")
  if nf.instance_path(path, name, file) ~= 0 then error(ffi.string(nf.nf_error())) end
  return ffi.string(path)
end

local KINDS = { app = nf.STATS_APP, counter = nf.STATS_COUNTER, gauge = nf.STATS_GAUGE, reason = nf.STATS_REASON, link = nf.STATS_LINK,
  engine = nf.STATS_ENGINE }

-- The bytes of a statistics file. workers: a list of { entries = { { kind, number, owner, name, value }, ... }, state =, pid =,
-- sequence =, time = }; header: fields of struct stats_header to be set.
function instance.bytes(workers, header)
  local h = ffi.new("struct stats_header")
  local size = ffi.sizeof(h)
  local parts = {}
  h.magic, h.version, h.workers, h.supervisor, h.clock_hz, h.generation = nf.STATS_MAGIC, nf.STATS_VERSION, #workers,
    ffi.C.getpid(), 1e9, 1
  h.file = "/etc/nf/test.lua"
  for i, worker in ipairs(workers) do
    local n = #worker.entries
    local block = ffi.new("struct stats_block")
    local entries, values = ffi.new("struct stats_entry[?]", n), ffi.new("uint64_t[?]", n)
    h.block[i - 1] = size
    h.worker_pid[i - 1] = worker.pid or 0
    block.count, block.state, block.sequence, block.snapshot_ns = n, worker.state or 1, worker.sequence or 2, worker.time or 0
    block.entry = size + ffi.sizeof(block)
    block.snapshot = block.entry + ffi.sizeof(entries)
    for j, e in ipairs(worker.entries) do
      entries[j - 1].kind, entries[j - 1].owner_number, entries[j - 1].owner, entries[j - 1].name = KINDS[e[1]], e[2], e[3], e[4]
      values[j - 1] = e[5]
    end
    for _, part in ipairs({ block, entries, values }) do parts[#parts + 1] = ffi.string(part, ffi.sizeof(part)) end
    size = size + ffi.sizeof(block) + ffi.sizeof(entries) + ffi.sizeof(values)
  end
  h.bytes = size
  for name, value in pairs(header or {}) do h[name] = value end
  return ffi.string(h, ffi.sizeof(h)) .. table.concat(parts)
end

-- The entries of an app and of a link, of an engine with a ledger, from tables of the numbers that are not 0.
function instance.app(number, owner, numbers, counters, reasons)
  local list = {}
  for _, name in ipairs({ "received", "created", "sent", "consumed", "dropped", "lost-outside", "cycles", "packets", "calls", "held",
    "down" }) do list[#list + 1] = { "app", number, owner, name, numbers[name] or 0 } end
  for _, pair in ipairs(counters or {}) do list[#list + 1] = { pair[3] or "counter", number, owner, pair[1], pair[2] } end
  for _, pair in ipairs(reasons or {}) do list[#list + 1] = { "reason", number, owner, pair[1], pair[2] } end
  return list
end

function instance.link(number, owner, numbers)
  local list = {}
  for _, name in ipairs({ "sent", "received", "bytes", "dropped", "residence-p50", "residence-p99" }) do
    list[#list + 1] = { "link", number, owner, name, numbers[name] or 0 }
  end
  return list
end

function instance.engine(numbers, ledger)
  local list = {}
  for _, name in ipairs({ "breaths", "sleeps" }) do list[#list + 1] = { "engine", 0, "engine", name, numbers[name] or 0 } end
  for _, name in ipairs({ "taken", "returned", "on_links", "held", "received", "created", "sent", "consumed", "dropped",
    "lost_outside" }) do list[#list + 1] = { "engine", 0, "engine", "ledger." .. name, ledger[name] or 0 } end
  for i = 0, nf.STATS_BUCKETS - 1 do
    list[#list + 1] = { "engine", 0, "engine", "breath_ns." .. i, (numbers.buckets or {})[i] or 0 }
  end
  return list
end

-- One list of several.
function instance.join(...)
  local all = {}
  for _, list in ipairs({ ... }) do for _, entry in ipairs(list) do all[#all + 1] = entry end end
  return all
end

-- Make the folder of an instance with these statistics; `lock` is its descriptor while this process is its supervisor.
function instance.create(name, bytes)
  local lock = nf.instance_create(name)
  if lock < 0 then error(ffi.string(nf.nf_error())) end
  local file = assert(io.open(instance.path(name, "stats"), "wb"))
  file:write(bytes)
  file:close()
  return lock
end

return instance
