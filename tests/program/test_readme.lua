-- README.md: what it tells to type works as it stands there.
local lu = require("luaunit")
local support = require("support")

TestReadme = {}

local folder = support.folder()
local readme = assert(support.read("README.md"))

-- The indented block that follows "Save this as `NAME`:", without its indentation.
local function block(name)
  local from = select(2, readme:find("ave this as `" .. name .. "`:\n\n", 1, true))
  lu.assertNotNil(from, name)
  local lines = {}
  for line in readme:sub(from + 1):gmatch("([^\n]*)\n") do
    if line ~= "" and not line:match("^    ") then break end
    lines[#lines + 1] = line:sub(5)
  end
  return table.concat(lines, "\n")
end

local function nf(arguments)
  return support.run(("nf=$(realpath '%s'); cd '%s'; $nf %s"):format(support.nf, folder, arguments))
end

function TestReadme:testTheFirstGraphRuns()
  support.write(folder .. "/first.lua", block("first.lua"))
  local count = 0
  for command in readme:gmatch("\n    build/nf (%l+ first.lua) +#") do
    local text, code = nf(command)
    lu.assertEquals(code, 0, text)
    count = count + 1
    if command:match("^run") then lu.assertStrMatches(text, ".* 1000 .*ledger: .*it balances\n") end
  end
  lu.assertEquals(count, 3)
  lu.assertEquals(#support.read(folder .. "/first.pcap") - 24, 334 * 64 + 333 * 594 + 333 * 1518 + 1000 * 16)
end

function TestReadme:testTheFirstLuaAppRuns()
  local graph = block("first.lua"):gsub("apps = {", "apps = { thin = { \"every\", n = 10 },", 1)
  local changed, links = graph:gsub('"packets.output %-> copy.input"', readme:match('links `("packets %-> thin %-> copy")`'))
  lu.assertEquals(links, 1)
  support.write(folder .. "/first.lua", changed)
  support.write(folder .. "/every.lua", block("every.lua"))
  local text, code = nf("run first.lua")
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, ".*\n +thin [^\n]* skipped 900\n.*it balances\n")
end

-- Each folder and page that it names is there.
function TestReadme:testItsMapIsRight()
  for path in readme:gmatch("\n    ([%w_]+/[%w_/]*) ") do
    if not path:match("^build/") then lu.assertEquals(select(2, support.run("test -d " .. path)), 0, path) end
  end
  for path in readme:gmatch("%]%(([%w_./]+)%)") do lu.assertNotNil(support.read(path), path) end
end

os.exit(lu.LuaUnit.run())
