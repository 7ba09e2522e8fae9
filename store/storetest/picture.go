package storetest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// picture is what is in some queues, by name. It has none that are empty.
type picture map[string][]store.Entry

func pictureOf(queues []store.Queue) picture {
	p := make(picture)
	for _, q := range queues {
		p[q.Name] = slices.Clone(q.Entries)
	}
	return p
}

// picture lists queues, one by one.
func (g gateway) picture(names ...string) picture {
	g.f.Helper()
	p := make(picture)
	for _, name := range names {
		if entries := g.at(name).list().Entries; len(entries) > 0 {
			p[name] = entries
		}
	}
	return p
}

// apply is the picture after some changes.
func (p picture) apply(changes ...store.Change) picture {
	after := maps.Clone(p)
	for _, c := range changes {
		after[c.Queue] = replay(after[c.Queue], []batch{{events: []store.Event{{Deleted: c.Deleted, Entry: c.Entry}}}})
		if len(after[c.Queue]) == 0 {
			delete(after, c.Queue)
		}
	}
	return after
}

// find returns the entry that has the name of the other.
func (p picture) find(queue, name string) (store.Entry, bool) {
	i := slices.IndexFunc(p[queue], func(e store.Entry) bool { return e.Name == name })
	if i < 0 {
		return store.Entry{}, false
	}
	return p[queue][i], true
}

func (p picture) String() string {
	s := ""
	for _, name := range slices.Sorted(maps.Keys(p)) {
		s += fmt.Sprintf(" %.40q\n%s", name, describeAll(p[name]))
	}
	return s
}

// same compares pictures without what only drivers know.
func (f *fixture) same(a, b picture) bool {
	plain := func(p picture) picture {
		out := make(picture)
		for name, entries := range p {
			out[name] = f.plain(entries)
		}
		return out
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// within is the part of a picture that is in a scope.
func (p picture) within(s store.Scope) picture {
	in := maps.Clone(p)
	maps.DeleteFunc(in, func(name string, _ []store.Entry) bool { return !s.Has(name) })
	return in
}

func (f *fixture) wantPicture(got, want picture, what string) {
	f.Helper()
	if !f.same(got, want) {
		f.Fatalf("%s\n%vwant\n%v", what, got, want)
	}
}
