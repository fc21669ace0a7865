-- docs/lwaftr.md, the table of what RFCs require: each test that it names is there, and each of the seventeen defects has one.
local lu = require("luaunit")
local support = require("support")

TestCompliance = {}

local page = support.read("docs/lwaftr.md"):match("\n## Compliance\n(.*)")

-- The names of the tests of a file.
local function tests_of(path)
  local list = {}
  for name in assert(support.read(path), path):gmatch("\nfunction Test%w*[:.](test[%w_]+)") do list[#list + 1] = name end
  return list
end

-- By letter, the names of all tests of its files.
local function letters()
  local files = {}
  for letter, cell in page:gmatch("| (%u) | ([^|]+) ") do
    files[letter] = {}
    for path in cell:gmatch("`([^`]+)`") do
      for _, name in ipairs(tests_of(path)) do table.insert(files[letter], name) end
    end
  end
  return files
end

local function has(names, wanted)
  for _, name in ipairs(names) do
    if name:find("^" .. wanted:gsub("%*$", ".*") .. "$") then return true end
  end
  return false
end

function TestCompliance:testNamedTestsAreThere()
  local files, rows = letters(), 0
  for row in page:gmatch("\n(| %d[^\n]+ |)") do
    rows = rows + 1
    local cells = {}
    for cell in row:gmatch("|([^|]+)") do cells[#cells + 1] = cell end
    lu.assertEquals(#cells, 4, row)
    for word in cells[4]:gmatch("[^,]+") do
      local letter, name = word:match("^ *(%u) (%S+) *$")
      if letter then
        lu.assertNotNil(files[letter], row)
        if letter == "D" then name = ("test%02d_*"):format(tonumber(name)) end
        lu.assertTrue(has(files[letter], name), ("%s %s: %s"):format(letter, name, row))
      else
        local is_none = cells[4]:match("^ *$") and cells[3]:find("^ no")
        lu.assertTrue((word:find("^ *`make ") or is_none) ~= nil, row)
      end
    end
  end
  lu.assertTrue(rows > 40)
end

function TestCompliance:testEachDefectHasATest()
  local names = letters().D
  for number = 1, 17 do lu.assertTrue(has(names, ("test%02d_*"):format(number)), number) end
end

os.exit(lu.LuaUnit.run())
