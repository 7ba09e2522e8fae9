package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var hammerTests = []test{
	{"ManyClientsHaveOneHolderAtATime_I1_I2", manyClients},
}

// client acquires, waits its turn, holds and releases, all by what the store
// says, and without any help by a watch.
type client struct {
	g       gateway
	request store.Acquire
	holding *atomic.Int32  // how many clients hold now
	newest  *atomic.Uint64 // the newest index that has held
}

func (c client) cycle(ctx context.Context) error {
	key := c.g.f.key
	got, err := c.g.Acquire(ctx, key, c.request)
	if err != nil {
		return fmt.Errorf("Acquire: %w", err)
	}
	e := got.Entry
	for !e.Held {
		granted, err := c.g.Grant(ctx, key, e, store.Ahead{}, long)
		switch {
		case err == nil:
			e = granted
		case errors.Is(err, store.ErrNotHead) && ctx.Err() == nil:
			time.Sleep(interval)
		default:
			return fmt.Errorf("Grant: %w", err)
		}
	}

	if n := c.holding.Add(1); n != 1 {
		return fmt.Errorf("%d clients hold the lock", n)
	}
	if last := c.newest.Swap(e.Index); last >= e.Index {
		return fmt.Errorf("index %d holds after %d", e.Index, last)
	}
	l, err := c.g.List(ctx, key, 1)
	if err != nil {
		return fmt.Errorf("List: %w", err)
	}
	if len(l.Entries) != 1 || l.Entries[0].Index != e.Index || !l.Entries[0].Held {
		return fmt.Errorf("%s holds, but the queue begins with\n%s", describe(e), describeAll(l.Entries))
	}
	c.holding.Add(-1)

	if e.Index%3 == 0 {
		err = c.g.Withdraw(ctx, key, e)
	} else {
		_, err = c.g.Release(ctx, key, store.Target{Index: e.Index, Hint: &e}, nil)
	}
	if err != nil {
		return fmt.Errorf("Release: %w", err)
	}
	return nil
}

func manyClients(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	start := gateways[0].list()
	w := f.watch(gateways[0], f.key, start.Revision)
	ctx, cancel := context.WithTimeout(f.Context(), 6*patience) // for all cycles of all clients together
	defer cancel()

	const clients, cycles = 12, 5
	var holding atomic.Int32
	var newest atomic.Uint64
	var wg sync.WaitGroup
	for i := range clients {
		c := client{gateways[i%3], anonymous(), &holding, &newest}
		if i%2 == 0 {
			c.request = valued(fmt.Sprint("client ", i))
		}
		wg.Go(func() {
			for range cycles {
				if err := c.cycle(ctx); err != nil {
					f.Errorf("client %d: %v", i, err)
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	if f.Failed() {
		f.FailNow()
	}
	gateways[1].wantQueue()
	mark := gateways[1].hold(anonymous())
	w.until("the last entry", func(batches []batch) bool {
		return len(batches) > 0 && batches[len(batches)-1].revision >= mark.Index
	})
	if made := checkHistory(f, start, w.seen()); len(made) != clients*cycles+1 {
		f.Fatalf("saw %d entries, want %d", len(made), clients*cycles+1)
	}
}
