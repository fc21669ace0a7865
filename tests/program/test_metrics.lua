-- nf run --metrics: what is served over HTTP, to curl and to those who send garbage.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local instance = require("support_instance")
local prometheus = require("support_prometheus")

ffi.cdef("int kill(int pid, int signal); int usleep(unsigned us);")

TestMetrics = {}

local GRAPH = [[return { apps = { source = { "basic.source", rate = "10Kpps", sizes = 60 }, %s sink = { "basic.sink" } },
  links = { %s } }]]
local PLAIN = GRAPH:format("", '"source -> sink"')

local wait, alive = support.wait, support.alive

function TestMetrics:setUp()
  if select(2, support.run("command -v curl")) ~= 0 then lu.skip("curl is not installed") end
  self.name, self.folder = instance.name(), support.folder()
end

function TestMetrics:tearDown()
  if self.pid and alive(self.pid) then ffi.C.kill(self.pid, 9) end
  self.pid = nil
end

function TestMetrics:start(address, options, graph)
  support.write(self.folder .. "/graph.lua", graph or PLAIN)
  support.run(("'%s' run --name %s --metrics %s %s %s/graph.lua >%s/output 2>&1 & echo $! >%s/pid"):format(support.nf, self.name, address,
    options or "", self.folder, self.folder, self.folder))
  self.pid = tonumber(support.read(self.folder .. "/pid"))
  wait("the address", function()
    self.url = support.read(self.folder .. "/output"):match("metrics: (http://%S+/)\n")
    return self.url
  end)
  wait("statistics", function() return (self:get("metrics")):find("nf_app_packets_total", 1, true) end)
end

-- What curl gets: the body, and the head.
function TestMetrics:get(path, options)
  local text = support.run(("curl -s --max-time 20 -D %s/head %s '%s%s'"):format(self.folder, options or "", self.url, path))
  return text, support.read(self.folder .. "/head") or ""
end

-- Send bytes (printf's format) as they are; gives what comes back.
function TestMetrics:send(format, repeated)
  local port = self.url:match(":(%d+)/$")
  return (support.run(([[bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; { for i in $(seq %d); do printf "%s"; done; } >&3 2>/dev/null;
    timeout 5 cat <&3']]):format(port, repeated or 1, format)))
end

function TestMetrics:testPrometheusFindsTheNumbers()
  self:start("0")
  lu.assertStrMatches(self.url, "http://127%.0%.0%.1:%d+/")
  local text, head = self:get("metrics")
  lu.assertStrContains(head, "HTTP/1.1 200 OK")
  lu.assertStrContains(head, "Content-Type: text/plain; version=0.0.4; charset=utf-8")
  local families = prometheus.parse(text)
  lu.assertEquals(prometheus.value(families, "nf_worker_up", { instance = self.name, worker = "1" }), 1)
  lu.assertNotNil(prometheus.value(families, "nf_link_packets_total", { link = "source.output -> sink.input" }))
  wait("packets", function()
    return prometheus.value(prometheus.parse((self:get("metrics"))), "nf_app_packets_total", { app = "sink" }) > 0
  end)
end

function TestMetrics:testThePageAndWhatItReads()
  self:start("127.0.0.1:0")
  local text, head = self:get("")
  lu.assertStrContains(head, "Content-Type: text/html")
  lu.assertStrContains(head, "Content-Security-Policy: default-src 'none'")
  lu.assertStrContains(text, "</html>")
  -- It needs nothing from elsewhere: the only addresses in it are its own paths and the names of XML.
  lu.assertNil(text:gsub("http://www%.w3%.org/2000/svg", ""):find("https?:"))
  lu.assertNil(text:find("src=", 1, true))
  text, head = self:get("graph.json")
  lu.assertStrContains(head, "Content-Type: application/json")
  lu.assertStrContains(text, '"workers": [{"apps": ["sink", "source"], "links": [{"name": "source.output -> sink.input", ' ..
    '"from": "source", "to": "sink"}]}]')
  text = self:get("stats.json")
  lu.assertStrContains(text, '"name": "' .. self.name .. '"')
  lu.assertStrContains(text, '"snapshot_ns": ')
end

function TestMetrics:testNothingElseIsAnswered()
  self:start("[::1]:0")
  lu.assertStrMatches(self.url, "http://%[::1%]:%d+/")
  self.url = self.url:gsub("[%[%]]", "\\%0")
  local text, head = self:get("etc/passwd")
  lu.assertStrContains(head, "HTTP/1.1 404")
  lu.assertEquals(text, "there are /, /metrics, /graph.json and /stats.json\n")
  for _, path in ipairs({ "../../etc/passwd", "metrics/", "metrics%01", "%2e%2e/metrics" }) do
    lu.assertStrContains(select(2, self:get(path, "--path-as-is")), "HTTP/1.1 404", path)
  end
  for _, method in ipairs({ "-X DELETE", "-X OPTIONS", "-X GARBAGE", "-d x=1", "-T /etc/hostname" }) do
    text, head = self:get("metrics", method .. " -H Expect:")
    lu.assertStrContains(head, "HTTP/1.1 405", method)
    lu.assertStrContains(head, "Allow: GET, HEAD")
    lu.assertEquals(text, "nf answers GET and HEAD alone\n", method)
  end
  text, head = self:get("metrics", "-I")
  lu.assertStrContains(text .. head, "HTTP/1.1 200 OK")
  lu.assertNotStrContains(text, "nf_app_packets_total")
end

function TestMetrics:testGarbageEndsNothing()
  self:start("0")
  for _, garbage in ipairs({ "\\x00\\xff\\xfe garbage\\r\\n\\r\\n", "GET\\r\\n\\r\\n", "GET / HTTP/9.9\\r\\n\\r\\n",
    "GET / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: -5\\r\\n\\r\\n", "GET /%%%%%% HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" }) do
    self:send(garbage)
  end
  -- More than a connection may take. The refusal gets lost when it is still sending.
  lu.assertNotStrContains(self:send("X: " .. ("a"):rep(1000) .. "\\r\\n", 100), "200 OK")
  lu.assertNotStrContains(self:send(("a"):rep(1000), 100), "200 OK")
  lu.assertStrContains((self:get("metrics")), "nf_app_packets_total")
  lu.assertTrue(alive(self.pid))
end

-- Connections that say nothing are bounded, and do not keep others out when they are gone.
function TestMetrics:testManyConnections()
  self:start("0")
  local port = self.url:match(":(%d+)/$")
  support.run(("bash -c 'for i in $(seq 10 110); do eval \"exec $i<>/dev/tcp/127.0.0.1/%s\" || true; done; sleep 0.2' 2>/dev/null"):format(port))
  wait("an answer", function() return (self:get("metrics")):find("nf_app_packets_total", 1, true) end)
  local list = {}
  for i = 1, 20 do list[i] = ("curl -s --max-time 20 -o %s/%d '%smetrics' &"):format(self.folder, i, self.url) end
  support.run(table.concat(list, "\n") .. "\nwait")
  for i = 1, 20 do lu.assertStrContains(support.read(self.folder .. "/" .. i), "nf_worker_breath_seconds_count", i) end
end

function TestMetrics:testAReloadChangesTheGraph()
  self:start("0")
  support.write(self.folder .. "/graph.lua", GRAPH:format('late = { "basic.tee" },', '"source -> late", "late.output -> sink"'))
  local text, code = support.run(("'%s' reload %s"):format(support.nf, self.name))
  lu.assertEquals(code, 0, text)
  text = self:get("graph.json")
  lu.assertStrContains(text, '"generation": 2')
  lu.assertStrContains(text, '"apps": ["late", "sink", "source"]')
  lu.assertStrContains((self:get("stats.json")), '"late": {')
end

-- The process that answers strangers has nothing to lose.
function TestMetrics:testTheServingProcessHasNoCapability()
  self:start("0")
  local child
  for pid in support.run("grep -ls '^PPid:[[:space:]]*" .. self.pid .. "$' /proc/[0-9]*/status"):gmatch("%d+") do
    if (support.read("/proc/" .. pid .. "/comm") or "") == "nf-metrics\n" then child = pid end
  end
  lu.assertNotNil(child)
  local status = support.read("/proc/" .. child .. "/status")
  for _, set in ipairs({ "CapInh", "CapPrm", "CapEff", "CapAmb" }) do
    lu.assertStrMatches(status, ".*\n" .. set .. ":\t0+\n.*")
  end
  lu.assertStrContains(status, "\nNoNewPrivs:\t1\n")
  lu.assertStrContains((self:get("metrics")), "nf_worker_up{instance=\"" .. self.name .. "\",worker=\"1\"} 1\n")
end

-- The port is free again at once, also when the supervisor is killed: no worker holds it.
function TestMetrics:testItEndsWithTheInstance()
  for _, signal in ipairs({ 15, 9 }) do
    self.name = instance.name()
    self:start("0")
    ffi.C.kill(self.pid, signal)
    wait("the end", function() return not alive(self.pid) end)
    wait("the port", function() return select(2, support.run(("curl -s --max-time 5 '%smetrics'"):format(self.url))) == 7 end)
  end
end

function TestMetrics:testQuietSaysNothing()
  support.write(self.folder .. "/graph.lua", PLAIN)
  local text, code = support.run(("'%s' run --name %s --metrics 0 --quiet --duration 10ms %s/graph.lua"):format(support.nf, self.name,
    self.folder))
  lu.assertEquals({ text, code }, { "", 0 })
end

function TestMetrics:testBadAddresses()
  support.write(self.folder .. "/graph.lua", PLAIN)
  local function run(address)
    return support.run(("'%s' run --name %s --metrics '%s' --duration 10ms %s/graph.lua"):format(support.nf, self.name, address, self.folder))
  end
  for _, address in ipairs({ "", "x", "-1", "65536", "999999", "127.0.0.1", "127.0.0.1:", "::1:9100", "[::1]", "[127.0.0.1]:9100",
    "nosuchhost:80", ":9100", "1.2.3.4.5:80", "9100 ", ("1"):rep(300) .. ":80" }) do
    local text, code = run(address)
    lu.assertEquals(code, 2, address)
    lu.assertStrContains(text, ("nf run: option '--metrics': '%s' is no PORT and no ADDRESS:PORT, for example 9100, 127.0.0.1:9100 or " ..
      "[::1]:9100\n"):format(address))
  end
  self:start("0")
  local taken = self.url:match("//(.*)/$")
  self.name = instance.name()
  local text, code = run(taken)
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf run: cannot listen on " .. taken .. " for the metrics: Address already in use\n")
  text, code = run("192.0.2.1:9100")
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf run: cannot listen on 192.0.2.1:9100 for the metrics: Cannot assign requested address\n")
end

-- The page at / as a browser shows it after its script has run for some seconds (of virtual time): the document, and what the
-- script complained about. The browser finds no other host.
function TestMetrics:browse()
  local browser = support.run("command -v chromium || command -v chromium-browser || command -v google-chrome"):match("[^\n]+")
  if not browser then lu.skip("needs chromium") end
  local text, code = support.run(("HOME=%s timeout 120 %s --headless --no-sandbox --disable-gpu --disable-dev-shm-usage " ..
    "--user-data-dir=%s/browser --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' --enable-logging=stderr " ..
    "--virtual-time-budget=20000 --dump-dom %s 2>%s/log"):format(self.folder, browser, self.folder, self.url, self.folder))
  local log = support.read(self.folder .. "/log")
  if code ~= 0 or not text:find("</html>", 1, true) then lu.skip("the browser does not run here: " .. log:sub(1, 200)) end
  local complaints = {}
  for line in log:gmatch("[^\n]*CONSOLE[^\n]*") do complaints[#complaints + 1] = line end
  return (text:gsub("<script>.*</script>", "")), complaints
end

-- The texts of the page's elements of a class, or of a kind of cell.
local function texts(document, class)
  local set = {}
  for text in document:gmatch('<text[^>]* class="' .. class .. '"[^>]*>([^<]*)</text>') do set[text] = true end
  return set
end

function TestMetrics:testABrowserDrawsTheGraph()
  local workers = [[return { workers = {
    { apps = { source = { "basic.source", rate = "10Kpps", sizes = 60 }, thin = { "basic.sample", n = 10 } %s }, links = { %s } },
    { apps = { tee = { "basic.tee" }, one = { "basic.sink" }, two = { "basic.sink" } }, links = { "tee.a -> one", "tee.b -> two" } } },
    links = { "w1:thin.output -> w2:tee.input" } }]]
  self:start("0", "", workers:format("", '"source -> thin.input"'))
  local document, complaints = self:browse()
  lu.assertEquals(complaints, {})
  lu.assertStrContains(document, ('<h1 id="name">%s</h1><b id="state" class="state">running</b>'):format(self.name))
  local names = texts(document, "name")
  for _, name in ipairs({ "source", "thin", "w2:tee.input", "tee", "one", "two" }) do lu.assertTrue(names[name], name) end
  -- Four links, with the two ends of the one between the workers, carry packets: as many as the machine has time for.
  lu.assertEquals(select(2, document:gsub('class="wire live"', "")), 5)
  lu.assertEquals(select(2, document:gsub('class="rate"[^>]*>[%d.]+ ?k?/s<', "")), 5)
  lu.assertStrMatches(document, '.*class="drops">drops [%d.]+ ?k?/s skipped<.*')
  lu.assertStrMatches(document, ".*<td>source.output %-&gt; thin.input</td><td>[%d.]+ ?k?</td><td>[%d.]+ [kM]</td><td>%d+</td><td>[%d.]+ [nµm]+s</td>.*")
  lu.assertStrMatches(document, ".*worker 2</b><span class=\"\">process %d+, running; a breath takes [%d.]+ [nµm]+s %(half%).*")
  lu.assertNotStrContains(document, "DOES NOT BALANCE")
  -- What a reload brings is drawn.
  support.write(self.folder .. "/graph.lua", workers:format(', late = { "basic.tee" }', '"source -> late.input", "late.x -> thin.input"'))
  lu.assertEquals(select(2, support.run(("%s reload %s"):format(support.nf, self.name))), 0)
  document, complaints = self:browse()
  lu.assertEquals(complaints, {})
  lu.assertTrue(texts(document, "name").late)
  lu.assertStrContains(document, "generation 2")
end

os.exit(lu.LuaUnit.run())
