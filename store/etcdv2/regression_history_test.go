package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// When a gateway stops, all who listened there come to another one, each to its own
// queue: the history that they go on from is read once, and not for each.
func TestManyGoOnAtOnce(t *testing.T) {
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	at := a.hold(t, "first").Index
	for i := 0; a.Revision()-at < 600; i++ {
		a.hold(t, fmt.Sprint("k", i))
	}
	const n = 300
	const patient = 4500 * time.Millisecond // as the service is
	var begun atomic.Int32
	var all sync.WaitGroup
	clock := patience.Start(t)
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := store.ErrUnavailable
			for errors.Is(err, store.ErrUnavailable) && clock.Took() < patient {
				err = b.Observe(ctx, store.Scope{Space: "lock", Name: fmt.Sprint("k", i)}, at, func(uint64, []store.Queue) {
					begun.Add(1)
					cancel()
				}, func(uint64, []store.Change) {})
			}
			if err != nil {
				t.Errorf("number %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if got, took := begun.Load(), clock.Took(); got != n || took > patient {
		t.Errorf("%d of %d have begun within %v", got, n, took)
	}
	patience.Until(t, 2*rememberFor, func() error {
		b.remembered.mu.Lock()
		defer b.remembered.mu.Unlock()
		if n := len(b.remembered.events); n > 0 {
			return fmt.Errorf("%d events are kept though nobody asks", n)
		}
		return nil
	})
}

// The parts in which a history is read tell nothing twice where they meet, also where
// what is there is none of the store's.
func TestHistoryTellsNothingTwice(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/test")
	at := g.hold(t, "first").Index
	for i := range 40 {
		g.hold(t, fmt.Sprint("k", i))
		for range i % 4 {
			if _, err := keys.Set(t.Context(), "/elsewhere", "", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 2 { // the second time it is remembered, and goes on
		o := g.observe(t, allLocks, at, true).begun(t)
		last := g.hold(t, fmt.Sprint("last", round))
		o.isTold(t, last.Index+1)
		told := make(map[string]int)
		for _, c := range o.told() {
			change := fmt.Sprint(c.Entry.Index, c.Entry.Held, c.Deleted)
			if told[change]++; told[change] > 1 {
				t.Errorf("%s is told %d times", change, told[change])
			}
		}
	}
}
