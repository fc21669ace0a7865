-- What becomes of fragments in the whole graph of an lwAFTR.
local lu = require("luaunit")
local w = require("support_lwaftr")
local c = require("support_lwaftr_check")
local cases = require("support_lwaftr_case")

local inward, outward, tunnel, tunnelled, ttl = w.inward, w.outward, w.tunnel, w.tunnelled, w.ttl
local case, sum, icmp, big = cases.case, cases.sum, cases.icmp, cases.big

TestFragments = {}

-- The whole datagram has the header of the fragment that came first, and no identification.
function TestFragments:testReassembly4()
  local p = big({ ttl = 20 })
  local f = c.cut4(p, 400)
  f[3] = ttl(f[3], 99)
  for _, order in ipairs({ { 1, 2, 3, 20 }, { 3, 2, 1, 99 }, { 2, 3, 1, 20 } }) do
    local whole = w.ipv4({ src = w.HOST, dst = w.WHOLE, ttl = order[4], id = 0, payload = p:sub(21) })
    local out = tunnelled(w.A, ttl(whole, order[4] - 1))
    case({ v4 = { f[order[1]], f[order[2]], f[order[3]] }, out6 = { out }, count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["in-ipv4-frag-reassembled"] = 1,
      ["in-ipv4"] = sum(whole), ["out-ipv6"] = sum(out), ["out-ipv6-frag-not"] = 1 } })
  end
end

-- Two datagrams and a whole packet mixed; each comes out when it is complete.
function TestFragments:testInterleaved4()
  local p, q, r = big({ id = 1 }), big({ id = 2, tos = 4 }), inward(w.WHOLE, 81)
  local f, g = c.cut4(p, 600, 1), c.cut4(q, 600, 2)
  local function whole(x) return w.ipv4({ src = w.HOST, dst = w.WHOLE, id = 0, tos = x:byte(2), payload = x:sub(21) }) end
  local outs = { tunnelled(w.A, ttl(r, 63)), tunnelled(w.A, ttl(whole(q), 63)), tunnelled(w.A, ttl(whole(p), 63)) }
  case({ v4 = { f[1], g[2], r, g[1], f[2] }, out6 = outs, count = { ["in-ipv4-frag-needs-reassembly"] = 4, ["in-ipv4-frag-reassembled"] = 2,
    ["in-ipv4-frag-reassembly-unneeded"] = 1, ["in-ipv4"] = sum(r, p, q), ["out-ipv6"] = sum(unpack(outs)), ["out-ipv6-frag-not"] = 3 } })
end

-- ICMP in fragments: checksum and port are those of the whole; what is too long for the tunnel is cut again.
function TestFragments:testIcmp4()
  local p = icmp(w.HOST, w.SHARED, w.reply(5200, ("i"):rep(1600)))
  local f = c.cut4(p, 800)
  local whole = w.ipv4({ src = w.HOST, dst = w.SHARED, protocol = 1, id = 0, payload = p:sub(21) })
  local out = tunnelled(w.C, ttl(whole, 63), w.BR2)
  case({ v4 = f, out6 = c.cut6(out, 1448), count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["in-ipv4-frag-reassembled"] = 1, ["in-ipv4"] = sum(whole),
    ["out-ipv6"] = sum(out), ["out-ipv6-frag"] = 2 } })
end

-- More fragments than allowed, and two that both end the datagram: it goes; what comes later begins anew.
function TestFragments:testGivenUp()
  local f = c.cut4(big(), 200)
  lu.assertEquals(#f, 6)
  case({ conf = { external = "reassembly { max-fragments-per-packet 3; }" }, v4 = f, count = { ["in-ipv4-frag-needs-reassembly"] = 6,
    ["drop-ipv4-frag-invalid-reassembly"] = 1 } })
  local twice = w.ipv4({ src = w.HOST, dst = w.WHOLE, offset = 400, payload = ("e"):rep(100) })
  case({ v4 = { f[1], f[6], twice }, count = { ["in-ipv4-frag-needs-reassembly"] = 3, ["drop-ipv4-frag-invalid-reassembly"] = 1 } })
  local q = tunnel(w.A, outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("x"):rep(900)) }))
  local g = c.cut6(q, 200)
  lu.assertEquals(#g, 5)
  case({ conf = { internal = "reassembly { max-fragments-per-packet 4; }" }, v6 = g, count = { ["in-ipv6-frag-needs-reassembly"] = 5,
    ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
  -- A piece that is no multiple of 8 and not the last one.
  local odd = c.cut6(q, 204)
  case({ v6 = { odd[1] }, count = { ["in-ipv6-frag-needs-reassembly"] = 1, ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
  case({ v6 = { g[2], odd[1], g[3] }, count = { ["in-ipv6-frag-needs-reassembly"] = 3, ["drop-ipv6-frag-invalid-reassembly"] = 1 } })
end

-- Too many datagrams at once: each further one costs one that waits.
function TestFragments:testEviction()
  local f = {}
  for i = 1, 14 do f[i] = c.cut4(big({ id = i }), 600, i)[1] end
  case({ conf = { external = "reassembly { max-packets 10; }" }, v4 = f, count = { ["in-ipv4-frag-needs-reassembly"] = 14,
    ["drop-ipv4-frag-random-evicted"] = 4 } })
end

-- IPv6: all 32 bits of the identification count; decapsulated, and cut on the other side.
function TestFragments:testReassembly6()
  local p = outward(w.WHOLE, 80, { payload = w.udp(80, 1, ("x"):rep(1400)) })
  local q = tunnel(w.A, p, w.BR, { class = 7, label = 9 })
  local f = c.cut6(q, 1000, 0xffffffff)
  local other = c.cut6(q, 1000, 0x7fffffff)
  for _, list in ipairs({ { f[1], f[2] }, { f[2], f[1] }, { other[1], f[1], f[2] } }) do
    case({ conf = { external = "mtu 1000;" }, v6 = list, out4 = c.cut4(p, 976, 0x4243), count = { ["in-ipv6-frag-needs-reassembly"] = #list,
      ["in-ipv6-frag-reassembled"] = 1, ["in-ipv6"] = sum(q), ["out-ipv4"] = sum(p), ["out-ipv4-frag"] = 2 } })
  end
end

os.exit(lu.LuaUnit.run())
