package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// BenchmarkWaitersV2 parks requests on one lock that is kept through the v2 API, on
// an etcd that writes to its disk: how long until all of them have queued, what
// they cost in writes while they wait, for long enough that their records are
// refreshed, what another lock then takes, and how fast they are served.
func BenchmarkWaitersV2(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { waitersV2(b, n) })
	}
}

func waitersV2(b *testing.B, n int) {
	etcd := etcdtest.StartV2(b, etcdtest.V34) // 3.5 runs here without waiting for its disk
	g := start(b, onEtcd(etcd.Endpoint)+"\n\t\tapi v2")
	direct := directV2{etcd.Endpoint + "/v2/keys"}
	entries := func() int {
		indices, err := direct.queue(bg, "contended")
		if err != nil {
			b.Fatal(err)
		}
		return len(indices)
	}
	const parkedFor = 65 * time.Second
	var queued, writes, served float64
	var probes []time.Duration
	for b.Loop() {
		begin := time.Now()
		holder := g.do(bg, http.MethodPost, "contended?ttl=600").body // for longer than all wait
		served = handOver(b, n, "contended", g.cycle, entries, func() {
			queued = time.Since(begin).Seconds()
			before, probed := direct.index(b), time.Now()
			for time.Since(probed) < parkedFor {
				probe := time.Now()
				g.cycle(b, 0, "probe")
				probes = append(probes, time.Since(probe))
				<-time.After(100 * time.Millisecond)
			}
			const writesOfProbe = 3
			writes = float64(direct.index(b)-before-writesOfProbe*len(probes)) / time.Since(probed).Seconds()
		}, func() { g.unlock("contended", holder) })
	}
	slices.Sort(probes)
	b.ReportMetric(queued, "s-to-queue")
	b.ReportMetric(writes, "writes/s-waiting")
	b.ReportMetric(float64(probes[len(probes)/2].Microseconds())/1000, "ms-another-lock")
	b.ReportMetric(float64(probes[len(probes)-1].Microseconds())/1000, "ms-another-lock-at-worst")
	b.ReportMetric(served, "handovers/s")
}

// index is how many writes there have been.
func (d directV2) index(b *testing.B) int {
	b.Helper()
	resp, err := http.Get(d.keys + "/")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	index, err := strconv.Atoi(resp.Header.Get("X-Etcd-Index"))
	if err != nil {
		b.Fatal(fmt.Errorf("no index: %w", err))
	}
	return index
}
