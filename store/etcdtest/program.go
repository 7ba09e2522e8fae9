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

// Version is a version of etcd that runs as a process.
type Version string

const (
	// V37 is today's. It is built from source.
	V37 Version = "3.7"

	// V35 is the last one that has the v2 API. It is built from source.
	V35 Version = "3.5"

	// V34 is Debian's, which `make test` unpacks without installing it. One that
	// is in PATH, or that the environment variable ETCD34 names (ETCDCTL34 for
	// etcdctl), will do as well.
	V34 Version = "3.4"
)

// program is the file of an etcd of that version. If there is none and none can be
// built, the test is skipped.
func program(t testing.TB, version Version) string {
	t.Helper()
	return file(t, "etcd", version, map[Version]finder{V37: build37, V35: build35, V34: find34})
}

// Etcdctl is the file of etcdctl 3.7, or of 3.4, which speaks the v2 API as well
// (ETCDCTL_API=2). If there is none and none can be built, the test is skipped.
func Etcdctl(t testing.TB, version Version) string {
	t.Helper()
	return file(t, "etcdctl", version, map[Version]finder{V37: buildCtl37, V34: findCtl34})
}

// finder finds a program, or builds it.
type finder func() (file string, err error)

var (
	build37    = building("etcd-3.7", "etcd37", ".")
	build35    = building("etcd-3.5", "etcd35", ".")
	buildCtl37 = building("etcdctl-3.7", "etcd37", "go.etcd.io/etcd/etcdctl/v3")

	find34    = finding("etcd", "ETCD34", "--version", "etcd Version: 3.4.")
	findCtl34 = finding("etcdctl", "ETCDCTL34", "version", "etcdctl version: 3.4.")
)

func file(t testing.TB, name string, version Version, finders map[Version]finder) string {
	t.Helper()
	find, ok := finders[version]
	if !ok {
		t.Fatalf("the tests have no %s %s", name, version)
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

// building builds a package of the module in a folder beside this file. If nothing
// in it has changed, that takes a moment.
func building(name, module, pkg string) finder {
	return sync.OnceValues(func() (string, error) {
		root, err := checkout()
		if err != nil {
			return "", err
		}
		file := filepath.Join(root, ".tools", name)
		cmd := exec.Command("go", "build", "-o", file, pkg)
		cmd.Dir = filepath.Join(root, "store", "etcdtest", module)
		cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return file, nil
	})
}

var errNone = errors.New("`make test` fetches Debian's")

// finding looks for a program of version 3.4, which begins its answer to a word
// with that.
func finding(name, variable, word, answer string) finder {
	check := func(file string) error {
		out, err := exec.Command(file, word).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w", file, word, err)
		}
		if !strings.HasPrefix(string(out), answer) {
			return fmt.Errorf("%s is no %s 3.4:\n%s", file, name, out)
		}
		return nil
	}
	return sync.OnceValues(func() (string, error) {
		if named := os.Getenv(variable); named != "" {
			return named, check(named)
		}
		root, err := checkout()
		if err != nil {
			return "", err
		}
		for _, file := range []string{filepath.Join(root, ".tools", name+"-3.4"), name} {
			if file, err = exec.LookPath(file); err == nil && check(file) == nil {
				return file, nil
			}
		}
		return "", fmt.Errorf("there is no %s 3.4 here: %w, or the environment variable %s names one", name, errNone, variable)
	})
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
