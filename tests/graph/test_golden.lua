-- Golden tests: each tests/graph/NAME.lua is a configuration that is run under the virtual clock with the arguments INPUT (a
-- capture: NAME.in.pcap, else common.in.pcap) and FOLDER; every file that it writes there must equal NAME.out/FILE to the byte.
--
--     NF_GOLDEN=write tests/graph/test_golden.lua       writes the expected files anew: look at them before you keep them
local lu = require("luaunit")
local support = require("support")

local here = "tests/graph/"
local folder = support.folder()

TestGolden = {}

local function exists(path) return support.read(path) ~= nil end

local function list(path)
  local names = {}
  local pipe = io.popen("cd '" .. path .. "' 2>/dev/null && ls -1")
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

local function check(name)
  local input = here .. name .. ".in.pcap"
  if not exists(input) then input = here .. "common.in.pcap" end
  local output, expected = folder .. "/" .. name, here .. name .. ".out"
  os.execute("mkdir -p '" .. output .. "'")
  local text, code = support.run(("%s run %s%s.lua --name golden-%s --clock virtual -- %s %s"):format(support.nf, here, name, name,
    "$PWD/" .. input, output))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "it balances")
  if os.getenv("NF_GOLDEN") == "write" then
    os.execute(("rm -rf '%s' && cp -r '%s' '%s'"):format(expected, output, expected))
  end
  local files = list(expected)
  lu.assertTrue(#files > 0, "no expected files in " .. expected)
  lu.assertEquals(list(output), files)
  for _, file in ipairs(files) do
    if support.read(output .. "/" .. file) ~= support.read(expected .. "/" .. file) then
      lu.fail(("%s differs from %s/%s"):format(file, expected, file))
    end
  end
end

for _, file in ipairs(list(here)) do
  local name = file:match("^([%w_-]+)%.lua$")
  if name and not name:match("^test_") then
    TestGolden["test_" .. name] = function() check(name) end
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
