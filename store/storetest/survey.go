package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var surveyTests = []test{
	{"QueuesArePagedThrough", queuesArePaged},
	{"QueuesGoOnAfterAnyName", queuesGoOn},
	{"QueuesAreReadLinearizably_I1", queuesAreLinearizable},
	{"QueuesWithoutEntriesDoNotShow", emptyQueuesDoNotShow},
	{"QueuesAreWhole", queuesAreWhole},
	{"QueuesCanBeFollowed", queuesCanBeFollowed},
}

// survey reads one page.
func (g gateway) survey(s store.Scope, after string, limit int) store.Survey {
	g.f.Helper()
	got, err := g.Queues(g.f.ctx(), s, after, limit)
	g.f.must(err, "Queues")
	if len(got.Queues) > limit || got.More && len(got.Queues) == 0 || got.Revision == 0 || got.Revision > g.Revision() {
		g.f.Fatalf("%d queues of at most %d at revision %d of %d, more: %t", len(got.Queues), limit, got.Revision, g.Revision(), got.More)
	}
	return got
}

// surveyAll reads all pages.
func (g gateway) surveyAll(s store.Scope, limit int) []store.Queue {
	g.f.Helper()
	var all []store.Queue
	after := ""
	for {
		got := g.survey(s, after, limit)
		all = append(all, got.Queues...)
		if !got.More {
			return all
		}
		after = all[len(all)-1].Name
	}
}

// sorted are the picture's names in the order of a survey.
func (p picture) sorted() []string {
	var names []string
	for name := range p {
		names = append(names, name)
	}
	slices.SortFunc(names, store.CompareNames)
	return names
}

func namesOf(queues []store.Queue) []string {
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = q.Name
	}
	return names
}

// more names that a driver may sort otherwise: in etcd, a slash follows them, and
// some characters come before it.
var more = []string{"a!", "a$", "a&", "a(", "a-", "a-b", "a.b", "a.", "a0", "aa", "a~", "ab"}

func queuesArePaged(f *fixture) {
	a, b := f.open(), f.open()
	begun := time.Now()
	there := f.crowd(a, b)
	for _, name := range more {
		there["lock"][name] = []store.Entry{held(a.at(name).hold(valued("v")))}
	}
	for space, all := range there {
		for i, s := range scopes(space) {
			want := all.within(s)
			for _, limit := range []int{1, 2, 3, 100} {
				if limit < 100 && (i%4 > 0 || space == "leader") {
					continue // to save time
				}
				got := a.surveyAll(s, limit)
				if !slices.Equal(namesOf(got), want.sorted()) {
					f.Fatalf("%+.40v has, in steps of %d\n%.40q\nwant\n%.40q", s, limit, namesOf(got), want.sorted())
				}
				f.wantPicture(pictureOf(got), want, "a survey shows")
				for _, q := range got {
					f.wantTTL(q.Entries[0], long, time.Since(begun))
				}
			}

			// Of just as many as there are, nothing is behind.
			if n := len(want); n > 0 && space == "lock" {
				if got := b.survey(s, "", n); len(got.Queues) != n || got.More {
					f.Fatalf("of %d queues, %d are there, and more: %t", n, len(got.Queues), got.More)
				}
			}
			if n := len(want); n > 1 && space == "lock" {
				if got := b.survey(s, "", n-1); len(got.Queues) != n-1 || !got.More {
					f.Fatalf("of %d queues, %d are there, and more: %t", n-1, len(got.Queues), got.More)
				}
			}
		}
	}
}

func queuesGoOn(f *fixture) {
	a := f.open()
	there := make(picture)
	for _, name := range append([]string{"b", "b/1", "b/2", "c", "ü"}, more...) {
		there[name] = []store.Entry{a.at(name).hold(anonymous())}
	}
	all := []store.Scope{everything, {Space: "lock", Name: "b", Prefix: true}, {Space: "lock", Name: "b"}}
	// There, not there, before all, behind all, and outside the scope.
	places := append([]string{"", "b", "b/", "b/1", "b/10", "bb", "c", ".", "_", "%", "a", "ü", "~", "/"}, more...)
	wantAll := func() {
		f.Helper()
		for _, s := range all {
			for _, after := range places {
				var want []string
				for _, name := range there.within(s).sorted() {
					if after == "" || store.CompareNames(name, after) > 0 {
						want = append(want, name)
					}
				}
				got := a.survey(s, after, 2)
				if !slices.Equal(namesOf(got.Queues), want[:min(2, len(want))]) || got.More != (len(want) > 2) {
					f.Fatalf("after %q %+v has %q and more: %t, want the first two of %q", after, s, namesOf(got.Queues), got.More, want)
				}
			}
		}
	}
	wantAll()

	// The same after names that have been there.
	for _, name := range []string{"b", "b/1", "a-", "a.b"} {
		a.at(name).release(there[name][0])
		delete(there, name)
	}
	wantAll()
}

func queuesAreLinearizable(f *fixture) {
	a, b := f.open(), f.open()
	var revision uint64
	for i := range 15 {
		s := []store.Scope{everything, exactly(f.key)}[i%2]
		e := a.hold(valued("v"))
		w := a.queue(anonymous())
		got := b.survey(s, "", 3)
		f.wantPicture(pictureOf(got.Queues), picture{f.key.Name: {e, w}}, "a survey shows")
		if got.More || got.Revision < w.Index || got.Revision < revision {
			f.Fatalf("after %s, a survey is at %d (before: %d), more: %t", describe(w), got.Revision, revision, got.More)
		}
		revision = got.Revision
		b.release(w)
		b.release(e)
		if got := a.survey(s, "", 3); len(got.Queues) > 0 || got.More {
			f.Fatalf("a survey of nothing shows %+v", got)
		}
	}
}

func emptyQueuesDoNotShow(f *fixture) {
	a, b := f.open(), f.open()
	there := make(picture)
	for i := range 20 {
		name := fmt.Sprint("queue ", i)
		a, b := a.at(name), b.at(name)
		e := a.hold(valued("v"))
		w := b.queue(valued("w"))
		switch i % 5 {
		case 0:
			there[name] = []store.Entry{e, w}
			continue
		case 1:
			a.release(w)
			b.release(e)
		case 2:
			a.withdraw(e)
			b.grant(w, long)
			a.releases(byValue("w"))
		case 3:
			a.withdraw(e)
			b.withdraw(w)
		case 4:
			b.releases(byValue("v"))
			there[name] = []store.Entry{w} // nobody holds it
		}
		b.wantQueue(there[name]...)
	}
	for _, limit := range []int{1, 3, 100} {
		got := a.surveyAll(everything, limit)
		f.wantPicture(pictureOf(got), there, "a survey shows")
		if !slices.Equal(namesOf(got), there.sorted()) {
			f.Fatalf("a survey shows %q", namesOf(got))
		}
	}
}

// fill queues n entries behind each other, and returns the queue.
func (g gateway) fill(n int) []store.Entry {
	g.f.Helper()
	holder := g.hold(anonymous())
	request := anonymous()
	request.Contended = true
	var todo atomic.Int32
	todo.Store(int32(n - 1))
	g.f.racers([]gateway{g}, 16, func(g gateway) {
		for todo.Add(-1) >= 0 {
			if _, err := g.Acquire(g.f.ctx(), g.f.key, request); err != nil {
				g.f.Errorf("Acquire: %v", err)
				return
			}
		}
	})
	entries := g.list().Entries
	if len(entries) != n || entries[0].Index != holder.Index {
		g.f.Fatalf("%d entries for %d requests", len(entries), n)
	}
	return entries
}

// queuesAreWhole: a queue that is longer than what a driver reads at once shows
// with all of its entries, and hides no other.
func queuesAreWhole(f *fixture) {
	a, b := f.open(), f.open()
	n := 1500
	if !f.Handover {
		n = 300 // etcd's old API takes its time
	}
	there := make(picture)
	for _, name := range []string{"a", "b", "b/", "b/1", "c"} {
		there[name] = []store.Entry{a.at(name).hold(valued(name))}
	}
	there["b/0"] = a.at("b/0").fill(n)
	for _, limit := range []int{1, 2, 3, 100} {
		got := b.surveyAll(everything, limit)
		f.wantPicture(pictureOf(got), there, "a survey shows")
		if !slices.Equal(namesOf(got), there.sorted()) {
			f.Fatalf("in steps of %d there are %q", limit, namesOf(got))
		}
	}
	for _, s := range []store.Scope{everything, {Space: "lock", Name: "b/0"}, {Space: "lock", Name: "b/", Prefix: true}} {
		at, now := f.observe(b, s, 0).begin()
		f.wantPicture(now, there.within(s), "an observer starts with")
		_, now = f.observe(a, s, at).begin()
		f.wantPicture(now, there.within(s), "an observer of the past starts with")
	}
}

// queuesCanBeFollowed: while others go on, each queue of a survey is as it was at some
// time since the survey's revision, and the changes after that lead to what is there
// in the end. Some of them may be in the survey already.
func queuesCanBeFollowed(f *fixture) {
	a, b := f.open(), f.open()
	r := f.random()
	names := []string{"a", "a/1", "b", "c"}
	witness := f.observe(a, everything, 0)
	witness.begin()
	var wg sync.WaitGroup
	defer wg.Wait()
	var playing atomic.Int32
	for _, name := range names {
		p := &player{g: a.at(name), r: f.random()}
		playing.Add(1)
		wg.Go(func() {
			defer playing.Add(-1)
			for range 40 {
				if err := p.step(); err != nil {
					f.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	var pages []store.Survey
	var observers []*observer
	for len(observers) == 0 || len(observers) < 8 && playing.Load() > 0 {
		limit := 1 + r.IntN(3)
		last := b.survey(everything, "", limit)
		first, queues := last.Revision, last.Queues
		pages = append(pages, last)
		for last.More {
			last = b.survey(everything, queues[len(queues)-1].Name, limit)
			queues = append(queues, last.Queues...)
			pages = append(pages, last)
		}
		o := &observer{f: f, scope: everything, noStart: true, lenient: true, from: first, first: pictureOf(queues)}
		o.run(b, first, nil)
		observers = append(observers, o)
	}
	wg.Wait()
	final := a.picture(names...)
	for _, o := range append(observers, witness) {
		o.until(final)
	}
	moments := witness.moments()
	for _, page := range pages {
		for _, q := range page.Queues {
			var since []picture
			for i, m := range moments {
				if i == len(moments)-1 || moments[i+1].revision > page.Revision {
					since = append(since, picture{q.Name: m.was[q.Name]})
				}
			}
			shown := picture{q.Name: q.Entries}
			if !slices.ContainsFunc(since, func(was picture) bool { return f.same(was, shown) }) {
				f.Fatalf("never since %d was there what a survey shows:\n%v", page.Revision, shown)
			}
		}
	}
}
