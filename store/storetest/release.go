package storetest

import "github.com/caddy-etcd/caddy-etcd/store"

var releaseTests = []test{
	{"ReleaseByIndex", releaseByIndex},
	{"ReleaseByValue", releaseByValue},
	{"ReleaseOfWhatIsNotThere", releaseOfNothing},
	{"ReleaseWhoeverTheParties", releaseWhoeverTheParties},
	{"ReleaseWithAHint", releaseWithAHint},
	{"WrongHintReleasesNothingElse_I1", wrongHint},
	{"OldIndexDoesNotReleaseANewerEntry_I1", oldIndex},
}

func byIndex(e store.Entry) store.Target          { return store.Target{Index: e.Index} }
func byValue(value string) store.Target           { return store.Target{Value: value} }
func hinted(e store.Entry) store.Target           { return store.Target{Index: e.Index, Hint: &e} }
func (g gateway) releases(t store.Target)         { g.f.Helper(); g.wantRelease(t, nil) }
func (g gateway) notFound(t store.Target)         { g.f.Helper(); g.wantRelease(t, store.ErrNotFound) }
func (g gateway) hint(e store.Entry) store.Target { g.f.Helper(); return hinted(g.find(e)) }

// wantRelease releases without a successor.
func (g gateway) wantRelease(t store.Target, want error) {
	g.f.Helper()
	granted, err := g.Release(g.f.ctx(), g.f.key, t, nil)
	g.f.wantErr(err, want, "Release")
	if granted != nil {
		g.f.Fatalf("Release without a successor granted %s", describe(*granted))
	}
}

func releaseByIndex(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	first, second, third := a.queue(valued("v")), a.queue(anonymous()), b.queue(anonymous())
	b.releases(byIndex(second))
	b.wantQueue(held(holder), waiting(first), waiting(third))
	b.releases(byIndex(holder))
	b.wantQueue(waiting(first), waiting(third))
	b.releases(byIndex(first))
	b.wantQueue(waiting(third))

	// An entry that is alone.
	b.releases(byIndex(third))
	b.wantQueue()
	alone := a.hold(anonymous())
	b.releases(byIndex(alone))
	b.wantQueue()
}

func releaseByValue(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(valued("holder"))
	v, empty, nobody := a.queue(valued("v")), a.queue(valued("")), a.queue(anonymous())
	b.releases(byValue("v"))
	b.wantQueue(held(holder), waiting(empty), waiting(nobody))
	b.releases(byValue(""))
	b.wantQueue(held(holder), waiting(nobody))
	b.releases(byValue("holder"))
	b.wantQueue(waiting(nobody))
	for _, value := range []string{"v", "", "holder", nobody.Name, v.Name} {
		b.notFound(byValue(value))
	}
	b.wantQueue(waiting(nobody))
}

func releaseOfNothing(f *fixture) {
	a := f.open()
	a.notFound(byIndex(store.Entry{Index: 1}))
	a.notFound(byIndex(store.Entry{Index: 1 << 62}))
	a.notFound(byValue("v"))

	e := a.hold(valued("v"))
	a.notFound(byIndex(store.Entry{Index: e.Index - 1}))
	a.notFound(byIndex(store.Entry{Index: e.Index + 1}))
	a.notFound(byValue("w"))
	a.wantQueue(held(e))

	w := a.queue(anonymous())
	a.releases(byIndex(e))
	a.notFound(byIndex(e))
	a.notFound(byValue("v"))
	a.wantQueue(waiting(w))
}

func releaseWhoeverTheParties(f *fixture) {
	a, b, c := f.open(), f.open(), f.open()
	holder := a.hold(valued("holder"))
	told := b.acquire(valued("holder"))
	w := a.queue(valued("w"))
	joined := b.queue(valued("w"))
	c.releases(byIndex(w))
	c.wantQueue(held(holder))
	c.releases(byValue("holder"))
	c.wantQueue()

	// The parties notice, and owe nothing.
	a.wantNoGrant(w, store.Ahead{}, store.ErrNotFound)
	b.wantNoGrant(joined, store.Ahead{}, store.ErrNotFound)
	a.withdraw(w)
	b.withdraw(joined)
	a.withdraw(holder)
	b.withdraw(told.Entry)
}

func releaseWithAHint(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(valued("holder"))
	w, v := b.queue(anonymous()), a.queue(valued("v"))
	stale := b.hint(v)
	b.queue(valued("v")) // changes the parties, after the hint
	b.releases(stale)
	b.wantQueue(held(holder), waiting(w))
	b.releases(b.hint(holder))
	b.wantQueue(waiting(w))

	// A hint from before the grant is right about the index.
	stale = b.hint(w)
	b.grant(w, long)
	a.releases(stale)
	b.wantQueue()
	a.notFound(stale)

	// A hint as its Acquire returned it.
	a.releases(hinted(a.hold(valued("v"))))
	b.wantQueue()
}

func wrongHint(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(valued("holder"))
	w, v := a.queue(anonymous()), a.queue(valued("v"))
	gone := a.queue(anonymous())
	b.release(gone)

	// The index is nobody's; the hint is another entry.
	for _, e := range []store.Entry{holder, w, v} {
		other := b.find(e)
		b.notFound(store.Target{Index: gone.Index, Hint: &other})
		other.Index = gone.Index
		b.notFound(store.Target{Index: gone.Index, Hint: &other})
	}
	b.wantQueue(held(holder), waiting(w), waiting(v))

	// The index is an entry's and the hint is another's: at most the index's
	// entry goes.
	other := b.find(v)
	_, err := b.Release(f.ctx(), f.key, store.Target{Index: w.Index, Hint: &other}, nil)
	if err != nil {
		f.wantErr(err, store.ErrNotFound, "Release")
		b.wantQueue(held(holder), waiting(w), waiting(v))
		return
	}
	b.wantQueue(held(holder), waiting(v))
}

func oldIndex(f *fixture) {
	a, b := f.open(), f.open()
	old := a.hold(valued("v"))
	hint := b.hint(old)
	a.releases(byIndex(old))
	newer := a.hold(valued("v"))
	b.notFound(byIndex(old))
	b.notFound(hint)
	a.wantQueue(held(newer))

	holder := newer
	old = a.queue(valued("w"))
	hint = b.hint(old)
	a.withdraw(old)
	newer = b.queue(valued("w"))
	b.notFound(byIndex(old))
	b.notFound(hint)
	a.wantQueue(held(holder), waiting(newer))
}
