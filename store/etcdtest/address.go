package etcdtest

import (
	"net"
	"sync"
	"testing"
)

// given are the addresses that FreeAddress has returned: two servers could both
// listen on one.
var given sync.Map

// FreeAddress is a loopback address that nothing listens on now, and that no other
// test of this process gets.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		if _, taken := given.LoadOrStore(address, true); !taken {
			return address
		}
	}
}
