-- make install: what it puts where.
local lu = require("luaunit")
local support = require("support")

TestInstall = {}

local folder = support.folder()

-- This make is not part of the one that may have started the tests.
local function make(arguments) return support.run("env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make " .. arguments) end

function TestInstall:setUp()
  if support.nf ~= "build/nf" then lu.skip("only the plain build is installed") end
end

function TestInstall:testBinaryPageAndCompletionAreInstalled()
  local text, code = make("install PREFIX=/usr DESTDIR='" .. folder .. "'")
  lu.assertEquals(code, 0, text)
  local list = support.run(("cd '%s' && find . -type f -printf '%%p %%m\n' | sort"):format(folder))
  lu.assertEquals(list, "./usr/bin/nf 755\n./usr/share/bash-completion/completions/nf 644\n./usr/share/man/man1/nf.1 644\n")
  lu.assertStrMatches(support.run(folder .. "/usr/bin/nf --version"), "nf [%d.]+\n")
  lu.assertEquals(support.read(folder .. "/usr/share/man/man1/nf.1"), (support.run(support.nf .. " help --man")))
  lu.assertEquals(support.read(folder .. "/usr/share/bash-completion/completions/nf"), (support.run(support.nf .. " help --bash")))
end

function TestInstall:testTheBinaryNeedsNothingBesideIt()
  support.run(("cp %s '%s/nf'"):format(support.nf, folder))
  local text, code = support.run(("cd / && '%s/nf' lua -e 'print(#require(\"nf.sources\") > 20, nf.BURST > 0)'"):format(folder))
  lu.assertEquals({ text, code }, { "true\ttrue\n", 0 })
end

function TestInstall:testHelpListsTheTargets()
  local text, code = make("help")
  lu.assertEquals(code, 0)
  for _, target in ipairs({ "demo", "check", "bench", "lint", "docs", "install", "fuzz" }) do lu.assertStrContains(text, target) end
end

os.exit(lu.LuaUnit.run())
