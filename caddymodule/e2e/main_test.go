// Package e2e tests the gateway as its users meet it: the caddy that xcaddy.sh
// builds, run as a process of its own on a real etcd, and asked with curl or
// plain HTTP. Each of the invariants I1 to I10 and of the old modules' nine bugs
// has at least one test here that names it.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "github.com/caddy-etcd/caddy-etcd" // what is tested: go test runs anew when it has changed
)

// caddy is the built binary.
var caddy string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "10") // most of the time they wait for leases to expire
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	caddy = filepath.Join(dir, "caddy")
	build := exec.Command("../../xcaddy.sh", "--output", caddy)
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building caddy:", err)
		return 1
	}
	return m.Run()
}
