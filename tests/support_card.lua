-- support_card -- graphs on simulated cards (nf nicsim): a command that runs with them, and one that goes on beside the test.
local lu = require("luaunit")
local ffi = require("ffi")
local support = require("support")
local pci = require("support_pci")

local card = { folder = support.folder() }

-- Skips the test when there can be no cards here.
function card.need(pages)
  local can, why = pci.huge(pages or 64)
  lu.skipIf(not can, why)
end

-- Sanitizers' libraries do not go with the one that traps accesses to registers: then the cards only look at them.
local mode = support.run("ldd '" .. support.nf .. "'"):find("libasan", 1, true) and "--mode poll " or ""

card.mode = mode

-- Skips a test whose cards must see each access.
function card.need_traps() lu.skipIf(mode ~= "", "registers cannot be trapped under sanitizers") end

-- Commands that delay ENABLE bits. Cards that only look cannot do that: the driver has read its own bit back before they see it.
function card.enable(commands) return mode == "" and commands or "" end

function card.graph(text, name)
  local path = card.folder .. "/" .. (name or "graph.lua")
  support.write(path, text)
  return path
end

-- A name for an instance that nobody else has.
function card.name(what) return ("nic-%s-%d"):format(what, ffi.C.getpid()) end

-- Run a graph on cards until the traffic is through; gives the output and the exit code.
function card.run(options, graph, more)
  return support.run(("timeout 200 '%s' nicsim %s -- '%s' run --name %s %s '%s'"):format(support.nf, mode .. options, support.nf, card.name("run"),
    more or "--duration 20s", graph))
end

-- ... and every frame must come back, no rule of the card be broken, no packet be lost.
function card.passes(options, graph, more)
  local text, code = card.run("--strict --all-back --stop --wire generator " .. options, graph, more)
  if mode == "" then
    lu.assertEquals(code, 0, text)
    lu.assertStrContains(text, "nicsim: no violation\n")
  else                          -- who only looks now and then cannot judge: a tail may have gone round meanwhile
    lu.assertEquals(select(2, text:gsub("lost 0, duplicated 0, reordered %d+, corrupted 0, foreign 0", "")), 2, text)
  end
  lu.assertStrContains(text, "it balances")
  return text
end

-- Cards that go on until card.stop; gives where they lie, as NF_SYSFS has it.
function card.start(options)
  local root = card.folder .. "/cards"
  support.run(("rm -rf '%s' '%s'.*; mkfifo '%s.in'; (exec 9<>'%s.in'; '%s' nicsim --root '%s' %s <&9 >'%s.out' 2>'%s.err') & true"):format(root, root,
    root, root, support.nf, root, mode .. (options or ""), root, root))
  local last = mode == "" and "LD_PRELOAD=[^\n]+\n" or "NF_SYSFS=[^\n]+\n"
  card.wait("the cards", function() return (support.read(root .. ".out") or ""):find(last) end)
  card.environment = support.read(root .. ".out"):gsub("\n", " ")
  card.root = root
end

function card.tell(command)
  local text, code = support.run(("'%s' nicsim --root '%s' --tell '%s'"):format(support.nf, card.root, command))
  lu.assertEquals(code, 0, text)
  return text
end

-- End the cards; gives what they said.
function card.stop()
  support.run(("'%s' nicsim --root '%s' --tell quit"):format(support.nf, card.root))
  card.wait("the cards' end", function() return (support.read(card.root .. ".err") or ""):find("violation[s]?\n$") end)
  return support.read(card.root .. ".err")
end

-- Start nf on the cards; its messages go to a file.
function card.nf(name, graph, options)
  support.run(("env %s '%s' run --name %s %s '%s' >'%s/%s.text' 2>&1 & echo $! >'%s/%s.pid'"):format(card.environment, support.nf, name,
    options or "", graph, card.folder, name, card.folder, name))
  card.wait("nf", function() return support.run(("'%s' stats --interval 0 %s"):format(support.nf, name)):find(", running; [1-9]") end)
  return tonumber(support.read(card.folder .. "/" .. name .. ".pid"))
end

function card.said(name) return support.read(card.folder .. "/" .. name .. ".text") end

-- The counters of an app of a running instance, as nf stats --json has them.
function card.stats(name, app)
  local text = support.run(("'%s' stats --interval 0 --json %s"):format(support.nf, name))
  return text:match('"name": "' .. app .. '".-}%s*}') or text
end

-- A register of a card, as a number, without the side effects of a read.
function card.peek(number, offset)
  local text = card.tell(("peek %d 0x%x"):format(number, offset))
  return tonumber(text:match("0x%x+%s*$") or text:match("(0x%x+)%D*$"))
end

card.wait = support.wait

return card
