package main

import (
	"fmt"
	"os"
)

func main() {
	for _, label := range os.Args[1:] {
		fd, ok := listenFD(label)
		if !ok {
			fd = -1
		}
		fmt.Println(fd)
	}
}
