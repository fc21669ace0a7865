-- Every fifth packet here, the others there.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    sample = { "basic.sample", n = 5 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
    write1 = { "pcap.writer", file = folder .. "/1.pcap" },
  },
  links = { "read -> sample.input", "sample.output -> write0", "sample.rejected -> write1" },
}
