-- nf.outside -- what nf.packet, nf.link, nf.time and nf.random are where no app runs: in the process that only looks at a
-- module, or in `nf lua`. Every name is there, as a function that says so when it is called.
local function outside(module)
  return setmetatable({}, {
    __index = function(_, name)
      return function() error(module .. "." .. tostring(name) .. ": only a running app has packets and links", 2) end
    end,
  })
end

return outside
