-- Each packet 10 to 60 ms later, in any order; repeatable by the seed.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    delay = { "basic.delay", time = "10ms", jitter = "50ms", order = false },
    write0 = { "pcap.writer", file = folder .. "/0.pcap", timestamp = "now" },
  },
  links = { "read -> delay -> write0" },
}
