package memstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var (
	key    = store.Key{Space: "lock", Name: "key"}
	queued = store.Acquire{TTL: time.Minute, Wait: true}
	valued = store.Acquire{Value: "v", HasValue: true, TTL: time.Minute, Wait: true}
)

// acquire acquires what must succeed.
func acquire(t *testing.T, s *Store, a store.Acquire) store.Entry {
	t.Helper()
	got, err := s.Acquire(t.Context(), key, a)
	if err != nil {
		t.Fatal(err)
	}
	return got.Entry
}

// indices is the queue.
func indices(t *testing.T, s *Store) []uint64 {
	t.Helper()
	l, err := s.List(t.Context(), key, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]uint64, len(l.Entries))
	for i, e := range l.Entries {
		out[i] = e.Index
	}
	return out
}

func wantIndices(t *testing.T, s *Store, want ...store.Entry) {
	t.Helper()
	got := indices(t, s)
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i] == want[i].Index
	}
	if !same {
		t.Fatalf("queue has indices %v, want %v", got, want)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func TestHeldEntryExpiresInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewCluster().Open()
		acquire(t, s, store.Acquire{TTL: time.Hour})
		waiter := acquire(t, s, queued)
		start := time.Now()
		var gone time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Watch(ctx, key, waiter.Index, func(uint64, []store.Event) {
			gone = time.Since(start)
			cancel()
		})
		if err != nil || gone != time.Hour {
			t.Fatalf("gone after %v (%v), want 1h", gone, err)
		}
		wantIndices(t, s, waiter)
	})
}

func TestRenewalReplacesTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewCluster().Open()
		e := acquire(t, s, store.Acquire{TTL: 10 * time.Second})
		for range 5 {
			time.Sleep(9 * time.Second)
			if _, err := s.Renew(t.Context(), key, store.Target{Index: e.Index}, 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10*time.Second - 1)
		wantIndices(t, s, e)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantIndices(t, s)
	})
}

func TestKilledGatewaysEntriesGoAfterTheSessionTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, dead := c.Open(), c.Open()
		holder := acquire(t, dead, valued)
		waiter := acquire(t, dead, queued)
		dead.Kill()
		_, err := dead.List(t.Context(), key, 0)
		wantErr(t, err, store.ErrUnavailable)
		time.Sleep(10*time.Second - 1)
		wantIndices(t, s, holder, waiter)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantIndices(t, s, holder)
	})
}

func TestCloseOutOfReachLeavesTheSessionToItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, down := c.Open(), c.Open(WithSessionTTL(3*time.Second))
		holder := acquire(t, s, queued)
		waiter := acquire(t, down, queued)
		down.SetDown(true)
		wantErr(t, down.Close(t.Context()), store.ErrUnavailable)
		wantIndices(t, s, holder, waiter)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		wantIndices(t, s, holder)
	})
}

func TestSetDownFailsCallsAndStallsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, down := c.Open(), c.Open()
		ctx, cancel := context.WithCancel(t.Context())
		var revisions []uint64
		done := make(chan error, 1)
		go func() {
			done <- down.Watch(ctx, key, c.revision, func(revision uint64, _ []store.Event) {
				revisions = append(revisions, revision)
			})
		}()
		synctest.Wait()

		down.SetDown(true)
		e := acquire(t, s, queued)
		waiter := acquire(t, s, queued)
		_, err := down.Acquire(t.Context(), key, queued)
		wantErr(t, err, store.ErrUnavailable)
		_, err = down.List(t.Context(), key, 0)
		wantErr(t, err, store.ErrUnavailable)
		wantErr(t, down.Watch(ctx, key, e.Index, nil), store.ErrUnavailable)
		synctest.Wait()
		if len(revisions) != 0 {
			t.Fatalf("a watch that is cut off was told of %v", revisions)
		}

		down.SetDown(false)
		synctest.Wait()
		if len(revisions) != 2 || revisions[1] != waiter.Index {
			t.Fatalf("the watch was told of %v, want 2 revisions", revisions)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestCompactWhileAWatchIsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, down := c.Open(), c.Open()
		stalled, idle := make(chan error, 1), make(chan error, 1)
		apply := func(uint64, []store.Event) { t.Error("told of something in spite of a gap") }
		ctx, cancel := context.WithCancel(t.Context())
		go func() { stalled <- down.Watch(ctx, key, c.revision, apply) }()
		go func() { idle <- down.Watch(ctx, store.Key{Name: "idle"}, c.revision, apply) }()
		synctest.Wait()
		down.SetDown(true)
		acquire(t, s, queued)
		c.Compact()
		down.SetDown(false)
		wantErr(t, <-stalled, store.ErrCompacted)

		// One that has missed nothing goes on.
		synctest.Wait()
		cancel()
		if err := <-idle; err != nil {
			t.Fatal(err)
		}
	})
}

func TestExpireTellsOnlyThoseWhoLost(t *testing.T) {
	c := NewCluster()
	a, b := c.Open(), c.Open()
	holder := acquire(t, b, queued)
	alone, shared := acquire(t, a, queued), acquire(t, a, valued)
	acquire(t, b, valued)
	expired := func(s *Store, e store.Entry) bool {
		t.Helper()
		lost, err := s.Expired(t.Context(), key, e)
		if err != nil {
			t.Fatal(err)
		}
		return lost
	}

	a.Expire()
	wantIndices(t, b, holder, shared)
	if !expired(a, alone) || expired(a, shared) || expired(b, alone) {
		t.Fatal("only the entry that has gone expired, for the one who waited for it")
	}

	// The last party leaves: for the other, it went with its session.
	if err := b.Withdraw(t.Context(), key, shared); err != nil {
		t.Fatal(err)
	}
	if !expired(a, shared) || expired(b, shared) {
		t.Fatal("the entry went because one session had, and not the other")
	}

	// Somebody's hand is not the session.
	shared = acquire(t, a, valued)
	acquire(t, b, valued)
	a.Expire()
	if _, err := b.Release(t.Context(), key, store.Target{Index: shared.Index}, nil); err != nil {
		t.Fatal(err)
	}
	if expired(a, shared) {
		t.Fatal("the entry was released")
	}
}

func TestExpireIsOneRevision(t *testing.T) {
	c := NewCluster()
	a, b := c.Open(), c.Open()
	acquire(t, b, queued)
	acquire(t, a, queued)
	last := acquire(t, a, valued)
	a.Expire()
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Watch(ctx, key, last.Index, func(_ uint64, events []store.Event) {
		if len(events) != 2 || !events[0].Deleted || !events[1].Deleted {
			t.Errorf("got %+v, want two deletions", events)
		}
		cancel()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInterceptSeesCallsAndMayHoldThemBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, other := c.Open(), c.Open()
		holder, e := acquire(t, other, queued), acquire(t, s, queued)
		if _, err := other.Release(t.Context(), key, store.Target{Index: holder.Index}, nil); err != nil {
			t.Fatal(err)
		}

		var mu sync.Mutex
		var ops []Op
		proceed := make(chan struct{})
		s.Intercept(func(_ context.Context, op Op, k store.Key) Fault {
			mu.Lock()
			ops = append(ops, op)
			mu.Unlock()
			if k != key {
				return Refused
			}
			if op == OpGrant {
				<-proceed
			}
			return None
		})
		done := make(chan error, 1)
		go func() {
			_, err := s.Grant(t.Context(), key, e, store.Ahead{}, time.Minute)
			done <- err
		}()
		synctest.Wait()
		if _, err := other.Release(t.Context(), key, store.Target{Index: e.Index}, nil); err != nil {
			t.Fatal(err)
		}
		close(proceed)
		wantErr(t, <-done, store.ErrNotFound)

		_, err := s.List(t.Context(), store.Key{Name: "elsewhere"}, 0)
		wantErr(t, err, store.ErrUnavailable)
		s.Intercept(nil)
		wantIndices(t, s)
		if len(ops) != 2 || ops[0] != OpGrant || ops[1] != OpList {
			t.Fatalf("intercepted %v", ops)
		}
	})
}

func TestContendedQueuesWithoutLooking(t *testing.T) {
	s := NewCluster().Open()
	hinted := queued
	hinted.Contended = true
	if e := acquire(t, s, hinted); e.Held {
		t.Fatal("looked, in spite of the hint")
	}
}
