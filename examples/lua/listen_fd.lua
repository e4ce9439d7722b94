-- The number of the label's fd in LISTEN_FD_MAP, or nil.
local function listen_fd(label)
  local map = "," .. (os.getenv("LISTEN_FD_MAP") or "")
  for name, fd in map:gmatch(",([^,=]*)=([^,]*)") do
    if name == label then
      local good = fd == "0" or fd:find("^[1-9]%d*$") and #fd <= 10 and tonumber(fd) <= 0x7fffffff
      return good and tonumber(fd) or nil
    end
  end
end

return listen_fd
