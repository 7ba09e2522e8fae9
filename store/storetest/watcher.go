package storetest

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// batch is one call of a watch's apply.
type batch struct {
	revision uint64
	events   []store.Event
	at       time.Time
}

// watcher runs a Watch and keeps what it is told.
type watcher struct {
	f    *fixture
	stop context.CancelFunc
	done chan struct{} // closed when Watch has returned, with err
	err  error

	mu      sync.Mutex
	batches []batch
	wrong   error // the first breach of the contract by a call of apply
}

// watch starts a Watch, which ends with the test.
func (f *fixture) watch(g gateway, key store.Key, after uint64) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{f: f, stop: cancel, done: make(chan struct{})}
	var applying atomic.Int32
	go func() {
		defer close(w.done)
		w.err = g.Watch(ctx, key, after, func(revision uint64, events []store.Event) {
			overlap := applying.Add(1) > 1
			defer applying.Add(-1)
			w.mu.Lock()
			defer w.mu.Unlock()
			if overlap {
				w.wrong = cmp.Or(w.wrong, fmt.Errorf("calls of apply overlap at %d", revision))
			}
			last := after
			if n := len(w.batches); n > 0 {
				last = w.batches[n-1].revision
			}
			if revision <= last {
				w.wrong = cmp.Or(w.wrong, fmt.Errorf("revision %d after %d", revision, last))
			}
			if len(events) == 0 {
				w.wrong = cmp.Or(w.wrong, fmt.Errorf("no events at revision %d", revision))
			}
			for _, e := range events {
				if e.Revision != revision || e.Entry.Name == "" || !e.Deleted && e.Entry.Index == 0 {
					w.wrong = cmp.Or(w.wrong, fmt.Errorf("an event at revision %d is %+v", revision, e))
				}
			}
			w.batches = append(w.batches, batch{revision, slices.Clone(events), time.Now()})
		})
	}()
	f.Cleanup(func() {
		cancel()
		w.wait()
	})
	return w
}

// wait waits until Watch has returned.
func (w *watcher) wait() error {
	select {
	case <-w.done:
	case <-time.After(patience):
		w.f.Errorf("Watch has not returned %v after it should have ended", patience)
		return nil
	}
	return w.err
}

// seen is what the watch has been told up to now.
func (w *watcher) seen() []batch {
	w.f.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong != nil {
		w.f.Fatal(w.wrong)
	}
	return slices.Clone(w.batches)
}

// until polls until the watch has been told enough.
func (w *watcher) until(what string, ok func([]batch) bool) {
	w.f.Helper()
	w.untilWithin(patience, what, ok)
}

func (w *watcher) untilWithin(within time.Duration, what string, ok func([]batch) bool) {
	w.f.Helper()
	w.f.eventually(within, "the watch saw "+what, func() bool { return ok(w.seen()) })
}

// untilState polls until what the watch has been told leads from one listing to
// another.
func (w *watcher) untilState(from, to store.Listing) {
	w.f.Helper()
	var now []store.Entry
	defer func() {
		if w.f.Failed() {
			w.f.Logf("the changes lead to\n%sbut listed is\n%s", describeAll(now), describeAll(to.Entries))
		}
	}()
	w.until("all changes up to the listing", func(batches []batch) bool {
		now = replay(from.Entries, batches)
		return reflect.DeepEqual(w.f.plain(now), w.f.plain(to.Entries))
	})
}

// untilGone polls until the watch has seen e deleted, and says when that was.
func (w *watcher) untilGone(within time.Duration, e store.Entry) time.Time {
	w.f.Helper()
	var at time.Time
	w.untilWithin(within, "that "+describe(e)+" is gone", func(batches []batch) bool {
		for _, b := range batches {
			for _, event := range b.events {
				if event.Deleted && event.Entry.Name == e.Name && b.revision > e.Index {
					at = b.at
				}
			}
		}
		return !at.IsZero()
	})
	return at
}

// replay applies changes to a listing.
func replay(entries []store.Entry, batches []batch) []store.Entry {
	state := slices.Clone(entries)
	for _, b := range batches {
		for _, e := range b.events {
			at := slices.IndexFunc(state, func(x store.Entry) bool { return x.Name == e.Entry.Name })
			switch {
			case e.Deleted && at >= 0:
				state = slices.Delete(state, at, at+1)
			case e.Deleted:
			case at >= 0 && state[at].Index == e.Entry.Index:
				state[at] = e.Entry
			default: // two of one name, if a deletion is missing
				state = append(state, e.Entry)
			}
		}
		slices.SortFunc(state, func(a, b store.Entry) int { return cmp.Compare(a.Index, b.Index) })
	}
	return state
}

// plain are entries without what only drivers know, to be compared.
func (f *fixture) plain(entries []store.Entry) []store.Entry {
	out := make([]store.Entry, len(entries))
	for i, e := range entries {
		e.Ref, e.Left = nil, 0
		if !f.ExactTTL {
			e.TTL = 0
		}
		out[i] = e
	}
	return out
}
