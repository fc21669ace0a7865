-- support_guest -- what the test files share that run in a guest of tests/qemu (support_qemu.lua): instances of nf on two cards that
-- a cable joins, frames whose every byte is checked, the machine's monitor.
local lu = require("luaunit")
local ffi = require("ffi")
local capture = require("support_capture")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local guest = { FIRST = "0000:01:00.0", SECOND = "0000:02:00.0", card = os.getenv("NF_CARD") }

guest.class = "intel." .. tostring(guest.card)
guest.vfio = select(2, support.run("test -d /sys/bus/pci/drivers/vfio-pci")) == 0
guest.kill = ffi.C.kill

-- Run a command that must succeed; gives what it printed.
function guest.shell(command)
  local text, code = support.run(command)
  lu.assertEquals(code, 0, command .. ": " .. text)
  return text
end

-- The host's ip, in a namespace or not: busybox's knows less.
function guest.ip(...)
  for _, command in ipairs({ ... }) do guest.shell("/programs/ip " .. command) end
end

-- A command of QEMU's monitor, its arguments in JSON.
function guest.monitor(command, arguments)
  local port = assert(io.open("/dev/ttyS1", "w"))
  port:write(('{ "execute": "%s", "arguments": { %s } }\n'):format(command, arguments))
  port:close()
end

-- Leave a card to nf, as a user would.
function guest.take(card)
  guest.shell(("/nf pci %s %s"):format(guest.vfio and "bind" or "unbind", card))
  if guest.vfio then lu.assertStrContains(guest.shell("/nf pci"), "vfio-pci") end
end

-- What was blocked so far was to be.
function guest.forget_faults() guest.shell("dmesg -c") end

-- What the IOMMU has blocked since the machine was booted, or since that was forgotten, in the kernel's words.
function guest.faults()
  local list = {}
  for fault in guest.shell("dmesg"):gmatch("DMAR: (%[DMA [^\n]*)") do list[#list + 1] = fault end
  return table.concat(list, "\n")
end

-- All that an instance has printed.
function guest.said(name) return support.read("/tmp/" .. name .. ".log") or "" end

-- Run a graph that nf refuses; gives what it printed.
function guest.refused(text, environment)
  support.write("/tmp/refused.lua", text)
  local said, code = support.run(("env %s timeout 60 /nf run --name refused /tmp/refused.lua"):format(environment or ""))
  lu.assertNotEquals(code, 0, said)
  return said
end

-- Wait until `done` gives something, in steps that leave the one processor to nf; at most 90 seconds.
function guest.wait(what, name, done)
  local last = os.time() + 90
  repeat
    local value = done()
    if value then return value end
    ffi.C.usleep(250000)
  until os.time() > last
  error(("waited in vain for %s\n%s\n%s"):format(what, support.run("/nf stats --interval 0 " .. name), guest.said(name)), 2)
end

local started = {}

-- Start an instance, with more variables in its environment or not, and wait until it runs. gives: its process
function guest.start(name, text, environment)
  support.write("/tmp/" .. name .. ".lua", text)
  local pid = support.background(("env %s /nf run --name %s /tmp/%s.lua"):format(environment or "", name, name), "/tmp/" .. name .. ".log")
  started[name] = pid
  guest.wait("nf", name, function()
    if not support.alive(pid) then error(guest.said(name), 0) end
    return support.run("/nf stats --interval 0 " .. name):find(", running; [1-9]")
  end)
  return pid
end

-- After each test: end what a failed one has left running, lest the others fail, too; the IOMMU has blocked nothing.
function guest.clean_up()
  for name, pid in pairs(started) do
    if support.alive(pid) then
      support.run("/nf stop " .. name)
      for _ = 1, 40 do
        if support.alive(pid) then ffi.C.usleep(250000) end
      end
      ffi.C.kill(pid, 9)
    end
  end
  started = {}
  local faults = guest.faults()
  guest.forget_faults()
  lu.assertEquals(faults, "")
end

-- Replace an instance's graph; gives the receipt.
function guest.reload(name, text)
  support.write("/tmp/" .. name .. ".lua", text)
  return guest.shell("/nf reload " .. name)
end

-- End an instance. gives: all that it has printed
function guest.stop(name)
  guest.shell("/nf stop " .. name)
  guest.wait("the end", name, function() return guest.said(name):find("it balances", 1, true) end)
  return guest.said(name)
end

function guest.worker(pid)
  return tonumber((support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):match("%d+"))
end

-- One figure of an app: "received", "sent", "consumed", "dropped", or a counter or reason of its own.
function guest.count(name, app, key)
  local figures = support.run("/nf stats --interval 0 --json " .. name):match('"' .. app .. '": (%b{})') or ""
  return tonumber(figures:match('"' .. key:gsub("%-", "%%-") .. '": (%d+)')) or 0
end

function guest.wait_count(name, app, key, least)
  guest.wait(("%s's %s"):format(app, key), name, function() return guest.count(name, app, key) >= least end)
end

-- A register of a card; a counter is 0 afterwards.
function guest.register(card, name)
  return tonumber((guest.shell(("/nf regs %s '%s'"):format(card, name)):match("0x%x+ (0x%x+)")))
end

-- Whether a card may reach memory: bus mastering, bit 2 of the command register.
function guest.is_master(card)
  local text = support.read("/sys/bus/pci/devices/" .. card .. "/config")
  return math.floor(text:byte(5) / 4) % 2 == 1
end

-- A line of /proc/meminfo, a number.
function guest.memory(name) return tonumber(support.read("/proc/meminfo"):match(name .. ":%s+(%d+)")) end

local block

-- Bytes that follow no pattern: of a linear congruential generator (Knuth, TAOCP 3.3.4, line 15).
local function noise()
  local x, list = 1, {}
  for i = 1, 16384 do
    x = (x * 1664525 + 1013904223) % 4294967296
    list[i] = capture.u32(x)
  end
  return table.concat(list)
end

-- Frames of these sizes, numbered in bytes 15 to 18, to a station that nobody has, with a payload of noise.
function guest.frames(sizes)
  local list = {}
  block = block or noise()
  for i, size in ipairs(sizes) do
    local at = (i * 7919) % (#block - 10240)
    list[i] = { data = ("\2\0\0\0\1\2\2\0\0\0\1\1\136\181" .. capture.u32(i) .. block:sub(at + 1, at + 10240)):sub(1, size) }
  end
  return list
end

-- Compare a capture with the frames that it must hold, one by one.
function guest.compare(path, frames)
  lu.assertNil(capture.difference(capture.read(support.read(path)), frames, { "data" }))
end

-- The text of a graph of the two cards, a and b, and what else is given: apps and links.
function guest.graph(mtu, apps, links)
  local card = [[{ "%s", pci = "%s", mtu = %d, wait_for_link = "10s" }]]
  return ("return { apps = { a = %s, b = %s, %s }, links = { %s } }"):format(card:format(guest.class, guest.FIRST, mtu),
    card:format(guest.class, guest.SECOND, mtu), apps, links)
end

return guest
