-- card -- two cards back to back that do as little as possible: a process that looks at the registers of two fake 82599 (files
-- resource0 below NF_SYSFS), answers resets, moves frames from each one's transmit rings to the other's receive rings, and completes
-- descriptors. It judges nothing.
--
--      nf lua tests/card.lua READY ADDRESS ADDRESS     makes the file READY when it looks
--
-- A file READY.do with a line of Lua is run once, with the cards as `card[1]` and `card[2]`: faults on command.
local ffi = require("ffi")

ffi.cdef([[
int open(const char *path, int flags, ...);
int close(int fd);
void *mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset);
int munmap(void *at, size_t bytes);
long pread(int fd, void *to, size_t bytes, long offset);
int usleep(unsigned us);
int getppid(void);
]])
local C, band, bor, bnot, rshift = ffi.C, bit.band, bit.bor, bit.bnot, bit.rshift
local PAGE = 2 * 1024 * 1024

local function map(path, bytes)
  local fd = C.open(path, 2)
  assert(fd >= 0, path)
  local at = C.mmap(nil, bytes, 3, 1, fd, 0)
  C.close(fd)
  assert(ffi.cast("intptr_t", at) ~= -1, path)
  return ffi.cast("uint8_t *", at)
end

-- The driver's memory: its huge pages are files, which are mapped here, too; where they lie physically says pagemap.
local pages, mapped = {}, {}
local pagemap = C.open("/proc/self/pagemap", 0)
local entry = ffi.new("uint64_t[1]")

local function scan()
  local seen = {}
  local pipe = io.popen([[for d in $(awk '$3 == "hugetlbfs" { print $2 }' /proc/self/mounts); do find $d -type f -name 'nf-*' -printf '%p %s\n'; done]])
  for path, size in pipe:read("*a"):gmatch("(%S+) (%d+)\n") do
    seen[path] = true
    if not mapped[path] then
      mapped[path] = { base = map(path, tonumber(size)), size = tonumber(size) }
      for offset = 0, tonumber(size) - 1, PAGE do
        local at = ffi.cast("volatile uint8_t *", mapped[path].base + offset)
        at[0] = at[0]
        C.pread(pagemap, entry, 8, tonumber(ffi.cast("uintptr_t", at)) / 4096 * 8)
        pages[tonumber(band(entry[0], 0x7fffffffffffffULL)) * 4096] = mapped[path].base + offset
      end
    end
  end
  pipe:close()
  for path, what in pairs(mapped) do
    if not seen[path] then
      for physical, at in pairs(pages) do
        if at >= what.base and at < what.base + what.size then pages[physical] = nil end
      end
      C.munmap(what.base, what.size)
      mapped[path] = nil
    end
  end
end

local function memory(address)
  address = tonumber(address)
  local physical = address - address % PAGE
  if not pages[physical] then scan() end
  local page = pages[physical]
  return page and page + address % PAGE
end

local ready = arg[1]
local card = {}
for i = 1, 2 do
  local folder = os.getenv("NF_SYSFS") .. "/bus/pci/devices/" .. arg[1 + i] .. "/"
  local base = map(folder .. "resource0", 0x80000)
  card[i] = { base = base, r = ffi.cast("volatile uint32_t *", base), config = map(folder .. "config", 4096), mac = i, links = 0x70000080,
    sent = 0, unknown = 0 }
end

-- A register.
local function at(offset) return offset / 4 end

local function reset(c)
  ffi.fill(ffi.cast("void *", c.base), 0x80000)
  c.r[at(0x10010)] = 0x300
  c.r[at(0x2f00)] = 8
  c.r[at(0x8d04)] = 1
  c.r[at(0xa200)] = 0x02000002
  c.r[at(0xa204)] = 0x80000000 + c.mac * 256
  c.r[at(0x8)] = 0x80080
  c.hung = nil
  c.resets = (c.resets or 0) + 1
end

-- The queue of a frame: RETA, by the last byte of its IPv4 source.
local function queue_of(c, frame, length)
  local index = length > 30 and frame[12] == 8 and frame[29] % 128 or 0
  local entry_of = rshift(c.r[at(0xeb00) + (index - index % 4) / 4], 8 * (index % 4)) % 16
  return band(c.r[at(0xec80)], 15) == 1 and entry_of or 0, index
end

local function receive(c, frame, length)
  local q, index = queue_of(c, frame, length)
  local r = c.r + at(0x1000 + 0x40 * q)
  if c.vanished or band(c.r[at(0x3000)], 1) == 0 or band(c.config[4], 4) == 0 then return end
  local size = r[2] / 16
  if band(r[10], 0x2000000) == 0 or size == 0 or r[4] == r[6] then
    c.r[at(0x1430 + 0x40 * q)] = c.r[at(0x1430 + 0x40 * q)] + 1
    return
  end
  local head = r[4]
  local ring = memory(r[0] + r[1] * 4294967296)
  local d = ring and ffi.cast("volatile uint64_t *", ring + 16 * head)
  local buffer = d and memory(d[0])
  if not buffer then
    c.unknown = c.unknown + 1
    return
  end
  ffi.copy(buffer, frame, length)
  d[0] = 1 + index * 4294967296ULL
  d[1] = 3 + length * 4294967296ULL
  r[4] = (head + 1) % size
end

local function transmit(c, peer)
  if band(c.r[at(0x4a80)], 1) == 0 or band(c.config[4], 4) == 0 or c.hung then return false end
  local moved = false
  for q = 0, 3 do
    local r = c.r + at(0x6000 + 0x40 * q)
    local size = r[2] / 16
    while band(r[10], 0x2000000) ~= 0 and size > 0 and r[4] ~= r[6] and r[4] < size do
      local ring = memory(r[0] + r[1] * 4294967296)
      local d = ring and ffi.cast("volatile uint64_t *", ring + 16 * r[4])
      local buffer = d and memory(d[0])
      if not buffer then
        c.unknown = c.unknown + 1
        break
      end
      local length = tonumber(band(d[1], 0xffff))
      if c.links ~= 0 then receive(peer, buffer, length) end
      c.sent = c.sent + 1
      if band(d[1], 0x8000000) ~= 0 then d[1] = bor(d[1], 0x100000000ULL) end
      r[4] = (r[4] + 1) % size
      moved = true
    end
  end
  return moved
end

local function obey()
  local file = io.open(ready .. ".do")
  if not file then return end
  local text = file:read("*a")
  file:close()
  setfenv(assert(loadstring(text)), setmetatable({ card = card, at = at, ready = ready, say = function (...)
    local out = assert(io.open(ready .. ".said", "w"))
    out:write(table.concat({ ... }, " "))
    out:close()
  end }, { __index = _G }))()
  os.remove(ready .. ".do")
end

for _, c in ipairs(card) do reset(c) end
assert(io.open(ready, "w")):close()
local parent, idle = C.getppid(), 0
while C.getppid() == parent do
  local moved = false
  for i, c in ipairs(card) do
    if c.vanished then
      ffi.fill(ffi.cast("void *", c.base), 0x80000, 0xff)
    else
      if band(c.r[0], 0x4000000) ~= 0 then reset(c) end
      if band(c.r[0], 4) ~= 0 then c.r[2] = band(c.r[2], bnot(0x80000)) end
      if c.r[at(0x42a4)] ~= c.links then c.r[at(0x42a4)] = c.links end
      moved = transmit(c, card[3 - i]) or moved
    end
  end
  idle = moved and 0 or idle + 1
  if idle > 50 then
    if idle % 20 == 0 then obey() end
    C.usleep(50)
  end
end
