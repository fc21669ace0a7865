-- What luacheck knows about the Lua of this project: `make lint`.
std = "luajit"
max_line_length = 160
-- Methods have self whether they use it or not, and callbacks what they are given.
self = false
unused_args = false
-- The classes of tests are found by their names, which are global.
files["tests"] = { ignore = { "1[13]./Test.*" } }
-- What it holds is kept from the garbage collector.
files["tests/support.lua"] = { ignore = { "241/kept" } }
-- Set by the test itself, which runs itself once more in another process.
files["tests/unit/test_engine.lua"] = { read_globals = { "NF_TEST_TWICE" } }
exclude_files = { "build*/**" }
