package main

import (
	"os"
	"strconv"
	"strings"
)

// listenFD is the number of the label's fd in LISTEN_FD_MAP.
func listenFD(label string) (fd int, ok bool) {
	for _, entry := range strings.Split(os.Getenv("LISTEN_FD_MAP"), ",") {
		if name, number, found := strings.Cut(entry, "="); found && name == label {
			fd, err := strconv.ParseInt(number, 10, 32)
			return int(fd), err == nil && fd >= 0 && strconv.FormatInt(fd, 10) == number
		}
	}
	return -1, false
}
