-- seeds_conntrack -- writes the first inputs of the harness `conntrack`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_conntrack.lua
local ct = require("support_conntrack")

local function step(what, much) return string.char(what + much * 4) end
local function frame(side, bytes) return step(side, 0) .. string.char(#bytes % 256, math.floor(#bytes / 256)) .. bytes end
local function inside(bytes) return frame(0, bytes) end
local function outside(bytes) return frame(1, bytes) end
local function silence(much) return step(2, much) .. "\0\0" end
local function reload(much) return step(3, much) .. "\0\0" end

local seeds = {}
for _, family in ipairs({ 4, 6 }) do
  local c = ct.connection({ family = family })
  local tagged = ct.connection({ family = family, tags = "\x88\xa8\0\1\x81\0\0\5" })
  local handshake = inside(c:tcp("inside", "S", 1000, 0, { options = ct.scale(7) }))
    .. outside(c:tcp("outside", "SA", 5000, 1001, { options = "\2\4\5\180" .. ct.scale(3) })) .. inside(c:tcp("inside", "A", 1001, 5001))
  seeds["tcp" .. family] = handshake .. inside(c:tcp("inside", "PA", 1001, 5001, { data = "GET" }))
    .. outside(c:tcp("outside", "PA", 5001, 1004, { data = "200" })) .. silence(10) .. inside(c:tcp("inside", "FA", 1004, 5004))
    .. outside(c:tcp("outside", "FA", 5004, 1005)) .. inside(c:tcp("inside", "A", 1005, 5005)) .. silence(20)
  seeds["reset" .. family] = handshake .. outside(c:tcp("outside", "R", 5500, 0)) .. outside(c:tcp("outside", "R", 5001, 0))
    .. inside(c:tcp("inside", "S", 1000, 0)) .. outside(c:tcp("outside", "RA", 0, 1001))
  seeds["midstream" .. family] = reload(1) .. inside(c:tcp("inside", "A", 1001, 5001)) .. outside(c:tcp("outside", "A", 5001, 1001))
  seeds["simultaneous" .. family] = inside(c:tcp("inside", "S", 1000, 0)) .. outside(c:tcp("outside", "S", 5000, 0))
    .. inside(c:tcp("inside", "SA", 1000, 5001)) .. outside(c:tcp("outside", "SA", 5000, 1001))
  seeds["udp" .. family] = inside(tagged:udp("inside")) .. outside(tagged:udp("outside")) .. reload(20) .. outside(tagged:udp("outside"))
    .. silence(16) .. reload(3) .. outside(tagged:udp("outside"))
  seeds["echo" .. family] = inside(c:echo("inside", false)) .. outside(c:echo("outside", true)) .. outside(c:echo("outside", false))
  seeds["error" .. family] = handshake .. outside(c:error("outside", c:tcp("inside", "A", 1001, 5001)))
    .. inside(c:error("inside", c:tcp("outside", "A", 5001, 1001))) .. inside(c:udp("inside"))
    .. outside(c:error("outside", c:udp("inside"), { quote = 100 }))
  local flood = {}
  for n = 1, 30 do flood[n] = inside(ct.connection({ family = family, host = n }):tcp("inside", "S", n, 0)) end
  seeds["flood" .. family] = handshake .. table.concat(flood) .. outside(c:tcp("outside", "A", 5001, 1001))
end
local four, six = ct.connection(), ct.connection({ family = 6 })
local start = ct.udp({ dport = 80, length = 3000 })
local function whole(text) return function () return text end end
seeds.fragments4 = inside(four:frame("inside", whole(start), 17, { id = 9, fragment = 8192 }))
  .. inside(four:frame("inside", whole("rest"), 17, { id = 9, fragment = 100 }))
seeds.fragments6 = inside(six:frame("inside", whole(start), 44, { extensions = "\17\0\0\1\0\0\0\9" }))
  .. inside(six:frame("inside", whole("rest"), 44, { extensions = "\17\0\0\80\0\0\0\9" }))
seeds.extensions = inside(six:frame("inside", ct.udp, 0, { extensions = "\60\0\1\4\0\0\0\0\51\0\1\4\0\0\0\0\17\2" .. ("\0"):rep(14) }))
seeds.neighbours = inside(ct.ip({ src = six.a, dst = six.b, protocol = 58, hop = 255, payload = ct.icmp(135, 0, ("\0"):rep(20)) }))
  .. outside(("\2"):rep(12) .. "\8\6" .. ("\0"):rep(28))
seeds.gre = inside(four:frame("inside", whole("gre"), 47)) .. outside(four:frame("outside", whole("gre"), 47))

for name, seed in pairs(seeds) do
  local file = assert(io.open("tests/fuzz/corpus/conntrack/" .. name, "wb"))
  file:write(seed)
  file:close()
end
