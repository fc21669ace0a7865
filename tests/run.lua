-- run -- runs test files, each in a process of its own, and ends with 'N passed, N failed, N skipped'.
--
--     nf lua tests/run.lua NF [FILE|FOLDER ...]         default: all of tests/
--
-- A test file is tests/*/test_*.lua and ends with os.exit(luaunit.LuaUnit.run()). A file that dies counts as one failure.
-- NF_TEST_JOBS files run at a time (default: three for two processors, since many wait), each at most NF_TEST_SECONDS (default 600), with
-- a TMPDIR of its own that is removed afterwards. Those that take long begin first, so that nothing waits for them in the end. Each is
-- a session of its own: what it has left running in the background, as it failed or was ended, is named and ended with it.
local nf = arg[1]
local places = {}
for i = 2, #arg do places[#places + 1] = arg[i] end
if #places == 0 then places = { "tests" } end

-- The first line that a command prints.
local function ask(command)
  local pipe = io.popen(command)
  local line = pipe:read("*l")
  pipe:close()
  return line
end

local files = {}
for line in io.popen("find " .. table.concat(places, " ") .. " -name 'test_*.lua' | sort"):lines() do files[#files + 1] = line end

-- Files that take longer than ten seconds somewhere, the longest first; the rest follows in the order of the names.
local long = {}
for i, name in ipairs({ "qemu/test_e1000e_peer", "qemu/test_e1000e", "program/test_reload", "program/test_xdp", "unit/test_lwaftr_config", "fuzz/test_fuzz",
  "program/test_workers", "program/test_namespaces", "program/test_lwaftr_semantics", "graph/test_random", "apps/test_ixgbe_pools",
  "nicsim/test_mutants", "qemu/test_kernel", "program/test_soak", "apps/test_intel_offload", "program/test_sandbox", "program/test_run",
  "apps/test_ixgbe", "nicsim/test_nicsim", "program/test_bench", "apps/test_intel_reload", "program/test_reload_reading",
  "program/test_docs", "program/test_metrics", "program/test_capture", "program/test_trace", "unit/test_filter_equal", "program/test_check",
  "program/test_firewall", "apps/test_filter_pcap", "apps/test_igb", "unit/test_value", "program/test_lwaftr_softwire" }) do
  long["tests/" .. name .. ".lua"] = i
end
table.sort(files, function(a, b)
  local first, second = long[a] or math.huge, long[b] or math.huge
  return first < second or (first == second and a < b)
end)

local limit = tonumber(os.getenv("NF_TEST_SECONDS")) or 600
local jobs = tonumber(os.getenv("NF_TEST_JOBS")) or math.ceil((tonumber(ask("nproc")) or 1) * 1.5)
-- Tests that act as another user read files there, too.
local folder = assert(ask("d=$(mktemp -d) && chmod 755 $d && echo $d"), "no temporary folder")
local passed, failed, skipped = 0, 0, 0

-- What runs a test file: its output goes to a file, so that it never waits for us; then a line tells how it ended.
local script = ([[
  number=$1 file=$2 place=$3/$1
  mkdir "$place"
  from=$(date +%%s%%N)
  TMPDIR=$place LUA_PATH='tests/?.lua;;' NF='%s' setsid -w sh -c 'echo $$ > "$1.session"; shift; exec "$@"' sh "$place" \
    timeout -k 5 %d '%s' lua "$file" -v -o tap > "$place.text" 2>&1 < /dev/null
  echo "$number $? $((($(date +%%s%%N) - from) / 100000000))"
  rm -rf "$place"
]]):format(nf, limit, nf)

-- The processes of a session that still run: a list of { pid, command }.
local function processes(session)
  local list = {}
  for pid in io.popen("ls /proc"):lines() do
    local stat = pid:match("^%d+$") and io.open("/proc/" .. pid .. "/stat")
    if stat then
      local state, of = (stat:read("*a") or ""):match(".*%) (%a) %-?%d+ %-?%d+ (%-?%d+)")
      stat:close()
      if of == session and state ~= "Z" then
        local file = io.open("/proc/" .. pid .. "/cmdline")
        list[#list + 1] = { pid, file and (file:read("*a"):gsub("%z", " ")) or "" }
        if file then file:close() end
      end
    end
  end
  return list
end

-- End what a test file has left running. A process that is just ending is given a second.
local function clean_up(session)
  local list = processes(session)
  if #list > 0 then
    os.execute("sleep 1")
    list = processes(session)
  end
  for _, process in ipairs(list) do
    print(("  left running: %s (%s)"):format(process[2], process[1]))
    os.execute("kill -9 " .. process[1] .. " 2>/dev/null")
  end
end

-- How much the machine has to do, so that a failure of a test can be told from one of the machine.
local function machine()
  local file = io.open("/proc/loadavg")
  local text = file and file:read("*l"):match("^%S+ %S+ %S+") or "unknown"
  if file then file:close() end
  return ("load average %s on %s processors"):format(text, ask("nproc") or "?")
end

-- Count what a test file that has ended said.
local function finish(file, text, code, tenths)
  local ok, bad, skip = 0, 0, 0
  local trouble, notes = {}, {}
  for line in io.lines(text) do
    if line:match("^ok%s+%d+%s+# SKIP") then
      skip = skip + 1
      notes[#notes + 1] = line:gsub("^ok%s+%d+%s+# SKIP%s*", "skip: ")
    elseif line:match("^ok%s+%d") then
      ok = ok + 1
    elseif line:match("^note: ") then
      notes[#notes + 1] = line
    elseif line:match("^not ok%s+%d") then
      bad = bad + 1
      trouble[#trouble + 1] = line
    elseif not line:match("^1%.%.") and not line:match("^# S") and not line:match("^# Ran") then
      trouble[#trouble + 1] = "    " .. line
    end
  end
  if code ~= 0 and not (code < 100 and code == bad) then
    trouble[#trouble + 1] = "exit code " .. tostring(code) .. (code == 124 and " (time limit)" or "")
    bad = math.max(bad, 1)
  elseif ok + bad + skip == 0 then
    trouble[#trouble + 1] = "no test ran"
    bad = 1
  end
  print(("%-48s %4d passed%s%s %6.1f s"):format(file, ok, bad > 0 and (" %d FAILED"):format(bad) or "",
    skip > 0 and (" %d skipped"):format(skip) or "", tenths / 10))
  for _, line in ipairs(notes) do print("  " .. line) end
  if bad > 0 then
    for _, line in ipairs(trouble) do print("  " .. line) end
    print(("  failed after %.1f s; %s"):format(tenths / 10, machine()))
  end
  io.stdout:flush()
  os.remove(text)
  passed, failed, skipped = passed + ok, failed + bad, skipped + skip
end

-- All of them, `jobs` at a time, in the order in which they end.
local list = assert(io.open(folder .. "/list", "w"))
for number, file in ipairs(files) do list:write(number, "\n", file, "\n") end
list:close()
local shell = assert(io.open(folder .. "/script", "w"))
shell:write(script)
shell:close()
local ended, began = 0, os.time()
local pipe = io.popen(("xargs -d '\\n' -n 2 -P %d sh -c 'sh %s/script \"$@\" %s' sh < %s/list"):format(jobs, folder, folder, folder))
for line in pipe:lines() do
  local number, code, tenths = line:match("^(%d+) (%d+) (%d+)$")
  finish(files[tonumber(number)], folder .. "/" .. number .. ".text", tonumber(code), tonumber(tenths))
  clean_up(ask(("cat %s/%s.session"):format(folder, number)))
  ended = ended + 1
end
pipe:close()
if ended < #files then
  print(("%d test files did not run"):format(#files - ended))
  failed = failed + #files - ended
end
os.execute("rm -rf '" .. folder .. "'")
print(("%d s; %s"):format(os.time() - began, machine()))
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0 and passed > 0 and 0 or 1)
