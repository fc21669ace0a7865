-- nf lwaftr gen: what it makes is a good configuration, and its packets belong to the softwires.
local lu = require("luaunit")
local support = require("support")

local folder = support.folder()
local number = 0

local function gen(options)
  number = number + 1
  local dir = folder .. "/" .. number
  local output, code = support.run(("%s lwaftr gen %s %s"):format(support.nf, dir, options or ""))
  return output, code, dir
end

local function counters(path)
  local list = {}
  for line in support.read(path):gmatch("[^\n]+") do
    local name, value = line:match("^([%w-]+) (%d+)$")
    if name then list[name] = tonumber(value) end
  end
  return list
end

-- Everything comes through: nothing is dropped, cut or answered.
local function pass(dir, v4, v6)
  local output, code = support.run(("%s lwaftr check --dump-counters %s/cnt %s/lwaftr.conf %s/v4.pcap %s/v6.pcap %s/o4 %s/o6"):format(support.nf,
    dir, dir, dir, dir, dir, dir))
  lu.assertEquals({ output, code }, { "", 0 })
  local c = counters(dir .. "/cnt")
  lu.assertEquals({ c["in-ipv4-packets"] or 0, c["out-ipv6-packets"] or 0 }, { v4, v4 })
  lu.assertEquals({ c["in-ipv6-packets"] or 0, c["out-ipv4-packets"] or 0 }, { v6, v6 })
  for name in pairs(c) do lu.assertNil(name:match("^drop"), name) end
  return c
end

TestGen = {}

function TestGen:testDefaults()
  local output, code, dir = gen()
  lu.assertEquals(code, 0)
  lu.assertEquals(output, dir .. ": lwaftr.conf with 1000 softwires on 16 addresses, v4.pcap with 8192 packets, v6.pcap with 8192\n")
  lu.assertEquals((support.run(("%s lwaftr validate %s/lwaftr.conf"):format(support.nf, dir)):match("good: 1000 softwires on 16 addresses, 1 br")),
    "good: 1000 softwires on 16 addresses, 1 br")
  lu.assertEquals(pass(dir, 8192, 8192)["in-ipv4-bytes"], 8192 * 60)
end

function TestGen:testEveryShapeOfTable()
  for _, length in ipairs({ 0, 1, 8, 15, 16 }) do
    local _, code, dir = gen(("--softwires 300 --psid-length %d --br-addresses 7 --packets 1000 --share 30 --size mix"):format(length))
    lu.assertEquals(code, 0)
    local c = pass(dir, 300, 700)
    lu.assertEquals(c["softwires"], 300)
    lu.assertEquals(c["in-ipv4-bytes"], 25 * (7 * 60 + 4 * 590 + 1514))
    lu.assertStrContains(support.run(("%s lwaftr validate %s/lwaftr.conf"):format(support.nf, dir)), " 7 br-addresses")
  end
end

function TestGen:testShares()
  local _, _, dir = gen("--packets 10 --share 0 --size 1500")
  pass(dir, 0, 10)
  _, _, dir = gen("--packets 10 --share 100 --size 28")
  pass(dir, 10, 0)
  _, _, dir = gen("--packets 0 --softwires 1")
  pass(dir, 0, 0)
end

local FILES = { "lwaftr.conf", "v4.pcap", "v6.pcap" }

function TestGen:testTheSameBytesFromTheSameSeed()
  local _, _, one = gen("--seed 7 --packets 100")
  local _, _, two = gen("--seed 7 --packets 100")
  local _, _, three = gen("--seed 8 --packets 100")
  for _, file in ipairs(FILES) do
    lu.assertEquals(support.read(one .. "/" .. file), support.read(two .. "/" .. file))
    lu.assertNotEquals(support.read(one .. "/" .. file), support.read(three .. "/" .. file))
  end
end

-- A flood around them: what belongs to softwires comes through, nothing of the flood does, and errors keep to their limit of 200.
function TestGen:testFloods()
  for flood, expected in pairs({ fragments = { "in-ipv4-frag-needs-reassembly", "in-ipv6-frag-needs-reassembly", 0 },
    unbound = { "drop-no-dest-softwire-ipv4-packets", "drop-no-source-softwire-ipv6-packets", 200 },
    errors = { "drop-in-by-rfc7596-icmpv4-packets", "drop-bad-quotation-icmpv6-packets", 0 },
    neighbors = { "in-arp-request-packets", "in-ndp-ns-packets", 0 } }) do
    local output, code, dir = gen("--packets 400 --times 7 --flood " .. flood)
    lu.assertEquals(code, 0)
    lu.assertStrContains(output, dir .. ": each packet is followed by 7 of a flood: " .. flood .. "\n")
    output, code = support.run(("%s lwaftr check --dump-counters %s/cnt %s/lwaftr.conf %s/v4.pcap %s/v6.pcap %s/o4 %s/o6"):format(support.nf,
      dir, dir, dir, dir, dir, dir))
    lu.assertEquals({ output, code }, { "", 0 })
    local c = counters(dir .. "/cnt")
    lu.assertEquals({ c[expected[1]], c[expected[2]] }, { 1400, 1400 })
    lu.assertEquals({ c["out-icmpv4-error-packets"] or 0, c["out-icmpv6-error-packets"] or 0 }, { expected[3], expected[3] })
    lu.assertEquals({ c["out-ipv4-packets"], c["out-ipv6-packets"] }, { 200 + expected[3], 200 + expected[3] })
  end
end

function TestGen:testMistakes()
  local program = "nf lwaftr gen: option '--"
  for options, message in pairs({ ["--softwires 0"] = "softwires'", ["--psid-length 17"] = "psid-length'", ["--br-addresses 0"] = "br-addresses'",
    ["--share 101"] = "share'", ["--size 27"] = "size'", ["--size 1501"] = "size'", ["--packets x"] = "packets'",
    ["--flood arp"] = "flood': 'arp' is none of fragments, unbound, errors, neighbors", ["--flood errors --times 0"] = "times'",
    ["--psid-length 0 --softwires 16777216"] = "softwires': at most 16777215 with a PSID length of 0\n" }) do
    local output, code = gen(options)
    lu.assertEquals(code, 2)
    lu.assertStrContains(output, program .. message)
  end
end

function TestGen:testFilesThatCannotBeWritten()
  local nf = support.nf .. " lwaftr gen "
  lu.assertEquals({ support.run(nf .. "/nowhere/x") }, { "nf lwaftr gen: cannot make the folder /nowhere/x: No such file or directory\n", 1 })
  lu.assertEquals({ support.run(nf .. "/dev/null") }, { "nf lwaftr gen: cannot write /dev/null/lwaftr.conf: Not a directory\n", 1 })
  local dir = folder .. "/full"
  support.run(("mkdir %s; ln -s /dev/full %s/v4.pcap"):format(dir, dir))
  lu.assertEquals({ support.run(nf .. dir) }, { ("nf lwaftr gen: cannot write %s/v4.pcap: No space left on device\n"):format(dir), 1 })
end

os.exit(lu.LuaUnit.run())
