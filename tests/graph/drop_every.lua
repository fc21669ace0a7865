-- Every third packet is dropped.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    drop = { "basic.drop", every = 3 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> drop -> write0" },
}
