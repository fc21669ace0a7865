-- support_capture -- capture files for tests: made byte by byte, read back, compared. Written apart from the C code, so that
-- the two check each other.
--
-- A packet is { data = "bytes", time = nanoseconds (a number or a uint64_t), wire = original length, captured = what the
-- file claims to hold }; wire and captured are #data when they are not given.
local bit = require("bit")

local capture = {}

local function bytes(n, count, order)
  local out = {}
  for i = 0, count - 1 do out[i + 1] = string.char(tonumber(n / 2 ^ (8 * i) % 256 - n / 2 ^ (8 * i) % 1)) end
  local text = table.concat(out)
  return order == ">" and text:reverse() or text
end

-- Numbers in a byte order: "<" (default) or ">".
function capture.u16(n, order) return bytes(n, 2, order) end
function capture.u32(n, order) return bytes(n, 4, order) end

local function split(time)
  local ns = time + 0ULL
  return tonumber(ns / 1000000000ULL), tonumber(ns % 1000000000ULL)
end

-- A pcap file. options: order, nano (default true), snaplen, link, magic, major, minor.
function capture.pcap(packets, options)
  options = options or {}
  local order, nano = options.order, options.nano ~= false
  local u16, u32 = capture.u16, capture.u32
  local out = { u32(options.magic or (nano and 0xa1b23c4d or 0xa1b2c3d4), order), u16(options.major or 2, order),
    u16(options.minor or 4, order), u32(0), u32(0), u32(options.snaplen or 262144, order), u32(options.link or 1, order) }
  for _, p in ipairs(packets) do
    local seconds, fraction = split(p.time or 0)
    out[#out + 1] = u32(seconds, order) .. u32(nano and fraction or math.floor(fraction / 1000), order) ..
      u32(p.captured or #p.data, order) .. u32(p.wire or #p.data, order) .. p.data
  end
  return table.concat(out)
end

local function padded(text) return text .. ("\0"):rep(-#text % 4) end

-- A block of pcapng; total and trailer replace the true length.
function capture.block(kind, body, order, total, trailer)
  local length = 12 + #padded(body)
  return capture.u32(kind, order) .. capture.u32(total or length, order) .. padded(body) ..
    capture.u32(trailer or total or length, order)
end

function capture.section(order, major)
  return capture.block(0x0a0d0d0a, capture.u32(0x1a2b3c4d, order) .. capture.u16(major or 1, order) .. capture.u16(0, order) ..
    ("\255"):rep(8), order)
end

-- An option of a block.
function capture.option(code, value, order) return capture.u16(code, order) .. capture.u16(#value, order) .. padded(value) end

-- options: snaplen, and `options`: the bytes of the block's options.
function capture.interface(link, order, options)
  options = options or {}
  return capture.block(1, capture.u16(link, order) .. capture.u16(0) .. capture.u32(options.snaplen or 0, order) ..
    (options.options or ""), order)
end

-- The counter of an interface: `time` in its own unit.
local function counter(time, order)
  local count = time + 0ULL
  return capture.u32(tonumber(count / 4294967296ULL), order) .. capture.u32(tonumber(count % 4294967296ULL), order)
end

function capture.enhanced(p, order, interface, options)
  return capture.block(6, capture.u32(interface or 0, order) .. counter(p.time or 0, order) ..
    capture.u32(p.captured or #p.data, order) .. capture.u32(p.wire or #p.data, order) .. padded(p.data) .. (options or ""), order)
end

function capture.obsolete(p, order, interface)
  return capture.block(2, capture.u16(interface or 0, order) .. capture.u16(7, order) .. counter(p.time or 0, order) ..
    capture.u32(p.captured or #p.data, order) .. capture.u32(p.wire or #p.data, order) .. padded(p.data), order)
end

function capture.simple(p, order) return capture.block(3, capture.u32(p.wire or #p.data, order) .. padded(p.data), order) end

local function number(text, at, order)
  local a, b, c, d = text:byte(at, at + 3)
  if order == ">" then a, b, c, d = d, c, b, a end
  return a + b * 256 + c * 65536 + d * 16777216
end

-- Read a pcap file's text: its packets with data, time (uint64_t nanoseconds) and wire; `snaplen` and `link` stand beside them.
function capture.read(text)
  assert(#text >= 24, "shorter than a header")
  local order, unit
  for _, try in ipairs({ "<", ">" }) do
    local magic = number(text, 1, try)
    if magic == 0xa1b2c3d4 then order, unit = try, 1000 elseif magic == 0xa1b23c4d then order, unit = try, 1 end
  end
  assert(order, "no magic")
  local packets, at = { snaplen = number(text, 17, order), link = number(text, 21, order) }, 25
  while at <= #text do
    assert(#text - at + 1 >= 16, "cut off in a record's header")
    local length = number(text, at + 8, order)
    assert(#text - at + 1 >= 16 + length, "cut off in a record")
    packets[#packets + 1] = { data = text:sub(at + 16, at + 15 + length), wire = number(text, at + 12, order),
      time = number(text, at, order) * 1000000000ULL + number(text, at + 4, order) * unit }
    at = at + 16 + length
  end
  return packets
end

-- The first difference of two lists of packets in words, or nil. what: which fields count; default data, time and wire.
function capture.difference(a, b, what)
  for i = 1, math.max(#a, #b) do
    local x, y = a[i], b[i]
    if not x or not y then return ("%d packets against %d"):format(#a, #b) end
    for _, key in ipairs(what or { "data", "wire", "time" }) do
      local left, right = x[key], y[key]
      if key == "time" then left, right = left + 0ULL, right + 0ULL end
      if key == "wire" then left, right = left or #x.data, right or #y.data end
      if left ~= right then
        return ("packet %d: %s is %s against %s"):format(i, key, capture.print(left), capture.print(right))
      end
    end
  end
end

function capture.print(value)
  if type(value) ~= "string" then return tostring(value) end
  return #value .. " bytes " .. value:sub(1, 64):gsub(".", function (c) return ("%02x"):format(c:byte()) end)
end

-- `count` packets of sizes that vary, with times 1 ms apart, all different.
function capture.packets(count, options)
  options = options or {}
  local list = {}
  for i = 1, count do
    local size = options.size or 60 + (i * 37) % 1400
    list[i] = { data = (capture.u32(i) .. string.char(bit.band(i * 31, 255)):rep(size)):sub(1, size),
      time = (options.time or 1700000000000000000ULL) + i * 1000000ULL }
  end
  return list
end

return capture
