-- filter.classify: each packet to the output of the first class that it matches.
local lu = require("luaunit")
local nf = require("nf.core")
local support = require("support")
local basic = require("support_basic")

local hex = basic.hex
local ETHERNET = "020000000002 020000000001 "
local DNS = hex(ETHERNET .. "0800 4500001c 00010000 40110000 0a000001 0a000002 1000 0035 0008 0000")
local NTP = hex(ETHERNET .. "0800 4500001c 00010000 40110000 0a000001 0a000002 1000 007b 0008 0000")
local TCP = hex(ETHERNET .. "0800 45000028 00010000 40060000 0a000001 0a000002 1000 0050 00000000 00000000 50020000 00000000")
local ARP = hex(ETHERNET .. "0806 00010800 06040001 020000000001 0a000001 000000000000 0a000002")

local CLASSES = { { name = "dns", filter = "udp port 53" }, { name = "udp", filter = "udp" }, { name = "web", filter = "tcp port 80" } }

TestClassify = {}

function TestClassify:setUp() support.memory(6000) end

function TestClassify:tearDown() nf.filter_compiles = true end

local function start(outputs, params)
  params = params or {}
  params[1], params.classes = "filter.classify", params.classes or CLASSES
  return basic.start("filter.classify", params, nil, outputs)
end

function TestClassify:testTheFirstMatchWins()
  for _, native in ipairs({ true, false }) do
    local classify = start({ "dns", "udp", "web", "default" }, { native = native })
    classify:give(0, DNS, TCP, NTP, ARP, DNS, "", NTP)
    classify:push()
    lu.assertEquals(classify:take(0), { DNS, DNS })
    lu.assertEquals(classify:take(1), { NTP, NTP })
    lu.assertEquals(classify:take(2), { TCP })
    lu.assertEquals(classify:take(3), { ARP, "" })
    classify:finish()
  end
end

-- The ports stand in the order of the links, not of the classes.
function TestClassify:testOutputsInAnyOrder()
  local classify = start({ "default", "web", "dns", "udp" })
  classify:give(0, DNS, TCP, NTP, ARP)
  classify:push()
  lu.assertEquals(classify:take(0), { ARP })
  lu.assertEquals(classify:take(1), { TCP })
  lu.assertEquals(classify:take(2), { DNS })
  lu.assertEquals(classify:take(3), { NTP })
  classify:finish()
end

function TestClassify:testWhatIsNotLinkedIsDropped()
  local classify = start({ "udp" })
  classify:give(0, DNS, TCP, NTP, ARP, DNS)
  classify:push()
  lu.assertEquals(classify:take(0), { NTP })
  lu.assertEquals(classify:reason("unlinked"), 3)
  lu.assertEquals(classify:reason("unmatched"), 1)
  classify:finish()
end

function TestClassify:testAReloadChangesTheClasses()
  local classify = start({ "dns", "udp", "web", "default" })
  classify:give(0, DNS, NTP)
  classify:push()
  classify:take(0)
  classify:take(1)
  local next_one = start({ "dns", "udp", "web", "default" }, { classes = { CLASSES[2], CLASSES[1], { name = "web", filter = "arp" } } })
  next_one:give(0, DNS, NTP, ARP, TCP)
  next_one:push()
  lu.assertEquals(next_one:take(0), {})
  lu.assertEquals(next_one:take(1), { DNS, NTP })
  lu.assertEquals(next_one:take(2), { ARP })
  lu.assertEquals(next_one:take(3), { TCP })
  support.finish(classify.app)
  next_one:finish()
end

function TestClassify:testATagInTheMetadataCounts()
  local classify = start({ "five", "default" }, { classes = { { name = "five", filter = "vlan 5" } } })
  for _, tag in ipairs({ 5, 6 }) do
    local p = support.packet(DNS)
    p.meta.flags, p.meta.vlan = nf.PACKET_VLAN, tag
    nf.link_send(classify.app.input[0], p)
    classify.given = classify.given + 1
  end
  classify:push()
  lu.assertEquals(#classify:take(0), 1)
  lu.assertEquals(#classify:take(1), 1)
  classify:finish()
end

-- As many classes as there may be: by the last byte of the destination.
function TestClassify:testManyClasses()
  local classes, outputs = {}, { "default" }
  for i = 1, 255 do
    classes[i] = { name = "c" .. i, filter = "ether[5] = " .. i }
    outputs[i + 1] = "c" .. i
  end
  for _, native in ipairs({ true, false }) do
    local classify = start(outputs, { classes = classes, native = native })
    for i = 0, 255 do classify:give(0, ("\0"):rep(5) .. string.char(i) .. ("\0"):rep(50)) end
    classify:push_all()
    for i = 0, 255 do lu.assertEquals(classify:take(i), { ("\0"):rep(5) .. string.char(i) .. ("\0"):rep(50) }) end
    classify:finish()
  end
end

function TestClassify:testEmptyFullAndHostile()
  for _, native in ipairs({ true, false }) do
    basic.common("filter.classify", { "filter.classify", classes = CLASSES, native = native }, nil, { "dns", "udp", "default" })
    basic.common("filter.classify", { "filter.classify", classes = { { name = "all", filter = "" } } }, nil, { "all" })
  end
end

function TestClassify:testMessages()
  local function messages(classes) return basic.messages("filter.classify", { classes = classes }) end
  lu.assertEquals(messages({ { name = "a b", filter = "ip" }, { name = "default", filter = "ip" }, { name = "x", filter = "tcp prot" },
    { name = "x", filter = "arp" } }), {
    "app 'x': key 'classes[1].name': 'a b' is no name of an output; accepted: 1..31 letters, digits, _ and -",
    "app 'x': key 'classes[2].name': 'default' is the output of packets of no class",
    "app 'x': key 'classes[3].filter': can't parse filter expression: syntax error, at character 5: 'prot'",
    "app 'x': key 'classes[4].name': 'x' is a class already",
    "app 'x': has no output 'output': it is no class",
  })
  lu.assertStrContains(messages({})[1], "app 'x': key 'classes': ")
  lu.assertStrContains(messages({ { name = "a" } })[1], "app 'x': key 'classes[1].filter': is missing")
  lu.assertStrContains(basic.messages("filter.classify", {})[1], "app 'x': key 'classes': is missing")
end

os.exit(lu.LuaUnit.run())
