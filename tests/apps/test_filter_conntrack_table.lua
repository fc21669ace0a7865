-- filter.conntrack: the size of its table, floods, flows that fall silent.
local lu = require("luaunit")
local ct = require("support_conntrack")

TestTable = ct.tests()

local expect = ct.expect

-- Silent flows go by themselves, within two seconds or so after their time.
function TestTable:testSweep()
  local w = ct.start({ flows = 5000, timeouts = { udp_opening = "10s" } })
  for host = 1, 2000 do expect("inside", ct.connection({ host = host }):udp("inside")) end
  w:later(9.999)
  w:tick(5000)
  lu.assertEquals(w:counters(), { opened = 2000, current = 2000, ["half-open"] = 2000 })
  w:later(0.001)
  w:tick(2048)
  lu.assertEquals(w:counters(), { opened = 2000, ["timed-out"] = 2000 })
end

-- A table full of settled flows refuses new ones, and lives.
function TestTable:testFullTable()
  local w = ct.start({ flows = 100, half_open = 100 })
  for host = 1, 100 do
    local c = ct.connection({ host = host })
    expect("inside", c:udp("inside"))
    expect("outside", c:udp("outside"))
  end
  local other = ct.connection({ host = 101 })
  expect("inside", other:udp("inside"), "table-full")
  expect("inside", other:tcp("inside", "S", 1, 0), "table-full")
  expect("inside", other:echo("inside", false), "table-full")
  for host = 1, 100 do expect("outside", ct.connection({ host = host }):udp("outside")) end
  lu.assertEquals(w:counters(), { opened = 100, current = 100 })
  w:later(301)
  expect("inside", other:udp("inside"), "pass", "those that are silent make room at once")
end

-- A flood of SYNs from the inside, with and without answers: what is settled stays, and new connections still find in.
function TestTable:testFloodAgainstSettledFlows()
  local w = ct.start({ flows = 400, half_open = 100 })
  local settled = {}
  for host = 1, 300 do
    settled[host] = ct.connection({ family = host % 2 * 2 + 4, host = host })
    lu.assertEquals(settled[host]:open(w), "passpasspass")
  end
  math.randomseed(1)
  for n = 1, 5000 do
    local flood = ct.connection({ host = 1000 + n % 50, sport = 1024 + n })
    expect("inside", flood:tcp("inside", "S", n, 0))
    if n % 7 == 0 then expect("outside", flood:tcp("outside", "SA", 9, n + 1)) end
    if n % 11 == 0 then expect("inside", ct.connection({ host = 2000, sport = n }):udp("inside")) end
    if n % 500 == 0 then
      w:tick()
      local late = ct.connection({ host = 3000 + n })
      lu.assertEquals(late:open(w), "passpasspass", "a new connection finds in")
      expect("inside", late:tcp("inside", "R", 1001, 0))
    end
  end
  for host = 1, 300 do
    local c = settled[host]
    expect("outside", c:tcp("outside", "A", 5001, 1001), "pass", "flow " .. host)
    expect("inside", c:tcp("inside", "PA", 1001, 5001, { data = "x" }))
  end
  w:tick()
  local counters = w:counters()
  lu.assertEquals(counters.current, 399, "one has just been closed")
  lu.assertEquals(counters["half-open"], 99)
  lu.assertEquals(counters.opened, counters.evicted + counters.closed + counters.current)
end

-- A flood from the outside costs no place at all.
function TestTable:testFloodFromTheOutside()
  local w = ct.start({ flows = 100 })
  for n = 1, 2000 do
    expect("outside", ct.connection({ peer = n % 200, sport = n }):tcp("outside", n % 2 == 0 and "S" or "A", n, 0), "no-flow")
  end
  lu.assertEquals(w:counters(), {})
end

os.exit(lu.LuaUnit.run())
