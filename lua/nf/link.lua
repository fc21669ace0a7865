-- nf.link -- links, for apps written in Lua.
--
--     local link = require("nf.link")
--     local input, output = self.input.input, self.output.output
--     for _ = 1, link.count(input) do link.send(output, link.receive(input)) end
--
-- Links are the numbers in self.input and self.output.
local script, ffi, refuse = ...
if not ffi then return require("nf.outside")("link") end

local C = ffi.C
local link = {}

-- How many packets this call may take from an input: what waits there, at most what has room at every output. The rest
-- stays on the link for the next breath.
function link.count(input)
  local count = C.script_link_count(script, input)
  if count < 0 then refuse(count, "link.count") end
  return count
end

-- Take the oldest packet of an input; nil when link.count(input) is 0.
function link.receive(input)
  local p = C.script_link_receive(script, input)
  if p > 0 then return p end
  if p < 0 then refuse(p, "link.receive") end
  return nil
end

-- Send a packet to an output. When the link is full, the packet is dropped and counted there: see link.room.
function link.send(output, p)
  local code = C.script_link_send(script, output, p)
  if code < 0 then refuse(code, "link.send") end
end

-- How many packets fit on an output: for apps that make packets, in `pull`.
function link.room(output)
  local room = C.script_link_room(script, output)
  if room < 0 then refuse(room, "link.room") end
  return room
end

return link
