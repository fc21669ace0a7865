-- app: making instances, names of ports, room for pulls and pushes, drops.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

TestApp = {}

function TestApp:setUp() support.memory(3000) end

function TestApp:tearDown() lu.assertEquals(nf.memory_in_use(), 0ULL) end

local function new(class, params, inputs, outputs)
  local errors = ffi.new("struct errors")
  local app = nf.app_new(nf.app_class_find(class), "x", params and support.value(params), "/etc", support.names(inputs or {}),
    support.names(outputs or {}), errors)
  return app, support.errors(errors)
end

local function names(list, count)
  local t = {}
  for i = 0, count - 1 do t[#t + 1] = ffi.string(list[i]) end
  lu.assertTrue(list[count] == nil)
  return t
end

function TestApp:testNamesWithMarks()
  local list = support.names({ "input", "rejected?", "*" })
  lu.assertEquals(nf.app_name_count(list), 3)
  lu.assertEquals(nf.app_name_count(nil), 0)
  lu.assertEquals(nf.app_name_find(list, "input"), 0)
  lu.assertEquals(nf.app_name_find(list, "rejected"), 1)
  lu.assertEquals(nf.app_name_find(list, "rejected?"), -1)
  lu.assertEquals(nf.app_name_find(list, "inp"), -1)
  lu.assertEquals(nf.app_name_find(list, ""), -1)
  lu.assertEquals(nf.app_name_find(nil, "input"), -1)
end

function TestApp:testClasses()
  lu.assertEquals(ffi.string(nf.app_class_find("basic.tee").name), "basic.tee")
  lu.assertTrue(nf.app_class_find("basic.te") == nil)
  lu.assertTrue(nf.app_class_find("") == nil)
  local last = ""
  local i = 0
  while nf.app_classes[i] ~= nil do
    local name = ffi.string(nf.app_classes[i].name)
    lu.assertTrue(last < name, name .. " is out of order")
    last, i = name, i + 1
  end
end

function TestApp:testPortsComeFromTheClassOrTheLinks()
  local app = new("basic.tee", nil, { "ignored" }, { "a", "b", "c" })
  lu.assertEquals(names(app.input_name, app.input_count), { "input" })
  lu.assertEquals(names(app.output_name, app.output_count), { "a", "b", "c" })
  for i = 0, 2 do lu.assertTrue(app.output[i] == nil) end
  lu.assertEquals(ffi.string(app.name), "x")
  lu.assertEquals(ffi.string(app.folder), "/etc")
  lu.assertEquals(tonumber(ffi.cast("uintptr_t", app) % 64), 0)
  nf.app_delete(app)
  app = new("basic.sample", { n = 2 })
  lu.assertEquals(names(app.output_name, app.output_count), { "output", "rejected" })
  nf.app_delete(app)
  nf.app_delete(nil)
end

function TestApp:testAnInstanceWithoutPullHasEnded()
  local sink, source = new("basic.sink", nil, { "a" }), new("basic.source", nil, nil, { "a" })
  lu.assertTrue(sink.ended)
  lu.assertFalse(source.ended)
  nf.app_delete(sink)
  nf.app_delete(source)
end

function TestApp:testMistakesGiveNoInstance()
  local app, messages = new("basic.sink", { bad = 1 })
  lu.assertTrue(app == nil)
  lu.assertEquals(messages, { "app 'x': key 'bad': is unknown; accepted: no parameters" })
end

function TestApp:testReasonsThatEveryAppHasStandBehindItsOwn()
  local app = support.app("basic.policer", { rate = "1M" })
  local own = nf.app_name_count(app.class.reasons)
  lu.assertTrue(own > 0)
  lu.assertEquals(app.reason_count, own)
  lu.assertEquals(nf.app_reason(app, "APP_REASON_RELOAD"), own)
  lu.assertEquals(nf.app_reason(app, "APP_REASON_CRASH"), own + 3)
  nf.app_drop(app, nf.app_reason(app, "APP_REASON_STOP"), support.packet("abc"))
  local burst = ffi.new("struct packet *[2]", { support.packet("a"), support.packet("b") })
  nf.app_drop_burst(app, 0, burst, 2)
  lu.assertEquals(support.reason(app, "stop"), 1)
  lu.assertEquals(support.reason(app, ffi.string(app.class.reasons[0])), 2)
  support.finish(app)
end

function TestApp:testRoomForAPullIsThatOfTheFullestOutput()
  local app = support.app("basic.source", nil, nil, { "a", "b" })
  lu.assertEquals(nf.app_pull_room(app), ffi.C.BURST)
  for _ = 1, 1024 - 5 do support.send(app.output[1], "x") end
  lu.assertEquals(nf.app_pull_room(app), 5)
  local full = app.output[1]
  app.output[1] = nil                   -- as if it were not linked
  lu.assertEquals(nf.app_pull_room(app), ffi.C.BURST)
  app.output[1] = full
  support.finish(app)
end

function TestApp:testRoomForAPushIsWhatWaitsAndWhatFits()
  local app = support.app("basic.tee", nil, nil, { "a", "b" })
  lu.assertEquals(nf.app_push_room(app, app.input[0]), 0)
  for _ = 1, 200 do support.send(app.input[0], "x") end
  lu.assertEquals(nf.app_push_room(app, app.input[0]), ffi.C.BURST)
  for _ = 1, 1024 - 7 do support.send(app.output[0], "x") end
  lu.assertEquals(nf.app_push_room(app, app.input[0]), 7)
  support.finish(app)
end

function TestApp:testMemoryOfAnInstanceIsZeroedAndGoesWithIt()
  local app = new("basic.sink", nil, { "a" })
  local piece = ffi.cast("uint8_t *", nf.app_alloc(app, 10000))
  for i = 0, 9999 do lu.assertEquals(piece[i], 0) end
  ffi.fill(piece, 10000, 255)
  nf.app_delete(app)
end

os.exit(lu.LuaUnit.run())
