-- support_netdev -- what the tests of tap.tap and socket.raw share: instances with a device, with a socket pair instead of one, and
-- network namespaces.
local lu = require("luaunit")
local ffi = require("ffi")
local nf = require("nf.core")
local support = require("support")

ffi.cdef([[
int netlink_open(void);
int socketpair(int domain, int type, int protocol, int fds[2]);
int dup(int fd);
int close(int fd);
int geteuid(void);
int socket(int domain, int type, int protocol);
int bpf_map_create(int type, const char *name, uint32_t key_size, uint32_t value_size, uint32_t max_entries, const void *options);
intptr_t send(int fd, const void *data, size_t length, int flags);
intptr_t recv(int fd, void *data, size_t length, int flags);
]])

local M = {}

-- Standard, jumbo and GSO packets for this process.
function M.memory()
  support.memory(4000)
  for _, size in ipairs({ "PACKET_JUMBO", "PACKET_GSO" }) do
    local segment = nf.memory_segment_add(0, size, 300, -1)
    assert(segment >= 0 and nf.memory_worker_add(segment) == 0)
  end
end

local serving = {}

-- Serve the keys of these instances from this process, as a supervisor would.
function M.serve(...)
  local resources, errors = ffi.new("struct resources"), ffi.new("struct errors")
  resources.errors = errors
  for _, app in ipairs({ ... }) do
    resources.app = app
    app.class.resources(app, resources)
  end
  local messages = support.errors(errors)
  nf.resource_serve_here(resources)
  serving[#serving + 1] = { resources, errors, ... }
  return messages
end

-- Close what was opened. The instances that opened it may be gone: one of no class stands for them.
local nothing = ffi.new("struct app_class")
local nobody = ffi.new("struct app")
function M.unserve()
  nobody.class = nothing
  nf.resource_serve_here(nil)
  for _, entry in ipairs(serving) do
    for i = 0, entry[1].count - 1 do entry[1].list[i].app = nobody end
    nf.resources_fini(entry[1], false)
  end
  serving = {}
end

-- Prepare an instance of support.new and link it; the message when that fails.
function M.start(app)
  if app.class.prepare(app, nil) ~= 0 then return nil, ffi.string(nf.nf_error()) end
  app.class.commit(app, nil)
  app.class.link(app)
  return app
end

function M.open(class, params, inputs, outputs)
  local app, messages = support.new(class, params, inputs, outputs)
  assert(app, messages and table.concat(messages, "\n"))
  M.serve(app)
  assert(M.start(app))
  return app
end

-- An instance whose device is one end of a pair of datagram sockets: what the other end sends is what the kernel would, a
-- virtio-net header and a frame. Needs no privilege. Gives the instance and the other end.
function M.pretend(class_name, params, inputs, outputs)
  local pair = ffi.new("int[2]")
  local AF_UNIX, SOCK_DGRAM_NONBLOCK = 1, 2 + 0x800
  assert(ffi.C.socketpair(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0, pair) == 0)
  local app, messages = support.new(class_name, params, inputs, outputs)
  assert(app, messages and table.concat(messages, "\n"))
  local class = ffi.new("struct app_class", app.class[0])
  local open = ffi.cast("int (*)(const struct app *, const char *)", function (_, key)
    return ffi.string(key):match("^netlink:") and nf.netlink_open() or pair[0]
  end)
  class.open, class.is_open = open, nil
  app.class = class
  serving[#serving + 1] = { ffi.new("struct resources"), class, open }
  M.serve(app)
  assert(M.start(app))
  return app, pair[1]
end

-- Send to, and receive from, the other end: header fields and the frame's bytes.
function M.say(fd, frame, header)
  local data = ffi.new("uint8_t[?]", 10 + #frame)
  ffi.cast("struct virtio_net *", data)[0] = ffi.new("struct virtio_net", header or {})
  ffi.copy(data + 10, frame, #frame)
  return ffi.C.send(fd, data, 10 + #frame, 0) == 10 + #frame
end

function M.hear(fd)
  local data = ffi.new("uint8_t[70000]")
  local n = tonumber(ffi.C.recv(fd, data, 70000, 0))
  if n < 10 then return nil end
  return ffi.string(data + 10, n - 10), ffi.new("struct virtio_net", ffi.cast("struct virtio_net *", data)[0])
end

-- Send a GSO frame to a link, with the metadata of its virtio-net header.
function M.send_gso(link, frame, header)
  local p = support.packet(frame)
  p.meta.flags, p.meta.checksum_start, p.meta.checksum_offset = header.flags, header.checksum_start, header.checksum_offset
  p.meta.gso, p.meta.gso_bytes = header.gso_type, header.gso_bytes
  nf.link_send(link, p)
end

-- Every packet of an instance is accounted for; `held` ones are in it.
function M.assertLedger(app, held)
  local dropped = 0ULL
  for i = 0, app.reason_count - 1 do dropped = dropped + app.reason[i] end
  local output = app.output[0] ~= nil and app.output[0].sent or 0
  local input = app.input[0] ~= nil and app.input[0].received or 0
  lu.assertEquals(app.received + app.created + input, app.sent + app.consumed + dropped + output + ffi.cast("int64_t", held or 0))
end

-- May this process make interfaces and namespaces?
local answer
function M.can_make()
  if answer == nil then
    answer = ffi.C.geteuid() == 0 and select(2, support.run("test -c /dev/net/tun")) == 0
      and os.execute(("ip netns add nf-try-%d 2>/dev/null && { ip netns exec nf-try-%d true 2>/dev/null; r=$?; ip netns del nf-try-%d; [ $r = 0 ]; }")
        :format(ffi.C.getpid(), ffi.C.getpid(), ffi.C.getpid())) == 0
  end
  return answer
end

-- May it open XDP sockets and load programs, too?
function M.can_xdp()
  local AF_XDP, SOCK_RAW, XSKMAP = 44, 3, 17
  local fd = ffi.C.socket(AF_XDP, SOCK_RAW, 0)
  local map = ffi.C.bpf_map_create(XSKMAP, "nf_test", 4, 4, 4, nil)
  if fd >= 0 then ffi.C.close(fd) end
  if map >= 0 then ffi.C.close(map) end
  return fd >= 0 and map >= 0 and M.can_make()
end

-- Namespaces of this test: made with names that nobody else uses, deleted by M.clean.
local namespaces = {}
function M.namespace(name)
  local full = ("nf-%s-%d"):format(name, ffi.C.getpid())
  namespaces[#namespaces + 1] = full
  local output, code = support.run("ip netns add " .. full .. " && ip netns exec " .. full .. " ip link set lo up")
  assert(code == 0, output)
  return full
end

-- Run a command in a namespace; its output when it succeeds.
function M.within(namespace, command)
  local output, code = support.run("ip netns exec " .. namespace .. " sh -c '" .. command .. "'")
  if code ~= 0 then error(command .. ": " .. output, 2) end
  return output
end

-- A veth pair in a namespace, ready to carry frames: until the kernel has activated an interface it loses what is sent.
function M.wire(namespace, one, other)
  M.within(namespace, ("ip link add %s type veth peer name %s && ip link set %s up && ip link set %s up"):format(one, other, one, other))
  for _ = 1, 500 do
    local ready = 0
    for _, name in ipairs({ one, other }) do
      local text = M.within(namespace, "ip link show " .. name)
      if text:find("state UP", 1, true) and not text:find("qdisc noop ", 1, true) then ready = ready + 1 end
    end
    if ready == 2 then return end
    os.execute("sleep 0.01")
  end
  error("the interfaces " .. one .. " and " .. other .. " do not come up")
end

function M.clean()
  for _, name in ipairs(namespaces) do support.run("ip netns del " .. name) end
  namespaces = {}
end

-- Pull, push and tick some instances until `done` says so; false when it does not within some seconds.
function M.run(apps, done, seconds)
  local last = os.time() + (seconds or 10)
  repeat
    for _ = 1, 100 do
      nf.clock_update()
      for _, app in ipairs(apps) do support.pull(app) end
      for _, app in ipairs(apps) do support.push(app) end
      for _, app in ipairs(apps) do support.tick(app) end
      if done() then return true end
    end
  until os.time() > last
  return false
end

-- Reasons and counters that both classes have, by number.
M.DOWN, M.TOO_LONG, M.GSO, M.METADATA, M.REJECTED = 0, 1, 2, 3, 4
M.GSO_RECEIVED, M.GSO_SENT, M.SEGMENTS, M.LOST, M.RETRIES, M.REOPENED = 0, 1, 2, 3, 4, 5

-- Before and after a test of an instance that M.pretend made.
function M.set_up()
  M.memory()
  nf.clock_set(1600000000000000000ULL)
end

function M.tear_down(app, peer)
  if app then support.finish(app) end
  if peer then ffi.C.close(peer) end
  M.unserve()
  nf.clock_set_real()
  lu.assertEquals(nf.memory_in_use(), 0ULL)
end

-- Before and after a test with interfaces of the kernel.
function M.set_up_kernel()
  if not M.can_make() then lu.skip("needs root and /dev/net/tun") end
  M.memory()
  nf.clock_set_real()
end

function M.tear_down_kernel(app)
  if app then support.finish(app) end
  M.unserve()
  M.clean()
  if M.can_make() then lu.assertEquals(nf.memory_in_use(), 0ULL) end
end

-- An instance with a device of the kernel; nil and the message when that fails.
function M.start_kernel(class, params)
  local app = support.new(class, params)
  M.serve(app)
  local ok, message = M.start(app)
  if ok then return app end
  nf.app_delete(app)
  return nil, message
end

return M
