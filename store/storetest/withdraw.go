package storetest

import "github.com/caddy-etcd/caddy-etcd/store"

var withdrawTests = []test{
	{"UndeliveredHoldGoesAtOnce_I4", undeliveredHoldGoes},
	{"UndeliveredGrantGoesAtOnce_I4", undeliveredGrantGoes},
	{"HoldThatAnotherGatewayToldOfStays_I1", holdThatAnotherToldOfStays},
	{"GrantThatAnotherGatewayToldOfStays_I1", grantThatAnotherToldOfStays},
	{"HoldThatAnotherGatewayWaitsForStays_I5", holdThatAnotherWaitsForStays},
	{"GoneEntryIsWithdrawnWithoutError_I10", goneEntryIsWithdrawn},
	{"OldEntryIsNotWithdrawnInPlaceOfANewer_I7", oldEntryIsNotWithdrawn},
	{"StrangerWithdrawsNothing_I7", strangerWithdrawsNothing},
	{"WithdrawWithoutIndexEndsWhatIsThere_I10", withdrawWithoutIndex},
	{"WithdrawWithoutIndexSparesOtherParties_I7", withdrawWithoutIndexSparesOthers},
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
	if got := b.acquire(valued("v")); got.Renewed {
		f.Fatal("renewed a hold that this gateway had no part in")
	}
	b.withdraw(e) // could not deliver it
	a.wantQueue(held(e))

	b.acquire(valued("v"))
	a.withdraw(e)
	a.wantQueue(held(e))
	b.withdraw(e)
	a.wantQueue()
}

func grantThatAnotherToldOfStays(f *fixture) {
	a, b := f.open(), f.open()
	for _, order := range [][2]gateway{{a, b}, {b, a}} {
		holder := a.hold(anonymous())
		e := a.queue(valued("v"))
		b.queue(valued("v"))
		a.release(holder)
		a.grant(e, long)
		b.grant(e, long)
		order[0].withdraw(e)
		a.wantQueue(held(e))
		order[1].withdraw(e)
		a.wantQueue()
	}
}

func holdThatAnotherWaitsForStays(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	e := a.queue(valued("v"))
	b.queue(valued("v"))
	a.release(holder)
	a.grant(e, long)
	a.withdraw(e) // could not deliver it, but the other gateway may yet
	b.wantQueue(held(e))
	b.grant(e, long)
	b.wantQueue(held(e))
	b.withdraw(e)
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
		e.Ref = nil
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
		b.withdraw(e)
		b.withdraw(store.Entry{Name: e.Name, Value: e.Value, HasValue: e.HasValue})
	}
	a.wantQueue(held(holder), waiting(w), waiting(v))
}

func withdrawWithoutIndex(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	for _, request := range []store.Acquire{anonymous(), valued("v")} {
		e := a.queue(request)
		owed := store.Entry{Name: e.Name, Value: e.Value, HasValue: e.HasValue}
		a.withdraw(owed)
		a.wantQueue(held(holder))
		a.withdraw(owed) // nothing is there
		a.wantQueue(held(holder))
	}

	// The gateway can go on as before.
	e := a.queue(valued("v"))
	a.wantQueue(held(holder), waiting(e))
}

func withdrawWithoutIndexSparesOthers(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	e := a.queue(valued("v"))
	b.queue(valued("v"))
	other := a.queue(anonymous())
	a.withdraw(store.Entry{Name: e.Name, Value: e.Value, HasValue: e.HasValue})
	b.wantQueue(held(holder), waiting(e), waiting(other))
}
