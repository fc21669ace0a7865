-- nf.config -- runs in the short-lived child process that evaluates a configuration: runs the file, finds the Lua modules of
-- its apps and describes them, so that the worker needs no file. The chunk gives a function:
--
--     evaluate { file =, text =, folder =, arguments = { ... }, native = { ["basic.tee"] = true, ... } }
--       gives { config =, modules = { NAME = { path =, class =, sources = { { name =, path =, text = }, ... } } } }, where a
--             module that fails is { error = "..." }; or { error = "..." } when the file itself fails
--
-- The file may do what Lua can, but for ffi, debug and os.exit. Modules of apps are run as in the worker: without io, os and so on.
local sources = {}                      -- embedded modules, by name
for _, source in ipairs(require("nf.sources")) do sources[source[1]] = source[2] end

-- What is used after the file has run is kept here: the file may change any global.
local error, getmetatable, ipairs, loadstring, next, pairs, pcall = error, getmetatable, ipairs, loadstring, next, pairs, pcall
local rawget, setfenv, setmetatable, tostring, type, unpack = rawget, setfenv, setmetatable, tostring, type, unpack
local open, require_embedded = io.open, require
local sort, format, gsub, match, byte = table.sort, string.format, string.gsub, string.match, string.byte

local LARGEST = 16 * 1024 * 1024        -- bytes of a source

-- A whole file; nil when it is not there. An unreadable one is an error.
local function read(path)
  local file, message, code = open(path, "rb")
  if not file then
    if code == 2 or code == 20 then return nil end      -- no such file; a folder's name is a file
    error(message, 0)
  end
  local text
  text, message = file:read(LARGEST + 1)
  file:close()
  if not text and message then error(path .. ": " .. message, 0) end
  if text and #text > LARGEST then error(path .. ": is larger than 16 MiB", 0) end
  return text or ""
end

-- Source text as a function. Byte code is refused: it can do anything.
local function compile(text, path)
  if byte(text) == 27 then error(path .. ": is no Lua source but byte code", 0) end
  local chunk, message = loadstring((gsub(text, "^#[^\n]*", "")), "@" .. path)
  if not chunk then error(message, 0) end
  return chunk
end

local function is_module_name(name)
  return type(name) == "string" and match(name, "^[%w_%-]+[%w_%-%.]*$") and not match(name, "%.%.") and not match(name, "%.$")
end

-- Look for a module beside the configuration: "my.every" is my/every.lua. Gives its text and path.
local function find(folder, name)
  if not is_module_name(name) then return nil end
  local path = (gsub(folder, "/$", "")) .. "/" .. (gsub(name, "%.", "/")) .. ".lua"
  return read(path), path
end

-- A require for one environment: `known` are modules that are there already, `outside` finds the others and gives a function
-- to call, or nil and a message.
local function new_require(known, outside)
  local loading = {}
  return function(name)
    if type(name) ~= "string" then error("require takes the name of a module, not a " .. type(name), 2) end
    if known[name] ~= nil then return known[name] end
    if loading[name] then error("module '" .. name .. "' requires itself", 2) end
    local chunk, message = outside(name)
    if not chunk then error(message, 2) end
    loading[name] = true
    local result = chunk(name)
    loading[name] = nil
    if known[name] == nil then known[name] = result == nil and true or result end
    return known[name]
  end
end

-- The text of an error, whatever was thrown in a file.
local function text_of(message, file)
  if type(message) == "string" then return (gsub(message, "^nf%.config:%d+: ", "")) end
  if type(message) == "table" and type(getmetatable(message)) == "table" and rawget(getmetatable(message), "__tostring") then
    return tostring(message)
  end
  return (file and file .. ": " or "") .. "it raised an error that is a " .. type(message) .. "; accepted: a string"
end

-- Run the configuration file in the state's own globals, without what reaches into C.
local function run(request)
  local text = request.text or read(request.file)
  if not text then error(request.file .. ": there is no such file", 0) end
  local chunk = compile(text, request.file)
  local known = { _G = _G, bit = bit, coroutine = coroutine, io = io, jit = jit, math = math, os = os, string = string, table = table }
  debug, package, module = nil, nil, nil                -- luacheck: ignore
  os.exit = nil                                         -- luacheck: ignore
  require = new_require(known, function(name)           -- luacheck: ignore
    local found, path = find(request.folder, name)
    if found then return compile(found, path) end
    return nil, format("module '%s' not found%s", name, path and ": there is no file " .. path or "")
  end)
  arg = { [0] = request.file, unpack(request.arguments) }       -- luacheck: ignore
  return (chunk(unpack(request.arguments)))
end

-- While a module is read, nf.packet and the like are only names: there are no packets here.
local function stand_in(module)
  return setmetatable({}, { __index = function(_, key)
    return function() error(format("%s.%s cannot be called while the module is read, only by its functions", module, tostring(key)), 2) end
  end })
end

local function copy(t)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return c
end

-- The globals of an app's module, as new as the module: what one changes another does not see.
local function new_environment(require_function)
  local env = { _VERSION = _VERSION, require = require_function }
  for _, name in ipairs({ "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawset",
    "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall" }) do env[name] = _G[name] end
  for _, name in ipairs({ "bit", "coroutine", "math", "string", "table" }) do env[name] = copy(_G[name]) end
  env.string.dump = nil
  env.os = { clock = os.clock, time = os.time }
  env._G = env
  return env
end

-- What a module says of itself: its fields as they are, and which functions it has.
local function describe(module)
  local class, functions = {}, {}
  for key, value in pairs(module) do
    if type(key) ~= "string" then error("has a value without a name; accepted: fields such as name, inputs, params, push", 0) end
    if type(value) == "function" then functions[key] = true else class[key] = value end
  end
  class.functions = functions
  return class
end

-- Find, run and describe the module of an app class. Gives nil when there is none of that name.
local function load_module(request, name)
  local embedded = match(name, "^lua%.(.+)$") and sources["nf.apps." .. match(name, "^lua%.(.+)$")]
  local text, path
  if embedded then
    text, path = embedded, "nf.apps." .. match(name, "^lua%.(.+)$")
  else
    text, path = find(request.folder, name)
    if not text then return nil end
  end
  local list, env, reaches = { { name = name, path = path, text = text } }, nil, nil
  local known = {}
  for _, module in ipairs({ "nf.packet", "nf.link", "nf.time", "nf.random" }) do known[module] = stand_in(module) end
  local require_function = new_require(known, function(wanted)
    if wanted == "ffi" or wanted == "nf.core" then
      reaches = wanted
      return function() return require_embedded(wanted) end
    end
    local found, where = find(request.folder, wanted)
    if not found and sources[wanted] then found, where = sources[wanted], wanted end
    if not found then
      return nil, format("module '%s' not found%s", wanted, where and ": there is no file " .. where or "")
    end
    list[#list + 1] = { name = wanted, path = where, text = found }
    return setfenv(compile(found, where), env)
  end)
  env = new_environment(require_function)
  for _, library in ipairs({ "bit", "coroutine", "math", "string", "table" }) do known[library] = env[library] end
  local module = setfenv(compile(text, path), env)(name)
  if type(module) ~= "table" then
    error(format("returns %s; accepted: a table with inputs, outputs, params, push and so on",
      module == nil and "nothing" or "a " .. type(module)), 0)
  end
  if reaches and module.unsafe ~= true then
    error(format("requires '%s', which can break everything; accepted in a module with unsafe = true", reaches), 0)
  end
  return { path = path, class = describe(module), sources = list }
end

-- Class names of all apps of a configuration that are not native ones, sorted.
local function foreign_classes(config, native)
  local found, list = {}, {}
  local function look(apps)
    if type(apps) ~= "table" then return end
    for _, app in next, apps do
      local class = type(app) == "table" and rawget(app, 1)
      if type(class) == "string" and not native[class] and not found[class] then
        found[class] = true
        list[#list + 1] = class
      end
    end
  end
  if type(config) == "table" then
    look(rawget(config, "apps"))
    local workers = rawget(config, "workers")
    if type(workers) == "table" then
      for _, worker in next, workers do
        if type(worker) == "table" then look(rawget(worker, "apps")) end
      end
    end
  end
  sort(list)
  return list
end

return function(request)
  local globals, libraries = copy(_G), {}
  for _, name in ipairs({ "bit", "coroutine", "math", "os", "string", "table" }) do libraries[name] = copy(_G[name]) end
  local good, config = pcall(run, request)
  if not good then return { error = text_of(config, request.file) } end
  -- The modules of apps see the globals as they were before the file ran.
  for name, value in pairs(globals) do _G[name] = value end
  for name, library in pairs(libraries) do _G[name] = library end
  getmetatable("").__index = libraries.string
  local modules = {}
  for _, name in ipairs(foreign_classes(config, request.native)) do
    local described, module = pcall(load_module, request, name)
    if described then modules[name] = module else modules[name] = { error = text_of(module) } end
  end
  return { config = config, modules = modules }
end
