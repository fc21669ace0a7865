-- nf.random -- random numbers, for apps written in Lua: from the seed of the run and the app's name, so that a run can be
-- repeated.
local script, ffi, refuse = ...
if not ffi then return require("nf.outside")("random") end

local C = ffi.C
local random = {}

-- 0 <= x < 1.
function random.number() return C.script_app_random(script) end

-- A whole number 0 .. limit - 1.
function random.below(limit)
  local number = C.script_app_below(script, limit)
  if number < 0 then refuse(number, "random.below") end
  return number
end

-- True with a probability of 0 .. 1.
function random.chance(probability) return C.script_app_random(script) < probability end

return random
