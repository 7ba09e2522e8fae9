package feed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// plain makes "acquired 2 of k: 2 3" of an event, and "k: 2 3" of a queue.
type plain struct{}

func (plain) Event(e Event) []byte {
	return fmt.Appendf(nil, "%s %d of %s", e.Kind, e.Entry.Index, line(e.Queue))
}

func (plain) State(_ store.Scope, queues []store.Queue) []byte {
	var lines []string
	for _, q := range queues {
		lines = append(lines, line(q))
	}
	return []byte("state " + strings.Join(lines, ", "))
}

func line(q store.Queue) string {
	s := q.Name + ":"
	for _, e := range q.Entries {
		s += fmt.Sprintf(" %d", e.Index)
		if e.Held {
			s += fmt.Sprintf("(%v)", e.Left)
		}
	}
	return s
}

// bench is a feed on a gateway of its own, and another gateway on which things
// happen.
type bench struct {
	*testing.T
	cluster *memstore.Cluster
	other   *memstore.Store
	gateway *memstore.Store
	feed    *Feed
	watches atomic.Int32 // calls of Observe
}

func onBench(t *testing.T, test func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, cluster: memstore.NewCluster()}
		b.other, b.gateway = b.cluster.Open(), b.cluster.Open()
		b.gateway.Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpObserve {
				b.watches.Add(1)
			}
			return memstore.None
		})
		b.feed = New(b.gateway, "lock", plain{}, zap.NewNop())
		defer func() {
			b.feed.Close(context.Background())
			for _, s := range []*memstore.Store{b.other, b.gateway} {
				if err := s.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}()
		test(b)
	})
}

func key(name string) store.Key { return store.Key{Space: "lock", Name: name} }

// take takes a lock, or queues for it.
func (b *bench) take(name string) store.Entry {
	b.Helper()
	got, err := b.other.Acquire(b.Context(), key(name), store.Acquire{TTL: time.Minute, Wait: true})
	if err != nil {
		b.Fatal(err)
	}
	return got.Entry
}

func (b *bench) release(name string, e store.Entry, next *store.Entry) {
	b.Helper()
	var s *store.Successor
	if next != nil {
		s = &store.Successor{Entry: *next, TTL: time.Minute}
	}
	if _, err := b.other.Release(b.Context(), key(name), store.Target{Index: e.Index, Hint: &e}, s); err != nil {
		b.Fatal(err)
	}
}

// listener keeps what a subscription is told.
type listener struct {
	*Subscription
	b    *bench
	told []Record
}

func (b *bench) listen(name string, prefix bool, after uint64) *listener {
	b.Helper()
	s, err := b.feed.Subscribe(b.Context(), name, prefix, after)
	if err != nil {
		b.Fatalf("listening to %s after %d: %v", name, after, err)
	}
	return &listener{Subscription: s, b: b}
}

// drain reads everything that there is.
func (l *listener) drain() {
	l.b.Helper()
	synctest.Wait()
	for {
		records, _, err := l.Next()
		if err != nil {
			l.b.Fatal(err)
		}
		if len(records) == 0 {
			return
		}
		l.told = append(l.told, records...)
	}
}

// want reads everything and compares it; the ids count where they are given.
func (l *listener) want(texts ...string) {
	l.b.Helper()
	l.drain()
	var got []string
	for _, r := range l.told {
		got = append(got, string(r.Text))
	}
	if !slices.Equal(got, texts) {
		l.b.Fatalf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(texts, "\n"))
	}
}
