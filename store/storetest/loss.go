package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var lossTests = []test{
	{"UnknownAcquireLeavesNothing_I10", unknownAcquire},
	{"UnknownJoinLeavesTheOthersPlace_I7", unknownJoin},
	{"UnknownRenewalKeepsTheHold_I1", unknownRenewal},
	{"UnreachableEtcdIsSaidSoon_I10", unreachable},
	{"UnreachableEtcdLosesNoEvent_I5", unreachableWatch},
}

var losses = []Loss{LostRequest, LostAnswer, DelayedRequest}

func (f *fixture) needLose() {
	if f.Lose == nil {
		f.Skip("the harness can't")
	}
}

// lose makes a request whose answer gets lost, and undoes it as its caller would.
// What was on its way arrives after that.
func (g gateway) lose(how Loss, a store.Acquire) {
	g.f.Helper()
	deliver := g.f.Lose(g.f.T, g.Store, how)
	got, err := g.Acquire(g.f.ctx(), g.f.key, a)
	switch {
	case err == nil:
		// The driver could make out what has become of it.
		if !got.Renewed {
			g.withdraw(got.Entry)
		}
	case errors.Is(err, store.ErrUnknown):
		if got.Entry.Name != "" {
			g.withdraw(got.Entry)
		}
	case errors.Is(err, store.ErrTaken) && !a.Wait:
		// It had nothing to write.
	default:
		g.f.wantErr(err, store.ErrUnavailable, "Acquire")
	}
	deliver()
}

func unknownAcquire(f *fixture) {
	f.needLose()
	a, b := f.open(), f.open()
	for _, how := range losses {
		for _, taken := range []bool{false, true} {
			for _, request := range []store.Acquire{anonymous(), valued("v"), try(valued("v"))} {
				f.Logf("%s, taken %t, value %q, wait %t", how, taken, request.Value, request.Wait)
				var want []store.Entry
				if taken {
					want = append(want, b.hold(anonymous()))
				}
				rounds := 2
				if how == DelayedRequest && f.LateEntries > 0 {
					rounds = 1 // of waiting
				}
				for range rounds {
					a.lose(how, request)
					f.untilLateEntriesGo(b, how, len(want))
					b.wantQueue(want...)
				}
				for _, e := range want {
					b.withdraw(e)
				}

				// The gateway goes on as before.
				e := a.hold(request)
				b.wantQueue(held(e))
				a.withdraw(e)
			}
		}
	}
}

// untilLateEntriesGo waits until the queue has n entries again.
func (f *fixture) untilLateEntriesGo(g gateway, how Loss, n int) {
	f.Helper()
	if how == DelayedRequest && f.LateEntries > 0 {
		f.eventually(f.LateEntries+coarse, "what came late has gone", func() bool { return len(g.list().Entries) == n })
	}
}

func unknownJoin(f *fixture) {
	f.needLose()
	a, b := f.open(), f.open()
	for _, how := range losses {
		f.Log(how)
		holder := b.hold(valued("holder"))
		w := b.queue(valued("w"))
		a.lose(how, valued("holder"))
		b.wantQueue(held(holder), waiting(w))
		a.lose(how, valued("w"))
		b.wantQueue(held(holder), waiting(w))

		// No part of it is left.
		b.withdraw(w)
		b.withdraw(holder)
		b.wantQueue()
	}
}

// unknownRenewal: this gateway's client was told of the hold. That another
// request with the value is undone must not end it.
func unknownRenewal(f *fixture) {
	f.needLose()
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	for _, how := range losses {
		for i := range 3 {
			f.Log(how)
			a.lose(how, lasting(valued("v"), long+time.Duration(i)*time.Second))
			b.wantQueue(held(e))
		}
	}
	a.withdraw(e)
	b.wantQueue()
}

func (f *fixture) needCut() {
	if f.Cut == nil {
		f.Skip("the harness can't")
	}
}

func unreachable(f *fixture) {
	f.needCut()
	a, b := f.open(), f.open()
	holder := a.hold(valued("v"))
	w, mine := b.queue(anonymous()), a.queue(anonymous())
	f.Cut(f.T, a.Store, true)

	owed := []store.Entry{mine}
	calls := map[string]func() error{
		"Acquire": func() error {
			got, err := a.Acquire(f.ctx(), f.key, anonymous())
			if got.Entry.Name != "" {
				if !errors.Is(err, store.ErrUnknown) {
					return fmt.Errorf("a Withdraw of %s is owed, after: %v", describe(got.Entry), err)
				}
				owed = append(owed, got.Entry)
			}
			return err
		},
		"Grant": func() error {
			_, err := a.Grant(f.ctx(), f.key, holder, store.Ahead{}, long)
			return err
		},
		"Withdraw": func() error { return a.Withdraw(f.ctx(), f.key, mine) },
		"Renew": func() error {
			_, err := a.Renew(f.ctx(), f.key, byIndex(holder), long)
			return err
		},
		"List": func() error {
			_, err := a.List(f.ctx(), f.key, 0)
			return err
		},
		"Expired": func() error {
			_, err := a.Expired(f.ctx(), f.key, holder)
			return err
		},
	}
	for name, call := range calls {
		start := time.Now()
		err := call()
		if took := f.clock.RanSince(start); took > 10*time.Second {
			f.Errorf("%s took %v", name, took)
		}
		f.wantLost(err, name)
	}

	f.Cut(f.T, a.Store, false)
	f.eventually(patience, "the gateway is back", func() bool {
		_, err := a.List(f.ctx(), f.key, 0)
		return err == nil
	})
	for _, e := range owed {
		f.eventually(patience, "what is owed is withdrawn", func() bool { return a.Withdraw(f.ctx(), f.key, e) == nil })
	}
	b.wantQueue(held(holder), waiting(w))
	a.release(holder)
	b.grant(w, long)
}

func unreachableWatch(f *fixture) {
	f.needCut()
	a, b := f.open(), f.open()
	start := a.list()
	w := f.watch(a, f.key, start.Revision)
	e := b.hold(anonymous())
	w.untilWithin(patience, "the entry", func(batches []batch) bool { return len(batches) > 0 })

	f.Cut(f.T, a.Store, true)
	b.release(e)
	last := b.hold(anonymous())
	f.Cut(f.T, a.Store, false)

	// It goes on, or says that it can't; it does not go on with a gap.
	complete := func(batches []batch) bool {
		now := replay(start.Entries, batches)
		return len(now) == 1 && now[0].Index == last.Index
	}
	f.eventually(2*patience, "the watch went on or ended", func() bool {
		select {
		case <-w.done:
			return true
		default:
			return complete(w.seen())
		}
	})
	if !complete(w.seen()) && w.wait() == nil {
		f.Fatal("Watch returned without an error before its context ended")
	}
}
