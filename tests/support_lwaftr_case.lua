-- support_lwaftr_case -- cases for the whole graph of an lwAFTR: frames and all counters. Each case goes through two interfaces, and then,
-- in turn, through two with VLAN tags, one wire, or one wire with tags.
local lu = require("luaunit")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")

local u16 = w.u16
local M = {}

-- Frames of a side, of packets and of what is a frame already: { frame = ... }.
local function frames(list, begin)
  local result = {}
  for i, p in ipairs(list or {}) do result[i] = type(p) == "table" and p.frame or begin .. p end
  return result
end

local function tagged(list, vlan)
  local result = {}
  for i, frame in ipairs(list) do result[i] = frame:sub(1, 12) .. "\x81\0" .. u16(vlan) .. frame:sub(13) end
  return result
end

local turn = 0

-- Run a case. o: conf; v4, v6: what comes in; out4, out6: what leaves; count: all counters that are not 0, pairs without
-- their ends as { packets, bytes }; no_stick: not on one wire, where nothing is misplaced, and sides have no order
function M.case(o)
  local want = { softwires = 4 }
  for name, value in pairs(o.count) do
    if type(value) == "table" then
      want[name .. "-packets"], want[name .. "-bytes"] = value[1], value[2]
    else
      want[name] = value
    end
  end
  local v4, v6, out4, out6 = frames(o.v4, c.FROM4), frames(o.v6, c.FROM6), frames(o.out4, w.OUT4), frames(o.out6, w.OUT6)
  local modes = { {} }
  turn = turn + 1
  modes[2] = o.no_stick and { vlan = true } or ({ { vlan = true }, { option = "--on-a-stick" }, { vlan = true, option = "--on-a-stick" } })[turn % 3 + 1]
  for _, mode in ipairs(modes) do
    local conf = {}
    for k, v in pairs(o.conf or {}) do conf[k] = v end
    for _, side in ipairs({ "external", "internal" }) do        -- few datagrams: less memory, and less time
      if not (conf[side] or ""):find("reassembly", 1, true) then conf[side] = (conf[side] or "") .. "reassembly { max-packets 50; }" end
    end
    if mode.vlan then conf.vlan4, conf.vlan6 = "vlan-tag 12;", "vlan-tag 13;" end
    local function tag(list, id) return mode.vlan and tagged(list, id) or list end
    local a, b, counters = c.check(conf, tag(v4, 12), tag(v6, 13), mode.option)
    lu.assertEquals(a, tag(out4, 12))
    lu.assertEquals(b, tag(out6, 13))
    lu.assertEquals(counters, want)
  end
end

function M.length(p) return #p + 14 end
-- Counters of packets that need neither reassembly nor fragments: how many came in and left on each side, frames of all kinds.
function M.plain(in4, in6, out4, out6, more)
  local t = more or {}
  t["in-ipv4-frag-reassembly-unneeded"] = in4 > 0 and in4 or nil
  t["in-ipv6-frag-reassembly-unneeded"] = in6 > 0 and in6 or nil
  t["out-ipv4-frag-not"] = out4 > 0 and out4 or nil
  t["out-ipv6-frag-not"] = out6 > 0 and out6 or nil
  return t
end

function M.sum(...)
  local bytes, list = 0, { ... }
  for _, p in ipairs(list) do bytes = bytes + M.length(p) end
  return { #list, bytes }
end

function M.icmp(src, dst, payload, o)
  local p = { src = src, dst = dst, protocol = 1, payload = payload }
  for k, v in pairs(o or {}) do p[k] = v end
  return w.ipv4(p)
end

-- A packet for A that is cut.
function M.big(o)
  o = o or {}
  o.payload = w.udp(5000, 80, ("0123456789"):rep(100))
  return w.inward(w.WHOLE, 80, o)
end

return M
