package etcdtest

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
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

// Listeners is the number of sockets that listen at a loopback address of IPv4. After
// a reload of Caddy it is 2 for a moment (SO_REUSEPORT), in which a client may still
// meet the configuration before.
func Listeners(t testing.TB, address string) int {
	t.Helper()
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(address)
	ip := at.Addr().As4()
	slices.Reverse(ip[:]) // the kernel prints it as a number
	const listening = "0A"
	return strings.Count(string(sockets), fmt.Sprintf(": %X:%04X 00000000:0000 %s ", ip, at.Port(), listening))
}
