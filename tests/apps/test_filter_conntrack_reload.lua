-- filter.conntrack: what a reload keeps.
local lu = require("luaunit")
local support = require("support")
local nf = require("nf.core")
local ct = require("support_conntrack")

TestReload = ct.tests()

local expect = ct.expect

local function fill(w, n)
  local list = {}
  for host = 1, n do
    list[host] = ct.connection({ family = host % 2 * 2 + 4, host = host })
    lu.assertEquals(list[host]:open(w), "passpasspass")
  end
  return list
end

local function all_live(list)
  for host, c in ipairs(list) do
    expect("outside", c:tcp("outside", "A", 5001, 1001), "pass", "flow " .. host)
  end
end

function TestReload:testReloadKeepsFlows()
  local w = ct.start({ flows = 500 })
  local list = fill(w, 300)
  w:reconfigure({ flows = 500, timeouts = { tcp = "1h", udp = "1min" }, midstream = true })
  all_live(list)
  w:tick()
  lu.assertEquals(w:counters(), { opened = 300, current = 300 })
  w:later(3600)
  expect("outside", list[1]:tcp("outside", "A", 5001, 1001), "no-flow", "the new time-out counts for old flows, too")
end

-- Fragments that are under way go on after a reload.
function TestReload:testReloadKeepsFragments()
  local w = ct.start({ flows = 100 })
  local c = ct.connection()
  expect("inside", ct.fragment(c, "inside", 9, 0, true, ct.udp({ length = 3000 })))
  w:reconfigure({ flows = 100, arp = false })
  expect("inside", ct.fragment(c, "inside", 9, 100, false, "x"))
end

-- A lower limit of half-open flows: those that are too many go bit by bit, and nothing is refused meanwhile.
function TestReload:testReloadWithFewerHalfOpenFlows()
  local w = ct.start({ flows = 4000, half_open = 2000 })
  local c = ct.connection({ host = 5000 })
  c:open(w)
  for host = 1, 1000 do expect("inside", ct.connection({ host = host }):udp("inside")) end
  w:reconfigure({ flows = 4000, half_open = 100 })
  for host = 1001, 1050 do expect("inside", ct.connection({ host = host }):udp("inside"), "pass", "one goes for another") end
  lu.assertEquals(w:counters()["half-open"], 1000)
  w:tick()
  lu.assertEquals(w:counters()["half-open"], 744)
  for host = 1051, 1060 do expect("inside", ct.connection({ host = host }):udp("inside")) end
  w:tick(3)
  lu.assertEquals(w:counters()["half-open"], 100)
  expect("inside", ct.connection({ host = 1070 }):udp("inside"))
  lu.assertEquals(w:counters()["half-open"], 100)
  all_live({ c })
  w:reconfigure({ flows = 4000, half_open = 200 })
  for host = 2001, 2300 do expect("inside", ct.connection({ host = host }):udp("inside")) end
  lu.assertEquals(w:counters()["half-open"], 200)
end

-- A larger table: all flows move, those that are used at once and the others at the ticks.
function TestReload:testReloadWithALargerTable()
  local w = ct.start({ flows = 500 })
  local list = fill(w, 400)
  expect("inside", ct.connection({ host = 900 }):udp("inside"))
  w:reconfigure({ flows = 20000 })
  for host = 1, 50 do expect("outside", list[host]:tcp("outside", "A", 5001, 1001)) end
  w:tick()
  lu.assertEquals(w:counters(), { opened = 401, current = 401, ["half-open"] = 1 })
  all_live(list)
  expect("outside", ct.connection({ host = 900 }):udp("outside"))
  w:tick(10)
  w:reconfigure({ flows = 20000, arp = false })
  all_live(list)
  w:reconfigure({ flows = 500 })
  w:tick(2)
  all_live(list)
end

-- A smaller one: as many as it holds, half-open ones last.
function TestReload:testReloadWithASmallerTable()
  local w = ct.start({ flows = 500 })
  local list = fill(w, 100)
  for host = 1, 200 do expect("inside", ct.connection({ host = 5000 + host }):udp("inside")) end
  w:reconfigure({ flows = 120 })
  w:tick(3)
  all_live(list)
  local counters = w:counters()
  lu.assertEquals(counters, { opened = 300, evicted = 180, current = 120, ["half-open"] = 20 })
  w:reconfigure({ flows = 16 })
  w:tick(3)
  local live = 0
  for _, c in ipairs(list) do
    if w:send("outside", c:tcp("outside", "A", 5001, 1001)) == "pass" then live = live + 1 end
  end
  lu.assertEquals(live, 16)
end

-- While flows move, silence counts, new flows open, and another change of the size is refused.
function TestReload:testReloadsInAHurry()
  local w = ct.start({ flows = 500 })
  local list = fill(w, 300)
  w:reconfigure({ flows = 600 })
  local app = assert(support.new("filter.conntrack", { "filter.conntrack", flows = 700 }))
  lu.assertTrue(app.class.prepare(app, w.bench.app) < 0)
  lu.assertEquals(require("ffi").string(nf.nf_error()), "app 'x': the flows are still moving to a table of 600 after an earlier change of "
    .. "'flows'; change it again in some seconds")
  app.class.retire(app)
  nf.app_delete(app)
  w:reconfigure({ flows = 600, timeouts = { tcp = "1000s" } })
  expect("inside", ct.connection({ host = 900 }):udp("inside"))
  all_live({ list[1], list[2] })
  w:later(1000)
  expect("outside", list[1]:tcp("outside", "A", 5001, 1001), "no-flow")
  expect("outside", list[3]:tcp("outside", "A", 5001, 1001), "no-flow")
  w:tick(3)
  lu.assertEquals(w:counters().current, nil)
end

-- What a reload prepared and gave up leaves nothing behind; the sanitizers would tell.
function TestReload:testReloadThatIsGivenUp()
  local w = ct.start({ flows = 100 })
  local c = ct.connection()
  expect("inside", c:udp("inside"))
  for _, flows in ipairs({ 100, 200 }) do
    local app = assert(support.new("filter.conntrack", { "filter.conntrack", flows = flows }))
    lu.assertEquals(app.class.prepare(app, w.bench.app), 0)
    app.class.abort(app)
    nf.app_delete(app)
  end
  expect("outside", c:udp("outside"))
end

os.exit(lu.LuaUnit.run())
