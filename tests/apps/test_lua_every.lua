-- examples/every.lua and its graph: an app of one's own, run as a user would.
local lu = require("luaunit")
local support = require("support")

TestEvery = {}

function TestEvery:testTheGraphOfTheExampleRuns()
  local text, code = support.run("timeout 200 " .. support.nf .. " run --single-process examples/every_graph.lua")
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "0 received + 1000000 created = 0 sent + 100000 consumed + 900000 dropped")
  lu.assertStrContains(text, "skipped 900000")
end

function TestEvery:testItTakesAnArgument()
  local text, code = support.run("timeout 200 " .. support.nf .. " run examples/every_graph.lua -- 4")
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "250000 consumed + 750000 dropped")
end

function TestEvery:testAWrongArgumentIsToldBeforeAnythingRuns()
  local text, code = support.run("timeout 200 " .. support.nf .. " run examples/every_graph.lua -- 0")
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'thin': key 'n': 0 is out of range")
end

-- An app that goes wrong in a real run: told once, with file and line, and the run goes on to its end.
function TestEvery:testAnAppThatGoesWrong()
  local folder = support.folder()
  support.write(folder .. "/wrong.lua", [[
    local link = require("nf.link")
    return { inputs = { "input" }, outputs = { "output" }, push = function (self)
      for _ = 1, link.count(self.input.input) do link.send(self.output.output, link.receive(self.input.input)) end
      while true do end
    end }]])
  support.write(folder .. "/graph.lua", [[return {
    apps = { a = { "basic.source", number = 100000 }, b = { "wrong" }, c = { "basic.sink" } }, links = { "a -> b -> c" } }]])
  local text, code = support.run("timeout 200 " .. support.nf .. " run " .. folder .. "/graph.lua")
  os.execute("rm -rf '" .. folder .. "'")
  lu.assertEquals(code, 0, text)
  local _, times = text:gsub("app 'b' is quarantined: [^\n]*wrong.lua:2: in push: longer than its budget of 1000 us; what arrives there is dropped", "")
  lu.assertEquals(times, 1, text)
  lu.assertStrContains(text, "it balances")
end

function TestEvery:testAMistakeInNewIsToldAndNothingRuns()
  local folder = support.folder()
  support.write(folder .. "/wrong.lua", [[
    return { inputs = { "input" }, push = function () end,
      new = function () error("no table of addresses") end }]])
  support.write(folder .. "/graph.lua", [[return { apps = { a = { "basic.source" }, b = { "wrong" } }, links = { "a -> b" } }]])
  local text, code = support.run("timeout 200 " .. support.nf .. " run " .. folder .. "/graph.lua")
  os.execute("rm -rf '" .. folder .. "'")
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "wrong.lua:2: no table of addresses")
end

os.exit(lu.LuaUnit.run())
