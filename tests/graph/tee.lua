-- Every packet on three outputs, in order on each.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    tee = { "basic.tee" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
    write1 = { "pcap.writer", file = folder .. "/1.pcap" },
    write2 = { "pcap.writer", file = folder .. "/2.pcap" },
  },
  links = { "read -> tee.input", "tee.a -> write0", "tee.b -> write1", "tee.c -> write2" },
}
