-- nf.core -- the public C headers, declared to LuaJIT as they are, and the C library namespace to call them:
--
--     local nf = require("nf.core")
--     local p = nf.packet_alloc()
local ffi = require("ffi")

for _, source in ipairs(require("nf.sources")) do
  local name, text = source[1], source[2]
  if name:match("%.h$") then
    local ok, message = pcall(ffi.cdef, text)
    if not ok then error(name .. ": " .. message, 0) end
  end
end

return ffi.C
