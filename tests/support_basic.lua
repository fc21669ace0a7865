-- support_basic -- one app under test with its ledger: what was given, what was taken, and what must be left.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local bench = {}
bench.__index = bench

-- A running app of a class; see support.app.
local function start(class, params, inputs, outputs)
  local self = setmetatable({ class = class, inputs = inputs, outputs = outputs, given = 0, taken = 0 }, bench)
  self.app = support.app(class, params, inputs, outputs)
  return self
end

-- Put packets with these bytes on an input.
function bench:give(input, ...)
  support.send(self.app.input[input], ...)
  self.given = self.given + select("#", ...)
end

-- Put n packets of `length` bytes on an input; the first 4 bytes number them from `first` (default 1).
function bench:give_many(input, n, length, first)
  for i = 0, n - 1 do
    local number = (first or 1) + i
    local p = support.packet(("\0"):rep(length or 60))
    if p.length >= 4 then nf.bytes_write32(p.data, number) end
    nf.link_send(self.app.input[input], p)
  end
  self.given = self.given + n
end

-- Leave room for only `room` packets on an output.
function bench:fill(output, room)
  local link = self.app.output[output]
  if link == nil then return end
  while nf.link_room(link) > room do
    nf.link_send(link, support.packet("full"))
    self.given = self.given + 1
  end
end

-- Take all packets of an output: a list of their bytes.
function bench:take(output)
  if self.app.output[output] == nil then return {} end
  local list = support.receive(self.app.output[output])
  self.taken = self.taken + #list
  return list
end

-- The same as the numbers that give_many wrote; what fill put there is left out.
function bench:take_numbers(output)
  local numbers = {}
  for _, bytes in ipairs(self:take(output)) do
    if bytes ~= "full" then
      local a, b, c, d = bytes:byte(1, 4)
      numbers[#numbers + 1] = ((a * 256 + b) * 256 + c) * 256 + d
    end
  end
  return numbers
end

function bench:push() self.app.class.push(self.app) end
function bench:pull() self.app.class.pull(self.app) end

-- Push until the inputs are empty; at most `most` times.
function bench:push_all(most)
  for _ = 1, most or 100 do
    self:push()
    if self:waiting_inputs() == 0 then return end
  end
end

function bench:waiting_inputs()
  local n = 0
  for i = 0, self.app.input_count - 1 do
    if self.app.input[i] ~= nil then n = n + nf.link_waiting(self.app.input[i]) end
  end
  return n
end

function bench:held()
  return self.app.class.held ~= nil and self.app.class.held(self.app) or 0
end

function bench:dropped()
  local n = 0
  for i = 0, self.app.reason_count + nf.APP_REASONS - 1 do n = n + tonumber(self.app.reason[i]) end
  return n
end

-- Both equations of the ledger.
function bench:balance()
  local app, links = self.app, self:waiting_inputs()
  for i = 0, app.output_count - 1 do
    if app.output[i] ~= nil then
      links = links + nf.link_waiting(app.output[i])
      lu.assertEquals(app.output[i].dropped, 0ULL, "an output overflowed")
    end
  end
  lu.assertEquals(self.given + tonumber(app.received + app.created),
    self.taken + tonumber(app.sent + app.consumed) + self:dropped() + links + self:held(), "flow")
  lu.assertEquals(tonumber(nf.memory_in_use()), links + self:held(), "memory")
end

-- Change the parameters as a reload does: a new instance takes over from this one.
function bench:reconfigure(params)
  local old, new = self.app, assert(support.new(self.class, params, self.inputs, self.outputs))
  if new.class.prepare ~= nil then lu.assertEquals(new.class.prepare(new, old), 0) end
  for i = 0, old.input_count - 1 do
    if old.input[i] ~= nil then nf.link_move(old.input[i], new.input[i], nf.LINK_SLOTS) end
  end
  for i = 0, old.output_count - 1 do
    if old.output[i] ~= nil then nf.link_move(old.output[i], new.output[i], nf.LINK_SLOTS) end
  end
  if new.class.commit ~= nil then new.class.commit(new, old) end
  if old.class.stop ~= nil then old.class.stop(old) end
  new.created, new.consumed = new.created + old.created, new.consumed + old.consumed
  for i = 0, nf.app_name_count(new.class.counters) - 1 do new.counter[i] = new.counter[i] + old.counter[i] end
  for i = 0, old.reason_count + nf.APP_REASONS - 1 do new.reason[i] = new.reason[i] + old.reason[i] end
  support.finish(old)
  self.app = new
  if new.class.link ~= nil then new.class.link(new) end
end

function bench:counter(name) return support.counter(self.app, name) end
function bench:reason(name) return support.reason(self.app, name) end

-- Check the ledger once more, end the app, and check that it kept nothing.
function bench:finish()
  self:balance()
  if self.app.class.stop ~= nil then
    self.app.class.stop(self.app)
    lu.assertEquals(self:held(), 0)
    self:balance()
  end
  support.finish(self.app)
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- The messages that a configuration of a class gives.
local function messages(class, params)
  local app, list = support.new(class, params)
  if app then
    support.finish(app)
    error("no mistake was found", 2)
  end
  return list
end

-- Counting lists: range(2, 5) is { 2, 3, 4, 5 }; with a step.
local function range(first, last, step)
  local list = {}
  for i = first, last, step or 1 do list[#list + 1] = i end
  return list
end

-- Bytes from hexadecimal digits; everything else is left out.
local function hex(text)
  return (text:gsub("[^%x]", ""):gsub("..", function (digits) return string.char(tonumber(digits, 16)) end))
end

-- Frames that are no good: empty, cut off in every header, lengths that lie, tags without end. For every app.
local hostile = {
  "", "\0", ("\xff"):rep(13), ("\0"):rep(14), hex("ffffffffffff 020000000001 8100"), hex("020000000002 020000000001 88a8 0001 8100 0002"),
  hex("020000000002 020000000001") .. hex("8100 0001"):rep(300), hex("020000000002 020000000001 0800 45"),
  hex("020000000002 020000000001 0800 4f00ffff 00002000 40110000 0a000001 0a000002"),
  hex("020000000002 020000000001 0800 40000000 00000000 40060000 0a000001 0a000002"),
  hex("020000000002 020000000001 0800 4500001c 0000ffff 40110000 0a000001 0a000002 ffff"),
  hex("020000000002 020000000001 86dd 6000"), hex("020000000002 020000000001 86dd 60000000 ffff0040") .. ("\0"):rep(32),
  hex("020000000002 020000000001 86dd 60000000 000811ff") .. ("\xff"):rep(32) .. "\1",
  hex("020000000002 020000000001 86dd 60000000 00002cff") .. ("\0"):rep(32) .. hex("2c"):rep(1900), ("\xff"):rep(2048),
}

-- An app with one input called `input`: nothing happens when it is empty, nothing is taken or lost when an output is full,
-- hostile frames do no harm. `outputs`: the ports to link; `time_ns`: how far the clock goes for what is held to come out.
local function common(class, params, inputs, outputs, time_ns)
  local self = start(class, params, inputs, outputs)
  for _ = 1, 3 do self:push() end
  for i = 0, self.app.output_count - 1 do lu.assertEquals(self:take(i), {}) end
  self:balance()
  for _, room in ipairs({ 0, 1, 3 }) do
    for i = 0, self.app.output_count - 1 do self:fill(i, room) end
    self:give_many(0, 200)
    for _ = 1, 10 do
      self:push()
      nf.clock_set(nf.clock_now() + (time_ns or 0))
      self:push()
      self:balance()
    end
    for i = 0, self.app.output_count - 1 do self:take(i) end
    self:push_all()
    for i = 0, self.app.output_count - 1 do self:take(i) end
    self:balance()
  end
  for _ = 1, 5 do
    self:give(0, unpack(hostile))
    self:push_all()
    nf.clock_set(nf.clock_now() + (time_ns or 0))
    self:push()
    self:balance()
    for i = 0, self.app.output_count - 1 do self:take(i) end
  end
  self:finish()
end

return { start = start, messages = messages, range = range, hex = hex, hostile = hostile, common = common, u32 = function (bytes, at)
  local a, b, c, d = bytes:byte(at + 1, at + 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end, packet = support.packet, ffi = ffi }
