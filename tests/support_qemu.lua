-- support_qemu -- boot Debian's kernel in QEMU (software emulation) with nf in an initial RAM disk, and run a test file there.
--
-- The guest has busybox, nf with its libraries, luaunit and this project's tests; its test file prints TAP, of which each case
-- becomes one of ours. The kernel comes from Debian's package, which `make linux` unpacks into build/linux: nothing of the host
-- changes. `make deps QEMU=backports` unpacks a later QEMU into build/qemu, which is taken when it is there.
--
-- QEMU's monitor (its QMP) is the guest's second serial port, so that a test of the guest can pull a cable or a card (support_guest.lua).
local lu = require("luaunit")
local support = require("support")

local qemu = {}

local LINUX, BACKPORTS = "build/linux", "build/qemu"
-- Timers that count real time: what the kernel measures at its start is wrong on a busy machine, and it gives up.
local OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check clocksource=hpet nosoftlockup"
-- What the guest says before and after the tests; how long the first may take, on a machine with more to do than it can, and all.
local BEGIN, END = "guest begins", "guest ends with "
local BOOT_SECONDS, SECONDS = 150, 300
local LAST = os.time() + 560            -- a test file as a whole: tests/run.lua gives it 600 seconds
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
stty -F /dev/ttyS1 raw -echo
cat /dev/ttyS1 > /tmp/monitor.log &
printf '\377\n{ "execute": "qmp_capabilities" }\n' > /dev/ttyS1
echo %d > /proc/sys/vm/nr_hugepages
mount -t hugetlbfs huge /dev/hugepages
ip link set lo up
echo "guest begins"
/nf lua %s -v -o tap
echo "guest ends with $?"
poweroff -f
]]

-- The command that is QEMU: that of the backports, else the installed one. Its modules are all of other purposes.
local function program()
  local unpacked = BACKPORTS .. "/usr/bin/qemu-system-x86_64"
  if not support.read(BACKPORTS .. "/unpacked") then return "qemu-system-x86_64" end
  return ("QEMU_MODULE_DIR=/none LD_LIBRARY_PATH='%s/usr/lib/x86_64-linux-gnu' %s -L %s/usr/share/qemu -L %s/usr/share/seabios"):format(BACKPORTS,
    unpacked, BACKPORTS, BACKPORTS)
end

-- What is missing for a machine with a device of this kind; nil when nothing is.
function qemu.missing(device)
  if support.run("ldd '" .. support.nf .. "'"):find("libasan", 1, true) then return "the virtual machine has no sanitizers' libraries" end
  if select(2, support.run(program() .. " --version")) ~= 0 then return "qemu-system-x86_64 is not installed" end
  if support.run("command -v busybox") == "" then return "busybox is not installed" end
  if support.run("ls " .. LINUX .. "/boot/vmlinuz-* 2>/dev/null") == "" then return "no kernel: make linux unpacks one into " .. LINUX end
  -- It says so, and ends with the code 0.
  if device and support.run(("%s -M q35 -nodefaults -device %s,help 2>&1"):format(program(), device)):find("not found", 1, true) then
    return ("this QEMU has no device '%s': make deps QEMU=backports unpacks a later one into %s"):format(device, BACKPORTS)
  end
  return nil
end

local function shell(command)
  local text, code = support.run(command)
  if code ~= 0 then error(command .. ": " .. text, 2) end
  return text
end

-- Copy a program, without its symbols, with the libraries that it is linked with.
local function install(root, file, path)
  shell(("cp '%s' '%s%s' && { strip '%s%s' || true; }"):format(file, root, path, root, path))
  for library in shell(("ldd '%s'"):format(file)):gmatch("(/%S+)") do
    shell(("mkdir -p '%s%s' && cp -L '%s' '%s%s'"):format(root, library:match("^(.*)/"), library, root, library))
  end
end

-- The initial RAM disk, in the folder.
local function make_initrd(folder, what)
  local root, names = folder .. "/root", {}
  shell(("rm -rf '%s' && mkdir -p '%s/bin' '%s/modules' '%s/lua' '%s/programs' '%s/proc' '%s/sys' '%s/dev' '%s/etc'"):format(root, root, root, root, root, root,
    root, root, root))
  shell(("cp \"$(command -v busybox)\" '%s/bin/busybox'"):format(root))
  install(root, support.nf, "/nf")
  for _, name in ipairs(what.programs or {}) do
    install(root, shell("command -v " .. name):gsub("%s+$", ""), "/programs/" .. name)
  end
  shell(("cp -r tests examples '%s/' && cp /usr/share/lua/5.1/luaunit.lua '%s/lua/' && rm -rf '%s/tests/fuzz'"):format(root, root, root))
  for i, module in ipairs(what.modules or {}) do
    shell(("cp \"$(find %s/lib/modules -name %s.ko)\" '%s/modules/'"):format(LINUX, module, root))
    names[i] = module
  end
  shell(("printf 'root:x:0:0:root:/:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/sh\\n' > '%s/etc/passwd'"):format(root))
  support.write(root .. "/init", INIT:format(table.concat(names, " "), what.huge_pages or 64, what.test))
  shell(("chmod 755 '%s/init' && cd '%s' && find . | busybox cpio -o -H newc > ../initrd 2>/dev/null"):format(root, root))
end

-- The command of a machine of which the folder has the initial RAM disk.
local function command(what, folder)
  local kernel = support.run("ls -U " .. LINUX .. "/vmlinux " .. LINUX .. "/boot/vmlinuz-* 2>/dev/null"):match("%S+")
  local monitor = ("-chardev socket,id=m,path=%s/m,server=on,wait=off -mon chardev=m,mode=control " ..
    "-chardev socket,id=s,path=%s/m -serial chardev:s"):format(folder, folder)
  return ("env %s -M q35 -accel tcg -cpu max -m 1024 -nodefaults -no-reboot -display none -serial stdio %s %s -kernel %s " ..
    "-initrd '%s/initrd' -append '%s %s' < /dev/null"):format(program(), monitor, what.devices or "", kernel, folder, OPTIONS,
    what.append or "")
end

-- Run a machine until it ends; one that takes too long is ended. Gives all that it printed, and what went wrong, or nil.
local function run(what, folder)
  local from = os.time()
  local last = math.min(from + SECONDS, LAST)
  local pid = support.background(command(what, folder), folder .. "/console")
  local text, wrong
  repeat
    support.run("sleep 0.2")
    local running = support.alive(pid)
    text = (support.read(folder .. "/console") or ""):gsub("\r", "")
    if running and os.time() - from > BOOT_SECONDS and not text:find(BEGIN, 1, true) then
      wrong = ("the tests have not begun after %d seconds"):format(BOOT_SECONDS)
    elseif running and os.time() > last then
      wrong = ("the tests have not ended after %d seconds"):format(os.time() - from)
    end
    if wrong then support.run("kill -9 " .. pid) end
  until not running or wrong
  return text, wrong or not text:find(END, 1, true) and "the machine has ended before the tests" or nil
end

-- Boot and run what.test there. what: modules (in the order of their needs), programs (of the host, in /programs: busybox takes
-- its own for those in /bin), devices (QEMU's options), append (the kernel's options; NAME=VALUE becomes a variable of the test's
-- environment), huge_pages. A machine that does not come as far as to begin with the tests is booted once more, and a note tells
-- so. Gives all that the guest printed, and what went wrong, or nil.
function qemu.boot(what)
  local folder = support.folder()
  make_initrd(folder, what)
  local text, wrong = run(what, folder)
  if not text:find(BEGIN, 1, true) then
    print(("note: %s: %s; it is booted once more. Its last lines:\n%s"):format(what.test, wrong, qemu.tail(text)))
    text, wrong = run(what, folder)
  end
  support.run("rm -rf '" .. folder .. "'")
  return text, wrong
end

-- The last lines of a console.
function qemu.tail(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return table.concat(lines, "\n", math.max(1, #lines - 19))
end

-- Two classes of the tests of guest_<what>.lua: on two cards of a kind, joined by a cable, which are reached directly, and through
-- vfio-pci behind an IOMMU of 39 bits.
--   cases: those of both, and those that take the IOMMU; modules: of the kernel's driver, if it has one of the cards
local function both_ways(what, card, cases, modules)
  local devices, classes = {}, {}
  for i = 1, 2 do
    devices[i] = (" -device pcie-root-port,id=p%d,chassis=%d -netdev hubport,id=h%d,hubid=1 -device %s,id=c%d,netdev=h%d,bus=p%d," ..
      "mac=02:00:00:00:00:0%d,romfile="):format(i, i, i, card, i, i, i, i)
  end
  for i, way in ipairs({ { "", "", cases[1], {} }, { "-device intel-iommu,aw-bits=39", "intel_iommu=on iomem=relaxed ", cases[2],
      { "irqbypass", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci" } } }) do
    local list = way[4]
    for _, module in ipairs(modules) do list[#list + 1] = module end
    classes[i] = qemu.class({ test = ("tests/qemu/guest_%s.lua"):format(what), device = card, modules = list, programs = { "ip" },
      devices = way[1] .. table.concat(devices), huge_pages = 128, append = way[2] .. "NF_CARD=" .. card }, way[3])
  end
  return unpack(classes)
end

-- Both cards are nf's. card: QEMU's name
function qemu.cards(card)
  local cases = { "testEverybodyIsKilled", "testFramesOfAllSizes", "testKilledWorkerAndPulledCable", "testReload" }
  return both_ways("cards", card, { cases, { "testForbiddenReceiveRing", "testForbiddenTransmitRing", "testRefusals", "testReservedRanges",
    unpack(cases) } }, {})
end

-- One is nf's, the other that of the kernel's driver of these modules.
function qemu.peers(card, ...)
  local cases = { "testTheKernelIsThePeer", "testTheKernelSendsToTheKilled" }
  return both_ways("peer", card, { cases, cases }, { "tun", ... })
end

-- Make a test class of this process from the cases of a guest's: each fails as it has failed there. The machine is booted once.
function qemu.class(what, cases)
  local class, output, wrong = {}, nil, nil
  local function boot()
    local missing = qemu.missing(what.device)
    if missing then lu.skip(missing) end
    if not output then output, wrong = qemu.boot(what) end
  end
  for _, case in ipairs(cases) do
    class[case] = function()
      boot()
      local skip = output:match("\nok%s+%d+%s+# SKIP%s+(%S*%." .. case .. "[^\n]*)")
      if skip then lu.skip(skip) end
      if output:match("\nok%s+%d+%s+%S*%." .. case .. "%s") then return end
      local failure = output:match("\nnot ok%s+%d+%s+%S*%." .. case .. "%s.*")
      if not failure then lu.fail(("%s; its last lines:\n%s"):format(wrong or "the guest has no such case", qemu.tail(output))) end
      lu.fail(failure:match("^\n(.-)\nn?o?t? ?ok ") or failure)
    end
  end
  -- What the guest has and nobody asked about would be a test that nobody sees.
  class.testAllCasesOfTheGuestAreKnown = function()
    boot()
    if wrong then lu.fail(wrong .. "; its last lines:\n" .. qemu.tail(output)) end
    lu.assertStrContains(output, "1.." .. #cases .. "\n")
    lu.assertStrContains(output, END .. "0\n")
  end
  return class
end

return qemu
