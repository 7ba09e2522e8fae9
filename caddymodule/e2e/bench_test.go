package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The figures that the design promises are ratios: this lock beside etcd's own,
// in one run, on the same etcd, which is a process of its own: a gateway with an
// embedded one, as users run it.

// keepAlive is a client for measuring, without the cost of connections.
var keepAlive = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}

func call(b *testing.B, c *http.Client, method, url, contentType, body string) []byte {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return nil
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.Do(req)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(resp.Body)
	if resp.StatusCode != http.StatusOK {
		b.Errorf("%s %s: %s %s", method, url, resp.Status, text.String())
	}
	return text.Bytes()
}

// A cycle takes a lock and releases it.
type cycle func(b *testing.B, client int, key string)

func (g *gateway) cycle(b *testing.B, _ int, key string) {
	index := call(b, keepAlive, http.MethodPost, g.url+"/mod/v2/lock/"+key+"?ttl=60", "", "")
	call(b, keepAlive, http.MethodDelete, g.url+"/mod/v2/lock/"+key+"?index="+string(index), "", "")
}

// etcdsCycle is a cycle of etcd's own HTTP lock.
func etcdsCycle(endpoint string) cycle {
	ask := func(b *testing.B, path string, in, out any) {
		body, err := json.Marshal(in)
		if err != nil {
			b.Error(err)
			return
		}
		answer := call(b, keepAlive, http.MethodPost, endpoint+path, "application/json", string(body))
		if err := json.Unmarshal(answer, out); err != nil {
			b.Errorf("%s: %v in %q", path, err, answer)
		}
	}
	return func(b *testing.B, _ int, key string) {
		var lease struct{ ID string }
		ask(b, "/v3/lease/grant", map[string]any{"TTL": 60}, &lease)
		var lock struct{ Key string }
		ask(b, "/v3/lock/lock", map[string]any{"name": base64.StdEncoding.EncodeToString([]byte(key)), "lease": lease.ID}, &lock)
		ask(b, "/v3/lease/revoke", map[string]any{"ID": lease.ID}, &struct{}{})
	}
}

// mutexCycle is a cycle of the Go client's Mutex, with a session of its own.
func mutexCycle(b *testing.B, client *clientv3.Client) cycle {
	return func(_ *testing.B, _ int, key string) {
		s, err := concurrency.NewSession(client, concurrency.WithTTL(60))
		if err != nil {
			b.Error(err)
			return
		}
		m := concurrency.NewMutex(s, "/mutex/"+key)
		if err := m.Lock(context.Background()); err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

// rate runs cycles with that many clients for a while, on keys that key names,
// and returns how many there were in a second.
func rate(b *testing.B, clients int, during time.Duration, key func(client int) string, c cycle) float64 {
	var n atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		all.Go(func() {
			for time.Since(begin) < during {
				c(b, i, key(i))
				n.Add(1)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / time.Since(begin).Seconds()
}

// BenchmarkCycles compares lock cycles at 64 clients, each with a key of its own.
// Wanted: at least 3 times etcd's own HTTP lock, and more than the Go client's
// Mutex.
func BenchmarkCycles(b *testing.B) {
	g, endpoint := startEmbedded(b)
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		b.Fatal(err)
	}
	defer cli.Close()
	key := func(client int) string { return "k" + strconv.Itoa(client) }
	const clients, during = 64, 3 * time.Second
	rate(b, clients, time.Second, key, g.cycle) // warm
	var ours, etcds, mutex float64
	for b.Loop() {
		ours = rate(b, clients, during, key, g.cycle)
		etcds = rate(b, clients, during, key, etcdsCycle(endpoint))
		mutex = rate(b, clients, during, key, mutexCycle(b, cli))
	}
	b.ReportMetric(ours, "cycles/s")
	b.ReportMetric(etcds, "etcd-cycles/s")
	b.ReportMetric(mutex, "mutex-cycles/s")
	b.ReportMetric(ours/etcds, "x-etcd")
	b.ReportMetric(ours/mutex, "x-mutex")
}

// BenchmarkHandovers compares handovers with 500 waiters on one key. Wanted: at
// least 1.5 times etcd's own.
func BenchmarkHandovers(b *testing.B) {
	g, endpoint := startEmbedded(b)
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		b.Fatal(err)
	}
	defer cli.Close()
	const n = 500
	entries := counter(b, cli, "/_etcd/mod/lock/contended/")
	g.handovers(b, 100, entries) // warm
	var ours, etcds float64
	for b.Loop() {
		ours = g.handovers(b, n, entries)
		etcds = etcdsHandovers(b, cli, endpoint, n)
	}
	b.ReportMetric(ours, "handovers/s")
	b.ReportMetric(etcds, "etcd-handovers/s")
	b.ReportMetric(ours/etcds, "x-etcd")
}

// counter counts the keys below a prefix.
func counter(b *testing.B, cli *clientv3.Client, prefix string) func() int {
	return func() int {
		resp, err := cli.Get(context.Background(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			b.Fatal(err)
		}
		return int(resp.Count)
	}
}

func (g *gateway) handovers(b *testing.B, n int, entries func() int) float64 {
	return g.handoversAfter(b, n, entries, func() {})
}

// handoversAfter calls parked when all wait.
func (g *gateway) handoversAfter(b *testing.B, n int, entries func() int, parked func()) float64 {
	holder := g.lock("contended")
	return handOver(b, n, "contended", g.cycle, entries, parked, func() { g.unlock("contended", holder) })
}

func etcdsHandovers(b *testing.B, cli *clientv3.Client, endpoint string, n int) float64 {
	s, err := concurrency.NewSession(cli)
	if err != nil {
		b.Fatal(err)
	}
	m := concurrency.NewMutex(s, "contended")
	if err := m.Lock(context.Background()); err != nil {
		b.Fatal(err)
	}
	return handOver(b, n, "contended", etcdsCycle(endpoint), counter(b, cli, "contended/"), func() {}, func() { _ = s.Close() })
}

// handOver has n clients do a cycle on a key that is held, and measures from when
// it is released.
func handOver(b *testing.B, n int, key string, c cycle, entries func() int, parked, release func()) float64 {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { c(b, i, key) })
	}
	patience.Until(b, 2*time.Minute, func() error {
		if got := entries(); got != n+1 {
			return fmt.Errorf("%d entries, want %d", got, n+1)
		}
		return nil
	})
	parked()
	begin := time.Now()
	release()
	all.Wait()
	return float64(n) / time.Since(begin).Seconds()
}

// BenchmarkWaiters parks 10,000 requests on one lock and one gateway. Wanted: at
// most 32 KiB of the gateway's memory for each, and handovers no slower than with
// 100 of them. The memory is what is in use after a garbage collection, heap and
// stacks; what is resident is more, since Go's collector lets garbage grow as
// large as what is in use.
func BenchmarkWaiters(b *testing.B) {
	etcd := etcdtest.Start(b)
	g := start(b, onEtcd(etcd.Endpoint))
	const few, many = 100, 10_000
	entries := counter(b, etcd.Client(b), "/_etcd/mod/lock/contended/")
	g.handovers(b, few, entries) // warm
	var each, resident, fast, slow float64
	for b.Loop() {
		fast = 0
		for range 10 {
			fast += g.handovers(b, few, entries) / 10
		}
		inUse, rss := g.memory(b)
		slow = g.handoversAfter(b, many, entries, func() {
			nowInUse, nowRSS := g.memory(b)
			each, resident = float64(nowInUse-inUse)/many, float64(nowRSS-rss)/many
		})
	}
	b.ReportMetric(each/1024, "KiB/waiter")
	b.ReportMetric(resident/1024, "KiB-resident/waiter")
	b.ReportMetric(fast, "handovers/s-of-100")
	b.ReportMetric(slow, "handovers/s-of-10000")
	b.ReportMetric(slow/fast, "x-of-100")
}

// memory is what the process has in use after it has collected its garbage, and
// what is resident.
func (g *gateway) memory(b testing.TB) (inUse, resident int) {
	b.Helper()
	var text string
	for range 2 {
		resp, err := http.Get("http://" + g.admin + "/debug/pprof/heap?debug=1&gc=1")
		if err != nil {
			b.Fatal(err)
		}
		profile, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		text = string(profile)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	heap, stack := number(b, text, "# HeapAlloc = "), number(b, text, "# Stack = ")
	return heap + stack, number(b, string(status), "VmRSS:") * 1024
}

// number is the number that follows name in text.
func number(b testing.TB, text, name string) int {
	b.Helper()
	_, rest, _ := strings.Cut(text, name)
	var n int
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return n
}
