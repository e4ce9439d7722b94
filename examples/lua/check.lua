package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local listen_fd = require("listen_fd")

for _, label in ipairs(arg) do
  print(listen_fd(label) or -1)
end
