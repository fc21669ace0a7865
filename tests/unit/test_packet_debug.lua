-- Debug builds (DEBUG=1, and all builds under sanitizers) end at once when a packet is used wrongly, and name the app that had it.
local lu = require("luaunit")
local support = require("support")

-- Run Lua code in a process of its own, with packet memory; gives what it printed and its exit code.
local function run(code)
  local script = os.tmpname()
  support.write(script, [[
    local nf, support = require("nf.core"), require("support")
    support.memory(100)
    local function take(name) nf.packet_debug_hold(name) return nf.packet_alloc() end
  ]] .. code)
  local text, exit = support.run(("LUA_PATH='tests/?.lua;;' %s lua %s"):format(support.nf, script))
  os.remove(script)
  return text, exit
end

local is_debug = run([[local p = take("x") nf.packet_free(p) nf.packet_free(p)]]):find("freed twice: first by", 1, true) ~= nil

local function check(code, message)
  lu.skipIf(not is_debug, "packets are tracked in debug builds only: make check DEBUG=1, or SAN=address,undefined")
  local text, exit = run(code)
  lu.assertNotEquals(exit, 0, text)
  lu.assertStrContains(text, message)
end

TestPacketDebug = {}

function TestPacketDebug:testADoubleFreeNamesBothApps()
  check([[local p = take("first") nf.packet_free(p) nf.packet_debug_hold("second") nf.packet_free(p)]],
    "a packet was freed twice: first by app 'first', now by app 'second'")
end

function TestPacketDebug:testAWriteAfterFreeIsFoundWhenThePacketIsTakenAgain()
  -- Under the address sanitizer the write itself is the end, if it is done by code that the sanitizer sees.
  check([[local p = take("writer") nf.packet_free(p) p.data[3] = 7 take("next")]],
    "a packet was written to after it was freed; app 'writer' had it last")
end

function TestPacketDebug:testSendingAFreedPacketNamesTheSender()
  check([[
    local link = require("ffi").new("struct link")
    local p = take("owner")
    nf.packet_free(p)
    nf.packet_debug_hold("sender")
    nf.link_send(link, p)
  ]], "app 'sender' passed on a packet that app 'owner' had freed")
end

function TestPacketDebug:testFreeingWhatIsNoPacket()
  check([[
    local p = take("x")
    local ffi = require("ffi")
    local fake = ffi.new("struct packet")
    fake.worker, fake.size = 0, 0
    nf.packet_free(fake)
  ]], "is no packet")
end

function TestPacketDebug:testLeaksAreListedWithTheirHolder()
  lu.skipIf(not is_debug, "packets are tracked in debug builds only")
  local text = run([[
    for i = 1, 3 do take("leaker").length = 60 + i end
    print(nf.memory_report_leaks())
  ]])
  lu.assertStrContains(text, "leak: a packet of 61 bytes; app 'leaker' had it last")
  lu.assertStrContains(text, "\n3\n")
end

os.exit(lu.LuaUnit.run())
