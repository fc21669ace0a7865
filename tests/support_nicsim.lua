-- support_nicsim -- what tests of simulated cards share: their driver, huge pages, runs.
local support = require("support")

local nicsim = {}

-- Compile the driver into a folder and see to huge pages; gives its path, and the reason when cards cannot be simulated.
function nicsim.prepare(folder)
  local driver = folder .. "/driver"
  local text, code = support.run("cc -O2 -Wall -Wextra -Werror -o " .. driver .. " tests/nicsim/driver/*.c")
  assert(code == 0, text)
  return driver, nicsim.lacks(32)
end

-- Why there cannot be so many huge pages, or nil.
function nicsim.lacks(pages)
  if support.run("id -u") ~= "0\n" then return "simulated cards need root" end
  local function free() return tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s+(%d+)")) end
  local total = tonumber(support.read("/proc/sys/vm/nr_hugepages"))
  if free() < pages then support.run(("echo %d > /proc/sys/vm/nr_hugepages"):format(total + pages)) end
  if free() < pages then return "no huge pages are to be had" end
end

-- Run a driver with cards; gives the output and the exit code.
function nicsim.run(options, driver, arguments)
  return support.run(("timeout 60 '%s' nicsim %s -- %s %s"):format(support.nf, options, driver, arguments))
end

return nicsim
