-- b4 -- a home router of lightweight 4over6: clients with private addresses share the ports that the provider gave.
--
--     lan ==> whole4 ==> echo4 <=> arp <==> b4 <==> ndp <=> echo6 <== whole6 <== wan
--      ^                   |                ^ |               |                   ^
--      +------ cut4 <------+       whole <--+-+               +-------------------+
--
-- `b4` translates and tunnels. Around it: fragments are put together before it (whole4, whole6, and whole for what was cut before it
-- went into the tunnel), packets too long for the clients are cut behind it (cut4). What these apps tell a sender goes to the joins,
-- to one in the internet through b4. arp and ndp answer for the router's addresses, and ndp finds the next hop.
--
-- Two interfaces of this machine, without addresses; examples/lwaftr.sh runs two of these with an lwAFTR, a provider's network and
-- hosts in namespaces of their own:
--
--     sudo build/nf run examples/b4.lua -- tap lan wan
--
-- The arguments behind the interfaces, each with its default: the PSID (4, of 6 bits), the address of this end (2001:db8:b4::b), the
-- next hop (2001:db8:b4::1), the namespaces of the two interfaces.
local kind, lan, wan, psid, address, hop, lan_namespace, wan_namespace = ...

local function port(name, namespace)
  if kind == "raw" then return { "socket.raw", interface = name, namespace = namespace, gso = false } end
  return { "tap.tap", name = name, namespace = namespace, gso = false }
end

local ROUTER, MAC = "192.168.1.1", "02:00:00:00:00:01"
address = address or "2001:db8:b4::b"

return {
  apps = {
    lan    = port(lan or "lan", lan_namespace),
    wan    = port(wan or "wan", wan_namespace),
    whole4 = { "ip.reassemble4", error_source = ROUTER },
    echo4  = { "ip.echo4", ip = ROUTER },
    arp    = { "ip.arp", ip = ROUTER, mac = MAC },
    cut4   = { "ip.fragment4", mtu = 1500, error_source = ROUTER },
    b4     = { "lwaftr.b4", ipv4 = "198.51.100.2", psid = tonumber(psid or 4), psid_length = 6, b4 = address, br = "2001:db8:af::1",
               ip = ROUTER, mac = MAC, mtu = 1500 },
    whole  = { "ip.reassemble4" },
    ndp    = { "ip.ndp", ip = address, next_hop = hop or "2001:db8:b4::1", mac = "02:00:00:00:00:02" },
    echo6  = { "ip.echo6", ip = address },
    whole6 = { "ip.reassemble6", error_source = address },
    inside = { "basic.join" }, to_lan = { "basic.join" }, to_wan = { "basic.join" },
  },
  links = {
    "lan.output -> whole4.input", "whole4.output -> echo4.wire", "echo4.inside -> arp.wire", "arp.inside -> inside.clients",
    "inside.output -> b4.inside", "b4.tunnel -> ndp.inside", "ndp.wire -> echo6.inside", "echo6.wire -> to_wan.packets",
    "to_wan.output -> wan.input",

    "wan.output -> whole6.input", "whole6.output -> echo6.wire", "echo6.inside -> ndp.wire", "ndp.inside -> b4.tunnel",
    "b4.inside -> arp.inside", "arp.wire -> echo4.inside", "echo4.wire -> cut4.input", "cut4.output -> to_lan.packets",
    "to_lan.output -> lan.input",

    "b4.fragments -> whole.input", "whole.output -> b4.fragments",
    "whole4.errors -> to_lan.told", "whole6.errors -> to_wan.told", "cut4.errors -> inside.told",
  },
}
