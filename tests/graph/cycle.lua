-- A packet goes round until the sampler lets it out: the link that closes the cycle waits for the next breath.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    join = { "basic.join" }, sample = { "basic.sample", n = 2 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> join.a", "join -> sample.input", "sample.rejected -> join.back", "sample.output -> write0" },
}
