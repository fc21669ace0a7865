-- nf.prompt -- the prompt of `nf lua`: reads, evaluates and prints until the input ends. Errors are told and survived.
--
--     > 1 + 2
--     3
--     > for i = 1, 2 do
--     >> print(i) end
local MOST, DEEPEST = 50, 4             -- entries of a table, and tables in tables, that are printed

local prompt = {}

-- Sort keys of all types: numbers first, then the others by their text.
local function before(a, b)
  if type(a) == "number" and type(b) == "number" then return a < b end
  if type(a) == "number" or type(b) == "number" then return type(a) == "number" end
  return tostring(a) < tostring(b)
end

local show

local function show_key(key, depth)
  if type(key) == "string" and key:match("^[%a_][%w_]*$") then return key end
  return "[" .. show(key, depth) .. "]"
end

local function show_table(value, depth)
  local keys, parts, list = {}, {}, #value
  if next(value) == nil then return "{}" end
  if depth > DEEPEST then return "{ ... }" end
  for key in pairs(value) do
    if not (type(key) == "number" and key >= 1 and key <= list and key % 1 == 0) then keys[#keys + 1] = key end
  end
  table.sort(keys, before)
  for i = 1, math.min(list, MOST) do parts[i] = show(value[i], depth + 1) end
  for i = 1, math.min(#keys, MOST - #parts) do
    parts[#parts + 1] = show_key(keys[i], depth + 1) .. " = " .. show(value[keys[i]], depth + 1)
  end
  if list + #keys > #parts then parts[#parts + 1] = ("... (%d more)"):format(list + #keys - #parts) end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- A value as text: strings quoted, tables with their content, everything else as tostring has it.
function show(value, depth)
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if type(value) == "table" and not (getmetatable(value) or {}).__tostring then return show_table(value, depth) end
  return tostring(value)
end

function prompt.show(value) return show(value, 1) end

-- Compile what was typed: as an expression, else as statements.
--   gives: a function; or nil, the message, and whether more lines could complete it
local function compile(text)
  local chunk = loadstring("return " .. text, "=prompt")
  if chunk then return chunk end
  local statements, message = loadstring(text, "=prompt")
  return statements, message, message ~= nil and message:match("'<eof>'$") ~= nil
end

-- Read one whole input: a line, and more while it is not complete. An empty line gives up.
local function read()
  local text = ""
  while true do
    io.write(text == "" and "> " or ">> ")
    io.flush()
    local line = io.read("*l")
    if not line then return text ~= "" and text or nil end
    if text ~= "" and line == "" then return text end
    text = text == "" and line or text .. "\n" .. line
    local _, _, more = compile(text)
    if not more then return text end
  end
end

local function print_results(ok, ...)
  if not ok then io.stderr:write(tostring((...)), "\n") return end
  local shown = {}
  for i = 1, select("#", ...) do shown[i] = show((select(i, ...)), 1) end
  if #shown > 0 then print(table.concat(shown, "  ")) end
end

-- A message with the part of the traceback that tells something: without this module and what is built in.
local function handler(message)
  if type(message) ~= "string" then return message end
  local lines = {}
  for line in debug.traceback("", 2):gmatch("\n(\t[^\n]*)") do
    if line:match("'xpcall'") then break end
    if not line:match("^%s*%[") then lines[#lines + 1] = line end
  end
  return message .. (#lines > 1 and "\n" .. table.concat(lines, "\n") or "")
end

-- Run the prompt. `call(f)` calls f so that it can be interrupted.
function prompt.run(banner, call)
  print(banner)
  while true do
    local text = read()
    if not text then break end
    local chunk, message = compile(text)
    if chunk then
      print_results(xpcall(function() return call(chunk) end, handler))
    else
      io.stderr:write(message, "\n")
    end
    io.flush()
  end
  print()
end

return prompt
