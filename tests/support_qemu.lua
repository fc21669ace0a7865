-- support_qemu -- boot Debian's kernel in QEMU (software emulation) with nf in an initial RAM disk, and run a test file there.
--
-- The guest has busybox, nf with its libraries, luaunit and this project's tests; its test file prints TAP, of which each case
-- becomes one of ours. The kernel comes from Debian's package, which `make deps` unpacks into build/linux: nothing of the host
-- changes.
local lu = require("luaunit")
local support = require("support")

local qemu = {}

local LINUX = "build/linux"
local INIT = [[#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LUA_PATH='tests/?.lua;/lua/?.lua;;' NF=/nf TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /tmp /run /dev/shm /dev/net /dev/hugepages /var/run/netns
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns
for module in %s; do insmod /modules/$module.ko || echo "no module $module"; done
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
echo %d > /proc/sys/vm/nr_hugepages
mount -t hugetlbfs huge /dev/hugepages
ip link set lo up
/nf lua %s -v -o tap
echo "guest ends with $?"
poweroff -f
]]

-- What is missing for a machine; nil when nothing is.
function qemu.missing()
  if support.run("ldd '" .. support.nf .. "'"):find("libasan", 1, true) then return "the virtual machine has no sanitizers' libraries" end
  if support.run("command -v qemu-system-x86_64") == "" then return "qemu-system-x86_64 is not installed" end
  if support.run("command -v busybox") == "" then return "busybox is not installed" end
  if support.run("ls " .. LINUX .. "/boot/vmlinuz-* 2>/dev/null") == "" then return "no kernel: make deps unpacks one into " .. LINUX end
  return nil
end

local function shell(command)
  local text, code = support.run(command)
  if code ~= 0 then error(command .. ": " .. text, 2) end
  return text
end

-- Copy a program with the libraries that it is linked with.
local function install(root, program, path)
  shell(("cp '%s' '%s%s'"):format(program, root, path))
  for library in shell(("ldd '%s'"):format(program)):gmatch("(/%S+)") do
    shell(("mkdir -p '%s%s' && cp -L '%s' '%s%s'"):format(root, library:match("^(.*)/"), library, root, library))
  end
end

-- The initial RAM disk. Gives its path.
local function make_initrd(folder, what)
  local root, names = folder .. "/root", {}
  shell(("rm -rf '%s' && mkdir -p '%s/bin' '%s/modules' '%s/lua' '%s/programs' '%s/proc' '%s/sys' '%s/dev' '%s/etc'"):format(root, root, root, root, root, root,
    root, root, root))
  shell(("cp \"$(command -v busybox)\" '%s/bin/busybox'"):format(root))
  install(root, support.nf, "/nf")
  for _, program in ipairs(what.programs or {}) do
    install(root, shell("command -v " .. program):gsub("%s+$", ""), "/programs/" .. program)
  end
  shell(("cp -r tests examples '%s/' && cp /usr/share/lua/5.1/luaunit.lua '%s/lua/' && rm -rf '%s/tests/fuzz'"):format(root, root, root))
  for i, module in ipairs(what.modules or {}) do
    shell(("cp \"$(find %s/lib/modules -name %s.ko)\" '%s/modules/'"):format(LINUX, module, root))
    names[i] = module
  end
  shell(("printf 'root:x:0:0:root:/:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/sh\\n' > '%s/etc/passwd'"):format(root))
  support.write(root .. "/init", INIT:format(table.concat(names, " "), what.huge_pages or 64, what.test))
  shell(("chmod 755 '%s/init' && cd '%s' && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > ../initrd.gz"):format(root, root))
  return folder .. "/initrd.gz"
end

-- Boot and run what.test there. what: modules (in the order of their needs), programs (of the host, in /programs: busybox takes
-- its own for those in /bin), devices (QEMU's options), append (the kernel's options), huge_pages, seconds. Gives all that the
-- guest printed.
function qemu.boot(what)
  local folder = support.folder()
  local initrd = make_initrd(folder, what)
  local kernel = support.run("ls -U " .. LINUX .. "/vmlinux " .. LINUX .. "/boot/vmlinuz-* 2>/dev/null"):match("%S+")
  local text = support.run(("timeout %d qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 1024 -nodefaults -no-reboot -display none " ..
    "-serial stdio %s -kernel %s -initrd '%s' -append 'console=ttyS0 quiet panic=-1 %s' < /dev/null"):format(
    what.seconds or 300, what.devices or "", kernel, initrd, what.append or ""))
  support.run("rm -rf '" .. folder .. "'")
  return (text:gsub("\r", ""))
end

-- Make a test class of this process from the cases of a guest's: each fails as it has failed there. The machine is booted once.
function qemu.class(what, cases)
  local class, output = {}, nil
  for _, case in ipairs(cases) do
    class[case] = function()
      local missing = qemu.missing()
      if missing then lu.skip(missing) end
      output = output or qemu.boot(what)
      local skip = output:match("\nok%s+%d+%s+# SKIP%s+(%S*%." .. case .. "[^\n]*)")
      if skip then lu.skip(skip) end
      if not output:match("\nok%s+%d+%s+%S*%." .. case .. "%s") then lu.fail(output) end
    end
  end
  -- What the guest has and nobody asked about would be a test that nobody sees.
  class.testAllCasesOfTheGuestAreKnown = function()
    local missing = qemu.missing()
    if missing then lu.skip(missing) end
    output = output or qemu.boot(what)
    lu.assertStrContains(output, "1.." .. #cases .. "\n")
    lu.assertStrContains(output, "guest ends with 0")
  end
  return class
end

return qemu
