package etcdtest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// reserve binds a socket and does not listen. So long, Linux chooses the port
// neither for a listener nor for a connection; but a server that asks for it by
// number gets it, since both may share it (SO_REUSEADDR, which Go sets).
func reserve() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("making a socket: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var bound syscall.Sockaddr
	if err == nil {
		bound, err = syscall.Getsockname(fd)
	}
	if err != nil {
		release()
		return "", nil, fmt.Errorf("reserving a port: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port), release, nil
}

// listeners counts the sockets that listen at an address, as the kernel lists them.
func listeners(at netip.AddrPort) (int, error) {
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	const listening = "0A"
	ip := at.Addr().As4()
	return strings.Count(string(sockets), fmt.Sprintf(": %08X:%04X 00000000:0000 %s ", binary.NativeEndian.Uint32(ip[:]), at.Port(), listening)), nil
}
