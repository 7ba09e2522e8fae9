package model

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/history/simulated"
)

// hot is the history of one lock that 40 clients want, with faults.
func hot(brisk bool) *history.History {
	return simulated.Run(simulated.Config{
		Seed: *seed, Locks: 1, Clients: 40, Length: 6 * time.Minute, Pause: 20 * time.Millisecond, Hold: 2 * time.Millisecond,
		Faults: true, Brisk: brisk,
	})
}

// A lock that is used a lot can be judged: the lies about it are found as well, wherever
// they are, and not only that the search has taken too long.
func TestHotLock(t *testing.T) {
	h := hot(true)
	if len(h.Ops) < 20_000 {
		t.Errorf("only %d requests", len(h.Ops))
	}
	if findings := Check(h, time.Minute); len(findings) > 0 {
		t.Fatal(findings)
	}
	random := rand.New(rand.NewPCG(*seed, 1))
	for i, lie := range lies {
		if i%3 > 0 { // some of them will do
			continue
		}
		lied := *h
		lied.Ops = slices.Clone(h.Ops)
		if !tell(&lied, random, lie) {
			continue
		}
		begun := time.Now()
		findings := Check(&lied, time.Minute)
		if len(findings) == 0 || findings[0].Unsure {
			t.Errorf("-seed %d: %q has not been found: %v", *seed, lie.name, findings)
		}
		t.Log(lie.name, time.Since(begun).Round(time.Millisecond), findings)
	}
}

// A lock that is used a lot can be judged as well: the time that this takes does not grow
// faster than the history.
func BenchmarkCheck(b *testing.B) {
	for _, c := range []struct {
		name string
		h    *history.History
	}{
		{"released at once", hot(true)},
		{"often forgotten", hot(false)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var most uint64
			for b.Loop() {
				if findings := Check(c.h, time.Minute); len(findings) > 0 {
					b.Fatal(findings)
				}
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapSys)
			}
			b.ReportMetric(float64(len(c.h.Ops)), "requests")
			b.ReportMetric(float64(most>>20), "MiB-heap")
		})
	}
}
