package etcdtest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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
	return strings.Count(string(sockets), fmt.Sprintf(": %s 00000000:0000 %s ", hex(at), listening)), nil
}

const knowsDialers = true

// connections are the addresses of the ends that processes have of their connections, and
// which of the processes it is.
func connections(pids []int) map[netip.AddrPort]int {
	owners := make(map[string]int) // by inode
	for i, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		files, _ := os.ReadDir(dir) // none, if it has ended
		for _, file := range files {
			to, _ := os.Readlink(filepath.Join(dir, file.Name()))
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				owners[strings.TrimSuffix(inode, "]")] = i
			}
		}
	}
	all := make(map[netip.AddrPort]int)
	sockets, _ := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(sockets)) {
		const local, inode = 1, 9
		fields := strings.Fields(line)
		if i, ok := owners[fields[inode]]; ok {
			all[unhex(fields[local])] = i
		}
	}
	return all
}

// hex is an address as the kernel's list of sockets has it.
func hex(at netip.AddrPort) string {
	ip := at.Addr().Unmap().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
}

// unhex is the opposite of hex.
func unhex(text string) netip.AddrPort {
	var ip uint32
	var port uint16
	_, _ = fmt.Sscanf(text, "%8X:%4X", &ip, &port)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, ip))), port)
}
