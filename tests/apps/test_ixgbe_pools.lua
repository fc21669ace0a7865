-- Pools (parameter vmdq) of intel.ixgbe and intel.igb on simulated cards that judge it. Needs root and huge pages.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local card = require("support_card")
local capture = require("support_capture")
local pci = require("support_pci")

ffi.cdef("int kill(int pid, int signal);")

local A, B, C, OTHER, GROUP, ALL = "\2\0\0\0\0\17", "\2\0\0\0\0\18", "\2\0\0\0\0\19", "\2\0\0\0\0\99", "\1\0\94\0\0\1", ("\255"):rep(6)

local function u16(n) return string.char(math.floor(n / 256), n % 256) end

-- A frame of 80 bytes that tells itself.
local function frame(to, vlan, name)
  local bytes = to .. "\2\0\0\0\1\1" .. (vlan and "\129\0" .. u16(vlan) or "") .. "\136\181" .. name
  return bytes .. ("\0"):rep(78 - #bytes)
end

-- Polled cards see late that a pool is there, so the frames are sent again and again, with the round's number at their end, for
-- longer than the test lasts; what counts is a round that all pools saw to its end.
local ROUNDS = 100

local function write_rounds(name, frames)
  local packets = {}
  for round = 1, ROUNDS do
    for _, data in ipairs(frames) do packets[#packets + 1] = { data = data .. u16(round) } end
  end
  support.write(card.folder .. "/" .. name, capture.pcap(packets))
  return card.folder .. "/" .. name
end

-- What a pool wrote: the names in its frames by round; and the last round.
local function rounds_of(app)
  local rounds, last = {}, 0
  for _, packet in ipairs(capture.read(support.read(card.folder .. "/" .. app .. ".pcap"))) do
    local data = packet.data
    local high, low = data:byte(-2, -1)
    last = high * 256 + low
    rounds[last] = rounds[last] or {}
    table.insert(rounds[last], data:sub(data:sub(13, 14) == "\129\0" and 19 or 15):match("^[%w-]*"))
  end
  return rounds, last
end

-- One card sends these frames to another, whose pools are apps: a table of name = parameters; for some seconds.
-- Gives what each pool got, rounds by app, the last round that all have got to the end of, and what was said.
local function send_rounds(class, pools, frames, options, seconds)
  local apps, links = { ('tx = { "%s", pci = "06:00.0", wait_for_link = "5s" }, file = { "pcap.reader", file = "%s", rate = "%dpps" }'):format(class,
    write_rounds("in.pcap", frames), 700 / seconds) }, { '"file -> tx"' }
  for name, parameters in pairs(pools) do
    apps[#apps + 1] = ('%s = { "%s", pci = "05:00.0", %s }, to_%s = { "pcap.writer", file = "%s/%s.pcap" }'):format(name, class, parameters,
      name, card.folder, name)
    links[#links + 1] = ('"%s -> to_%s"'):format(name, name)
  end
  local graph = card.graph(("return { apps = { %s }, links = { %s } }"):format(table.concat(apps, ", "), table.concat(links, ", ")))
  local text, code = card.run("--strict --wire joined " .. (options or ""), graph, ("--duration %ds"):format(seconds))
  if card.mode == "" then
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "nicsim: no violation\n")
  end
  lu.assertStrContains(text, "it balances")
  local all, whole = {}, ROUNDS
  for name in pairs(pools) do
    local last
    all[name], last = rounds_of(name)
    whole = math.min(whole, last - 1)
  end
  return all, whole, text
end

-- Gives the names of the frames that each pool got of one round, sorted. A machine that has much to do gets more time.
local function sort_out(class, pools, frames, options)
  local all, whole, text
  for _, seconds in ipairs({ 1, 5, 20 }) do
    all, whole, text = send_rounds(class, pools, frames, options, seconds)
    if whole > 0 then break end
  end
  lu.assertTrue(whole > 0, text)
  local got = {}
  for name, rounds in pairs(all) do
    local list = rounds[whole] or {}
    table.sort(list)
    got[name] = table.concat(list, " ")
  end
  return got
end

local MIXED = {
  frame(A, nil, "a"), frame(B, nil, "b"), frame(OTHER, nil, "other"), frame(ALL, nil, "all"), frame(GROUP, nil, "group"),
  frame(A, 5, "a-5"), frame(B, 5, "b-5"), frame(C, 5, "c-5"), frame(OTHER, 5, "other-5"), frame(ALL, 5, "all-5"), frame(C, 7, "c-7"), frame(A, 7, "a-7"),
}

TestPools = {}

function TestPools:setUp() card.need() end

local CLASSES = { { "intel.ixgbe", "" }, { "intel.igb", "--cards 82576,82576" }, { "intel.igb", "--cards i350,i350" } }

function TestPools:testFramesAreSortedByAddressAndVlan()
  for _, kind in ipairs(CLASSES) do
    local got = sort_out(kind[1], {
      a = 'vmdq = { pool = 0, mac = "02:00:00:00:00:11" }',
      b = 'vmdq = { pool = 3, mac = "02:00:00:00:00:12", vlan = { 0, 5 } }',
      c = 'vmdq = { pool = 7, mac = "02:00:00:00:00:13", vlan = 5 }' }, MIXED, kind[2])
    lu.assertEquals(got.a, "a all group", kind[1])
    lu.assertEquals(got.b, "all all-5 b b-5 group", kind[1])
    lu.assertEquals(got.c, "all-5 c-5", kind[1])
  end
end

-- The same address in two VLANs, tags taken out; and pools of the upper half.
function TestPools:testVlansTellPoolsWithOneAddressApart()
  for _, kind in ipairs(CLASSES) do
    local high = kind[1] == "intel.ixgbe" and 63 or 6
    local got = sort_out(kind[1], {
      a = ('vlan = true, vmdq = { pool = %d, mac = "02:00:00:00:00:13", vlan = 5 }'):format(high),
      b = 'vlan = true, vmdq = { pool = 1, mac = "02:00:00:00:00:13", vlan = 7 }' }, MIXED, kind[2])
    lu.assertEquals(got.a, "all-5 c-5", kind[1])
    lu.assertEquals(got.b, "c-7", kind[1])
  end
end

function TestPools:testAPromiscuousPoolGetsWhatNobodyTakes()
  for _, kind in ipairs(CLASSES) do
    local got = sort_out(kind[1], {
      a = 'vmdq = { pool = 2, mac = "02:00:00:00:00:11" }',
      rest = 'promiscuous = true, vmdq = { pool = 5, mac = "02:00:00:00:00:14", vlan = { 0, 7 } }' }, MIXED, kind[2])
    lu.assertEquals(got.a, "a all group", kind[1])
    -- The gigabit cards' default pool is for frames to single stations.
    lu.assertEquals(got.rest, kind[1] == "intel.igb" and "a-5 a-7 all b b-5 c-5 c-7 group other other-5" or
      "a-5 a-7 all all-5 b b-5 c-5 c-7 group other other-5", kind[1])
  end
end

-- What pools get that mirror: pool 0 has "a all group", pool 1 "all all-5 b b-5 group".
local function mirrored(kind, mirrors)
  local pools = {
    a = 'vmdq = { pool = 0, mac = "02:00:00:00:00:11" }',
    b = 'vmdq = { pool = 1, mac = "02:00:00:00:00:12", vlan = { 0, 5 } }' }
  for i, mirror in ipairs(mirrors) do
    pools["m" .. i] = ('vmdq = { pool = %d, mac = "02:00:00:00:00:2%d", vlan = 100, mirror = { %s } }'):format(3 + i, i, mirror)
  end
  local got = sort_out(kind[1], pools, MIXED, kind[2])
  lu.assertEquals(got.a, "a all group", kind[1])
  lu.assertEquals(got.b, "all all-5 b b-5 group", kind[1])
  return got
end

function TestPools:testMirrors()
  for _, kind in ipairs(CLASSES) do
    local got = mirrored(kind, { "vlan = { 5, 7 }", "pools = 0", "wire = true" })
    lu.assertEquals(got.m1, "a-5 a-7 all-5 b-5 c-5 c-7 other-5", kind[1])
    lu.assertEquals(got.m2, "a all group", kind[1])
    -- The X550's datasheet says (7.8.3.3.1) that what comes to no pool is not mirrored; whether all cards do so is not known.
    local wire = " " .. got.m3 .. " "
    for name in ("a all all-5 b b-5 group"):gmatch("%S+") do lu.assertStrContains(wire, " " .. name .. " ", false, kind[1]) end
    lu.assertEquals(mirrored(kind, { 'pools = "all"' }).m1, "a all all-5 b b-5 group", kind[1])
  end
end

-- RSS within a pool, whose queues are in two workers; a pool beside it.
function TestPools:testQueuesOfAPoolInTwoWorkers()
  for _, kind in ipairs({ CLASSES[1], CLASSES[2] }) do
    local function worker(queue)
      return ([[w%d = { apps = { a = { "%s", pci = "05:00.0", queue = %d, rss = "ip+tcp+udp", wait_for_link = "5s",
        vmdq = { pool = 2, queues = 2, mac = "02:00:00:00:00:11" } },
        b = { "%s", pci = "05:00.0", queue = %d, rss = "ip+tcp+udp",
        vmdq = { pool = 5, queues = 2, mac = "02:00:00:00:00:12" } }, s = { "basic.sink" } },
        links = { "a.output -> a.input", "b -> s" } }]]):format(queue, kind[1], queue, kind[1], queue)
    end
    local text, code = card.run(("--strict --stop --wire generator --all-back --traffic count=30000,flows=64,dst=02:00:00:00:00:11 --cards %s"):format(
      kind[1] == "intel.igb" and "82576" or "82599"), card.graph("return { workers = { " .. worker(0) .. ", " .. worker(1) .. " } }"), "--duration 20s")
    if card.mode == "" then lu.assertEquals(code, 0, text) end
    -- Flows change their queue when the second worker comes: then frames may overtake each other.
    lu.assertStrMatches(text, ".*duplicated 0, reordered %d+, corrupted 0.*")
    for received in text:gmatch("\n +a +%d+ +(%d+)") do
      lu.assertTrue(tonumber(received) >= (card.mode == "" and 100 or 0), text)
    end
    lu.assertEquals(select(2, text:gsub("\n +b +0 +0 ", "")), 2, text)
  end
end

function TestPools:testFourQueuesOfAPoolAndTheLastPool()
  local apps, links = {}, {}
  for q = 0, 3 do
    apps[#apps + 1] = ([[a%d = { "intel.ixgbe", pci = "05:00.0", queue = %d, rss = "ip+tcp+udp",
      vmdq = { pool = 31, queues = 4, mac = "02:00:00:00:00:11" } }]]):format(q, q)
    links[#links + 1] = ('"a%d.output -> a%d.input"'):format(q, q)
  end
  local text, code = card.run("--strict --stop --wire generator --all-back --cards 82599 --traffic count=20000,flows=64,dst=02:00:00:00:00:11",
    card.graph(("return { apps = { %s }, links = { %s } }"):format(table.concat(apps, ", "), table.concat(links, ", "))), "--duration 20s")
  if card.mode == "" then lu.assertEquals(code, 0, text) end
  for q = 0, 3 do lu.assertTrue(tonumber(text:match("\n +a" .. q .. " +%d+ +(%d+)")) > (card.mode == "" and 100 or 0), text) end
end

-- Addresses, VLANs, mirrors and the promiscuous pool change while the queues run; what does not change loses nothing.
function TestPools:testPoolsChangeInPlace()
  for _, kind in ipairs({ { "intel.ixgbe", "82599" }, { "intel.igb", "82576" } }) do
    local name = card.name("pools")
    local function graph(parameters)
      return card.graph(([[return { apps = { a = { "%s", pci = "05:00.0", wait_for_link = "5s", vmdq = { pool = 1, mac = "02:00:00:00:00:11" } },
        b = { "%s", pci = "05:00.0", %s } , s = { "basic.sink" } }, links = { "a.output -> a.input", "b -> s" } }]]):format(kind[1], kind[1],
        parameters))
    end
    card.start("--strict --cards " .. kind[2] .. " --wire generator --traffic rate=500,dst=02:00:00:00:00:11")
    card.nf(name, graph('vmdq = { pool = 2, mac = "02:00:00:00:00:12" }'))
    local function figures() return card.tell("report"):match("sent (%d+), back (%d+)") end
    card.wait("traffic", function() return tonumber(select(2, figures())) > 100 end)
    local function missing()
      local sent, back = figures()
      return sent - back
    end
    local lost = 1000000
    for _ = 1, 20 do lost = math.min(lost, missing()) end
    for _, parameters in ipairs({ 'vmdq = { pool = 2, mac = "02:00:00:00:00:13", vlan = { 5, 6 } }',
      'vmdq = { pool = 2, vlan = 6, mirror = { pools = 1 } }', 'promiscuous = true, vmdq = { pool = 2, vlan = 7 }',
      'rate_limit = "100M", vmdq = { pool = 2, vlan = 8, mirror = { vlan = 9 } }', 'vmdq = { pool = 3, mac = "02:00:00:00:00:13" }',
      'vmdq = { pool = 2, mac = "02:00:00:00:00:12" }' }) do
      local text, code = support.run(("'%s' reload %s %s"):format(support.nf, name, graph(parameters)))
      lu.assertEquals(code, 0, text)
      lu.assertStrContains(text, "packets lost   0")
      if parameters:find("rate_limit") and card.mode == "" then
        local scheduler, speed = kind[1] == "intel.igb" and 0x36b0 or 0x4984, kind[1] == "intel.igb" and 1000 or 10000
        lu.assertEquals(card.peek(0, scheduler), 0x80000000 + speed / 100 * 16384)
      end
      if parameters:find("pools = 1") then
        card.wait("copies", function() return (tonumber((card.stats(name, "b"):match('"received": (%d+)'))) or 0) > 20 end)
      end
    end
    card.wait("the last frame", function() return missing() <= lost end)
    local text, code = support.run(("'%s' reload %s %s"):format(support.nf, name,
      card.graph(([[return { apps = { a = { "%s", pci = "05:00.0" }, s = { "basic.sink" } }, links = { "a -> s" } }]]):format(kind[1]))))
    lu.assertEquals(code, 1, text)
    lu.assertStrContains(text, "app 'a': key 'vmdq': card 0000:05:00.0 runs with another value, which cannot change while it runs: stop nf")
    card.wait("the last frame", function() return missing() <= lost end)
    text, code = support.run(("'%s' stop %s"):format(support.nf, name))
    lu.assertEquals(code, 0, text)
    local said = card.stop()
    if card.mode == "" then lu.assertStrContains(said, "nicsim: no violation\n") end
  end
end

-- A worker that is killed gets its pools again.
function TestPools:testAKilledWorkerGetsItsPoolsAgain()
  local name = card.name("pools")
  card.start("--strict --cards 82599 --wire generator --traffic rate=500,dst=02:00:00:00:00:11,vlan=5")
  local pid = card.nf(name, card.graph([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0", vmdq = { pool = 40,
    mac = "02:00:00:00:00:11", vlan = 5 } } }, links = { "a.output -> a.input" } }]]))
  local function back() return tonumber(card.tell("report"):match("back (%d+)")) end
  card.wait("traffic", function() return back() > 100 end)
  ffi.C.kill(tonumber(support.read(("/proc/%d/task/%d/children"):format(pid, pid)):match("%d+")), 9)
  card.wait("the next worker", function() return card.said(name):find("is back after", 1, true) end)
  local before = back()
  card.wait("traffic", function() return back() > before + 100 end)
  lu.assertEquals(select(2, support.run(("'%s' stop %s"):format(support.nf, name))), 0)
  local said = card.stop()
  if card.mode == "" then lu.assertStrContains(said, "nicsim: no violation\n") end
end

function TestPools:testMistakesAreTold()
  local function told(one, two, ...)
    local text, code = support.run(("'%s' check '%s'"):format(support.nf, card.graph(([[return { apps = { a = { "intel.ixgbe", pci = "05:00.0", %s },
      b = { "intel.ixgbe", pci = "05:00.0", %s } }, links = { "a.output -> b.input", "b.output -> a.input" } }]]):format(one, two))))
    lu.assertEquals(code, 1, text)
    for _, message in ipairs({ ... }) do lu.assertStrContains(text, message) end
  end
  local plain = "vmdq = { pool = 0 }"
  told("queue = 0", "queue = 1, vmdq = { queues = 2 }",
    "app 'b': key 'vmdq': app 'a' has the same card 0000:05:00.0 without pools: all instances of a card have them, or RSS alone")
  told(plain, "queue = 1", "key 'vmdq': app 'a' has the same card 0000:05:00.0 with pools: all instances of a card have them")
  told(plain, 'vmdq = { pool = 0, mac = "02:00:00:00:00:11" }', "queue:0000:05:00.0/0.0/1 is used by app 'a' already")
  told(plain, "queue = 1, vmdq = { pool = 1 }", "app 'b': key 'queue': 1, but each pool has 1 queue (key 'vmdq.queues'); it counts within the pool")
  told(plain, "vmdq = { pool = 1 }", "app 'b': key 'vmdq.mac': app 'a', another pool of card 0000:05:00.0, has the same address in the same VLAN")
  told(plain, "vmdq = { pool = 64 }", "key 'vmdq.pool'")
  told(plain, "vmdq = { pool = 1, queues = 3 }", "key 'vmdq.queues': pools have 1, 2 or 4 queues, not 3")
  told(plain, 'queue = 1, vmdq = { pool = 1, queues = 2, mac = "02:00:00:00:00:11" }', "key 'vmdq.queues': app 'a' has the same card")
  told(plain, 'vmdq = { pool = 1, mac = "01:00:00:00:00:11" }', "key 'vmdq.mac': a group address")
  told(plain, "vmdq = { pool = 1, vlan = 4095 }", "key 'vmdq.vlan")
  told(plain, "vmdq = { pool = 1, vlan = 5, mirror = { } }", "key 'vmdq.mirror': copies of nothing; accepted: other pools, vlan or wire = true")
  told(plain, "vmdq = { pool = 1, vlan = 5, mirror = { pools = 1 } }", "key 'vmdq.mirror': copies of nothing")
  told("promiscuous = true, " .. plain, "promiscuous = true, vmdq = { pool = 1, vlan = 5 }",
    "app 'b': key 'promiscuous': app 'a' is the pool of card 0000:05:00.0 that gets what no other takes; there can be one")
  for key, value in pairs({ mac = '"02:00:00:00:00:11"', vlan = "5", mirror = "{ wire = true }" }) do
    told("vmdq = { queues = 2 }", ("queue = 1, vmdq = { queues = 2, %s = %s }"):format(key, value),
      ("app 'b': key 'vmdq.%s': app 'a' has the same pool 0 of card 0000:05:00.0 with another value"):format(key))
  end
  told("vmdq = { queues = 2 }", "promiscuous = true, queue = 1, vmdq = { queues = 2 }", "key 'promiscuous': app 'a' has the same pool 0")
  local many = {}
  for i = 1, 64 do many[i] = i end
  told(plain, ("vmdq = { pool = 1, vlan = { %s } }"):format(table.concat(many, ", ")),
    "key 'vmdq.vlan': the pools of card 0000:05:00.0 have 65 VLANs together, the card sorts out 64")
  local apps = {}
  for i = 0, 4 do
    apps[#apps + 1] = ('p%d = { "intel.ixgbe", pci = "05:00.0", vmdq = { pool = %d, vlan = %d, mirror = { wire = true } } }'):format(i, i, i + 1)
  end
  local text = support.run(("'%s' check '%s'"):format(support.nf, card.graph(("return { apps = { %s } }"):format(table.concat(apps, ", ")))))
  lu.assertStrContains(text, "key 'vmdq.mirror': 5 pools of card 0000:05:00.0 have mirrors, the card has 4")
end

-- What a kind of card cannot do.
function TestPools:testWhatACardHasNot()
  local function told(cards, class, parameters, message)
    local text, code = card.run("--wire none --cards " .. cards, card.graph(([[return { apps = { a = { "%s", pci = "05:00.0", %s },
      s = { "basic.sink" } }, links = { "a -> s" } }]]):format(class, parameters)))
    lu.assertEquals(code, 1, text)
    lu.assertStrContains(text, message)
  end
  told("i210", "intel.igb", "vmdq = { }", "app 'a': key 'vmdq': card 0000:05:00.0, I210 copper, has no pools; its queues can be shared by RSS")
  told("82576", "intel.igb", "vmdq = { pool = 8 }", "app 'a': key 'vmdq.pool': card 0000:05:00.0, 82576, has pools 0..7 with 1 queue each")
  told("82576", "intel.igb", "vmdq = { queues = 4 }", "key 'vmdq.queues': card 0000:05:00.0, 82576, has at most 2 queues in each pool")
  told("82576", "intel.igb", "vmdq = { mirror = { pools = 9 } }", "key 'vmdq.mirror.pools': card 0000:05:00.0, 82576, has pools 0..7")
  told("i350", "intel.igb", "vmdq = { queues = 2 }", "key 'vmdq.queues': card 0000:05:00.0, I350 copper, has at most 1 queue in each pool")
  told("i350", "intel.igb", 'rate_limit = "100M"', "app 'a': key 'rate_limit': card 0000:05:00.0, I350 copper, cannot limit a queue; an app can, basic.shaper")
  told("i210", "intel.igb", 'rate_limit = "100M"', "app 'a': key 'rate_limit': card 0000:05:00.0, I210 copper, cannot limit a queue; an app can, basic.shaper")
  told("82599", "intel.ixgbe", "vmdq = { pool = 32, queues = 4 }", "has pools 0..31 with 4 queues each")
  local text, code = support.run(("'%s' check '%s'"):format(support.nf, card.graph(
    [[return { apps = { a = { "intel.e1000e", pci = "05:00.0", vmdq = { } }, s = { "basic.sink" } }, links = { "a -> s" } }]])))
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "app 'a': key 'vmdq': is unknown; accepted: pci, mtu")
end

local code = lu.LuaUnit.run()
pci.give_back()
os.exit(code)
