-- Simulated cards (nf nicsim) with a small driver of another hand, tests/nicsim/driver: what works, and that each mistake is
-- named. Needs root and huge pages.
local lu = require("luaunit")
local capture = require("support_capture")
local nicsim = require("support_nicsim")
local support = require("support")

local folder = support.folder()
local driver, lacks = nicsim.prepare(folder)

-- Run the driver with cards; gives the output and the exit code.
local function run(options, arguments) return nicsim.run(options, driver, arguments) end

-- ... and all must be well: every frame forwarded and back, no violation.
local function forward(options, arguments, cards, count, kinds)
  kinds = kinds or (cards == 1 and "82599" or "82599,82599")
  local text, code = run(("--cards %s --wire generator --all-back %s"):format(kinds, options),
    ("%d %d %s"):format(cards, cards * count, arguments or ""))
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "nicsim: no violation\n")
  lu.assertStrContains(text, ("sent %d, back %d, lost 0, duplicated 0, reordered 0, corrupted 0, foreign 0"):format(count, count))
  return text
end

TestNicsim = {}

function TestNicsim:setUp() if lacks then lu.skip(lacks) end end

function TestNicsim:testFramesPassInEveryMode()
  for _, mode in ipairs({ "trap", "middle", "poll" }) do
    forward("--strict --mode " .. mode .. " --traffic count=300,size=60-1514", "", 2, 300)
  end
end

function TestNicsim:testDescriptorsOfEveryForm()
  forward("--traffic count=300,size=60-1514", "legacy", 1, 300)
  forward("--traffic count=300,size=60-1514", "write-back", 2, 300)
  forward("--traffic count=200,size=60-9000", "jumbo", 2, 200)
  forward("--traffic count=200,size=60-9000", "jumbo legacy", 2, 200)
end

function TestNicsim:testOffloads()
  forward("--traffic count=200,size=64-1514,vlan=5", "vlan", 2, 200)
  forward("--traffic count=200,size=64-1514,vlan=5", "vlan legacy", 2, 200)
  forward("--traffic count=200,size=60-1514", "offload", 2, 200)
  forward("--traffic count=200,size=60-1514,vlan=5", "vlan sums", 2, 200)
  forward("--traffic count=200,size=90-1514,ipv6,tcp", "sums", 2, 200)
end

function TestNicsim:testGigabitCards()
  for _, kind in ipairs({ "82576", "i210" }) do
    local kinds = kind .. "," .. kind
    forward("--strict --traffic count=300,size=60-1514", "", 2, 300, kinds)
    forward("--traffic count=200,size=60-9000,flows=50", "jumbo queues=4 write-back", 2, 200, kinds)
    forward("--mode poll --traffic count=200,vlan=7,size=64-1514", "vlan legacy", 2, 200, kinds)
  end
  forward("--mode middle --traffic count=200", "offload", 2, 200, "82576,i210")
end

function TestNicsim:testRssSpreadsFlowsAndKeepsTheirOrder()
  forward("--traffic count=2000,flows=50", "queues=4", 2, 2000)
  forward("--traffic count=500,flows=50,ipv6,tcp", "queues=4", 1, 500)
end

function TestNicsim:testDelays()
  local text = forward("--traffic count=200 --do 'delay 0 transmit 1ms; delay 1 transmit 2ms; delay 0 enable 10ms; delay 1 link 30ms'",
    "", 2, 200)
  lu.assertStrContains(text, "driver: 400 frames forwarded")
end

-- Buffers of a queue that was disabled are the driver's again, when ENABLE reads 0.
function TestNicsim:testQueuesThatAreDisabledAndEnabledAgain()
  forward("--traffic count=200 --do 'delay 0 disable 5ms'", "restart", 2, 200)
  forward("--traffic count=200", "restart queues=2", 2, 200, "82576,i350")
  forward("--mode middle --traffic count=200", "restart", 2, 200)
end

function TestNicsim:testADirtyCardIsCleanAfterItsReset()
  forward("--traffic count=100 --do 'soil 0; soil 1'", "", 2, 100)
end

-- The first card's input and output are captures; the driver with two cards sends what came in at one out of the other.
function TestNicsim:testCapturesOnTheWire()
  local packets = capture.packets(300)
  for _, packet in ipairs(packets) do
    if #packet.data < 60 then packet.data = packet.data .. ("\0"):rep(60 - #packet.data) end
  end
  support.write(folder .. "/in.pcap", capture.pcap(packets))
  local text, code = run(("--wire %s/in.pcap,:%s/out.pcap"):format(folder, folder), "2 300 jumbo")
  lu.assertEquals(code, 0, text)
  lu.assertStrContains(text, "captures at 0000:06:00.0: 0 frames in, 300 out")
  lu.assertNil(capture.difference(capture.read(support.read(folder .. "/out.pcap")), packets, { "data" }))
end

-- Each mistake of the driver, and the rule that names it.
local mistakes = {
  -- Those of a gigabit card first.
  { "ring-length", "ring-length", "--cards 82576,i210" },
  { "tail-first", "tail-before-enable", "--cards 82576,i210" },
  { "no-receive-enable", "receive-off", "--cards 82576,i210" },
  { "no-transmit-enable", "transmit-off", "--cards 82576,i210" },
  { "no-semaphore", "semaphore", "--cards 82576,i210" },
  { "no-reset", "no-reset", "--cards 82576,i210 --do 'soil 0; soil 1'" },
  { "no-bus-master", "bus-mastering-off" },
  { "virtual-address", "dma-virtual" },
  { "wrong-address", "dma-unmapped" },
  { "private-memory", "dma-private" },
  { "ordinary-memory", "dma-" },
  { "ring-misaligned", "ring-misaligned" },
  { "ring-length", "ring-length" },
  { "short-ring", "tail-out-of-ring" },
  { "ring-moved", "ring-changed" },
  { "tail-first", "tail-before-enable" },
  { "tail-is-length", "tail-out-of-ring" },
  { "tail-too-far", "tail-laps-head" },
  { "transmit-tail", "stale-dd" },
  { "never-refilled", "ring-never-refilled" },
  { "stale-dd", "stale-dd" },
  { "same-buffer", "buffer-given-twice" },
  { "no-wait", "ring-changed", "--do 'delay 0 disable 300ms'", "restart" },
  { "no-wait", "ring-changed", "--cards 82576,i210 --do 'delay 0 disable 300ms'", "restart" },
  { "descriptor-changed", "descriptor-changed" },
  { "buffer-reused", "buffer-changed", "--do 'delay 0 transmit 5ms; delay 1 transmit 5ms'" },
  { "no-buffer-size", "buffer-size" },
  { "no-reset", "no-reset", "--do 'soil 0; soil 1'" },
  { "crc-strip-twice", "crc-strip-mismatch" },
  { "dca-bit", "dca-rxctrl-bit-12" },
  { "no-receive-enable", "receive-off" },
  { "no-transmit-enable", "transmit-off" },
  { "no-ifcs", "no-fcs" },
  { "no-eop", "no-eop" },
  { "no-rs", "no-report" },
  { "paylen", "paylen-mismatch" },
  { "mixed", "mixed-descriptors", "", "jumbo", "3000" },
  { "wrong-type", "mixed-descriptors" },
  { "no-context", "no-context" },
  { "context-index", "no-context", "", "offload" },
  { "wrong-maclen", "bad-offload", "", "offload" },
  { "wrong-iplen", "bad-offload", "", "offload" },
  { "wrong-transport", "bad-offload", "", "sums" },
  { "old-checksum", "bad-offload", "", "offload" },
  { "no-pseudo", "bad-offload", "", "sums" },
  { "no-ifcs", "no-fcs", "", "sums" },
  { "write-back-misaligned", "head-write-back", "", "write-back" },
  { "no-semaphore", "semaphore" },
}

-- Twelve at a time: some wait for what never comes.
function TestNicsim:testEveryMistakeIsNamed()
  local script = {}
  for i, row in ipairs(mistakes) do
    script[#script + 1] = ("{ timeout 200 '%s' nicsim --wire generator --traffic count=300,size=%s %s -- %s 2 600 break=%s %s; echo code $?; } " ..
      ">%s/%d.text 2>&1 &"):format(support.nf, row[5] or "60-1514", row[3] or "", driver, row[1], row[4] or "", folder, i)
    if i % 12 == 0 then script[#script + 1] = "wait" end
  end
  support.run(table.concat(script, "\n") .. "\nwait")
  for i, row in ipairs(mistakes) do
    local text = support.read(folder .. "/" .. i .. ".text")
    lu.assertStrContains(text, "nicsim: violation " .. row[2], false, row[1] .. "\n" .. text)
    lu.assertStrMatches(text, ".*\ncode 1\n", nil, nil, row[1] .. "\n" .. text)
  end
end

-- A frame from the wrong place of a buffer breaks no rule of the card: whoever looks at the frames sees it.
function TestNicsim:testFramesThatDoNotComeBackAreAFailure()
  local text, code = run("--wire generator --all-back --traffic count=100", "2 200 break=wrong-offset")
  lu.assertEquals(code, 1, text)
  lu.assertStrContains(text, "sent 100, back 0, lost 100")
end

function TestNicsim:testStatisticsAreClearedWhenTheyAreRead()
  for _, kind in ipairs({ "82599", "i210" }) do
    local text, code = run(("--cards %s --wire generator --traffic count=100,size=100"):format(kind), "1 100 statistics")
    lu.assertEquals(code, 0, text)
    -- Counters of the 82599's MAC run before reception is on, too.
    local early = kind == "82599" and tonumber(text:match("not%-ready (%d+)")) or 0
    lu.assertStrContains(text, ("statistics 04074 %d 0\nstatistics 04080 100 0\nstatistics 04088 %d 0\nstatistics 04090 10400 0\n"):format(
      100 + early, 104 * (100 + early)))
  end
end

function TestNicsim:testTheCommandsExitCodeIsGivenOn()
  local text, code = support.run(("'%s' nicsim --mode poll -- sh -c 'exit 7'"):format(support.nf))
  lu.assertEquals(code, 7, text)
end

function TestNicsim:testTheTreeLooksLikeOneOfThePciBus()
  local text, code = support.run(([['%s' nicsim --cards 82599 -- sh -c '
    d=$NF_SYSFS/bus/pci/devices/0000:05:00.0; cat $d/vendor $d/device $d/class $d/numa_node; stat -c %%s $d/config $d/resource0
    head -c 6 $d/config | od -An -tx1; wc -l < $d/resource; ls $d/iommu_group 2>/dev/null; echo $NF_SYSFS' 2>/dev/null]]):format(support.nf))
  lu.assertEquals(code, 0, text)
  lu.assertStrMatches(text, "0x8086\n0x10fb\n0x020000\n0\n4096\n524288\n 86 80 fb 10 02 00\n13\n/.*\n")
  -- What was made is gone.
  lu.assertNil(support.read(text:match("\n(/[^\n]+)\n$") .. "/mailbox"))
end

function TestNicsim:testMountsItsTreeWherePeopleLook()
  local text, code = support.run(("'%s' nicsim --mount --mode poll -- cat /sys/bus/pci/devices/0000:06:00.0/device 2>/dev/null"):format(support.nf))
  lu.assertEquals(code, 0, text)
  lu.assertEquals(text, "0x10fb\n")
end

-- The cards are uio_pci_generic's, and have nodes: what DPDK looks at.
function TestNicsim:testLooksLikeUioPciGeneric()
  local text, code = support.run(([['%s' nicsim --uio --mode poll -- sh -c '
    for i in 0 1; do a=/sys/class/uio/uio$i/device; head -c 2 $a/config | od -An -tx1; ls $a/uio; basename $(readlink $a/driver)
    test -p /dev/uio$i && echo node; done; echo x >/dev/null; grep -c hugetlbfs /proc/mounts >/dev/null && ls -d /dev/hugepages /dev/shm'
    2>/dev/null; ls /dev/uio0 /sys/class/uio/uio0 2>/dev/null]]):gsub("\n%s*2>", " 2>"):format(support.nf))
  lu.assertEquals(code, 2, text)
  lu.assertEquals(text, (" 86 80\nuio%d\nuio_pci_generic\nnode\n"):format(0) .. (" 86 80\nuio%d\nuio_pci_generic\nnode\n"):format(1) ..
    "/dev/hugepages\n/dev/shm\n")
end

os.exit(lu.LuaUnit.run())
