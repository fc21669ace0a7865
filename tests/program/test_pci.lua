-- nf pci: the list of cards, bind and unbind, as a user types them.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local pci = require("support_pci")

local root = support.folder()
local function run(arguments) return support.run(("NF_SYSFS='%s' '%s' pci %s"):format(root, support.nf, arguments or "")) end

TestPci = {}

function TestPci:setUp()
  os.execute("rm -rf '" .. root .. "'/*")
  self.folder = pci.card(root, "0000:05:00.0", { device = 0x10fb, node = 0 })
  pci.card(root, "0000:06:00.0", { device = 0x1563, driver = "ixgbe", net = "eth3" })
  pci.card(root, "0000:07:00.0", { device = 0x1000, vendor = 0x1af4 })
  pci.card(root, "0000:08:00.0", { device = 0x0001, class = 0x010000 })
end

function TestPci:testCardsAreListed()
  local text, code = run()
  lu.assertEquals(code, 0)
  lu.assertStrMatches(text, "address +card +driver +node +link +app *\n.*")
  lu.assertStrMatches(text, ".*\n0000:05:00%.0 +82599ES SFI/SFP%+ %(X520%) +%- +0 +%- +[%w.-]+ *\n.*")
  lu.assertStrMatches(text, ".*\n0000:06:00%.0 +X550%-AT2 +ixgbe %(eth3%) +%- +up, 10000 Mb/s +[%w.-]+ *\n.*")
  lu.assertStrMatches(text, ".*\n0000:07:00%.0 +1af4:1000 +%- +%- +%- +%- *\n.*")
  lu.assertNotStrContains(text, "0000:08:00.0")
end

function TestPci:testACardThatAnNfHasIsMarked()
  local fd = pci.take(self.folder)
  lu.assertStrMatches(run(), ".*\n0000:05:00%.0 +82599ES SFI/SFP%+ %(X520%) +%- %(an nf uses it%).*")
  local text, code = run("unbind 0000:05:00.0")
  lu.assertEquals(code, 1)
  lu.assertEquals(text, "nf pci: card 0000:05:00.0 is used by an nf; stop that first (nf ps)\n")
  ffi.C.close(fd)
end

function TestPci:testJson()
  local text, code = run("--json")
  lu.assertEquals(code, 0)
  lu.assertStrContains(text, '{"address": "0000:06:00.0", "vendor": 32902, "device": 5475, "name": "X550-AT2", "app": ')
  lu.assertStrContains(text, '"driver": "ixgbe", "interface": "eth3", "node": -1, "link": "up, 10000 Mb/s", "iommu": "none", "used": false}\n')
end

function TestPci:testNothingThere()
  os.execute("rm -rf '" .. root .. "'/*; mkdir -p '" .. root .. "/bus/pci/devices'")
  local text, code = run()
  lu.assertEquals(text, "there is no network card on the PCI bus\n")
  lu.assertEquals(code, 0)
  os.execute("rm -rf '" .. root .. "'/*")
  text, code = run()
  lu.assertStrContains(text, "nf pci: libpci: Cannot open")
  lu.assertEquals(code, 1)
end

function TestPci:testMistakes()
  local function wrong(arguments, message)
    local text, code = run(arguments)
    lu.assertEquals(text:match("^[^\n]*"), "nf pci: " .. message)
    lu.assertEquals(code, 2)
  end
  wrong("band", "'band' is neither bind nor unbind")
  wrong("bind", "bind which card? nf pci lists all")
  wrong("unbind", "unbind which card? nf pci lists all")
  wrong("unbind 05:00.0 kernel", "'kernel' is too much")
  wrong("bind eth0", "'eth0' is no address of a card; for example 0000:01:00.0")
  wrong("bind 05:00.0 igb_uio", "'igb_uio' is neither vfio-pci nor kernel")
  local text, code = run("bind 09:00.0")
  lu.assertEquals(text, "nf pci: there is no PCI device 0000:09:00.0 (nf pci lists all)\n")
  lu.assertEquals(code, 1)
end

function TestPci:testUnbindTellsTheKernel()
  support.write(root .. "/bus/pci/drivers/ixgbe/unbind", "")
  local text, code = run("unbind 06:00.0")
  lu.assertEquals(text, "")
  lu.assertEquals(code, 0)
  lu.assertEquals(support.read(root .. "/bus/pci/drivers/ixgbe/unbind"), "0000:06:00.0")
end

os.exit(lu.LuaUnit.run())
