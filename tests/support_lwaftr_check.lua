-- support_lwaftr_check -- `nf lwaftr check` for tests: frames in, frames and counters out. Further modules know packets: w.
local lu = require("luaunit")
local support = require("support")
local w = require("support_lwaftr")

local M = {}
local u16, u32 = w.u16, w.u32

-- Addresses of the relay and of who sends to it, and what frames that arrive begin with.
M.MAC4, M.MAC6, M.PEER4, M.PEER6 = "\2\0\0\0\4\1", "\2\0\0\0\6\1", "\2\0\0\0\4\9", "\2\0\0\0\6\9"
M.FROM4, M.FROM6 = M.MAC4 .. M.PEER4 .. "\8\0", M.MAC6 .. M.PEER6 .. "\x86\xdd"

M.folder = support.folder()
w.folder = M.folder
local number = 0

function M.write_pcap(path, frames)
  local list = { "\212\195\178\161\2\0\4\0" .. ("\0"):rep(8) .. "\255\255\0\0\1\0\0\0" }
  for _, frame in ipairs(frames) do
    local length = string.char(#frame % 256, math.floor(#frame / 256), 0, 0)
    list[#list + 1] = ("\0"):rep(8) .. length .. length .. frame
  end
  support.write(path, table.concat(list))
end

-- A file that nf wrote: nanoseconds, this machine's order.
local function read_pcap(path)
  local text, list, at = support.read(path), {}, 25
  lu.assertEquals(text:sub(1, 4), "\77\60\178\161")
  while at <= #text do
    local a, b, c = text:byte(at + 8, at + 10)
    local length = a + b * 256 + c * 65536
    list[#list + 1] = text:sub(at + 16, at + 15 + length)
    at = at + 16 + length
  end
  return list
end

-- Run frames through the graph; gives the frames that leave on each side and the counters. conf: text, or what w.conf takes.
function M.check(conf, v4, v6, options)
  number = number + 1
  local base = M.folder .. "/" .. number
  support.write(base .. ".conf", type(conf) == "string" and conf or w.conf(conf))
  M.write_pcap(base .. ".v4", v4 or {})
  M.write_pcap(base .. ".v6", v6 or {})
  local output, code = support.run(("%s lwaftr check %s --dump-counters %s.cnt %s.conf %s.v4 %s.v6 %s.o4 %s.o6"):format(support.nf, options or "",
    base, base, base, base, base, base))
  lu.assertEquals(output, "")
  lu.assertEquals(code, 0)
  local counters = {}
  for line in support.read(base .. ".cnt"):gmatch("[^\n]+") do
    local name, value = line:match("^([%w-]+) (%d+)$")
    if not name then
      lu.assertEquals(line:sub(1, 1), "#")
    elseif not name:find("^memuse") then
      counters[name] = tonumber(value)
    end
  end
  return read_pcap(base .. ".o4"), read_pcap(base .. ".o6"), counters
end

local function all(list, begin)
  local result = {}
  for i, p in ipairs(list) do result[i] = begin .. p end
  return result
end

-- Packets in frames as they arrive; a packet in a frame as it leaves.
function M.frames4(list) return all(list, M.FROM4) end
function M.frames6(list) return all(list, M.FROM6) end
function M.out4(p) return w.OUT4 .. p end
function M.out6(p) return w.OUT6 .. p end

-- Fragments of an IPv4 packet without options, of an IPv6 one, `size` bytes of payload each.
function M.cut4(p, size, id)
  local list, data, at = {}, p:sub(21), 0
  while at < #data do
    list[#list + 1] = w.ipv4({ src = table.concat({ p:byte(13, 16) }, "."), dst = table.concat({ p:byte(17, 20) }, "."), protocol = p:byte(10),
      ttl = p:byte(9), tos = p:byte(2), id = id or 0x1234, offset = at, more = at + size < #data, payload = data:sub(at + 1, at + size) })
    at = at + size
  end
  return list
end

function M.cut6(p, size, id)
  local list, data, at = {}, p:sub(41), 0
  while at < #data do
    local payload = string.char(p:byte(7), 0) .. u16(at + (at + size < #data and 1 or 0)) .. u32(id or 0x42424243) .. data:sub(at + 1, at + size)
    list[#list + 1] = p:sub(1, 4) .. u16(#payload) .. "\44" .. p:sub(8, 40) .. payload
    at = at + size
  end
  return list
end

return M
