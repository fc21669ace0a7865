-- script: what code of an app in Lua can reach, and what it cannot. Each piece runs in the `new` of an app, and in its push.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")
local script = require("support_script")

TestSandbox = {}

function TestSandbox:setUp()
  support.memory(2000)
  lu.assertEquals(nf.script_watch_start(), 0)
end

function TestSandbox:tearDown()
  nf.script_watch_stop()
  script.forget()
  collectgarbage()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- Run a function body in an app's push; gives nil, or the message when it raised an error. (Text, so that the code is compiled
-- in the app's state alone.)
local function run(body, fields, head, sources)
  script.class("probe", script.pushing(body .. "\nlink.send(output, link.receive(input))", fields, head), sources)
  local app = support.app("probe")
  support.send(app.input[0], ("x"):rep(60))
  support.push(app)
  local cause = nf.script_app_cause(app)
  local message = cause ~= nil and ffi.string(cause) or nil
  if not message then lu.assertEquals(#support.receive(app.output[0]), 1) end
  support.finish(app)
  return message
end

local function holds(condition, head) lu.assertNil(run("assert(" .. condition .. ", 'not so')", nil, head)) end

function TestSandbox:testGlobals()
  for _, name in ipairs({ "debug", "io", "ffi", "jit", "package", "getfenv", "setfenv", "newproxy", "module", "dofile", "loadfile",
    "gcinfo", "arg", "string.dump", "os.execute", "os.exit", "os.remove", "os.rename", "os.getenv", "os.tmpname", "os.setlocale", "os.date" }) do
    holds(name .. " == nil")
  end
  for _, name in ipairs({ "assert", "pcall", "pairs", "setmetatable", "string.format", "table.concat", "math.floor", "bit.band",
    "coroutine.wrap", "os.time", "os.clock", "load", "loadstring", "print", "require" }) do
    holds("type(" .. name .. ") == 'function'")
  end
  holds("_G._G == _G and _G.string == string")
end

-- The whole list, since a new version of Lua may bring more: what is new must be looked at.
local reachable = [[
_G _VERSION assert() bit bit.arshift() bit.band() bit.bnot() bit.bor() bit.bswap() bit.bxor() bit.lshift() bit.rol() bit.ror()
bit.rshift() bit.tobit() bit.tohex() collectgarbage() coroutine coroutine.create() coroutine.isyieldable() coroutine.resume()
coroutine.running() coroutine.status() coroutine.wrap() coroutine.yield() error() getmetatable() ipairs() link.count()
link.receive() link.room() link.send() load() loadstring() math math.abs() math.acos() math.asin() math.atan() math.atan2()
math.ceil() math.cos() math.cosh() math.deg() math.exp() math.floor() math.fmod() math.frexp() math.huge math.ldexp() math.log()
math.log10() math.max() math.min() math.modf() math.pi math.pow() math.rad() math.random() math.randomseed() math.sin()
math.sinh() math.sqrt() math.tan() math.tanh() next() os os.clock() os.time() packet.append() packet.bytes()
packet.copy() packet.free() packet.hash() packet.length() packet.new() packet.port() packet.prepend() packet.set_bytes()
packet.set_hash() packet.set_u16() packet.set_u32() packet.set_u8() packet.set_vlan() packet.strip() packet.timestamp()
packet.truncate() packet.u16() packet.u32() packet.u8() packet.vlan() pairs() pcall() print() random.below() random.chance()
random.number() rawequal() rawget() rawset() require() select() setmetatable() string string-meta.__index string.byte()
string.char() string.find() string.format() string.gmatch() string.gsub() string.len() string.lower() string.match()
string.rep() string.reverse() string.sub() string.upper() table table.concat() table.foreach() table.foreachi() table.getn()
table.insert() table.maxn() table.move() table.remove() table.sort() time.now() time.wall() tonumber() tostring() type()
unpack() xpcall()]]

function TestSandbox:testAllThatIsReachable()
  lu.assertNil(run([[
    local seen, names = { [_G] = true }, {}
    local function walk(t, path)
      for k, v in pairs(t) do
        names[#names + 1] = path .. tostring(k) .. (type(v) == "function" and "()" or "")
        if type(v) == "table" and not seen[v] then seen[v] = true walk(v, path .. tostring(k) .. ".") end
      end
    end
    walk(_G, "")
    walk(getmetatable(""), "string-meta.")
    for _, name in ipairs({ "packet", "link", "time", "random" }) do walk(require("nf." .. name), name .. ".") end
    local expected = {}
    for name in self.params.expected:gmatch("%S+") do expected[name] = true end
    for _, name in ipairs(names) do
      assert(expected[name], "reachable is " .. name)
      expected[name] = nil
    end
    assert(next(expected) == nil, "not reachable is " .. tostring(next(expected)))
    assert(getmetatable(_G) == nil and getmetatable(packet) == nil and getmetatable(self) == nil)]],
    ("params = { expected = { type = 'string', default = %q } },"):format((reachable:gsub("%s+", " ")))))
end

function TestSandbox:testRequireServesRecordedSourcesOnly()
  for _, name in ipairs({ "ffi", "nf.core", "nf.sources", "nf.value", "nf.sandbox", "debug", "io", "os", "package", "jit", "jit.opt",
    "jit.util", "socket", "/etc/passwd", "../x", "support" }) do
    lu.assertStrContains(run(("require(%q)"):format(name)), "probe.lua:6: module '" .. name .. "' is not there: an app has nf.packet")
  end
  lu.assertStrContains(run("require({})"), "probe.lua:6: ")
  lu.assertNil(run("assert(lib.twice(4) == 8 and require('lib') == lib and require('deep.er') == true)", nil,
    "local lib = require('lib')", { lib = "require('deep.er') return { twice = function (x) return 2 * x end }", ["deep.er"] = "-- nothing" }))
  lu.assertStrContains(run("require('broken')", nil, nil, { broken = "x = = 1" }), "broken.lua:1: unexpected symbol near '='")
  lu.assertNil(run("assert(require('bang') == 3)", nil, nil, { bang = "#!/usr/bin/env lua\nreturn 3" }))
end

function TestSandbox:testByteCodeIsRefused()
  local code = string.dump(function() return 1 end)
  local quoted = ("%q"):format(code):gsub("\r", "\\r"):gsub("%z", "\\0"):gsub("\n", "n")
  lu.assertEquals(loadstring("return " .. quoted)(), code)
  for _, call in ipairs({ "load(%s)", "loadstring(%s)", "load(%s, 'x', 'b')", "load(%s, 'x', 'bt', {})",
    "load((function () local done = false return function () if not done then done = true return %s end end end)())" }) do
    local body = "local f, message = " .. call:gsub("%%s", function() return quoted end) ..
      "\nassert(f == nil and message:find('attempt to load chunk with wrong mode', 1, true), tostring(message))"
    lu.assertNil(run(body))
  end
  lu.assertNil(run("assert(load('return 3')() == 3 and loadstring('return ...')(4) == 4 and load('return x', 'n', 't', { x = 5 })() == 5)"))
  lu.assertStrContains(run("require('code')", nil, nil, { code = code }), "attempt to load chunk with wrong mode")
end

-- The trusted modules use nothing that the app can change.
function TestSandbox:testSpoiledGlobalsSpoilTheAppOnly()
  lu.assertNil(run([[
    local p = link.receive(input)
    local string_meta = getmetatable("")
    string_meta.__index = function () error("spoiled") end
    string_meta.__lt = function () return false end
    for name in pairs(_G) do if name ~= "_G" and name ~= "pairs" then _G[name] = nil end end
    for name in pairs(packet) do packet[name] = packet[name] end
    packet.set_u8(p, 0, 7)
    link.send(output, p)
    input = { count = 1 }
    do return end]]))
  lu.assertStrContains(run("error, tostring, string.format, table.concat = nil\npacket.u8(link.receive(input), 99)"),
    "probe.lua:7: packet.u8: 1 bytes at offset 99 do not fit the packet of 60 bytes")
  lu.assertStrContains(run("local e = error error = nil\nself:drop('x', 1)"), "probe.lua:7: no reason 'x'")
end

function TestSandbox:testArgumentsOfAllKinds()
  local calls = { "packet.u8(%s, 0)", "packet.u8(p, %s)", "packet.set_u8(p, 0, %s)", "packet.bytes(p, %s)", "packet.bytes(p, 0, %s)",
    "packet.set_bytes(p, 0, %s)", "packet.set_bytes(p, %s, 'x')", "packet.prepend(p, %s)", "packet.append(p, %s)", "packet.strip(p, %s)",
    "packet.truncate(p, %s)", "packet.set_vlan(p, %s)", "packet.set_hash(p, %s)", "packet.new(%s)", "packet.free(%s)", "packet.copy(%s)",
    "packet.length(%s)", "packet.timestamp(%s)", "packet.vlan(%s)", "link.count(%s)", "link.receive(%s)", "link.room(%s)",
    "link.send(%s, p)", "link.send(output, %s)", "self:drop(%s, p)", "self:drop('r', %s)", "self:count(%s)", "self:count('c', %s)",
    "require('nf.random').below(%s)", "require('nf.random').chance(%s)" }
  local values = { "nil", "true", "'text'", "{}", "print", "coroutine.create(print)", "0", "-1", "1e308", "-1e308", "0/0", "2^31", "2^32",
    "2^53", "2^63", "-2^63", "1.5", "setmetatable({}, { __index = function () error('called') end })" }
  -- Whatever comes back, no call may crash or lose a packet; each argument is tried by itself under pcall.
  local again = "local p = link.receive(input)\nlocal function again() if not pcall(packet.length, p) then p = link.receive(input) end end"
  local body = {}
  for _, call in ipairs(calls) do
    -- A call may take a packet; one that makes a packet must not keep it.
    local line = (call:find("new", 1, true) or call:find("copy", 1, true) or call:find("receive", 1, true)) and
      "again() pcall(function () local made = %s if made then packet.free(made) end end)" or "again() pcall(function () return %s end)"
    for _, value in ipairs(values) do
      body[#body + 1] = line:format((call:gsub("%%s", function() return value end)))
    end
  end
  -- A function has room for 60 upvalues and 65,536 constants, but a chunk of code that size is slow to read.
  local chunks = { again }
  for i = 1, #body, 40 do
    chunks[#chunks + 1] = "do local function try() " .. table.concat(body, "\n", i, math.min(i + 39, #body)) .. " end try() end"
  end
  chunks[#chunks + 1] = "if pcall(packet.length, p) then packet.free(p) end"
  script.class("probe", script.pushing(table.concat(chunks, "\n"), "reasons = { 'r' }, counters = { 'c' }, budget = 1,"))
  local app = support.app("probe")
  for _ = 1, 60 do support.send(app.input[0], ("x"):rep(60)) end
  support.push(app)
  lu.assertTrue(nf.script_app_cause(app) == nil, nf.script_app_cause(app) ~= nil and ffi.string(nf.script_app_cause(app)) or "")
  lu.assertEquals(app.class.held(app), 0)
  support.finish(app)
end

function TestSandbox:testAnUnsafeModuleHasFfi()
  lu.assertNil(run("assert(ffi.sizeof('int') == 4 and nf.clock_now and require('nf.core') == nf and ffi.C.SCRIPT_STALE == -1)", "unsafe = true,",
    "local ffi, nf = require('ffi'), require('nf.core')"))
  lu.assertStrContains(run("require('io')", "unsafe = true,"), "what lies beside it, ffi and nf.core")
end

-- Two instances share nothing.
function TestSandbox:testInstancesAreApart()
  script.class("probe", script.pushing([[
    count = (count or 0) + 1
    string.count = (string.count or 0) + 1
    assert(count == string.count and count <= 2, count)
    link.send(output, link.receive(input))]]))
  local a, b = support.app("probe"), support.app("probe")
  for _ = 1, 2 do
    for _, app in ipairs({ a, b }) do
      support.send(app.input[0], "x")
      support.push(app)
      lu.assertEquals(support.receive(app.output[0]), { "x" })
    end
  end
  support.finish(a)
  support.finish(b)
end

os.exit(lu.LuaUnit.run())
