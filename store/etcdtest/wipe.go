package etcdtest

import (
	"path/filepath"
	"testing"
)

// Wipe makes a stopped etcd forget everything.
func (p *Process) Wipe(t testing.TB) { p.data = filepath.Join(t.TempDir(), "data") }
