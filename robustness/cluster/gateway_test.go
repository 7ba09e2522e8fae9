package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// All that must not be in a log is reported, and nothing else.
func TestReports(t *testing.T) {
	const log = `{"level":"info","msg":"do not panic"}
==================
WARNING: DATA RACE
one
==================
{"level":"info"}
==================
WARNING: DATA RACE
two
==================
{"level":"error","msg":"http: panic serving 127.0.0.1:1: x\ngoroutine 1"}
panic: y [recovered]
	panic: z
goroutine 1 [running]:
fatal error: the gateway has ended: exit status 2
`
	want := []string{
		"WARNING: DATA RACE\none\n", "WARNING: DATA RACE\ntwo\n",
		`{"level":"error","msg":"http: panic serving 127.0.0.1:1: x\ngoroutine 1"}` + "\n",
		"panic: y [recovered]\n\tpanic: z\ngoroutine 1 [running]:\n",
		unasked + ": exit status 2\n",
	}
	if got := reports(log); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A gateway that ends by itself is reported, and is no end of the test.
func TestGatewayEnds(t *testing.T) {
	script := filepath.Join(t.TempDir(), "caddy")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, 1, script, "v3", []*etcdtest.Process{{Endpoint: "http://127.0.0.1:1"}})
	s := System{Gateways: []*Gateway{g}, t: t}
	if err := g.Run(); err == nil {
		t.Error("it serves")
	}
	if got := s.Reports(); len(got) != 1 || !strings.Contains(got[0], "exit status 3") {
		t.Errorf("%q", got)
	}
}
