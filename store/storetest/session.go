package storetest

import (
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var sessionTests = []test{
	{"DeadGatewaysWaitersGo_I4", deadGatewaysWaitersGo},
	{"DeadGatewayLeavesWhatOthersWaitFor_I7", deadGatewayLeavesShared},
	{"DeadGatewayLeavesWhatIsHeld_I1", deadGatewayLeavesHeld},
	{"DeadGatewayLeavesWhatAnotherWasGranted_I1", deadGatewayLeavesGranted},
	{"DeadGatewayDoesNotKeepAnUndeliveredGrant_I4", deadGatewayKeepsNoGrant},
	{"AllGatewaysOfASharedEntryDying_I4", allDie},
	{"LivingGatewaysWaitersStay_I5", livingGatewaysWaitersStay},
	{"ExpiredSessionTakesItsWaiters_I5", expiredSession},
	{"ExpiredSessionLeavesWhatOthersWaitFor_I7", expiredSessionLeavesShared},
	{"ExpiredSessionLeavesWhatIsHeld_I1", expiredSessionLeavesHeld},
	{"HoldThatTheLivingGaveUpExpiredForTheDead_I5", givenUpExpired},
	{"EntryThatTheLivingGaveUpExpiredForTheDead_I5", givenUpWaitingExpired},
	{"EntryThatSomebodyReleasedDidNotExpire", releasedDidNotExpire},
	{"HoldThatRanOutUnseenExpired_I5", ranOutUnseen},
}

// needKill skips the test where gateways can't be killed.
func (f *fixture) needKill() {
	if f.Harness.Kill == nil {
		f.Skip("the harness can't")
	}
}

func (f *fixture) needExpire() {
	if f.Harness.Expire == nil {
		f.Skip("the harness can't")
	}
}

func (g gateway) kill() { g.f.Harness.Kill(g.f.T, g.Store) }

func (g gateway) expire() { g.f.Harness.Expire(g.f.T, g.Store) }

// lapse ends the gateway's session while it is cut off, so that it can't show itself alive
// again before meanwhile is over. Then it is back.
func (g gateway) lapse(meanwhile func()) {
	g.f.Cut(g.f.T, g.Store, true)
	g.expire()
	meanwhile()
	g.f.Cut(g.f.T, g.Store, false)
	g.f.eventually(patience, "the gateway is back", func() bool {
		_, err := g.List(g.f.ctx(), g.f.key, 0)
		return err == nil
	})
}

// untilSessionEnds polls until an entry that lives by a session has gone with it.
func (g gateway) untilSessionEnds(e store.Entry) {
	g.f.Helper()
	g.f.eventually(g.f.SessionTTL+patience, describe(e)+" went with its session", func() bool { return !g.has(e) })
}

func deadGatewaysWaitersGo(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	holder := a.hold(anonymous())
	w := f.watch(a, f.key, a.list().Revision)
	first, v := b.queue(anonymous()), b.queue(valued("v"))
	stays := a.queue(anonymous())
	b.kill()
	killed := time.Now()
	for _, e := range []store.Entry{first, v} {
		if after := f.clock.Ran(killed, w.untilGone(f.SessionTTL+patience, e)); after > f.SessionTTL+2*slack {
			f.Errorf("%s went after %v, want %v at most", describe(e), after, f.SessionTTL)
		}
	}
	a.wantQueue(held(holder), waiting(stays))
	a.release(holder)
	a.grant(stays, long)
}

func deadGatewayLeavesShared(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	holder := a.hold(anonymous())
	f.watch(a, f.key, a.list().Revision)
	b.queue(valued("made")) // the dead gateway made it
	made := a.queue(valued("made"))
	joined := a.queue(valued("joined")) // the dead gateway joined it
	b.queue(valued("joined"))
	sign := b.queue(anonymous())
	b.kill()
	a.untilSessionEnds(sign)
	a.wantQueue(held(holder), waiting(made), waiting(joined))

	// The dead are no parties any more.
	a.withdraw(joined)
	a.wantQueue(held(holder), waiting(made))
	a.release(holder)
	a.grant(made, long)
	a.wantQueue(held(made))
}

func deadGatewayLeavesHeld(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	e := b.hold(valued("v"))
	sign := b.queue(anonymous())
	b.kill()
	a.untilSessionEnds(sign)
	a.wantQueue(held(e))
	got := a.acquire(valued("v"))
	if got.Entry.Index != e.Index || got.Renewed {
		f.Fatalf("acquiring a dead gateway's hold returned %s, renewed %t", describe(got.Entry), got.Renewed)
	}
	a.withdraw(got.Entry)
	a.wantQueue(held(e)) // the dead gateway may have told its client
}

// deadGatewayLeavesGranted: the dead gateway waited for the entry until it was
// granted to another, and never learned of that.
func deadGatewayLeavesGranted(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	holder := a.hold(anonymous())
	b.queue(valued("v"))
	e := a.queue(valued("v"))
	sign := b.queue(anonymous())
	a.release(holder)
	a.grant(e, long)
	b.kill()
	a.untilSessionEnds(sign)
	a.wantQueue(held(e))
	a.withdraw(e)
	a.wantQueue()
}

func deadGatewayKeepsNoGrant(f *fixture) {
	f.needKill()
	a, b := f.open(), f.openDoomed()
	holder := a.hold(anonymous())
	f.watch(a, f.key, a.list().Revision)
	e := a.queue(valued("v"))
	b.queue(valued("v"))
	sign := b.queue(anonymous())
	b.kill()
	a.untilSessionEnds(sign)
	a.release(holder)
	a.grant(e, long)
	a.withdraw(e) // could not deliver it, and the other party is dead
	a.wantQueue()
}

func allDie(f *fixture) {
	f.needKill()
	a, b, c := f.open(), f.openDoomed(), f.openDoomed()
	holder := a.hold(anonymous())
	e := b.queue(valued("v"))
	c.queue(valued("v"))
	b.kill()
	c.kill()
	a.untilSessionEnds(e)
	a.wantQueue(held(holder))
}

func livingGatewaysWaitersStay(f *fixture) {
	f.needKill() // to know when a session would have ended
	a, b := f.open(), f.openDoomed()
	f.watch(a, f.key, a.list().Revision)
	holder := a.hold(anonymous())
	n, v := a.queue(lasting(anonymous(), time.Second)), a.queue(valued("v"))
	for range 2 { // what is of session age twice is not there by luck
		sign := b.queue(anonymous())
		b.kill()
		a.untilSessionEnds(sign)
		b = f.openDoomed()
	}
	b.kill()
	a.wantQueue(held(holder), waiting(n), waiting(v))
	a.release(holder)
	a.grant(n, long)
}

// wantExpired asks why an entry has gone.
func (g gateway) wantExpired(e store.Entry, want bool) {
	g.f.Helper()
	got, err := g.Expired(g.f.ctx(), g.f.key, e)
	g.f.must(err, "Expired")
	if got != want {
		g.f.Fatalf("Expired says %t of %s, want %t", got, describe(e), want)
	}
}

func expiredSession(f *fixture) {
	f.needExpire()
	a, b := f.open(), f.open()
	holder := b.hold(anonymous())
	n, v := a.queue(anonymous()), a.queue(valued("v"))
	stays := b.queue(anonymous())
	n, v = a.find(n), a.find(v)
	a.expire()
	b.untilSessionEnds(n)
	b.untilSessionEnds(v)
	b.wantQueue(held(holder), waiting(stays))
	a.wantExpired(n, true)
	a.wantExpired(v, true)
	a.wantNoGrant(n, store.Ahead{}, store.ErrNotFound)
	a.withdraw(n)
	a.withdraw(v)

	// The gateway goes on with a new session, and its clients get new places.
	again, next := a.queue(valued("v")), a.queue(anonymous())
	if again.Index <= v.Index {
		f.Fatalf("%s came after %s", describe(again), describe(v))
	}
	b.wantQueue(held(holder), waiting(stays), waiting(again), waiting(next))
	b.release(holder)
	b.release(stays)
	a.grant(again, long)
	a.withdraw(again)
	b.wantQueue(waiting(next))
}

func expiredSessionLeavesShared(f *fixture) {
	f.needExpire()
	a, b := f.open(), f.open()
	holder := b.hold(anonymous())
	f.watch(b, f.key, b.list().Revision)
	e := a.queue(valued("v"))
	joined := b.queue(valued("v"))
	sign := a.queue(anonymous())
	a.expire()
	b.untilSessionEnds(sign)
	b.wantQueue(held(holder), waiting(e))

	// The gateway takes part again when it asks.
	got := a.queue(valued("v"))
	if got.Index != e.Index {
		f.Fatalf("the place was %s and is %s", describe(e), describe(got))
	}
	b.withdraw(joined)
	b.wantQueue(held(holder), waiting(e))
	a.withdraw(got)
	b.wantQueue(held(holder))
}

func expiredSessionLeavesHeld(f *fixture) {
	f.needExpire()
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	sign := a.queue(anonymous())
	a.expire()
	b.untilSessionEnds(sign)
	b.wantQueue(held(e))
	a.renew(byIndex(e), 2*long)
	a.releases(byIndex(e))
	b.wantQueue()
}

// givenUpExpired: a gateway's session ends while it waits for an entry that another is granted.
// When that one can't tell its client, the entry goes, by nobody's hand.
func givenUpExpired(f *fixture) {
	f.needExpire()
	f.needCut()
	a, b := f.open(), f.open()
	holder := b.hold(anonymous())
	a.queue(valued("v"))
	e := b.queue(valued("v"))
	sign := a.queue(anonymous())
	waited := a.find(e)
	b.release(holder)
	granted := b.grant(e, long)
	saw := a.find(e)
	a.lapse(func() {
		b.untilSessionEnds(sign)
		b.withdraw(granted)
		b.wantQueue()
	})
	a.wantExpired(saw, true)
	a.wantExpired(waited, true)
}

// givenUpWaitingExpired: a gateway's session ends while it waits for an entry together with
// another one, which gives it up. It may hear of that at once.
func givenUpWaitingExpired(f *fixture) {
	f.needExpire()
	f.needCut()
	a, b := f.open(), f.open()
	holder := b.hold(anonymous())
	a.queue(valued("v"))
	e := b.queue(valued("v"))
	sign := a.queue(anonymous())
	waited := a.find(e)
	a.lapse(func() {
		b.untilSessionEnds(sign)
		b.withdraw(e)
		b.wantQueue(held(holder))
	})
	a.wantExpired(waited, true)
}

func releasedDidNotExpire(f *fixture) {
	a, b := f.open(), f.open()
	holder := b.hold(anonymous())
	for _, target := range []func(store.Entry) store.Target{byIndex, b.hint, func(e store.Entry) store.Target {
		if e.HasValue {
			return byValue(e.Value)
		}
		return byIndex(e)
	}} {
		n, v, shared := a.queue(anonymous()), a.queue(valued("v")), a.queue(valued("shared"))
		b.queue(valued("shared"))
		n, v, shared = a.find(n), a.find(v), a.find(shared)
		for _, e := range []store.Entry{n, v, shared} {
			b.releases(target(e))
			a.wantExpired(e, false)
		}
		b.wantExpired(shared, false)
		b.wantQueue(held(holder))
	}
}

// ranOutUnseen: what a gateway waits for is granted, by whomever, and nobody tells it so before
// the TTL is over. When it looks again, nothing is there, and nobody has done that.
func ranOutUnseen(f *fixture) {
	f.needLose()
	a, b := f.open(), f.open()
	all := map[string]func(holder, e store.Entry) store.Entry{
		"another gateway grants it": func(holder, e store.Entry) store.Entry {
			b.release(holder)
			b.grant(b.queue(valued("v")), short)
			return e
		},
		"the answer to a grant is lost": func(holder, e store.Entry) store.Entry {
			b.release(holder)
			f.eventually(patience, "it is granted", func() bool { // which may take more than one write
				f.Lose(f.T, a.Store, LostAnswer)
				got, err := a.Grant(f.ctx(), f.key, e, store.Ahead{}, short)
				if errors.Is(err, store.ErrNotFound) {
					return true // it was granted, and is over already
				}
				f.wantErr(err, store.ErrUnknown, "Grant")
				if got.Name != "" {
					e = got
				}
				return b.list().Holder().Index == e.Index
			})
			return e
		},
	}
	if f.Handover {
		all["the answer to a release is lost"] = func(holder, e store.Entry) store.Entry {
			f.Lose(f.T, a.Store, LostAnswer)
			_, err := a.Release(f.ctx(), f.key, a.hint(holder), &store.Successor{Entry: e, TTL: short})
			if err != nil { // else the driver has made out that the holder is gone
				f.wantErr(err, store.ErrUnknown, "Release")
			}
			return e
		}
	}
	for how, grant := range all {
		for _, request := range []store.Acquire{valued("v"), anonymous()} {
			if how == "another gateway grants it" && !request.HasValue {
				continue // it has no part in it
			}
			f.Logf("%s, value %q", how, request.Value)
			holder := b.hold(anonymous())
			e := a.queue(request)
			e = grant(holder, a.find(e))
			f.eventually(short+patience, "its TTL is over", func() bool { return len(b.list().Entries) == 0 })
			a.wantExpired(e, true)
		}
	}
}
