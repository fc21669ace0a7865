-- workers -- one graph for each of several cores: each replays a capture for ever and counts what it can take.
--
--     worker w1, cpu 0:   demo.pcap ===> [ file ] --> [ replay ] --> [ sink ]
--     worker w2, cpu 1:   demo.pcap ===> [ file ] --> [ replay ] --> [ sink ]
--     ...
--
--     build/nf run --duration 1s examples/workers.lua
--
-- The number of workers may stand behind --:   ... examples/workers.lua -- 4      (default: one)
-- Each is a process of its own. When one dies the others go on, and it is started again.
local count = tonumber((...)) or 1

local workers = {}
for i = 1, count do
  workers[i] = {
    cpu = i - 1,
    apps = {
      file   = { "pcap.reader", file = "demo.pcap" },
      replay = { "basic.repeater", number = 300 },
      sink   = { "basic.sink" },
    },
    links = { "file -> replay -> sink" },
  }
end

return { workers = workers }
