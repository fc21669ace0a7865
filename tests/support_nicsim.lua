-- support_nicsim -- what tests of simulated cards share: their driver, huge pages, runs.
local lu = require("luaunit")
local capture = require("support_capture")
local frames = require("support_frames")
local support = require("support")

local nicsim = {}
local u16 = frames.u16

-- Compile the driver into a folder and see to huge pages; gives its path, and the reason when cards cannot be simulated.
function nicsim.prepare(folder)
  local driver = folder .. "/driver"
  local text, code = support.run("cc -O2 -Wall -Wextra -Werror -o " .. driver .. " tests/nicsim/driver/*.c")
  assert(code == 0, text)
  return driver, nicsim.lacks(32)
end

-- Why there cannot be so many huge pages, or nil.
function nicsim.lacks(pages)
  if support.run("id -u") ~= "0\n" then return "simulated cards need root" end
  local function free() return tonumber(support.read("/proc/meminfo"):match("HugePages_Free:%s+(%d+)")) end
  local total = tonumber(support.read("/proc/sys/vm/nr_hugepages"))
  if free() < pages then support.run(("echo %d > /proc/sys/vm/nr_hugepages"):format(total + pages)) end
  if free() < pages then return "no huge pages are to be had" end
end

-- Run a driver with cards; gives the output and the exit code.
function nicsim.run(options, driver, arguments)
  return support.run(("timeout 200 '%s' nicsim %s -- %s %s"):format(support.nf, options, driver, arguments))
end

nicsim.MAC = "\2\0\0\x5a\0\0"

-- An IPv4 or IPv6 packet with its transport header, checksums right.
function nicsim.ip4(protocol, src, dst, payload, fragment)
  local head = "\x45\0" .. u16(20 + #payload) .. "\0\1" .. u16(fragment or 0) .. "\64" .. string.char(protocol)
  return head .. u16(0xffff - frames.sum(head .. src .. dst)) .. src .. dst .. payload
end

function nicsim.ip6(protocol, src, dst, payload)
  return "\x60\0\0\0" .. u16(#payload) .. string.char(protocol) .. "\64" .. src .. dst .. payload
end

function nicsim.l4(protocol, src, dst, sport, dport, data)
  local length = (protocol == 6 and 20 or 8) + #data
  local pseudo = src .. dst .. u16(0) .. u16(protocol) .. u16(0) .. u16(length)
  if protocol == 6 then
    local head, tail = u16(sport) .. u16(dport) .. ("\0"):rep(8) .. "\x50\x10\16\0", "\0\0" .. data
    return head .. u16(0xffff - frames.sum(pseudo .. head .. "\0\0" .. tail)) .. tail
  end
  local head = u16(sport) .. u16(dport) .. u16(length)
  return head .. u16(0xffff - frames.sum(pseudo .. head .. "\0\0" .. data)) .. data
end

function nicsim.ethernet(dst, type, payload, tag)
  local frame = dst .. "\2\0\0\0\0\1" .. (tag and "\x81\0" .. u16(tag) or "") .. type .. payload
  return frame .. ("\0"):rep(60 - #frame)
end

-- Bring frames to one card whose driver shows descriptors; gives its lines, and all output.
function nicsim.show(folder, driver, list, arguments, options, count)
  local packets = {}
  for i, data in ipairs(list) do packets[i] = { data = data } end
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local text, code = nicsim.run(("--cards 82599 --wire %s/in.pcap %s"):format(folder, options or ""),
    driver, ("1 %d show %s"):format(count or #list, arguments or ""))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "nicsim: no violation")
  local lines = {}
  for line in text:gmatch("queue [^\n]+") do
    lines[#lines + 1] = {
      queue = tonumber(line:match("queue (%d+)")), length = tonumber(line:match("length (%d+)")),
      vlan = tonumber(line:match("vlan (%x+)"), 16), hash = line:match("hash (%x+)"), rss = tonumber(line:match("rss (%x+)"), 16),
      status = tonumber(line:match("status (%x+)"), 16), errors = tonumber(line:match("errors (%x+)"), 16),
      type = tonumber(line:match("type (%x+)"), 16),
    }
  end
  return lines, text
end

return nicsim
