-- seeds_bpf -- writes the first inputs of the harness `bpf`: LUA_PATH='tests/?.lua;;' nf lua tests/fuzz/seeds_bpf.lua
local ffi = require("ffi")
local nf = require("nf.core")
local support_bpf = require("support_bpf")
local support_expression = require("support_expression")

math.randomseed(1)

local function write(name, ops, count, frame)
  local file = assert(io.open("tests/fuzz/corpus/bpf/" .. name, "wb"))
  file:write(string.char(count), ffi.string(ops, count * 8), frame)
  file:close()
end

local expressions = { "tcp port 80", "ip6 and udp portrange 53-80", "vlan 5 and ip[ip[0] & 15] / tcp[3] = 7", "mpls 1000 and ip host 10.0.0.1",
  "pppoes and len > 60", "geneve 9", "icmp[icmptype] << 3 != ip[8] % 3" }
for i, expression in ipairs(expressions) do
  local program = ffi.new("struct bpf_ops")
  assert(nf.filter_compile(expression, program) == 0)
  write("expression_" .. i, program.op, program.count, support_expression.frame())
end

-- A program for each instruction.
for _, code in ipairs(support_bpf.codes) do
  local op = support_bpf.op
  local list = { op(0x30, 3), op(0x07, 0), op(0x28, 12), op(code, 1), op(0x16, 0), op(0x06, 0) }
  write(("code_%02x"):format(code), support_bpf.program(list).op, #list, support_expression.frame())
end
