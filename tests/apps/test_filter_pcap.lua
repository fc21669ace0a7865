-- filter.pcap: packets that match an expression, and the others.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

local hex = basic.hex
local ETHERNET = "020000000002 020000000001 "
local UDP = hex(ETHERNET .. "0800 4500001c 00010000 40110000 0a000001 0a000002 1000 0035 0008 0000")
local TCP = hex(ETHERNET .. "0800 45000028 00010000 40060000 0a000001 0a000002 1000 0050 00000000 00000000 50020000 00000000")
local ARP = hex(ETHERNET .. "0806 00010800 06040001 020000000001 0a000001 000000000000 0a000002")

TestFilter = {}

function TestFilter:setUp() support.memory(6000) end

function TestFilter:tearDown() nf.filter_compiles = true end

local function start(params, outputs)
  params[1] = "filter.pcap"
  return basic.start("filter.pcap", params, nil, outputs or { "output" })
end

function TestFilter:testWhatMatchesPasses()
  for _, native in ipairs({ true, false }) do
    local filter = start({ filter = "udp port 53", native = native })
    filter:give(0, UDP, TCP, UDP, ARP, "")
    filter:push()
    lu.assertEquals(filter:take(0), { UDP, UDP })
    lu.assertEquals(filter:reason("rejected"), 3)
    lu.assertEquals(filter:counter("matched"), 2)
    filter:finish()
  end
end

function TestFilter:testTheOthersGoToTheSecondOutput()
  local filter = start({ filter = "udp port 53" }, { "output", "rejected" })
  filter:give(0, TCP, UDP, ARP, TCP, UDP)
  filter:push()
  lu.assertEquals(filter:take(0), { UDP, UDP })
  lu.assertEquals(filter:take(1), { TCP, ARP, TCP })
  lu.assertEquals(filter:dropped(), 0)
  filter:finish()
end

function TestFilter:testInvert()
  for _, native in ipairs({ true, false }) do
    local filter = start({ filter = "udp port 53", invert = true, native = native }, { "output", "rejected" })
    filter:give(0, TCP, UDP, ARP)
    filter:push()
    lu.assertEquals(filter:take(0), { TCP, ARP })
    lu.assertEquals(filter:take(1), { UDP })
    lu.assertEquals(filter:counter("matched"), 1)
    filter:finish()
  end
end

-- Filters whose answer is the same for all frames.
function TestFilter:testAllOrNothing()
  for invert = 0, 1 do
    for rejected = 0, 1 do
      local filter = start({ filter = "", invert = invert == 1 }, rejected == 1 and { "output", "rejected" } or { "output" })
      filter:give(0, TCP, "", UDP)
      filter:push()
      lu.assertEquals(#filter:take(0), invert == 0 and 3 or 0)
      lu.assertEquals(#filter:take(1), (invert == 1 and rejected == 1) and 3 or 0)
      lu.assertEquals(filter:reason("rejected"), (invert == 1 and rejected == 0) and 3 or 0)
      lu.assertEquals(filter:counter("matched"), 3)
      filter:finish()
    end
  end
end

function TestFilter:testATagInTheMetadataCounts()
  local filter = start({ filter = "vlan 5 and udp port 53" }, { "output", "rejected" })
  for _, tag in ipairs({ 5, 6 }) do
    local p = support.packet(UDP)
    p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, tag
    nf.link_send(filter.app.input[0], p)
    filter.given = filter.given + 1
  end
  filter:push()
  lu.assertEquals(filter:take(0), { UDP:sub(1, 12) .. "\x81\0\0\5" .. UDP:sub(13) })
  lu.assertEquals(filter:take(1), { UDP:sub(1, 12) .. "\x81\0\0\6" .. UDP:sub(13) })
  filter:finish()
end

function TestFilter:testWithoutExecutableMemoryItIsInterpreted()
  nf.filter_compiles = false
  local filter
  local text = support.stderr(function() filter = start({ filter = "udp port 53" }) end)
  lu.assertStrContains(text, "app 'x': its filter is interpreted: its worker was started without apps that make native code; " ..
    "start nf anew, or with --compile")
  filter:give(0, TCP, UDP)
  filter:push()
  lu.assertEquals(filter:take(0), { UDP })
  filter:finish()
  text = support.stderr(function() filter = start({ filter = "udp port 53", native = false }) end)
  lu.assertEquals(text, "")
  filter:finish()
end

function TestFilter:testEmptyFullAndHostile()
  for _, expression in ipairs({ "", "ip", "not ip", "vlan 1 or ip[ip[0] & 15] = 0 or tcp[0] / tcp[1] = 1" }) do
    for _, native in ipairs({ true, false }) do
      basic.common("filter.pcap", { "filter.pcap", filter = expression, native = native }, nil, { "output" })
      basic.common("filter.pcap", { "filter.pcap", filter = expression, native = native }, nil, { "output", "rejected" })
    end
  end
end

function TestFilter:testMessages()
  lu.assertEquals(basic.messages("filter.pcap", {}), { "app 'x': key 'filter': is missing; accepted: a string" })
  lu.assertEquals(basic.messages("filter.pcap", { filter = "tcp prot 80" }),
    { "app 'x': key 'filter': can't parse filter expression: syntax error, at character 5: 'prot'" })
  lu.assertEquals(basic.messages("filter.pcap", { filter = "tcp and udp" }),
    { "app 'x': key 'filter': expression rejects all packets" })
  lu.assertEquals(basic.messages("filter.pcap", { filter = "ip6 protochain 6" }),
    { "app 'x': key 'filter': the expression takes a loop, which no filter may have: 'protochain' is not accepted" })
  lu.assertEquals(basic.messages("filter.pcap", { filter = ("ip or "):rep(100000) .. "ip" }),
    { "app 'x': key 'filter': the expression is too long: 600002 bytes, 65536 are accepted" })
  local hosts = {}
  for i = 1, 3000 do hosts[i] = ("host 10.%d.%d.1"):format(i / 256, i % 256) end
  local long = table.concat(hosts, " or ")
  -- Five seconds of the processor's time, on a busy machine thirty by the clock.
  lu.assertStrMatches(basic.messages("filter.pcap", { filter = long })[1], ("app 'x': key 'filter': .*libpcap has not compiled .*%d bytes.*")
    :format(#long))
end

-- What is compiled in another process is the same.
function TestFilter:testLongExpressions()
  local ports = {}
  for i = 1, 200 do ports[i] = "udp port " .. 1000 + i end
  for port, wanted in pairs({ [53] = 1, [54] = 0 }) do
    local filter = start({ filter = table.concat(ports, " or ") .. " or udp port " .. port })
    filter:give(0, UDP)
    filter:push()
    lu.assertEquals(#filter:take(0), wanted)
    filter:finish()
  end
  -- Where the mistake is takes time to find, and is not always told.
  lu.assertStrContains(basic.messages("filter.pcap", { filter = table.concat(ports, " or ") .. " prot 5" })[1],
    "app 'x': key 'filter': can't parse filter expression: syntax error")
end

os.exit(lu.LuaUnit.run())
