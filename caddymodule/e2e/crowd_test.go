package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.uber.org/zap"
)

// 10,000 requests that wait for one lock on one gateway are served in their order,
// and leave neither goroutine nor lease behind.
func TestTenThousandWaiters_I3(t *testing.T) {
	const n = 10_000
	// The etcd is a process of its own: in this one it would be slow, as
	// everything is that the race detector watches.
	endpoint := "http://" + freeAddress(t)
	start(t, "embedded ./data {\n\t\t\tlisten "+endpoint+"\n\t\t}")
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	g := start(t, onEtcd(endpoint))
	g.unlock("k", g.lock("k"))
	before := g.goroutines()

	holder := g.lock("k")
	replies := make(chan reply, n)
	for range n {
		go func() { replies <- g.do(bg, http.MethodPost, "k?ttl=60") }()
	}
	queued := func(opts ...clientv3.OpOption) *clientv3.GetResponse {
		resp, err := cli.Get(bg, "/_etcd/mod/lock/k/", append(opts, clientv3.WithPrefix(), clientv3.WithKeysOnly())...)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	eventually(t, 2*time.Minute, func() error {
		if got := queued(clientv3.WithCountOnly()).Count; got != n+1 {
			return fmt.Errorf("%d entries in the queue, want %d", got, n+1)
		}
		return nil
	})
	var order []int64
	for _, kv := range queued().Kvs {
		order = append(order, kv.CreateRevision)
	}
	slices.Sort(order)

	g.unlock("k", holder)
	for _, index := range order[1:] {
		r := receive(t, replies)
		if r.status != http.StatusOK || r.body != fmt.Sprint(index) {
			t.Fatalf("got %v, want index %d", r, index)
		}
		g.unlock("k", r.body)
	}
	if got := queued().Count; got != 0 {
		t.Errorf("%d entries are left", got)
	}
	eventually(t, 30*time.Second, func() error {
		if now := g.goroutines(); now > before+10 {
			return fmt.Errorf("%d goroutines, %d before", now, before)
		}
		leases, err := cli.Leases(bg)
		if err == nil && len(leases.Leases) > 2 {
			err = fmt.Errorf("%d leases, want those of the sessions", len(leases.Leases))
		}
		return err
	})
}

// goroutines counts those of the gateway.
func (g *gateway) goroutines() int {
	g.t.Helper()
	resp, err := http.Get("http://" + g.admin + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return number(g.t, string(text), "goroutine profile: total ")
}
