package storetest

import (
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var successorTests = []test{
	{"ReleaseGrantsToTheSuccessor_I5", releaseGrants},
	{"ReleaseAndGrantAreOneRevision_I1", releaseAndGrantAreOne},
	{"SuccessorThatHasGoneIsNotGranted_I1", goneSuccessor},
	{"SuccessorThatWasMadeAnewIsNotGranted_I1", remadeSuccessor},
	{"SuccessorOfAWaitingEntryIsNotGranted_I1", successorOfWaiting},
	{"SuccessorOfNothingIsNotGranted_I1", successorOfNothing},
	{"UndeliveredSuccessorGoesAtOnce_I4", undeliveredSuccessor},
}

// next is the successor that a gateway would name: an entry as it knows it.
func (g gateway) next(e store.Entry) *store.Successor {
	g.f.Helper()
	return &store.Successor{Entry: g.find(e), TTL: long}
}

// releaseTo releases the holder, as the gateway knows it, with a successor.
func (g gateway) releaseTo(holder store.Entry, next *store.Successor) *store.Entry {
	g.f.Helper()
	granted, err := g.Release(g.f.ctx(), g.f.key, g.hint(holder), next)
	g.f.must(err, "Release")
	return granted
}

// wantHandover checks what a Release with a successor that fits has led to, and
// completes it with the Grant that the caller owes.
func (g gateway) wantHandover(granted *store.Entry, next store.Entry) store.Entry {
	g.f.Helper()
	switch {
	case !g.f.Handover:
		if granted != nil {
			g.f.Fatalf("granted %s in the release, which the driver can't", describe(*granted))
		}
	case granted == nil:
		g.f.Fatalf("did not grant %s in the release", describe(next))
	case granted.Index != next.Index || granted.Name != next.Name || !granted.Held || granted.TTL != long:
		g.f.Fatalf("granted %s, want %s", describe(*granted), describe(next))
	default:
		next = *granted
	}
	return g.grant(next, long)
}

func releaseGrants(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second, third := a.queue(anonymous()), a.queue(valued("v")), b.queue(anonymous())

	a.wantHandover(a.releaseTo(holder, a.next(first)), first)
	a.wantQueue(held(first), waiting(second), waiting(third))
	a.wantHandover(a.releaseTo(first, a.next(second)), second)
	b.wantQueue(held(second), waiting(third))

	// By value, and by index without a hint: granted or not, but nothing else.
	granted, err := b.Release(f.ctx(), f.key, byValue("v"), b.next(third))
	f.must(err, "Release")
	if granted != nil {
		b.wantQueue(held(third))
	} else {
		b.wantQueue(waiting(third))
	}
	b.grant(third, long)
	b.wantQueue(held(third))
}

func releaseAndGrantAreOne(f *fixture) {
	if !f.Handover {
		f.Skip("the driver can't")
	}
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first := a.queue(valued("v"))
	w := f.watch(b, f.key, a.list().Revision)
	a.wantHandover(a.releaseTo(holder, a.next(first)), first)
	w.until("the successor holds", func(batches []batch) bool { return len(batches) > 0 })
	events := w.seen()[0].events
	if len(events) != 2 {
		f.Fatalf("release and grant were seen as %+v", w.seen())
	}
	for _, e := range events {
		switch {
		case e.Deleted && e.Entry.Name == holder.Name:
		case !e.Deleted && e.Entry.Index == first.Index && e.Entry.Held && e.Entry.TTL == long:
		default:
			f.Fatalf("release and grant were seen as %+v", events)
		}
	}
}

func (g gateway) wantNoHandover(granted *store.Entry) {
	g.f.Helper()
	if granted != nil {
		g.f.Fatalf("granted %s", describe(*granted))
	}
}

func goneSuccessor(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(anonymous()), a.queue(anonymous())
	next := a.next(first)
	b.release(first)
	a.wantNoHandover(a.releaseTo(holder, next))
	a.wantQueue(waiting(second))
	a.grant(second, long)
	a.wantQueue(held(second))
}

func remadeSuccessor(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	old := a.queue(valued("v"))
	next := a.next(old)
	b.release(old)
	between := b.queue(anonymous())
	newer := a.queue(valued("v"))
	a.wantNoHandover(a.releaseTo(holder, next))
	a.wantQueue(waiting(between), waiting(newer))
}

func successorOfWaiting(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(anonymous()), a.queue(anonymous())
	a.wantNoHandover(a.releaseTo(first, a.next(second)))
	a.wantQueue(held(holder), waiting(second))

	// Nor does a head that never was granted have anything to hand over.
	third := a.queue(anonymous())
	a.release(holder)
	a.wantNoHandover(a.releaseTo(second, a.next(third)))
	a.wantQueue(waiting(third))
}

func successorOfNothing(f *fixture) {
	a, b := f.open(), f.open()
	old := a.hold(valued("v"))
	hint := a.hint(old)
	b.release(old)
	holder := b.hold(valued("v"))
	w := a.queue(anonymous())
	granted, err := a.Release(f.ctx(), f.key, hint, a.next(w))
	f.wantErr(err, store.ErrNotFound, "Release")
	a.wantNoHandover(granted)
	a.wantQueue(held(holder), waiting(w))
}

func undeliveredSuccessor(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second := a.queue(valued("v")), b.queue(anonymous())
	next := a.next(first)
	next.TTL = 30 * time.Second
	a.releaseTo(holder, next)
	a.withdraw(first)
	b.wantQueue(waiting(second))
	b.grant(second, long)
	b.wantQueue(held(second))
}
