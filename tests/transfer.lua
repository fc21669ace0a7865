-- transfer -- carry a file over a TCP connection, for the tests of programs:
--
--     nf lua tests/transfer.lua receive PORT FILE              wait for one connection, write what comes to FILE
--     nf lua tests/transfer.lua send ADDRESS PORT FILE         connect, send FILE
--
-- IPv4 only. `receive` prints a line when it listens.
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

if arg[1] == "receive" then receive(tonumber(arg[2]), arg[3]) else send(arg[2], tonumber(arg[3]), arg[4]) end
