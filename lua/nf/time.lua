-- nf.time -- the time, for apps written in Lua: that of the breath, real or virtual.
local script, ffi = ...
if not ffi then return require("nf.outside")("time") end

local C = ffi.C
local time = {}

-- Seconds of a clock that only goes forward; for differences.
function time.now() return C.script_app_now(script) end

-- Seconds since 1970.
function time.wall() return C.script_app_wall(script) end

return time
