-- nf lua: scripts, code of the command line, and the prompt.
local lu = require("luaunit")
local support = require("support")

TestLua = {}

local folder = support.folder()
local function nf(arguments, before) return support.run((before or "") .. " '" .. support.nf .. "' lua " .. arguments) end

-- What the prompt answers to these lines, without its first line.
local function prompt(...)
  support.write(folder .. "/input", table.concat({ ... }, "\n") .. "\n")
  local text, code = nf("-i < " .. folder .. "/input")
  lu.assertEquals(code, 0)
  return text:gsub("^nf [^\n]*\n", "")
end

function TestLua:testAScriptGetsItsArguments()
  support.write(folder .. "/a.lua", "print(arg[0]:match('[^/]*$'), #arg, arg[2], ...)")
  local text, code = nf(folder .. "/a.lua --help -e x")
  lu.assertEquals(code, 0)
  lu.assertEquals(text, "a.lua\t3\t-e\t--help\t-e\tx\n")
end

function TestLua:testAScriptMayComeFromAPipe()
  lu.assertEquals({ nf("", "echo 'print(2 + 2)' |") }, { "4\n", 0 })
  lu.assertEquals({ nf("- a", "echo 'print(...)' |") }, { "a\n", 0 })
end

function TestLua:testErrorsOfAScriptFail()
  support.write(folder .. "/a.lua", "local x = nil\nprint(x.y)")
  local text, code = nf(folder .. "/a.lua")
  lu.assertEquals(code, 1)
  lu.assertStrMatches(text, "nf lua: .*a%.lua:2: attempt to index local 'x' %(a nil value%)\nstack traceback:.*")
  support.write(folder .. "/a.lua", "local x = = 1")
  text, code = nf(folder .. "/a.lua")
  lu.assertEquals(code, 1)
  lu.assertStrMatches(text, "nf lua: .*a%.lua:1: unexpected symbol near '='\n")
  support.write(folder .. "/a.lua", "error({})")
  lu.assertEquals({ nf(folder .. "/a.lua") }, { "nf lua: (an error that is no string)\n", 1 })
  lu.assertEquals({ nf("/no/such.lua") }, { "nf lua: cannot open /no/such.lua: No such file or directory\n", 1 })
end

function TestLua:testAScriptChoosesItsExitCode()
  lu.assertEquals({ nf("-e 'os.exit(7)'") }, { "", 7 })
end

function TestLua:testCodeOfTheCommandLineHasTheLibrary()
  lu.assertEquals({ nf("-e 'print(nf.BURST > 0, ffi.sizeof(\"struct packet\") % 64)'") }, { "true\t0\n", 0 })
  local text, code = nf("-e 'x('")
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf lua: -e:1: unexpected symbol near '<eof>'\n")
end

function TestLua:testCodeRunsBeforeTheScript()
  support.write(folder .. "/a.lua", "print(x)")
  lu.assertEquals({ nf("-e 'x = 5' " .. folder .. "/a.lua") }, { "5\n", 0 })
  lu.assertEquals({ nf("-e 'error(\"no\", 0)' " .. folder .. "/a.lua 2>/dev/null") }, { "", 1 })
end

function TestLua:testThePromptPrintsValues()
  lu.assertEquals(prompt("1 + 2", "'a\"b\\n', nil", "{ 1, 'x', y = { z = true }, [2.5] = 0 }", "{}", "nf.PARAM_END"),
    '> 3\n> "a\\"b\\n"  nil\n> { 1, "x", [2.5] = 0, y = { z = true } }\n> {}\n> 0\n> \n')
  lu.assertEquals(prompt("local t = {}; t.t = t; return t"), "> { t = { t = { t = { t = { ... } } } } }\n> \n")
  lu.assertStrMatches(prompt("local t = {} for i = 1, 1000 do t[i] = i end return t"), "> { 1, 2, .*50, ... %(950 more%) }\n> \n")
end

function TestLua:testThePromptGoesOnAfterErrors()
  lu.assertStrMatches(prompt("x.y = 1", "1 = 1", "error({})", "print('alive')"),
    ".*attempt to index global 'x'.*unexpected symbol near '1'.*table: 0x.*alive\n> \n")
end

function TestLua:testThePromptReadsOnUntilTheInputIsComplete()
  lu.assertEquals(prompt("for i = 1, 2 do", "print(i)", "end", "7"), "> >> >> 1\n2\n> 7\n> \n")
  lu.assertStrContains(prompt("x = (", "", "7"), "unexpected symbol near '<eof>'")
  lu.assertStrContains(prompt("x = (", "", "7"), "> 7\n")
end

function TestLua:testAnInterruptEndsTheEvaluationAlone()
  support.write(folder .. "/input", "print('pid', ffi.C.getpid())\nlocal n = 0 jit.off(true) while true do n = n + 1 end\nprint('alive')\n")
  local text, code = support.run(("'%s' lua -i -e 'ffi.cdef[[int getpid(void);]]' < %s/input > %s/output 2>&1 & p=$!; " ..
    "for i in $(seq 100); do grep -q pid %s/output && break; sleep 0.1; done; sleep 0.2; kill -INT $p; wait $p; code=$?; cat %s/output; (exit $code)"
    ):format(support.nf, folder, folder, folder, folder))
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, ".*pid.*interrupted.*alive\n> \n")
end

os.exit(lu.LuaUnit.run())
