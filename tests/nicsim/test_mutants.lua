-- The card can judge: defects of one line are put into nf's driver, and the card must complain of each. All of them are built into
-- one binary, build/nf-mutants, in which NF_MUTANT=N makes defect N happen.
local lu = require("luaunit")
local ffi = require("ffi")
local nicsim = require("support_nicsim")
local support = require("support")
local unfinish = require("support_unfinish")

local folder = support.folder()
local LEAST = 20                        -- defects that must be there, whatever has become of the driver's lines

-- Parameters of the cards, for defects of what is not always in use: MAC stands for the card's own address.
local POOL = 'vmdq = { pool = 0, mac = "MAC" }'
local MIRROR = 'vmdq = { pool = 0, mac = "MAC", mirror = { pools = 1 } }'
local SUMS = ""                         -- with an app between the cards that leaves checksums to them
local RATE, TAGS = 'rate_limit = "1G"', "vlan = true"

-- file, what stands there once, what stands there instead, what the card must say, options of nf nicsim, parameters, more traffic.
-- What ends with a semicolon is a statement, else an expression. "lost": no rule is broken, but frames do not come back whole.
local defects = {
  { "intel_port_open", "code = pci_master_on(card);", "code = 0;", "bus-mastering-off" },
  { "ixgbe", "3u << 20 | 1u << 24 | 1u << 25 | 1u << 29", "3u << 20 | 1u << 25 | 1u << 29", "no-eop" },
  { "ixgbe", "3u << 20 | 1u << 24 | 1u << 25 | 1u << 29", "3u << 20 | 1u << 24 | 1u << 29", "no-fcs" },
  { "ixgbe", "3u << 20 | 1u << 24 | 1u << 25 | 1u << 29", "1u << 24 | 1u << 25 | 1u << 29", "mixed-descriptors" },
  { "ixgbe", "port->transmit.unit = 1 | 1ULL << 46;", "port->transmit.unit = 1;", "paylen-mismatch" },
  { "ixgbe", "port->transmit.command_last = 1u << 27;", "port->transmit.command_last = 0;", "no-report" },
  { "ixgbe_init", "intel_set(registers, IXGBE_CTRL, IXGBE_CTRL_RST | IXGBE_CTRL_LRST);", ";", "no-reset", "--do 'soil 0; soil 1'" },
  { "ixgbe_init", "intel_pause(RESET_PAUSE_US);", ";", "access-after-reset", "--strict" },
  { "ixgbe_link", "\t\tlock(port);", "\t\t;", "semaphore" },
  { "ixgbe_receive", "\t\tIXGBE_RDRXCTL_CRCSTRIP | IXGBE_RDRXCTL_RSCACKC", "\t\tIXGBE_RDRXCTL_RSCACKC", "crc-strip-mismatch" },
  { "ixgbe_receive", "intel_write(registers, IXGBE_RECEIVE(RDBAL, q), (uint32_t)iova);",
    "intel_write(registers, IXGBE_RECEIVE(RDBAL, q), (uint32_t)iova + 64);", "ring-misaligned" },
  { "ixgbe_receive", "port->receive_ring * (uint32_t)sizeof(struct intel_descriptor)", "port->receive_ring * 8", "tail-out-of-ring" },
  { "ixgbe_receive", "port->receive_ring * (uint32_t)sizeof(struct intel_descriptor)", "port->receive_ring * 16 - 8", "ring-length" },
  { "ixgbe_receive", "port->receive.room / BSIZE_UNIT", "0u", "buffer-size" },
  { "ixgbe_receive", "DESCTYPE_ADVANCED << IXGBE_SRRCTL_DESCTYPE_AT", "0u", "lost" },
  { "ixgbe_receive", "intel_clear(registers, IXGBE_RECEIVE(DCA_RXCTRL, q), IXGBE_DCA_RXCTRL_BIT12);", ";", "dca-rxctrl-bit-12" },
  { "ixgbe_receive", "intel_write(registers, IXGBE_RECEIVE(RDT, q), 0);", "intel_write(registers, IXGBE_RECEIVE(RDT, q), 1);", "tail-before-enable" },
  { "ixgbe_receive", "\tintel_set(registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);\n\tintel_clear(registers, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);",
    "intel_clear(registers, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);", "receive-off" },
  { "ixgbe_transmit", "intel_write(registers, IXGBE(TDWBAL, q), 0);", "intel_clear(registers, IXGBE_DMATXCTL, IXGBE_DMATXCTL_TE);",
    "transmit-off" },
  { "ixgbe_transmit", "port->transmit_ring * (uint32_t)sizeof(struct intel_descriptor)", "port->transmit_ring * 8", "tail-" },
  { "ixgbe_transmit", "intel_write(registers, IXGBE(TDBAL, q), (uint32_t)iova);", "intel_write(registers, IXGBE(TDBAL, q), (uint32_t)iova + 64);",
    "ring-misaligned" },
  { "intel_receive", "d[i].high = 0;", ";", "stale-dd" },
  { "intel_receive", "d[i].low = p->iova + sizeof(struct packet) + PACKET_HEADROOM;",
    "d[i].low = burst[0]->iova + sizeof(struct packet) + PACKET_HEADROOM;", "buffer-given-twice" },
  { "intel_receive", "d[i].low = p->iova + sizeof(struct packet) + PACKET_HEADROOM;",
    "d[i].low = (uint64_t)(uintptr_t)p + sizeof(struct packet) + PACKET_HEADROOM;", "dma-virtual" },
  { "intel_receive", "d[i].low = p->iova + sizeof(struct packet) + PACKET_HEADROOM;",
    "d[i].low = p->iova + sizeof(struct packet) + PACKET_HEADROOM + 2;", "lost" },
  { "intel_receive", "*r->tail = filled & mask;", "*r->tail = (filled + 1) & mask;", "ring-never-refilled" },
  { "intel_receive", "*r->tail = filled & mask;", "if (filled <= mask) *r->tail = filled & mask;", "ring-never-refilled" },
  { "intel_receive", "!(status & STATUS_DD)", "false", "tail-laps-head" },
  { "intel_receive", "p->length = length;", "p->length = length - 1;", "lost" },
  { "intel_transmit", "*t->tail = end & t->mask;", "*t->tail = (end + 1) & t->mask;", "lost" },
  { "intel_transmit", "*t->tail = end & t->mask;", "*t->tail = (end - 1) & t->mask;", "lost" },
  { "intel_transmit", "!(t->ring[last & mask].high & STATUS_DD)", "false", "tail-laps-head",
    "--do 'delay 0 transmit 5ms; delay 1 transmit 5ms'" },
  { "intel_transmit", "d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p);", "d->low = (uint64_t)(uintptr_t)p->data;", "dma-virtual" },
  { "intel_transmit", "d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p);", "d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p) + 4;",
    "lost" },
  { "ixgbe_transmit", "intel_write(registers, IXGBE_MTQC, ixgbe_pool_mtqc(port));", ";", "queue-mode", nil, POOL },
  { "ixgbe_transmit", "intel_set(registers, IXGBE_RTTDCS, IXGBE_RTTDCS_ARBDIS);", ";", "mtqc-arbiter", nil, POOL },
  { "ixgbe_pool", "set_bit(port, IXGBE_PFVFTE, true);", ";", "pool-off", nil, POOL },
  { "ixgbe_pool", "set_bit(port, IXGBE_PFVFRE, true);", ";", "lost", nil, POOL },
  { "ixgbe_pool", "IXGBE_PFVTCTL_VT_ENA | IXGBE_PFVTCTL_RPL_EN | IXGBE_PFVTCTL_DIS_DEF_POOL",
    "IXGBE_PFVTCTL_VT_ENA | IXGBE_PFVTCTL_DIS_DEF_POOL", "mirror-rule", nil, MIRROR },
  { "ixgbe_transmit", "intel_port_rate_factor(port)", "intel_port_rate_factor(port) & (1u << 31 | 0x3fff)", "rate-limit", nil, RATE },
  { "intel_transmit", "!is_remembered(t, &context)", "false", "no-context", nil, TAGS, ",vlan=5" },
  { "intel_transmit", "d->high = context->high;", "d->high = context->high | 2ULL << 36;", "no-context", nil, TAGS, ",vlan=5" },
  { "intel_offload", "(at->transport - at->network) | at->network << 9 | (uint32_t)vlan << 16",
    "(at->transport - at->network + 4) | at->network << 9 | (uint32_t)vlan << 16", "bad-offload", nil, SUMS },
  { "intel_offload", "(at->transport - at->network) | at->network << 9 | (uint32_t)vlan << 16",
    "(at->transport - at->network) | (at->network + 4) << 9 | (uint32_t)vlan << 16", "bad-offload", nil, SUMS, ",ipv6,tcp" },
  { "intel_offload", "(at->is_tcp ? TUCMD_TCP : 0)", "(at->is_tcp ? 0 : TUCMD_TCP)", "bad-offload", nil, SUMS, ",tcp" },
  { "intel_offload", "return bits | (sums ? TXSM : 0);", "return bits;", "lost", nil, SUMS },
  { "igb", "3u << 20 | 1u << 24 | 1u << 25 | 1u << 29", "3u << 20 | 1u << 24 | 1u << 29", "no-fcs" },
  { "igb", "intel_write(registers, IGB(TDWBAL, q), 0);", "intel_clear(registers, GIGABIT_TCTL, GIGABIT_TCTL_EN);", "transmit-off" },
  { "gigabit", "\t\tlock(port);", "\t\t;", "semaphore" },
}

-- How often a text stands in another, and where it stands last.
local function find(text, piece)
  local count, from, at = 0, 1, nil
  while true do
    local i = text:find(piece, from, true)
    if not i then return count, at end
    count, at, from = count + 1, i, i + 1
  end
end

-- A statement, or an expression, of which each defect has its own form.
local function variants(original, list)
  local text = original
  for _, defect in ipairs(list) do
    if original:sub(-1) == ";" then
      text = ("{ if (intel_mutant == %d) { %s } else { %s } }"):format(defect.number, defect[3], text)
    else
      text = ("(intel_mutant == %d ? (%s) : (%s))"):format(defect.number, defect[3], text)
    end
  end
  return text
end

-- A file of the driver with its defects.
local function write_file(name, places)
  local text = support.read("src/apps/intel/" .. name .. ".c")
  for original, list in pairs(places) do
    local _, at = find(text, original)
    text = text:sub(1, at - 1) .. variants(original, list) .. text:sub(at + #original)
  end
  local choice = name == "intel_receive" and "#include <stdlib.h>\nint intel_mutant;\n__attribute__((constructor)) static void choose(void) " ..
    "{ const char *n = getenv(\"NF_MUTANT\"); intel_mutant = n != NULL ? atoi(n) : 0; }\n" or "extern int intel_mutant;\n"
  support.write("build/mutants/apps/intel/" .. name .. ".c", choice .. text)
end

-- Write the driver with all defects that still have their place; gives these.
local function write_driver()
  local files, applied, left = {}, {}, {}
  for path in io.popen("ls src/apps/intel/*.c"):lines() do files[path:match("([^/]+)%.c$")] = {} end
  for number, defect in ipairs(defects) do
    local places = files[defect[1]]
    defect.number = number
    if places and find(support.read("src/apps/intel/" .. defect[1] .. ".c"), defect[2]) == 1 then
      places[defect[2]] = places[defect[2]] or {}
      table.insert(places[defect[2]], defect)
      applied[#applied + 1] = defect
    else
      left[#left + 1] = defect[1] .. ": " .. defect[2]
    end
  end
  support.run("rm -rf build/mutants; mkdir -p build/mutants/apps/intel")
  for name, places in pairs(files) do write_file(name, places) end
  return applied, left
end

local graph = [[
return {
  apps = {
    a = { "APP", pci = "0000:05:00.0", receive_ring = 64, transmit_ring = 64, MORE0 },
    b = { "APP", pci = "0000:06:00.0", receive_ring = 64, transmit_ring = 64, MORE1 },
  },
  links = { "a.output -> b.input", "b.output -> a.input" },
}
]]

-- The graph for a class and parameters; gives its path.
local function write_graph(class, parameters, number)
  local path = ("%s/%d.lua"):format(folder, number)
  local text = graph
  if parameters == SUMS then
    text = text:gsub('a.output %-> b.input", "b.output %-> a.input', 'a.output -> ua.input", "ua.output -> b.input", "b.output -> ub.input", ' ..
      '"ub.output -> a.input'):gsub("apps = {", 'apps = {\n    ua = { "unfinish" }, ub = { "unfinish" },')
  end
  local function more(card) return (parameters or ""):gsub("MAC", "02:00:00:5a:00:0" .. card) end
  support.write(path, (text:gsub("APP", class):gsub("MORE(%d)", more)))
  return path
end

-- Run the driver with each defect, twelve at a time; what was said is in a file each. 0 and below: with none.
local function run_all(list)
  local script = {}
  support.write(folder .. "/unfinish.lua", unfinish)
  for i, defect in ipairs(list) do
    local gigabit = defect[1] == "igb" or defect[1] == "gigabit"
    script[#script + 1] = ("{ NF_MUTANT=%d timeout 200 build/nf nicsim --wire generator --all-back --traffic count=400,size=64-1514%s --stop %s " ..
      "-- build/nf-mutants run --quiet --duration 4s --name mutant-%d-%d %s; echo code $?; } >%s/%d.text 2>&1 &"):format(
      defect.number, defect[7] or "", gigabit and "--cards 82576,i210" or defect[5] or "", ffi.C.getpid(), i,
      write_graph(gigabit and "intel.igb" or "intel.ixgbe", defect[6], i), folder, defect.number)
    if i % 12 == 0 then script[#script + 1] = "wait" end
  end
  support.run(table.concat(script, "\n") .. "\nwait")
end

-- Those of the defects that the last run did not name, and the texts of them.
local function unnamed(list)
  local silent, texts = {}, {}
  for _, defect in ipairs(list) do
    local text = support.read(folder .. "/" .. defect.number .. ".text")
    local named = defect[4] == "lost" and (text:match("lost [1-9]") or text:match("corrupted [1-9]")) or
      text:find("violation " .. defect[4], 1, true)
    if not named or not text:find("code 1\n", 1, true) then
      silent[#silent + 1] = defect
      texts[#texts + 1] = ("%s: %s -> %s\n%s"):format(defect[1], defect[2], defect[3], text)
    end
  end
  return silent, texts
end

TestMutants = {}

function TestMutants:testEveryDefectIsNamed()
  local lacks = support.nf ~= "build/nf" and "defects are put into the plain build only" or nicsim.lacks(160)
  if lacks then lu.skip(lacks) end
  local applied, left = write_driver()
  lu.assertTrue(#applied >= LEAST, "only " .. #applied .. " defects found their place; not these:\n" .. table.concat(left, "\n"))
  local text, code = support.run("env -u MAKEFLAGS -u MFLAGS make -s build/nf-mutants")
  lu.assertEquals(code, 0, text)
  -- Without a defect all is well, whatever the parameters.
  local list = { { number = 0 }, { number = -1, [6] = POOL }, { number = -2, [6] = MIRROR }, { number = -3, [6] = RATE },
    { number = -4, [6] = TAGS, [7] = ",vlan=5" }, { number = -5, [6] = SUMS }, { number = -6, [6] = SUMS, [7] = ",ipv6,tcp" } }
  for _, defect in ipairs(applied) do list[#list + 1] = defect end
  run_all(list)
  for number = -6, 0 do
    text = support.read(("%s/%d.text"):format(folder, number))
    lu.assertStrContains(text, "nicsim: no violation", false, text)
    lu.assertStrContains(text, "code 0\n", false, text)
  end
  -- A driver that does not wait is caught when it is faster than the card; on a busy machine that may take another try.
  local silent, texts = unnamed(applied)
  for _ = 1, 3 do
    if #silent == 0 then break end
    run_all(silent)
    silent, texts = unnamed(silent)
  end
  lu.assertEquals(table.concat(texts, "\n"), "")
end

os.exit(lu.LuaUnit.run())
