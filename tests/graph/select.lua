-- The Lua app that decides: UDP here, the rest there.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    select = { "lua.select", protocol = "udp" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
    write1 = { "pcap.writer", file = folder .. "/1.pcap" },
  },
  links = { "read -> select.input", "select.output -> write0", "select.rejected -> write1" },
}
