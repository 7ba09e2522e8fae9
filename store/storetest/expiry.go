package storetest

import (
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var expiryTests = []test{
	{"HoldLastsForItsTTL_I6", holdLasts},
	{"GrantStartsTheTTL_I6", grantStartsTheTTL},
	{"RenewalExtendsAHold_I6", renewalExtends},
	{"AcquireExtendsAHold_I6", acquireExtends},
	{"RenewalMayShortenAHold_I6", renewalMayShorten},
	{"LongerTTLOutlivesTheShorter_I6", longerOutlives},
	{"UsedTTLsAreWhole_I6", usedTTLsAreWhole},
	{"WaitersOutliveTheirTTL_I5", waitersOutlive},
}

const short = 2 * time.Second // the least that every driver can do

// wantExpiry waits for the end of a hold whose TTL started anew between two
// moments: not before it is over, and not much later.
func (w *watcher) wantExpiry(e store.Entry, ttl time.Duration, from, to time.Time) {
	w.f.Helper()
	gone := w.untilGone(ttl+patience, e)
	if lasted := gone.Sub(from); lasted < ttl {
		w.f.Errorf("%s was gone after %v, before its TTL of %v was over", describe(e), lasted, ttl)
	}
	if lasted := w.f.clock.Ran(to, gone); lasted > ttl+slack+2*time.Second { // 2 s for a machine that is busy
		w.f.Errorf("%s was there for %v, with a TTL of %v", describe(e), lasted, ttl)
	}
}

func holdLasts(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		from := time.Now()
		e := a.hold(lasting(request, short))
		w.wantExpiry(e, short, from, time.Now())
		a.wantQueue()
		a.wantNoRenewal(byIndex(e), store.ErrNotFound)
	}

	// The next in the queue can have it.
	e := a.hold(lasting(anonymous(), medium))
	next := b.queue(anonymous())
	w.untilGone(patience, e)
	b.grant(next, long)
}

func grantStartsTheTTL(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	holder := a.hold(lasting(anonymous(), medium))
	e := a.queue(lasting(valued("v"), short)) // it waits for longer than its TTL
	w.untilGone(patience, holder)
	from := time.Now()
	a.grant(e, short)
	w.wantExpiry(e, short, from, time.Now())
}

// waitAWhile waits until some of an entry's TTL is over.
func (g gateway) waitAWhile(e store.Entry) {
	g.f.Helper()
	before := g.find(e).Left
	g.f.eventually(patience, "a second of the TTL is over", func() bool { return g.find(e).Left < before })
}

func renewalExtends(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	e := a.hold(lasting(valued("v"), medium))
	var from time.Time
	for _, t := range []store.Target{byIndex(e), byValue("v"), b.hint(e)} {
		a.waitAWhile(e)
		from = time.Now()
		b.renew(t, medium)
	}
	w.wantExpiry(e, medium, from, time.Now())
}

func acquireExtends(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	e := a.hold(lasting(valued("v"), medium))
	var from time.Time
	for _, g := range []gateway{a, b, a} {
		a.waitAWhile(e)
		from = time.Now()
		g.acquire(lasting(valued("v"), medium))
	}
	w.wantExpiry(e, medium, from, time.Now())
}

func renewalMayShorten(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	e := a.hold(valued("v"))
	from := time.Now()
	b.renew(byIndex(e), medium)
	w.wantExpiry(e, medium, from, time.Now())
}

// longerOutlives: what has been renewed for longer is still there when what was
// held for the time before has gone.
func longerOutlives(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(lasting(anonymous(), medium))
	a.renew(byIndex(e), long)

	sign := *f
	sign.key.Name = "sign"
	s := gateway{b.Store, &sign}
	other := s.hold(lasting(anonymous(), medium+time.Second))
	sign.watch(s, sign.key, other.Index).untilGone(patience, other)
	a.wantQueue(held(e))
}

// usedTTLsAreWhole: a driver that uses leases again gives whole ones.
func usedTTLsAreWhole(f *fixture) {
	a := f.open()
	w := f.watch(a, f.key, a.list().Revision)
	var from time.Time
	var e store.Entry
	for i := range 4 {
		from = time.Now()
		e = a.hold(lasting(anonymous(), medium))
		if i < 3 {
			a.waitAWhile(e)
			a.releases(byIndex(e))
		}
	}
	w.wantExpiry(e, medium, from, time.Now())
}

func waitersOutlive(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	holder := a.hold(lasting(anonymous(), medium))
	first := b.queue(lasting(anonymous(), time.Second))
	second := b.queue(lasting(valued("v"), time.Second))
	w.untilGone(patience, holder)
	a.wantQueue(waiting(first), waiting(second))
}
