-- fragments -- IPv6 packets of 1,400 bytes over a VLAN whose MTU is 1,280: cut and tagged, untagged and put together.
--
--     +--------+   +-----+   +-----+   +------+   +------+
--     | source |-->| cut |-->| tag |-->| copy |-->| wire |===> fragments.pcap
--     +--------+   +-----+   +-----+   +------+   +------+
--                                         |       +-------+   +------+   +-------+
--                                         +------>| untag |-->| join |-->| whole |
--                                                 +-------+   +------+   +-------+
--
--     build/nf run --clock virtual examples/fragments.lua
--     tcpdump -enr examples/fragments.pcap -c 2
--
-- Each of the 1,000 packets becomes two fragments, each pair a packet again. In a network `wire` would be an interface,
-- and what stands behind it the way in at the other end.

return {
  apps = {
    source = { "basic.source", number = 1000, rate = "10Kpps", sizes = 1414, ipv6 = { src_count = 50 }, udp = {} },
    cut    = { "ip.fragment6", mtu = 1280 },
    tag    = { "vlan.tag", vlan = 7 },
    copy   = { "basic.tee" },
    wire   = { "pcap.writer", file = "fragments.pcap" },
    untag  = { "vlan.untag", vlan = 7 },
    join   = { "ip.reassemble6" },
    whole  = { "basic.sink" },
  },
  links = {
    "source -> cut.input", "cut.output -> tag -> copy.input", "copy.a -> wire",
    "copy.b -> untag.input", "untag.output -> join.input", "join.output -> whole",
  },
}
