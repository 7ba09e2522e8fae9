package etcdtest

import (
	"fmt"
	"net/netip"
	"testing"
)

// FreeAddress is a loopback address for a server that the test starts, as often as
// it likes. Until the test ends, the system gives it to nobody else.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, release, err := reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// OneListener is an error unless exactly one socket listens at a loopback address of
// IPv4. After a reload of Caddy it is two for a moment (SO_REUSEPORT), in which a client may
// still meet the configuration before.
func OneListener(address string) error {
	n, err := listeners(netip.MustParseAddrPort(address))
	if err == nil && n != 1 {
		err = fmt.Errorf("%d servers listen on %s", n, address)
	}
	return err
}
