-- Split and joined again: nothing lost, nothing twice.
local input, folder = ...

return {
  apps = {
    read = { "pcap.reader", file = input },
    split = { "basic.split" }, join = { "basic.join" },
    write0 = { "pcap.writer", file = folder .. "/0.pcap" },
  },
  links = { "read -> split.input", "split.a -> join.a", "split.b -> join.b", "join -> write0" },
}
