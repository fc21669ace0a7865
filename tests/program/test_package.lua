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
    "./usr/share/doc/nf/copyright" }) do
    lu.assertStrContains(list, " " .. file .. "\n")
  end
  lu.assertNil(list:find("[^\n]+root/[^r]"), "everything belongs to root")
  local control = support.run("dpkg-deb -f build/nf_*.deb")
  for _, word in ipairs({ "Package: nf\n", "libseccomp2", "libpcap0.8", "adduser" }) do lu.assertStrContains(control, word) end
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
