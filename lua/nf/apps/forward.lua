-- lua.forward -- pass packets on: the least that an app in Lua does, and what `nf bench hop` measures.
local link = require("nf.link")

return {
  name = "lua.forward", help = "Pass all packets on: the shortest app in Lua.",
  inputs = { "input" }, outputs = { "output" },
  push = function(self)
    local input, output = self.input.input, self.output.output
    for _ = 1, link.count(input) do link.send(output, link.receive(input)) end
  end,
}
