-- What exceeds 20 packets per second is dropped.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    policer = { "basic.policer", rate = "20pps", burst = 5 },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> policer -> write0" },
}
