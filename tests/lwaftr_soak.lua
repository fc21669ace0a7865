-- lwaftr_soak -- real traffic through a relay whose table of softwires changes all the while: `make soak-lwaftr`, or
-- SOAK=SECONDS build/nf lua tests/lwaftr_soak.lua build/nf (600 seconds without it). As root.
--
-- examples/lwaftr.sh makes the network: two homes with a B4 each, a provider's router, a host, all with the kernel's stack. From the
-- homes: pings, UDP with numbered datagrams, some in fragments, of which each must come back, HTTP with checksums, TCP in both directions
-- at a fixed rate. Each second the table changes, besides the two softwires that carry the traffic: single ones and whole lists come and
-- go by `nf lwaftr softwire`, then the configuration is written anew, with others, and reloaded. The report is Markdown; the exit code is
-- 1 when anything was lost.
package.path = "tests/?.lua;" .. package.path
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local SIGTERM = 15
local SECONDS = tonumber(os.getenv("SOAK")) or 600
local OTHERS = 2000                                     -- softwires besides the two
support.nf = arg[1] or support.nf
local folder = support.folder()
local conf = folder .. "/lwaftr.conf"
local base = assert(support.read("examples/lwaftr.conf"))
local failures, report = {}, {}

local function fail(format, ...) failures[#failures + 1] = format:format(...) end
local function row(what, value) report[#report + 1] = ("| %s | %s |"):format(what, value) end
local function nf(arguments) return support.run(support.nf .. " " .. arguments) end

-- The i-th of the other softwires, and the file with some of them.
local function address(i) return ("198.51.%d.%d"):format(101 + math.floor(i / 250), i % 250 + 1) end
local function softwire(i)
  return ("    softwire { ipv4 %s; psid 0; b4-ipv6 2001:db8:b5::%x; br-address 2001:db8:af::1; port-set { psid-length 0; } }\n"):format(
    address(i), i + 1)
end

local function write_conf()
  local list = {}
  for i = 0, OTHERS - 1 do if math.random(2) == 1 then list[#list + 1] = softwire(i) end end
  support.write(conf, (base:gsub("binding%-table {\n", function (text) return text .. table.concat(list) end)))
  return #list
end

-- A softwire that no file has, as softwire add takes it.
local function more(i) return ("198.51.%d.%d"):format(201 + math.floor(i / 250), i % 250 + 1) end

local function start()
  local path = folder .. "/network"
  local pid = support.background(("env NF=%s CONF=%s sh examples/lwaftr.sh stay"):format(support.nf, conf), path)
  local network = { pid = pid, path = path }
  support.wait("the network", function ()
    assert(support.alive(pid), support.read(path))
    network.one, network.two, network.way, network.host, network.relay, network.routers =
      (support.read(path) or ""):match("clients (%S+) (%S+) provider (%S+) host (%S+) relay (%S+) routers ([^\n]+)")
    return network.routers
  end, path)
  return network
end

-- A program in a namespace, all the time.
local jobs = {}
local function job(name, namespace, command)
  local path = ("%s/%s"):format(folder, name)
  jobs[name] = { path = path, pid = support.background(("ip netns exec %s %s"):format(namespace, command), path) }
end

local function begin(network)
  -- While the machine gives nf no processor, packets wait in the kernel.
  for _, tap in ipairs({ { network.one, "lan" }, { network.two, "lan" }, { network.way, "wan1" }, { network.way, "wan2" }, { network.way, "six" },
    { network.host, "four" } }) do
    support.run(("ip -n %s link set %s txqueuelen 20000"):format(tap[1], tap[2]))
  end
  support.write(folder .. "/www", support.read(support.nf):sub(1, 2000000))
  support.run(("mkdir -p %s/root && mv %s/www %s/root/file"):format(folder, folder, folder))
  job("httpd", network.host, ("busybox httpd -f -p 8080 -h %s/root"):format(folder))
  -- Each run of datagrams has an echo of its own.
  local rounds = ("sh -c 'end=$(($(date +%%s) + %d)); n=0; while [ $(date +%%s) -lt $end ]; do %s || exit 1; n=$((n + 1)); done; echo rounds $n'")
  job("echo", network.host, ("sh -c 'while :; do %s lua tests/transfer.lua echo 7000 1000000000 || sleep 0.1; done'"):format(support.nf))
  os.execute("sleep 1")
  for _, home in ipairs({ "one", "two" }) do
    job("ping-" .. home, network[home], ("ping -q -i 0.05 -c %d 203.0.113.2"):format(SECONDS * 19))
    local got = ("%s/got-%s"):format(folder, home)
    job("http-" .. home, network[home], rounds:format(SECONDS,
      ("busybox wget -q -O %s http://203.0.113.2:8080/file && cmp %s %s/root/file && sleep 1"):format(got, got, folder)))
  end
  job("datagrams", network.one, rounds:format(SECONDS, ("%s lua tests/transfer.lua datagrams 203.0.113.2 7000 5000 && sleep 3"):format(support.nf)))
  if support.run("command -v iperf3") ~= "" then
    job("iperf3-server-1", network.host, "iperf3 -s -p 5201")
    job("iperf3-server-2", network.host, "iperf3 -s -p 5202")
    os.execute("sleep 1")
    job("tcp-out", network.one, ("iperf3 -c 203.0.113.2 -p 5201 -b 5M -t %d -i 0"):format(SECONDS))
    job("tcp-in", network.two, ("iperf3 -c 203.0.113.2 -p 5202 -b 5M -R -t %d -i 0"):format(SECONDS))
  end
end

-- Single softwires and a list of many come and go; the table is then as it was. gives: how many changes were made
local function change_by_hand(network)
  local name, list, count = network.relay, {}, 0
  local function softwires(arguments)
    local text, code = nf("lwaftr softwire " .. arguments)
    local made = tonumber(text:match("^(%d+) changes? in "))
    if code ~= 0 or not made then fail("softwire %s: %s", arguments, text) end
    count = count + (made or 0)
  end
  for i = 0, OTHERS - 1 do list[#list + 1] = softwire(i):gsub(address(i):gsub("%.", "%%."), more(i)) end
  support.write(folder .. "/more", table.concat(list))
  softwires(("add %s %s 0 2001:db8:b5::9999 2001:db8:af::1"):format(name, more(0)))
  softwires(("add %s --replace --file %s/more"):format(name, folder))
  softwires(("remove %s %s 0"):format(name, more(1)))
  softwires(("add %s %s 0 2001:db8:b5::1 2001:db8:af::1 --replace"):format(name, more(1)))
  softwires(("remove %s --file %s/more"):format(name, folder))
  return count
end

-- Change the table until the time is over.
local function change(network)
  local finish, reloads, pause, changes = os.time() + SECONDS + 3, 0, 0, 0
  while os.time() < finish do
    changes = changes + change_by_hand(network)
    write_conf()
    local receipt, code = nf("reload " .. network.relay)
    reloads = reloads + 1
    if code ~= 0 then fail("a reload was refused: %s", receipt) end
    if not receipt:find("packets lost +0\n") then fail("a reload lost packets: %s", receipt) end
    local length, unit = receipt:match("pause +([%d.]+) (%ws)")
    pause = math.max(pause, (tonumber(length) or 0) * (({ us = 1, ms = 1000, ns = 0.001 })[unit] or 1))
    os.execute("sleep 1")
  end
  -- A ping each 50 ms takes longer on a busy machine.
  for _ = 1, SECONDS do
    if not support.alive(jobs["ping-one"].pid) and not support.alive(jobs["ping-two"].pid) then break end
    os.execute("sleep 1")
  end
  row(("reloads, each with some of %d softwires more or less"):format(OTHERS), reloads)
  row("softwires added and removed by nf lwaftr softwire", changes)
  row("longest pause of a reload", ("%.0f us"):format(pause))
end

-- A counter of a namespace's kernel.
local function kernel(namespace, name)
  local text = support.run(("ip netns exec %s cat /proc/net/netstat /proc/net/snmp"):format(namespace))
  for names, values in text:gmatch("(%w+: [^\n]+)\n(%w+: [^\n]+)") do
    local list = {}
    for value in values:gmatch("%S+") do list[#list + 1] = value end
    local at = 0
    for word in names:gmatch("%S+") do
      at = at + 1
      if word == name then return tonumber(list[at]) end
    end
  end
end

-- What TCP sent again. Most of it is loss probes, which a kernel sends when an answer is late: their receiver says that it had the segment.
local function judge_retransmissions(network)
  local again, had = 0, 0
  for _, at in ipairs({ "one", "two", "host" }) do
    again = again + kernel(network[at], "RetransSegs")
    had = had + kernel(network[at], "TCPDSACKRecv")
  end
  row("TCP segments sent again by all kernels; those that had arrived before", ("%d; %d"):format(again, had))
end

-- What each program came to.
local function judge()
  for _, home in ipairs({ "one", "two" }) do
    local sent, got = support.read(jobs["ping-" .. home].path):match("(%d+) packets transmitted, (%d+) received")
    row("pings of home " .. home, ("%s sent, %s answered"):format(sent or "?", got or "?"))
    if not sent or sent ~= got then fail("pings of home %s: %s", home, support.read(jobs["ping-" .. home].path)) end
    local rounds = support.read(jobs["http-" .. home].path):match("rounds (%d+)")
    row("HTTP of home " .. home .. ", 2 MB each, compared", rounds or "broken off")
    if not rounds then fail("HTTP of home %s: %s", home, support.read(jobs["http-" .. home].path)) end
  end
  local rounds = support.read(jobs.datagrams.path):match("rounds (%d+)")
  row("UDP datagrams there and back, each compared", rounds and rounds * 5000 or "broken off")
  if not rounds then fail("datagrams: %s", support.read(jobs.datagrams.path)) end
  for _, name in ipairs({ "tcp-out", "tcp-in" }) do
    if jobs[name] then
      local text = support.read(jobs[name].path)
      local amount, retries = text:match("([%d.]+ %wBytes) +%S+ %wbits/sec +(%d+) +sender")
      row(name .. " (iperf3)", amount and ("%s, %s segments sent again"):format(amount, retries) or "broken off")
      if not amount then fail("%s: %s", name, text) end
    end
  end
end

-- Reasons that are no loss: the kernels' own neighbour discovery and multicast in no tunnel; packets whose sender learns an MTU by that.
local USUAL = { ["unknown-protocol-ipv6"] = true, foreign = true, ["over-mtu-but-dont-fragment-ipv4"] = true, ["too-big"] = true }

-- What an nf has dropped, by app and reason, and on links that were full.
local function judge_drops(name)
  local text = nf("stats --json " .. name)
  for app, reasons in text:gmatch('"([%w_]+)": {"received".-"reasons": {(.-)}') do
    for reason, count in reasons:gmatch('"([%w-]+)": ([1-9]%d*)') do
      row(("%s: dropped by %s as %s"):format(name:gsub("-%d+$", ""), app, reason), count)
      if not USUAL[reason] then fail("%s: %s dropped %s packets as %s", name, app, count, reason) end
    end
  end
  for link, dropped in text:gmatch('"([^"]+ %-> [^"]+)": {[^}]-"dropped": ([1-9]%d*)') do
    fail("%s: the link %s was full %s times", name, link, dropped)
  end
  if not text:find('"links"', 1, true) then fail("%s: no statistics: %s", name, text) end
end

local function judge_tables(network)
  judge_drops(network.relay)
  for name in network.routers:gmatch("%S+") do judge_drops(name) end
  ffi.C.kill(network.pid, SIGTERM)
  support.wait("the end", function () return not support.alive(network.pid) end, network.path)
  local text = support.read(network.path)
  local balances, lost = select(2, text:gsub("it balances", "")), 0
  for count in text:gmatch("lost outside of nf[^:]*: (%d+)") do lost = lost + tonumber(count) end
  row("ledgers that balance", balances .. " of 3")
  row("lost by the kernel, before nf had it", lost)
  if balances ~= 3 then fail("not all ledgers balance") end
  if text:find("started again", 1, true) then fail("a worker has died") end
  return text
end

math.randomseed(1)
write_conf()
local network = start()
begin(network)
change(network)
os.execute("sleep 5")
judge_retransmissions(network)
judge()
for name, one in pairs(jobs) do
  if support.alive(one.pid) and (name:find("server") or name == "httpd" or name == "echo") then ffi.C.kill(one.pid, SIGTERM) end
end
local tables = judge_tables(network)
print(("| %d seconds of real traffic through nf lwaftr run | |\n|---|---|"):format(SECONDS))
print(table.concat(report, "\n"))
for _, text in ipairs(failures) do print("FAILED: " .. text) end
if #failures > 0 then print(tables) end
os.execute("rm -rf " .. folder)
os.exit(#failures == 0 and 0 or 1)
