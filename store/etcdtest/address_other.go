//go:build !linux

package etcdtest

import (
	"net"
	"net/netip"
)

// reserve finds a port that is free now, and hopes that it stays so.
func reserve() (address string, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}

// listeners can't count them here, and hopes that there is one.
func listeners(netip.AddrPort) (int, error) { return 1, nil }

const knowsDialers = false

func connections([]int) map[netip.AddrPort]int { return nil }
