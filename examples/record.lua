-- record -- keep the latest traffic of an interface in a ring of capture files, without the payload.
--
--               +-----------+    +------+
--     eth0 ===> | interface |--->| ring | ===> record.1.pcap, record.2.pcap, ...
--               +-----------+    +------+
--
--     sudo build/nf run --idle wait examples/record.lua -- eth0
--     sudo build/nf stop record
--
-- The first 96 bytes of each frame are kept, in ten files of 100 MiB; behind the tenth the first is written anew. What the kernel
-- could not hand over in time is told at the end as lost outside of nf. An interface of a network namespace: ... -- veth0 blue
local interface, namespace = ...

return {
  apps = {
    interface = { "socket.raw", interface = interface or "eth0", namespace = namespace },
    ring      = { "pcap.writer", file = "record.pcap", files = 10, size = "100M", snaplen = 96 },
  },
  links = { "interface.output -> ring.input" },
}
