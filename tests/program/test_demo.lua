-- make demo, and its graph for anybody.
local lu = require("luaunit")
local support = require("support")

TestDemo = {}

local folder = support.folder()
local PASSED, DROPPED = 152, 195

-- Packets of a capture: records of 16 bytes and the frame behind the file's header.
local function count(path)
  local text, at, n = assert(support.read(path)), 25, 0
  while at < #text do
    local a, b, c, d = text:byte(at + 8, at + 11)
    at, n = at + 16 + a + b * 256 + c * 65536 + d * 16777216, n + 1
  end
  lu.assertEquals(at, #text + 1)
  return n
end

function TestDemo:testMakeDemoTellsWhatHappened()
  if support.nf ~= "build/nf" then lu.skip("make demo runs the plain build") end
  local text, code = support.run("env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make demo")
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "│ lua.select │")
  lu.assertStrMatches(text, ".*\n  choose +" .. PASSED + DROPPED .. " .*")
  lu.assertStrContains(text, ("ledger: %d received + %d created = %d sent + %d consumed + %d dropped + 0 queued: it balances\n"):format(
    PASSED + DROPPED, PASSED, PASSED, PASSED, DROPPED))
  lu.assertEquals(count("build/demo/out.pcap"), PASSED)
end

function TestDemo:testItNeedsNoRightsAndIsTheSameEachTime()
  local who = ""
  if support.run("id -u") == "0\n" then
    if select(2, support.run("command -v setpriv")) ~= 0 then lu.skip("setpriv is not installed, to give rights up") end
    who = "env -u XDG_RUNTIME_DIR setpriv --reuid=65534 --regid=65534 --clear-groups"
  end
  support.run(("cp '%s' '%s/nf'; cp examples/demo.* '%s'; chmod -R a+rwX '%s'"):format(support.nf, folder, folder, folder))
  for i = 1, 2 do
    local text, code = support.run(("cd '%s' && %s ./nf run --clock virtual --name demo-%d demo.lua -- '%s/out%d.pcap'"):format(
      folder, who, i, folder, i))
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "it balances")
    lu.assertEquals(count(folder .. "/out" .. i .. ".pcap"), PASSED)
  end
  lu.assertTrue(support.read(folder .. "/out1.pcap") == support.read(folder .. "/out2.pcap"))
end

TestExamples = {}

-- Every graph in examples/ is good, and says at its beginning how it is run.
function TestExamples:testTheyAreGoodAndSayHowTheyAreRun()
  local graphs = 0
  for path in support.run("ls examples/*.lua"):gmatch("[^\n]+") do
    local text = support.read(path)
    if text:match("\n%s+links = ") then
      graphs = graphs + 1
      lu.assertStrMatches(text, "%-%- .*%-%- +[^\n]*nf run [^\n]*" .. path .. ".*\nreturn.*")
      local said, code = support.run(("'%s' check %s"):format(support.nf, path))
      lu.assertEquals(code, 0, said)
    end
  end
  lu.assertTrue(graphs >= 5)
end

os.exit(lu.LuaUnit.run())
