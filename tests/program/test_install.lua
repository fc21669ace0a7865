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
  local text, code = make("install PREFIX=/usr DESTDIR='" .. folder .. "/root'")
  lu.assertEquals(code, 0, text)
  local list = support.run(("cd '%s/root' && find . -type f -printf '%%p %%m\n' | sort"):format(folder))
  lu.assertEquals(list, "./usr/bin/nf 755\n./usr/lib/nf/nicsim-trap.so 644\n" ..
    "./usr/share/bash-completion/completions/nf 644\n./usr/share/man/man1/nf.1 644\n")
  lu.assertStrMatches(support.run(folder .. "/root/usr/bin/nf --version"), "nf [%d.]+\n")
  lu.assertEquals(support.read(folder .. "/root/usr/share/man/man1/nf.1"), (support.run(support.nf .. " help --man")))
  lu.assertEquals(support.read(folder .. "/root/usr/share/bash-completion/completions/nf"), (support.run(support.nf .. " help --bash")))
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

TestDeps = {}

-- Commands that stand in for those of the system: they write down how they were called. `missing`: a package; `user`: who asks.
local function deps(missing, user, target)
  local bin, log = folder .. "/bin", folder .. "/log"
  support.run(("rm -rf '%s' '%s'; mkdir '%s'"):format(bin, log, bin))
  for name, script in pairs({
    ["dpkg-query"] = 'for last; do :; done; [ "$last" = "' .. missing .. '" ] || echo "install ok installed"',
    ["apt-get"] = 'echo "apt-get $*" >> ' .. log,
    id = "echo " .. user,
    sudo = "echo sudo >> " .. log .. '; exec "$@"',
  }) do
    support.write(bin .. "/" .. name, "#!/bin/sh\n" .. script .. "\n")
    support.run(("chmod +x '%s/%s'"):format(bin, name))
  end
  local text, code = make(("%s PATH='%s':\"$PATH\""):format(target or "deps", bin))
  lu.assertEquals(code, 0, text)
  return text, support.read(log) or ""
end

function TestDeps:testNothingIsDoneWhenAllIsThere()
  lu.assertEquals({ deps("no such package", 1000) }, { "", "" })
end

function TestDeps:testWhatIsMissingIsInstalledByRoot()
  local text, log = deps("libpcap-dev", 0)
  lu.assertEquals(text, "installing: libpcap-dev\n")
  lu.assertEquals(log, "apt-get update -qq\napt-get install -y -qq --no-install-recommends libpcap-dev\n")
end

function TestDeps:testBuildingTakesLess()
  lu.assertEquals({ deps("iperf3", 0, "build-deps") }, { "", "" })
  lu.assertEquals((deps("libpcap-dev", 0, "build-deps")), "installing: libpcap-dev\n")
end

function TestDeps:testOthersUseSudo()
  local _, log = deps("clang", 1000)
  lu.assertStrMatches(log, "sudo\napt%-get update %-qq\nsudo\napt%-get install .* clang\n")
end

os.exit(lu.LuaUnit.run())
