package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// crowd is many requests that wait for one lock.
type crowd struct {
	g       *gateway
	key     string
	replies chan reply
}

// wait has n requests wait for key, behind a holder whose index is returned.
func (g *gateway) wait(key string, n int) (*crowd, string) {
	g.t.Helper()
	holder := g.lock(key)
	c := &crowd{g: g, key: key, replies: make(chan reply, n)}
	for range n {
		go func() { c.replies <- g.do(context.Background(), http.MethodPost, key+"?ttl=60") }()
	}
	patience.Until(g.t, 60*time.Second, func() error { return g.hasQueue(key, n+1) })
	return c, holder
}

// A reload, even of a changed configuration, drops none of the waiting requests
// and delays none: each is granted in its turn.
func TestReload_I8(t *testing.T) {
	onEachAlone(t, func(t *testing.T, e *etcd) {
		const n = 1000
		g := e.gateway(t)
		crowd, holder := g.wait("k", n)
		order, err := g.indices("k")
		if err != nil {
			t.Fatal(err)
		}
		g.reload()
		g.configure(g.etcd, "header X-Changed yes")
		g.reload()
		if r := g.do(bg, http.MethodGet, "k"); r.header.Get("X-Changed") != "yes" {
			t.Errorf("the changed configuration is not in force: %v", r)
		}
		if err := g.hasQueue("k", n+1); err != nil {
			t.Fatalf("after two reloads: %v", err)
		}

		g.unlock("k", holder)
		for i := range n {
			select {
			case r := <-crowd.replies:
				want(t, r, http.StatusOK, order[i+1])
				g.unlock("k", r.body)
			case <-time.After(10 * time.Second):
				t.Fatalf("number %d was not granted within 10 s", i)
			}
		}

		// A reload in the middle of handovers.
		crowd, holder = g.wait("k", 100)
		g.unlock("k", holder)
		for i := range 100 {
			if i == 50 {
				g.reload()
			}
			r := receive(t, crowd.replies)
			want(t, r, http.StatusOK, whatever)
			g.unlock("k", r.body)
		}
	})
}

// caddy stop answers everybody who waits, takes their entries out of the queue
// and exits, all within 5 seconds; so does SIGTERM, which is how it ends here, of a
// gateway that the etcd may be in.
func TestStop_I9(t *testing.T) {
	onEachAlone(t, func(t *testing.T, e *etcd) {
		const n = 1000
		first := e.gateway(t)
		stopped := func(t *testing.T, g *gateway, stop func()) {
			crowd, holder := g.wait("k", n)
			clock := patience.Start(t)
			stop()
			for range n {
				r := receive(t, crowd.replies)
				want(t, r, http.StatusServiceUnavailable, whatever)
				if r.header.Get("Retry-After") == "" {
					t.Error("a 503 without Retry-After")
				}
			}
			select {
			case <-g.ended:
			case <-time.After(10 * time.Second):
				t.Fatal("still running after 10 s")
			}
			if took := clock.Took(); took > 5*time.Second {
				t.Errorf("stopping took %v, want at most 5 s", took)
			}
			if g == first {
				g.run()
			}
			if err := first.hasQueue("k", 1); err != nil {
				t.Errorf("after the end: %v", err)
			}
			first.unlock("k", holder)
		}
		t.Run("caddy stop", func(t *testing.T) {
			g := e.gateway(t)
			stopped(t, g, func() { g.caddy("stop", "--address", g.admin) })
		})
		t.Run("SIGTERM", func(t *testing.T) {
			stopped(t, first, func() { _ = first.cmd.Process.Signal(syscall.SIGTERM) })
		})
	})
}

// A gateway that crashes: its waiters' places are free within 15 seconds, and
// what it had granted stays until its TTL.
func TestKill_I4(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		a, b := e.apart(t), e.gateway(t)
		holder := a.lock("k")
		for range 20 {
			a.post(context.Background(), "k?ttl=60")
		}
		patience.Until(t, 10*time.Second, func() error { return b.hasQueue("k", 21) })
		next := b.post(context.Background(), "k?ttl=60")
		patience.Until(t, 10*time.Second, func() error { return b.hasQueue("k", 22) })

		a.kill()
		killed := patience.Start(t)
		patience.Until(t, 20*time.Second, func() error { return b.hasQueue("k", 2) })
		if took := killed.Took(); took > 15*time.Second {
			t.Errorf("its places were free after %v, want 15 s", took)
		}
		want(t, b.do(context.Background(), http.MethodGet, "k?index="+holder), http.StatusOK, whatever)
		b.unlock("k", holder)
		want(t, receive(t, next), http.StatusOK, whatever)
	})
}

// With two gateways on one etcd and 20 clients through both of them: one holder
// at a time, each with a greater index than the one before, in the order of the
// queue.
func TestTwoGateways_I1_I2_I3(t *testing.T) {
	onEachAlone(t, func(t *testing.T, e *etcd) {
		gateways := []*gateway{e.gateway(t), e.gateway(t)}
		const clients, rounds = 20, 25
		var mu sync.Mutex
		holding := 0
		var granted []uint64
		var all sync.WaitGroup
		for c := range clients {
			g := gateways[c%2]
			all.Go(func() {
				for range rounds {
					r := g.do(context.Background(), http.MethodPost, "k?ttl=60")
					mu.Lock()
					holding++
					if r.status != http.StatusOK || holding != 1 {
						t.Errorf("%v, and %d hold the lock", r, holding)
					}
					var index uint64
					_, _ = fmt.Sscan(r.body, &index)
					granted = append(granted, index)
					holding--
					mu.Unlock()
					g.unlock("k", r.body)
				}
			})
		}
		all.Wait()
		if len(granted) != clients*rounds || !slices.IsSorted(granted) {
			t.Errorf("%d grants, in this order: %v", len(granted), granted)
		}
	})
}

// Two requests with one value, through different gateways, are told at the same
// moment with the same index; if one leaves, the other keeps the place.
func TestSharedValue_I7(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		a, b := e.gateway(t), e.gateway(t)
		holder := a.lock("k")
		ctx, leave := context.WithCancel(context.Background())
		leaves := a.post(ctx, "k?ttl=60", "value", "bar")
		patience.Until(t, 10*time.Second, func() error { return b.hasQueue("k", 2) })
		one := b.post(context.Background(), "k?ttl=60", "value", "bar")
		two := a.post(context.Background(), "k?ttl=60", "value", "bar", "timeout", "60")
		later := b.post(context.Background(), "k?ttl=60", "value", "other")
		patience.Until(t, 10*time.Second, func() error { return b.hasQueue("k", 3) })
		place, err := a.indices("k")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		receive(t, leaves)

		clock := patience.Start(t)
		a.unlock("k", holder)
		r1, r2 := receive(t, one), receive(t, two)
		want(t, r1, http.StatusOK, place[1])
		want(t, r2, http.StatusOK, place[1])
		if apart := clock.Ran(r1.at, r2.at); apart > time.Second {
			t.Errorf("they were told %v apart", apart)
		}
		want(t, b.do(context.Background(), http.MethodDelete, "k", "value", "bar"), http.StatusOK, "")
		want(t, receive(t, later), http.StatusOK, place[2])
	})
}

// A holder has its lock for its TTL, from the grant on, and at most two seconds
// more; a renewal starts it anew.
func TestTTL_I6(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		index := g.lock("k")
		waits := g.post(context.Background(), "k?ttl=3")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		clock, renews := patience.Start(t), time.Now()
		want(t, g.do(context.Background(), http.MethodPut, "k?ttl=3", "index", index), http.StatusOK, "")
		renewed := time.Now()
		second := receive(t, waits)
		want(t, second, http.StatusOK, whatever)
		atLeast(t, "after the renewal", second.at.Sub(renews), 3*time.Second)
		atMost(t, "after the renewal", clock.Ran(renewed, second.at), 5*time.Second)

		// The second one waited for longer than its own TTL, which began with the
		// grant: that was 3 s after the renewal or later, and before its answer was here.
		third := receive(t, g.post(context.Background(), "k?ttl=60"))
		want(t, third, http.StatusOK, whatever)
		atLeast(t, "after the renewal and the grant", third.at.Sub(renews), 6*time.Second)
		atMost(t, "after the grant", clock.Ran(second.at, third.at), 5*time.Second)
	})
}

func atLeast(t *testing.T, what string, took, least time.Duration) {
	t.Helper()
	const early = 50 * time.Millisecond // a clock may differ from etcd's
	if took < least-early {
		t.Errorf("it took %v %s, want at least %v", took, what, least)
	}
}

func atMost(t *testing.T, what string, took, most time.Duration) {
	t.Helper()
	if took > most {
		t.Errorf("it took %v %s, want at most %v", took, what, most)
	}
}

// etcd away: 503 with Retry-After within 5 seconds; when it is back, requests
// that waited go on by themselves, in their places.
func TestEtcdAway_I5(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.apart(t)
		holder := g.lock("k")
		one := g.post(context.Background(), "k?ttl=60")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		two := g.post(context.Background(), "k?ttl=60")
		patience.Until(t, 10*time.Second, func() error {
			// A request whose place is just being made when etcd goes is told so.
			waiting, err := e.direct(t).queue(bg, "k")
			if err == nil && len(waiting) != 3 {
				err = fmt.Errorf("%d in the queue, want 3", len(waiting))
			}
			return err
		})
		order, err := g.indices("k")
		if err != nil {
			t.Fatal(err)
		}

		e.Stop()
		g.wantsUnavailable(http.MethodPost)
		e.Restart(t)

		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 3) })
		g.unlock("k", holder)
		r := receive(t, one)
		want(t, r, http.StatusOK, order[1])
		g.unlock("k", r.body)
		want(t, receive(t, two), http.StatusOK, order[2])

		e.Stop()
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			g.wantsUnavailable(method)
		}
	})
}

// wantsUnavailable sends a request that should be refused in time.
func (g *gateway) wantsUnavailable(method string) {
	g.t.Helper()
	clock := patience.Start(g.t)
	r := g.do(context.Background(), method, "new?ttl=60", "value", "v")
	want(g.t, r, http.StatusServiceUnavailable, whatever)
	if took := clock.Took(); r.header.Get("Retry-After") == "" || took > 5*time.Second {
		g.t.Errorf("%s: %v after %v, with %v; want it within 5 s, with Retry-After", method, r, took, r.header)
	}
}
