-- script: what an app in Lua can do: packets, links, parameters, time, random numbers, counters, keeping packets, making packets;
-- and the messages for modules that are wrong.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local script = require("support_script")

TestScript = {}

function TestScript:setUp()
  support.memory(3000)
  lu.assertEquals(nf.script_watch_start(), 0)
end

function TestScript:tearDown()
  nf.script_watch_stop()
  script.forget()
  collectgarbage()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

local function cause(app)
  local text = nf.script_app_cause(app)
  return text ~= nil and ffi.string(text) or nil
end

-- Send these packets through an app with this body of push; gives what comes out.
local function through(body, packets, fields, head, params)
  script.class("probe", script.pushing(body, fields, head))
  local app = support.app("probe", params)
  support.send(app.input[0], unpack(packets))
  support.push(app)
  lu.assertNil(cause(app))
  local out = support.receive(app.output[0])
  support.finish(app)
  return out
end

-- The example of the guide, as it stands.
local EVERY = [[
    local link, packet = require("nf.link"), require("nf.packet")
    return {
      name = "every", help = "Pass one packet in n.", inputs = { "input" }, outputs = { "output" }, reasons = { "skipped" },
      params = { n = { type = "u32", min = 1, default = 2, help = "packets per packet passed" } },
      new = function (params) return { n = params.n, seen = 0 } end,
      push = function (self)
        local input, output = self.input.input, self.output.output
        for _ = 1, link.count(input) do
          local p = link.receive(input)
          self.seen = self.seen + 1
          if self.seen % self.n == 0 then link.send(output, p) else self:drop("skipped", p) end
        end
      end,
    }]]

function TestScript:testTheExample()
  script.class("every", EVERY)
  local app = support.app("every", { n = 3 })
  support.send(app.input[0], "1", "2", "3", "4")
  support.push(app)
  support.send(app.input[0], "5", "6", "7")
  support.push(app)
  lu.assertEquals(support.receive(app.output[0]), { "3", "6" })
  lu.assertEquals(support.reason(app, "skipped"), 5)
  lu.assertEquals(app.class.held(app), 0)
  support.finish(app)
  local _, messages = support.new("every", { n = 0 })
  lu.assertEquals(messages, { "app 'x': key 'n': 0 is out of range; accepted: a whole number 1..4294967295" })
  _, messages = support.new("every", { m = 1 })
  lu.assertStrContains(messages[1], "app 'x': key 'm'")
end

function TestScript:testReadersAndWriters()
  lu.assertEquals(through([[
    local p = link.receive(input)
    assert(packet.length(p) == 8 and packet.u8(p, 0) == 0xff and packet.u16(p, 0) == 0xfffe and packet.u32(p, 0) == 0xfffefd01)
    assert(packet.u8(p, 7) == 4 and packet.u16(p, 6) == 0x0304 and packet.u32(p, 4) == 0x01020304)
    assert(packet.bytes(p) == "\255\254\253\1\1\2\3\4" and packet.bytes(p, 2, 3) == "\253\1\1" and packet.bytes(p, 8) == "")
    packet.set_u8(p, 0, 1) packet.set_u16(p, 1, 0x0203) packet.set_u32(p, 4, 0xfffffffe) packet.set_bytes(p, 3, "x")
    link.send(output, p)]], { "\255\254\253\1\1\2\3\4" }), { "\1\2\3x\255\255\255\254" })
end

function TestScript:testFramesThatGrowAndShrink()
  lu.assertEquals(through([[
    for _ = 1, link.count(input) do
      local p = link.receive(input)
      packet.strip(p, 2) packet.prepend(p, "ab") packet.prepend(p, 1) packet.append(p, "yz") packet.append(p, 1)
      assert(packet.length(p) == 9)
      packet.truncate(p, 8)
      link.send(output, p)
    end]], { "12345", "67890" }), { "\0ab345yz", "\0ab890yz" })
end

function TestScript:testNewAndCopy()
  script.class("probe", script.pushing([[
    local p = link.receive(input)
    local q = packet.copy(p)
    packet.set_u8(q, 0, 0x62)
    link.send(output, p) link.send(output, q) link.send(output, packet.new("new")) link.send(output, packet.new(2))
    link.send(output, packet.new()) packet.free(packet.new(1500))
    assert(packet.new(100000) == nil)]]))
  local app = support.app("probe")
  support.send(app.input[0], "a")
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(support.receive(app.output[0]), { "a", "b", "new", "\0\0", "" })
  lu.assertEquals(app.created, 5ULL)
  lu.assertEquals(app.consumed, 1ULL)
  support.finish(app)
end

function TestScript:testMetadata()
  script.class("probe", script.pushing([[
    local p = link.receive(input)
    local s, n = packet.timestamp(p)
    assert(s == 1700000000 and n == 999999999)
    assert(packet.port(p) == 3 and packet.hash(p) == 0xfffffffe and packet.vlan(p) == 0x2fff)
    packet.set_vlan(p, nil)
    assert(packet.vlan(p) == nil)
    packet.set_vlan(p, 0xffff) packet.set_hash(p, 5)
    link.send(output, p)]]))
  local app, p = support.app("probe"), support.packet("a")
  p.meta.timestamp, p.meta.port, p.meta.hash, p.meta.vlan, p.meta.flags = 1700000000999999999ULL, 3, 0xfffffffe, 0x2fff, 4
  nf.link_send(app.input[0], p)
  support.push(app)
  lu.assertNil(cause(app))
  p = nf.link_receive(app.output[0])
  lu.assertEquals({ p.meta.vlan, p.meta.hash, p.meta.flags }, { 0xffff, 5, 4 })
  nf.packet_free(p)
  support.finish(app)
end

-- Parameters of every type arrive as what an app can use at once.
function TestScript:testParameters()
  script.class("probe", script.pushing("link.send(output, link.receive(input))", [[
    params = {
      small = { type = "u8" }, two = { type = "u16", max = 1000 }, four = { type = "u32", default = 4e9 }, eight = { type = "u64", default = 2^53 },
      whole = { type = "int", min = -5, max = 5, default = -3 }, real = { type = "number", default = 0.25 }, is = { type = "bool", default = true },
      text = { type = "string", default = "abc" }, size = { type = "bytes", max = "1M", default = "64K" },
      rate = { type = "rate", default = "1G" }, pps = { type = "rate", default = "2Mpps" }, time = { type = "duration", default = "5ms", max = 1 },
      mac = { type = "mac", default = "02:00:00:00:00:01" }, ip = { type = "ipv4", default = "192.0.2.1" },
      ip6 = { type = "ipv6", default = "2001:db8::1" }, net = { type = "prefix4", default = "192.0.2.0/24" },
      net6 = { type = "prefix6", default = "2001:db8::/32" }, pci = { type = "pci", default = "01:00.0" }, file = { type = "file", default = "/x" },
      kind = { type = "enum", choices = { "a", "b" }, default = "b" }, list = { type = "list", item = { type = "u16" }, default = { 1, 2 } },
      rows = { type = "list", item = { type = "table", fields = { x = { type = "u8", required = true }, y = { type = "string" } } } },
      deep = { type = "table", fields = { z = { type = "u32", default = 7 } } },
      none = { type = "u32" }, nothing = { type = "list", item = { type = "u8" } },
    },
    new = function (p)
      assert(p.small == 255 and p.two == 1000 and p.four == 4e9 and p.eight == 2^53 and p.whole == -3 and p.real == 0.25 and p.is == true)
      assert(p.text == "abc" and p.size == 65536 and p.rate.per_second == 1e9 and not p.rate.packets and p.pps.packets and p.pps.per_second == 2e6)
      assert(p.time == 0.005 and p.mac == "\2\0\0\0\0\1" and p.ip == 0xc0000201 and p.ip6 == "\32\1\13\184" .. ("\0"):rep(11) .. "\1")
      assert(p.net.address == 0xc0000200 and p.net.length == 24 and p.net6.length == 32 and p.net6.address == "\32\1\13\184" .. ("\0"):rep(12))
      assert(p.pci == "0000:01:00.0" and p.file == "/x" and p.kind == "b" and #p.list == 2 and p.list[2] == 2)
      assert(#p.rows == 2 and p.rows[1].x == 1 and p.rows[1].y == nil and p.rows[2].x == 2 and p.rows[2].y == "why" and p.deep.z == 8)
      assert(p.none == nil and p.nothing == nil)
      return {}
    end,]]))
  local app = support.app("probe", { small = 255, two = 1000, rows = { { x = 1 }, { x = 2, y = "why" } }, deep = { z = 8 } })
  support.finish(app)
  local _, messages = support.new("probe", { two = 1001, size = "2M", time = 2, whole = 6, kind = "c", rows = { { y = "z" } } })
  table.sort(messages)
  lu.assertEquals(#messages, 6)
  lu.assertStrContains(messages[1], "key 'kind': 'c' is unknown")
  lu.assertStrContains(messages[2], "key 'rows[1].x'")
  lu.assertStrContains(messages[3], "key 'size': '2M' is out of range")
  lu.assertStrContains(messages[4], "key 'time': 2 is out of range")
  lu.assertStrContains(messages[5], "key 'two': 1001 is out of range")
  lu.assertStrContains(messages[6], "key 'whole': 6 is out of range")
end

function TestScript:testSelf()
  script.class("probe", [[
    local link = require("nf.link")
    return { inputs = { "a", "b" }, outputs = { "x", "y?" }, counters = { "one", "two" }, params = { n = { type = "u8", default = 9 } },
      push = function (self)
        assert(self.name == "x" and self.params.n == 9)
        assert(#self.input == 2 and self.input[1] == self.input.a and self.input[2] == self.input.b)
        assert(self.output.y == nil and #self.output == 1 and self.output[1] == self.output.x)
        self:count("one") self:count("two", 5)
        for i = 1, #self.input do
          for _ = 1, link.count(self.input[i]) do link.send(self.output.x, link.receive(self.input[i])) end
        end
      end }]])
  local app = support.app("probe", nil, { "a", "b" }, { "x" })
  support.send(app.input[0], "1")
  support.send(app.input[1], "2")
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(support.receive(app.output[0]), { "1", "2" })
  lu.assertEquals({ support.counter(app, "one"), support.counter(app, "two") }, { 1, 5 })
  support.finish(app)
end

function TestScript:testPortsOfAnyNameAndLinksThatChange()
  script.class("probe", [[
    local link = require("nf.link")
    local seen = {}
    return { inputs = { "*" }, outputs = { "*" },
      link = function (self) seen[#seen + 1] = #self.input .. "/" .. #self.output end,
      push = function (self)
        assert(table.concat(seen, " ") == "2/1 2/0 2/1", table.concat(seen, " "))
        for i = 1, #self.input do
          for _ = 1, link.count(self.input[i]) do link.send(self.output.away, link.receive(self.input[i])) end
        end
      end }]])
  local app = support.app("probe", nil, { "left", "right" }, { "away" })
  local output = app.output[0]
  app.output[0] = nil
  app.class.link(app)
  app.output[0] = output
  app.class.link(app)
  support.send(app.input[1], "r")
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(support.receive(output), { "r" })
  support.finish(app)
end

-- Nothing is taken for which an output has no room, and no more than waited when the call began.
function TestScript:testRoomIsRespected()
  script.class("probe", script.pushing("local p = link.receive(input) while p do link.send(output, p) p = link.receive(input) end"))
  local app = support.app("probe")
  for _ = 1, 1024 - 10 do nf.link_send(app.output[0], support.packet("full")) end
  for i = 1, 30 do support.send(app.input[0], tostring(i)) end
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(nf.link_waiting(app.input[0]), 20)
  lu.assertEquals(nf.link_waiting(app.output[0]), 1024)
  lu.assertEquals(app.output[0].dropped, 0ULL)
  support.finish(app)
end

function TestScript:testExpansionDividesTheRoom()
  script.class("probe", script.pushing([[
    assert(link.count(input) == 3 and link.room(output) == 10)
    for _ = 1, link.count(input) do
      local p = link.receive(input)
      link.send(output, packet.copy(p)) link.send(output, packet.copy(p)) link.send(output, p)
    end]], "expansion = 3,"))
  local app = support.app("probe")
  for _ = 1, 1024 - 10 do nf.link_send(app.output[0], support.packet("full")) end
  for i = 1, 30 do support.send(app.input[0], tostring(i)) end
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(nf.link_waiting(app.input[0]), 27)
  lu.assertEquals(nf.link_waiting(app.output[0]), 1023)
  support.finish(app)
end

function TestScript:testTwoInputsShareTheRoom()
  script.class("probe", [[
    local link = require("nf.link")
    return { inputs = { "a", "b" }, outputs = { "x" },
      push = function (self)
        local a, b, x = self.input.a, self.input.b, self.output.x
        assert(link.count(a) == 10 and link.count(b) == 10)
        for _ = 1, 20 do
          local p, q = link.receive(a), link.receive(b)
          if p then link.send(x, p) end
          if q then link.send(x, q) end
        end
      end }]])
  local app = support.app("probe", nil, { "a", "b" }, { "x" })
  for _ = 1, 1024 - 10 do nf.link_send(app.output[0], support.packet("full")) end
  for i = 1, 30 do
    support.send(app.input[0], tostring(i))
    support.send(app.input[1], tostring(i))
  end
  support.push(app)
  lu.assertNil(cause(app))
  lu.assertEquals(nf.link_waiting(app.output[0]), 1024)
  lu.assertEquals(app.output[0].dropped, 0ULL)
  support.finish(app)
end

function TestScript:testPacketsAreKeptBetweenCalls()
  script.class("probe", script.pushing([[
    for _ = 1, link.count(input) do
      kept[#kept + 1] = link.receive(input)
      if #kept > 3 then link.send(output, table.remove(kept, 1)) end
    end]], "holds = 3,", "local kept = {}"))
  local app = support.app("probe")
  local holds = ffi.new("uint32_t[3]")
  app.class.holds(app, holds)
  lu.assertEquals(holds[0], 3)
  lu.assertTrue(app.ended)
  for i = 1, 5 do
    support.send(app.input[0], tostring(i))
    support.push(app)
    lu.assertEquals(app.class.held(app), math.min(i, 3))
    lu.assertFalse(app.ended)
  end
  lu.assertEquals(support.receive(app.output[0]), { "1", "2" })
  app.class.stop(app)
  lu.assertEquals(support.reason(app, "stop"), 3)
  lu.assertEquals(app.class.held(app), 0)
  support.finish(app)
end

function TestScript:testPullAndTick()
  script.class("probe", [[
    local link, packet = require("nf.link"), require("nf.packet")
    return { outputs = { "output" }, counters = { "ticks" },
      new = function () return { left = 3 } end,
      tick = function (self) self:count("ticks") end,
      pull = function (self)
        link.send(self.output.output, packet.new(tostring(self.left)))
        self.left = self.left - 1
        self.ended = self.left == 0
      end }]])
  local app = support.app("probe")
  local turns = 0
  while not app.ended and turns < 10 do
    support.pull(app)
    support.tick(app)
    turns = turns + 1
  end
  lu.assertNil(cause(app))
  lu.assertEquals(turns, 3)
  lu.assertEquals(support.receive(app.output[0]), { "3", "2", "1" })
  lu.assertEquals(app.created, 3ULL)
  lu.assertEquals(support.counter(app, "ticks"), 3)
  support.finish(app)
end

function TestScript:testTimeAndRandom()
  nf.clock_set(1700000000500000000ULL)
  nf.random_seed = 7
  local body = [[
    local time, random = require("nf.time"), require("nf.random")
    local p = link.receive(input)
    assert(time.now() == 1700000000.5 and time.wall() == 1700000000.5, time.now())
    for _ = 1, 1000 do
      local x, y = random.number(), random.below(6)
      assert(x >= 0 and x < 1 and y >= 0 and y <= 5 and y % 1 == 0)
    end
    assert(random.chance(1) and not random.chance(0) and random.below(1) == 0)
    packet.append(p, random.below(2^32 - 1) .. " " .. math.random(1e9))
    link.send(output, p)]]
  local first = through(body, { "" })
  lu.assertEquals(through(body, { "" }), first)
  nf.random_seed = 8
  lu.assertNotEquals(through(body, { "" }), first)
  nf.clock_set_real()
end

-- Errors that the app catches itself are its own affair; the one that it does not catch is told, not an earlier one.
function TestScript:testErrorsThatAreCaught()
  script.class("probe", script.pushing([[
    local p = link.receive(input)
    for i = 1, 300 do
      assert(not pcall(error, "caught"))
      assert(not pcall(packet.u8, p, 100 + i))
      assert(not xpcall(function () local x = nil; return x.y end, function () return "handled" end))
      assert(not coroutine.resume(coroutine.create(function () error("caught") end)))
      assert(not pcall(coroutine.wrap(function () coroutine.yield(1) end), pcall(error)) or true)
    end
    link.send(output, p)
    if packet.length then seen = (seen or 0) + 1 end
    if seen == 3 then error("the last") end]], "budget = 1,"))
  local app = support.app("probe")
  for i = 1, 3 do
    lu.assertNil(cause(app))
    support.send(app.input[0], tostring(i))
    support.push(app)
    lu.assertEquals(support.receive(app.output[0]), { tostring(i) })
  end
  lu.assertEquals(cause(app), "probe.lua:16: the last")
  support.finish(app)
end

-- Without an app the modules are only names.
function TestScript:testOutsideOfAnApp()
  for _, name in ipairs({ "packet", "link", "time", "random" }) do
    local ok, message = pcall(require("nf." .. name).now)
    lu.assertFalse(ok)
    lu.assertStrContains(message, name .. ".now: only a running app has packets and links")
  end
end

-- What is wrong in a module or in its new, before anything runs.
local function made(fields, params)
  script.class("probe", "local link, packet = require('nf.link'), require('nf.packet')\n" ..
    "return { inputs = { 'input' }, outputs = { 'output' }, push = function () end, " .. fields .. " }")
  local ok, message = pcall(support.app, "probe", params)
  lu.assertFalse(ok)
  return message
end

function TestScript:testMistakesInNew()
  lu.assertStrContains(made("new = function () error('broken') end"), "app 'x': probe.lua:2: broken")
  lu.assertStrContains(made("new = function () error({}) end"), "app 'x': an error that is no string")
  lu.assertStrContains(made("new = function () return 5 end"), "app 'x': probe.lua: new must return a table, not number")
  lu.assertStrContains(made("new = function () return { drop = 5 } end"),
    "app 'x': probe.lua: new returns a table with 'drop', which is a name that nf gives to self")
  lu.assertStrContains(made("new = function () link.receive(1) end"), "link.receive: only while the app runs: in push, pull, tick and link")
  lu.assertStrContains(made("new = function () packet.new(60) end"), "packet.new: only while the app runs")
  lu.assertStrContains(made("new = function () while true do end end"), "probe.lua:2: making the app takes longer than 1000 ms")
  lu.assertStrContains(made("new = function () while true do pcall(function () while true do end end) end end"),
    "making the app takes longer than 1000 ms")
  lu.assertStrContains(made("memory = '2M', new = function () local t = {} while true do t[#t + 1] = {} end end"),
    "app 'x': probe.lua: not enough memory: more than its 2 MiB")
  lu.assertStrContains(made("memory = '2M', new = function () local s = 'x' while true do s = s .. s end end"),
    "app 'x': probe.lua: not enough memory: more than its 2 MiB")
end

function TestScript:testPrintInNewIsALogMessage()
  script.class("probe", script.pushing("link.send(output, link.receive(input))", "new = function () print('hello', 1, nil) return {} end,"))
  local level = nf.log_level
  nf.log_level = "LOG_INFO"
  local text = script.errors_of(function() support.finish(support.app("probe")) end)
  nf.log_level = level
  lu.assertEquals(text, "nf: info: app 'x': hello 1 nil\n")
end

-- The messages for a description that cannot become a class.
local function refused(change)
  local description = script.description("probe", EVERY)
  change(description.class, description)
  local ok, messages = script.declare("probe", description)
  lu.assertNil(ok)
  return table.concat(messages, "\n")
end

function TestScript:testMistakesInTheDescription()
  local owner = "app module 'probe': "
  lu.assertEquals(refused(function(class) class.holds = -1 end), owner .. "key 'holds': -1 is out of range; accepted: a whole number 0..524288")
  lu.assertEquals(refused(function(class) class.holds = "x" end), owner .. "key 'holds': 'x' is a string; accepted: a whole number 0..524288")
  lu.assertStrContains(refused(function(class) class.memory = "5G" end), owner .. "key 'memory': '5G' is out of range")
  lu.assertStrContains(refused(function(class) class.budget = 0 end), owner .. "key 'budget': 0 is out of range")
  lu.assertStrContains(refused(function(class) class.unsafe = 1 end), owner .. "key 'unsafe': 1 is a number")
  lu.assertEquals(refused(function(class) class.input = { "x" } end), owner .. "unknown field 'input', did you mean 'inputs'?")
  lu.assertEquals(refused(function(class) class.functions.pusch = true end), owner .. "unknown function 'pusch', did you mean 'push'?")
  lu.assertEquals(refused(function(class) class.inputs = "input" end), owner .. "key 'inputs': accepted: a list of at most 256 names")
  lu.assertStrContains(refused(function(class) class.outputs = { "a b" } end), owner .. "key 'outputs': accepted: a list of names of letters")
  lu.assertStrContains(refused(function(class) class.outputs = { "a", "*" } end), owner .. "key 'outputs': accepted: a list of names of letters")
  lu.assertStrContains(refused(function(class) class.reasons = { "a?" } end), owner .. "key 'reasons': accepted: a list of names of letters")
  lu.assertStrContains(refused(function(class) class.counters = { a = 1 } end), owner .. "key 'counters': accepted: a list of names")
  lu.assertEquals(refused(function(class) class.reasons = { "a", "b", "a" } end), owner .. "key 'reasons': 'a' is there twice")
  lu.assertEquals(refused(function(class) class.help = 5 end), owner .. "key 'help': accepted: a string")
  lu.assertEquals(refused(function(class) class.functions.push = nil end), owner .. "it has neither push nor pull, so it would do nothing")
  lu.assertEquals(refused(function(class) class.functions = { pull = true } end),
    owner .. "it has inputs but no push: what arrives would wait for ever")
  lu.assertEquals(refused(function(_, description) description.class = nil end), owner .. "it returns no table")
  lu.assertEquals(refused(function(_, description) description.sources = nil end), owner .. "its source is missing")
  lu.assertEquals(refused(function(_, description) description.sources[1].text = 5 end), owner .. "source 1 has no text")
end

function TestScript:testMistakesInParameters()
  local function param(description) return refused(function(class) class.params = description end) end
  local owner = "app module 'probe': params"
  lu.assertEquals(param(5), owner .. ": accepted: a table of parameters")
  lu.assertEquals(param({ { type = "u8" } }), owner .. ": accepted: a table of parameters by name")
  lu.assertEquals(param({ n = 5 }), owner .. '.n.type: missing; accepted: { type = "u32", ... }')
  lu.assertEquals(param({ n = {} }), owner .. '.n.type: missing; accepted: { type = "u32", ... }')
  lu.assertEquals(param({ n = { type = "u33" } }), owner .. ".n.type: 'u33' is no type, did you mean 'u32'?")
  lu.assertEquals(param({ n = { type = "u32", defalt = 1 } }), owner .. ".n.defalt: unknown, did you mean 'default'?")
  lu.assertEquals(param({ n = { type = "u32", min = "x" } }), owner .. ".n.min: accepted: a number")
  lu.assertEquals(param({ n = { type = "u32", max = -1 } }), owner .. ".n.min, max: accepted: numbers 0 .. 2^64 - 1")
  lu.assertStrContains(param({ n = { type = "bytes", max = "x" } }), "key 'params.n.max': 'x' is not understood")
  lu.assertEquals(param({ n = { type = "enum" } }), owner .. ".n.choices: accepted: a list of strings")
  lu.assertEquals(param({ n = { type = "enum", choices = { 1 } } }), owner .. ".n.choices: accepted: a list of strings")
  lu.assertEquals(param({ n = { type = "list" } }), owner .. ".n.item: missing; accepted: { type = ... } of each element")
  lu.assertEquals(param({ n = { type = "list", item = { type = "x" } } }), owner .. ".n.item.type: 'x' is no type")
  lu.assertEquals(param({ n = { type = "table", fields = { a = { type = "y" } } } }), owner .. ".n.fields.a.type: 'y' is no type")
  local deep = { type = "u8" }
  for _ = 1, 10 do deep = { type = "list", item = deep } end
  lu.assertStrContains(param({ n = deep }), "nested too deep")
  local ok, messages = pcall(function()
    script.class("probe", script.pushing("", "params = { n = { type = 'u8', default = 300 } },"))
    local _, list = support.new("probe")
    error(table.concat(list, "\n"), 0)
  end)
  lu.assertFalse(ok)
  lu.assertStrContains(messages, "300")
end

os.exit(lu.LuaUnit.run())
