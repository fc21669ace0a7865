-- nf.sandbox -- makes the environment of an app written in Lua, loads its module, and makes its `self`.
--
-- Runs once in the state of each instance, before any code of the app does, and with no code of others in that state: the
-- global table becomes the app's. It must keep away from it: ffi (raw memory), debug (upvalues of trusted functions), getfenv
-- and setfenv (their globals), the loading of bytecode (which can corrupt the interpreter) and of files. The trusted modules
-- use nothing but their own locals, so the app can spoil its own globals only.
local host = ...
local ffi, is_unsafe = host.ffi, host.is_unsafe
local _G, assert, error, load, pairs, rawget, rawset, select, tostring, type =
  _G, assert, error, load, pairs, rawget, rawset, select, tostring, type
local concat, floor, format, gsub = table.concat, math.floor, string.format, string.gsub

-- Names that stay. print is made below.
local kept = {
  "_G", "_VERSION", "assert", "bit", "collectgarbage", "coroutine", "error", "getmetatable", "ipairs", "math", "next", "os", "pairs",
  "pcall", "rawequal", "rawget", "rawset", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type",
  "unpack", "xpcall",
}
local is_kept = {}
for _, name in pairs(kept) do is_kept[name] = true end
for name in pairs(_G) do
  if not is_kept[name] then _G[name] = nil end
end
rawset(string, "dump", nil)
_G.os = { clock = os.clock }
math.randomseed(host.seed)

-- load, without bytecode.
function _G.load(chunk, name, _, env)
  if env ~= nil then return load(chunk, name, "t", env) end
  return load(chunk, name, "t")
end
function _G.loadstring(text, name) return load(text, name, "t") end

local loaded = { string = string, table = table, math = math, bit = bit, coroutine = coroutine, _G = _G }

function _G.require(name)
  local module = loaded[name]
  if module ~= nil then return module end
  local text, path = host.recorded(name)
  if not text then
    error(format("module '%s' is not there: an app has nf.packet, nf.link, nf.time, nf.random, what lies beside it%s",
      tostring(name), is_unsafe and ", ffi and nf.core" or "; ffi and nf.core only with `unsafe = true`"), 2)
  end
  local chunk, message = load((gsub(text, "^#[^\n]*", "")), "@" .. path, "t")
  if not chunk then error(message, 0) end
  loaded[name] = true
  module = chunk(name)
  if module ~= nil then loaded[name] = module end
  return loaded[name]
end

local function trusted(name, ...) return assert(load(host.embedded(name), "=" .. name, "t"))(...) end

if is_unsafe then
  loaded.ffi, loaded["nf.sources"] = ffi, host.sources()
  loaded["nf.core"] = trusted("nf.core")
else
  ffi.cdef(host.embedded("core/script_packet.h"))
end
local C = ffi.C
local script = ffi.cast("struct script *", host.script)

-- The time of day as the run has it. os.date and other uses of os.time take a lock of the C library, which an app must not hold
-- when it is stopped.
function _G.os.time() return floor(C.script_app_wall(script)) end

-- Raise the error of a refused call, in the name of the app's line that made it: the caller of the caller.
local messages = {
  [C.SCRIPT_STALE] = "the packet was already passed on (or is none)",
  [C.SCRIPT_LINK] = "not such a link of this app: inputs are in self.input, outputs in self.output",
  [C.SCRIPT_OUTSIDE] = "only while the app runs: in push, pull, tick and link",
  [C.SCRIPT_RANGE] = "the number is out of range",
}
local function refuse(code, what, p, offset, bytes)
  if code == C.SCRIPT_BOUNDS then
    local length = p and p > 0 and C.script_packet_length(script, p) or 0
    if length >= 0 then
      error(format("%s: %s bytes at offset %s do not fit the packet of %d bytes", what, tostring(bytes), tostring(offset),
        length), 3)
    end
    code = C.SCRIPT_STALE
  end
  error(what .. ": " .. messages[code], 3)
end

for _, name in pairs({ "packet", "link", "time", "random" }) do
  loaded["nf." .. name] = trusted("nf." .. name, script, ffi, refuse)
end

function _G.print(...)
  local text = {}
  for i = 1, select("#", ...) do text[i] = tostring((select(i, ...))) end
  if C.script_app_print(script, concat(text, " ")) < 0 then
    error("print would keep packets waiting: use self:count", 2)
  end
end

-- The numbers of names in a list, and how they are told to the user.
local function numbers(names)
  local number = {}
  for i, name in pairs(names) do number[name] = i - 1 end
  return number
end
local reasons, counters = numbers(host.reasons), numbers(host.counters)

local methods = { name = host.name, params = host.params, input = {}, output = {} }

-- Drop a packet under one of the module's reasons.
function methods.drop(_, reason, p)
  local number = reasons[reason]
  if not number then
    error(format("no reason '%s'; this app has: %s", tostring(reason), concat(host.reasons, ", ")), 2)
  end
  local code = C.script_packet_drop(script, number, p)
  if code < 0 then refuse(code, "self:drop") end
end

-- Add n (default 1) to one of the module's counters.
function methods.count(_, counter, n)
  local number = counters[counter]
  if not number then
    error(format("no counter '%s'; this app has: %s", tostring(counter), concat(host.counters, ", ")), 2)
  end
  local code = C.script_app_count(script, number, n or 1)
  if code < 0 then refuse(code, "self:count") end
end

local module = _G.require(host.main)
if type(module) ~= "table" then error(host.path .. ": the module must return a table, not " .. type(module), 0) end

local self = {}
if module.new then
  self = module.new(host.params)
  if type(self) ~= "table" then error(host.path .. ": new must return a table, not " .. type(self), 0) end
end
for name, field in pairs(methods) do
  if rawget(self, name) ~= nil and rawget(self, name) ~= field then
    error(format("%s: new returns a table with '%s', which is a name that nf gives to self", host.path, name), 0)
  end
  rawset(self, name, field)
end

-- Fill self.input and self.output: handles by name, and by position for apps with any number of ports.
local function fill(ports, is_output)
  for key in pairs(ports) do ports[key] = nil end
  for i = 1, host.count(is_output) do
    local name, handle = host.port(is_output, i)
    if handle then
      ports[name] = handle
      ports[#ports + 1] = handle
    end
  end
end

local function relink(me)
  fill(methods.input, false)
  fill(methods.output, true)
  if module.link then module.link(me) end
end

return self, module.push, module.pull, module.tick, relink
