-- support_writer -- what the tests of pcap.writer share: instances, packets given to them, what is in the file.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local capture = require("support_capture")
local support = require("support")

local M = {}

M.folder = support.folder()
M.file = M.folder .. "/out.pcap"

-- A running instance; it writes to M.file when `params` do not say where.
function M.new(params, old)
  params = params or {}
  params.file = params.file or M.file
  return support.app("pcap.writer", params, nil, nil, old)
end

-- Give packets to a writer, as many as its link takes; the rest of the list is given next time. gives: how many
function M.send(app, packets, first)
  local sent = 0
  while packets[first + sent] and nf.link_room(app.input[0]) > 0 do
    local p = support.packet(packets[first + sent].data)
    p.meta.timestamp = packets[first + sent].time or 0
    nf.link_send(app.input[0], p)
    sent = sent + 1
  end
  return sent
end

-- Give all packets to a writer and let it take them, within some 30 seconds.
function M.write_all(app, packets)
  local at = 1
  for _ = 1, 200000 do
    at = at + M.send(app, packets, at)
    local waiting = nf.link_waiting(app.input[0])
    support.push(app)
    if at > #packets and nf.link_waiting(app.input[0]) == 0 then break end
    -- All blocks are with the house-keeping thread: it may need this processor.
    if nf.link_waiting(app.input[0]) == waiting then ffi.C.usleep(100) end
  end
  lu.assertEquals(nf.link_waiting(app.input[0]), 0)
end

-- The packets of a file.
function M.content(path) return capture.read(support.read(path or M.file)) end

-- A writer whose files stay open behind it, as the supervisor keeps them: gives the instance, and how to go on with another.
function M.kept(params)
  local resources, errors = ffi.new("struct resources"), ffi.new("struct errors")
  local checked = support.new("pcap.writer", params)
  resources.errors, resources.app = errors, checked
  checked.class.resources(checked, resources)
  local function next_writer()
    local app = support.new("pcap.writer", params)
    nf.resource_serve_here(resources)
    lu.assertEquals(app.class.prepare(app, nil), 0)
    nf.resource_serve_here(nil)
    app.class.commit(app, nil)
    return app
  end
  return next_writer, function()
    nf.resources_fini(resources, false)
    nf.app_delete(checked)
  end
end

-- As a worker that is killed leaves it: nothing is written any more.
function M.die(app)
  app.class.retire(app)
  nf.app_delete(app)
end

-- Before and after each test.
function M.set_up()
  os.execute("rm -rf " .. M.folder .. "/*")
  support.memory(3000, 200, 31)
  nf.clock_set_real()
end

function M.tear_down()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  nf.clock_set_real()
end

return M
