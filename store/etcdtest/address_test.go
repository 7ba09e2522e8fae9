package etcdtest_test

import (
	"net"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A server can stop and listen again, as often as it likes. (Not while other tests
// start processes: between its fork and its exec, a child has the listener too, and
// then it is not closed where it has just been closed.)
func TestFreeAddress(t *testing.T) {
	address := etcdtest.FreeAddress(t)
	for range 3 {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
