-- basic.split: one of several outputs, in turn or by flow.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

TestSplit = {}

function TestSplit:setUp()
  support.memory(6000)
  nf.random_seed = 1
end

local hex = basic.hex

-- An IPv4 or IPv6 frame with UDP ports; `tag`: bytes of VLAN tags.
local function ipv4(src, dst, sport, dport, tag, fragment)
  return hex("020000000002 020000000001") .. (tag or "") .. hex("0800 4500001c 0000") .. hex(fragment or "0000") .. hex("40110000")
    .. hex("0a0000") .. string.char(src) .. hex("0a0000") .. string.char(dst)
    .. hex(("%04x%04x"):format(sport, dport)) .. hex("00080000")
end

local function ipv6(src, dst, sport, dport, extension)
  local head = hex("020000000002 020000000001 86dd 60000000 0008") .. string.char(extension and 44 or 17) .. hex("40")
  local address = hex("20010db8 00000000 00000000 000000")
  return head .. address .. string.char(src) .. address .. string.char(dst)
    .. (extension or "") .. hex(("%04x%04x"):format(sport, dport)) .. hex("00080000")
end

-- Where a frame goes.
local function output_of(split, frame)
  split:give(0, frame)
  split:push()
  local at
  for i = 0, split.app.output_count - 1 do
    for _, bytes in ipairs(split:take(i)) do
      lu.assertNil(at)
      lu.assertEquals(bytes, frame)
      at = i
    end
  end
  lu.assertNotNil(at)
  return at
end

function TestSplit:testInTurn()
  local split = basic.start("basic.split", nil, nil, { "a", "b", "c" })
  split:give_many(0, 100)
  split:push()
  split:push()
  for i = 0, 2 do lu.assertEquals(split:take_numbers(i), basic.range(1 + i, 100, 3)) end
  split:finish()
end

-- Bursts of one packet continue where the last one stopped.
function TestSplit:testInTurnOneByOne()
  local split = basic.start("basic.split", { "basic.split", mode = "round-robin" }, nil, { "a", "b" })
  for i = 1, 7 do
    split:give_many(0, 1, 60, i)
    split:push()
  end
  lu.assertEquals(split:take_numbers(0), { 1, 3, 5, 7 })
  lu.assertEquals(split:take_numbers(1), { 2, 4, 6 })
  split:finish()
end

local outputs = { "a", "b", "c", "d" }
local tags = { "", hex("8100 0005"), hex("88a8 0007 8100 0005") }

function TestSplit:testBothDirectionsTagsAndFragmentsOfAFlowStayTogether()
  local split = basic.start("basic.split", { "basic.split", mode = "flow" }, nil, outputs)
  local used = {}
  for host = 1, 40 do
    local at = output_of(split, ipv4(host, 200, 1000, 53))
    used[at] = true
    for _, tag in ipairs(tags) do
      lu.assertEquals(output_of(split, ipv4(host, 200, 1000, 53, tag)), at)
      lu.assertEquals(output_of(split, ipv4(200, host, 53, 1000, tag)), at)
      lu.assertEquals(output_of(split, ipv4(host, 200, 0x2020, 0x2020, tag, "2000")), at, "first fragment")
      lu.assertEquals(output_of(split, ipv4(200, host, 0x1234, 0x5678, tag, "0010")), at, "last fragment")
    end
    local at6 = output_of(split, ipv6(host, 200, 1000, 53))
    lu.assertEquals(output_of(split, ipv6(200, host, 53, 1000)), at6)
    lu.assertEquals(output_of(split, ipv6(host, 200, 7, 8, hex("11000001 00000001"))), at6)
    lu.assertEquals(output_of(split, ipv6(host, 200, 9, 10, hex("11000008 00000001"))), at6)
  end
  lu.assertEquals(used, { [0] = true, true, true, true })
  split:finish()
end

function TestSplit:testPortsSpreadTheFlowsOfTwoHosts()
  local split = basic.start("basic.split", { "basic.split", mode = "ports" }, nil, outputs)
  local used = {}
  for port = 1, 60 do
    local at = output_of(split, ipv4(1, 2, port, 53))
    used[at] = true
    lu.assertEquals(output_of(split, ipv4(2, 1, 53, port, tags[3])), at)
    lu.assertEquals(output_of(split, ipv6(1, 2, port, 53)), output_of(split, ipv6(2, 1, 53, port)))
    lu.assertEquals(output_of(split, ipv4(3, 3, port, 53)), output_of(split, ipv4(3, 3, 53, port)), "the same host")
    -- Of fragments only the first has ports: all go by their addresses.
    lu.assertEquals(output_of(split, ipv4(1, 2, port, 53, "", "2000")), output_of(split, ipv4(2, 1, 7, port, "", "0010")))
  end
  lu.assertEquals(used, { [0] = true, true, true, true })
  split:finish()
end

function TestSplit:testOtherFramesGoByTheirEthernetAddresses()
  local split = basic.start("basic.split", { "basic.split", mode = "flow" }, nil, outputs)
  local used = {}
  for i = 1, 60 do
    local a, b = hex("0200000001") .. string.char(i), hex("020000000200")
    local at = output_of(split, a .. b .. hex("0806 0001"))
    used[at] = true
    lu.assertEquals(output_of(split, b .. a .. hex("0806 0002")), at)
  end
  lu.assertEquals(used, { [0] = true, true, true, true })
  split:finish()
end

-- The same seed chooses the same outputs, another one others.
function TestSplit:testSeedDecides()
  local function choice(seed)
    nf.random_seed = seed
    local split, list = basic.start("basic.split", { "basic.split", mode = "flow" }, nil, outputs), {}
    for host = 1, 40 do list[host] = output_of(split, ipv4(host, 200, 1, 1)) end
    split:finish()
    return list
  end
  lu.assertEquals(choice(5), choice(5))
  lu.assertNotEquals(choice(5), choice(6))
end

function TestSplit:testEmptyFullAndHostile()
  for _, mode in ipairs({ "round-robin", "flow", "ports" }) do
    basic.common("basic.split", { "basic.split", mode = mode }, nil, { "a", "b", "c" })
  end
end

function TestSplit:testMessages()
  lu.assertEquals(basic.messages("basic.split", { mode = "flows" }),
    { "app 'x': key 'mode': 'flows' is unknown, did you mean 'flow'? accepted: one of round-robin, flow, ports" })
end

os.exit(lu.LuaUnit.run(), true)
