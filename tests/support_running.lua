-- support_running -- an nf that a test runs: start it, ask it, end it. One at a time for each test file.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")

ffi.cdef("int kill(int pid, int signal);")

local M = {}

-- what: makes the name of the instance, "test-WHAT-PID".
function M.new(what)
  local self = { folder = support.folder(), name = ("test-%s-%d"):format(what, ffi.C.getpid()) }
  local pid

  -- Run the binary under test; gives its output and its exit code.
  function self.nf(arguments) return support.run("'" .. support.nf .. "' " .. arguments) end

  -- Start a command in the background, its output into a file of the folder; gives its process.
  function self.background(command, output) return support.background(command, self.folder .. "/" .. output) end

  -- Write the configuration; gives its path.
  function self.file(text)
    support.write(self.folder .. "/graph.lua", text)
    return self.folder .. "/graph.lua"
  end

  -- What the instance has printed.
  function self.output() return support.read(self.folder .. "/output") or "" end

  -- Start a configuration and wait until all its workers run.
  function self.start(text, options)
    pid = self.background(("'%s' run --name %s %s %s"):format(support.nf, self.name, options or "", self.file(text)), "output")
    support.wait("nf", function()
      assert(support.alive(pid), self.output())
      return support.is_running(self.name)
    end)
  end

  function self.wait_for_the_end()
    support.wait("the end of nf", function() return not support.alive(pid) end, self.folder .. "/output")
    pid = nil
  end

  -- End it; the ledger must balance, and no worker may have been ended for what it did. Gives what it printed.
  function self.stop()
    ffi.C.kill(pid, 15)
    self.wait_for_the_end()
    local text = self.output()
    lu.assertStrContains(text, "it balances")
    lu.assertNotStrContains(text, "it is ended")
    return text
  end

  -- For tearDown: end what a test that failed has left, and take its folder under /run away.
  function self.clean()
    if not pid then return end
    ffi.C.kill(pid, 15)
    local ended = pcall(support.wait, "the end", function() return not support.alive(pid) end)
    if not ended then ffi.C.kill(pid, 9) end
    pid = nil
  end

  return self
end

return M
