package feed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A hub that began in the past goes on to be the present for its listeners, where
// there is no other. One of them that reads slowly must not hold back what the
// others are told: each change is told within a second.
func TestSlowListenerDoesNotHoldBackThePresent(t *testing.T) {
	onBench(t, func(b *bench) {
		b.release("k", b.take("k"), nil)
		const after = 3
		slow, quick := b.listen("k", false, after), b.listen("k", false, after)
		slow.drain()
		quick.drain()
		read := make(chan time.Time, 4*maxRecords)
		ended := make(chan struct{})
		go func() { // quick reads everything at once
			defer close(ended)
			for {
				records, changed, err := quick.Next()
				if err != nil {
					return
				}
				for range records {
					read <- time.Now()
				}
				if changed != nil {
					select {
					case <-changed:
					case <-b.Context().Done():
						return
					}
				}
			}
		}()
		var worst time.Duration
		const n = maxRecords/2 + 100
		for range n {
			b.release("k", b.take("k"), nil)
			synctest.Wait()
		}
		// Now slow is behind by half of what is kept; nothing is lost for it yet.
		for range 20 {
			for len(read) > 0 {
				<-read
			}
			at := time.Now()
			b.take("k2") // of no interest to them
			b.release("k", b.take("k"), nil)
			for range 2 {
				if late := (<-read).Sub(at); late > worst {
					worst = late
				}
			}
		}
		if worst > time.Second {
			t.Errorf("the quick one was told after %v", worst)
		}
		slow.Close()
		quick.Close()
		b.feed.Close(b.Context())
		<-ended
	})
}

// When a gateway stops, all that waited there goes at one revision. A listener that
// reads at once is told all of it, however much that is; and one that comes back with
// the id before that gets past it.
func TestRevisionOfMoreThanIsKept(t *testing.T) {
	onBench(t, func(b *bench) {
		dying := b.cluster.Open()
		for i := range maxRecords + 10 {
			name := fmt.Sprint("k", i)
			b.take(name)
			if _, err := dying.Acquire(b.Context(), key(name), store.Acquire{TTL: 1, Wait: true}); err != nil {
				t.Fatal(err)
			}
		}
		prompt := b.listen("k", true, 0)
		prompt.drain()
		id := prompt.Told()
		if err := dying.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, _, err := prompt.Next(); err != nil {
			t.Errorf("a listener that has read everything up to now gets %v", err)
		}
		prompt.Close()
		for range 3 {
			l, err := b.feed.Subscribe(b.Context(), "k", true, id)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, _, err := l.Next(); errors.Is(err, ErrTooSlow) {
				t.Errorf("coming back with the id %d: %v", id, err)
			}
			l.Close()
		}
	})
}

// scripted is an observer whose calls the test makes.
type scripted struct {
	calls chan func(start func(uint64, []store.Queue), apply func(uint64, []store.Change))
}

func (s scripted) Queues(context.Context, store.Scope, string, int) (store.Survey, error) {
	return store.Survey{}, nil
}
func (s scripted) Revision() uint64 { return 100 }
func (s scripted) Observe(ctx context.Context, _ store.Scope, _ uint64, start func(uint64, []store.Queue), apply func(uint64, []store.Change)) error {
	for {
		select {
		case call := <-s.calls:
			call(start, apply)
		case <-ctx.Done():
			return nil
		}
	}
}

// Renewals that etcd does not number are told with the revision of the last call again:
// all of that has been told, so none of their ids may be from before it. Who comes back
// with such an id would be told the revision a second time.
func TestRenewalsDoNotTurnTheIDBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := scripted{make(chan func(func(uint64, []store.Queue), func(uint64, []store.Change)))}
		f := New(o, "lock", plain{}, zap.NewNop())
		defer f.Close(context.Background())
		held := func(name string, i uint64, renewed bool) store.Change {
			return store.Change{Queue: name, Renewed: renewed, Entry: store.Entry{Name: name, Index: i, Held: true}}
		}
		go func() {
			o.calls <- func(start func(uint64, []store.Queue), _ func(uint64, []store.Change)) { start(10, nil) }
		}()
		s, err := f.Subscribe(t.Context(), "", true, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, _, err := s.Next(); err != nil { // the state
			t.Fatal(err)
		}
		o.calls <- func(_ func(uint64, []store.Queue), apply func(uint64, []store.Change)) {
			apply(11, []store.Change{held("a", 11, false)})
			apply(12, []store.Change{held("b", 12, false)})
		}
		// One round of looks sees that both have been renewed.
		o.calls <- func(_ func(uint64, []store.Queue), apply func(uint64, []store.Change)) {
			apply(12, []store.Change{held("a", 11, true), held("b", 12, true)})
		}
		synctest.Wait()
		var last uint64
		for {
			records, changed, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if changed != nil {
				return
			}
			for _, r := range records {
				if r.ID < last {
					t.Errorf("%s has the id %d, after %d", r.Text, r.ID, last)
				}
				last = r.ID
			}
		}
	})
}

// A listener that came back with an id and has gone leaves no watch behind, however many
// ids there are.
func TestListenersWithDifferentIDs(t *testing.T) {
	onBench(t, func(b *bench) {
		for range 60 {
			b.release("k", b.take("k"), nil)
		}
		for after := uint64(100); after > 0; after-- {
			l := b.listen("k", false, after)
			l.drain()
			l.Close()
		}
		b.feed.mu.Lock()
		defer b.feed.mu.Unlock()
		if len(b.feed.hubs) > 0 {
			t.Errorf("there are hubs %v, and nobody listens", b.feed.hubs)
		}
	})
}

// A renewal while the watch was broken shows in what is left after that.
func TestRenewalWhileTheWatchIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := scripted{make(chan func(func(uint64, []store.Queue), func(uint64, []store.Change)))}
		f := New(o, "lock", plain{}, zap.NewNop())
		defer f.Close(context.Background())
		e := store.Entry{Name: "e", Index: 9, Held: true, Left: time.Minute}
		go func() {
			o.calls <- func(start func(uint64, []store.Queue), _ func(uint64, []store.Change)) {
				start(10, []store.Queue{{Name: "k", Entries: []store.Entry{e}}})
			}
		}()
		s, err := f.Subscribe(t.Context(), "k", false, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l := &listener{Subscription: s, b: &bench{T: t}}
		l.drain()
		for _, wait := range []time.Duration{0, time.Second, 30 * time.Second} { // as is, as is, renewed
			time.Sleep(wait)
			o.calls <- func(_ func(uint64, []store.Queue), apply func(uint64, []store.Change)) {
				apply(10, []store.Change{{Queue: "k", Entry: e}})
			}
		}
		l.want("state k: 9(1m0s)", "renewed 9 of k: 9(1m0s)")
	})
}
