-- every -- an app of one's own, used by every_graph.lua: pass one packet in n.
local link = require("nf.link")

return {
  name = "every", help = "Pass one packet in n.", inputs = { "input" }, outputs = { "output" }, reasons = { "skipped" },
  params = { n = { type = "u32", min = 1, default = 2, help = "packets per packet passed" } },

  new = function(params) return { n = params.n, seen = 0 } end,

  push = function(self)
    local input, output = self.input.input, self.output.output
    for _ = 1, link.count(input) do
      local p = link.receive(input)
      self.seen = self.seen + 1
      if self.seen % self.n == 0 then link.send(output, p) else self:drop("skipped", p) end
    end
  end,
}
