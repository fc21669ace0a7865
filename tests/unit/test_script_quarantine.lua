-- script: apps written in Lua that go wrong. Each is quarantined with a message that says where; its packets and all that
-- arrives later are dropped under the reason `quarantined`; nothing else is lost and no packet leaks.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local script = require("support_script")

-- Why an app is quarantined.
local function cause(app)
  local text = nf.script_app_cause(app)
  lu.assertTrue(text ~= nil, "not quarantined")
  return ffi.string(text)
end

-- An app with this body of push gets 10 packets, then 5 more: all must be dropped, the first by the error.
--   gives: the message
local function quarantined(body, fields, head)
  script.class("bad", script.pushing(body, fields, head))
  local app = support.app("bad")
  lu.assertTrue(nf.script_app_cause(app) == nil)
  for _ = 1, 10 do support.send(app.input[0], ("x"):rep(60)) end
  support.push(app)
  local sent = #support.receive(app.output[0])
  local text = cause(app)
  local quarantine = support.reason(app, "quarantined")
  local dropped, waiting = quarantine, nf.link_waiting(app.input[0])
  for i = 0, app.reason_count - 1 do dropped = dropped + tonumber(app.reason[i]) end
  lu.assertEquals(dropped + sent + waiting + tonumber(app.consumed), 10 + tonumber(app.created))
  lu.assertEquals(app.class.held(app), 0)
  for _ = 1, 5 do support.send(app.input[0], "y") end
  support.push(app)
  lu.assertEquals(support.reason(app, "quarantined"), quarantine + waiting + 5)
  lu.assertEquals(nf.link_waiting(app.output[0]), 0)
  support.finish(app)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
  return text, dropped
end

TestQuarantine = {}

function TestQuarantine:setUp()
  support.memory(2000)
  lu.assertEquals(nf.script_watch_start(), 0)
end

function TestQuarantine:tearDown()
  nf.script_watch_stop()
  script.forget()
  collectgarbage()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

function TestQuarantine:test0ItIsReportedOnce()
  script.class("bad", script.pushing("error('broken')"))
  local app = support.app("bad")
  support.send(app.input[0], "x")
  lu.assertEquals(script.errors_of(function () support.push(app) end),
    "nf: error: app 'x' is quarantined: bad.lua:6: broken; what arrives there is dropped from now on\n")
  support.send(app.input[0], "x")
  lu.assertEquals(script.errors_of(function () support.push(app) end), "")
  support.finish(app)
end

function TestQuarantine:testAnErrorNamesFileAndLine()
  local text, dropped = quarantined("local p = link.receive(input)\nlocal q = link.receive(input)\nlink.send(output, q)\nerror('no more' .. p)")
  lu.assertStrContains(text, "bad.lua:9: no more")
  lu.assertEquals(dropped, 1)
end

function TestQuarantine:testAnErrorThatIsNoString()
  lu.assertStrContains((quarantined("error({})")), "bad.lua:6: an error that is a table")
end

function TestQuarantine:testAnArgumentThatIsNoPacketNamesTheAppsLine()
  local text = quarantined("link.receive(input)\nlink.send(output, nil)")
  lu.assertStrContains(text, "bad.lua:7: ")
  lu.assertStrContains(text, "cannot convert 'nil'")
end

function TestQuarantine:testACompiledLoopWithoutEnd()
  local text = quarantined("link.receive(input)\nlocal i = 0 while true do i = i + 1 end")
  lu.assertEquals(text, "bad.lua:4: in push: longer than its budget of 1000 us")
end

function TestQuarantine:testALoopThatIsNeverCompiled()
  -- Making a closure is nothing that LuaJIT compiles.
  local text = quarantined("link.receive(input)\nlocal f\nwhile true do f = function () return f end end")
  lu.assertStrContains(text, "bad.lua:8: the call takes longer than its budget of 1000 us")
end

function TestQuarantine:testALoopInsidePcall()
  lu.assertStrContains((quarantined("pcall(function () while true do end end) while true do end")), "longer than its budget")
  lu.assertStrContains((quarantined("while true do pcall(function () while true do end end) end")), "longer than its budget")
end

function TestQuarantine:testALoopOfPcallsThatFail()
  lu.assertStrContains((quarantined("while true do pcall(error, 'x') end")), "longer than its budget")
  lu.assertStrContains((quarantined("while true do xpcall(error, function () while true do end end) end")), "longer than its budget")
end

function TestQuarantine:testALoopInsideACoroutine()
  lu.assertStrContains((quarantined("coroutine.wrap(function () while true do end end)()")), "longer than its budget")
  lu.assertStrContains((quarantined([[
    local function spin() while true do pcall(coroutine.wrap(function () for i = 1, 1e9 do input = i end end)) end end
    while true do coroutine.resume(coroutine.create(spin)) end]])), "longer than its budget")
  lu.assertStrContains((quarantined([[
    local co = coroutine.wrap(function () while true do coroutine.yield() end end)
    while true do co() end]])), "longer than its budget")
end

function TestQuarantine:testALoopThatMovesPackets()
  lu.assertStrContains((quarantined("while true do packet.free(packet.new(60)) end")), "longer than its budget")
  lu.assertStrContains((quarantined([[
    local p = link.receive(input)
    while true do packet.free(packet.copy(p)) packet.prepend(p, 14) packet.strip(p, 14) end]])), "longer than its budget")
  lu.assertStrContains((quarantined([[
    local p = link.receive(input)
    while true do packet.set_bytes(p, 0, packet.bytes(p)) end]])), "longer than its budget")
end

function TestQuarantine:testALongCallOfTheLibrary()
  local text = quarantined("local p = link.receive(input)\nlocal s = ('a'):rep(24)\nlink.send(output, p)\n" ..
    "return s:find(('a-'):rep(24) .. 'b')")
  lu.assertStrContains(text, "longer than its budget")
end

function TestQuarantine:testACallOfTheLibraryThatNeverEnds()
  lu.assertStrContains((quarantined("local s = ('a'):rep(2000)\nreturn s:find(('a-'):rep(100) .. 'b')")), "longer than its budget")
  lu.assertStrContains((quarantined("while true do pcall(string.find, ('a'):rep(2000), ('a-'):rep(100) .. 'b') end")),
    "longer than its budget")
end

function TestQuarantine:testMemory()
  local text = quarantined("local t = {} for i = 1, 1e9 do t[i] = { i } end", "budget = 1, memory = '8M',")
  lu.assertStrContains(text, "not enough memory: more than its 8 MiB")
  lu.assertStrContains((quarantined("local s = 'x' while true do s = s .. s end", "budget = 1,")),
    "bad.lua:4: in push: not enough memory: more than its 64 MiB")
end

function TestQuarantine:testMemoryInsidePcall()
  -- An app may survive its own lack of memory, but not take its time with it.
  lu.assertStrContains((quarantined([[
    local function f() local t = {} for i = 1, 1e9 do t[i] = { i } end end
    while true do pcall(f) end]], "budget = 0.05, memory = '8M',")), "longer than its budget")
  script.class("good", script.pushing([[
    local ok, message = pcall(function () local s = 'x' while true do s = s .. s end end)
    assert(not ok and message == "not enough memory", message)
    collectgarbage()
    link.send(output, link.receive(input))]], "budget = 1, memory = '2M',"))
  local app = support.app("good")
  for _ = 1, 20 do
    support.send(app.input[0], "abc")
    support.push(app)
    lu.assertEquals(support.receive(app.output[0]), { "abc" })
  end
  support.finish(app)
end

function TestQuarantine:testStackWithoutEnd()
  lu.assertStrContains((quarantined("local function f() return 1 + f() end f()", "budget = 1,")), "stack overflow")
  for _, recursion in ipairs({ "string.gsub('a', 'a', f)", "table.sort({ 1, 2, 3 }, f)", "return setmetatable({}, { __index = f }).x",
    "coroutine.wrap(f)()", "coroutine.resume(coroutine.create(f))", "assert(load(f))",
    "local s = tostring(setmetatable({}, { __tostring = f })) return s", "string.gsub('a', 'a', coroutine.wrap(f))" }) do
    local text = quarantined("local function f() " .. recursion .. " end f()", "budget = 1,")
    local is_known = false
    for _, message in ipairs({ "stack overflow", "calls nested too deep: the C stack is full", "not enough memory" }) do
      is_known = is_known or text:find(message, 1, true) ~= nil
    end
    lu.assertTrue(is_known, recursion .. ": " .. text)
  end
  lu.assertStrContains((quarantined("local function f() string.gsub('a', 'a', f) end f()", "budget = 1,")),
    "bad.lua:4: in push: calls nested too deep: the C stack is full")
  lu.assertStrContains((quarantined("assert(load('return ' .. ('('):rep(100000)))", "budget = 1,")), "too many syntax levels")
end

function TestQuarantine:testOutOfBounds()
  local function refused(call, message)
    lu.assertStrContains((quarantined("local p = link.receive(input)\n" .. call)), "bad.lua:7: " .. message)
  end
  refused("packet.u8(p, 60)", "packet.u8: 1 bytes at offset 60 do not fit the packet of 60 bytes")
  refused("packet.u16(p, 59)", "packet.u16: 2 bytes at offset 59 do not fit the packet of 60 bytes")
  refused("packet.u32(p, -1)", "packet.u32: 4 bytes at offset -1 do not fit")
  refused("packet.u32(p, 2^32)", "packet.u32: 4 bytes at offset 4294967296 do not fit")
  refused("packet.u32(p, 2^64)", "packet.u32: ")
  refused("packet.u8(p, 0/0)", "packet.u8: ")
  refused("packet.set_u8(p, 60, 1)", "packet.set_u8: 1 bytes at offset 60 do not fit")
  refused("packet.set_u16(p, 1e300, 1)", "packet.set_u16: ")
  refused("packet.set_u32(p, 57, 1)", "packet.set_u32: 4 bytes at offset 57 do not fit")
  refused("packet.set_u8(p, 0, 256)", "packet.set_u8: the number is out of range")
  refused("packet.set_u32(p, 0, -1)", "packet.set_u32: the number is out of range")
  refused("packet.set_bytes(p, 58, 'abc')", "packet.set_bytes: 3 bytes at offset 58 do not fit")
  refused("packet.bytes(p, 0, 61)", "packet.bytes: 61 bytes at offset 0 do not fit")
  refused("packet.bytes(p, 61)", "packet.bytes: ")
  refused("packet.prepend(p, 1000)", "packet.prepend: 1000 bytes at offset -1000 do not fit")
  refused("packet.append(p, 5000)", "packet.append: 5000 bytes at offset 60 do not fit")
  refused("packet.strip(p, 61)", "packet.strip: 61 bytes at offset 0 do not fit")
  refused("packet.truncate(p, -1)", "packet.truncate: -1 bytes at offset 0 do not fit")
  refused("packet.set_vlan(p, 65536)", "packet.set_vlan: the number is out of range")
end

function TestQuarantine:testAPacketThatWasPassedOn()
  local stale = "the packet was already passed on"
  lu.assertStrContains((quarantined("local p = link.receive(input) link.send(output, p)\nlink.send(output, p)")), "bad.lua:7: link.send: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p)\npacket.free(p)")), "packet.free: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p)\npacket.u8(p, 0)")), "packet.u8: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p)\npacket.bytes(p)")), "packet.bytes: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p)\npacket.prepend(p, 1)")), "packet.prepend: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p)\npacket.copy(p)")), "packet.copy: " .. stale)
  lu.assertStrContains((quarantined("local p = link.receive(input) packet.free(p) p = link.receive(input)\npacket.length(p - 2^20)")),
    "packet.length: " .. stale)
  for _, number in ipairs({ "0", "-1", "1", "2^52", "2^53", "2^70", "0/0", "-1/0" }) do
    lu.assertStrContains((quarantined("link.send(output, " .. number .. ")")), "link.send: " .. stale)
  end
end

function TestQuarantine:testAPacketOfAnEarlierCall()
  script.class("late", script.pushing("if old then packet.length(old) end old = link.receive(input) link.send(output, old)", nil, "local old"))
  local app = support.app("late")
  support.send(app.input[0], "a")
  support.push(app)
  support.send(app.input[0], "b")
  support.push(app)
  lu.assertStrContains(cause(app), "packet.length: the packet was already passed on")
  support.finish(app)
end

function TestQuarantine:testPacketsThatAreKept()
  local text, dropped = quarantined("for _ = 1, link.count(input) do link.receive(input) end")
  lu.assertStrContains(text, "bad.lua:4: in push: 10 packets were neither passed on nor freed; it may keep 0 (`holds`)")
  lu.assertEquals(dropped, 10)
  lu.assertStrContains((quarantined("for _ = 1, link.count(input) do link.receive(input) end", "holds = 9,")), "it may keep 9")
  script.class("keeps", script.pushing("for _ = 1, link.count(input) do link.receive(input) end", "holds = 10,"))
  local app = support.app("keeps")
  for i = 1, 10 do support.send(app.input[0], tostring(i)) end
  support.push(app)
  lu.assertEquals(app.class.held(app), 10)
  lu.assertFalse(app.ended)
  support.finish(app)
end

function TestQuarantine:testLinksThatAreNone()
  local message = "not such a link of this app: inputs are in self.input, outputs in self.output"
  lu.assertStrContains((quarantined("link.receive(output)")), "bad.lua:6: link.receive: " .. message)
  lu.assertStrContains((quarantined("link.count(7)")), "link.count: " .. message)
  lu.assertStrContains((quarantined("link.room(input)")), "link.room: " .. message)
  lu.assertStrContains((quarantined("link.send(input, link.receive(input))")), "link.send: " .. message)
  lu.assertStrContains((quarantined("link.send(output + 1, link.receive(input))")), "link.send: " .. message)
end

function TestQuarantine:testNamesThatAreNone()
  lu.assertStrContains((quarantined("self:drop('x', link.receive(input))", "reasons = { 'a', 'b' },")),
    "bad.lua:6: no reason 'x'; this app has: a, b")
  lu.assertStrContains((quarantined("self:count('x')", "counters = { 'c' },")), "bad.lua:6: no counter 'x'; this app has: c")
  lu.assertStrContains((quarantined("self:count('c', -1)", "counters = { 'c' },")), "bad.lua:6: self:count: the number is out of range")
  lu.assertStrContains((quarantined("local p = link.receive(input) self:drop('a', p)\nself:drop('a', p)", "reasons = { 'a' },")),
    "bad.lua:7: self:drop: the packet was already passed on")
  lu.assertStrContains((quarantined("require('nf.random').below(0)")), "bad.lua:6: random.below: the number is out of range")
  lu.assertStrContains((quarantined("print(1)")), "bad.lua:6: print would keep packets waiting: use self:count")
end

function TestQuarantine:testAnInputThatGoesWrongHasEnded()
  script.class("source", [[
    local packet = require("nf.packet")
    return { outputs = { "output" }, pull = function () packet.new(60) error("broken") end }]])
  local app = support.app("source")
  lu.assertFalse(app.ended)
  support.pull(app)
  lu.assertStrContains(cause(app), "source.lua:2: broken")
  lu.assertTrue(app.ended)
  lu.assertEquals(app.created, 1ULL)
  lu.assertEquals(support.reason(app, "quarantined"), 1)
  support.pull(app)
  lu.assertEquals(app.created, 1ULL)
  support.finish(app)
end

function TestQuarantine:testOthersGoOn()
  script.class("bad", script.pushing("while true do end"))
  script.class("good", script.pushing("for _ = 1, link.count(input) do link.send(output, link.receive(input)) end"))
  local bad, good = support.app("bad"), support.app("good")
  for _ = 1, 3 do
    support.send(bad.input[0], "x")
    support.send(good.input[0], "y")
    support.push(bad)
    support.push(good)
    lu.assertEquals(support.receive(good.output[0]), { "y" })
  end
  lu.assertEquals(support.reason(bad, "quarantined"), 3)
  support.finish(bad)
  support.finish(good)
end

function TestQuarantine:testAnUnsafeAppThatNeverComesBackEndsTheWorker()
  local folder = support.folder()
  support.write(folder .. "/stuck.lua", [[
    local nf, support, script = require("nf.core"), require("support"), require("support_script")
    support.memory(2000)
    assert(nf.script_watch_start() == 0)
    script.class("stuck", script.pushing("C.pthread_spin_lock(lock) C.pthread_spin_lock(lock)", "unsafe = true,", [=[
      local ffi = require("ffi")
      ffi.cdef("int pthread_spin_lock(volatile int *lock);")
      local C, lock = ffi.C, ffi.new("int[1]", 1)]=]))
    local app = support.app("stuck")
    support.send(app.input[0], "x")
    support.push(app)]])
  local text, code = support.run("timeout 200 '" .. support.nf .. "' lua " .. folder .. "/stuck.lua")
  lu.assertEquals(text, "nf: error: app 'x' cannot be left: a call of C does not come back within 100 times its budget, or fills the stack; the worker ends\n")
  lu.assertEquals(code, 98)
  os.execute("rm -rf '" .. folder .. "'")
end

os.exit(lu.LuaUnit.run())
