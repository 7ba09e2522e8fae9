package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var closeTests = []test{
	{"CloseTakesWaitingEntriesAlong_I9", closeTakesWaiting},
	{"CloseLeavesWhatOthersWaitFor_I7", closeLeavesShared},
	{"CloseLeavesWhatIsHeld_I1", closeLeavesHeld},
	{"ClosedStoreSaysSo", closedStore},
	{"CloseEndsWatches", closeEndsWatches},
	{"CloseOfAnUnusedStore", closeUnused},
}

func (g gateway) close() {
	g.f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g.f.must(g.Close(ctx), "Close")
}

func closeTakesWaiting(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first := b.queue(anonymous())
	b.queue(valued("v"))
	second := a.queue(anonymous())
	b.queue(anonymous())
	b.close()
	a.wantQueue(held(holder), waiting(second)) // when Close returns
	if a.has(first) {
		f.Fatal("a closed gateway's entry is still there")
	}
}

func closeLeavesShared(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	holder := a.hold(anonymous())
	b.queue(valued("mine")) // the closing gateway made it
	mine := c.queue(valued("mine"))
	yours := c.queue(valued("yours")) // the closing gateway joined it
	b.queue(valued("yours"))
	b.close()
	a.wantQueue(held(holder), waiting(mine), waiting(yours))
	c.withdraw(mine)
	c.withdraw(yours)
	a.wantQueue(held(holder))
}

func closeLeavesHeld(f *fixture) {
	a, b := f.open(), f.open()
	e := b.hold(valued("v"))
	b.close()
	a.wantQueue(held(e))
	got := a.acquire(valued("v"))
	if got.Entry.Index != e.Index || got.Renewed {
		f.Fatalf("renewing a closed gateway's hold returned %s, renewed %t", describe(got.Entry), got.Renewed)
	}
	a.withdraw(got.Entry) // the closed gateway's client still has it
	a.wantQueue(held(e))
	a.releases(byIndex(e))

	// One that was granted after it had waited.
	c := f.open()
	holder := a.hold(anonymous())
	w := c.queue(anonymous())
	a.release(holder)
	c.grant(w, long)
	c.close()
	a.wantQueue(held(w))
}

func closedStore(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	w := b.queue(valued("w"))
	b.close()

	_, err := b.Acquire(f.ctx(), f.key, anonymous())
	f.wantErr(err, store.ErrClosed, "Acquire")
	_, err = b.Grant(f.ctx(), f.key, w, store.Ahead{}, long)
	f.wantErr(err, store.ErrClosed, "Grant")
	f.wantErr(b.Withdraw(f.ctx(), f.key, w), store.ErrClosed, "Withdraw")
	_, err = b.Expired(f.ctx(), f.key, w)
	f.wantErr(err, store.ErrClosed, "Expired")
	_, err = b.Release(f.ctx(), f.key, byIndex(e), nil)
	f.wantErr(err, store.ErrClosed, "Release")
	_, err = b.Renew(f.ctx(), f.key, byIndex(e), long)
	f.wantErr(err, store.ErrClosed, "Renew")
	_, err = b.List(f.ctx(), f.key, 0)
	f.wantErr(err, store.ErrClosed, "List")
	err = b.Watch(f.ctx(), f.key, e.Index, func(uint64, []store.Event) {})
	f.wantErr(err, store.ErrClosed, "Watch")
	f.wantErr(b.Close(f.ctx()), store.ErrClosed, "Close")
	if b.Revision() < e.Index {
		f.Fatal("a closed store has forgotten its revision")
	}
	a.wantQueue(held(e))
}

func closeEndsWatches(f *fixture) {
	a := f.open()
	w := f.watch(a, f.key, a.list().Revision)
	a.hold(anonymous())
	w.until("the entry", func(batches []batch) bool { return len(batches) > 0 })
	a.close()
	if err := w.wait(); err == nil {
		f.Fatal("Watch returned without an error before its context ended")
	}
}

func closeUnused(f *fixture) {
	f.open().close()

	// Without the time to reach etcd, it returns, and the store is closed.
	b := f.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	if err := b.Close(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnknown) {
		f.Fatalf("Close with an ended context: %v", err)
	}
	if took := f.clock.RanSince(start); took > 5*time.Second {
		f.Fatalf("Close with an ended context took %v", took)
	}
	_, err := b.List(f.ctx(), f.key, 0)
	f.wantErr(err, store.ErrClosed, "List")
}
