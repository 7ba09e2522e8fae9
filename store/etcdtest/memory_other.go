//go:build !linux

package etcdtest

import "testing"

// Memory is a folder that is not on a disk, where that can be had.
func Memory(t testing.TB) string { return t.TempDir() }
