-- seeds -- writes the first inputs of the harness `config`: nf lua tests/fuzz/seeds.lua
local encode = require("nf.value").encode

local function graph(apps, links) return { config = { apps = apps, links = links } } end

local seeds = {
  chain = graph({ s = { "basic.source", sizes = "imix", rate = "10G" }, d = { "basic.delay", time = "5ms" }, k = { "basic.sink" } },
    { "s -> d -> k" }),
  branch = graph({ s = { "basic.source" }, t = { "basic.tee" }, a = { "basic.sink" }, b = { "basic.sink" } },
    { "s.output -> t.input", "t.a -> a.input", "t.b -> b.x" }),
  cycle = graph({ s = { "basic.source" }, j = { "basic.join" }, t = { "basic.tee" }, k = { "basic.sink" } },
    { "s -> j.x", "j -> t", "t.a -> k", "t.b -> j.y" }),
  workers = { config = { workers = { { cpu = 1, name = "a", apps = { s = { "basic.source" } }, links = {} }, b = { apps = {} } } } },
  module = { config = { apps = { x = { "every", n = 3 } }, links = { "x -> x" } }, modules = { every = { path = "/e.lua",
    class = { help = "h", inputs = { "input" }, outputs = { "output?" }, reasons = { "r" }, counters = { "c" }, holds = 5, expansion = 2,
      params = { n = { type = "u32", min = 1, max = 9, default = 2, help = "n" }, l = { type = "list", item = { type = "enum",
        choices = { "a", "b" } } }, t = { type = "table", fields = { m = { type = "mac" } } } }, functions = { push = true } },
    sources = { { name = "every", path = "/e.lua", text = "return {}" } } } } },
  params = { u8 = 5, u16 = 6, u32 = 7, u64 = 8ULL, int = -9LL, number = 0.5, bool = true, string = "s", bytes = "64K", rate = "14.88Mpps",
    duration = "100us", mac = "02:00:00:00:00:01", ipv4 = "192.0.2.1", ipv6 = "2001:db8::1", prefix4 = "10.0.0.0/8",
    prefix6 = "2001:db8::/32", pci = "01:00.0", file = "./a/../b", choice = "green", list = { 1, 2, 3 }, tables = { { number = 1 } },
    table = { number = 2, text = "t" } },
  mistakes = { u8 = 500, chioce = "gren", list = { a = 1 }, tables = { 5, { x = 1 } }, [1] = "class", prefix4 = "10.1.0.0/8" },
  plain = { 1, "two", false, { {} } },
}

for name, value in pairs(seeds) do
  local file = assert(io.open("tests/fuzz/corpus/config/" .. name, "wb"))
  file:write(assert(encode(value)))
  file:close()
end
