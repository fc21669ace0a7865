-- support_bpf -- BPF programs and frames for tests; what three machines say of them.
local ffi = require("ffi")
local nf = require("nf.core")

ffi.cdef([[
struct bpf_insn;
unsigned bpf_filter(const struct bpf_insn *program, const uint8_t *data, unsigned wire_length, unsigned length);
void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset);
int mprotect(void *address, size_t size, int protection);
]])

local M = {}

-- All codes there are.
M.codes = { 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x05, 0x06, 0x16, 0x07, 0x87, 0x84 }
for _, operation in ipairs({ 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0 }) do
  M.codes[#M.codes + 1] = 0x04 + operation
  M.codes[#M.codes + 1] = 0x0c + operation
end
for _, operation in ipairs({ 0x10, 0x20, 0x30, 0x40 }) do
  M.codes[#M.codes + 1] = 0x05 + operation
  M.codes[#M.codes + 1] = 0x0d + operation
end

function M.op(code, k, jt, jf) return { code = code, jt = jt or 0, jf = jf or 0, k = k % 2 ^ 32 } end

-- A list of instructions as a program; keeps the memory alive.
local kept = setmetatable({}, { __mode = "k" })
function M.program(list)
  local ops = ffi.new("struct bpf_op[?]", math.max(#list, 1), list)
  local program = ffi.new("struct bpf_ops", ops, #list)
  kept[program] = ops
  return program
end

-- Memory behind which nothing can be read: a frame that ends there shows every step outside.
local PAGES = 65536
local memory = ffi.cast("uint8_t *", ffi.C.mmap(nil, PAGES + 4096, 3, 0x22, -1, 0))
assert(ffi.C.mprotect(memory + PAGES, 4096, 0) == 0)
M.fence = memory + PAGES

-- Put a frame there.
function M.place(frame)
  local data = M.fence - #frame
  ffi.copy(data, frame, #frame)
  return data
end

-- What the interpreter, native code and libpcap say of a frame; where there is no native code, the interpreter once more.
function M.answers(program, frame)
  local data, native = M.place(frame), ffi.new("struct bpf_native")
  local run = nf.bpf_run(program, data, #frame)
  local code = nf.bpf_native_make(native, program, 1, false)
  assert(code == 0 or jit.arch ~= "x64", code)
  local compiled = code == 0 and native.match(data, #frame) or run
  nf.bpf_native_free(native)
  return run, compiled, ffi.C.bpf_filter(ffi.cast("const struct bpf_insn *", program.op), data, #frame, #frame)
end

return M
