package check

import (
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history/simulated"
)

// One lock that 40 clients want, with faults, and all that was seen of it in etcd.
func BenchmarkCheck(b *testing.B) {
	h := simulated.Run(simulated.Config{
		Seed: *seed, Locks: 1, Clients: 40, Length: 6 * time.Minute, Pause: 20 * time.Millisecond, Hold: 2 * time.Millisecond,
		Faults: true, Brisk: true,
	})
	b.ReportAllocs()
	for b.Loop() {
		if violations := Check(h); len(violations) > 0 {
			b.Fatal(violations)
		}
	}
	b.ReportMetric(float64(len(h.Ops)), "requests")
	b.ReportMetric(float64(len(h.Sights)), "sights")
}
