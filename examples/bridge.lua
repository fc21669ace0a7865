-- bridge -- two network namespaces, joined by a tap interface in each.
--
--       namespace left              nf               namespace right
--     +----------------+    +-----------------+     +----------------+
--     | nf0  10.0.0.1  |<-->| left <--> right |<--->| nf0  10.0.0.2  |
--     +----------------+    +-----------------+     +----------------+
--
-- It needs root, for the namespaces and the taps, but no network card:
--
--     sudo ip netns add left
--     sudo ip netns add right
--     sudo build/nf run examples/bridge.lua
--
-- and in another terminal:
--
--     sudo ip -n left address add 10.0.0.1/24 dev nf0
--     sudo ip -n right address add 10.0.0.2/24 dev nf0
--     sudo ip netns exec left ping -c 3 10.0.0.2
--     sudo build/nf stats bridge
--     sudo build/nf stop bridge
--     sudo ip netns delete left
--     sudo ip netns delete right
--
-- Other names of namespaces stand behind --:   nf run examples/bridge.lua -- blue green
--
-- What one kernel leaves to be done later (checksums, cutting TCP into segments) travels with the packets to the other one, so
-- iperf3 works between the two with all offloads as the kernel sets them.
local left, right = ...

return {
  apps = {
    left  = { "tap.tap", name = "nf0", namespace = left or "left" },
    right = { "tap.tap", name = "nf0", namespace = right or "right" },
  },
  links = { "left.output -> right.input", "right.output -> left.input" },
}
