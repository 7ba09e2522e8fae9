package storetest

import (
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var renewTests = []test{
	{"RenewStartsTheTTLAnew_I6", renewStartsAnew},
	{"RenewThroughAnyGateway_I6", renewThroughAny},
	{"RenewOfAWaitingEntry", renewOfWaiting},
	{"RenewOfWhatIsNotThere", renewOfNothing},
	{"RenewDoesNotMakeAParty_I4", renewMakesNoParty},
	{"LeftIsWhatIsLeft_I6", leftIsWhatIsLeft},
}

// renew renews what must be there.
func (g gateway) renew(t store.Target, ttl time.Duration) store.Entry {
	g.f.Helper()
	start := time.Now()
	e, err := g.Renew(g.f.ctx(), g.f.key, t, ttl)
	g.f.must(err, "Renew")
	if !e.Held || e.TTL != ttl || e.Left < ttl-time.Since(start)-coarse || e.Left > ttl+slack {
		g.f.Fatalf("Renew for %v returned %s", ttl, describe(e))
	}
	if t.Index != 0 && e.Index != t.Index || t.Index == 0 && e.Value != t.Value {
		g.f.Fatalf("Renew of %+v returned %s", t, describe(e))
	}
	g.f.wantTTL(g.find(e), ttl, time.Since(start))
	return e
}

func renewStartsAnew(f *fixture) {
	a := f.open()
	e := a.hold(valued("v"))
	w := a.queue(anonymous())
	a.renew(byIndex(e), long)
	a.renew(byValue("v"), long)
	a.renew(a.hint(e), long)
	for _, ttl := range []time.Duration{2 * long, long / 2, long, medium, long} {
		a.renew(byIndex(e), ttl)
		a.renew(byValue("v"), ttl)
		stale := a.hint(e)
		a.renew(byIndex(e), ttl+time.Second)
		a.renew(stale, ttl)
	}
	a.wantQueue(held(e), waiting(w))
	a.releases(byIndex(e))
	a.wantQueue(waiting(w))
}

func renewThroughAny(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	e := a.hold(anonymous())
	b.renew(byIndex(e), long)
	c.renew(byIndex(e), 2*long)
	b.renew(b.hint(e), long)
	a.renew(hinted(e), 3*long) // the entry as its Acquire returned it
	a.wantQueue(held(e))
}

func (g gateway) wantNoRenewal(t store.Target, want error) {
	g.f.Helper()
	_, err := g.Renew(g.f.ctx(), g.f.key, t, long)
	g.f.wantErr(err, want, "Renew")
}

func renewOfWaiting(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	w := a.queue(valued("w"))
	for _, g := range []gateway{a, b} {
		g.wantNoRenewal(byIndex(w), store.ErrNotHeld)
		g.wantNoRenewal(byValue("w"), store.ErrNotHeld)
		g.wantNoRenewal(g.hint(w), store.ErrNotHeld)
	}
	a.wantQueue(held(holder), waiting(w))

	// The head, too, as long as it has not been granted.
	a.release(holder)
	a.wantNoRenewal(byIndex(w), store.ErrNotHeld)
	a.wantQueue(waiting(w))
	stale := a.hint(w)
	b.wantNoRenewal(stale, store.ErrNotHeld)
	a.grant(w, long)
	b.renew(stale, 2*long) // the hint is from before the grant
}

func renewOfNothing(f *fixture) {
	a, b := f.open(), f.open()
	a.wantNoRenewal(byIndex(store.Entry{Index: 1}), store.ErrNotFound)
	a.wantNoRenewal(byValue("v"), store.ErrNotFound)
	old := a.hold(valued("v"))
	hint := a.hint(old)
	a.release(old)
	a.wantNoRenewal(byIndex(old), store.ErrNotFound)
	a.wantNoRenewal(hint, store.ErrNotFound)
	a.wantNoRenewal(byValue("v"), store.ErrNotFound)

	newer := b.hold(valued("v"))
	a.wantNoRenewal(byIndex(old), store.ErrNotFound)
	a.wantNoRenewal(hint, store.ErrNotFound)
	a.wantQueue(held(newer))
}

func renewMakesNoParty(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	b.renew(byIndex(e), long)
	b.renew(byIndex(e), 2*long)
	a.withdraw(e)
	a.wantQueue()
}

func leftIsWhatIsLeft(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	w := b.queue(anonymous())
	for _, ttl := range []time.Duration{long, 2 * long, long} {
		for _, g := range []gateway{a, b} {
			start := time.Now()
			g.renew(byIndex(e), ttl)
			left := g.find(e).Left
			if left < ttl-time.Since(start)-coarse || left > ttl+slack {
				f.Fatalf("renewed for %v, %v left", ttl, left)
			}
			if left != left.Truncate(time.Second) {
				f.Fatalf("%v left, which is not in whole seconds", left)
			}
		}
	}
	if left := b.find(w).Left; left != 0 {
		f.Fatalf("%v left of an entry that waits", left)
	}
}
