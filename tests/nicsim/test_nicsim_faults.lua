-- Simulated cards while they run: commands, faults, and memory that is given back under a live card.
local lu = require("luaunit")
local ffi = require("ffi")
local nicsim = require("support_nicsim")
local support = require("support")

local folder = support.folder()
local driver, lacks = nicsim.prepare(folder)
local root, log = folder .. "/tree", folder .. "/log"
local process

TestFaults = {}

function TestFaults:setUp()
  if lacks then lu.skip(lacks) end
  support.run("rm -rf " .. root)
end

local function tell(command)
  return support.run(("'%s' nicsim --root %s --tell '%s'"):format(support.nf, root, command))
end

local function must(command)
  local text, code = tell(command)
  lu.assertEquals(code, 0, text)
  return text
end

-- End the cards; gives what they said.
local function finish()
  must("quit")
  support.wait("the end of the cards", function() return not support.alive(process) end, log)
  process = nil
  return support.read(log)
end

function TestFaults:tearDown()
  if process and support.alive(process) then support.run("kill -9 " .. process) end
  process = nil
end

-- One card with a generator, and a command with it if wanted.
local function start(options, command)
  process = support.background(("'%s' nicsim --root %s --cards 82599 --wire generator %s %s < /dev/null"):format(support.nf, root, options,
    command and "-- " .. command or ""), log)
  support.wait("the cards", function() return select(2, tell("report")) == 0 end, log)
end

-- A number of the report: "back", "received", "crc-error".
local function number(name) return tonumber(must("report"):match(name .. " (%d+)") or 0) end

local function grows(name)
  local before = number(name)
  support.wait(name .. " to grow", function() return number(name) > before end, log)
end

-- It was told to stop: after what was under way, nothing moves any more.
local function stands(name)
  local before
  support.wait(name .. " to stand", function()
    local now = number(name)
    local same = now == before
    before = now
    if not same then ffi.C.usleep(100000) end
    return same
  end, log)
end

function TestFaults:testLinkHangAndBadFrames()
  start("--traffic rate=5000", driver .. " 1 100000000")
  grows("back")
  must("link 0 down")
  lu.assertEquals(must("peek 0 0x42a4"), "0x00000000\n")
  stands("received")
  must("link 0 up")
  support.wait("the link", function() return must("peek 0 0x42a4") == "0x70000080\n" end, log)
  grows("back")
  must("hang 0 on")
  stands("back")
  must("hang 0 off")
  grows("back")
  must("crc 0 5")
  support.wait("five bad frames", function() return number("crc%-error") == 5 end, log)
  lu.assertEquals(tonumber(must("peek 0 0x4000")), 5)
  lu.assertStrContains(finish(), "nicsim: no violation")
end

function TestFaults:testMemoryThatIsForbiddenAndACardThatVanishes()
  local function registers(at)
    return support.run(("od -An -tx4 -j%d -N4 %s/bus/pci/devices/0000:05:00.0/resource0"):format(at, root))
  end
  start("--traffic rate=5000", driver .. " 1 100000000 untidy")
  grows("back")
  must("forbid 0 0 0xffffffffffff")
  support.wait("the violation", function() return must("report"):find("violation dma-forbidden", 1, true) end, log)
  must("vanish 0 on")
  lu.assertEquals(registers(0), " ffffffff\n")
  lu.assertEquals(registers(0x42a4), " ffffffff\n")
  stands("received")
  must("vanish 0 off")
  lu.assertEquals(must("peek 0 0x42a4"), "0x70000080\n")
  finish()
end

-- The driver ends without stopping its card; its memory goes back to the system, and the next frame would land in it. Few come at a
-- time: those that a card of ours stores before it has seen the end must leave descriptors over.
function TestFaults:testMemoryThatIsGivenBackUnderALiveCard()
  start("--traffic rate=200", nil)
  local variables = support.read(log):gsub("\n", " ")
  local text, code = support.run(("env %s %s 1 50 untidy"):format(variables, driver))
  lu.assertEquals(code, 0, text)
  support.wait("the violation", function() return must("report"):find("violation dma-unmapped", 1, true) end, log)
  lu.assertStrContains(finish(), "0 processes have the registers mapped")
end

-- One that stops its queues may go.
function TestFaults:testATidyDriverMayGo()
  start("--traffic rate=5000", nil)
  local variables = support.read(log):gsub("\n", " ")
  for _ = 1, 2 do
    local text, code = support.run(("env %s %s 1 50"):format(variables, driver))
    lu.assertEquals(code, 0, text)
    ffi.C.usleep(50000)
  end
  lu.assertStrContains(finish(), "nicsim: no violation")
end

-- Every kind of instruction is seen as what it is.
function TestFaults:testTrappedAccesses()
  local text, code = support.run("cc -O2 -Wall -Wextra -Werror -o " .. folder .. "/accesses tests/nicsim/accesses.c")
  assert(code == 0, text)
  text, code = support.run(("'%s' nicsim --cards 82599 -- %s/accesses"):format(support.nf, folder))
  lu.assertEquals(code, 1, text)
  for _, line in ipairs({
    "store64 low 99887766", "store64 high 8000bbaa", "or 00000500", "and 00000400", "movnti 11111111", "xchg was 11111111", "xchg 00ff00ff",
    "add 00ff0100", "store imm 5a5a5a5a", "rep stos 80808080", "alias 03020100", "load64 8000bbaa99887766", "cmp 1", "test 1",
    "semaphore 0 1", "sse 01010101", "byte 5a", "store16 00001234", "own fault", "blocked 5a5a5a5a", "child 7", "after child 00000077",
  }) do lu.assertStrContains("\n" .. text, "\n" .. line .. "\n", false, line .. "\n" .. text) end
  lu.assertStrContains(text, "violation register-width: 0000:05:00.0: 128 bits at 0x05200")
  lu.assertStrContains(text, "violation register-width: 0000:05:00.0: 8 bits at 0x00820")
  lu.assertStrContains(text, "violation register-width: 0000:05:00.0: 16 bits at 0x00018")
  lu.assertStrContains(text, "violation register-alignment: 0000:05:00.0: 32 bits at 0x00822")
  lu.assertStrContains(text, "nicsim: 4 violations")
end

function TestFaults:testCommandsThatAreWrong()
  start("--traffic count=1", nil)
  for command, message in pairs({
    ["explode 0"] = "there is no command 'explode'", ["link 1 down"] = "'link 1 down': the cards are 0 to 0",
    ["link 0 sideways"] = "'link 0 sideways': it is link CARD down|up", ["crc 0 -1"] = "it is crc CARD N",
    ["delay 0 transmit soon"] = "it is delay CARD transmit|enable|disable|link TIME", ["peek 0 3"] = "it is peek CARD OFFSET",
    ["forbid 0 1"] = "it is forbid CARD ADDRESS BYTES",
  }) do
    local text, code = tell(command)
    lu.assertEquals(code, 1)
    lu.assertStrContains(text, message)
  end
  lu.assertStrContains(must("help"), "link    CARD down|up                              the cable is pulled, plugged in\n")
  finish()
  local text, code = tell("report")
  lu.assertEquals(code, 1)
  lu.assertStrContains(text, "no cards are simulated in " .. root)
end

function TestFaults:testWrongOptions()
  for options, message in pairs({
    ["--cards 82598"] = "there is no model of a card '82598', only of 82599, 82576, i350 and i210",
    ["--cards 82599,82599,82599,82599,82599,82599,82599,82599,82599"] = "there can be 8 cards at most",
    ["--wire joined --cards 82599"] = "card 0 has no neighbour to be joined with",
    ["--wire none,none,none"] = "--wire names more wires than there are cards",
    ["--wire /nowhere.pcap"] = "cannot read /nowhere.pcap: No such file or directory",
    ["--wire :/nowhere/x.pcap"] = "cannot write /nowhere/x.pcap: No such file or directory",
    ["--wire tests/run.lua"] = "no capture file: it begins with",
    ["--traffic size=59"] = "traffic: 'size=59' is none of rate=N",
    ["--traffic flows=0"] = "traffic: 'flows=0' is none of",
    ["--traffic rate=fast"] = "traffic: 'rate=fast' is none of",
    ["--do 'link 7 down'"] = "the cards are 0 to 1",
    ["--root /nowhere/at/all"] = "cannot make the folder /nowhere/at/all: No such file or directory",
    ["--mode guess"] = "guess",
    ["--tell report"] = "option '--tell' needs --root",
  }) do
    local text, code = support.run(("'%s' nicsim %s -- true"):format(support.nf, options))
    lu.assertTrue(code == 1 or code == 2, options .. "\n" .. text)
    lu.assertStrContains(text, message, false, options)
  end
end

os.exit(lu.LuaUnit.run())
