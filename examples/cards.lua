-- cards -- two ports of network cards, wired through: what comes in at one goes out at the other, in both directions.
--
--                  +-------+                        +-------+
--     FIRST  <===> | left  |----------------------->| right | <===>  SECOND
--                  |       |<-----------------------|       |
--                  +-------+                        +-------+
--
--     sudo nf run examples/cards.lua -- 0000:05:00.0 0000:06:00.0
--     sudo nf run examples/cards.lua -- 0000:05:00.0 0000:06:00.0 intel.igb
--
-- `nf pci` lists the cards and which app drives them. Without a card: sudo nf nicsim --wire generator --traffic count=1000 --stop -- nf run
-- examples/cards.lua
local first, second, app = ...

return {
  apps = {
    left  = { app or "intel.ixgbe", pci = first or "0000:05:00.0", wait_for_link = "10s" },
    right = { app or "intel.ixgbe", pci = second or "0000:06:00.0", wait_for_link = "10s" },
  },
  links = { "left.output -> right.input", "right.output -> left.input" },
}
