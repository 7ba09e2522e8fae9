package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var observeFaultTests = []test{
	{"ObserverIsNoParty_I4", observerIsNoParty},
	{"ObserverKeepsNothingAlive_I4", observerKeepsNothingAlive},
	{"ObserverOfAFutureRevisionIsRefused", observerOfTheFuture},
	{"ClosedStoreObservesNothing", closedStoreObservesNothing},
	{"CloseEndsObservers", closeEndsObservers},
	{"EndedContextReadsNoQueues", endedContextReadsNoQueues},
	{"UnreachableEtcdIsNotObserved_I10", unreachableObserver},
	{"UnreachableEtcdLosesNoObservedChange", unreachableLosesNoChange},
}

// observerIsNoParty: who only looks may go, in any way, and takes nothing away.
func observerIsNoParty(f *fixture) {
	a, closed := f.open(), f.open()
	holder := a.hold(valued("holder"))
	w, v := a.queue(anonymous()), a.queue(valued("v"))
	o := f.observe(closed, everything, 0)
	looks := []gateway{closed}
	if f.Harness.Kill != nil {
		looks = append(looks, f.openDoomed())
		f.observe(looks[1], everything, 0).begin()
	}
	for _, g := range looks {
		_, err := g.Queues(f.ctx(), everything, "", 10)
		f.must(err, "Queues")
	}
	o.until(picture{f.key.Name: {held(holder), w, v}})
	if f.Harness.Kill != nil {
		sign := looks[1].queue(anonymous())
		looks[1].kill()
		a.untilSessionEnds(sign)
	}
	closed.close()
	a.wantQueue(held(holder), waiting(w), waiting(v))

	// Nor does another one's look make it that gateway's.
	a.withdraw(v)
	a.withdraw(w)
	a.withdraw(holder)
	a.wantQueue()
}

func observerKeepsNothingAlive(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	holder := a.hold(anonymous())
	f.watch(a, f.key, a.list().Revision)
	first, v := b.queue(anonymous()), b.queue(valued("v"))
	stays := a.queue(anonymous())
	observers := []*observer{f.observe(a, everything, 0), f.observe(f.open(), exactly(f.key), 0)}
	for _, o := range observers {
		o.begin()
	}
	b.kill()
	killed := time.Now()
	for _, o := range observers {
		for _, e := range []store.Entry{first, v} {
			_, in := o.untilGone(f.SessionTTL+patience, f.key.Name, e)
			if after := f.clock.Ran(killed, in.at); after > f.SessionTTL+2*slack {
				f.Errorf("%s went after %v, want %v at most", describe(e), after, f.SessionTTL)
			}
		}
		o.until(picture{f.key.Name: {held(holder), stays}})
	}
}

func observerOfTheFuture(f *fixture) {
	a := f.open()
	e := a.hold(anonymous())
	now := a.list().Revision
	for _, ahead := range []uint64{100_000, 1 << 40} { // others use the same etcd
		o := f.observe(a, everything, now+ahead)
		f.wantErr(o.wait(), store.ErrCompacted, "Observe")
		if o.began || len(o.seen()) > 0 {
			f.Fatalf("an observer was told of the future: %v, %+v", o.first, o.seen())
		}
		o = f.observeFrom(a, everything, now+ahead, nil)
		f.wantErr(o.wait(), store.ErrCompacted, "Observe without start")
	}
	a.wantQueue(held(e))
}

func closedStoreObservesNothing(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	b.queue(valued("w"))
	b.close()
	_, err := b.Queues(f.ctx(), everything, "", 10)
	f.wantErr(err, store.ErrClosed, "Queues")
	for _, after := range []uint64{0, e.Index} {
		o := f.observe(b, everything, after)
		f.wantErr(o.wait(), store.ErrClosed, "Observe")
		if o.began || len(o.seen()) > 0 {
			f.Fatal("a closed store told an observer something")
		}
	}
}

func closeEndsObservers(f *fixture) {
	a := f.open()
	observers := []*observer{f.observe(a, everything, 0), f.observe(a, exactly(f.key), a.list().Revision)}
	e := a.hold(anonymous())
	for _, o := range observers {
		o.until(picture{f.key.Name: {held(e)}})
	}
	a.close()
	for _, o := range observers {
		if err := o.wait(); err == nil {
			f.Fatal("Observe returned without an error before its context ended")
		}
	}
}

func endedContextReadsNoQueues(f *fixture) {
	a := f.open()
	a.hold(anonymous())
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := a.Queues(ctx, everything, "", 10)
	f.wantErr(err, store.ErrUnavailable, "Queues")
}

func unreachableObserver(f *fixture) {
	f.needCut()
	a, b := f.open(), f.open()
	e := b.hold(anonymous())
	a.list()
	f.Cut(f.T, a.Store, true)
	start := time.Now()
	_, err := a.Queues(f.ctx(), everything, "", 10)
	f.wantErr(err, store.ErrUnavailable, "Queues")
	o := f.observe(a, everything, 0)
	f.wantErr(o.wait(), store.ErrUnavailable, "Observe")
	if took := f.clock.RanSince(start); took > 20*time.Second {
		f.Errorf("two calls took %v", took)
	}
	f.Cut(f.T, a.Store, false)
	f.eventually(patience, "the gateway is back", func() bool {
		_, err := a.Queues(f.ctx(), everything, "", 10)
		return err == nil
	})
	_, now := f.observe(a, everything, 0).begin()
	f.wantPicture(now, picture{f.key.Name: {e}}, "the observer starts with")
}

// untilOrError polls until what the observer was told leads to that, or until it
// has ended, and says which.
func (o *observer) untilOrError(want picture) error {
	o.f.Helper()
	var err error
	o.f.eventually(2*patience, "the observer went on or ended", func() bool {
		select {
		case <-o.done:
			if err = o.wait(); err == nil {
				o.f.Fatal("Observe returned without an error before its context ended")
			}
			return true
		default:
			_, now := o.now()
			return o.f.same(now, want)
		}
	})
	return err
}

// goOn resumes an observer that has ended, from the revision of the last call.
func (o *observer) goOn(g gateway) *observer {
	o.f.Helper()
	at, was := o.now()
	if at == 0 {
		o.f.Fatal("the observer was told no revision")
	}
	return o.f.observeFrom(g, o.scope, at, was)
}

func unreachableLosesNoChange(f *fixture) {
	f.needCut()
	a, b := f.open(), f.open()
	o := f.observe(a, everything, 0)
	o.begin()
	e := b.hold(anonymous())
	o.until(picture{f.key.Name: {held(e)}})

	f.Cut(f.T, a.Store, true)
	b.release(e)
	other := b.at("other").hold(valued("v"))
	last := b.hold(anonymous())
	f.Cut(f.T, a.Store, false)

	// It goes on, or says that it can't; then another one can.
	want := picture{f.key.Name: {held(last)}, "other": {held(other)}}
	if o.untilOrError(want) == nil {
		return
	}
	f.eventually(patience, "the gateway is back", func() bool {
		_, err := a.List(f.ctx(), f.key, 0)
		return err == nil
	})
	o.goOn(a).until(want)
}

func observerOfForgottenHistory(f *fixture) {
	if f.Compact == nil {
		f.Skip("the harness can't")
	}
	a, b := f.open(), f.open()
	begin := a.list().Revision
	told := f.observe(b, everything, 0) // of everything
	told.begin()
	behind, resume, began := &observer{f: f, scope: everything}, make(chan struct{}), make(chan struct{})
	behind.run(b, 0, func(revision uint64, queues []store.Queue) {
		behind.start(0, revision, queues)
		close(began)
		<-resume
	})
	<-began
	for range 3 {
		a.release(a.hold(anonymous()))
	}
	e := a.hold(anonymous())
	told.until(picture{f.key.Name: {held(e)}})
	f.Compact(f.T)
	close(resume)
	w := a.queue(anonymous())
	now := picture{f.key.Name: {held(e), w}}

	// None of them has a gap.
	for _, o := range []*observer{told, behind} {
		if err := o.untilOrError(now); err != nil && o == behind {
			f.wantErr(err, store.ErrCompacted, "Observe of what was forgotten meanwhile")
		}
	}
	for _, o := range []*observer{f.observe(a, everything, begin), f.observeFrom(a, exactly(f.key), begin, nil)} {
		f.wantErr(o.wait(), store.ErrCompacted, "Observe")
		if o.began || len(o.seen()) > 0 {
			f.Fatalf("saw %+v of a history with a gap", o.seen())
		}
	}

	// From now it goes on, and from what is told from now on.
	o := f.observe(a, everything, 0)
	at, was := o.begin()
	f.wantPicture(was, now, "the observer starts with")
	late := f.observe(b, everything, at)
	a.release(e)
	late.until(picture{f.key.Name: {w}})
	o.until(picture{f.key.Name: {w}})
}

func observerThatBreaks(f *fixture) {
	if f.BreakWatches == nil {
		f.Skip("the harness can't")
	}
	a := f.open()
	o := f.observe(a, everything, 0)
	o.begin()
	e := a.hold(valued("v"))
	o.until(picture{f.key.Name: {held(e)}})
	f.BreakWatches(f.T)
	if err := o.wait(); err == nil || errors.Is(err, store.ErrClosed) {
		f.Fatalf("a broken observer returned %v", err)
	}

	// What is told from where it broke on is complete.
	a.release(e)
	again := o.goOn(a)
	again.untilGone(patience, f.key.Name, e)
	again.until(picture{})
	if n := len(again.history(moment{revision: again.from, was: again.first})); n != 1 {
		f.Fatalf("saw %d changes, want 1", n)
	}
}
