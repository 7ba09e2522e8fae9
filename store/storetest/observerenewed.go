package storetest

import (
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var renewalTests = []test{
	{"ObserverIsToldOfRenewals_I6", observerIsToldOfRenewals},
	{"ObserverIsToldOfEachRenewal_I6", observerIsToldOfEachRenewal},
	{"ObserverIsToldOfNoRenewalWithoutOne", observerIsToldOfNoRenewal},
}

const renewalDelay = 2 * time.Second // for a renewal to be told of

// untilRenewed polls until the observer is told of a renewal for ttl that was
// called for between two moments.
func (o *observer) untilRenewed(queue string, e store.Entry, ttl time.Duration, from, to time.Time) {
	o.f.Helper()
	told := call{}
	i := -1
	o.f.eventually(patience, "the observer saw that "+describe(e)+" in "+queue+" is renewed", func() bool {
		for _, told = range o.seen() {
			i = slices.IndexFunc(told.changes, func(c store.Change) bool {
				return c.Renewed && c.Queue == queue && c.Entry.Index == e.Index
			})
			if i >= 0 && told.at.After(from) {
				return true
			}
		}
		return false
	})
	o.f.wantTTL(told.changes[i].Entry, ttl, told.at.Sub(from))
	if late := o.f.clock.Ran(to, told.at); late > renewalDelay+2*time.Second { // 2 s for a machine that is busy
		o.f.Errorf("a renewal in %s was told after %v", queue, late)
	}
}

// waitForARenewal waits until a renewal of a hold for long adds so much that it has
// to be told.
func (g gateway) waitForARenewal(e store.Entry) {
	g.f.Helper()
	g.f.eventually(patience, "3 seconds of the TTL are over", func() bool { return g.find(e).Left < long-3*time.Second })
}

// renewals are ways to renew the hold of the value v, and the TTL that it has then.
var renewals = map[string]struct {
	renew func(a, b gateway, e store.Entry)
	ttl   time.Duration
}{
	"by index":     {func(a, _ gateway, e store.Entry) { a.renew(byIndex(e), long) }, long},
	"by value":     {func(a, _ gateway, _ store.Entry) { a.renew(byValue("v"), long) }, long},
	"from outside": {func(_, b gateway, e store.Entry) { b.renew(byIndex(e), long) }, long},
	"longer":       {func(a, _ gateway, e store.Entry) { a.renew(byIndex(e), 2*long) }, 2 * long},
	"shorter":      {func(_, b gateway, e store.Entry) { b.renew(byIndex(e), long/2) }, long / 2},
	"acquired":     {func(a, _ gateway, _ store.Entry) { a.acquire(valued("v")) }, long},
	"shared":       {func(_, b gateway, _ store.Entry) { b.acquire(try(valued("v"))) }, long},
	"acquired for longer": {func(a, _ gateway, _ store.Entry) {
		a.acquire(lasting(valued("v"), 2*long))
	}, 2 * long},
	"granted again": {func(a, _ gateway, e store.Entry) { a.grant(e, 2*long) }, 2 * long},
}

// observerIsToldOfRenewals: whatever the observer has seen of the hold before.
func observerIsToldOfRenewals(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	before := f.observe(c, everything, 0)
	from, _ := before.begin()
	var names []string
	holds := make(map[string]store.Entry)
	for name := range renewals {
		names = append(names, name)
		holds[name] = a.at(name).hold(valued("v"))
	}
	known := a.picture(names...)
	before.until(known)
	now, _ := before.now()
	observers := []*observer{
		before,
		f.observe(a, everything, 0),
		f.observe(b, everything, from),
		f.observe(c, everything, now),
		f.observeFrom(a, everything, now, known),
		f.observeFrom(b, everything, from, picture{}),
		f.observe(c, store.Scope{Space: "lock", Name: "acq", Prefix: true}, 0),
		f.observe(c, store.Scope{Space: "lock", Name: "by index"}, 0),
	}
	for _, o := range observers {
		o.until(known.within(o.scope))
	}
	last := names[len(names)-1]
	a.at(last).waitForARenewal(holds[last])
	begun, done := make(map[string]time.Time), make(map[string]time.Time)
	for name, r := range renewals {
		begun[name] = time.Now()
		r.renew(a.at(name), b.at(name), holds[name])
		done[name] = time.Now()
	}
	for _, o := range observers {
		for name, r := range renewals {
			if o.scope.Has(name) {
				o.untilRenewed(name, holds[name], r.ttl, begun[name], done[name])
			}
		}
		o.until(a.picture(names...).within(o.scope))
	}
}

func observerIsToldOfEachRenewal(f *fixture) {
	a, b := f.open(), f.open()
	o := f.observe(b, everything, 0)
	o.begin()
	e := a.hold(valued("v"))
	for i := range 3 {
		a.waitForARenewal(e)
		g := []gateway{a, b}[i%2]
		begun := time.Now()
		g.renew(byIndex(e), long)
		o.untilRenewed(f.key.Name, e, long, begun, time.Now())
	}
}

// observerIsToldOfNoRenewal: others join a hold's queue and leave it, and one who
// was told of the hold, too.
func observerIsToldOfNoRenewal(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	b.acquire(valued("v"))
	n := a.at("nobody's").hold(anonymous())
	from := a.list().Revision
	observers := []*observer{
		f.observe(b, everything, 0),
		f.observe(a, exactly(f.key), 0),
		f.observe(a, everything, from),
	}
	for _, o := range observers {
		o.begin()
	}
	for _, g := range []gateway{a, b} {
		w := g.queue(anonymous())
		v := g.queue(valued("w"))
		g.withdraw(w)
		g.release(v)
	}
	b.withdraw(e)

	// By the time that these have gone, a renewal would have been told.
	sign := a.at("sign").hold(lasting(anonymous(), short+renewalDelay))
	observers = append(observers, f.observe(b, everything, 0))
	observers[0].untilGone(patience, "sign", sign)
	a.at("nobody's").release(n)
	observers[0].untilGone(patience, "nobody's", n)
	for _, o := range observers {
		for _, told := range o.seen() {
			for _, c := range told.changes {
				if c.Renewed {
					f.Errorf("at revision %d %s was renewed, which nobody did", told.revision, describe(c.Entry))
				}
			}
		}
	}
	a.wantQueue(held(e))
}
