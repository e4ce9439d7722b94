-- Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP. Needs luaposix.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local listen_fd = require("listen_fd")
local poll = require("posix.poll").poll
local socket = require("posix.sys.socket")
local close = require("posix.unistd").close

local fds = {}
for _, label in ipairs({ "tcp", "udp", "unix" }) do
  local fd = listen_fd(label)
  if fd then
    fds[fd] = { events = { IN = true }, label = label }
  end
end
while poll(fds, -1) do
  for fd, entry in pairs(fds) do
    if entry.revents and entry.revents.IN and entry.label == "udp" then
      local text, from = socket.recvfrom(fd, 4096)
      socket.sendto(fd, text, from)
    elseif entry.revents and entry.revents.IN then
      local client = socket.accept(fd)
      socket.send(client, socket.recv(client, 4096))
      close(client)
    end
  end
end
