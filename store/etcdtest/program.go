package etcdtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Version is a version of etcd that has the v2 API.
type Version string

const (
	// V35 is the last one that has it. It is built from source.
	V35 Version = "3.5"

	// V34 is Debian's, which `make test` unpacks without installing it. One that
	// is in PATH, or that the environment variable ETCD34 names, will do as well.
	V34 Version = "3.4"
)

// program is the file of an etcd of that version. If there is none and none can be
// built, the test is skipped.
func program(t testing.TB, version Version) string {
	t.Helper()
	find := find34
	if version == V35 {
		find = build35
	}
	file, err := find()
	if errors.Is(err, errNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var errNone = errors.New("there is no etcd 3.4 here: `make test` fetches Debian's, " +
	"or the environment variable ETCD34 names one")

// build35 builds the module in the folder etcd35. If nothing in it has changed,
// that takes a moment.
var build35 = sync.OnceValues(func() (string, error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	file := filepath.Join(root, ".tools", "etcd-3.5")
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Dir = filepath.Join(root, "store", "etcdtest", "etcd35")
	cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+cmd.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building etcd 3.5: %w\n%s", err, out)
	}
	return file, nil
})

var find34 = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("ETCD34"); named != "" {
		return named, is34(named)
	}
	root, err := checkout()
	if err != nil {
		return "", err
	}
	for _, file := range []string{filepath.Join(root, ".tools", "etcd-3.4"), "etcd"} {
		if file, err = exec.LookPath(file); err == nil && is34(file) == nil {
			return file, nil
		}
	}
	return "", errNone
})

func is34(file string) error {
	out, err := exec.Command(file, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --version: %w", file, err)
	}
	if !strings.HasPrefix(string(out), "etcd Version: 3.4.") {
		return fmt.Errorf("%s is no etcd 3.4:\n%s", file, out)
	}
	return nil
}

// checkout is the folder of the main module, in which the test runs.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the test does not run in a checkout of caddy-etcd")
		}
		dir = parent
	}
}
