package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var acquireTests = []test{
	{"FreeLockIsTakenAtOnce", freeLockIsTakenAtOnce},
	{"FreeLockIsTakenByThoseWhoDoNotWait", freeLockIsTakenByThoseWhoDoNotWait},
	{"TakenLockRefusesThoseWhoDoNotWait_I1", takenLockRefuses},
	{"QueuedLockRefusesThoseWhoDoNotWait_I3", queuedLockRefuses},
	{"NewcomersQueueInTheOrderOfTheirIndices_I3", newcomersQueue},
	{"NobodyOvertakesAWaitingHead_I3", nobodyOvertakes},
	{"AnonymousEntriesAreEachTheirOwn", anonymousEntriesAreEachTheirOwn},
	{"IndicesGrowThroughDeletions_I2", indicesGrow},
	{"SameValueGetsAGreaterIndex_I2", sameValueGreaterIndex},
	{"ContendedIsOnlyAHint", contendedIsOnlyAHint},
	{"RacingTriesHaveOneWinner_I1", racingTries},
	{"RacingRequestsHaveOneHolderAndAQueue_I1", racingRequests},
}

func freeLockIsTakenAtOnce(f *fixture) {
	a, b := f.open(), f.open()
	a.wantQueue()

	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		start := time.Now()
		got := a.acquire(request)
		took := time.Since(start)
		e := got.Entry
		if !e.Held || got.Renewed || e.TTL != long {
			f.Fatalf("Acquire returned %s, renewed %t", describe(e), got.Renewed)
		}
		if e.Left < long-took || e.Left > long+slack {
			f.Fatalf("Acquire for %v took %v and left %v", long, took, e.Left)
		}
		b.wantQueue(held(e))
		f.wantTTL(b.find(e), long, time.Since(start))
		a.release(e)
	}
}

func freeLockIsTakenByThoseWhoDoNotWait(f *fixture) {
	a := f.open()
	e := a.hold(try(anonymous()))
	a.release(e)
	e = a.hold(try(valued("v")))
	a.wantQueue(held(e))
}

func (g gateway) wantTaken(a store.Acquire) {
	g.f.Helper()
	got, err := g.Acquire(g.f.ctx(), g.f.key, a)
	g.f.wantErr(err, store.ErrTaken, "Acquire")
	if got.Entry.Name != "" {
		g.f.Fatalf("a refused Acquire owes a Withdraw of %s", describe(got.Entry))
	}
}

func takenLockRefuses(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("holder"))
	for _, g := range []gateway{a, b} {
		for _, request := range []store.Acquire{anonymous(), valued("other")} {
			g.wantTaken(try(request))
			request.Contended = true
			g.wantTaken(try(request))
		}
	}
	a.wantQueue(held(e))
}

func queuedLockRefuses(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	w := a.queue(valued("w"))
	b.wantTaken(try(valued("w")))
	a.release(holder)

	// Nobody holds, but somebody waits: that one is next.
	b.wantTaken(try(anonymous()))
	b.wantTaken(try(valued("other")))
	b.wantTaken(try(valued("w")))
	b.wantQueue(waiting(w))

	// A refused request is no party to the entry.
	a.withdraw(w)
	b.wantQueue()
}

func newcomersQueue(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	want := []store.Entry{gateways[0].hold(valued("first"))}
	for i := range 9 {
		request := anonymous()
		if i%2 == 0 {
			request = valued(string(rune('a' + i)))
		}
		e := gateways[i%3].queue(request)
		if last := want[len(want)-1]; e.Index <= last.Index {
			f.Fatalf("%s came after %s", describe(e), describe(last))
		}
		want = append(want, e)
	}
	for _, g := range gateways {
		g.wantQueue(want...)
	}
}

func nobodyOvertakes(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first := a.queue(anonymous())
	a.release(holder)
	second := b.queue(anonymous())
	third := a.queue(valued("third"))
	b.wantQueue(waiting(first), waiting(second), waiting(third))
}

func anonymousEntriesAreEachTheirOwn(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(anonymous()), a.queue(anonymous())
	if first.Name == second.Name || first.Index == second.Index || first.Name == holder.Name {
		f.Fatalf("%s and %s are one", describe(first), describe(second))
	}
	a.wantQueue(held(holder), waiting(first), waiting(second))
}

func indicesGrow(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	var newest uint64
	for i := range 12 {
		request := anonymous()
		if i%3 != 0 {
			request = valued("v")
		}
		g := gateways[i%2]
		e := g.hold(request)
		if e.Index <= newest {
			f.Fatalf("index %d after %d", e.Index, newest)
		}
		newest = e.Index
		if i%2 == 0 {
			gateways[2].release(e)
		} else {
			g.withdraw(e)
		}
	}
}

func sameValueGreaterIndex(f *fixture) {
	a, b := f.open(), f.open()
	first := a.hold(valued("v"))
	a.release(first)
	second := b.hold(valued("v"))
	if second.Index <= first.Index {
		f.Fatalf("%s, then %s", describe(first), describe(second))
	}
	if other := a.queue(valued("w")); other.Name == second.Name {
		f.Fatalf("two values have the name %s", other.Name)
	}
}

func contendedIsOnlyAHint(f *fixture) {
	a, b := f.open(), f.open()
	hinted := func(a store.Acquire) store.Acquire {
		a.Contended = true
		return a
	}

	// Wrong: the lock is free. It is granted, or it can be.
	e := a.acquire(hinted(anonymous())).Entry
	if !e.Held {
		e = a.grant(e, long)
	}
	a.release(e)
	e = a.hold(hinted(try(valued("v"))))

	// Right, in every way in which an Acquire can end.
	if got := a.acquire(hinted(valued("v"))); got.Entry.Index != e.Index || !got.Entry.Held || !got.Renewed {
		f.Fatalf("renewing %s returned %s, renewed %t", describe(e), describe(got.Entry), got.Renewed)
	}
	b.wantTaken(hinted(try(anonymous())))
	w := b.queue(hinted(valued("w")))
	if joined := a.queue(hinted(valued("w"))); joined.Index != w.Index {
		f.Fatalf("joining %s returned %s", describe(w), describe(joined))
	}
	n := a.queue(hinted(anonymous()))
	b.wantQueue(held(e), waiting(w), waiting(n))
}

// racers calls do from some goroutines on each of some gateways, all at once.
func (f *fixture) racers(gateways []gateway, each int, do func(g gateway)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, g := range gateways {
		for range each {
			wg.Go(func() {
				<-start
				do(g)
			})
		}
	}
	close(start)
	wg.Wait()
}

func racingTries(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	for range 10 {
		var mu sync.Mutex
		var winners []store.Entry
		ctx := f.ctx()
		f.racers(gateways, 4, func(g gateway) {
			got, err := g.Acquire(ctx, f.key, try(anonymous()))
			switch {
			case err == nil:
				mu.Lock()
				winners = append(winners, got.Entry)
				mu.Unlock()
			case !errors.Is(err, store.ErrTaken):
				f.Errorf("Acquire: %v", err)
			}
		})
		if len(winners) != 1 || !winners[0].Held {
			f.Fatalf("winners are\n%s", describeAll(winners))
		}
		gateways[0].wantQueue(held(winners[0]))
		gateways[0].release(winners[0])
	}
}

func racingRequests(f *fixture) {
	gateways := []gateway{f.open(), f.open(), f.open()}
	var mu sync.Mutex
	got := make(map[uint64]store.Entry)
	ctx := f.ctx()
	f.racers(gateways, 8, func(g gateway) {
		acquired, err := g.Acquire(ctx, f.key, anonymous())
		if err != nil {
			f.Errorf("Acquire: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got[acquired.Entry.Index] = acquired.Entry
	})
	entries := gateways[0].list().Entries
	if len(entries) != 24 || len(got) != 24 {
		f.Fatalf("%d entries and %d indices for 24 requests", len(entries), len(got))
	}
	for i, e := range entries {
		if e.Held != (i == 0) || got[e.Index].Held != e.Held || got[e.Index].Name != e.Name {
			f.Fatalf("number %d is %s, acquired as %s", i, describe(e), describe(got[e.Index]))
		}
	}
}
