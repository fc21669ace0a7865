-- classify -- a capture, sorted: names, web and pings each into a file of their own, without what comes from one host; the rest is
-- counted.
--
--                                               +------+
--                                      dns +--->| dns  |===> dns.pcap
--     +--------+   +--------+   +------+   |    +------+
--     | reader |-->| filter |-->| sort |---+--->| web  |===> web.pcap
--     +--------+   +--------+   +------+   |    +------+
--                                     ping +--->| ping |===> ping.pcap
--                                          |    +------+
--                                  default +--->| rest |
--                                               +------+
--
--     build/nf run --clock virtual examples/classify.lua
--
-- The first class that matches gets the packet. What nf makes of an expression: build/nf filter 'udp port 53'.
return {
  apps = {
    reader = { "pcap.reader", file = "demo.pcap" },
    filter = { "filter.pcap", filter = "not host 192.0.2.1" },
    sort   = { "filter.classify", classes = {
      { name = "dns",  filter = "udp port 53 or tcp port 53" },
      { name = "web",  filter = "tcp port 80 or tcp port 443" },
      { name = "ping", filter = "icmp or icmp6" },
    } },
    dns    = { "pcap.writer", file = "dns.pcap" },
    web    = { "pcap.writer", file = "web.pcap" },
    ping   = { "pcap.writer", file = "ping.pcap" },
    rest   = { "basic.sink" },
  },
  links = {
    "reader -> filter.input", "filter.output -> sort.input",
    "sort.dns -> dns", "sort.web -> web", "sort.ping -> ping", "sort.default -> rest",
  },
}
