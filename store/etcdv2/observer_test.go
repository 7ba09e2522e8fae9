package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
)

var (
	lockScope = store.Scope{Space: "lock", Name: lockKey.Name}
	allLocks  = store.Scope{Space: "lock", Prefix: true}
)

// observer keeps what an Observe tells.
type observer struct {
	end  context.CancelFunc
	done chan struct{}
	err  error // when it is done

	mu      sync.Mutex
	started bool
	at      uint64            // of the last call
	there   map[string]uint64 // what has been told leads to: queue and name of entries, and their indices
	first   []store.Queue
	changes []store.Change
}

// observe begins an Observe. Without start it knows nothing of what is there. It is begun again
// if the machine stalled so long that etcd had no time for an answer.
func (g *testGateway) observe(t *testing.T, scope store.Scope, after uint64, withStart bool) *observer {
	t.Helper()
	o := &observer{done: make(chan struct{}), at: after, there: make(map[string]uint64)}
	var ctx context.Context
	ctx, o.end = context.WithCancel(context.Background())
	start := o.start
	if !withStart {
		start = nil
	}
	if g.clock == nil {
		g.clock = patience.Start(t)
	}
	go func() {
		defer close(o.done)
		for again := 3; again >= 0; again-- {
			begun := time.Now()
			o.err = g.Observe(ctx, scope, after, start, o.apply)
			if !errors.Is(o.err, store.ErrUnavailable) || !o.knowsNothing() || g.clock.RanSince(begun) >= callTimeout*3/4 {
				return
			}
		}
	}()
	t.Cleanup(func() {
		o.end()
		<-o.done
	})
	return o
}

func (o *observer) start(revision uint64, queues []store.Queue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started, o.at, o.first = true, revision, queues
	for _, q := range queues {
		for _, e := range q.Entries {
			o.there[q.Name+" "+e.Name] = e.Index
		}
	}
}

func (o *observer) apply(revision uint64, changes []store.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = revision
	o.changes = append(o.changes, changes...)
	for _, c := range changes {
		if c.Deleted {
			delete(o.there, c.Queue+" "+c.Entry.Name)
		} else {
			o.there[c.Queue+" "+c.Entry.Name] = c.Entry.Index
		}
	}
}

// begun waits until start has been called.
func (o *observer) begun(t *testing.T) *observer {
	t.Helper()
	patience.Until(t, 20*time.Second, func() error {
		select {
		case <-o.done:
			t.Fatalf("the observer has ended: %v", o.err)
		default:
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.started {
			return errors.New("the observer has not begun")
		}
		return nil
	})
	return o
}

// knowsNothing says that nothing has been told.
func (o *observer) knowsNothing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.started && len(o.changes) == 0
}

// indices are those of the entries that are there, as far as has been told.
func (o *observer) indices() []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Values(o.there))
}

// told are the changes that have been told.
func (o *observer) told() []store.Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.changes)
}

func (o *observer) toldUpTo() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

// wants waits until those entries are there, as far as has been told.
func (o *observer) wants(t *testing.T, indices ...uint64) {
	t.Helper()
	patience.Until(t, 10*time.Second, func() error {
		if got := o.indices(); !slices.Equal(got, indices) {
			return fmt.Errorf("the observer was told of %d up to %d, want %d (has ended: %v)", got, o.toldUpTo(), indices, o.ended())
		}
		return nil
	})
}

// isTold waits until all has been told up to an index.
func (o *observer) isTold(t *testing.T, index uint64) {
	t.Helper()
	patience.Until(t, pollTime+5*time.Second, func() error {
		if at := o.toldUpTo(); at < index {
			return fmt.Errorf("the observer was told up to %d, want %d (has ended: %v)", at, index, o.ended())
		}
		return nil
	})
}

func (o *observer) ended() error {
	select {
	case <-o.done:
		return o.err
	default:
		return nil
	}
}

// fails waits until it has ended with that error.
func (o *observer) fails(t *testing.T, want error) {
	t.Helper()
	select {
	case <-o.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the observer does not end")
	}
	if !errors.Is(o.err, want) {
		t.Errorf("the observer ended with %v, want %v", o.err, want)
	}
}

func indexNow(t *testing.T, keys client.KeysAPI) uint64 {
	t.Helper()
	resp, err := keys.Get(t.Context(), "/", &client.GetOptions{Quorum: true})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Index
}

// hold acquires in a queue of that name.
func (g *testGateway) hold(t *testing.T, name string) store.Entry {
	t.Helper()
	got, err := g.Acquire(t.Context(), store.Key{Space: "lock", Name: name}, anonymous)
	if err != nil {
		t.Fatal(err)
	}
	return got.Entry
}
