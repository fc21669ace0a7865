-- card_workers -- two ports of cards shared by two workers: each has a queue of both, and RSS spreads the flows over the queues.
--
--                  +--- worker one, processor 0: queue 0 of both, filter ---+
--     FIRST  <===> |                                                         | <===>  SECOND
--                  +--- worker two, processor 1: queue 1 of both, filter ---+
--
--     sudo nf run examples/card_workers.lua -- 0000:05:00.0 0000:06:00.0
--
-- Both directions of a connection come to the same worker, as the hash is symmetrical; what is no IP comes to queue 0.
local first, second = ...

local function worker(cpu, queue)
  local function port(pci) return { "intel.ixgbe", pci = pci, queue = queue, rss = "ip+tcp" } end
  return {
    cpu = cpu,
    apps = {
      left   = port(first or "0000:05:00.0"),
      right  = port(second or "0000:06:00.0"),
      filter = { "filter.pcap", filter = "not tcp port 25" },
    },
    links = { "left.output -> filter.input", "filter.output -> right.input", "right.output -> left.input" },
  }
end

return { workers = { one = worker(0, 0), two = worker(1, 1) } }
