-- What nf is packaged with: the Debian package, the service of systemd, the messages to its manager.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef([[
int socket(int, int, int);
int bind(int, const void *, unsigned);
long recv(int, void *, size_t, int);
]])

local folder = support.folder()

TestPackage = {}

function TestPackage:testTheDebianPackage()
  if support.nf ~= "build/nf" then lu.skip("only the plain build is packaged") end
  if select(2, support.run("command -v dpkg-shlibdeps && command -v dpkg-deb")) ~= 0 then lu.skip("dpkg-dev is not installed") end
  local text, code = support.run("env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make deb")
  lu.assertEquals(code, 0, text)
  local list = support.run("dpkg-deb -c build/nf_*.deb")
  for _, file in ipairs({ "./usr/bin/nf", "./lib/systemd/system/nf@.service", "./usr/share/man/man1/nf.1.gz", "./etc/nf/",
    "./usr/share/doc/nf/copyright", "./usr/share/doc/nf/operations.md", "./usr/share/doc/nf/examples/bridge.lua" }) do
    lu.assertStrContains(list, " " .. file .. "\n")
  end
  for line in list:gmatch("[^\n]+") do lu.assertStrMatches(line, "[-d]rw[^w]r[^w][^w]r[^w][^w] root/root .*") end
  local control = support.run("dpkg-deb -f build/nf_*.deb")
  for _, word in ipairs({ "Package: nf\n", "libseccomp2", "libpcap0.8", "adduser" }) do lu.assertStrContains(control, word) end
end

-- What a script of the package does, with commands that only tell how they were called.
local function script(name, argument, booted)
  local bin = folder .. "/bin"
  support.run(("rm -rf '%s'; mkdir '%s' '%s/etc' '%s/run'"):format(bin, bin, bin, bin))
  for _, command in ipairs({ "systemctl", "adduser", "getent" }) do
    support.write(bin .. "/" .. command, ('#!/bin/sh\necho %s "$@"\n[ %s != getent ]\n'):format(command, command))
  end
  support.run(("chmod +x '%s'/*"):format(bin))
  if booted then support.run(("mkdir -p '%s/run/systemd/system'"):format(bin)) end
  support.run(("mkdir -p '%s/run/nf' '%s/etc/multi-user.target.wants'; touch '%s/etc/multi-user.target.wants/nf@x.service'"):format(bin,
    bin, bin))
  support.write(bin .. "/script", (support.read("dist/debian/" .. name):gsub("/etc/systemd/system", bin .. "/etc")
    :gsub("/run/", bin .. "/run/")))
  local text, code = support.run(("PATH='%s':$PATH sh '%s/script' %s"):format(bin, bin, argument))
  lu.assertEquals(code, 0, text)
  return text, support.run(("cd '%s' && find run etc -name 'nf*'"):format(bin))
end

function TestPackage:testTheScripts()
  local left = "run/nf\netc/multi-user.target.wants/nf@x.service\n"
  for _, case in ipairs({
    { "postinst", "configure", "adduser --system --group --no-create-home --home /nonexistent --quiet nf\nsystemctl daemon-reload\n", left },
    { "postinst", "abort-upgrade", "", left },
    { "prerm", "upgrade", "", left },
    { "prerm", "remove", "systemctl stop nf@*.service\n", left },
    { "postrm", "remove", "systemctl daemon-reload\n", left },
    { "postrm", "purge", "systemctl daemon-reload\n", "" },
  }) do
    local text, files = script(case[1], case[2], true)
    lu.assertEquals({ (text:gsub("getent[^\n]*\n", "")), files }, { case[3], case[4] }, case[1] .. " " .. case[2])
    lu.assertNotStrContains(script(case[1], case[2], false), "systemctl")
  end
end

-- The words of a text, as a set.
local function words(text)
  local set = {}
  for word in text:gmatch("[%w_.+@-]+") do set[word] = true end
  return set
end

-- What the supervisor keeps, and the sockets that nf opens, the service must allow.
function TestPackage:testTheServiceAllowsWhatNfUses()
  local unit = support.read("dist/nf@.service")
  local capabilities, families = words(unit:match("\nCapabilityBoundingSet=([^\n]*)")), words(unit:match("\nRestrictAddressFamilies=([^\n]*)"))
  local count = 0
  for capability in support.read("src/core/sandbox.c"):gmatch("CAP_%u[%u_]+") do
    lu.assertTrue(capabilities[capability], capability)
    count = count + 1
  end
  lu.assertTrue(count >= 8)
  count = 0
  for family in support.run("grep -rhoE '\\<socket(pair)?\\(AF_[A-Z0-9]+' src"):gmatch("AF_%w+") do
    lu.assertTrue(families[family], family)
    count = count + 1
  end
  lu.assertTrue(count >= 5)
end

-- The image has the libraries that the package depends on.
function TestPackage:testTheContainerHasTheLibraries()
  if support.nf ~= "build/nf" then lu.skip("only the plain build is packaged") end
  if select(2, support.run("command -v dpkg-shlibdeps")) ~= 0 then lu.skip("dpkg-dev is not installed") end
  support.run(("mkdir -p '%s/debian'"):format(folder))
  support.write(folder .. "/debian/control", "Source: nf\n\nPackage: nf\nArchitecture: any\n")
  local text, code = support.run(("binary=$(realpath %s); cd '%s' && dpkg-shlibdeps -O \"$binary\" 2>/dev/null"):format(support.nf, folder))
  lu.assertEquals(code, 0, text)
  local image = words(support.read("dist/Containerfile"):match("\nFROM debian:12\nRUN (.-)useradd"))
  for package in text:gsub("%b()", ""):match("shlibs:Depends=(.*)"):gmatch("[%w.+-]+") do
    lu.assertTrue(package == "libc6" or image[package], package .. " is not in dist/Containerfile")
  end
end

function TestPackage:testTheServiceIsUnderstood()
  if select(2, support.run("command -v systemd-analyze")) ~= 0 then lu.skip("systemd is not installed") end
  local unit = support.read("dist/nf@.service"):gsub("/usr/bin/nf", "/bin/true"):gsub("Documentation=[^\n]*\n", "")
  support.write(folder .. "/nf@.service", unit)
  local text, code = support.run(("systemd-analyze verify '%s/nf@.service'"):format(folder))
  lu.assertEquals({ text, code }, { "", 0 })
end

function TestPackage:testTheServiceManagerIsTold()
  local path = folder .. "/notify"
  local fd = ffi.C.socket(1, 2, 0)                      -- AF_UNIX, SOCK_DGRAM
  lu.assertEquals(ffi.C.bind(fd, "\1\0" .. path .. "\0", #path + 3), 0)
  support.write(folder .. "/graph.lua", [[return { apps = { source = { "basic.source", rate = "1kpps" }, sink = { "basic.sink" } },
    links = { "source -> sink" } }]])
  local text, code = support.run(("NOTIFY_SOCKET=%s WATCHDOG_USEC=100000 %s run --quiet --duration 500ms --name test-package-%d %s/graph.lua")
    :format(path, support.nf, ffi.C.getpid(), folder))
  lu.assertEquals(code, 0, text)
  local buffer, told = ffi.new("char[100]"), {}
  while true do
    local n = ffi.C.recv(fd, buffer, 100, 0x40)         -- MSG_DONTWAIT
    if n <= 0 then break end
    local message = ffi.string(buffer, n)
    told[message] = (told[message] or 0) + 1
  end
  ffi.C.close(fd)
  lu.assertEquals(told["READY=1"], 1)
  lu.assertTrue((told["WATCHDOG=1"] or 0) >= 1)
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
