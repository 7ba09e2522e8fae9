package storetest

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var watchTests = []test{
	{"WatchSeesEveryKindOfChange_I5", watchSeesEveryChange},
	{"WatchReplaysWhatCameAfterARevision_I5", watchReplays},
	{"WatchEndsWithItsContext", watchEndsWithItsContext},
	{"WatchMayWriteWhileItApplies", watchMayWrite},
	{"SlowWatchMissesNothing_I5", slowWatchMissesNothing},
}

// aloneTests disturb everything that uses the same etcd.
var aloneTests = []test{
	{"WatchOfForgottenHistoryIsRefused_I5", watchOfForgottenHistory},
	{"WatchThatBreaksSaysSo_I5", watchThatBreaks},
	{"ObserverOfForgottenHistoryIsRefused", observerOfForgottenHistory},
	{"ObserverThatBreaksSaysSo", observerThatBreaks},
}

// wantStates checks that the watch's picture of the queue went through everything
// that the test saw in etcd, in that order. There may be more in between: a
// driver may need two writes for one call.
func (w *watcher) wantStates(start store.Listing, states [][]store.Entry) {
	w.f.Helper()
	last := states[len(states)-1]
	w.until("everything", func(batches []batch) bool {
		return reflect.DeepEqual(w.f.plain(replay(start.Entries, batches)), w.f.plain(last))
	})
	batches := w.seen()
	at := 0
	for i, state := range states {
		for ; !reflect.DeepEqual(w.f.plain(replay(start.Entries, batches[:at])), w.f.plain(state)); at++ {
			if at == len(batches) {
				w.f.Fatalf("the watch missed state %d, or it came out of order:\n%s", i, describeAll(state))
			}
		}
	}
}

func watchSeesEveryChange(f *fixture) {
	a, b := f.open(), f.open()
	start := a.list()
	w := f.watch(b, f.key, start.Revision)
	states := [][]store.Entry{nil}
	note := func() { states = append(states, a.list().Entries) }

	holder, v, n := everyChange(a, b, note)
	a.withdraw(v)
	note()
	b.withdraw(n)
	note()
	last := a.hold(anonymous())
	note()
	w.wantStates(start, states)

	first := w.seen()[0]
	if first.revision != holder.Index {
		f.Fatalf("index %d was made at revision %d", holder.Index, first.revision)
	}
	seen := w.seen()
	if made := seen[len(seen)-f.HoldEvents]; made.revision != last.Index {
		f.Fatalf("index %d was made at revision %d", last.Index, made.revision)
	}
}

// everyChange makes every kind of change of a queue, through two gateways, and has each
// noted. In the end, v holds, and n waits.
func everyChange(a, b gateway, note func()) (holder, v, n store.Entry) {
	holder = a.hold(valued("holder"))
	note()
	b.acquire(lasting(valued("holder"), long/2))
	note()
	v = a.queue(valued("v"))
	note()
	joined := b.queue(valued("v"))
	note()
	n = b.queue(anonymous())
	note()
	a.renew(byIndex(holder), long)
	note()
	a.releases(byIndex(holder))
	note()
	b.grant(joined, long)
	note()
	a.grant(v, 2*long)
	note()
	b.withdraw(joined)
	note()
	return holder, v, n
}

func watchReplays(f *fixture) {
	a, b := f.open(), f.open()
	before := []store.Listing{a.list()}
	for i := range 5 {
		e := a.hold(valued("v"))
		before = append(before, a.list())
		if i%2 == 0 {
			a.releases(byIndex(e))
		} else {
			a.withdraw(e)
		}
		before = append(before, a.list())
	}
	w := make([]*watcher, len(before))
	for i, start := range before {
		w[i] = f.watch(b, f.key, start.Revision)
	}
	a.hold(anonymous())
	final := a.list()
	for i, start := range before {
		w[i].untilState(start, final)
		holds := (len(before)-i)/2 + (len(before)-i)%2 // the last one is
		want := holds*f.HoldEvents + len(before) - i - holds
		if n := len(w[i].seen()); n != want {
			f.Fatalf("watch %d saw %d changes, want %d", i, n, want)
		}
	}
}

func watchEndsWithItsContext(f *fixture) {
	a := f.open()
	w := f.watch(a, f.key, a.list().Revision)
	a.hold(anonymous())
	w.until("the entry", func(batches []batch) bool { return len(batches) > 0 })
	w.stop()
	if err := w.wait(); err != nil {
		f.Fatalf("Watch returned %v when its context ended", err)
	}

	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := a.Watch(ctx, f.key, a.list().Revision, func(uint64, []store.Event) {}); err != nil {
		f.Fatalf("Watch returned %v when its context had ended", err)
	}

	// Nothing more is told, even of what has happened already.
	ctx, cancel = context.WithCancel(f.Context())
	start := a.list().Revision
	for range 3 {
		a.queue(anonymous())
	}
	calls := 0
	err := a.Watch(ctx, f.key, start, func(uint64, []store.Event) {
		calls++
		cancel()
	})
	if err != nil || calls != 1 {
		f.Fatalf("Watch called apply %d times and returned %v when its context ended in the first", calls, err)
	}

	// One with nothing to tell.
	idle := f.watch(a, store.Key{Space: "lock", Name: "idle"}, a.list().Revision)
	idle.stop()
	if err := idle.wait(); err != nil {
		f.Fatalf("Watch returned %v when its context ended", err)
	}
}

// watchMayWrite: a caller may use the store from apply, and take its time.
func watchMayWrite(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	w := a.queue(valued("v"))
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	var failed error
	start := a.list().Revision
	a.release(holder)
	err := a.Watch(ctx, f.key, start, func(_ uint64, events []store.Event) {
		defer cancel()
		_, failed = a.Grant(ctx, f.key, w, store.Ahead{Name: holder.Name, Index: holder.Index}, long)
		a.Revision()
	})
	f.must(err, "Watch")
	f.must(failed, "Grant from within apply")
	a.wantQueue(held(w))
}

func slowWatchMissesNothing(f *fixture) {
	a := f.open()
	start := a.list()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	const holds = 100
	changes := holds * (f.HoldEvents + 1)
	resume, done := make(chan struct{}), make(chan error, 1)
	revisions := 0
	go func() {
		done <- a.Watch(ctx, f.key, start.Revision, func(uint64, []store.Event) {
			<-resume // until everything has happened
			if revisions++; revisions == changes {
				cancel()
			}
		})
	}()
	for range holds {
		a.release(a.hold(anonymous()))
	}
	// How long that has taken is the disk's affair.
	time.AfterFunc(patience, cancel)
	close(resume)
	f.must(<-done, "Watch")
	if revisions != changes {
		f.Fatalf("saw %d changes of %d", revisions, changes)
	}
}

func watchOfForgottenHistory(f *fixture) {
	if f.Compact == nil {
		f.Skip("the harness can't")
	}
	a := f.open()
	start := a.list()
	for range 3 {
		a.release(a.hold(anonymous()))
	}
	f.Compact(f.T)
	a.release(a.hold(anonymous()))

	w := f.watch(a, f.key, start.Revision)
	f.wantErr(w.wait(), store.ErrCompacted, "Watch")
	if n := len(w.seen()); n != 0 {
		f.Fatalf("saw %d changes of a history with a gap", n)
	}

	// From a fresh listing it goes on.
	w = f.watch(a, f.key, a.list().Revision)
	e := a.hold(anonymous())
	w.until("a new entry", func(batches []batch) bool { return len(batches) > 0 && batches[0].revision == e.Index })
}

func watchThatBreaks(f *fixture) {
	if f.BreakWatches == nil {
		f.Skip("the harness can't")
	}
	a := f.open()
	start := a.list()
	w := f.watch(a, f.key, start.Revision)
	e := a.hold(valued("v"))
	w.until("the entry", func(batches []batch) bool { return len(batches) > 0 })
	f.BreakWatches(f.T)
	if err := w.wait(); err == nil || errors.Is(err, store.ErrClosed) {
		f.Fatalf("a broken watch returned %v", err)
	}

	// What is told from where it broke on is complete.
	a.release(e)
	again := f.watch(a, f.key, e.Index)
	again.untilGone(10*time.Second, e)
	if n := len(again.seen()); n != 1 {
		f.Fatalf("saw %d changes, want 1", n)
	}
}
