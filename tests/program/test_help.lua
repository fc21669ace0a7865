-- nf help: programs, apps, and the documents made from the same tables.
local lu = require("luaunit")
local support = require("support")

TestHelp = {}

local folder = support.folder()
local function nf(arguments) return support.run("'" .. support.nf .. "' help " .. arguments) end

-- All names of apps, from the list.
local function apps()
  local list = {}
  for name in nf("apps"):gmatch("\n?  ([%w_]+%.[%w_]+) ") do list[#list + 1] = name end
  return list
end

function TestHelp:testAppsAreListedWithASentence()
  local text, code = nf("apps")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, ".*  basic%.sink  +%u[^\n]+%.\n.*nf help APP describes one of them%.\n")
  lu.assertTrue(#apps() >= 3)
end

function TestHelp:testEveryAppIsDescribed()
  for _, name in ipairs(apps()) do
    local text, code = nf(name)
    lu.assertEquals(code, 0)
    lu.assertStrMatches(text, name:gsub("%.", "%%.") .. " %-%- %u[^\n]+%.\n\n.*inputs:    [^\n]+\noutputs:   [^\n]+\n.*")
    local params = text:match("\nparameters:\n(.*)")
    -- Each parameter has a line with what is accepted and its default, then its help.
    if params then
      local rest = ("\n" .. params):gsub("\n    +%S[^\n]+", ""):gsub("\n  %S+ +[^\n]+; [^\n]+", "")
      lu.assertEquals(rest, "\n", name)
      local _, lines = ("\n" .. params):gsub("\n  %S[^\n]+; [^\n]+\n    ", "")
      lu.assertEquals(lines, select(2, ("\n" .. params):gsub("\n  %S", "")), name)
    end
    for line in text:gmatch("[^\n]+") do
      if not line:match("^  %S") and not line:match("^[%w_.]+ %-%- ") then lu.assertTrue(#line <= 100, line) end
    end
  end
end

function TestHelp:testPortsAreDescribed()
  lu.assertStrContains(nf("basic.tee"), "inputs:    input\noutputs:   one or more, of any name\n")
  lu.assertStrContains(nf("basic.sink"), "outputs:   none\n")
end

function TestHelp:testAnUnknownNameIsToldWithTheNearest()
  local text, code = nf("basic.tea")
  lu.assertEquals(code, 2)
  lu.assertEquals(text, "nf help: there is no program or app 'basic.tea'; did you mean 'basic.tee'?\n" ..
    "         nf help lists the programs, nf help apps the apps\n")
  text, code = nf("doktor")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "did you mean 'doctor'?")
  text, code = nf("qqqqqqqq")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "no program or app 'qqqqqqqq'\n")
end

function TestHelp:testAModuleOfTheUserIsDescribed()
  support.write(folder .. "/mine.lua", [[return { help = "Does it.\nAt length.", inputs = { "a", "b?" }, outputs = { "*" },
    counters = { "seen" }, reasons = { "odd" }, push = function() end,
    params = { n = { type = "u8", required = true, help = "how many" } } }]])
  local text, code = support.run(("nf=$(realpath '%s'); cd '%s'; $nf help mine"):format(support.nf, folder))
  lu.assertEquals(code, 0)
  lu.assertEquals(text, "mine -- Does it.\n\nAt length.\n\ninputs:    a, b (optional)\noutputs:   one or more, of any name\n" ..
    "counters:  seen\ndrops for: odd\n\nparameters:\n  n  a whole number 0..255; required\n     how many\n")
  support.write(folder .. "/mine.lua", "return 3")
  lu.assertEquals({ support.run(("nf=$(realpath '%s'); cd '%s'; $nf help mine"):format(support.nf, folder)) },
    { "nf help: app module 'mine': returns a number; accepted: a table with inputs, outputs, params, push and so on\n", 1 })
end

function TestHelp:testTheNamesAreThoseOfProgramsAndApps()
  local text, code = nf("--names")
  lu.assertEquals(code, 0)
  for name in text:gmatch("[^\n]+") do lu.assertEquals(select(2, nf(name)), 0, name) end
  for _, name in ipairs(apps()) do lu.assertStrContains("\n" .. text, "\n" .. name .. "\n") end
end

function TestHelp:testTheManualPageIsSoundAndComplete()
  local roff, code = nf("--man")
  lu.assertEquals(code, 0)
  support.write(folder .. "/nf.1", roff)
  for name in nf(""):gmatch("\n  ([%w_]+) ") do lu.assertStrContains(roff, '.SS "nf ' .. name) end
  if select(2, support.run("command -v man groff")) ~= 0 then lu.skip("man or groff is not installed") end
  lu.assertEquals({ support.run("groff -man -ww -Tutf8 -z '" .. folder .. "/nf.1'") }, { "", 0 })
  local page
  page, code = support.run("man -P cat '" .. folder .. "/nf.1'")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(page, ".*NAME\n +nf %- .*SYNOPSIS\n.*PROGRAMS\n.*EXIT STATUS\n.*")
end

-- What the completion offers behind these words.
local function complete(...)
  local words = { ... }
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = "'" .. word .. "'" end
  local text, code = support.run(("PATH=\"$(dirname '%s'):$PATH\" bash -c '. %s/nf.bash; COMP_WORDS=(nf \"$@\"); COMP_CWORD=%d; _nf; " ..
    "printf \"%%s \" \"${COMPREPLY[@]}\"' bash %s"):format(support.nf, folder, #words, table.concat(quoted, " ")))
  lu.assertEquals(code, 0)
  return text
end

function TestHelp:testTheCompletionCompletes()
  local script, code = nf("--bash")
  lu.assertEquals(code, 0)
  support.write(folder .. "/nf.bash", script)
  lu.assertEquals(complete("he"), "help ")
  lu.assertEquals(complete("help", "--ma"), "--man --markdown ")
  lu.assertEquals(complete("help", "basic.te"), "basic.tee ")
  lu.assertEquals(complete("doctor", "--"), "--help --json ")
  lu.assertEquals(complete("lua", "x"), " ")              -- files: bash's own
end

function TestHelp:testThePageOfAppsIsUpToDate()
  local text, code = nf("--markdown")
  lu.assertEquals(code, 0)
  lu.assertTrue(text == support.read("docs/apps.md"), "docs/apps.md is stale: run make docs")
end

os.exit(lu.LuaUnit.run())
