-- traffic -- a traffic generator: 100 clients ask 20 servers, over UDP and over TCP, into a capture file.
--
--     +-----+    +------+
--     | udp |--->|      |    +------+
--     +-----+    | join |--->| file |===> traffic.pcap
--     | tcp |--->|      |    +------+
--     +-----+    +------+
--
--     build/nf run --clock virtual examples/traffic.lua
--     tcpdump -nr examples/traffic.pcap -c 10
--
-- On the virtual clock the capture is ready at once, has the timestamps of the rates below, and is the same byte for byte
-- each time. The number of packets of each kind may stand behind --:   nf run ... examples/traffic.lua -- 500
local number = tonumber((...)) or 10000

local clients = { src = "198.18.0.1", src_count = 100, dst = "198.19.0.1", dst_count = 20 }

return {
  apps = {
    udp  = { "basic.source", number = number, rate = "10Kpps", sizes = "imix", ipv4 = clients, udp = { dst = 53 } },
    tcp  = { "basic.source", number = number, rate = "10Kpps", sizes = { 60, 1514 }, ipv4 = clients, tcp = { dst = 443 } },
    join = { "basic.join" },
    file = { "pcap.writer", file = "traffic.pcap" },
  },
  links = { "udp -> join.udp", "tcp -> join.tcp", "join -> file" },
}
