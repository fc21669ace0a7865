-- The way into nf: names of programs, options, exit codes.
local lu = require("luaunit")
local support = require("support")

TestMain = {}

local function nf(arguments) return support.run("'" .. support.nf .. "' " .. arguments) end

function TestMain:testWithoutAProgramUsageIsShownAsAnError()
  local text, code = nf("")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "usage: nf PROGRAM")
  local _, errors = nf("2>/dev/null"), nf(">/dev/null")
  lu.assertStrContains(errors, "usage: nf PROGRAM")
end

function TestMain:testHelpAndVersionAreAnswered()
  for _, option in ipairs({ "--help", "-h", "help" }) do
    local text, code = nf(option .. " 2>/dev/null")
    lu.assertEquals(code, 0, option)
    lu.assertStrContains(text, "usage: nf PROGRAM")
    lu.assertStrContains(text, "\n  lua ")
  end
  local text, code = nf("--version 2>/dev/null")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, "nf %d+%.%d+%.%d+\n")
end

function TestMain:testAnUnknownProgramIsToldWithTheNearest()
  local text, code = nf("hlep")
  lu.assertEquals(code, 2)
  lu.assertEquals(text, "nf: unknown program 'hlep'; did you mean 'help'?\n    nf help lists all\n")
  text, code = nf("something-else")
  lu.assertEquals(code, 2)
  lu.assertEquals(text, "nf: unknown program 'something-else'\n    nf help lists all\n")
end

function TestMain:testAnUnknownOptionIsToldWithTheNearest()
  local text, code = nf("help --bsah")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf help: unknown option '--bsah'; did you mean '--bash'?\n")
  lu.assertStrContains(text, "nf help --help shows how it is used")
  text, code = nf("help --hlp")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "did you mean '--help'?")
  text, code = nf("help --quite-something")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf help: unknown option '--quite-something'\n")
end

function TestMain:testValuesOfOptions()
  local text, code = nf("help --bash=yes")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf help: option '--bash' takes no value\n")
  text, code = nf("lua -e")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf lua: option '-e' needs a value: -e CODE\n")
  text, code = nf("lua -e='print(7)'")
  lu.assertEquals(code, 0)
  lu.assertEquals(text, "7\n")
end

function TestMain:testTooManyAndMissingArguments()
  local text, code = nf("diff one two three")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "nf diff: unexpected argument 'three'\n")
end

function TestMain:testDashesEndTheOptions()
  local text, code = nf("help -- --bash")
  lu.assertEquals(code, 2)
  lu.assertStrContains(text, "there is no program or app '--bash'")
end

function TestMain:testEveryProgramHasHelp()
  local list = nf("help")
  local count = 0
  for name in list:gmatch("\n  ([%w_]+) ") do
    local text, code = nf(name .. " --help 2>/dev/null")
    lu.assertEquals(code, 0, name)
    lu.assertStrMatches(text, "nf " .. name .. " %-%- .+%.\n.*usage: nf " .. name .. ".*%-%-help .*")
    lu.assertEquals(nf("help " .. name), text)
    count = count + 1
  end
  lu.assertTrue(count >= 2)
end

function TestMain:testTheArgumentThatIsMissingIsNamed()
  for arguments, name in pairs({ check = "FILE", diff = "NAME", ["diff x"] = "FILE", ["stop"] = "NAME..." }) do
    local text, code = nf(arguments)
    lu.assertEquals(code, 2, text)
    lu.assertStrContains(text, ": " .. name .. " is missing\n")
  end
end

function TestMain:testAFullOutputIsAFailure()
  local text, code = nf("help >/dev/full")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nf: cannot write the output: No space left on device")
end

os.exit(lu.LuaUnit.run())
