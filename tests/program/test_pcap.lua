-- Capture files as a user meets them: nf run from file to file, pipes, damaged and missing files, a full disk, reload of time.
local lu = require("luaunit")
local ffi = require("ffi")
local capture = require("support_capture")
local support = require("support")

local folder = support.folder()

-- Run a graph whose file holds `text`; gives output and exit code. FOLDER in the text is the test's folder.
local function run(text, options, redirections)
  support.write(folder .. "/graph.lua", (text:gsub("FOLDER", folder)))
  return support.run(("%s '%s' run %s %s/graph.lua %s"):format(redirections and redirections[1] or "", support.nf, options or "",
    folder, redirections and redirections[2] or ""))
end

local copy = [[
return {
  apps = {
    file = { "pcap.reader", file = "in.pcap" }, tee = { "basic.tee" },
    first = { "pcap.writer", file = "first.pcap" }, second = { "pcap.writer", file = "second.pcap", timestamp = "now" },
  },
  links = { "file -> tee", "tee.a -> first", "tee.b -> second" },
}]]

TestPcap = {}

function TestPcap:setUp() os.execute("rm -rf " .. folder .. "/*") end

-- What a failed test left running is ended.
function TestPcap:tearDown() os.execute(("[ ! -e %s/pid ] || kill -9 $(cat %s/pid) 2>/dev/null"):format(folder, folder)) end

local function content(name) return capture.read(support.read(folder .. "/" .. name)) end

function TestPcap:testFileToFileLosesNothing()
  local packets = capture.packets(20000)
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  for _, options in ipairs({ "", "--idle wait", "--idle busy", "--single-process", "--clock virtual" }) do
    local output, code = run(copy, options)
    lu.assertEquals(code, 0, output)
    lu.assertNil(capture.difference(content("first.pcap"), packets))
    lu.assertNil(capture.difference(content("second.pcap"), packets, { "data" }))
    lu.assertStrContains(output, "it balances")
  end
end

function TestPcap:testVirtualTimeIsRepeatableToTheByte()
  local packets = capture.packets(500)
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local _, code = run(copy, "--clock virtual")
  lu.assertEquals(code, 0)
  -- On virtual time "now" is the packet's own time.
  lu.assertNil(capture.difference(content("second.pcap"), packets))
  local first = support.read(folder .. "/second.pcap")
  run(copy, "--clock virtual")
  lu.assertTrue(support.read(folder .. "/second.pcap") == first)
end

function TestPcap:testFramesOfEverySizePassAGraph()
  local packets = {}
  for i, size in ipairs({ 0, 14, 60, 1514, 2049, 9014, 65549, 65664 }) do packets[i] = { data = (string.char(i)):rep(size), time = i } end
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local output, code = run(copy)
  lu.assertEquals(code, 0, output)
  lu.assertNil(capture.difference(content("first.pcap"), packets))
  lu.assertNil(capture.difference(content("second.pcap"), packets, { "data" }))
end

function TestPcap:testDamagedFile()
  local packets = capture.packets(5)
  support.write(folder .. "/in.pcap", capture.pcap(packets):sub(1, -10))
  local output, code = run(copy)
  lu.assertEquals(code, 0, output)
  lu.assertStrContains(output, "app 'file': " .. folder .. "/in.pcap: cut off: the file ends within packet 5")
  lu.assertStrContains(output, "damaged 1")
  lu.assertNil(capture.difference(content("first.pcap"), { unpack(packets, 1, 4) }))
end

function TestPcap:testFilesThatAreNotThere()
  local output, code = run(copy)
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "app 'file': cannot open " .. folder .. "/in.pcap for reading: No such file or directory")
  -- A start that fails leaves no file behind.
  lu.assertNil(support.read(folder .. "/first.pcap"))
  support.write(folder .. "/in.pcap", capture.pcap({}))
  output, code = run((copy:gsub("second%.pcap", "no/second.pcap")))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "app 'second': cannot open " .. folder .. "/no/second.pcap for writing: No such file or directory")
  lu.assertNil(support.read(folder .. "/first.pcap"))
end

function TestPcap:testAFailedStartLeavesAnOldFileAsItWas()
  support.write(folder .. "/first.pcap", "precious")
  local _, code = run(copy)
  lu.assertEquals(code, 1)
  lu.assertEquals(support.read(folder .. "/first.pcap"), "precious")
end

function TestPcap:testTwoWritersOfOneFile()
  support.write(folder .. "/in.pcap", capture.pcap({}))
  local output, code = run((copy:gsub("second%.pcap", "first.pcap")))
  lu.assertEquals(code, 1)
  lu.assertStrContains(output, "first.pcap is used by app '")
end

local through = [[
return {
  apps = { file = { "pcap.reader", file = "/dev/stdin" }, out = { "pcap.writer", file = "/dev/stdout" } },
  links = { "file -> out" },
}]]

function TestPcap:testStandardInputAndOutput()
  local packets = capture.packets(3000)
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local input = folder .. "/in.pcap"
  local cases = {
    { "cat " .. input .. " |", "| cat > " .. folder .. "/out.pcap" },       -- pipes
    { "(sleep 0.1; head -c 100000 " .. input .. "; sleep 0.2; tail -c +100001 " .. input .. ") |",
      "| (sleep 0.3; cat) > " .. folder .. "/out.pcap" },                     -- slow ones
  }
  for _, case in ipairs(cases) do
    local output, code = run(through, "--quiet", case)
    lu.assertEquals(code, 0, output)
    lu.assertNil(capture.difference(content("out.pcap"), packets))
  end
end

function TestPcap:testAFullDisk()
  support.write(folder .. "/in.pcap", capture.pcap(capture.packets(100)))
  local output, code = run((copy:gsub("second%.pcap", "/dev/full")))
  lu.assertEquals(code, 1, output)
  lu.assertStrContains(output, "nf run: app 'second' failed: what was written is not complete")
  lu.assertStrContains(output, "app 'second': /dev/full: cannot be written: No space left on device")
  lu.assertStrContains(output, "it balances")
  lu.assertEquals(#content("first.pcap"), 100)
end

-- Run a shell command again and again until it succeeds; at most 20 seconds.
local function wait_for(command)
  local output, code = support.run(("(for _ in $(seq 200); do if %s; then exit 0; fi; sleep 0.1; done; exit 1)"):format(command))
  lu.assertEquals(code, 0, command .. "\n" .. output)
end

function TestPcap:testAReloadGoesOnInBothFiles()
  local text = [[
return {
  apps = { file = { "pcap.reader", file = "in.pcap", loop = 0, rate = "20000pps" }, out = { "pcap.writer", file = "out.pcap", flush = "20ms" } },
  links = { "file -> out" },
}]]
  local packets, name = capture.packets(1000, { size = 60 }), folder:match("[^/]*$"):gsub("%.", "-")
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  support.write(folder .. "/graph.lua", text)
  os.execute(("'%s' run --name %s %s/graph.lua > %s/output 2>&1 & echo $! > %s/pid"):format(support.nf, name, folder, folder, folder))
  wait_for(("[ $(stat -c %%s %s/out.pcap 2>/dev/null || echo 0) -gt 10000 ]"):format(folder))
  support.write(folder .. "/graph.lua", (text:gsub("20000pps", "30000pps"):gsub("20ms", "10ms")))
  local output, code = support.run(("'%s' reload %s"):format(support.nf, name))
  lu.assertEquals(code, 0, output)
  lu.assertStrContains(output, "reconfigured   2  file, out")
  lu.assertStrContains(output, "packets lost   0")
  local size = #support.read(folder .. "/out.pcap")
  wait_for(("[ $(stat -c %%s %s/out.pcap) -gt %d ]"):format(folder, size + 10000))
  support.run(("'%s' stop %s"):format(support.nf, name))
  wait_for(("! kill -0 $(cat %s/pid) 2>/dev/null"):format(folder))
  lu.assertStrContains(support.read(folder .. "/output"), "it balances")
  for i, p in ipairs(content("out.pcap")) do lu.assertTrue(p.data == packets[(i - 1) % 1000 + 1].data, "packet " .. i) end
end

-- The writer's worker is killed, again and again, under packets: what the file had stays, and the next worker goes on behind it.
local function writes_on(what, kills, writer, check)
  local running = require("support_running").new(what)
  running.folder = folder
  running.start(([[return { workers = {
    { apps = { source = { "basic.source", rate = "40Kpps", sizes = { 60, 700 }, content = "random" } }, links = { "source -> w2:out.input" } },
    { apps = { out = { "pcap.writer", %s } } } }, links = { "w1:source.output -> w2:out.input" } }]])
    :gsub('links = { "source %-> w2:out.input" }', "links = {}"):format(writer:gsub("FOLDER", folder)))
  for i = 1, kills do
    check(i)
    local pid = tonumber((running.nf("stats --interval 0 " .. running.name)):match("worker 2: process (%d+)"))
    ffi.C.kill(pid, 9)
    support.wait("the next worker", function() return select(2, running.output():gsub("is back after", "")) == i end)
  end
  check(kills + 1)
  local text = running.stop()
  lu.assertNotStrContains(text, "cannot be written")
  return text
end

function TestPcap:testAWriterGoesOnWhereADeadOneWas()
  local path, before = folder .. "/out.pcap", ""
  writes_on("pcap-dead", 3, 'file = "FOLDER/out.pcap", flush = "10ms"', function()
    support.wait("more packets", function() return #(support.read(path) or "") > #before + 1500000 end)
    local now = support.read(path)
    -- What is missing of what there was is at most the block that was being written: 1 MiB, and not a byte before it changed.
    local kept = math.max(0, #before - 1048576)
    lu.assertTrue(now:sub(1, kept) == before:sub(1, kept), "what was written has changed")
    before = now
  end)
  local packets = capture.read(support.read(path))
  local last = 0ULL
  for i, p in ipairs(packets) do
    lu.assertTrue((#p.data == 60 or #p.data == 700) and p.wire == #p.data, "packet " .. i)
    lu.assertTrue(p.time >= last, "packet " .. i .. " is older than the one before")
    last = p.time
  end
end

function TestPcap:testARingGoesOnWhereADeadWriterWas()
  local newest = 0
  local text = writes_on("pcap-ring", 3, 'file = "FOLDER/ring.pcap", files = 4, size = "2M", flush = "10ms"', function(i)
    -- Each time so far that every file has packets of its own.
    support.wait("more packets", function()
      local sum = 0
      for n = 1, 4 do sum = sum + #(support.read(("%s/ring.%d.pcap"):format(folder, n)) or "") end
      return sum > (i == 1 and 2500000 or 5000000)
    end)
    newest = newest + 1
  end)
  lu.assertEquals(newest, 4)
  local files, times = 0, {}
  for n = 1, 4 do
    local bytes = support.read(("%s/ring.%d.pcap"):format(folder, n))
    local packets = #bytes >= 24 and capture.read(bytes) or {}
    if #packets > 0 then
      files = files + 1
      times[files] = { packets[1].time, packets[#packets].time, #bytes }
    end
  end
  -- One after the other, none empty between, none longer than asked.
  lu.assertTrue(files >= 3, text)
  table.sort(times, function(a, b) return a[1] < b[1] end)
  for i = 2, files do lu.assertTrue(times[i][1] >= times[i - 1][2]) end
  for i = 1, files - 1 do lu.assertTrue(times[i][3] <= 2097152 and times[i][3] > 1000000, times[i][3]) end
end

function TestPcap:testTheDemonstration()
  local output, code = support.run(("'%s' run examples/demo.lua -- %s/demo.pcap"):format(support.nf, folder))
  lu.assertEquals(code, 0, output)
  local packets, passed = capture.read(support.read("examples/demo.pcap")), {}
  lu.assertTrue(#packets >= 300)
  for _, p in ipairs(packets) do
    local ethertype, protocol = p.data:sub(13, 14), nil
    if ethertype == "\8\0" then protocol = p.data:byte(24) elseif ethertype == "\x86\xdd" then protocol = p.data:byte(21) end
    if protocol == 6 or protocol == 17 then passed[#passed + 1] = p end
  end
  lu.assertTrue(#passed > 100 and #passed < #packets)
  lu.assertNil(capture.difference(content("demo.pcap"), passed))
end

os.exit(lu.LuaUnit.run())
