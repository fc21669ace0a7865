-- nf regs: a card's registers by name and field. The card is a file.
local lu = require("luaunit")
local support = require("support")
local pci = require("support_pci")

local root = support.folder()
local function run(arguments) return support.run(("NF_SYSFS='%s' '%s' regs %s"):format(root, support.nf, arguments)) end

-- A card whose registers hold these values: { [offset] = value }.
local function card(address, device, values, size)
  local folder = pci.card(root, address, { device = device, bytes = size })
  local file = assert(io.open(folder .. "resource0", "r+b"))
  for offset, value in pairs(values) do
    file:seek("set", offset)
    for _ = 1, 4 do
      file:write(string.char(value % 256))
      value = math.floor(value / 256)
    end
  end
  file:close()
end

TestRegs = {}

function TestRegs:setUp()
  os.execute("rm -rf '" .. root .. "'/*")
  card("0000:05:00.0", 0x10fb, { [0] = 0x04000004, [0x1028] = 0x02000000, [0x10a8] = 0x42000000, [0x42a4] = 0x70000080, [0x4000] = 17 })
end

function TestRegs:testAllAreNamedWithTheirFields()
  local text, code = run("05:00.0")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, "CTRL: Device Control (8.2.3.1)\n       0x00000 0x04000004\n          MASTER_DISABLE=1 LRST=0 RST=1\n")
  lu.assertStrContains(text, "RXDCTL: Receive Descriptor Control (8.2.3.8)\n  0    0x01028 0x02000000\n          ENABLE=1 VME=0\n" ..
    "  2    0x010a8 0x42000000\n          ENABLE=1 VME=1\n")
  lu.assertStrContains(text, "LINK_SPEED=0x3 LINK_UP=1")
  lu.assertNotStrContains(text, "RETA")                        -- all 0
end

-- A read would clear the counters, and take the semaphore.
function TestRegs:testWhatAReadChangesIsShownOnlyByName()
  local text = run("05:00.0")
  lu.assertNotStrContains(text, "CRCERRS")
  lu.assertNotStrContains(text, "SWSM")
  lu.assertNotStrContains(text, "EICR")
  local code
  text, code = run("05:00.0 crcerrs")
  lu.assertEquals(text, "CRCERRS: CRC Error Count (8.2.3.23)\n       0x04000 0x00000011\n")
  lu.assertEquals(code, 0)
end

function TestRegs:testOneOfAnArray()
  lu.assertEquals(run("05:00.0 RXDCTL[2]"), "RXDCTL: Receive Descriptor Control (8.2.3.8)\n  2    0x010a8 0x42000000\n          ENABLE=1 VME=1\n")
  lu.assertEquals(run("05:00.0 'RXDCTL[1]'"), "RXDCTL: Receive Descriptor Control (8.2.3.8)\n  1    0x01068 0x00000000\n          ENABLE=0 VME=0\n")
  lu.assertEquals(run("05:00.0 RETA"), "RETA: Redirection Table (8.2.3.7)\n       all 0\n")
end

function TestRegs:testEachFamilyHasItsTable()
  card("0000:06:00.0", 0x1533, { [0xc028] = 0x02000000 }, 0x20000)
  card("0000:07:00.0", 0x10d3, { [0x2818] = 5 }, 0x20000)
  lu.assertStrContains(run("06:00.0"), "RXDCTL: Receive Descriptor Control (8.10)\n  0    0x0c028 0x02000000\n")
  lu.assertStrContains(run("07:00.0 RDT"), "RDT: Receive Descriptor Tail (10.2.5)\n       0x02818 0x00000005\n")
end

function TestRegs:testMistakes()
  local function wrong(arguments, expected, number)
    local text, code = run(arguments)
    lu.assertEquals(text:match("^[^\n]*"), "nf regs: " .. expected)
    lu.assertEquals(code, number)
  end
  wrong("eth0", "'eth0' is no address of a card; for example 0000:01:00.0", 2)
  wrong("05:00.0 'RDT[x]'", "'RDT[x]' is no name of a register; for example RXDCTL or RXDCTL[0]", 2)
  wrong("05:00.0 NOTHING", "the driver of this card knows no register 'NOTHING'", 1)
  wrong("09:00.0", "there is no PCI device 0000:09:00.0 (nf pci lists all)", 1)
  pci.card(root, "0000:08:00.0", { device = 0x100e })
  wrong("08:00.0", "no app of nf drives card 0000:08:00.0", 1)
end

os.exit(lu.LuaUnit.run())
