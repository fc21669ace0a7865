-- Each packet 250 ms later.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    delay = { "basic.delay", time = "250ms" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap", timestamp = "now" },
  },
  links = { "read -> delay -> write0" },
}
