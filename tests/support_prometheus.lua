-- support_prometheus -- reads the text exposition format 0.0.4 of Prometheus, strictly: what is not in the format is an error.
local prometheus = {}

local UNESCAPED = { ["\\"] = "\\", ['"'] = '"', n = "\n" }
local TYPES = { counter = true, gauge = true, histogram = true, summary = true, untyped = true }

-- The labels from `at` on, behind "{"; gives them and the place behind "}".
local function labels(line, at)
  local list = {}
  while line:sub(at, at) ~= "}" do
    local name, from = line:match("^([%a_][%w_]*)=\"()", at)
    assert(name and not list[name], "a bad label: " .. line)
    local value, i = {}, from
    while line:sub(i, i) ~= '"' do
      local c = line:sub(i, i)
      assert(c ~= "", "a label without an end: " .. line)
      if c == "\\" then
        i = i + 1
        c = assert(UNESCAPED[line:sub(i, i)], "a bad escape: " .. line)
      end
      value[#value + 1] = c
      i = i + 1
    end
    list[name] = table.concat(value)
    at = i + 1
    if line:sub(at, at) == "," then at = at + 1 else assert(line:sub(at, at) == "}", "no comma: " .. line) end
  end
  return list, at + 1
end

-- The family that a sample belongs to.
local function family_of(families, name)
  if families[name] then return families[name] end
  local base = name:match("^(.*)_bucket$") or name:match("^(.*)_count$")
  return base and families[base] and families[base].type == "histogram" and families[base]
end

-- Parse a text: families by name, each { help =, type =, samples = { { name =, labels =, value = }, ... } }.
function prometheus.parse(text)
  assert(text:sub(-1) == "\n", "the last line has no end")
  local families, current, seen = {}, nil, {}
  for line in text:gmatch("([^\n]*)\n") do
    local help, help_text = line:match("^# HELP ([%a_:][%w_:]*) (.+)$")
    local kind, kind_text = line:match("^# TYPE ([%a_:][%w_:]*) (%w+)$")
    if help then
      assert(not families[help], "twice: " .. line)
      current = { name = help, help = help_text, samples = {} }
      families[help] = current
    elseif kind then
      assert(current and current.name == kind and not current.type and TYPES[kind_text], "TYPE without HELP: " .. line)
      current.type = kind_text
    else
      local name, at = line:match("^([%a_:][%w_:]*){()")
      assert(name, "no sample: " .. line)
      local sample = { name = name }
      sample.labels, at = labels(line, at)
      sample.value = tonumber(line:match("^ (%S+)$", at))
      assert(sample.value, "no value: " .. line)
      assert(family_of(families, name) == current, "not with its family: " .. line)
      assert(current.type, "no TYPE: " .. line)
      local key = line:sub(1, at)
      assert(not seen[key], "twice: " .. line)
      seen[key] = true
      current.samples[#current.samples + 1] = sample
    end
  end
  return families
end

-- The value of the sample with these labels (those that are given); nil when there is none.
function prometheus.value(families, name, wanted)
  local family = assert(family_of(families, name), "no family of " .. name)
  for _, sample in ipairs(family.samples) do
    local same = sample.name == name
    for label, value in pairs(wanted) do same = same and sample.labels[label] == value end
    if same then return sample.value end
  end
  return nil
end

return prometheus
