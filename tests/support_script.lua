-- support_script -- for tests of apps written in Lua: make a class from a module's text, as the evaluating child would
-- describe it. Then support.app makes instances of it by name.
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

ffi.cdef [[
int dup(int fd); int dup2(int from, int to); int open(const char *path, int flags, ...); int close(int fd);
]]

local script = {}
local kept, made = {}, {}                      -- what classes point to, as long as they are known
local native = nf.app_classes

-- The table of classes with one more at its front (so that the newest of a name is found).
local function register(class)
  local old = nf.app_classes
  local n = 0
  while old[n] ~= nil do n = n + 1 end
  local list = ffi.new("const struct app_class *[?]", n + 2)
  list[0] = class
  for i = 0, n - 1 do list[i + 1] = old[i] end
  nf.app_classes = list
  kept[#kept + 1] = list
end

-- Forget all classes made here. No instance of them may be left.
function script.forget()
  nf.app_classes = native
  for _, memory in ipairs(made) do
    nf.arena_free(memory.arena)
    nf.value_free(ffi.gc(memory.value, nil))
  end
  kept, made = {}, {}
end

-- What the child says of a module: its fields as they are, its functions by name, its sources.
function script.description(name, text, sources)
  -- What the module requires is found here as the child would find it beside the configuration.
  for other, content in pairs(sources or {}) do package.preload[other] = loadstring(content) end
  local fields = assert(loadstring(text, "@" .. name .. ".lua"))(name)
  for other in pairs(sources or {}) do package.preload[other], package.loaded[other] = nil, nil end
  local class, functions = {}, {}
  for key, field in pairs(fields) do
    if type(field) == "function" then functions[key] = true else class[key] = field end
  end
  class.functions = functions
  local list = { { name = name, path = name .. ".lua", text = text } }
  for other, content in pairs(sources or {}) do list[#list + 1] = { name = other, path = other .. ".lua", text = content } end
  return { path = name .. ".lua", class = class, sources = list }
end

-- A class from a description. gives: true; nil and the messages
function script.declare(name, description)
  local value, arena = support.value(description), ffi.new("struct arena")
  local errors, module = ffi.new("struct errors"), ffi.new("struct script_module *[1]")
  made[#made + 1] = { value = value, arena = arena }
  if nf.script_module_new(module, name, value, arena, errors) ~= 0 then return nil, support.errors(errors) end
  register(module[0].class)
  return true
end

-- A class from a module's text.
function script.class(name, text, sources)
  local ok, messages = script.declare(name, script.description(name, text, sources))
  if not ok then error(table.concat(messages, "\n"), 2) end
end

-- The rest of a module whose push (of one input and output) is this body; `head` stands before the module's table.
function script.pushing(body, fields, head)
  return ([[
local link, packet = require("nf.link"), require("nf.packet")
%s
return { inputs = { "input" }, outputs = { "output" }, %s
push = function (self)
local input, output = self.input.input, self.output.output
%s
end }]]):format(head or "", fields or "", body)
end

-- Run f with standard error going to a file; gives what was written.
function script.errors_of(f)
  local path = os.tmpname()
  local fd, saved = ffi.C.open(path, 0x241, ffi.cast("int", 384)), ffi.C.dup(2)
  ffi.C.dup2(fd, 2)
  local ok, message = pcall(f)
  ffi.C.dup2(saved, 2)
  ffi.C.close(fd)
  ffi.C.close(saved)
  local text = support.read(path)
  os.remove(path)
  if not ok then error(message, 0) end
  return text
end

return script
