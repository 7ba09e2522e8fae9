package etcdtest

import "testing"

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
