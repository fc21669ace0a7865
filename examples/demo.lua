-- demo -- a real capture through a graph that decides: what `make demo` runs.
--
--                    +------+    +--------+ passed  +------+    +-----+
--     demo.pcap ===> | file |--->| choose |-------->| copy |--->| out | ===> OUTPUT
--                    +------+    +--------+         |      |    +-----+
--                                    |              |      |    +-------+
--                                    v              |      |--->| count |
--                                 dropped           +------+    +-------+
--
--     build/nf run examples/demo.lua -- OUTPUT.pcap
--
-- `choose` (lua.select, an app in Lua) passes TCP and UDP and drops the rest under the reason "not-selected": ARP, pings, neighbour
-- discovery. Of each packet that passed one copy is written and one is counted. demo.sh tells how the capture was recorded.
local output = ...

return {
  apps = {
    file   = { "pcap.reader", file = "demo.pcap" },
    choose = { "lua.select", protocol = { "tcp", "udp" } },
    copy   = { "basic.tee" },
    out    = { "pcap.writer", file = output or "demo-out.pcap" },
    count  = { "basic.sink" },
  },
  links = {
    "file -> choose", "choose.output -> copy", "copy.written -> out", "copy.counted -> count.all",
  },
}
