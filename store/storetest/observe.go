package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	wait "github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
)

var observeTests = []test{
	{"ObserverIsToldOfEveryChangeInItsScope", observerIsToldOfEveryChange},
	{"ObserverSeesAHandoverAtOnce_I1", observerSeesHandover},
	{"ObserverIsToldWhatIsLeft_I6", observerIsToldWhatIsLeft},
	{"ObserverMayWriteWhileItIsTold", observerMayWrite},
	{"ObserverEndsWithItsContext", observerEndsWithItsContext},
	{"ManyObserversSeeTheSame", manyObservers},
	{"SlowObserverMissesNothing", slowObserver},
}

// untilAll polls until the observer's picture went through everything that the
// test saw in etcd, in that order. There may be more in between: a driver may need
// two writes for one call.
func (o *observer) untilAll(pictures []picture) {
	o.f.Helper()
	_, first := o.begin()
	wait.Until(o.f.T, patience, func() error {
		// How it looks at the end, it may also have looked on the way there.
		now, calls := first, o.seen()
		for i, p := range pictures {
			for !o.f.same(now, p.within(o.scope)) {
				if len(calls) == 0 {
					return fmt.Errorf("the observer of %+v missed number %d, or it came out of order:\n%v", o.scope, i, p)
				}
				now, calls = calls[0].after, calls[1:]
			}
		}
		return nil
	})
}

func observerIsToldOfEveryChange(f *fixture) {
	a, b := f.open(), f.open()
	names := []string{"a", "a/1", "a/2", "a0", "b"}
	start := a.at("a/1").hold(valued("from before"))
	var observers []*observer
	for _, s := range []store.Scope{
		everything,
		{Space: "lock", Name: "a/", Prefix: true},
		{Space: "lock", Name: "a", Prefix: true},
		{Space: "lock", Name: "a/1"},
		{Space: "lock", Name: "a"},
		{Space: "lock", Name: "b", Prefix: true},
	} {
		observers = append(observers, f.observe(b, s, 0))
		observers[len(observers)-1].begin()
	}
	elsewhere := f.observe(b, store.Scope{Space: "leader", Prefix: true}, 0)
	elsewhere.begin()
	pictures := []picture{a.picture(names...)}
	note := func() { pictures = append(pictures, a.picture(names...)) }

	for _, name := range names {
		a, b := a.at(name), b.at(name)
		if name == "a/1" {
			a.releases(byIndex(start))
			note()
		}
		_, v, n := everyChange(a, b, note)
		if name != "a0" { // some stay
			a.withdraw(v)
			note()
			b.withdraw(n)
			note()
		}
	}
	for _, o := range observers {
		o.untilAll(pictures)
	}
	for _, c := range elsewhere.seen() {
		if len(c.changes) > 0 {
			f.Fatalf("the observer of another space saw %+v", c)
		}
	}
}

func observerSeesHandover(f *fixture) {
	if !f.Handover {
		f.Skip("the driver can't")
	}
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first := a.queue(valued("v"))
	o := f.observe(b, everything, 0)
	from, _ := o.begin()
	granted := a.releaseTo(holder, a.next(first))
	a.wantHandover(granted, first)

	late := f.observe(b, exactly(f.key), from)
	for _, o := range []*observer{o, late} {
		_, in := o.untilGone(patience, f.key.Name, holder)
		if len(in.changes) != 2 || !in.changes[0].Deleted || in.changes[0].Expired {
			f.Fatalf("release and grant were told as %+v", in.changes)
		}
		if c := in.changes[1]; c.Deleted || c.Renewed || !c.Entry.Held || c.Entry.Index != first.Index || c.Entry.TTL != long {
			f.Fatalf("release and grant were told as %+v", in.changes)
		}
	}
}

func observerIsToldWhatIsLeft(f *fixture) {
	a, b := f.open(), f.open()
	o := f.observe(b, everything, 0)
	o.begin()
	begun := time.Now()
	holder := a.hold(valued("v"))
	w := b.queue(anonymous())
	is := func(e store.Entry, held bool) func(store.Change) bool {
		return func(c store.Change) bool {
			return !c.Deleted && c.Entry.Index == e.Index && c.Entry.Held == held
		}
	}
	c, in := o.untilChange(patience, "the hold", is(holder, true))
	f.wantTTL(c.Entry, long, in.at.Sub(begun))
	o.untilChange(patience, "the one who waits", is(w, false))
	a.release(holder)
	begun = time.Now()
	b.grant(w, 2*long)
	c, in = o.untilChange(patience, "the grant", is(w, true))
	f.wantTTL(c.Entry, 2*long, in.at.Sub(begun))
}

// observerMayWrite: a caller may use the store from start and apply, and take its
// time.
func observerMayWrite(f *fixture) {
	a := f.open()
	holder := a.hold(anonymous())
	w := a.queue(valued("v"))
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	var failed error
	err := a.Observe(ctx, everything, 0,
		func(uint64, []store.Queue) {
			_, err := a.Release(ctx, f.key, byIndex(holder), nil)
			failed = errors.Join(failed, err)
		},
		func(_ uint64, changes []store.Change) {
			a.Revision()
			switch {
			case slices.ContainsFunc(changes, func(c store.Change) bool { return c.Deleted && c.Entry.Name == holder.Name }):
				_, err := a.Grant(ctx, f.key, w, store.Ahead{Name: holder.Name, Index: holder.Index}, long)
				failed = errors.Join(failed, err)
			case slices.ContainsFunc(changes, func(c store.Change) bool { return c.Entry.Held && c.Entry.Index == w.Index }):
				cancel()
			}
		})
	f.must(err, "Observe")
	f.must(failed, "writing from within start and apply")
	a.wantQueue(held(w))
}

func observerEndsWithItsContext(f *fixture) {
	a := f.open()
	o := f.observe(a, everything, 0)
	from, _ := o.begin()
	e := a.hold(anonymous())
	o.until(picture{f.key.Name: {held(e)}})
	o.stop()
	if err := o.wait(); err != nil {
		f.Fatalf("Observe returned %v when its context ended", err)
	}
	a.queue(anonymous())
	a.queue(anonymous())

	// Nothing more is told, even of what has happened already.
	for _, when := range []string{"before", "in start", "in apply"} {
		ctx, cancel := context.WithCancel(f.Context())
		calls := 0
		end := func(now string) {
			calls++
			if now == when {
				cancel()
			}
		}
		end("before")
		err := a.Observe(ctx, everything, from,
			func(uint64, []store.Queue) { end("in start") },
			func(uint64, []store.Change) { end("in apply") })
		if want := slices.Index([]string{"before", "in start", "in apply"}, when) + 1; err != nil || calls != want {
			f.Fatalf("Observe whose context ended %s made %d calls, and returned %v", when, calls-1, err)
		}
		cancel()
	}

	// One with nothing to tell.
	idle := f.observe(a, store.Scope{Space: "lock", Name: "idle"}, 0)
	idle.begin()
	idle.stop()
	if err := idle.wait(); err != nil {
		f.Fatalf("Observe returned %v when its context ended", err)
	}
}

func manyObservers(f *fixture) {
	gateways := []gateway{f.open(), f.open()}
	names := []string{"a", "a/1", "b"}
	var observers []*observer
	observe := func(i int) {
		s := []store.Scope{everything, {Space: "lock", Name: "a", Prefix: true}, {Space: "lock", Name: "a/1"}}[i%3]
		observers = append(observers, f.observe(gateways[i%2], s, 0))
	}
	for i := range 20 {
		observe(i)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, g := range gateways {
		for _, name := range names {
			p := player{g: g.at(name), r: f.random()}
			wg.Go(func() {
				for range 10 {
					if err := p.step(); err != nil {
						f.Errorf("gateway %d: %v", i, err)
						return
					}
				}
			})
		}
	}
	for i := range 6 {
		observe(i)
	}
	wg.Wait()
	final := gateways[0].picture(names...)
	for _, o := range observers {
		o.until(final.within(o.scope))
	}
}

func slowObserver(f *fixture) {
	a := f.open()
	resume, began := make(chan struct{}), make(chan struct{})
	o := &observer{f: f, scope: everything}
	o.run(a, 0, func(revision uint64, queues []store.Queue) {
		o.start(0, revision, queues)
		close(began)
		<-resume // until everything has happened
	})
	<-began
	const holds = 100
	for range holds {
		a.release(a.hold(anonymous()))
	}
	last := a.hold(anonymous())
	close(resume)
	f.eventually(patience, "the slow observer saw everything, or ended", func() bool {
		select {
		case <-o.done:
			return true
		default:
			_, now := o.now()
			return f.same(now, picture{f.key.Name: {held(last)}})
		}
	})
	select {
	case <-o.done:
		f.wantErr(o.wait(), store.ErrCompacted, "Observe of what was too slow")
		return
	default:
	}
	made := 0
	for _, c := range o.seen() {
		for _, change := range c.changes {
			if !change.Deleted && change.Entry.Index == c.revision {
				made++
			}
		}
	}
	if made != holds+1 {
		f.Fatalf("saw %d entries of %d", made, holds+1)
	}
}
