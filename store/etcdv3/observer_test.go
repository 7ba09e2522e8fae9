package etcdv3

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
)

var allLocks = store.Scope{Space: "lock", Prefix: true}

// told is what one Observe has told.
type told struct {
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	begun    bool
	start    []store.Queue
	revision uint64
	changes  []store.Change
	err      error
}

func observe(t *testing.T, s *Store, scope store.Scope, after uint64) *told {
	t.Helper()
	o := &told{done: make(chan struct{})}
	return o.run(t, s, scope, after, func(revision uint64, queues []store.Queue) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.begun, o.revision, o.start = true, revision, queues
	})
}

func (o *told) run(t *testing.T, s *Store, scope store.Scope, after uint64, start func(uint64, []store.Queue)) *told {
	ctx, cancel := context.WithCancel(context.Background())
	o.stop = cancel
	go func() {
		defer close(o.done)
		o.err = s.Observe(ctx, scope, after, start, func(revision uint64, changes []store.Change) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.revision = revision
			o.changes = append(o.changes, changes...)
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-o.done
	})
	if start != nil {
		eventually(t, "the observer begins", func() bool { return o.look(func() bool { return o.begun }) })
	}
	return o
}

func (o *told) look(f func() bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f()
}

// until waits for a change of an entry of a queue.
func (o *told) until(t *testing.T, what, queue string, fits func(store.Change) bool) store.Change {
	t.Helper()
	var found store.Change
	eventually(t, what, func() bool {
		return o.look(func() bool {
			i := slices.IndexFunc(o.changes, func(c store.Change) bool { return c.Queue == queue && fits(c) })
			if i >= 0 {
				found = o.changes[i]
			}
			return i >= 0
		})
	})
	return found
}

func isGone(c store.Change) bool { return c.Deleted }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	patience.Until(t, 20*time.Second, func() error {
		if !ok() {
			return errors.New("not so: " + what)
		}
		return nil
	})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func lock(name string) store.Key { return store.Key{Space: "lock", Name: name} }

// acquireFor takes a lock, or waits for it.
func acquireFor(t *testing.T, g *testGateway, name string, ttl time.Duration) store.Entry {
	t.Helper()
	return must[store.Acquired](t)(g.Acquire(t.Context(), lock(name), store.Acquire{TTL: ttl, Wait: true})).Entry
}

func releaseIt(t *testing.T, g *testGateway, name string, e store.Entry) {
	t.Helper()
	must[*store.Entry](t)(g.Release(t.Context(), lock(name), store.Target{Index: e.Index}, nil))
}
