package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var grantTests = []test{
	{"HeadIsGranted_I5", headIsGranted},
	{"OnlyTheHeadIsGranted_I1_I3", onlyTheHeadIsGranted},
	{"GoneEntryIsNotGranted_I1", goneEntryIsNotGranted},
	{"OldEntryIsNotGrantedInPlaceOfANewer_I1", oldEntryIsNotGranted},
	{"GrantAgainChangesNothing_I1", grantAgain},
	{"GrantAgainMakesSureOfTheTTL_I6", grantAgainMakesSure},
	{"EachPartyGrantsForItself_I7", eachPartyGrants},
	{"GrantNeedsNoNewestEntry_I5", grantNeedsNoNewestEntry},
	{"RacingGrantsHaveOneHolder_I1", racingGrants},
}

func (g gateway) wantNoGrant(e store.Entry, ahead store.Ahead, want error) {
	g.f.Helper()
	_, err := g.Grant(g.f.ctx(), g.f.key, e, ahead, long)
	g.f.wantErr(err, want, "Grant of "+describe(e))
}

func headIsGranted(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second := b.queue(anonymous()), a.queue(valued("v"))
	a.release(holder)

	ahead := store.Ahead{Name: holder.Name, Index: holder.Index, Waiting: 1}
	start := time.Now()
	granted, err := b.Grant(f.ctx(), f.key, first, ahead, long)
	f.must(err, "Grant")
	if !granted.Held || granted.TTL != long || granted.Index != first.Index {
		f.Fatalf("granted %s", describe(granted))
	}
	if granted.Left < long-time.Since(start) || granted.Left > long+slack {
		f.Fatalf("granted for %v with %v left", long, granted.Left)
	}
	a.wantQueue(held(first), waiting(second))
}

func onlyTheHeadIsGranted(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(anonymous()), b.queue(valued("v"))

	// Behind a holder, and then behind a head that has not been granted yet,
	// whatever the caller knows of the queue.
	for range 2 {
		for _, ahead := range []store.Ahead{
			{},
			{Waiting: 1},
			{Name: first.Name, Index: first.Index},
			{Name: first.Name, Index: first.Index, Waiting: 1},
			{Name: holder.Name, Index: holder.Index, Waiting: 1},
		} {
			b.wantNoGrant(second, ahead, store.ErrNotHead)
		}
		if a.has(holder) {
			a.wantNoGrant(first, store.Ahead{}, store.ErrNotHead)
			a.wantNoGrant(first, store.Ahead{Name: holder.Name, Index: holder.Index}, store.ErrNotHead)
			a.wantQueue(held(holder), waiting(first), waiting(second))
			a.release(holder)
		}
	}
	a.wantQueue(waiting(first), waiting(second))

	a.grant(first, long)
	b.wantNoGrant(second, store.Ahead{}, store.ErrNotHead)
	a.release(first)
	b.grant(second, long)
	a.wantQueue(held(second))
}

func goneEntryIsNotGranted(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	withdrawn, released, value := a.queue(anonymous()), a.queue(anonymous()), a.queue(valued("v"))
	a.withdraw(withdrawn)
	b.release(released)
	b.release(value)
	for _, e := range []store.Entry{withdrawn, released, value} {
		a.wantNoGrant(e, store.Ahead{}, store.ErrNotFound)
	}
	a.wantQueue(held(holder))
	b.release(holder)
	for _, e := range []store.Entry{holder, withdrawn, released, value} {
		a.wantNoGrant(e, store.Ahead{Name: holder.Name, Index: holder.Index}, store.ErrNotFound)
	}
	a.wantQueue()
}

func oldEntryIsNotGranted(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	old := a.queue(valued("v"))
	b.release(old)
	newer := b.queue(valued("v"))
	b.release(holder)
	a.wantNoGrant(old, store.Ahead{Name: holder.Name, Index: holder.Index}, store.ErrNotFound)
	a.wantQueue(waiting(newer))
	b.grant(newer, long)
	a.wantNoGrant(old, store.Ahead{}, store.ErrNotFound)
	a.wantQueue(held(newer))
}

func grantAgain(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	e := a.queue(anonymous())
	a.release(holder)
	granted := a.grant(e, long)
	a.grant(e, long)            // from what it was when it waited
	a.grant(granted, long)      // from what the grant returned
	again := a.grant(e, long/2) // the TTL is not made less
	if again.TTL < long || again.Left < long-patience {
		f.Fatalf("a second grant shortened the TTL: %s", describe(again))
	}
	a.wantQueue(held(e))

	// An entry that was granted by its Acquire, too.
	a.release(e)
	quick := a.hold(anonymous())
	a.grant(quick, long)
	a.wantQueue(held(quick))
}

func grantAgainMakesSure(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	e := a.queue(valued("v"))
	joined := b.queue(valued("v"))
	a.release(holder)
	a.grant(e, 10*time.Second)
	for _, again := range []struct {
		g   gateway
		ttl time.Duration
	}{{b, long}, {a, 2 * long}, {b, 3 * long}} {
		place := joined
		if again.g == a {
			place = e
		}
		again.g.grant(place, again.ttl)
		if left := a.find(e).Left; left < again.ttl-patience {
			f.Fatalf("granted again for %v, %v left", again.ttl, left)
		}
	}
}

func eachPartyGrants(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	holder := gateways[0].hold(anonymous())
	var places []store.Entry
	for _, g := range gateways {
		places = append(places, g.queue(valued("v")))
	}
	gateways[0].release(holder)
	for i, g := range gateways {
		if granted := g.grant(places[i], long); granted.Index != places[0].Index {
			f.Fatalf("gateway %d was granted %s", i, describe(granted))
		}
		g.wantQueue(held(places[0]))
	}
	for _, g := range gateways {
		if got := g.acquire(valued("v")); !got.Renewed {
			f.Fatal("a gateway that granted is not known to have told anybody")
		}
	}
}

func grantNeedsNoNewestEntry(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	holder := a.hold(anonymous())
	old := a.queue(valued("v"))
	joined := b.queue(valued("v"))
	c.queue(valued("v"))
	b.withdraw(joined)
	b.queue(valued("v"))
	a.release(holder)
	a.grant(old, long) // others have come and gone since
	a.wantQueue(held(old))
}

func racingGrants(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	for range 10 {
		holder := gateways[0].hold(anonymous())
		place := make(map[gateway]store.Entry)
		for _, g := range gateways {
			place[g] = g.queue(anonymous())
		}
		gateways[0].release(holder)
		ctx := f.ctx()
		var mu sync.Mutex
		var granted []store.Entry
		f.racers(gateways, 3, func(g gateway) {
			e, err := g.Grant(ctx, f.key, place[g], store.Ahead{Name: holder.Name, Index: holder.Index, Waiting: 2}, long)
			switch {
			case err == nil:
				mu.Lock()
				granted = append(granted, e)
				mu.Unlock()
			case !errors.Is(err, store.ErrNotHead):
				f.Errorf("Grant: %v", err)
			}
		})
		first := place[gateways[0]]
		if len(granted) != 3 {
			f.Fatalf("granted\n%swant %s three times", describeAll(granted), describe(first))
		}
		gateways[0].wantQueue(held(first), waiting(place[gateways[1]]), waiting(place[gateways[2]]))
		for _, g := range gateways {
			g.release(place[g])
		}
	}
}
