-- Registers of a card that is taken out read as all ones. A file that is cut off stands for it: the kernel answers accesses with SIGBUS, too.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

ffi.cdef([[
int open(const char *path, int flags, ...);
int ftruncate(int fd, long length);
volatile uint8_t *pci_registers_map(int fd, uint32_t bytes);
void pci_registers_unmap(volatile uint8_t *registers);
]])

local READ_WRITE, BYTES = 2, 16384
local folder = support.folder()

TestRegisters = {}

local function map(name)
  local path = folder .. "/" .. name
  support.write(path, ("\1\2\3\4"):rep(BYTES / 4))
  local fd = ffi.C.open(path, READ_WRITE)
  local registers = nf.pci_registers_map(fd, BYTES)
  lu.assertTrue(registers ~= nil)
  return fd, registers, ffi.cast("volatile uint32_t *", registers)
end

function TestRegisters:testAllOnesWhenTheCardIsGone()
  local fd, registers, word = map("gone")
  local other, stays, kept = map("stays")
  lu.assertEquals(word[1024], 0x04030201)
  word[1024] = 7
  lu.assertEquals(word[1024], 7)
  ffi.C.ftruncate(fd, 0)
  lu.assertEquals(word[1024], 0xffffffff)
  lu.assertEquals({ word[0], word[BYTES / 4 - 1] }, { 0xffffffff, 0xffffffff })
  word[3] = 5                                                   -- a write harms nobody
  lu.assertEquals(kept[1024], 0x04030201)                       -- the other card is still there
  for _, one in ipairs({ registers, stays }) do nf.pci_registers_unmap(one) end
  nf.pci_registers_unmap(nil)
  for _, one in ipairs({ fd, other }) do ffi.C.close(one) end
end

function TestRegisters:testWhatCannotBeMapped()
  lu.assertTrue(nf.pci_registers_map(-1, 4096) == nil)
end

-- A fault elsewhere, and a signal that somebody sends, end the process as ever.
function TestRegisters:testOtherFaultsEndTheProcess()
  local script = folder .. "/fault.lua"
  support.write(script, ([[
    local ffi, nf = require("ffi"), require("nf.core")
    ffi.cdef("int open(const char *path, int flags, ...); int ftruncate(int fd, long length); int kill(int pid, int signal); int getpid(void);" ..
      "volatile uint8_t *pci_registers_map(int fd, uint32_t bytes); void *mmap(void *at, size_t bytes, int prot, int flags, int fd, long offset);")
    local fd = ffi.C.open("%s", 2)
    local at = ffi.cast("volatile uint32_t *", ffi.C.mmap(nil, 4096, 3, 1, fd, 0))
    assert(nf.pci_registers_map(fd, 4096) ~= nil)
    if arg[1] == "signal" then ffi.C.kill(ffi.C.getpid(), 7) else ffi.C.ftruncate(fd, 0) end
    print(at[0])
  ]]):format(folder .. "/fault"))
  for _, how in ipairs({ "fault", "signal" }) do
    support.write(folder .. "/fault", ("x"):rep(4096))
    lu.assertEquals(select(2, support.run(("ulimit -c 0; %s lua %s %s"):format(support.nf, script, how))), 128 + 7, how)
  end
end

os.exit(lu.LuaUnit.run())
