package etcdtest

import (
	"os"
	"syscall"
	"testing"
)

// Memory is a folder that is not on a disk, if there is one with enough room: whoever
// waits until something is written, waits for what others write, too.
func Memory(t testing.TB) string {
	t.Helper()
	const room = 2 << 30
	var is syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &is); err == nil && is.Bavail*uint64(is.Bsize) >= room {
		if dir, err := os.MkdirTemp("/dev/shm", "etcdtest"); err == nil { //nolint:usetesting // TempDir cannot choose where
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}
