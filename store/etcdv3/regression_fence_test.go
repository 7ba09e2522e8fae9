package etcdv3

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A soak with slow disks found this: many requests whose outcome was unknown had a fence each, by
// which all others had to be made again, until their time was over too. One gateway of three hardly
// got a lock for half a minute. However many there are, there is one fence for them, and time
// between two.
func TestFencesForManyLeaveOthersTheirTime_I5(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	if _, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if err := x.fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := func() int64 {
		resp, err := x.get(t.Context(), x.self)
		if err != nil || len(resp.Kvs) == 0 {
			t.Fatal(resp, err)
		}
		return resp.Kvs[0].Version
	}
	const length = 2 * time.Second
	before, begin := version(), time.Now()
	var all sync.WaitGroup
	var made atomic.Int64
	for range 50 {
		all.Go(func() {
			for time.Since(begin) < length {
				if err := x.fence(t.Context()); err != nil {
					t.Error(err)
				}
				made.Add(1)
			}
		})
	}
	all.Wait()
	if n, most := version()-before, int64(time.Since(begin)/fencePause)+1; n > most || made.Load() < 50 {
		t.Errorf("for %d fences, there were %d epochs, want %d at most", made.Load(), n, most)
	}
}

// A fence is for those that asked for it before it began: none is told of one before that, nor of
// one that has failed.
func TestFenceIsMadeAfterItWasAskedFor_I10(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	if _, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 3 {
				before := x.session.Load().epoch.Load()
				if err := x.fence(t.Context()); err != nil {
					t.Error(err)
				}
				if after := x.session.Load().epoch.Load(); after <= before {
					t.Errorf("the epoch was %d, and is %d", before, after)
				}
			}
		})
	}
	all.Wait()

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.fence(ended); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no time for a fence: %v", err)
	}
	if err := x.fence(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// Who joins a fence that somebody with less time was to make has one nevertheless.
func TestFenceOfOneWithoutTime_I10(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	if _, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	f, first := x.fences.join() // it is to be made here
	if !first {
		t.Fatal("there is one already")
	}
	before := x.session.Load().epoch.Load()
	ctx := &watched{Context: t.Context(), waits: make(chan struct{})}
	var other sync.WaitGroup
	other.Go(func() {
		if err := x.fence(ctx); err != nil || x.session.Load().epoch.Load() <= before {
			t.Errorf("with time: %v", err)
		}
	})
	<-ctx.waits // it has joined
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if x.makeFence(ended, f); !errors.Is(f.err, store.ErrUnavailable) {
		t.Errorf("without time: %v", f.err)
	}
	other.Wait()
}

// watched is a context that says when somebody waits for it.
type watched struct {
	context.Context
	waits chan struct{}
	once  sync.Once
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}
