package etcdtest

import "testing"

// Wipe makes a stopped server forget everything.
func (s *Server) Wipe(t testing.TB) { s.dir = t.TempDir() }
