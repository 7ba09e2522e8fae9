package storetest

import "github.com/caddy-etcd/caddy-etcd/store"

var withdrawTests = []test{
	{"UndeliveredHoldGoesAtOnce_I4", undeliveredHoldGoes},
	{"UndeliveredGrantGoesAtOnce_I4", undeliveredGrantGoes},
	{"HoldThatAnotherGatewayToldOfStays_I1", holdThatAnotherToldOfStays},
	{"GrantThatAnotherGatewayToldOfStays_I1", grantThatAnotherToldOfStays},
	{"HoldThatAnotherGatewayWaitsForStays_I5", holdThatAnotherWaitsForStays},
	{"EntryFromBeforeJoiningIsWithdrawn_I4", entryFromBeforeJoining},
	{"GoneEntryIsWithdrawnWithoutError_I10", goneEntryIsWithdrawn},
	{"OldEntryIsNotWithdrawnInPlaceOfANewer_I7", oldEntryIsNotWithdrawn},
	{"StrangerWithdrawsNothing_I7", strangerWithdrawsNothing},
}

func undeliveredHoldGoes(f *fixture) {
	a, b := f.open(), f.open()
	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		e := a.hold(request)
		next := b.queue(anonymous())
		a.withdraw(e)
		b.wantQueue(waiting(next))
		b.withdraw(next)
	}
}

func undeliveredGrantGoes(f *fixture) {
	a, b := f.open(), f.open()
	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		holder := b.hold(anonymous())
		e := a.queue(request)
		b.release(holder)
		granted := a.grant(e, long)
		a.withdraw(granted)
		b.wantQueue()

		// The same with the entry as it was when it waited.
		holder = b.hold(anonymous())
		e = a.queue(request)
		b.release(holder)
		a.grant(e, long)
		a.withdraw(e)
		b.wantQueue()
	}
}

func holdThatAnotherToldOfStays(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	got := b.acquire(valued("v"))
	if got.Renewed {
		f.Fatal("renewed a hold that this gateway had no part in")
	}
	b.withdraw(got.Entry) // could not deliver it
	a.wantQueue(held(e))

	got = b.acquire(valued("v"))
	a.withdraw(e)
	a.wantQueue(held(e))
	b.withdraw(got.Entry)
	a.wantQueue()
}

func grantThatAnotherToldOfStays(f *fixture) {
	a, b := f.open(), f.open()
	for _, order := range [][2]gateway{{a, b}, {b, a}} {
		holder := a.hold(anonymous())
		place := map[gateway]store.Entry{a: a.queue(valued("v"))}
		place[b] = b.queue(valued("v"))
		a.release(holder)
		a.grant(place[a], long)
		b.grant(place[b], long)
		order[0].withdraw(place[order[0]])
		a.wantQueue(held(place[a]))
		order[1].withdraw(place[order[1]])
		a.wantQueue()
	}
}

func holdThatAnotherWaitsForStays(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	e := a.queue(valued("v"))
	joined := b.queue(valued("v"))
	a.release(holder)
	a.grant(e, long)
	a.withdraw(e) // could not deliver it, but the other gateway may yet
	b.wantQueue(held(e))
	granted := b.grant(joined, long)
	b.wantQueue(held(e))
	b.withdraw(granted)
	b.wantQueue()
}

// entryFromBeforeJoining: a caller's picture of the entry may be older than its own
// part in it.
func entryFromBeforeJoining(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(valued("holder"))
	e := a.queue(valued("v"))
	knownHolder, known := b.find(holder), b.find(e)
	b.acquire(valued("holder"))
	b.queue(valued("v"))
	a.withdraw(e)
	a.withdraw(holder)
	b.wantQueue(held(holder), waiting(e))
	b.withdraw(known)
	b.wantQueue(held(holder))
	b.withdraw(knownHolder)
	b.wantQueue()
}

func goneEntryIsWithdrawn(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	w, v := a.queue(anonymous()), a.queue(valued("v"))
	for _, e := range []store.Entry{w, v, holder} {
		b.release(e)
		a.withdraw(e)
		a.withdraw(e)
	}
	a.wantQueue()
}

func oldEntryIsNotWithdrawn(f *fixture) {
	a, b := f.open(), f.open()
	old := a.hold(valued("v"))
	b.release(old)
	newer := a.hold(valued("v"))
	a.withdraw(old)
	a.wantQueue(held(newer))

	holder := newer
	old = a.queue(valued("w"))
	b.release(old)
	newer = a.queue(valued("w"))
	a.withdraw(old)
	a.wantQueue(held(holder), waiting(newer))
}

func strangerWithdrawsNothing(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(valued("holder"))
	w, v := a.queue(anonymous()), a.queue(valued("v"))
	for _, e := range []store.Entry{holder, w, v} {
		b.withdraw(b.find(e))
	}
	a.wantQueue(held(holder), waiting(w), waiting(v))
}
