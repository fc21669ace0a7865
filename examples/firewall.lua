-- firewall -- what the inside asks for is answered, and nothing else comes in; what passes is recorded.
--
--              +--------+   +--------------------------------+   +--------+
--     lan ===> | policy |-->| inside   connections   outside |-->| sent   |-----------> wan
--              +--------+   |                                |   +--------+
--              +--------+   |                                |       | copies
--     lan <--- | back   |<--| inside                 outside |<======|============ wan
--              +--------+   +--------------------------------+       v
--                   | copies                                      +-----+    +---------+
--                   +-------------------------------------------->| all |--->| capture |
--                                                                 +-----+    +---------+
--
-- `policy` says what the inside may ask for at all (a pcap-filter expression), `connections` knows which packets belong together.
-- It is a bridge: both sides are one network, and no host sees it. Two interfaces of this machine, without addresses:
--
--     sudo build/nf run examples/firewall.lua -- eth1 eth2
--
-- The arguments behind the interfaces, each with its default: the port's class (socket.raw; or xdp.xdp, which is faster, after
-- ethtool -K INTERFACE tx off tso off gso off txvlan off on local peers), the capture file (firewall.pcap), and the network namespace
-- of the interfaces (that of nf). examples/firewall.sh tries all of it in namespaces of its own: ping, iperf3, a port scan.
--
-- A recorder that is too slow for the traffic holds it up, as nothing is lost within nf: hence only the first 128 bytes of each frame.
local lan, wan, class, capture, namespace = ...

local function port(interface) return { class or "socket.raw", interface = interface, namespace = namespace } end

return {
  apps = {
    lan         = port(lan or "eth1"),
    wan         = port(wan or "eth2"),
    policy      = { "filter.pcap", filter = "not tcp port 25 and not udp port 69" },
    connections = { "filter.conntrack", flows = 65536, timeouts = { tcp = "3h", udp = "3min" } },
    sent        = { "basic.tee" },
    back        = { "basic.tee" },
    all         = { "basic.join" },
    capture     = { "pcap.writer", file = capture or "firewall.pcap", snaplen = 128 },
  },
  links = {
    "lan.output -> policy.input", "policy.output -> connections.inside", "connections.outside -> sent.input",
    "sent.copy -> all.sent", "sent.packet -> wan.input",
    "wan.output -> connections.outside", "connections.inside -> back.input",
    "back.copy -> all.back", "back.packet -> lan.input",
    "all.output -> capture.input",
  },
}
