package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var resumeTests = []test{
	{"ObserverGoesOnFromAnyRevision", observerGoesOn},
	{"ObserverOfThePastIsToldWhatIsLeftNow_I6", observerOfThePast},
	{"ObserverNeedsNoStart", observerNeedsNoStart},
}

// moment is a state that an observer has been told of.
type moment struct {
	revision uint64
	was      picture
	calls    int // how many it had been told by then
}

// moments are the states that an observer went through.
func (o *observer) moments() []moment {
	o.f.Helper()
	from, first := o.begin()
	all := []moment{{from, first, 0}}
	for i, c := range o.seen() {
		now := moment{c.revision, c.after, i + 1}
		if last := &all[len(all)-1]; last.revision == c.revision {
			*last = now
		} else {
			all = append(all, now)
		}
	}
	return all
}

// history is what an observer has been told after the first calls, to be compared:
// without renewals that have no revision, which are not told again, and without
// what is not certain to be the same.
func (o *observer) history(from moment) []string {
	o.f.Helper()
	var all []string
	last, was := from.revision, from.was
	for _, c := range o.seen()[from.calls:] {
		if c.revision > last {
			var lines []string
			for _, change := range c.changes {
				lines = append(lines, o.f.line(was, change))
			}
			slices.Sort(lines) // beside deletions first, there is no order
			if len(lines) > 0 {
				all = append(all, fmt.Sprint(c.revision, lines))
			}
		}
		last, was = c.revision, c.after
	}
	return all
}

// line is a change from what was there before.
func (f *fixture) line(before picture, c store.Change) string {
	if !c.Deleted {
		return fmt.Sprintf("%q: %s", c.Queue, describe(f.plain([]store.Entry{c.Entry})[0]))
	}
	how := ""
	if old, _ := before.find(c.Queue, c.Entry.Name); old.Held {
		how = fmt.Sprintf(", which was held (expired: %t)", c.Expired)
	}
	return fmt.Sprintf("%q: no %s any more%s", c.Queue, c.Entry.Name, how)
}

// observerGoesOn: from whatever revision that one observer was told of, another is
// told the same.
func observerGoesOn(f *fixture) {
	r := f.random()
	gateways := []gateway{f.open(), f.open()}
	names := []string{"a", "a/1", "b", "ü"}
	gateways[0].at("a").hold(valued("0"))
	o := f.observe(gateways[0], everything, 0)
	o.begin()
	for _, name := range []string{"short", "brief"} {
		gateways[1].at(name).hold(lasting(anonymous(), short)) // which end while the others go on
	}

	var wg sync.WaitGroup
	for i, g := range gateways {
		var players []*player
		for _, name := range names {
			players = append(players, &player{g: g.at(name), r: rand.New(rand.NewPCG(r.Uint64(), uint64(i)))})
		}
		wg.Go(func() {
			for n := range 60 {
				if err := players[(n+i)%len(players)].step(); err != nil {
					f.Errorf("gateway %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if f.Failed() {
		f.FailNow()
	}
	f.eventually(patience, "the short holds have ended", func() bool {
		return len(gateways[0].picture("short", "brief")) == 0
	})
	final := gateways[1].picture(names...)
	o.until(final)

	moments := o.moments()
	last := moments[len(moments)-1]
	r.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
	some := append(moments[:min(10, len(moments))], moment{o.from, o.first, 0}, last)
	scopes := []store.Scope{everything, {Space: "lock", Name: "a", Prefix: true}, {Space: "lock", Name: "b"}}
	for i, m := range some {
		f.Logf("after %d", m.revision)
		g, s := gateways[i%2], scopes[i%3]
		late := f.observe(g, s, m.revision)
		from, was := late.begin()
		f.wantPicture(was, m.was.within(s), fmt.Sprintf("the observer starts at %d, where another was, with", from))
		late.until(final.within(s))
		if s == everything {
			want, got := o.history(m), late.history(moment{revision: from, was: was})
			if !slices.Equal(got, want) {
				f.Fatalf("after %d, one observer was told\n%q\nand another\n%q", m.revision, want, got)
			}
		}
		late.stop()
	}
}

func observerOfThePast(f *fixture) {
	a, b := f.open(), f.open()
	longer, gone, fresh := a.at("longer"), a.at("gone"), a.at("fresh")
	e := longer.hold(valued("v"))
	w := longer.queue(anonymous())
	x := gone.hold(valued("v"))
	y := gone.queue(anonymous())
	was := a.picture("longer", "gone")
	o := f.observe(a, everything, 0)
	at, _ := o.begin()

	begun := time.Now()
	longer.renew(byIndex(e), 2*long)
	gone.release(x)
	gone.grant(y, long)
	z := fresh.hold(anonymous())
	late := f.observe(b, everything, at)
	_, now := late.begin()
	f.wantPicture(now, was, "the observer of the past starts with")
	then, _ := now.find("longer", e.Name)
	if then.Left < 2*long-time.Since(begun)-coarse || then.Left > 2*long {
		f.Fatalf("what was held for %v, and is for %v now, starts as %s", long, 2*long, describe(then))
	}
	if then, _ = now.find("gone", x.Name); then.Left != 0 {
		f.Fatalf("what has gone since starts as %s", describe(then))
	}
	final := picture{"longer": {f.lasting(e, 2*long), w}, "gone": {f.lasting(y, long)}, "fresh": {z}}
	late.until(final)
	o.until(final)
}

// lasting is the entry when it is held for ttl.
func (f *fixture) lasting(e store.Entry, ttl time.Duration) store.Entry {
	e.Held, e.TTL = true, ttl
	return e
}

func observerNeedsNoStart(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(valued("v"))
	w := a.queue(anonymous())
	at, known := f.observe(a, everything, 0).begin()
	a.release(e)
	var observers []*observer
	for _, g := range []gateway{a, b} {
		observers = append(observers, f.observeFrom(g, everything, at, known), f.observeFrom(g, exactly(f.key), at, known))
	}
	b.release(w)
	last := b.hold(valued("v"))
	for _, o := range observers {
		o.until(picture{f.key.Name: {held(last)}})
	}

	// From now on, whatever there is.
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	var told atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- a.Observe(ctx, everything, 0, nil, func(_ uint64, changes []store.Change) {
			if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Queue == "other" }) {
				told.Store(true)
				cancel()
			}
		})
	}()
	f.eventually(patience, "the observer was told of something new", func() bool {
		b.at("other").release(b.at("other").hold(anonymous()))
		return told.Load()
	})
	f.must(<-done, "Observe without start")
}
