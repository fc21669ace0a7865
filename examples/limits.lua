-- limits -- the same traffic, 20 Mbit/s, through a policer and through a shaper of 10 Mbit/s: one drops at once what is above the
-- rate, the other one delays it and drops only when its queue is full.
--
--                              +---------+    +---------+
--                          +-->| policer |--->| policed |===> policed.pcap
--     +--------+  +------+ |   +---------+    +---------+
--     | source |->| copy |-+
--     +--------+  +------+ |   +---------+    +---------+
--                          +-->| shaper  |--->| shaped  |===> shaped.pcap
--                              +---------+    +---------+
--
--     build/nf run --clock virtual examples/limits.lua
--
-- Ten seconds of traffic are through in a moment, as the clock is virtual. At the end the policer has dropped half of the packets as
-- "exceeded". The shaper has dropped fewer, as "queue-full": what its queue of 1,000 packets still held when the source ended has
-- passed, too. In shaped.pcap the packets stand with even gaps, in policed.pcap with those of the source and holes.
return {
  apps = {
    source  = { "basic.source", sizes = 1000, rate = "20M", number = 25000, ipv4 = {}, udp = {} },
    copy    = { "basic.tee" },
    policer = { "basic.policer", rate = "10M", burst = "15K" },
    shaper  = { "basic.shaper", rate = "10M", burst = 1500, queue = 1000 },
    policed = { "pcap.writer", file = "policed.pcap", timestamp = "now" },
    shaped  = { "pcap.writer", file = "shaped.pcap", timestamp = "now" },
  },
  links = {
    "source -> copy",
    "copy.a -> policer", "policer -> policed",
    "copy.b -> shaper", "shaper -> shaped",
  },
}
