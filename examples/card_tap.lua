-- card_tap -- a network card as an interface of this machine: the kernel reaches the wire through a tap.
--
--                 +------+                        +------+
--     wire  <===> | card |----------------------->| tap  | <===>  the kernel's network stack
--                 |      |<-----------------------|      |
--                 +------+                        +------+
--
--     sudo nf run examples/card_tap.lua -- 0000:05:00.0 nf0
--     sudo ip address add 192.0.2.1/24 dev nf0
--
-- The kernel leaves segmentation and checksums to the card's app, which does both in software.
local pci, name, app = ...

return {
  apps = {
    card = { app or "intel.ixgbe", pci = pci or "0000:05:00.0" },
    tap  = { "tap.tap", name = name or "nf0" },
  },
  links = { "card.output -> tap.input", "tap.output -> card.input" },
}
