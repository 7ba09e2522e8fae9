package storetest

import (
	"github.com/caddy-etcd/caddy-etcd/store"
)

var listTests = []test{
	{"ListHasALimit", listHasALimit},
	{"ListIsLinearizable_I1", listIsLinearizable},
	{"RevisionIsTheNewestSeen", revisionIsTheNewestSeen},
}

func listHasALimit(f *fixture) {
	a, b := f.open(), f.open()
	if l, err := a.List(f.ctx(), f.key, 3); err != nil || len(l.Entries) != 0 || l.Revision == 0 {
		f.Fatalf("an empty queue was listed as %+v, %v", l, err)
	}
	want := []store.Entry{a.hold(valued("v"))}
	for range 4 {
		want = append(want, a.queue(anonymous()), b.queue(valued(want[len(want)-1].Name)))
	}
	for limit := range len(want) + 3 {
		l, err := b.List(f.ctx(), f.key, limit)
		f.must(err, "List")
		n := min(limit, len(want))
		if limit == 0 {
			n = len(want)
		}
		if len(l.Entries) != n {
			f.Fatalf("limit %d of %d: got %d", limit, len(want), len(l.Entries))
		}
		for i, e := range l.Entries {
			if e.Index != want[i].Index || e.Held != (i == 0) || e.Value != want[i].Value {
				f.Fatalf("limit %d: number %d is %s, want %s", limit, i, describe(e), describe(want[i]))
			}
		}
		if l.Revision < want[len(want)-1].Index {
			f.Fatalf("listed at revision %d with index %d in it", l.Revision, want[len(want)-1].Index)
		}
	}
}

func listIsLinearizable(f *fixture) {
	a, b := f.open(), f.open()
	var revision uint64
	for range 25 {
		e := a.hold(anonymous())
		l := b.list()
		if len(l.Entries) != 1 || l.Entries[0].Index != e.Index || l.Revision < e.Index || l.Revision < revision {
			f.Fatalf("after %s, another gateway lists at %d (before: %d)\n%s", describe(e), l.Revision, revision, describeAll(l.Entries))
		}
		revision = l.Revision
		b.release(e)
		a.wantQueue()
	}
}

func revisionIsTheNewestSeen(f *fixture) {
	a, b := f.open(), f.open()
	e := a.hold(anonymous())
	if r := a.Revision(); r < e.Index {
		f.Fatalf("revision %d after index %d", r, e.Index)
	}
	l := b.list()
	if r := b.Revision(); r < l.Revision {
		f.Fatalf("revision %d after a listing at %d", r, l.Revision)
	}
	w := f.watch(b, f.key, l.Revision)
	for range 2 { // the second comes while the watch runs
		last := a.queue(anonymous())
		w.until("the new entry", func(batches []batch) bool { return len(batches) > 0 && batches[len(batches)-1].revision >= last.Index })
		if r := b.Revision(); r < last.Index {
			f.Fatalf("revision %d after an event at %d", r, last.Index)
		}
	}
}
