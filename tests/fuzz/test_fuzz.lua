-- The fuzz harnesses replay their corpora: what has been found once stays mended. `make fuzz` looks for more.
local lu = require("luaunit")
local support = require("support")

TestFuzz = {}

local function replay(name)
  if select(2, support.run("command -v clang")) ~= 0 then lu.skip("clang is not installed") end
  local harness = "build/fuzz-" .. name
  -- A harness has its own compiler and sanitizers, whatever the binary under test was made with.
  local output, code = support.run("env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u SAN -u DEBUG -u CC make -s -j$(nproc) " .. harness)
  if output:match("libclang_rt.fuzzer") then lu.skip("libFuzzer is not installed (libclang-rt-14-dev)") end
  lu.assertEquals(code, 0, output)
  output, code = support.run(("'%s' -runs=0 tests/fuzz/corpus/%s"):format(harness, name))
  lu.assertEquals(code, 0, output)
  lu.assertStrContains(output, "seed corpus: files:")
end

for file in io.popen("ls tests/fuzz/fuzz_*.c"):lines() do
  local name = file:match("fuzz_(.*)%.c$")
  TestFuzz["test_" .. name] = function() replay(name) end
end

os.exit(lu.LuaUnit.run())
