package storetest

import (
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var goneTests = []test{
	{"ObserverTellsExpiryFromRelease", observerTellsExpiry},
	{"ObserverTellsALateReleaseFromExpiry", observerTellsLateRelease},
	{"ObserverTellsExpiryOfADeadGatewaysHold", observerTellsExpiryOfTheDead},
}

// parting is a hold that has ended, or will.
type parting struct {
	queue   string
	e       store.Entry
	expires bool
}

// wantPartings checks what an observer, and one that comes late, are told of holds
// that end.
func (o *observer) wantPartings(g gateway, want []parting) {
	o.f.Helper()
	from, _ := o.begin()
	for _, p := range want {
		o.wantParting(p)
	}
	late := o.f.observe(g, o.scope, from)
	for _, p := range want {
		late.wantParting(p)
	}
}

func (o *observer) wantParting(p parting) {
	o.f.Helper()
	if c, in := o.untilGone(patience, p.queue, p.e); c.Expired != p.expires {
		o.f.Errorf("%s: that %s is gone was told at %d with Expired %t", p.queue, describe(p.e), in.revision, c.Expired)
	}
}

// observerTellsExpiry: holds of all kinds end in all ways, each in a queue of its own.
func observerTellsExpiry(f *fixture) {
	a, b := f.open(), f.open()
	o := f.observe(b, everything, 0)
	o.begin()
	v := valued("v")
	var want []parting
	released := func(queue string, e store.Entry) { want = append(want, parting{queue, e, false}) }

	// queued has another one, which is told of, hold the lock before v.
	queued := func(a gateway) (holder, e store.Entry) {
		holder, e = a.hold(anonymous()), a.queue(v)
		released(a.f.key.Name, holder)
		return holder, e
	}
	holds := map[string]func(a gateway, ttl time.Duration) store.Entry{
		"held":     func(a gateway, ttl time.Duration) store.Entry { return a.hold(lasting(v, ttl)) },
		"nobody's": func(a gateway, ttl time.Duration) store.Entry { return a.hold(lasting(anonymous(), ttl)) },
		"shared": func(a gateway, ttl time.Duration) store.Entry {
			e := a.hold(lasting(v, ttl))
			b.at(a.f.key.Name).acquire(lasting(v, ttl))
			return e
		},
		"renewed": func(a gateway, ttl time.Duration) store.Entry {
			e := a.hold(v)
			a.renew(byIndex(e), ttl)
			return e
		},
		"granted": func(a gateway, ttl time.Duration) store.Entry {
			holder, e := queued(a)
			a.release(holder)
			return a.grant(e, ttl)
		},
		"handed over": func(a gateway, ttl time.Duration) store.Entry {
			holder, e := queued(a)
			next := a.next(e)
			next.TTL = ttl
			a.releaseTo(holder, next)
			return a.grant(e, ttl)
		},
	}
	releases := map[string]func(here, there gateway, e store.Entry){
		"by index":     func(here, _ gateway, e store.Entry) { here.release(e) },
		"by hint":      func(here, _ gateway, e store.Entry) { here.releases(here.hint(e)) },
		"from outside": func(_, there gateway, e store.Entry) { there.release(e) },
		"by value": func(here, there gateway, e store.Entry) {
			if e.HasValue {
				there.releases(byValue("v"))
			} else {
				here.withdraw(e)
			}
		},
		"withdrawn": func(here, there gateway, e store.Entry) {
			here.withdraw(e)
			if there.has(e) { // it is shared
				there.withdraw(there.find(e))
			}
		},
	}
	for name, hold := range holds {
		for how, release := range releases {
			queue := name + ", " + how
			e := hold(a.at(queue), medium+3*time.Second)
			release(a.at(queue), b.at(queue), e)
			released(queue, e)
		}
		want = append(want, parting{name, hold(a.at(name), medium), true})
	}
	o.wantPartings(a, want)
}

// releaseLate releases a hold in the last second of its TTL.
func (g gateway) releaseLate(a store.Acquire) store.Entry {
	g.f.Helper()
	for range 10 {
		e := g.hold(a)
		g.f.eventually(patience, "the last second of the TTL has begun", func() bool {
			entries := g.list().Entries
			return len(entries) == 0 || entries[0].Left == 0
		})
		_, err := g.Release(g.f.ctx(), g.f.key, byIndex(e), nil)
		if err == nil {
			return e
		}
		if !errors.Is(err, store.ErrNotFound) {
			g.f.Fatalf("Release: %v", err)
		}
	}
	g.f.Fatal("the hold always ran out before it was released")
	return store.Entry{}
}

func observerTellsLateRelease(f *fixture) {
	a, b := f.open(), f.open()
	o := f.observe(b, everything, 0)
	o.begin()
	var want []parting
	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		e := a.releaseLate(lasting(request, short))
		want = append(want, parting{f.key.Name, e, false})
	}
	// What a driver may keep of a released hold does not pass for that of the next.
	e := a.hold(lasting(valued("v"), short))
	want = append(want, parting{f.key.Name, e, true})
	o.wantPartings(a, want)
}

func observerTellsExpiryOfTheDead(f *fixture) {
	f.needKill()
	a, b, c := f.open(), f.open(), f.openDoomed()
	o := f.observe(b, everything, 0)
	o.begin()
	e := c.hold(lasting(valued("v"), short+time.Second))
	c.kill()
	o.wantPartings(a, []parting{{f.key.Name, e, true}})
}
