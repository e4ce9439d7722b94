// Sends back what comes in on the sockets tcp, udp (IPv4) and unix of LISTEN_FD_MAP.
const dgram = require("dgram");
const net = require("net");
const listenFd = require("./listen_fd.js");

for (const label of ["tcp", "unix"]) {
  const fd = listenFd(label);
  if (fd !== undefined) {
    net.createServer((client) => client.once("data", (text) => client.end(text))).listen({ fd });
  }
}
const fd = listenFd("udp");
if (fd !== undefined) {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (text, from) => socket.send(text, from.port, from.address));
  socket.bind({ fd });
}
