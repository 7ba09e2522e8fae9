package etcdtest_test

import (
	"net"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A server can stop and listen again, as often as it likes.
func TestFreeAddress(t *testing.T) {
	t.Parallel()
	address := etcdtest.FreeAddress(t)
	for range 3 {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
