-- support_fragments -- fragments and whole packets of IPv4 and IPv6, and the app that makes the ones of the others.
local ip = require("support_ip")
local basic = require("support_basic")
local frames = require("support_frames")

local u16, u32 = frames.u16, frames.u32
local OUTPUT = 0

-- What differs between the two: how a fragment and the whole packet look.
local four = { class = "ip.reassemble4", prefix = "ipv4" }
function four.fragment(o, text, offset, more)
  local copy = { fragment = offset / 8 + (more and 0x2000 or 0) }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv4(copy, text)
end
function four.whole(o, text) return ip.ipv4(o, text) end

local six = { class = "ip.reassemble6", prefix = "ipv6" }
function six.fragment(o, text, offset, more)
  local copy = { next = 44 }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv6(copy, string.char(o.inner or 17, 0) .. u16(offset + (more and 1 or 0)) .. u32(o.id or 1) .. text)
end
function six.whole(o, text)
  local copy = { next = o.inner or 17 }
  for k, v in pairs(o) do if copy[k] == nil then copy[k] = v end end
  return ip.ipv6(copy, text)
end
local both = { four, six }

local function start(f, params, outputs)
  params = params or {}
  params[1] = f.class
  return basic.start(f.class, params, nil, outputs or { "output" })
end

local function counts(s, f)
  local function one(name) return s:counter(("%s-%s-frag-%s"):format(name:match("^(%a+)%-(.*)$"), f.prefix, select(2, name:match("^(%a+)%-(.*)$")))) end
  return { one("in-needs-reassembly"), one("in-reassembled"), one("in-reassembly-unneeded"), one("drop-invalid-reassembly"),
    one("drop-random-evicted") }
end

-- Give frames one after the other; what comes out.
local function give(s, ...)
  for _, frame in ipairs({ ... }) do
    s:give(0, frame)
    s:push()
  end
  return s:take(OUTPUT)
end

-- A datagram in pieces of `per` bytes.
local function cut(f, o, text, per)
  local list = {}
  for at = 0, #text - 1, per do list[#list + 1] = f.fragment(o, text:sub(at + 1, at + per), at, at + per < #text) end
  return list
end

local function text(n) return frames.random(n) end

return { both = both, four = four, six = six, start = start, counts = counts, give = give, cut = cut, text = text }
