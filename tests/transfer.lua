-- transfer -- carry a file over a TCP connection, and numbered datagrams over UDP, for the tests of programs:
--
--     nf lua tests/transfer.lua receive PORT FILE              wait for one connection, write what comes to FILE
--     nf lua tests/transfer.lua send ADDRESS PORT FILE         connect, send FILE
--     nf lua tests/transfer.lua echo PORT COUNT                send so many datagrams back, and end
--     nf lua tests/transfer.lua datagrams ADDRESS PORT COUNT   send so many and compare what comes back; few are on their way at a time
--
-- IPv4 only. `receive` and `echo` print a line when they listen.
local ffi = require("ffi")

ffi.cdef([[
struct transfer_address { uint16_t family, port_be; uint8_t address[4]; uint8_t zero[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct transfer_address *address, unsigned length);
int listen(int fd, int backlog);
int accept(int fd, void *address, unsigned *length);
int connect(int fd, const struct transfer_address *address, unsigned length);
intptr_t read(int fd, void *data, size_t length);
intptr_t write(int fd, const void *data, size_t length);
int close(int fd);
int setsockopt(int fd, int level, int option, const void *value, unsigned length);
intptr_t sendto(int fd, const void *data, size_t length, int flags, const struct transfer_address *to, unsigned length_to);
intptr_t recvfrom(int fd, void *data, size_t length, int flags, struct transfer_address *from, unsigned *length_from);
char *strerror(int code);
]])
local C = ffi.C

local function check(result, what)
  if result < 0 then error(what .. ": " .. ffi.string(C.strerror(ffi.errno())), 0) end
  return tonumber(result)
end

local function address_of(text, port)
  local address = ffi.new("struct transfer_address", { family = 2 })
  ffi.cast("uint8_t *", address)[2], ffi.cast("uint8_t *", address)[3] = math.floor(port / 256), port % 256
  local i = 0
  for byte in text:gmatch("%d+") do
    address.address[i] = tonumber(byte)
    i = i + 1
  end
  return address
end

local function receive(port, path)
  local listener = check(C.socket(2, 1, 0), "socket")
  check(C.bind(listener, address_of("0.0.0.0", port), 16), "bind")
  check(C.listen(listener, 1), "listen")
  print("listening")
  io.stdout:flush()
  local fd = check(C.accept(listener, nil, nil), "accept")
  local file = assert(io.open(path, "wb"))
  local data = ffi.new("uint8_t[65536]")
  while true do
    local n = check(C.read(fd, data, 65536), "read")
    if n == 0 then break end
    file:write(ffi.string(data, n))
  end
  file:close()
end

local function send(address, port, path)
  local fd = check(C.socket(2, 1, 0), "socket")
  check(C.connect(fd, address_of(address, port), 16), "connect")
  for data in io.lines(path, 65536) do
    local done = 0
    while done < #data do
      done = done + check(C.write(fd, data:sub(done + 1), #data - done), "write")
    end
  end
  C.close(fd)
end

-- A UDP socket on which nobody waits longer than ten seconds.
local function datagram_socket()
  local fd = check(C.socket(2, 2, 0), "socket")
  check(C.setsockopt(fd, 1, 20, ffi.new("int64_t[2]", 10, 0), 16), "SO_RCVTIMEO")
  return fd
end

local function echo(port, count)
  local fd = datagram_socket()
  check(C.bind(fd, address_of("0.0.0.0", port), 16), "bind")
  print("listening")
  io.stdout:flush()
  local data, from, length = ffi.new("uint8_t[65536]"), ffi.new("struct transfer_address"), ffi.new("unsigned[1]")
  for _ = 1, count do
    length[0] = 16
    local n = check(C.recvfrom(fd, data, 65536, 0, from, length), "recvfrom")
    check(C.sendto(fd, data, n, 0, from, 16), "sendto")
  end
end

-- Number i: its number, and as many bytes as make all lengths come, fragments too.
local function datagram(i) return ("%08d"):format(i) .. string.char(i % 256):rep(i % 50 == 0 and 4000 or i * 7 % 1400) end

local WINDOW = 16

local function datagrams(address, port, count)
  local fd = datagram_socket()
  check(C.connect(fd, address_of(address, port), 16), "connect")
  local data, sent = ffi.new("uint8_t[65536]"), 0
  for i = 1, count do
    while sent < count and sent < i + WINDOW - 1 do
      sent = sent + 1
      check(C.write(fd, datagram(sent), #datagram(sent)), "write")
    end
    local n = tonumber(C.read(fd, data, 65536))
    if n < 0 then error(("%d sent, number %d did not come back: %s"):format(sent, i, ffi.string(C.strerror(ffi.errno()))), 0) end
    if ffi.string(data, n) ~= datagram(i) then
      error(("number %d was to come, and what came is '%s...', %d bytes"):format(i, ffi.string(data, math.min(n, 8)), n), 0)
    end
  end
  print(("%d sent, %d came back"):format(sent, count))
end

local programs = {
  receive = function() receive(tonumber(arg[2]), arg[3]) end,
  send = function() send(arg[2], tonumber(arg[3]), arg[4]) end,
  echo = function() echo(tonumber(arg[2]), tonumber(arg[3])) end,
  datagrams = function() datagrams(arg[2], tonumber(arg[3]), tonumber(arg[4])) end,
}
programs[arg[1]]()
