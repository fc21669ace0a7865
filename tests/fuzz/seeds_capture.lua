-- seeds_capture -- writes the first inputs of the harness `capture`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_capture.lua
local capture = require("support_capture")

local packets = { { data = "first packet", time = 1700000000123456789ULL }, { data = "" }, { data = ("x"):rep(100), wire = 1500 } }
local seeds = { fcs = capture.pcap(packets, { link = 0x24000001 }), cooked = capture.pcap(packets, { link = 113 }) }
for name, order in pairs({ little = "<", big = ">" }) do
  seeds["micro_" .. name] = capture.pcap(packets, { order = order, nano = false })
  seeds["nano_" .. name] = capture.pcap(packets, { order = order })
  local options = capture.option(9, "\9", order) .. capture.option(14, ("\0"):rep(7) .. "\5", order) ..
    capture.option(13, "\4", order) .. capture.option(0, "", order)
  seeds["next_" .. name] = capture.section(order) .. capture.interface(1, order, { options = options, snaplen = 64 }) ..
    capture.interface(113, order) .. capture.block(5, "statistics", order) .. capture.enhanced(packets[1], order) ..
    capture.enhanced(packets[1], order, 1) .. capture.obsolete(packets[3], order) .. capture.simple(packets[3], order) ..
    capture.section(order == "<" and ">" or "<") .. capture.interface(1, order == "<" and ">" or "<")
end
os.execute("mkdir -p tests/fuzz/corpus/capture")
for name, text in pairs(seeds) do
  for _, piece in ipairs({ "\0", "\3", "\255" }) do
    local file = assert(io.open(("tests/fuzz/corpus/capture/%s_%d"):format(name, piece:byte()), "wb"))
    file:write(piece, text)
    file:close()
  end
end
