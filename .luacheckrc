-- What luacheck knows about the Lua of this project: `make lint`.
std = "luajit"
max_line_length = 160
-- Methods have self whether they use it or not, and callbacks what they are given.
self = false
unused_args = false
files["tests"] = { allow_defined = true, ignore = { "131/Test.*" } }
exclude_files = { "build*/**" }
