-- Simulated cards whose registers, configuration space and rings are written full of garbage: they judge, and go on.
local lu = require("luaunit")
local nicsim = require("support_nicsim")
local support = require("support")

local folder = support.folder()
local driver, lacks = nicsim.prepare(folder)

TestGarbage = {}

function TestGarbage:setUp() if lacks then lu.skip(lacks) end end

-- Random words everywhere, again and again; bus mastering goes on and off with them.
function TestGarbage:testRegistersOfRandomWords()
  for _, kind in ipairs({ "82599", "82576", "i210" }) do
    local root = folder .. "/" .. kind
    local script = ([[
      d=%s/bus/pci/devices/0000:05:00.0
      for i in 1 2 3 4 5 6; do
        dd if=/dev/urandom of=$d/resource0 bs=4096 count=28 conv=notrunc 2>/dev/null
        dd if=/dev/urandom of=$d/config bs=2 seek=2 count=1 conv=notrunc 2>/dev/null
        dd if=/dev/urandom of=$d/resource0 bs=4096 seek=$i count=1 conv=notrunc 2>/dev/null
        printf '\007\000' | dd of=$d/config bs=2 seek=2 conv=notrunc 2>/dev/null
        sleep 0.05
      done]]):format(root)
    support.write(folder .. "/script", script)
    local text, code = support.run(("timeout 200 '%s' nicsim --root %s --mode poll --cards %s,%s --wire generator -- sh %s/script"):format(
      support.nf, root, kind, kind, folder))
    lu.assertEquals(code, 1, text)
    lu.assertStrContains(text, "violation")
    lu.assertNotStrContains(text, "ERROR")
    lu.assertStrMatches(text, ".*nicsim: %d+ violations\n")
  end
end

-- A driver that works, and somebody else who writes into its registers: one card's trouble is not the other one's.
function TestGarbage:testAWorkingDriverWhoseRegistersAreOverwritten()
  local root = folder .. "/two"
  support.write(folder .. "/script", ([[
    %s 2 100000000 untidy & p=$!
    sleep 0.3
    for i in 1 2 3 4; do
      dd if=/dev/urandom of=%s/bus/pci/devices/0000:05:00.0/resource0 bs=64 seek=$((64 + i)) count=1 conv=notrunc 2>/dev/null
      dd if=/dev/urandom of=%s/bus/pci/devices/0000:05:00.0/resource0 bs=64 seek=384 count=2 conv=notrunc 2>/dev/null
      sleep 0.1
    done
    kill -9 $p]]):format(driver, root, root))
  local text, code = support.run(("timeout 200 '%s' nicsim --root %s --mode poll --wire generator --traffic size=60-1514 -- sh %s/script"):format(
    support.nf, root, folder))
  lu.assertEquals(code, 1, text)
  lu.assertStrMatches(text, ".*nicsim: %d+ violations\n")
end

-- Files of the tree that are cut while they are mapped: the cards go on, and can still be told things.
function TestGarbage:testFilesThatAreCut()
  for _, mode in ipairs({ "poll", "trap" }) do
    local root = folder .. "/cut"
    support.write(folder .. "/script", ([[
      d=%s/bus/pci/devices
      truncate -s 0 $d/0000:05:00.0/resource0 $d/0000:06:00.0/config %s/mailbox
      sleep 0.2
      '%s' nicsim --root %s --tell report]]):format(root, root, support.nf, root))
    local text, code = support.run(("timeout 200 '%s' nicsim --root %s --mode %s --wire generator -- env -u LD_PRELOAD sh %s/script"):format(
      support.nf, root, mode, folder))
    lu.assertEquals(code, 0, text)
    lu.assertStrMatches(text, ".*no violation\n.*no violation\n")
  end
end

os.exit(lu.LuaUnit.run())
