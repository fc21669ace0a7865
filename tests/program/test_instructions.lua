-- intel.ixgbe's data path, counted in instructions under callgrind: the same on every machine, so it may be asserted.
local lu = require("luaunit")
local support = require("support")
local instructions = require("instructions")

TestInstructions = {}

function TestInstructions:testReceiveAndTransmitTakeAtMost110()
  lu.skipIf(support.run("command -v valgrind") == "", "valgrind is not installed")
  lu.skipIf(support.run("ldd '" .. support.nf .. "'"):find("libasan", 1, true) ~= nil, "callgrind does not run under sanitizers")
  for _, burst in ipairs({ 32, 64 }) do
    local count, why = instructions.count(support.nf, burst, support.folder())
    lu.assertTrue(count ~= nil, why)
    lu.assertTrue(count > 20 and count <= 110, ("burst %d: %s instructions per packet"):format(burst, tostring(count)))
  end
end

os.exit(lu.LuaUnit.run())
