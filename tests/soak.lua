-- soak -- hours of everything at once, with a report: `make soak`, or SOAK=SECONDS build/nf lua tests/soak.lua build/nf.
--
-- Traffic over two workers, a reload each second, a worker killed each minute, captures and traces switched on and off, metrics
-- scraped. As root, two taps in network namespaces carry an iperf3 session of UDP; else the ends are capture files. The report
-- is Markdown; the exit code is 1 when a criterion is missed. Each says what it asks for in the report.
package.path = "tests/?.lua;" .. package.path
local ffi = require("ffi")
local support = require("support")
local netdev = require("support_netdev")

ffi.cdef("int kill(int pid, int signal); int usleep(unsigned microseconds);")

local SIGKILL, SIGTERM = 9, 15
local SECONDS = tonumber(os.getenv("SOAK")) or 3600
assert(SECONDS >= 360, "SOAK: 360 seconds or more")      -- both workers have died in the first three tenths
local STEP = 10                                         -- seconds between samples
local SETTLE = 3                                        -- seconds after a kill in which a reload may be refused

support.nf = arg[1] or support.nf
local folder = support.folder()
local name = "soak-" .. ffi.C.getpid()
local log_path = folder .. "/log"
local supervisor, address, began

-- What was seen: samples, and events with the second in which they came.
local samples, events = {}, {}
local function event(kind, value) events[#events + 1] = { at = os.time() - began, kind = kind, value = value or 1 } end

local function nf(arguments) return support.run(support.nf .. " " .. arguments) end

local function alive(pid)
  local status = support.read("/proc/" .. pid .. "/stat")
  return status ~= nil and not status:find(") Z", 1, true)
end

local function wait(seconds, done)
  for _ = 1, seconds * 50 do
    local value = done()
    if value then return value end
    ffi.C.usleep(20000)
  end
  return nil
end

-- Start a command in the background; its output goes to a file. Gives the process number.
local function background(command, path)
  support.run(("%s >%s 2>&1 & echo $! >%s/pid"):format(command, path, folder))
  return tonumber(support.read(folder .. "/pid"))
end

-- The graphs, which follow one another in a circle.
local GRAPH = [[return { workers = {
  { apps = { source = { "basic.source", sizes = "imix", rate = "20Kpps", ipv4 = { src_count = 100 }, udp = { src_count = 50 } },
      tee = { "basic.tee" }, near = { "basic.sink" }, a = { %s }, %s },
    links = { %s, "tee.a -> w2:cut.input", "tee.b -> near", %s } },
  { apps = { cut = { "basic.truncate", length = %d }, sample = { "basic.sample", n = %d }, join = { "basic.join" },
      sink = { "basic.sink" }, b = { %s }, %s },
    links = { "cut -> sample.input", "sample.rejected -> sink.rest", "sample.output -> join.b", "join -> b.input", %s } } } }]]

local function graphs(taps)
  local a = taps and ('"tap.tap", name = "soak", namespace = "%s"'):format(taps[1]) or '"basic.source", rate = "1Kpps"'
  local b = taps and ('"tap.tap", name = "soak", namespace = "%s"'):format(taps[2])
    or ('"pcap.writer", file = "%s/b.pcap", size = "1M", files = 3'):format(folder)
  local extra = taps and ('"tap.tap", name = "soak2", namespace = "%s"'):format(taps[1])
    or ('"pcap.writer", file = "%s/extra.pcap", size = "1M", files = 2'):format(folder)
  local home = taps and '"b.output -> w1:a.input"' or ""
  local function graph(filter, path, cut, sample, more)
    more = more or { "", "", "", "" }
    return GRAPH:format(a, filter .. more[1], path .. more[2], '"a.output -> w2:join.a"', cut, sample, b, more[3],
      home .. (home ~= "" and ", " or "") .. more[4])
  end
  local udp = 'filter = { "lua.select", protocol = "udp" }'
  local short = '"source -> filter.input", "filter.output -> tee.input"'
  return {
    { text = graph(udp, short, 1514, 50) },
    { text = graph('filter = { "lua.select", protocol = { "udp", "tcp" } }', short, 1000, 20) },
    { text = graph('filter = { "basic.policer", rate = "1Mpps" }, hop = { "lua.forward" }',
      '"source -> hop.input", "hop -> filter.input", "filter -> tee.input"', 1514, 20) },
    { text = graph(udp, short, 1514, 50, {
      (', pick = { "basic.sample", n = 100 }, extra = { %s }'):format(extra),
      ', "tee.c -> w2:more.input", "tee.d -> pick.input", "pick.output -> extra.input"', 'more = { "lua.forward" }',
      '"more -> sink.more"' }) },
  }
end

-- The statistics: text, and the processes by role.
local function stats()
  local text, code = nf("stats --interval 0 --json " .. name)
  if code ~= 0 then event("unbalanced") end
  local roles, p99 = { supervisor = supervisor }, {}
  local worker_pid = {}
  for worker, pid, value in text:gmatch('"worker": (%d+), "pid": (%d+),.-"breath_ns": {"p50": %d+, "p99": (%d+)') do
    roles["w" .. worker] = tonumber(pid)
    worker_pid[tonumber(pid)] = true
    p99["w" .. worker] = tonumber(value) / 1000
  end
  for pid in (support.read(("/proc/%d/task/%d/children"):format(supervisor, supervisor)) or ""):gmatch("%d+") do
    local command = support.read("/proc/" .. pid .. "/cmdline") or ""
    if not worker_pid[tonumber(pid)] and command ~= "" and not roles.metrics then roles.metrics = tonumber(pid) end
  end
  return text, roles, p99
end

-- A number of an app, which one worker has.
local function number(text, app, key) return tonumber(text:match('"' .. app .. '": {[^{}]-"' .. key .. '": (%d+)')) or 0 end

local log_read = 0
-- What nf said since the last time.
local function read_log()
  local text = (support.read(log_path) or ""):sub(log_read + 1)
  text = text:match("^.*\n") or ""
  log_read = log_read + #text
  for line in text:gmatch("[^\n]+") do
    local unit_ms = { ms = 1, s = 1000, us = 0.001 }
    local time, unit = line:match("is back after ([%d.]+) (%a+)")
    if time then event("back", tonumber(time) * (unit_ms[unit] or 1)) end
    if line:find("has not breathed", 1, true) then event("breathless") end
    if line:find(" error: ", 1, true) and not line:find("signal 9 (Killed)", 1, true) then event("error", line) end
  end
end

local ROLES, WORKERS = { "supervisor", "w1", "w2", "metrics" }, { "w1", "w2" }

local sample_due = false
local function sample()
  sample_due = false
  read_log()
  local text, roles, p99 = stats()
  local entry = { at = os.time() - began, p99 = p99, packets = number(text, "sink", "consumed") + number(text, "a", "sent")
    + number(text, "b", "sent"), rss = {}, fds = {} }
  for _, role in ipairs(ROLES) do
    local pid = roles[role] or 0
    entry.rss[role] = tonumber((support.read("/proc/" .. pid .. "/status") or ""):match("VmRSS:%s+(%d+)"))
    local count = tonumber((support.run(("ls /proc/%d/fd 2>/dev/null | wc -l"):format(pid))))
    entry.fds[role] = count and count > 0 and count or nil
  end
  samples[#samples + 1] = entry
end

local list, at_graph, last_kill = nil, 1, -SETTLE
local function reload()
  local next_graph = at_graph % #list + 1
  support.write(folder .. "/graph.lua", list[next_graph].text)
  local text, code = nf(("reload %s %s/graph.lua"):format(name, folder))
  if code ~= 0 then
    event(os.time() - began - last_kill <= SETTLE and "refused" or "failed", text)
    return
  end
  at_graph = next_graph
  event("reload")
  for pause in text:gmatch("([%d.]+) us  w") do event("pause", tonumber(pause)) end
  local lost = tonumber(text:match("packets lost%s+(%d+)")) or 0
  if lost > 0 then event("lost", lost) end
end

local function kill(worker)
  local _, roles = stats()
  local pid = roles["w" .. worker]
  if not pid or pid == 0 or ffi.C.kill(pid, SIGKILL) ~= 0 then return end
  last_kill = os.time() - began
  event("kill")
end

local watch                                             -- the capture that runs: process and file of its output
local function capture_begin(link, filter)
  local path = folder .. "/capture"
  watch = { pid = background(("%s capture %s '%s' %s -w /dev/null --duration 4s"):format(support.nf, name, link, filter), path),
    path = path }
end

local function capture_end(brutally)
  if not watch then return end
  if brutally then ffi.C.kill(watch.pid, SIGKILL) end
  wait(5, function () return not alive(watch.pid) end)
  local text = support.read(watch.path) or ""
  if not brutally then event("captured", tonumber(text:match("nf capture: (%d+) captured")) or 0) end
  watch = nil
end

local function trace()
  local text = nf(("trace %s 'udp port 9' --count 3 --duration 2s"):format(name))
  event("traced", select(2, text:gsub("packet %d+\n", "")))
end

local function scrape(path, expected)
  local text, code = support.run(("curl -s -m 5 %s%s"):format(address, path))
  event(code == 0 and text:find(expected, 1, true) and "scrape" or "unserved")
end

-- What happens in a second of the run.
local function second(t)
  reload()
  if t % 60 == 40 then kill(math.floor(t / 60) % 2 + 1) end
  if t % 10 == 1 then capture_begin(t % 20 == 1 and "sample.rejected" or "source.output", t % 30 == 1 and "udp" or "") end
  if t % 10 == 6 then capture_end(t % 30 == 6) end
  if t % 10 == 8 then trace() end
  if t % 2 == 0 then scrape("metrics", "nf_worker_up") end
  if t % 15 == 7 then scrape("graph.json", "tee") end
  sample_due = sample_due or t % STEP == 0
  if sample_due and at_graph == 1 then sample() end     -- each graph has other descriptors
end

local session
local function session_begin(taps)
  for i, namespace in ipairs(taps) do
    netdev.within(namespace, ("ip addr add 10.9.0.%d/24 dev soak"):format(i))
  end
  background(("ip netns exec %s iperf3 -s -1"):format(taps[2]), folder .. "/server")
  wait(5, function () return (support.read(folder .. "/server") or ""):find("listening", 1, true) end)
  session = background(("ip netns exec %s iperf3 -c 10.9.0.2 -u -b 10M -l 1000 -i 0 -t %d"):format(taps[1],
    math.floor(SECONDS * 0.9)), folder .. "/client")
end

local function start(taps)
  list = graphs(taps)
  support.write(folder .. "/graph.lua", list[1].text)
  began = os.time()
  supervisor = background(("%s run --name %s --idle wait --metrics 0 %s/graph.lua"):format(support.nf, name, folder), log_path)
  address = wait(10, function () return (support.read(log_path) or ""):match("metrics: (%S+)") end)
  local ready = address and wait(10, function () return select(2, nf("stats --interval 0 " .. name)) == 0 end)
  if not ready then error("nf does not start: " .. (support.read(log_path) or ""), 0) end
  began = os.time()
  if taps then session_begin(taps) end
end

-- End the run; gives what it printed, and the number of processes that are left.
local function stop()
  local _, roles = stats()
  ffi.C.kill(supervisor, SIGTERM)
  wait(20, function () return not alive(supervisor) end)
  local left = 0
  for _, pid in pairs(roles) do
    if pid ~= 0 and alive(pid) then left = left + 1 end
  end
  read_log()
  return support.read(log_path) or "", left
end

local function total(kind, from, to)
  local sum, most, count = 0, 0, 0
  for _, e in ipairs(events) do
    if e.kind == kind and e.at >= (from or 0) and e.at < (to or math.huge) then
      local value = tonumber(e.value) or 1
      sum, most, count = sum + value, math.max(most, value), count + 1
    end
  end
  return sum, most, count
end

-- Values of the samples of a part of the run, sorted: `get` takes a sample.
local function values(get, from, to)
  local sorted = {}
  for _, s in ipairs(samples) do
    local value = get(s)
    if value and s.at >= from and s.at < to then sorted[#sorted + 1] = value end
  end
  table.sort(sorted)
  return sorted
end

local function median(sorted) return sorted[math.floor(#sorted / 2) + 1] end

local function each_role(what, from, to, format, unit, roles)
  local parts = {}
  for i, role in ipairs(roles or ROLES) do
    local sorted = values(function (s) return s[what][role] end, from, to)
    parts[i] = #sorted > 0 and format:format(sorted[#sorted] / unit) or "-"
  end
  return table.concat(parts, " / ")
end

local function print_table()
  print("| tenth | packets | reloads | lost in reloads | restarts | ms without traffic | RSS, MiB | descriptors "
    .. "| breath p99, us | largest pause, us |")
  print("|---|---|---|---|---|---|---|---|---|---|")
  local packets = 0
  for i = 1, 10 do
    local from, to = SECONDS * (i - 1) / 10, i == 10 and math.huge or SECONDS * i / 10
    local counts = values(function (s) return s.packets end, from, to)
    local now = counts[#counts] or packets
    local without, _, restarts = total("back", from, to)
    print(("| %d | %d | %d | %d | %d | %.1f | %s | %s | %s | %.1f |"):format(i, now - packets, total("reload", from, to),
      total("lost", from, to), restarts, without, each_role("rss", from, to, "%.1f", 1024), each_role("fds", from, to, "%d", 1),
      each_role("p99", from, to, "%.1f", 1, WORKERS), select(2, total("pause", from, to))))
    packets = now
  end
end

local missed = 0
local function criterion(good, text, ...)
  if not good then missed = missed + 1 end
  print(("- %s: %s"):format(good and "met" or "MISSED", text:format(...)))
end

-- Behind the warm-up of three tenths, in which each worker has died once (its successor touches all packet memory that the
-- dead one had), the medians of tenths 4 to 6 and 8 to 10 are compared.
local function flat(what, get, factor, more)
  local early = median(values(get, SECONDS * 0.3, SECONDS * 0.6))
  local late = median(values(get, SECONDS * 0.7, math.huge))
  if early and late then
    criterion(late <= early * factor + more, "%s: %g in tenths 4 to 6, %g in tenths 8 to 10, at most %g times that and %g more", what,
      early, late, factor, more)
  end
end

local function judge(text, left)
  print()
  local ledger = text:match("ledger: [^\n]*") or "no ledger"
  criterion(ledger:find("it balances", 1, true), "%s", ledger)
  criterion(left == 0, "%d processes are left at the end, 0 wanted", left)
  criterion(total("failed") == 0, "%d reloads failed, 0 wanted (%d refused within %d s of a death)", total("failed"),
    (total("refused")), SETTLE)
  criterion(total("lost") == 0, "%d packets lost in reloads, 0 wanted", (total("lost")))
  criterion(select(3, total("back")) == total("kill"), "%d workers were killed, %d restarted", total("kill"), select(3, total("back")))
  criterion(total("breathless") == 0, "%d workers had not breathed for a second, 0 wanted", (total("breathless")))
  criterion(total("error") == 0, "%d other errors in the log, 0 wanted", (total("error")))
  criterion(total("unserved") == 0 and total("scrape") > 0, "%d of %d requests to the metrics failed, 0 wanted", total("unserved"),
    total("unserved") + total("scrape"))
  criterion(total("unbalanced") == 0, "%d of nf stats' ledgers did not balance, 0 wanted", (total("unbalanced")))
  criterion(total("captured") > 0 and total("traced") > 0, "%d packets captured, %d traced, more than 0 wanted", total("captured"),
    (total("traced")))
  for _, role in ipairs(ROLES) do
    flat("memory of " .. role .. ", KiB", function (s) return s.rss[role] end, 1.05, 1024)
    flat("descriptors of " .. role, function (s) return s.fds[role] end, 1, 2)
  end
  for _, role in ipairs(WORKERS) do flat("breath p99 of " .. role .. ", us", function (s) return s.p99[role] end, 4, 20) end
end

local function explain()
  for _, e in ipairs(events) do
    if type(e.value) == "string" then print(("  second %d, %s: %s"):format(e.at, e.kind, (e.value:gsub("%s+$", "")))) end
  end
end

local function soak(taps)
  start(taps)
  local last = 0
  while last < SECONDS do
    if not alive(supervisor) then error("the supervisor has ended: " .. (support.read(log_path) or ""), 0) end
    local now = os.time() - began
    if now > last then
      last = last + 1                                   -- a second that took too long is made up for
      second(last)
    end
    ffi.C.usleep(10000)
  end
  capture_end(false)
  sample()
  if session and not wait(10, function () return not alive(session) end) then ffi.C.kill(session, SIGTERM) end
  local text, left = stop()
  print(("%d seconds, %s\n"):format(SECONDS, taps and "two taps with an iperf3 session" or "no root: capture files, no iperf3"))
  print_table()
  judge(text, left)
  if session then
    print("- iperf3, UDP, 10 Mbit/s, lost/sent over all, deaths included: "
      .. ((support.read(folder .. "/client") or ""):match("(%d+/%d+ %([^)]*%))  receiver") or "no answer"))
  end
  explain()
end

local taps
if netdev.can_make() and support.run("command -v iperf3") ~= "" then taps = { netdev.namespace("soak-a"), netdev.namespace("soak-b") } end
local ok, message = pcall(soak, taps)
if supervisor and alive(supervisor) then
  ffi.C.kill(supervisor, SIGTERM)
  wait(10, function () return not alive(supervisor) end)
end
netdev.clean()
support.run("rm -rf " .. folder)
if not ok then print("soak: " .. tostring(message)) end
os.exit((not ok or missed > 0) and 1 or 0)
