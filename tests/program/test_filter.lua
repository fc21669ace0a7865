-- nf filter: what an expression becomes.
local lu = require("luaunit")
local support = require("support")
local support_expression = require("support_expression")

local folder = support.folder()

TestFilter = {}

local function filter(arguments) return support.run(support.nf .. " filter " .. arguments) end

local EXPRESSIONS = { "", "ip", "tcp port 80 or udp port 53", "vlan 5 and ip6 host fd00::1", "ip[ip[0] & 15] / tcp[3] = 7 or len > 100",
  "not (tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and net 10.0.0.0/8)" }

function TestFilter:testTheProgramIsThatOfTcpdump()
  if select(2, support.run("tcpdump --version")) ~= 0 then lu.skip("tcpdump is not installed") end
  for _, expression in ipairs(EXPRESSIONS) do
    local expected = support.run(("tcpdump -y EN10MB -d '%s'"):format(expression))
    lu.assertEquals({ filter(("--bpf '%s'"):format(expression)) }, { expected, 0 })
  end
end

function TestFilter:testBothStandSideBySide()
  if jit.arch ~= "x64" then lu.skip("no native code on this processor") end
  lu.assertEquals({ filter("ip") }, { [[
(000) ldh      [12]                                0  83 fe 0e                       cmp esi, 14
                                                   3  72 0f                          jb 14
                                                   5  0f b7 47 0c                    movzx eax, word[rdi+12]
(001) jeq      #0x800           jt 2    jf 3       9  83 f8 08                       cmp eax, 0x8
                                                   c  75 06                          jne 14
(002) ret      #262144                             e  b8 01 00 00 00                 mov eax, 0x1
                                                  13  c3                             ret
(003) ret      #0                                 14  31 c0                          xor eax, eax
                                                  16  c3                             ret
]], 0 })
  lu.assertEquals(filter("--bpf --native ip"), (filter("ip")))
end

-- Every expression that was given as one word or as several is the same.
function TestFilter:testWordsAreOneExpression()
  lu.assertEquals(filter("--bpf tcp port 80"), (filter("--bpf 'tcp port 80'")))
end

-- The listing against the disassembler of binutils: the same places, the same names.
function TestFilter:testTheNativeCodeIsWhatItSays()
  if jit.arch ~= "x64" then lu.skip("no native code on this processor") end
  if select(2, support.run("objdump --version")) ~= 0 then lu.skip("objdump is not installed (binutils)") end
  math.randomseed(1)
  local expressions = { unpack(EXPRESSIONS) }
  for i = 1, 20 do expressions[#expressions + 1] = support_expression.expression() .. " or ip[0] = " .. i end
  local names, seen = 0, {}
  for _, expression in ipairs(expressions) do
    local text, code = filter(("--native '%s'"):format(expression))
    if code == 0 then
      local bytes, ours, theirs = {}, {}, {}
      for at, digits, name in text:gmatch("(%x+)  ([%x ]-)   +(%l+)") do
        bytes[#bytes + 1] = digits:gsub("(%x%x) ?", function(d) return string.char(tonumber(d, 16)) end)
        ours[#ours + 1] = at .. " " .. name
        if not seen[name] then seen[name], names = true, names + 1 end
      end
      support.write(folder .. "/code", table.concat(bytes))
      local listing = support.run(("objdump -D -b binary -m i386:x86-64 -M intel %s/code"):format(folder))
      for at, name in listing:gmatch("\n *(%x+):\t[%x ]+\t(%l+)") do theirs[#theirs + 1] = at .. " " .. name end
      lu.assertEquals(ours, theirs, expression)
    end
  end
  lu.assertTrue(names > 15, names .. " different instructions")
end

function TestFilter:testMessages()
  lu.assertEquals({ filter("ip prot 6") }, { "nf filter: can't parse filter expression: syntax error, at character 4: 'prot'\n", 1 })
  for expression, message in pairs({
    ["tcp and udp"] = "expression rejects all packets",
    ["tcp port"] = "can't parse filter expression: syntax error, at its end",
    ["(tcp or udp"] = "can't parse filter expression: syntax error, at its end",
    ["tcp or)"] = "can't parse filter expression: syntax error, at character 7: ')'",
    ["ip host 1.2.3.4 or udp andd arp"] = "can't parse filter expression: syntax error, at character 24: 'andd'",
    ["tcp[13] & 2 != 0 or tcp[13 & 2"] = "can't parse filter expression: syntax error, at its end",
    ["ip[0:3] = 1"] = "data size must be 1, 2, or 4, at character 6: '3'",
    ["net 10.0.0.1/8"] = 'non-network bits set in "10.0.0.1/8", at character 5: \'10.0.0.1/8\'',
    ["ether host 1:2:3"] = "bogus ethernet address 1:2:, at character 12: '1:2:3'",
    ["tcp port 80 or ip proto \\nonsense"] = "unknown ip proto 'nonsense', at character 25: '\\nonsense'",
    ["host 1.2.3.4 or host no-such-host.invalid"] = "unknown host 'no-such-host.invalid', at character 22: 'no-such-host.invalid'",
    ["vlan 5000"] = "VLAN tag 5000 greater than maximum 4095, at character 6: '5000'",
    ["ip[0] << 40 = 1"] = "shift by more than 31 bits, at character 10: '40'",
    ["ip6 protochain 6"] = "the expression takes a loop, which no filter may have: 'protochain' is not accepted",
    inbound = "the expression asks what is not in the frame: 'inbound', 'outbound' and 'ifindex' are not accepted",
    [("("):rep(300) .. "tcp"] = "can't parse filter expression: syntax error",
  }) do
    local text, code = filter(("'%s'"):format(expression))
    lu.assertEquals(code, 1)
    lu.assertEquals(text, "nf filter: " .. message .. "\n")
  end
end

local code = lu.LuaUnit.run()
os.execute("rm -rf '" .. folder .. "'")
os.exit(code)
