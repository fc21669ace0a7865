-- run -- runs test files, each in a process of its own, and ends with 'N passed, N failed, N skipped'.
--
--     nf lua tests/run.lua NF [FILE|FOLDER ...]         default: all of tests/
--
-- A test file is tests/*/test_*.lua and ends with os.exit(luaunit.LuaUnit.run()). A file that dies counts as one failure.
local nf = arg[1]
local places = {}
for i = 2, #arg do places[#places + 1] = arg[i] end
if #places == 0 then places = { "tests" } end

local files = {}
for line in io.popen("find " .. table.concat(places, " ") .. " -name 'test_*.lua' | sort"):lines() do files[#files + 1] = line end

local passed, failed, skipped = 0, 0, 0
local limit = tonumber(os.getenv("NF_TEST_SECONDS")) or 600

local function run(file)
  local command = ("LUA_PATH='tests/?.lua;;' NF='%s' timeout -k 5 %d '%s' lua %s -v -o tap 2>&1; echo \"exit $?\""):format(
    nf, limit, nf, file)
  local started = os.time()
  local ok, bad, skip, finished = 0, 0, 0, false
  local trouble = {}
  local pipe = io.popen(command)
  for line in pipe:lines() do
    if line:match("^ok%s+%d+%s+# SKIP") then
      skip = skip + 1
      print("  skip " .. file .. ": " .. line:gsub("^ok%s+%d+%s+# SKIP%s*", ""))
    elseif line:match("^ok%s+%d") then
      ok = ok + 1
    elseif line:match("^not ok%s+%d") then
      bad = bad + 1
      trouble[#trouble + 1] = line
    elseif line:match("^exit %d+$") then
      local code = tonumber(line:match("%d+"))
      finished = code == 0 or (code < 100 and bad == code)
      if not finished then trouble[#trouble + 1] = "exit code " .. code .. (code == 124 and " (time limit)" or "") end
    elseif not line:match("^1%.%.") and not line:match("^# ") then
      trouble[#trouble + 1] = "    " .. line
    end
  end
  pipe:close()
  if not finished or ok + bad + skip == 0 then bad = math.max(bad, 1) end
  print(("%-44s %4d passed %s%s  %d s"):format(file, ok, bad > 0 and (bad .. " FAILED ") or "", skip > 0 and (skip .. " skipped") or "",
    os.time() - started))
  if bad > 0 then for _, line in ipairs(trouble) do print("  " .. line) end end
  passed, failed, skipped = passed + ok, failed + bad, skipped + skip
  io.stdout:flush()
end

for _, file in ipairs(files) do run(file) end
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0 and passed > 0 and 0 or 1)
