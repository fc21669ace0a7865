-- Reader to writer: the capture comes out as it went in.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> write0" },
}
