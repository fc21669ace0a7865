-- seeds_worker -- writes the first inputs of the harness `worker`: nf lua tests/fuzz/seeds_worker.lua
local function message(bytes) return string.char(#bytes % 256, math.floor(#bytes / 256)) .. bytes end
local function report(kind, rest) return message(string.char(kind, 0, 0, 0) .. (rest or "")) end

local READY, FAILED, ENDED, PREPARED, REFUSED, COMMITTED, BROKE = 1, 2, 3, 4, 5, 6, 7

local seeds = {
  life = "\0" .. report(READY) .. report(ENDED),
  failed = "\0" .. report(FAILED, "no memory"),
  committed = "\4" .. report(COMMITTED, ("\255"):rep(4000)),
  refused = "\2" .. report(PREPARED) .. report(REFUSED, "a key is wrong"),
  broke = "\0" .. report(READY) .. report(BROKE, ("\1"):rep(2000)),
  length = "\8" .. report(READY),
  requests = "\1" .. message("read:/dev/null") .. message("tap:tap0") .. message("read:busy") .. message("read:/etc/shadow"),
  zero = "\1" .. message("tap:tap0\0x"),
  long = "\1" .. message(("x"):rep(4300)),
}

os.execute("mkdir -p tests/fuzz/corpus/worker")
for name, bytes in pairs(seeds) do
  local file = assert(io.open("tests/fuzz/corpus/worker/" .. name, "wb"))
  file:write(bytes)
  file:close()
end
