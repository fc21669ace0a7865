-- A quarter is dropped by chance: the same quarter in each run with the same seed.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    drop = { "basic.drop", probability = 0.25 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> drop -> write0" },
}
