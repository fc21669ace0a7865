-- examples/lwaftr.sh: two homes with a B4 each, a provider's network and a host, all with the kernel's own stack, and nf lwaftr run
-- between them.
local lu = require("luaunit")
local support = require("support")

TestPeers = {}

local folder = support.folder()

local function need()
  if support.run("id -u") ~= "0\n" then lu.skip("namespaces take root") end
  for _, tool in ipairs({ "ip", "ping", "busybox" }) do
    if select(2, support.run("command -v " .. tool)) ~= 0 then lu.skip(tool .. " is not installed") end
  end
end

-- A part of the script's output: the line of an app in the table of the nf whose table has this app, too.
local function line(text, beside, app)
  for part in text:gmatch("app +packets.-ledger: [^\n]+") do
    if part:find("\n *" .. beside .. " ") then return part:match("\n *" .. app .. " [^\n]+") end
  end
end

function TestPeers:testAll()
  need()
  local path = folder .. "/out"
  local pid = support.background(("sh -c 'NF=%s sh examples/lwaftr.sh; echo code $?'"):format(support.nf), path)
  -- On a busy machine it takes longer than anything else that tests wait for.
  for _ = 1, 4 do
    if pcall(support.wait, "the end", function () return not support.alive(pid) end) then break end
  end
  local text = support.read(path)
  if text:find("it is started again", 1, true) then lu.skip("the machine is too busy for a worker") end
  lu.assertStrContains(text, "code 0\n")
  lu.assertNotStrContains(text, "FAILED")
  local _, works = text:gsub("works ", "")
  lu.assertEquals(works, support.run("command -v iperf3") ~= "" and 16 or 14, text)
  local _, balances = text:gsub("it balances", "")
  lu.assertEquals(balances, 3, text)
  -- The relay: both directions, errors of its own and of others, fragments of both sides.
  lu.assertStrMatches(line(text, "lwaftr", "lwaftr"), ".*drop%-over%-mtu%-but%-dont%-fragment%-ipv4%-packets %d+.*")
  lu.assertStrMatches(line(text, "lwaftr", "reassemble6"), ".*frag%-reassembled %d+.*")
  lu.assertStrMatches(line(text, "lwaftr", "fragment6"), ".*out%-ipv6%-frag %d+.*")
  lu.assertStrMatches(line(text, "b4", "b4"), ".*cut %d+.* too%-big%-heeded 1,.*expired 2, too%-big %d+.*")
end

os.exit(lu.LuaUnit.run())
