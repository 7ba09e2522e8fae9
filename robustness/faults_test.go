// Package robustness examines the gateways under faults, as they really run, and judges
// what their clients saw. See README.md.
package robustness

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/check"
	"github.com/caddy-etcd/caddy-etcd/robustness/cluster"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/model"
)

var (
	api     = flag.String("api", "", "examine only this API of etcd, v3 or v2")
	length  = flag.Duration("length", 75*time.Second, "how long there are faults")
	every   = flag.Duration("every", time.Second, "from one fault to the next, unless the system takes longer to recover")
	clients = flag.Int("clients", 40, "how many clients")
	locks   = flag.Int("locks", 8, "how many locks and elections")
	pause   = flag.Duration("pause", 200*time.Millisecond, "between two things that a client does, twice that at most")
	seed    = flag.Uint64("seed", 0, "of all that is random; 0 is another one each time")
	faults  = flag.String("faults", strings.Join(cluster.Kinds, ","), "the kinds of faults")
	caddy   = flag.String("caddy", "", "the caddy to examine; the default is to build one, with the race detector")
	replay  = flag.String("replay", "", "judge a saved history again, instead; its absolute path")
	save    = flag.String("save", filepath.Join(os.TempDir(), "caddy-etcd-robustness"), "the folder for histories that are not right")
)

// Under faults, all invariants hold.
func TestFaults(t *testing.T) {
	if *replay != "" {
		h, err := history.Load(*replay)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, h, filepath.Dir(*replay))
		return
	}
	kinds := strings.Split(*faults, ",")
	for i, kind := range kinds {
		if kinds[i] = strings.TrimSpace(kind); !slices.Contains(cluster.Kinds, kinds[i]) {
			t.Fatalf("there is no fault %q, but these: %s", kinds[i], strings.Join(cluster.Kinds, ", "))
		}
	}
	if err := cluster.CanSlowDisks(); err != nil && slices.Contains(kinds, cluster.SlowDisk) {
		t.Logf("without a slow disk: %v", err)
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == cluster.SlowDisk })
	}
	binary := *caddy
	if binary == "" {
		binary = build(t)
	}
	for _, a := range []string{"v3", "v2"} {
		if *api != "" && *api != a {
			continue
		}
		t.Run(a, func(t *testing.T) {
			s := settings{
				api: a, caddy: binary, seed: *seed, length: *length, every: *every, clients: *clients, locks: *locks, pause: *pause,
				look: 100 * time.Millisecond, faults: kinds,
			}
			if s.seed == 0 {
				s.seed = rand.Uint64()
			}
			s.command = fmt.Sprintf("go test ./robustness -run TestFaults -v -timeout 0 -api %s -seed %d -length %v -every %v -clients %d -locks %d -pause %v -faults %q",
				a, s.seed, s.length, s.every, s.clients, s.locks, s.pause, *faults)
			if *caddy != "" {
				s.command += " -caddy " + *caddy
			}
			t.Log(s.command)
			h, figures := examine(t, s)
			figures.violations = judge(t, h, "")
			t.Log(figures.of(h))
		})
	}
}

// judge reports what is wrong with a history, which is saved then, unless it is in a folder
// already, and returns how much that is.
func judge(t *testing.T, h *history.History, dir string) int {
	t.Helper()
	seen := h.Excused()
	violations, findings := check.Check(seen), model.Check(seen, time.Minute)
	if len(violations)+len(findings) == 0 && !t.Failed() {
		return 0
	}
	saved := dir != ""
	if !saved {
		var err error
		if dir, err = os.MkdirTemp(mkdir(t, *save), h.Run.API+"-*"); err != nil { //nolint:usetesting // it is to stay
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "history.jsonl")
	if !saved {
		if err := h.Save(file); err != nil {
			t.Error(err)
		}
	}
	var report strings.Builder
	for i, v := range violations {
		fmt.Fprintln(&report, v)
		if i < 50 {
			t.Error(v)
		}
	}
	if n := len(violations) - 50; n > 0 {
		t.Errorf("and %d more", n)
	}
	for i, f := range findings {
		page := filepath.Join(dir, fmt.Sprintf("finding%d.html", i+1))
		fmt.Fprintf(&report, "%v: %s\n", f, page)
		t.Errorf("%v: %s", f, page)
		if err := draw(f, page); err != nil {
			t.Error(err)
		}
	}
	again := fmt.Sprintf("To judge it again:\n\tgo test ./robustness -run TestFaults -replay %s\nTo run the like again:\n\t%s\n", file, h.Run.Command)
	report.WriteString(again)
	if err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte(report.String()), 0o600); err != nil {
		t.Error(err)
	}
	t.Logf("The history and this report are in %s.\n%s", dir, again)
	return len(violations) + len(findings)
}

// draw has porcupine draw how far it can explain what was found.
func draw(f model.Finding, page string) error {
	out, err := os.Create(page)
	if err != nil {
		return err
	}
	return errors.Join(f.Picture(out), out.Close())
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// build builds the caddy that is examined, with the race detector.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "caddy")
	cmd := exec.Command("../xcaddy.sh", "--output", binary)
	cmd.Env = append(os.Environ(), "XCADDY_RACE_DETECTOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building caddy: %v\n%s", err, out)
	}
	return binary
}
