-- One packet to each output in turn.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    split = { "basic.split" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
    write1 = { "pcap.writer", file = folder .. "/1.pcap" },
    write2 = { "pcap.writer", file = folder .. "/2.pcap" },
  },
  links = { "read -> split.input", "split.a -> write0", "split.b -> write1", "split.c -> write2" },
}
