package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// shell runs command lines that speak to 127.0.0.1:4001 against a gateway that is
// elsewhere: curl reads where to connect to from its configuration.
type shell struct {
	t   *testing.T
	env []string
}

func newShell(t *testing.T, g *gateway) shell {
	t.Helper()
	home := t.TempDir()
	rc := "silent\nshow-error\nconnect-to = \"127.0.0.1:4001:" + g.site + "\"\n"
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	return shell{t: t, env: append(os.Environ(), "CURL_HOME="+home)}
}

// run runs a line to its end, and returns what it prints.
func (s shell) run(line string) string {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", line)
	cmd.Env = s.env
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s\n%v: %s", line, err, errors.String())
	}
	return string(out)
}

// start runs a line in the background; the channel has what it prints.
func (s shell) start(line string) <-chan string {
	c := make(chan string, 1)
	go func() {
		cmd := exec.Command("bash", "-c", line)
		cmd.Env = s.env
		out, _ := cmd.Output()
		c <- string(out)
	}()
	return c
}

// anyIndex is wanted where it can't be told which.
const anyIndex = "an index"

// Every curl line of the old modules' documentation of the lock, character for
// character, has the effect that is documented there.
func TestSeed(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		text, err := os.ReadFile("testdata/seed-lock.txt")
		if err != nil {
			t.Fatal(err)
		}
		seed := strings.Split(strings.TrimSpace(string(text)), "\n")
		const (
			acquire = iota
			acquireBar
			acquireBarIn2s
			renewIndex2
			renewBar
			value
			index
			deleteIndex2
			deleteBar
			lines
		)
		if len(seed) != lines {
			t.Fatalf("the seed has %d lines, and this test knows %d", len(seed), lines)
		}
		ran := make([]bool, lines)
		g := e.gateway(t)
		sh := newShell(t, g)
		run := func(line int, want string) string {
			t.Helper()
			ran[line] = true
			out := sh.run(seed[line])
			if want != anyIndex && out != want {
				t.Errorf("%s\nprints %q, want %q", seed[line], out, want)
			}
			if _, err := strconv.ParseUint(out, 10, 64); want == anyIndex && err != nil {
				t.Errorf("%s\nprints %q, want an index", seed[line], out)
			}
			return out
		}

		// Without a value. The index is 2 in the documentation, and on a fresh etcd
		// with the v3 API.
		run(value, "")
		run(index, "")
		holds := run(acquire, e.first)
		for _, line := range []int{renewIndex2, deleteIndex2} {
			seed[line] = strings.Replace(seed[line], "index=2", "index="+holds, 1)
		}
		run(renewIndex2, "")
		run(value, "-")
		run(index, holds)

		// Another request waits for its turn.
		bar := sh.start(seed[acquireBar])
		patience.Until(t, 5*time.Second, func() error { return g.hasQueue("customer1", 2) })
		run(deleteIndex2, "")
		first := <-bar

		// The same value from a second session is the same lock.
		if again := run(acquireBar, anyIndex); again != first {
			t.Errorf("the same value got index %s, then %s", first, again)
		}
		run(value, "bar")
		run(index, first)
		if again := run(acquireBarIn2s, anyIndex); again != first {
			t.Errorf("the same value got index %s, then %s", first, again)
		}
		run(renewBar, "")
		run(deleteBar, "")
		run(value, "")

		// Only if it is done within 2 seconds.
		holder := g.lock("customer1")
		clock, before := patience.Start(t), time.Now()
		ran[acquireBarIn2s] = true
		if out := sh.run(seed[acquireBarIn2s]); !strings.Contains(out, `"errorCode":215`) {
			t.Errorf("%s\nprints %q, want error 215", seed[acquireBarIn2s], out)
		}
		if took := time.Since(before); took < 2*time.Second || clock.Took() > 3*time.Second {
			t.Errorf("it gave up after %v, want 2 s", took)
		}
		if err := g.hasQueue("customer1", 1); err != nil {
			t.Errorf("after the time-out: %v", err)
		}

		// Two sessions with one value return at the same time.
		one, two := sh.start(seed[acquireBar]), sh.start(seed[acquireBar])
		patience.Until(t, 5*time.Second, func() error { return g.hasQueue("customer1", 2) })
		g.unlock("customer1", holder)
		if a, b := <-one, <-two; a != b || a == "" {
			t.Errorf("two sessions with one value got %q and %q", a, b)
		}
		run(deleteBar, "")

		if i := slices.Index(ran, false); i >= 0 {
			t.Errorf("not run: %s", seed[i])
		}
	})
}
