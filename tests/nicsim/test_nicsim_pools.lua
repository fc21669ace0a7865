-- Pools of simulated cards (VMDq): who gets a frame, mirror rules, RSS within pools, frames that stay in the card, tags of pools;
-- and the rate of queues. The driver is tests/nicsim/driver (pools.c says what it sets up).
local lu = require("luaunit")
local capture = require("support_capture")
local nicsim = require("support_nicsim")
local support = require("support")

local folder = support.folder()
local driver, lacks = nicsim.prepare(folder)
local MAC, ethernet = nicsim.MAC, nicsim.ethernet

TestPools = {}

function TestPools:setUp() if lacks then lu.skip(lacks) end end

local second, third, all = "\2\0\0\0\0\x11", "\2\0\0\0\0\x12", ("\255"):rep(6)

-- a: pool 0's address; b: pool 1's; c: in pool 1's VLAN; d: in a VLAN of nobody; e: to all; f: pool 40's; g: a group's.
local list = {
  ethernet(MAC, "\x88\xb5", "a"), ethernet(second, "\x88\xb5", "b"), ethernet(second, "\x88\xb5", "c", 5),
  ethernet(second, "\x88\xb5", "d", 6), ethernet(all, "\x88\xb5", "e"), ethernet(third, "\x88\xb5", "f"),
  ethernet("\1\0\x5e\1\2\3", "\x88\xb5", "g"),
}

-- How many frames each queue got.
local function count(arguments, options, total)
  local found = {}
  for _, line in ipairs(nicsim.show(folder, driver, list, arguments, options, total)) do
    found[line.queue] = (found[line.queue] or 0) + 1
  end
  return found
end

function TestPools:testWhoGetsAFrame()
  -- Pool 0 (queue 0): a, d, e, g, and nothing of f, whose pool takes no untagged frames: so it does. Pool 1 (queue 2): b, c, e.
  lu.assertEquals(count("pools queues=3", "--cards 82599", 8), { [0] = 5, [2] = 3 })
  -- The 82576 gives its default pool no groups: f and a and d, e. Pool 1: b, c, e.
  lu.assertEquals(count("pools queues=3", "--cards 82576", 7), { [0] = 4, [1] = 3 })
  lu.assertEquals(count("pools queues=3", "--cards i350", 7), { [0] = 4, [1] = 3 })
end

function TestPools:testMirrorRules()
  -- Pool 2 (queue 4) has what pool 1 has. Pool 3 (queue 6) has what is in VLAN 5.
  lu.assertEquals(count("pools mirror queues=7", "--cards 82599", 12), { [0] = 5, [2] = 3, [4] = 3, [6] = 1 })
  lu.assertEquals(count("pools mirror queues=3", "--cards 82576", 10), { [0] = 4, [1] = 3, [2] = 3 })
end

-- Four queues a pool, of which RSS chooses: flows to the second address come to the queues 4 to 7 only.
function TestPools:testRssWithinAPool()
  local text, code = nicsim.run("--strict --cards 82599 --wire generator --traffic count=400,flows=40,dst=02:00:00:00:00:11",
    driver, "1 400 pools spread queues=8 show")
  lu.assertEquals(code, 0, text)
  local seen = {}
  for queue in text:gmatch("queue (%d+)") do seen[tonumber(queue)] = true end
  lu.assertEquals(seen, { [4] = true, [5] = true, [6] = true, [7] = true })
end

-- A pool's own tag stands above what its descriptors say.
function TestPools:testTheTagOfAPool()
  support.write(folder .. "/in.pcap", capture.pcap({ { data = list[1] } }))
  local text, code = nicsim.run(("--cards 82599 --wire %s/in.pcap:%s/out.pcap"):format(folder, folder), driver, "1 1 pools port-vlan")
  lu.assertEquals(code, 0, text)
  local out = capture.read(support.read(folder .. "/out.pcap"))
  lu.assertEquals(out[1].data, list[1]:sub(1, 12) .. "\x81\0\0\77" .. list[1]:sub(13))
end

-- The driver sends each frame from the pool that got it. What pool 0 sends to its own address stays in the card and is lost, as no
-- pool gets its own. A broadcast leaves, and comes to pool 1, which sends it again, and so on.
function TestPools:testFramesForOtherPoolsStayInTheCard()
  local function run(data, arguments)
    support.write(folder .. "/in.pcap", capture.pcap({ { data = data } }))
    local text, code = nicsim.run(("--cards 82599 --wire %s/in.pcap:%s/out.pcap"):format(folder, folder), driver, arguments)
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "note check-context")
    return text
  end
  lu.assertStrContains(run(list[1], "1 1 pools loop"), "1 frames in, 0 out")
  local text = run(list[5], "1 8 pools loop queues=3")
  lu.assertStrMatches(text, ".*looped [1-9].*")
  lu.assertStrMatches(text, ".*1 frames in, [1-9]%d* out.*")
end

-- No faster than was asked for; whether slower is the machine's affair. 200 frames of 1,000 bytes with FCS at 100 Mbit/s, but for
-- what a queue saves up while it is idle: 4 KiB.
function TestPools:testTheRateOfAQueue()
  for _, kind in ipairs({ "82599", "82576" }) do
    local text, code = nicsim.run(("--strict --cards %s,%s --wire generator,:%s/out.pcap --traffic count=200,size=996"):format(kind, kind, folder),
      driver, "2 200 rate=100")
    lu.assertEquals(code, 0, text)
    lu.assertStrMatches(text, ".*paced [1-9]%d*.*")
    local out = capture.read(support.read(folder .. "/out.pcap"))
    lu.assertEquals(#out, 200)
    lu.assertTrue(out[200].time - out[1].time >= (199 * 1000 - 4096 - 1000) * 80, kind)
  end
end

-- What is wrong with pools and rates, and the rule that names it.
function TestPools:testMistakesAreNamed()
  for _, row in ipairs({
    { "pools break=no-arbiter", "mtqc-arbiter" },
    { "pools break=no-transmit-pools", "queue-mode" },
    { "pools mirror break=no-replication", "mirror-rule" },
    { "pools break=pool-off", "pool-off" },
    { "rate=100 break=rate-factor", "rate-limit" },
    { "rate=100", "unsupported", "i350" },
    { "pools", "queue-mode", "i210" },
  }) do
    local text = nicsim.run(("--cards %s --wire generator --traffic count=20"):format(row[3] or "82599"), driver, "1 20 " .. row[1])
    lu.assertStrContains(text, "nicsim: violation " .. row[2], false, row[1] .. "\n" .. text)
  end
end

os.exit(lu.LuaUnit.run())
