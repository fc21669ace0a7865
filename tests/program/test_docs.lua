-- The documentation does what it says. Of README.md, docs/guide.md, docs/guide/*.md and docs/operations.md:
--
--   ```lua, first line "-- file: NAME"     a file of that name; all files of a page stand in one folder. One with `links` or
--                                          `workers` is a configuration: nf check must find it good, unless a console block checks it
--   ```c, first line "/* file: NAME */"    compiles without a warning
--   ```console                             each "$ command" is run in that folder and prints what stands below it; a line
--                                          "..." stands for any lines, "..." in a line for any text, /home/me for the folder
--
-- Of examples/*.lua: nf check finds it good, and each command "nf run ..." of its opening comment that needs no root runs.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

-- A short one: Lua cuts long paths in its messages.
local folder = support.run("mktemp -d /tmp/nf.XXXXXX"):gsub("\n$", "")
local root = support.run("pwd"):gsub("\n$", "")
local nf = support.nf:sub(1, 1) == "/" and support.nf or root .. "/" .. support.nf

-- A folder in which commands find nf. Instances have names of their own, whatever else runs on this machine: X.lua runs as
-- PREFIXX, and where a command names X, that is meant.
local prefix = ("test-docs-%d-"):format(ffi.C.getpid())
local places = 0
local function place()
  places = places + 1
  local path = folder .. "/" .. places
  support.run(("mkdir -p '%s/bin'"):format(path))
  support.write(path .. "/bin/nf", ([[#!/bin/sh
prefix=%s%d-
case "$*" in
*--help*|*--name*) ;;
"run "*) for file; do case $file in *.lua) break;; esac; done
  shift; set -- run --name $prefix$(basename "$file" .lua) "$@" ;;
"capture "*|"confirm "*|"diff "*|"doctor "*|"graph "*|"reload "*|"stats "*|"stop "*|"top "*|"trace "*)
  program=$1 name=$2
  [ ! -e "$name.lua" ] || { shift 2; set -- $program $prefix$name "$@"; } ;;
esac
exec '%s' "$@"
]]):format(prefix, places, nf))
  support.run(("chmod +x '%s/bin/nf'"):format(path))
  return path
end

-- Gives what a command prints, as a user would see it, and its exit code.
local function run(path, command)
  local text, code = support.run(("cd '%s' && export PATH=%s/bin:$PATH TZ=UTC LC_ALL=C.UTF-8 && %s"):format(path, path, command))
  text = text:gsub(prefix:gsub("%p", "%%%0") .. "%d+%-", "")
  return text, code
end

local function lines_of(text)
  local lines = {}
  if text:sub(-1) ~= "\n" then text = text .. "\n" end
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

-- The fenced blocks of a page: { kind =, lines =, number = of its first line }.
local function blocks_of(page)
  local blocks, block = {}, nil
  for number, line in ipairs(lines_of(support.read(page))) do
    local fence = line:match("^```(.*)$")
    if fence and block then
      block = nil
    elseif fence then
      block = { kind = fence, lines = {}, number = number + 1 }
      blocks[#blocks + 1] = block
    elseif block then
      block.lines[#block.lines + 1] = line
    end
  end
  lu.assertNil(block, page .. ": a block is not closed")
  return blocks
end

-- Whether lines are what is expected, where "..." stands for any number of lines.
local function matches(lines, expected, i, j)
  i, j = i or 1, j or 1
  if expected[j] == nil then return lines[i] == nil end
  if expected[j] == "..." then
    for k = i, #lines + 1 do
      if matches(lines, expected, k, j + 1) then return true end
    end
    return false
  end
  local pattern = "^" .. expected[j]:gsub("%p", "%%%0"):gsub("%%%.%%%.%%%.", ".-") .. "$"
  return lines[i] ~= nil and lines[i]:find(pattern) ~= nil and matches(lines, expected, i + 1, j + 1)
end

-- Run a console block's commands, and compare.
local function check_console(page, path, block)
  local i, lines = 1, block.lines
  while lines[i] do
    local command, expected, number = lines[i]:match("^%$ (.*)$"), {}, block.number + i - 1
    lu.assertNotNil(command, ("%s:%d: a console block begins with a command"):format(page, number))
    i = i + 1
    while lines[i] and lines[i]:sub(1, 2) ~= "$ " do
      expected[#expected + 1] = lines[i]
      i = i + 1
    end
    local output = run(path, command):gsub(path:gsub("%p", "%%%0"), "/home/me")
    local printed = output == "" and {} or lines_of(output)
    if not matches(printed, expected) then
      lu.fail(("%s:%d: %s\nprints:\n%s\nthe page says:\n%s"):format(page, number, command, output, table.concat(expected, "\n")))
    end
  end
end

local function check_c(page, path, block, name)
  local file = path .. "/" .. name:gsub(".*/", "")
  support.write(file, table.concat(block.lines, "\n") .. "\n")
  for _, compiler in ipairs({ "gcc", "clang" }) do
    if select(2, support.run("command -v " .. compiler)) == 0 then
      local output, code = support.run(("%s -std=gnu11 -D_GNU_SOURCE -Isrc -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes " ..
        "-Wstrict-prototypes -Werror -fsyntax-only %s"):format(compiler, file))
      lu.assertEquals(code, 0, ("%s:%d: %s"):format(page, block.number, output))
    end
  end
end

local function is_configuration(text) return text:find("\n%s*links = ") or text:find("\n%s*workers = ") or text:find("return { workers = ") end

local pages = { "README.md" }
for line in io.popen("find docs/guide.md docs/guide docs/operations.md -name '*.md' 2>/dev/null | sort"):lines() do pages[#pages + 1] = line end

TestPages = {}

-- What a page that is wrong has left running.
function TestPages:tearDown() support.run(("'%s' ps --names | grep '^%s' | xargs -r '%s' stop --now"):format(nf, prefix, nf)) end

local function check_page(page)
  local path = place()
  local blocks, console = blocks_of(page), ""
  for _, block in ipairs(blocks) do
    local first = block.lines[1] or ""
    local lua, c = first:match("^%-%- file: (%S+)$"), first:match("^/%* file: (%S+) %*/$")
    if block.kind == "lua" and lua then
      run(path, ("mkdir -p $(dirname '%s')"):format(lua))
      support.write(path .. "/" .. lua, table.concat(block.lines, "\n") .. "\n")
    elseif block.kind == "c" and c then
      check_c(page, path, block, c)
    elseif block.kind == "console" then
      console = console .. table.concat(block.lines, "\n") .. "\n"
    end
  end
  for _, block in ipairs(blocks) do
    local name, text = (block.lines[1] or ""):match("^%-%- file: (%S+)$"), table.concat(block.lines, "\n")
    if block.kind == "lua" and name and is_configuration(text) and not console:find("nf check " .. name, 1, true) then
      local output, code = run(path, "nf check " .. name)
      lu.assertEquals(code, 0, ("%s:%d: %s"):format(page, block.number, output))
    elseif block.kind == "console" then
      check_console(page, path, block)
    end
  end
end

for _, page in ipairs(pages) do
  TestPages["test_" .. page:gsub("%W", "_")] = function() check_page(page) end
end

-- A marker that is spelt otherwise would leave the others with nothing to do.
function TestPages:testThereIsSomethingToCheck()
  local count = { lua = 0, c = 0, console = 0, sh = 0, text = 0, ini = 0, yaml = 0 }
  for _, page in ipairs(pages) do
    for _, block in ipairs(blocks_of(page)) do
      lu.assertNotNil(count[block.kind], ("%s:%d: a block of kind '%s'"):format(page, block.number, block.kind))
      count[block.kind] = count[block.kind] + 1
    end
  end
  lu.assertTrue(count.lua >= 5 and count.c >= 1 and count.console >= 5)
end

-- A link to a file of the repository leads somewhere.
function TestPages:testLinksLeadSomewhere()
  for _, page in ipairs(pages) do
    local base = page:match("^(.*/)") or ""
    for target in support.read(page):gmatch("%]%(([^)#]+)[^)]*%)") do
      if not target:match("^https?:") then
        lu.assertEquals(select(2, support.run("test -e " .. base .. target)), 0, page .. ": no " .. target)
      end
    end
  end
end

-- The folders of the map in README.md are there.
function TestPages:testTheMapIsRight()
  local count = 0
  for path in support.read("README.md"):gmatch("\n    ([%w_]+/[%w_/]*) ") do
    lu.assertEquals(select(2, support.run("test -d " .. path)), 0, path)
    count = count + 1
  end
  lu.assertTrue(count >= 8)
end

-- Text has at most 120 columns; tables and what programs print have those that they need.
function TestPages:testNoLineIsTooLong()
  for _, page in ipairs(pages) do
    local is_text = true
    for number, line in ipairs(lines_of(support.read(page))) do
      if line:match("^```") then is_text = not is_text end
      local length = select(2, line:gsub("[^\128-\191]", ""))
      lu.assertTrue(length <= 120 or not is_text or line:match("^|") ~= nil, ("%s:%d: %d columns"):format(page, number, length))
    end
  end
end

TestExamples = {}

-- Examples run in a copy, as they write files beside themselves.
local examples = place()
support.run(("cp -r examples '%s'/"):format(examples))

-- "nf run ..." lines of a file's opening comment; gives a list of { command =, needs_root = }.
local function commands_of(text)
  local list = {}
  for _, line in ipairs(lines_of(text)) do
    if line:sub(1, 2) ~= "--" then break end
    local before, arguments = line:match("^%-%-%s+([%w/ ]-)nf run (.*)$")
    if before then
      arguments = arguments:gsub("%s%s+.*$", "")
      list[#list + 1] = { command = "nf run " .. arguments, needs_root = before:find("sudo", 1, true) ~= nil }
    end
  end
  return list
end

local function check_example(name)
  local text = support.read("examples/" .. name .. ".lua")
  lu.assertStrMatches(text, "%-%- " .. name .. " %-%- .*", nil, nil, "its first line says what it is")
  if not is_configuration(text) then return end
  local output, code = run(examples, "nf check examples/" .. name .. ".lua")
  lu.assertEquals(code, 0, output)
  local commands = commands_of(text)
  lu.assertTrue(#commands > 0, "no command line 'nf run ...' in its opening comment")
  for _, command in ipairs(commands) do
    if not command.needs_root then
      output, code = run(examples, "timeout 200 " .. command.command)
      lu.assertEquals(code, 0, command.command .. ":\n" .. output)
      lu.assertStrContains(output, "it balances")
    end
  end
end

for line in io.popen("ls examples/*.lua"):lines() do
  local name = line:match("([%w_-]+)%.lua$")
  TestExamples["test_" .. name] = function() check_example(name) end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
