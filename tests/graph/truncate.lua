-- The first 60 bytes of each packet.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    cut = { "basic.truncate", length = 60 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> cut -> write0" },
}
