package etcdtest_test

import (
	"net"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Only who listens counts, and not who has reserved the address.
func TestOneListener(t *testing.T) {
	address := etcdtest.FreeAddress(t)
	if etcdtest.OneListener(address) == nil {
		t.Error("somebody listens at a reserved address")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := etcdtest.OneListener(address); err != nil {
		t.Error(err)
	}
}
