// Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP.
package main

import (
	"log"
	"net"
	"os"
)

func serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		text := make([]byte, 4096)
		n, _ := client.Read(text)
		client.Write(text[:n])
		client.Close()
	}
}

func main() {
	for _, label := range []string{"tcp", "unix"} {
		if fd, ok := listenFD(label); ok {
			listener, err := net.FileListener(os.NewFile(uintptr(fd), label))
			if err != nil {
				log.Fatal(err)
			}
			go serve(listener)
		}
	}
	if fd, ok := listenFD("udp"); ok {
		socket, err := net.FilePacketConn(os.NewFile(uintptr(fd), "udp"))
		if err != nil {
			log.Fatal(err)
		}
		for text := make([]byte, 4096); ; {
			if n, from, err := socket.ReadFrom(text); err == nil {
				socket.WriteTo(text[:n], from)
			}
		}
	}
	select {}
}
