-- Both directions of a flow on the same output.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    split = { "basic.split", mode = "flow" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
    write1 = { "pcap.writer", file = folder .. "/1.pcap" },
  },
  links = { "read -> split.input", "split.a -> write0", "split.b -> write1" },
}
