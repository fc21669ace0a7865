-- every_graph -- an app of one's own (every.lua, beside this file) in a graph: one packet in ten reaches the sink.
--
--      packets (basic.source) ---> thin (every) ---> sink (basic.sink)
--
--     nf run examples/every_graph.lua
--     nf run examples/every_graph.lua -- 4              one in four
local n = tonumber((...)) or 10

return {
  apps = {
    packets = { "basic.source", number = 1000000 },
    thin = { "every", n = n },
    sink = { "basic.sink" },
  },
  links = { "packets -> thin -> sink" },
}
