package sim

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod/backoff"
	"github.com/caddy-etcd/caddy-etcd/robustness/check"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/model"
)

var (
	seed  = flag.Uint64("seed", 0, "of the first run; 0 is another one each time")
	steps = flag.Int("steps", 100_000, "how many steps, of all runs together")
	long  = flag.Int("long", 1000, "how many steps each run has until everything goes well")
	story = flag.String("story", "", "a file for what happens, step by step, in the first run")
)

// TestMain makes the time between two attempts a function of virtual time, so that a seed
// gives the same run again.
func TestMain(m *testing.M) {
	flag.Parse()
	backoff.Jitter = func(most time.Duration) time.Duration {
		h := fnv.New64a()
		fmt.Fprint(h, most, time.Now().UnixNano())
		return time.Duration(h.Sum64() % uint64(most))
	}
	os.Exit(m.Run())
}

// Whatever happens, in whatever order, the lock keeps its promises.
func TestSimulation(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	t.Logf("the first seed is %d", first)
	done, outcomes := 0, make(tally)
	for s := first; done < *steps; s++ {
		out := io.Discard
		if *story != "" && s == first {
			file, err := os.Create(*story)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			out = file
		}
		n, _, h := simulate(t, s, out)
		outcomes.add(h)
		if done += n; t.Failed() {
			return
		}
	}
	t.Logf("%d steps: %v", done, outcomes)
	for _, outcome := range []string{
		"acquire 200", "acquire 410", "acquire 423", "acquire 503", "acquire 504", "acquire, gone", "get 200",
		"renew 200", "renew 404", "renew 409", "release 200", "release 404",
	} {
		if outcomes[outcome] < done/100_000 {
			t.Errorf("only %d times: %s", outcomes[outcome], outcome)
		}
	}
}

// tally is how many requests had which outcome.
type tally map[string]int

func (t tally) add(h *history.History) {
	for _, op := range h.Ops {
		outcome := fmt.Sprintf("%s %d", op.Kind, op.Status)
		if op.Left {
			outcome = fmt.Sprintf("%s, gone", op.Kind)
		}
		t[outcome]++
	}
}

// The same seed gives the same run, step by step.
func TestSimulation_repeatable(t *testing.T) {
	first := rand.Uint64()
	for s := first; s < first+10; s++ {
		var before, after bytes.Buffer
		_, sum, _ := simulate(t, s, &before)
		if _, again, _ := simulate(t, s, &after); sum != again {
			a, b := bytes.Split(before.Bytes(), []byte("\n")), bytes.Split(after.Bytes(), []byte("\n"))
			for i := range min(len(a), len(b)) {
				if !bytes.Equal(a[i], b[i]) {
					t.Fatalf("with the seed %d, step %d was\n%s\nand is\n%s", s, i, a[i], b[i])
				}
			}
			t.Fatalf("with the seed %d, there were %d steps, and are %d", s, len(a), len(b))
		}
	}
}

// simulate makes one run and judges it. It returns how many steps it had, their sum, and
// what was seen.
func simulate(t *testing.T, seed uint64, out io.Writer) (n int, sum uint64, h *history.History) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		sim := newSimulation(seed, out)
		for range *long {
			sim.step()
		}
		sim.finish()
		h, n, sum = sim.recorder.History(), sim.s.steps, sim.s.sum.Sum64()
	})
	judge(t, h)
	return n, sum, h
}

// judge reports what is wrong with a run, and how to repeat it.
func judge(t *testing.T, h *history.History) {
	t.Helper()
	violations, findings := check.Check(h), model.Check(h, time.Minute)
	if len(violations)+len(findings) == 0 {
		return
	}
	for _, v := range violations {
		t.Error(v)
	}
	for _, f := range findings {
		t.Error(f)
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("caddy-etcd-simulation-%d", h.Run.Seed))
	if err := h.Save(file + ".jsonl"); err != nil {
		t.Error(err)
	}
	t.Logf("the history is %s.jsonl; to have it again, step by step:\n\tgo test ./robustness/sim -run 'TestSimulation$' -seed %d -long %d -steps 1 -story %s.txt",
		file, h.Run.Seed, *long, file)
}
