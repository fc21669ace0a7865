-- The ring of a probe: what is copied, what is left out, and what either side makes of the other's nonsense.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

local HEADER = 4096

TestProbe = {}

function TestProbe:setUp()
  support.memory(4000)
  nf.clock_set(5000000000ULL)
  self.fd = nf.probe_create()
  assert(self.fd >= 0)
  local out = ffi.new("struct probe *[1]")
  assert(nf.probe_open(out, self.fd, 3, 100) == 0)
  self.probe = out[0]
  self.link, self.app = ffi.new("struct link"), ffi.new("struct app")
  self.link.number = 7
  nf.probe_set_link(self.probe, self.link, self.app)
  out = ffi.new("struct probe_reader *[1]")
  assert(nf.probe_reader_open(out, self.fd) == 0)
  self.reader = out[0]
end

function TestProbe:tearDown()
  nf.link_free(self.link, 1024)
  nf.probe_close(self.probe, "PROBE_ENDED")
  nf.probe_reader_close(self.reader)
  ffi.C.close(self.fd)
  nf.clock_set_real()
end

function TestProbe:send(data)
  local p = nf.packet_alloc()
  ffi.copy(p.data, data, #data)
  p.length = #data
  nf.link_send(self.link, p)
end

-- The next record and its bytes; nil when there is none, and whether the ring is broken.
function TestProbe:next()
  local broken = ffi.new("bool[1]")
  local record = nf.probe_reader_next(self.reader, broken)
  if record == nil then return nil, broken[0] end
  return record, ffi.string(ffi.cast("const char *", record + 1), record.length)
end

function TestProbe:testPacketsAreCopied()
  self:send("first")
  self:send(("x"):rep(150))
  nf.probe_copy(self.probe, false)
  local record, bytes = self:next()
  lu.assertEquals({ bytes, record.wire_length, record.link, tonumber(record.total), tonumber(record.timestamp) },
    { "first", 5, 7, 0, 5000000000 })
  lu.assertEquals(record.kind, tonumber(nf.PROBE_PACKET))
  lu.assertEquals(tonumber(record.place), tonumber(nf.memory_offset(nf.link_peek(self.link, 0))))
  record, bytes = self:next()
  lu.assertEquals({ bytes, record.wire_length, tonumber(record.total) }, { ("x"):rep(100), 150, 1 })
  lu.assertNil((self:next()))
  nf.probe_copy(self.probe, false)
  lu.assertNil((self:next()))
end

function TestProbe:testPacketsThatHaveLeftTheLinkAreLeftOut()
  for i = 1, 5 do self:send("packet " .. i) end
  nf.link_free(self.link, 3)
  nf.probe_copy(self.probe, false)
  local record, bytes = self:next()
  lu.assertEquals({ bytes, tonumber(record.total) }, { "packet 4", 3 })
  local status = nf.probe_reader_status(self.reader)
  lu.assertEquals({ tonumber(status.seen), tonumber(status.left_out) }, { 5, 3 })
end

function TestProbe:testOnlyWhatComesAfterTheBeginningIsSeen()
  local other = ffi.new("struct link")
  nf.probe_set_link(self.probe, other, self.app)
  self:send("before")
  nf.probe_set_link(self.probe, self.link, self.app)
  self:send("after")
  nf.probe_copy(self.probe, false)
  local _, bytes = self:next()
  lu.assertEquals(bytes, "after")
  lu.assertNil((self:next()))
end

function TestProbe:testAThreadThatIsBusyCopiesASixteenthOfItsTime()
  self:send("one")
  nf.probe_copy(self.probe, true)
  self.probe.resume_cycles = nf.clock_cycles() + 1000000000000ULL
  self:send("two")
  nf.probe_copy(self.probe, true)
  self:send("three")
  nf.probe_copy(self.probe, false)
  local _, bytes = self:next()
  lu.assertEquals(bytes, "one")
  _, bytes = self:next()
  lu.assertEquals(bytes, "three")
  lu.assertEquals(tonumber(nf.probe_reader_status(self.reader).left_out), 1)
end

-- The ring goes round several times, with records of all sizes; nobody reads for a while, then everything fits again.
function TestProbe:testTheRingGoesRound()
  local sent, got = 0, 0
  for round = 1, 600 do
    for _ = 1, 512 do
      sent = sent + 1
      self:send(("%d "):format(sent) .. ("."):rep(sent * 7 % 83))
    end
    nf.probe_copy(self.probe, false)
    nf.link_free(self.link, 1024)
    while round % 200 < 150 do
      local record, bytes = self:next()
      if not record then break end
      got = got + 1
      local number = tonumber(record.total) + 1
      if bytes ~= ("%d "):format(number) .. ("."):rep(number * 7 % 83) then lu.fail("record " .. got .. ": " .. bytes) end
    end
  end
  while self:next() do got = got + 1 end
  local left = tonumber(nf.probe_reader_status(self.reader).left_out)
  lu.assertEquals(sent, 600 * 512)
  lu.assertEquals(got + left, sent)
  lu.assertTrue(self.probe.written > nf.PROBE_RING)
end

function TestProbe:testAFullRingLeavesPacketsOut()
  for _ = 1, 400 do
    for _ = 1, 1024 do self:send(("z"):rep(100)) end
    nf.probe_copy(self.probe, false)
    nf.link_free(self.link, 1024)
  end
  local got = 0
  while self:next() do got = got + 1 end
  local status = nf.probe_reader_status(self.reader)
  lu.assertEquals(tonumber(status.seen), 400 * 1024)
  lu.assertEquals(got + tonumber(status.left_out), 400 * 1024)
  lu.assertTrue(tonumber(status.left_out) > 0)
end

-- A reader that writes anything into the file does no harm to the writer.
function TestProbe:testTheWriterBelievesNothing()
  local shared = self.probe.shared
  for i = 1, 200 do
    shared.read = i % 3 == 0 and 0xffffffffffffffffULL - i or i % 3 == 1 and self.probe.written + i or i * 12345ULL
    shared.written, shared.state, shared.magic = i * 999ULL, 99, i
    ffi.fill(ffi.cast("char *", shared) + HEADER, 65536, i)
    for _ = 1, 64 do self:send(("h"):rep(100)) end
    nf.probe_copy(self.probe, false)
    nf.link_free(self.link, 1024)
  end
  lu.assertEquals(tonumber(self.probe.seen), 200 * 64)
end

-- And a writer none to the reader: what is no record ends the reading.
function TestProbe:testTheReaderBelievesNothing()
  local record = ffi.cast("struct probe_record *", ffi.cast("char *", self.probe.shared) + HEADER)
  local function broken(change)
    record.size, record.kind, record.length = 112, nf.PROBE_PACKET, 60
    self.probe.shared.written = 112
    change()
    local nothing, is_broken = self:next()
    lu.assertNil(nothing)
    lu.assertTrue(is_broken)
  end
  broken(function() record.size = 0 end)
  broken(function() record.size = 113 end)
  broken(function() record.size = 32 end)
  broken(function() record.size = 128 end)
  broken(function() record.size = 0xfffffff0 end)
  broken(function() record.length = 65 end)
  broken(function() record.length = 0xffffffff end)
  broken(function() self.probe.shared.written = 0xffffffffffffff00ULL end)
  broken(function() self.probe.shared.written = 111 end)
  broken(function()
    self.probe.shared.written = nf.PROBE_RING
    record.size = nf.PROBE_RING
    record.length = nf.PROBE_RING - 64
  end)
end

-- A call that no app can have made is none.
function TestProbe:testCallsAreChecked()
  local fixed, span = ffi.offsetof("struct probe_call", "span"), ffi.sizeof("struct probe_span")
  local buffer = ffi.new("uint64_t[?]", 1024)
  local record = ffi.cast("struct probe_record *", buffer)
  local call = ffi.cast("struct probe_call *", ffi.cast("char *", buffer) + ffi.sizeof("struct probe_record"))
  local read = ffi.new("struct probe_call")
  local function is_call(change)
    ffi.fill(buffer, 8192)
    record.kind, record.length = nf.PROBE_CALL, fixed + 3 * span
    call.app, call.inputs, call.outputs = 5, 1, 2
    for i = 0, 2 do call.span[i].link, call.span[i].count, call.span[i].first = i, 1024, 7 end
    if change then change() end
    return nf.probe_call_read(record, read)
  end
  lu.assertTrue(is_call())
  lu.assertEquals({ read.app, read.inputs, read.outputs, read.span[2].link, tonumber(read.span[2].first) }, { 5, 1, 2, 2, 7 })
  for _, change in ipairs({
    function() record.kind = nf.PROBE_PACKET end,
    function() record.length = 0 end,
    function() record.length = fixed - 1 end,
    function() record.length = fixed + 2 * span end,
    function() record.length = fixed + 3 * span + 1 end,
    function() record.length = 0xffffffff end,
    function() call.inputs = 2 end,
    function() call.inputs, call.outputs = 0xffffffff, 4 end,
    function() call.inputs, call.outputs, record.length = 65, 0, fixed + 65 * span end,
    function() call.span[0].count = 1025 end,
    function() call.span[2].count = 0xffffffff end,
  }) do
    lu.assertFalse(is_call(change))
  end
  lu.assertTrue(is_call(function() call.inputs, call.outputs, record.length = 0, 0, fixed end))
end

function TestProbe:testTheReaderIsToldOfTheEnd()
  lu.assertEquals(tonumber(nf.probe_reader_status(self.reader).state), tonumber(nf.PROBE_RUNNING))
  nf.probe_lose_link(self.probe, "PROBE_LINK_GONE")
  nf.probe_copy(self.probe, false)
  lu.assertEquals(tonumber(nf.probe_reader_status(self.reader).state), tonumber(nf.PROBE_LINK_GONE))
end

function TestProbe:testAFileOfAnotherSizeIsRefused()
  local path = os.tmpname()
  local fd = ffi.C.creat(path, 384)
  os.remove(path)
  local out = ffi.new("struct probe *[1]")
  lu.assertEquals(nf.probe_open(out, fd, 0, 64), -74)
  lu.assertEquals(ffi.string(nf.nf_error()), "the shared memory of a capture did not arrive")
  ffi.C.close(fd)
end

-- The file keeps its size, whatever a client does with its descriptor.
function TestProbe:testTheFileCannotBeShrunk()
  ffi.cdef("int ftruncate(int fd, long size);")
  lu.assertEquals(ffi.C.ftruncate(self.fd, 0), -1)
end

os.exit(lu.LuaUnit.run())
