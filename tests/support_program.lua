-- support_program -- the computing parts of programs, declared to the FFI from their headers.
local ffi = require("ffi")
require("nf.core")
local support = require("support")

local program = {}

-- Declare headers of src/program/ in this order; their includes and pragmas are for C alone.
function program.declare(...)
  for _, name in ipairs({ ... }) do
    local text = assert(support.read("src/program/" .. name), name)
    ffi.cdef((text:gsub("#[^\n]*", "")))
  end
end

return program
