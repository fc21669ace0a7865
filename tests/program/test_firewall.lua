-- examples/firewall.sh: two hosts with a firewall between them, over packet sockets and over AF_XDP sockets at the same time.
local lu = require("luaunit")
local support = require("support")

TestFirewall = {}

local folder = support.folder()

local function need()
  if support.run("id -u") ~= "0\n" then lu.skip("namespaces take root") end
  for _, tool in ipairs({ "ip", "ping", "iperf3", "ethtool" }) do
    if select(2, support.run("command -v " .. tool)) ~= 0 then lu.skip(tool .. " is not installed") end
  end
end

-- What the script says, and where it leaves the capture.
local function start(class)
  local path = ("%s/%s"):format(folder, class)
  local pid = support.background(("sh -c 'NF=%s sh examples/firewall.sh %s %s.pcap; echo code $?'"):format(support.nf, class, path), path)
  return { pid = pid, path = path, class = class }
end

local function check(run)
  local text = support.read(run.path)
  -- A worker that got no processor for too long is started again, and begins without flows.
  if text:find("it is started again", 1, true) then lu.skip("the machine is too busy for a worker") end
  lu.assertStrContains(text, "code 0\n")
  lu.assertNotStrContains(text, "FAILED")
  lu.assertStrContains(text, "it balances")
  local _, passed = text:gsub("\npasses ", "")
  local _, stopped = text:gsub("\nstopped ", "")
  lu.assertEquals(passed, 6, text)
  local line = assert(text:match("\n( *connections [^\n]+)"), text)
  lu.assertStrMatches(line, ".* opened %d+, .*no%-flow %d+.*")
  lu.assertStrMatches(text, ".*\n +policy [^\n]+ rejected [1-9].*")
  if text:find("nmap is not installed", 1, true) then
    lu.assertEquals(stopped, 4, text)
  else
    lu.assertEquals(stopped, 11, text)
    lu.assertStrMatches(line, ".* tcp%-flags 60%d.*")
  end
  lu.assertEquals(support.read(run.path .. ".pcap"):sub(1, 4), "\x4d\x3c\xb2\xa1", "a capture")
end

function TestFirewall:testOverBothKindsOfPorts()
  need()
  local runs = { start("socket.raw"), start("xdp.xdp") }
  for _, run in ipairs(runs) do
    -- Some seconds; minutes on a machine that has much else to do.
    for try = 1, 10 do
      local done, text = pcall(support.wait, "the end of the firewall over " .. run.class, function () return not support.alive(run.pid) end,
        run.path)
      if done then break end
      lu.assertTrue(try < 10, text)
    end
  end
  for _, run in ipairs(runs) do check(run) end
end

os.exit(lu.LuaUnit.run())
