-- What exceeds 100 packets per second waits.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    shaper = { "basic.shaper", rate = "100pps", burst = 1 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap", timestamp = "now" },
  },
  links = { "read -> shaper -> write0" },
}
