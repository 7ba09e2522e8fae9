package storetest

import (
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var joinTests = []test{
	{"TwoGatewaysShareOneValue_I7", twoGatewaysShareOneValue},
	{"OneGatewayJoiningTwiceHasOnePlace_I7", joiningTwice},
	{"FirstToLeaveTakesNothingAway_I7", firstToLeave},
	{"LastToLeaveTakesTheEntry_I4", lastToLeave},
	{"LeftEntryCanBeJoinedAgain_I7", joinedAgain},
	{"RacingGatewaysMakeOneHold_I7", racingGatewaysMakeOneHold},
	{"RacingGatewaysMakeOnePlace_I7", racingGatewaysMakeOnePlace},
	{"RacingJoinAndLeaveLoseNoWaiter_I7", racingJoinAndLeave},
	{"HolderThatAcquiresAgainIsRenewed_I6", holderAcquiresAgain},
	{"OtherGatewayIsToldOfTheHold_I7", otherGatewayIsTold},
}

func twoGatewaysShareOneValue(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	holder := a.hold(anonymous())
	first := a.queue(valued("v"))
	behind := c.queue(anonymous())
	second := b.queue(valued("v"))
	if first.Index != second.Index || first.Name != second.Name {
		f.Fatalf("one value has two places: %s and %s", describe(first), describe(second))
	}
	c.wantQueue(held(holder), waiting(first), waiting(behind))
}

func joiningTwice(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(valued("v")), a.queue(valued("v"))
	if first.Index != second.Index {
		f.Fatalf("one value has two places: %s and %s", describe(first), describe(second))
	}
	a.withdraw(second) // ends the gateway's part, however often it joined
	a.wantQueue(held(holder))
}

func firstToLeave(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	for _, order := range [][2]gateway{{a, b}, {b, a}} {
		leaver, stayer := order[0], order[1]
		place := map[gateway]store.Entry{a: a.queue(valued("v"))}
		place[b] = b.queue(valued("v"))
		leaver.withdraw(place[leaver])
		leaver.withdraw(place[leaver])
		stayer.wantQueue(held(holder), waiting(place[a]))
		stayer.withdraw(place[stayer])
		stayer.wantQueue(held(holder))
	}
}

func lastToLeave(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	holder := gateways[0].hold(anonymous())
	var places []store.Entry
	for _, g := range gateways {
		places = append(places, g.queue(valued("v")))
	}
	gateways[1].withdraw(places[1])
	gateways[0].withdraw(places[0])
	gateways[0].wantQueue(held(holder), waiting(places[0]))
	gateways[2].withdraw(places[2])
	gateways[0].wantQueue(held(holder))
}

func joinedAgain(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first := a.queue(valued("v"))
	other := b.queue(valued("v"))
	a.withdraw(first)
	again := a.queue(valued("v"))
	if again.Index != first.Index {
		f.Fatalf("the place was %s and is %s", describe(first), describe(again))
	}
	b.withdraw(other)
	b.wantQueue(held(holder), waiting(again))
}

// raceFor acquires on all gateways at once and returns the one entry that all
// must have got, as each of them got it.
func (f *fixture) raceFor(gateways []gateway, a store.Acquire) []store.Entry {
	f.Helper()
	var mu sync.Mutex
	got := make(map[gateway]store.Acquired)
	ctx := f.ctx()
	f.racers(gateways, 1, func(g gateway) {
		acquired, err := g.Acquire(ctx, f.key, a)
		if err != nil {
			f.Errorf("Acquire: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got[g] = acquired
	})
	if len(got) != len(gateways) {
		f.FailNow()
	}
	var entries []store.Entry
	for _, g := range gateways {
		e := got[g].Entry
		entries = append(entries, e)
		if e.Index != entries[0].Index || e.Held != entries[0].Held || got[g].Renewed {
			f.Fatalf("racing gateways got %s and %s, renewed %t", describe(entries[0]), describe(e), got[g].Renewed)
		}
	}
	return entries
}

func racingGatewaysMakeOneHold(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	for range 10 {
		e := f.raceFor(gateways, valued("v"))
		gateways[0].wantQueue(held(e[0]))
		gateways[0].withdraw(e[0])
		gateways[1].withdraw(e[1])
		gateways[0].wantQueue(held(e[0]))
		gateways[2].withdraw(e[2])
		gateways[0].wantQueue()
	}
}

func racingGatewaysMakeOnePlace(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	holder := gateways[0].hold(anonymous())
	request := valued("v")
	for i := range 10 {
		request.Contended = i%2 == 0
		e := f.raceFor(gateways, request)
		gateways[0].wantQueue(held(holder), waiting(e[0]))
		gateways[1].withdraw(e[1])
		gateways[2].withdraw(e[2])
		gateways[0].wantQueue(held(holder), waiting(e[0]))
		gateways[0].withdraw(e[0])
		gateways[0].wantQueue(held(holder))
	}
}

func racingJoinAndLeave(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	for range 20 {
		e := a.queue(valued("v"))
		ctx := f.ctx()
		var joined store.Acquired
		f.racers([]gateway{a, b}, 1, func(g gateway) {
			var err error
			if g == a {
				err = a.Withdraw(ctx, f.key, e)
			} else {
				joined, err = b.Acquire(ctx, f.key, valued("v"))
			}
			if err != nil {
				f.Errorf("racing: %v", err)
			}
		})
		if f.Failed() {
			f.FailNow()
		}
		a.wantQueue(held(holder), waiting(joined.Entry))
		b.withdraw(joined.Entry)
		a.wantQueue(held(holder))
	}
}

func holderAcquiresAgain(f *fixture) {
	a := f.open()
	first := a.hold(valued("v"))
	for i, request := range []store.Acquire{
		valued("v"), lasting(valued("v"), 2*long), try(lasting(valued("v"), long/2)), lasting(valued("v"), long),
	} {
		start := time.Now()
		got := a.acquire(request)
		took := time.Since(start)
		e := got.Entry
		if e.Index != first.Index || !e.Held || !got.Renewed || e.TTL != request.TTL {
			f.Fatalf("acquire %d again: got %s, renewed %t", i, describe(e), got.Renewed)
		}
		if e.Left < request.TTL-took || e.Left > request.TTL+slack {
			f.Fatalf("acquire %d again for %v: %v left", i, request.TTL, e.Left)
		}
		f.wantTTL(a.find(first), request.TTL, time.Since(start))
	}
	a.wantQueue(held(first))
}

func otherGatewayIsTold(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	for i, request := range []store.Acquire{try(lasting(valued("v"), 2*long)), valued("v")} {
		got := b.acquire(request)
		if got.Entry.Index != e.Index || !got.Entry.Held || got.Entry.TTL != request.TTL {
			f.Fatalf("acquire %d: got %s, want %s", i, describe(got.Entry), describe(e))
		}
		// The second time, this gateway has told somebody before.
		if got.Renewed != (i == 1) {
			f.Fatalf("acquire %d: renewed is %t", i, got.Renewed)
		}
	}
	if got := a.acquire(valued("v")); !got.Renewed {
		f.Fatal("the first gateway has been forgotten")
	}
	b.wantQueue(held(e))
}
