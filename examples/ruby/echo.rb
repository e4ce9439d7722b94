# Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP.
require "socket"
require_relative "listen_fd"

sockets = %w[tcp udp unix].filter_map { |label| listen_fd(label) }.map { |fd| Socket.for_fd(fd) }
loop do
  IO.select(sockets).first.each do |socket|
    if socket.getsockopt(:SOCKET, :TYPE).int == Socket::SOCK_DGRAM
      text, from = socket.recvfrom(4096)
      socket.send(text, 0, from)
    else
      client, = socket.accept
      client.write(client.readpartial(4096))
      client.close
    end
  end
end
