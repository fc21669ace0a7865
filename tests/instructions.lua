-- instructions -- how many instructions intel.ixgbe needs to receive and transmit a packet: nf under callgrind, so the same each time.
--
--      nf lua tests/instructions.lua [BURST...]        default 1 8 32 64; needs valgrind
local ffi = require("ffi")
local instructions = {}

local BURSTS = 2000

-- Within callgrind: forward, nothing else is counted.
if arg and arg[1] == "--count" then
  ffi.cdef("int nic_forward(uint32_t burst, uint32_t bursts);")
  if ffi.C.nic_forward(tonumber(arg[2]), BURSTS) <= 0 then error("nothing was forwarded") end
  return
end

-- Instructions per packet; nil and the reason when they cannot be counted.
function instructions.count(nf, burst, folder)
  local file = ("%s/callgrind.%d"):format(folder, burst)
  local pipe = io.popen(("valgrind --tool=callgrind --collect-atstart=no --toggle-collect=drive_forward --callgrind-out-file='%s' '%s' lua " ..
    "tests/instructions.lua --count %d 2>&1"):format(file, nf, burst))
  local said = pipe:read("*a")
  pipe:close()
  local out = io.open(file)
  if not out then return nil, said end
  local total = tonumber(out:read("*a"):match("\nsummary: (%d+)") or out:seek("set") and out:read("*a"):match("\ntotals: (%d+)"))
  out:close()
  os.remove(file)
  return total and total / (burst * BURSTS), said
end

if arg and arg[0] and arg[0]:find("/instructions.lua", 1, true) then
  local bursts = #arg > 0 and arg or { 1, 8, 32, 64 }
  print("burst  instructions per packet, receive and transmit")
  for _, burst in ipairs(bursts) do
    local count, why = instructions.count(os.getenv("NF") or "build/nf", tonumber(burst), os.getenv("TMPDIR") or "/tmp")
    if not count then error(why) end
    print(("%5d  %.1f"):format(burst, count))
  end
end

return instructions
