-- support -- what tests share. Every test file runs in a process of its own (tests/run.lua), from the project's root.
local ffi = require("ffi")
local nf = require("nf.core")

ffi.cdef("int getpid(void);")

local support = {}

-- Give this process packet memory of its own, `count` standard packets; again after each other test.
function support.memory(count)
  nf.memory_worker_stop()
  for i = tonumber(nf.memory_segment_count) - 1, 0, -1 do nf.memory_segment_remove(i) end
  assert(nf.memory_reserve() == 0)
  assert(nf.memory_segment_add(0, "PACKET_STANDARD", count, -1) >= 0)
  assert(nf.memory_worker_start(0) == 0)
end

-- The binary under test.
support.nf = os.getenv("NF") or "build/nf"

-- Run a shell command; gives its standard output and error together, and the exit code.
function support.run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \" $?\"", "r"))
  local text = pipe:read("*a")
  pipe:close()
  local output, code = text:match("^(.*) (%d+)\n$")
  return output, tonumber(code)
end

-- A file's content, or nil.
function support.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- An empty folder for this test file, removed by the runner.
function support.folder()
  local path = (os.getenv("TMPDIR") or "/tmp") .. "/nf-test." .. ffi.C.getpid()
  os.execute("rm -rf '" .. path .. "'; mkdir -p '" .. path .. "'")
  return path
end

return support
