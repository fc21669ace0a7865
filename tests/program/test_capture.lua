-- nf capture: packets of a link of a running graph, in a file or as text; it neither stops nor changes what runs.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local capture = require("support_capture")

ffi.cdef([[
int socket(int domain, int type, int protocol);
int connect(int fd, const void *address, unsigned length);
long send(int fd, const void *data, size_t length, int flags);
long recv(int fd, void *data, size_t length, int flags);
]])

local running = require("support_running").new("capture")
local folder, name = running.folder, running.name
local nf, file, start, stop, background = running.nf, running.file, running.start, running.stop, running.background
local wait, alive = support.wait, support.alive

local function graph(source, extra)
  return ([[return { apps = { source = { "basic.source", %s }, tee = { "basic.tee" }, sink = { "basic.sink" },
    other = { "basic.sink" }, %s }, links = { "source -> tee.input", "tee.a -> sink", "tee.b -> other" } }]])
    :format(source, extra or "")
end

local SLOW = [[rate = "2Kpps", sizes = { 60, 61, 300, 1514 }, content = "random", ipv4 = { src_count = 250 }, udp = {}]]
local FAST = [[sizes = 60]]

-- Two workers: to the second and back.
local WORKERS = [[return { workers = {
  { apps = { source = { "basic.source", %s, ipv4 = { src_count = 4 }, udp = {} }, here = { "basic.sink" } }, links = {} },
  { apps = { cut = { "basic.truncate", length = 58 }, tee = { "basic.tee" }, there = { "basic.sink" } },
    links = { "cut -> tee.input", "tee.a -> there" } } },
  links = { "w1:source.output -> w2:cut.input", "w2:tee.b -> w1:here.back" } }]]

-- A connection to the control socket, after it was sent a line.
local function connect(line)
  local buffer = ffi.new("char[512]")
  assert(require("nf.core").instance_path(buffer, name, "control") == 0)
  local address = ffi.new("struct { uint16_t family; char path[108]; }", { 1, ffi.string(buffer) })
  local fd = ffi.C.socket(1, 1, 0)
  assert(ffi.C.connect(fd, address, ffi.sizeof(address)) == 0)
  assert(ffi.C.send(fd, line, #line, 0x4000) == #line)
  return fd
end

local function answer(fd)
  local buffer = ffi.new("char[512]")
  local n = ffi.C.recv(fd, buffer, 512, 0)
  return n > 0 and ffi.string(buffer, n) or ""
end

TestCapture = {}

function TestCapture:tearDown()
  running.clean()
end

-- What the writer behind the link wrote ends with what was captured on it, byte for byte.
function TestCapture:testEveryPacketOfASlowFlow()
  start(([[return { apps = { source = { "basic.source", %s, number = 2000 }, join = { "basic.join" },
    writer = { "pcap.writer", file = "%s/writer.pcap" }, never = { "basic.source", rate = "1Kpps", number = 3000 } },
    links = { "source -> join.a", "never -> join.b", "join -> writer" } }]]):format(SLOW, folder))
  local text, code = nf(("capture %s 'join.output -> writer.input' -w %s/captured.pcap"):format(name, folder))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "the graph has ended")
  local number, left, seen = text:match("(%d+) captured on join.output %-> writer.input, (%d+) left out, of (%d+)\n")
  lu.assertNotNil(number, text)
  lu.assertEquals(number + left, tonumber(seen))
  lu.assertTrue(tonumber(number) > 100, text)
  running.wait_for_the_end()
  local captured = capture.read(support.read(folder .. "/captured.pcap"))
  local written = capture.read(support.read(folder .. "/writer.pcap"))
  lu.assertEquals(#captured, tonumber(number))
  if tonumber(left) > 0 then return end
  for i = 1, #captured do
    if captured[i].data ~= written[#written - #captured + i].data then lu.fail("packet " .. i .. " differs") end
  end
end

-- What does not fit is counted: captured + left out = passed.
function TestCapture:testAFastFlow()
  start(graph(FAST))
  for _, link in ipairs({ "source.output", "tee.a" }) do
    local text, code = nf(("capture %s %s -w /dev/null --duration 0.3s"):format(name, link))
    lu.assertEquals(code, 0, text)
    lu.assertTrue(tonumber(text:match("(%d+) captured")) > 0, text)
  end
  local client = background(("'%s' capture %s tee.b -w %s/out.pcap"):format(support.nf, name, folder), "client")
  wait("packets", function() return #(support.read(folder .. "/out.pcap") or "") > 24 end)
  stop()
  wait("the end", function() return not alive(client) end)
  local text = support.read(folder .. "/client")
  local number, left, seen = text:match("(%d+) captured on tee.b %-> other.input, (%d+) left out, of (%d+)\n")
  lu.assertNotNil(number, text)
  lu.assertEquals(number + left, tonumber(seen))
  os.remove(folder .. "/out.pcap")
end

function TestCapture:testFilterCountAndSnaplen()
  start(graph(SLOW))
  local text, code = nf(("capture %s source udp port 9 and src host 198.18.0.7 --count 3 --text"):format(name))
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, ("%d%d:%d%d:%d%d%.%d+ 198.18.0.7:1024 > [%d.]+:9 UDP, %d+ bytes\n"):rep(3) ..
    "nf capture: 3 captured on source.output %-> tee.input, %d+ not wanted by the filter, 0 left out\n")
  text, code = nf(("capture %s tee.a --count 8 --snaplen 64 -w - 2>/dev/null >%s/short.pcap"):format(name, folder))
  lu.assertEquals(code, 0, text)
  local packets = capture.read(support.read(folder .. "/short.pcap"))
  lu.assertEquals(#packets, 8)
  for _, p in ipairs(packets) do
    lu.assertEquals(#p.data, math.min(64, p.wire))
    lu.assertTrue(p.time / 1000000000ULL > 1700000000ULL)
  end
  stop()
end

function TestCapture:testIntoAPipeThatCloses()
  start(graph(SLOW))
  local text = support.run(("'%s' capture %s tee.a 2>%s/errors | head -c 200 | wc -c"):format(support.nf, name, folder))
  lu.assertStrContains(text, "200")
  wait("the capture's end", function() return support.read(folder .. "/errors"):find("captured", 1, true) end)
  lu.assertNotStrContains(support.read(folder .. "/errors"), "cannot write")
  stop()
end

function TestCapture:testMessages()
  local text, code = nf("capture " .. name .. " tee")
  lu.assertEquals({ text, code }, { ("nf capture: there is no nf with the name '%s'; nf ps lists all\n"):format(name), 1 })
  start(graph(SLOW))
  local function fails(arguments, message, wanted)
    text, code = nf("capture " .. name .. " " .. arguments)
    lu.assertEquals({ text, code }, { "nf capture: " .. message .. "\n", wanted or 1 })
  end
  fails("nowhere", "no link has 'nowhere' in its name; nf stats lists all")
  fails("put", "'put' is a part of 3 links: source.output -> tee.input, tee.a -> sink.input, tee.b -> other.input")
  fails("source -w /nowhere/file", "cannot write /nowhere/file: No such file or directory")
  local help = "\n       nf capture --help shows how it is used"
  fails("source 'port and'", "the filter 'port and': can't parse filter expression: syntax error, at character 6: 'and'" .. help, 2)
  fails("source '" .. ("ip or "):rep(11000) .. "ip'", "the filter '" .. ("ip or "):rep(33) .. "ip...': the expression is too long: " ..
    "66002 bytes, 65536 are accepted" .. help, 2)
  fails("source --snaplen 0", "option '--snaplen': '0' is not a number 1..262144" .. help, 2)
  fails("source --count x", "option '--count': 'x' is not a number 1..18446744073709551615" .. help, 2)
  fails("source --duration x", "option '--duration': 'x' is not a duration, for example 10s, 1.5min or 100us" .. help, 2)
  fails("'a\tb'", "'a\tb' is no name of a link" .. help, 2)
  fails("", "LINK is missing" .. help, 2)
  text, code = nf(("capture %s source -w /dev/full"):format(name))
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "nf capture: cannot write: No space left on device\n")
  stop()
end

-- Both ends of a link between workers, in both directions, and links within the second worker. A part of the name means the
-- sender's end.
function TestCapture:testLinksBetweenWorkers()
  start(WORKERS:format("rate = \"2Kpps\", sizes = { 60, 300 }"))
  for link, expected in pairs({ ["source.output"] = { "source.output -> w2:cut.input", 300 },
    ["w1:source.output -> cut.input"] = { "w1:source.output -> cut.input", 300 },
    ["tee.b"] = { "tee.b -> w1:here.back", 58 }, ["w2:tee.b -> here.back"] = { "w2:tee.b -> here.back", 58 },
    ["w2:cut.output -> tee.input"] = { "cut.output -> tee.input", 58 } }) do
    local text, code = nf(("capture %s '%s' --count 40 -w %s/out.pcap"):format(name, link, folder))
    lu.assertEquals(code, 0, text)
    lu.assertStrMatches(text, "nf capture: 40 captured on " .. expected[1]:gsub("%p", "%%%0") .. ", %d+ left out\n")
    local packets, longest = capture.read(support.read(folder .. "/out.pcap")), 0
    lu.assertEquals(#packets, 40)
    for _, packet in ipairs(packets) do longest = math.max(longest, #packet.data) end
    lu.assertEquals(longest, expected[2], link)
  end
  local text, code = nf("capture " .. name .. " here")
  lu.assertEquals({ text, code }, { "nf capture: 'here' is a part of 2 links: w2:tee.a -> there.input, w2:tee.b -> w1:here.back\n", 1 })
  os.remove(folder .. "/out.pcap")
  stop()
end

-- At full speed, both ends at once: the sender does not wait for them, and what was left out is counted.
function TestCapture:testAFastLinkBetweenWorkers()
  start(WORKERS:format("sizes = 60"))
  local clients = {}
  for i, link in ipairs({ "source.output", "w1:source.output -> cut.input", "tee.b" }) do
    clients[i] = background(("'%s' capture %s '%s' -w %s/%d.pcap"):format(support.nf, name, link, folder, i), "client" .. i)
  end
  for i in ipairs(clients) do wait("packets", function() return #(support.read(folder .. "/" .. i .. ".pcap") or "") > 24 end) end
  stop()
  for i, client in ipairs(clients) do
    wait("the end", function() return not alive(client) end)
    local text = support.read(folder .. "/client" .. i)
    local number, left, seen = text:match("(%d+) captured on [^\n]*, (%d+) left out, of (%d+)\n")
    lu.assertNotNil(number, text)
    lu.assertEquals(number + left, tonumber(seen))
    lu.assertTrue(tonumber(number) > 0, text)
    os.remove(folder .. "/" .. i .. ".pcap")
  end
end

-- One of two workers dies: the captures of the other go on.
function TestCapture:testOneOfTwoWorkersDies()
  start(WORKERS:format("rate = \"2Kpps\", sizes = 60"))
  local first = background(("'%s' capture %s source.output -w %s/1.pcap"):format(support.nf, name, folder), "client1")
  local second = background(("'%s' capture %s tee.a -w %s/2.pcap"):format(support.nf, name, folder), "client2")
  for i = 1, 2 do wait("packets", function() return #(support.read(folder .. "/" .. i .. ".pcap") or "") > 24 end) end
  ffi.C.kill(tonumber((nf("stats --interval 0 " .. name)):match("worker 2: process (%d+)")), 9)
  wait("the end", function() return not alive(second) end)
  lu.assertStrContains(support.read(folder .. "/client2"), "nf capture: the worker has died\n")
  wait("the next worker", function() return select(2, nf("capture " .. name .. " tee.a --count 1 --text")) == 0 end)
  local before = #support.read(folder .. "/1.pcap")
  wait("more packets", function() return #support.read(folder .. "/1.pcap") > before end)
  lu.assertTrue(alive(first))
  ffi.C.kill(first, 2)
  wait("the end", function() return not alive(first) end)
  lu.assertStrMatches(support.read(folder .. "/client1"), ".*%d+ captured on source.output %-> w2:cut.input, %d+ left out\n")
  for i = 1, 2 do os.remove(("%s/%d.pcap"):format(folder, i)) end
end

-- As many as there may be, and one more; a client that is killed gives its place back.
function TestCapture:testClientsThatAreKilled()
  start(graph(SLOW))
  for _ = 1, 2 do
    local pids = {}
    for i = 1, 8 do pids[i] = background(("'%s' capture %s tee.a -w %s/%d.pcap"):format(support.nf, name, folder, i), "client") end
    for i = 1, 8 do
      wait("packets", function() return #(support.read(folder .. "/" .. i .. ".pcap") or "") > 24 end)
    end
    local text, code = nf("capture " .. name .. " tee.b --count 1 --text")
    lu.assertEquals({ text, code }, { "nf capture: 8 captures are running, more at a time are not allowed\n", 1 })
    for i = 1, 8 do ffi.C.kill(pids[i], 9) end
    wait("a free place", function() return select(2, nf("capture " .. name .. " tee.b --count 1 --text")) == 0 end)
    for i = 1, 8 do
      wait("its end", function() return not alive(pids[i]) end)
      os.remove(folder .. "/" .. i .. ".pcap")
    end
  end
  stop()
end

-- Clients that do not read, that go at once, that say more than they may.
function TestCapture:testHostileClients()
  start(graph(SLOW))
  local idle = {}
  for i = 1, 3 do idle[i] = connect("capture\t64\ttee.a\n") end
  for i = 1, 40 do
    local fd = connect("capture\t" .. (i % 3 == 0 and "99999999999999999999" or i) .. "\ttee.b\n")
    if i % 4 == 0 then
      -- A worker that is busy with the orders before is a reason to refuse, but not one to wait.
      local text = answer(fd)
      lu.assertTrue(text:find("^ok\n") ~= nil or text:find("^failed\n") ~= nil, text)
    end
    if i % 5 == 0 then ffi.C.send(fd, "reload\t0\t\n", 10, 0x4000) end
    ffi.C.close(fd)
  end
  for _, line in ipairs({ "capture\n", "capture\t64\n", "capture\t64\ttee.a\tx\n", "capture\t\t\n" }) do
    local fd = connect(line)
    lu.assertStrContains(answer(fd), "failed\n")
    ffi.C.close(fd)
  end
  wait("the worker", function() return select(2, nf("capture " .. name .. " tee.a --count 1 --text")) == 0 end)
  for i = 1, 3 do ffi.C.close(idle[i]) end
  stop()
end

-- Captures begin and end while the graph is reloaded; one ends when its link goes, and one that stays goes on.
function TestCapture:testReloads()
  start(graph(SLOW))
  local kept = background(("'%s' capture %s 'source.output -> tee.input' -w %s/kept.pcap"):format(support.nf, name, folder), "kept")
  for i = 1, 12 do
    local gone = background(("'%s' capture %s tee.a -w %s/gone.pcap"):format(support.nf, name, folder), "gone")
    wait("packets", function() return #(support.read(folder .. "/gone.pcap") or "") > 24 end)
    local links = i % 2 == 1 and "tee.c -> sink" or "tee.a -> sink"
    local text, code = nf(("reload %s %s"):format(name, file((graph(SLOW):gsub("tee.a %-> sink", links)))))
    lu.assertEquals(code, 0, text)
    if i % 2 == 1 then
      wait("the end", function() return not alive(gone) end)
      lu.assertStrContains(support.read(folder .. "/gone"), "nf capture: a reload took the link out of the graph\n")
      lu.assertEquals(select(2, nf(("reload %s %s"):format(name, file(graph(SLOW))))), 0)
    else
      lu.assertTrue(alive(gone))
      ffi.C.kill(gone, 2)
      wait("the end", function() return not alive(gone) end)
      lu.assertStrContains(support.read(folder .. "/gone"), "captured on tee.a -> sink.input")
    end
    os.remove(folder .. "/gone.pcap")
  end
  lu.assertTrue(alive(kept))
  ffi.C.kill(kept, 2)
  wait("the end", function() return not alive(kept) end)
  lu.assertStrMatches(support.read(folder .. "/kept"), ".*nf capture: %d+ captured on source.output %-> tee.input, %d+ left out\n")
  stop()
end

-- A worker that dies takes its captures with it; the next one can be captured.
function TestCapture:testTheWorkerDies()
  start(graph(SLOW))
  local client = background(("'%s' capture %s tee.a -w %s/out.pcap"):format(support.nf, name, folder), "client")
  wait("packets", function() return #(support.read(folder .. "/out.pcap") or "") > 24 end)
  local worker = tonumber((nf("stats --interval 0 " .. name)):match("worker 1: process (%d+)"))
  ffi.C.kill(worker, 9)
  wait("the end", function() return not alive(client) end)
  lu.assertStrContains(support.read(folder .. "/client"), "nf capture: the worker has died\n")
  wait("the next worker", function() return select(2, nf("capture " .. name .. " tee.a --count 1 --text")) == 0 end)
end

os.exit(lu.LuaUnit.run())
