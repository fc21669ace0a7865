-- filter.conntrack: TCP connections, each step and what must not pass at it.
local lu = require("luaunit")
local ct = require("support_conntrack")

TestTcp = ct.tests()

local expect = ct.expect

local function each(f) ct.each({ "", "\x81\0\0\5", "\x88\xa8\0\1\x81\0\0\5" }, {}, {}, f) end

function TestTcp:testAWholeConnection()
  each(function (c, w)
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("inside", c:tcp("inside", "S", 1000, 0), "pass", "again")
    lu.assertEquals(w:counters(), { opened = 1, current = 1, ["half-open"] = 1 })
    expect("outside", c:tcp("outside", "SA", 5000, 1001))
    expect("outside", c:tcp("outside", "SA", 5000, 1001), "pass", "again")
    lu.assertEquals(w:counters()["half-open"], 1, "only the outside has agreed")
    expect("inside", c:tcp("inside", "A", 1001, 5001))
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
    expect("inside", c:tcp("inside", "PA", 1001, 5001, { data = "GET" }))
    expect("outside", c:tcp("outside", "PA", 5001, 1004, { data = ("x"):rep(1000) }))
    expect("inside", c:tcp("inside", "A", 1004, 6001))
    expect("inside", c:tcp("inside", "FA", 1004, 6001))
    expect("outside", c:tcp("outside", "A", 6001, 1005))
    expect("outside", c:tcp("outside", "FA", 6001, 1005))
    expect("inside", c:tcp("inside", "A", 1005, 6002))
    expect("outside", c:tcp("outside", "FA", 6001, 1005), "pass", "again")
    w:later(31)
    expect("outside", c:tcp("outside", "FA", 6001, 1005), "no-flow")
    lu.assertEquals(w:counters(), { opened = 1, closed = 1 })
  end)
end

function TestTcp:testNothingFromOutsideOpens()
  each(function (c, w)
    for _, flags in ipairs({ "S", "SA", "A", "PA", "FA", "R", "RA" }) do
      expect("outside", c:tcp("outside", flags, 1, 1), "no-flow", flags)
    end
    lu.assertEquals(w:counters(), {})
  end)
end

function TestTcp:testOnlyASynOpens()
  each(function (c, w)
    for _, flags in ipairs({ "SA", "A", "PA", "FA", "R", "RA" }) do
      expect("inside", c:tcp("inside", flags, 1, 1), "not-opening", flags)
    end
    lu.assertEquals(w:counters(), {})
  end)
end

function TestTcp:testFlagsThatMakeNoSense()
  each(function (c, w)
    lu.assertEquals(c:open(w), "passpasspass")
    for _, side in ipairs({ "inside", "outside" }) do
      for _, flags in ipairs({ "", "F", "P", "U", "FPU", "SF", "SFA", "SR", "SRA", "RF", "RFA", "SRFPAUEC" }) do
        expect(side, c:tcp(side, flags, 1001, 5001), "tcp-flags", flags)
      end
    end
    expect("inside", c:tcp("inside", "AU", 1001, 5001))
    expect("inside", c:tcp("inside", "AEC", 1001, 5001))
  end)
end

-- The answer to a SYN must acknowledge it.
function TestTcp:testAnswerToTheSyn()
  each(function (c)
    expect("inside", c:tcp("inside", "S", 4294967295, 0))
    for _, ack in ipairs({ 4294967295, 4294967294, 1, 2, 1000000, 2147483648 }) do
      expect("outside", c:tcp("outside", "SA", 5000, ack), "out-of-window", "ack " .. ack)
    end
    for _, flags in ipairs({ "A", "PA", "FA" }) do
      expect("outside", c:tcp("outside", flags, 5000, 0), "out-of-window", flags)
    end
    expect("inside", c:tcp("inside", "A", 0, 5001), "out-of-window", "it cannot know that number yet")
    expect("outside", c:tcp("outside", "SA", 5000, 0))
    expect("inside", c:tcp("inside", "A", 0, 5001))
  end)
end

-- Data with the SYN (TCP Fast Open): the answer may acknowledge all of it, some or none.
function TestTcp:testSynWithData()
  each(function (c)
    for host, ack in ipairs({ 1001, 1003, 1005 }) do
      local d = ct.connection({ family = c.family, host = host, tags = c.tags })
      expect("inside", d:tcp("inside", "S", 1000, 0, { data = "data" }))
      expect("outside", d:tcp("outside", "SA", 5000, 1006), "out-of-window")
      expect("outside", d:tcp("outside", "SA", 5000, ack))
    end
  end)
end

function TestTcp:testRefusedConnection()
  each(function (c, w)
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("outside", c:tcp("outside", "R", 0, 0), "out-of-window", "acknowledges nothing")
    expect("outside", c:tcp("outside", "RA", 0, 1000), "out-of-window")
    expect("outside", c:tcp("outside", "RA", 0, 1002), "out-of-window")
    expect("outside", c:tcp("outside", "RA", 0, 1001))
    lu.assertEquals(w:counters(), { opened = 1, closed = 1 })
    expect("outside", c:tcp("outside", "RA", 0, 1001), "no-flow")
  end)
end

function TestTcp:testGivenUpByTheInside()
  each(function (c, w)
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("inside", c:tcp("inside", "R", 1000, 0), "out-of-window")
    expect("inside", c:tcp("inside", "R", 1002, 0), "out-of-window")
    expect("inside", c:tcp("inside", "R", 1001, 0))
    lu.assertEquals(w:counters(), { opened = 1, closed = 1 })
  end)
end

function TestTcp:testBothOpenAtOnce()
  each(function (c, w)
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("outside", c:tcp("outside", "S", 5000, 0))
    lu.assertEquals(w:counters()["half-open"], 1)
    expect("inside", c:tcp("inside", "SA", 1000, 5001))
    lu.assertEquals(w:counters()["half-open"], 1)
    expect("outside", c:tcp("outside", "SA", 5000, 1001))
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
    expect("inside", c:tcp("inside", "A", 1001, 5001))
  end)
end

-- Numbers below the window by more than it ever was, and beyond it, are nobody's.
function TestTcp:testWindowOfBothSides()
  each(function (first, w)
    -- Both have offered 1,000 bytes, without a scale.
    for host, case in ipairs({ { "inside", 1001, 5001 }, { "outside", 5001, 1001 } }) do
      local side, seq, ack = case[1], case[2], case[3]
      local c = ct.connection({ family = first.family, host = host, tags = first.tags })
      lu.assertEquals(c:open(w), "passpasspass")
      expect(side, c:tcp(side, "A", seq, ack, { data = ("x"):rep(1000) }))
      expect(side, c:tcp(side, "A", seq, ack, { data = ("x"):rep(1001) }), "pass", "a probe")
      expect(side, c:tcp(side, "A", seq, ack, { data = ("x"):rep(1002) }), "out-of-window")
      expect(side, c:tcp(side, "A", seq + 1002, ack), "out-of-window")
      expect(side, c:tcp(side, "A", seq + 2147483647, ack), "out-of-window")
      expect(side, c:tcp(side, "A", seq - 1, ack), "pass", "keep-alive")
      expect(side, c:tcp(side, "A", seq - 65535, ack), "pass", "old")
      expect(side, c:tcp(side, "A", seq - 65536, ack), "out-of-window", "too old")
      expect(side, c:tcp(side, "A", seq, ack + 1001), "pass", "what a probe carried")
      expect(side, c:tcp(side, "A", seq, ack + 1003), "pass", "the window went on with that")
      expect(side, c:tcp(side, "A", seq, ack + 10000), "out-of-window", "never sent")
      expect(side, c:tcp(side, "A", seq, ack - 90000), "out-of-window", "acknowledged long ago")
    end
  end)
end

-- Windows are scaled when both SYNs say so, but not those of the SYNs themselves.
function TestTcp:testWindowScale()
  for _, case in ipairs({ { ct.scale(7), ct.scale(2), 7, 2 }, { ct.scale(7), "", 0, 0 }, { "", ct.scale(7), 0, 0 },
    { ct.scale(255), ct.scale(14), 14, 14 }, { "\2\4\5\180" .. ct.scale(3), "\1\1\1\1" .. ct.scale(4), 3, 4 } }) do
    for _, family in ipairs({ 4, 6 }) do
      local w = ct.start()
      local c = ct.connection({ family = family })
      expect("inside", c:tcp("inside", "S", 1000, 0, { options = case[1], window = 500 }))
      expect("outside", c:tcp("outside", "SA", 5000, 1001, { options = case[2], window = 600 }))
      expect("outside", c:tcp("outside", "A", 5001 + 502, 1001), "out-of-window", "the SYN's window is not scaled")
      expect("outside", c:tcp("outside", "A", 5001 + 501, 1001, { window = 0 }))
      expect("inside", c:tcp("inside", "A", 1001 + 602, 5001), "out-of-window", "nor is the answer's")
      expect("inside", c:tcp("inside", "A", 1001, 5001, { window = 700 }))
      local edge = 5001 + 700 * 2 ^ case[3]
      expect("outside", c:tcp("outside", "A", edge + 2, 1001), "out-of-window")
      expect("outside", c:tcp("outside", "A", edge, 1001, { window = 800 }))
      edge = 1001 + 800 * 2 ^ case[4]
      expect("inside", c:tcp("inside", "A", edge + 2, 5001), "out-of-window")
      expect("inside", c:tcp("inside", "A", edge, 5001))
      w:finish()
    end
  end
end

-- Options that are cut off or have no length: no scale, no harm.
function TestTcp:testBrokenOptions()
  for i, options in ipairs({ "\3\3\7\0", "\3\2\7\7", "\3\0\7\7", "\3\4\7\7", "\2\255\0\0", "\1\1\1\3", "\1\1\3\3", "\0\3\3\7", ("\1"):rep(40) }) do
    local w = ct.start()
    local c = ct.connection()
    expect("inside", c:tcp("inside", "S", 1000, 0, { options = options }))
    expect("outside", c:tcp("outside", "SA", 5000, 1001, { options = ct.scale(7) }))
    expect("inside", c:tcp("inside", "A", 1001, 5001))
    local scaled = i == 1 and 7 or 0
    expect("outside", c:tcp("outside", "A", 5001 + 1000 * 2 ^ scaled + 2, 1001), "out-of-window")
    expect("outside", c:tcp("outside", "A", 5001 + 1000 * 2 ^ scaled, 1001))
    w:finish()
  end
end

-- A RST ends the connection only at the number that is expected next.
function TestTcp:testReset()
  for _, family in ipairs({ 4, 6 }) do
    for _, case in ipairs({ { "inside", "outside", 1001, 5001 }, { "outside", "inside", 5001, 1001 } }) do
      local side, other, seq, ack = case[1], case[2], case[3], case[4]
      local w = ct.start()
      local c = ct.connection({ family = family })
      c:open(w)
      expect(side, c:tcp(side, "R", seq - 1, 0), "out-of-window")
      expect(side, c:tcp(side, "R", seq + 1001, 0), "out-of-window")
      expect(side, c:tcp(side, "R", seq + 2147483648, 0), "out-of-window")
      lu.assertEquals(w:counters(), { opened = 1, current = 1 })
      w:later(1000)
      expect(side, c:tcp(side, "R", seq + 500, 0), "pass", "may be meant")
      w:later(29)
      expect(other, c:tcp(other, "A", ack, seq), "pass", "and is not")
      w:later(100)
      expect(side, c:tcp(side, "A", seq, ack), "pass", "the connection lives on")
      expect(side, c:tcp(side, "R", seq + 1000, 0))
      w:later(31)
      expect(side, c:tcp(side, "A", seq, ack), side == "inside" and "not-opening" or "no-flow", "nothing came after it")
      c = ct.connection({ family = family, host = 2 })
      c:open(w)
      expect(side, c:tcp(side, "RA", seq, ack))
      expect(other, c:tcp(other, "A", ack, seq), other == "inside" and "not-opening" or "no-flow")
      lu.assertEquals(w:counters(), { opened = 2, closed = 2 })
      w:finish()
    end
  end
end

-- A host that lost its memory opens again: the other one's answer makes it reset what it does not know.
function TestTcp:testHostThatForgot()
  each(function (c, w)
    c:open(w)
    expect("inside", c:tcp("inside", "S", 777000, 0))
    expect("outside", c:tcp("outside", "A", 5001, 1001))
    expect("inside", c:tcp("inside", "R", 1001, 0))
    lu.assertEquals(w:counters(), { opened = 1, closed = 1 })
    expect("inside", c:tcp("inside", "S", 777000, 0))
    expect("outside", c:tcp("outside", "SA", 99, 777001))
    lu.assertEquals(w:counters().opened, 2)
  end)
end

-- The outside may not open again, whatever it says.
function TestTcp:testSynOfTheOutsideInAConnection()
  each(function (c, w)
    c:open(w)
    expect("outside", c:tcp("outside", "S", 777000, 0), "out-of-window")
    expect("outside", c:tcp("outside", "SA", 777000, 1001), "out-of-window")
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
  end)
end

function TestTcp:testSameEndsAgain()
  each(function (c, w)
    c:open(w)
    expect("inside", c:tcp("inside", "FA", 1001, 5001))
    expect("inside", c:tcp("inside", "S", 9000, 0), "pass", "asks the other side, which knows better")
    expect("outside", c:tcp("outside", "FA", 5001, 1002))
    expect("inside", c:tcp("inside", "S", 9000, 0))
    lu.assertEquals(w:counters(), { opened = 2, closed = 1, current = 1, ["half-open"] = 1 })
    expect("outside", c:tcp("outside", "SA", 5000, 1001), "out-of-window", "of the old connection")
    expect("outside", c:tcp("outside", "SA", 70000, 9001))
    expect("inside", c:tcp("inside", "A", 9001, 70001))
  end)
end

-- A SYN that was never answered gives way to another one from the same port.
function TestTcp:testAnotherSyn()
  each(function (c, w)
    expect("inside", c:tcp("inside", "S", 1000, 0))
    expect("inside", c:tcp("inside", "S", 2000, 0))
    expect("outside", c:tcp("outside", "SA", 5000, 1001), "out-of-window")
    expect("outside", c:tcp("outside", "SA", 5000, 2001))
    lu.assertEquals(w:counters(), { opened = 2, closed = 1, current = 1, ["half-open"] = 1 })
  end)
end

function TestTcp:testTimeouts()
  for _, family in ipairs({ 4, 6 }) do
    local w = ct.start({ timeouts = { tcp_opening = "10s", tcp = "1000s", tcp_half_closed = "100s", tcp_closing = "1s" } })
    local c = ct.connection({ family = family })
    expect("inside", c:tcp("inside", "S", 1000, 0))
    w:later(9.999)
    expect("outside", c:tcp("outside", "SA", 5000, 1001))
    w:later(10)
    expect("outside", c:tcp("outside", "SA", 5000, 1001), "no-flow")
    lu.assertEquals(w:counters(), { opened = 1, ["timed-out"] = 1 })
    c:open(w)
    for _ = 1, 5 do
      w:later(999.999)
      expect("inside", c:tcp("inside", "A", 1001, 5001))
    end
    expect("outside", c:tcp("outside", "FA", 5001, 1001))
    w:later(99.999)
    expect("inside", c:tcp("inside", "A", 1001, 5002), "pass", "half closed")
    expect("inside", c:tcp("inside", "FA", 1001, 5002))
    w:later(0.999)
    expect("outside", c:tcp("outside", "A", 5002, 1002))
    w:later(1)
    expect("outside", c:tcp("outside", "A", 5002, 1002), "no-flow")
    lu.assertEquals(w:counters(), { opened = 2, closed = 1, ["timed-out"] = 1 })
    w:finish()
  end
end

-- From the middle, when that is wanted: from the inside alone, and the outside must answer to what was sent.
function TestTcp:testMidstream()
  for _, family in ipairs({ 4, 6 }) do
    local w = ct.start({ midstream = true })
    local c = ct.connection({ family = family })
    expect("outside", c:tcp("outside", "A", 5001, 1001), "no-flow")
    for _, flags in ipairs({ "SA", "R", "RA" }) do expect("inside", c:tcp("inside", flags, 1001, 5001), "not-opening", flags) end
    expect("inside", c:tcp("inside", "PA", 1001, 5001, { data = "data" }))
    lu.assertEquals(w:counters(), { opened = 1, current = 1, ["half-open"] = 1 })
    expect("outside", c:tcp("outside", "A", 5001, 1006), "out-of-window", "was not sent")
    expect("outside", c:tcp("outside", "A", 5001 + 1500000000, 1005), "out-of-window")
    expect("inside", c:tcp("inside", "PA", 1005, 5001, { data = "data" }))
    expect("outside", c:tcp("outside", "PA", 5001, 1009, { data = "answer" }))
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
    expect("inside", c:tcp("inside", "FA", 1009, 5007))
    expect("outside", c:tcp("outside", "FA", 5007, 1010))
    lu.assertEquals(w:counters().current, 1)
    w:finish()
  end
end

-- Numbers of a large transfer go round, with full windows, in both directions.
function TestTcp:testSequenceNumbersGoRound()
  each(function (c)
    local seq, ack = 4294900000, 4294900000
    expect("inside", c:tcp("inside", "S", seq - 1, 0, { options = ct.scale(14), window = 65535 }))
    expect("outside", c:tcp("outside", "SA", ack - 1, seq, { options = ct.scale(14), window = 65535 }))
    for _ = 1, 100 do
      expect("inside", c:tcp("inside", "A", seq, ack, { window = 65535, data = ("x"):rep(1400) }))
      seq = seq + 1400
      expect("outside", c:tcp("outside", "A", ack, seq, { window = 65535, data = ("x"):rep(1400) }))
      ack = ack + 1400
    end
    for _ = 1, 10 do
      seq, ack = seq + 900000000, ack + 900000000
      expect("inside", c:tcp("inside", "A", seq, ack, { window = 65535 }))
      expect("outside", c:tcp("outside", "A", ack, seq, { window = 65535 }))
    end
  end)
end

-- The address of the other side does not help.
function TestTcp:testSpoofed()
  each(function (c, w)
    c:open(w)
    expect("outside", c:tcp("inside", "A", 1001, 5001), "spoofed")
    expect("inside", c:tcp("outside", "A", 5001, 1001), "spoofed")
    expect("outside", c:tcp("inside", "R", 1001, 5001), "spoofed")
    lu.assertEquals(w:counters(), { opened = 1, current = 1 })
  end)
end

-- A header that is cut off, or longer than the packet.
function TestTcp:testMalformed()
  for _, family in ipairs({ 4, 6 }) do
    local w = ct.start()
    local c = ct.connection({ family = family })
    local whole = c:tcp("inside", "S", 1000, 0, { options = ct.scale(7) })
    local header = family == 4 and 34 or 54
    for length = 0, #whole - 1 do expect("inside", whole:sub(1, length), "malformed", length .. " bytes") end
    for offset = 0, 15 do
      expect("inside", whole:sub(1, header + 12) .. string.char(offset * 16) .. whole:sub(header + 14),
        (offset == 5 or offset == 6) and "pass" or "malformed", "offset " .. offset)
    end
    expect("inside", whole .. ("\0"):rep(20), "pass", "padding")
    w:finish()
  end
end

os.exit(lu.LuaUnit.run())
