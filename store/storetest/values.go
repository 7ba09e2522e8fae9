package storetest

import (
	"strings"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var valueTests = []test{
	{"ValuesAreKeptByteForByte_I7", valuesAreKept},
	{"EmptyValueIsAValue_I7", emptyValueIsAValue},
}

// values could be taken for each other, or for something special, by a driver
// that does not keep them apart well.
var values = []string{
	"", "-", "--", "a", "A", "a ", " a", "\n", "a\n", "\na", "a\nb", "a\r\nb", "\t", "\x01\x02\x7f", "%2F", "a/b", "..", "_a",
	`{"state":"held"}`, "{\"state\":\"held\"}\nv", "null", `"a"`, "held", "waiting", "0", "ü", "u\u0308", "日本語 🔒", "\ufeff",
	strings.Repeat("x", 64<<10), strings.Repeat("x", 64<<10-1) + "y", strings.Repeat("\n", 300), strings.Repeat("ü", 500),
}

func valuesAreKept(f *fixture) {
	a, b := f.open(), f.open()
	w := f.watch(b, f.key, a.list().Revision)
	want := []store.Entry{a.hold(anonymous())}
	for _, value := range values {
		want = append(want, a.queue(valued(value)))
	}
	b.wantQueue(want...)
	w.until("all entries", func(batches []batch) bool { return len(replay(nil, batches)) == len(want) })
	for i, e := range replay(nil, w.seen()) {
		if e.Value != want[i].Value || e.HasValue != want[i].HasValue {
			f.Fatalf("watched %s, want %s", describe(e), describe(want[i]))
		}
	}
	for i, value := range values {
		if joined := b.queue(valued(value)); joined.Index != want[i+1].Index {
			f.Fatalf("joining %s returned %s", describe(want[i+1]), describe(joined))
		}
	}

	// Each of them as a holder.
	for i, e := range want {
		if i > 0 {
			if granted := a.grant(e, long); granted.Value != e.Value || granted.HasValue != e.HasValue {
				f.Fatalf("granted %s as %s", describe(e), describe(granted))
			}
			e.Held = true
		}
		b.wantQueue(append([]store.Entry{e}, want[i+1:]...)...)
		if i%2 == 1 {
			a.releases(byValue(e.Value))
		} else {
			a.releases(byIndex(e))
		}
	}
	a.wantQueue()
}

func emptyValueIsAValue(f *fixture) {
	a, b := f.open(), f.open()
	holder := a.hold(anonymous())
	b.notFound(byValue(""))
	b.notFound(byValue("-"))
	empty := a.queue(valued(""))
	dash := a.queue(valued("-"))
	nobody := b.queue(anonymous())
	if joined := b.queue(valued("")); joined.Index != empty.Index {
		f.Fatalf("the empty value has two places: %s and %s", describe(empty), describe(joined))
	}
	b.wantQueue(held(holder), waiting(empty), waiting(dash), waiting(nobody))
	a.withdraw(empty)
	b.wantQueue(held(holder), waiting(empty), waiting(dash), waiting(nobody))
	a.release(holder)
	b.grant(empty, long)
	if got := b.acquire(valued("")); !got.Renewed || got.Entry.Index != empty.Index {
		f.Fatalf("renewing the empty value returned %s, renewed %t", describe(got.Entry), got.Renewed)
	}
	b.renew(byValue(""), long)
	b.releases(byValue(""))
	b.wantQueue(waiting(dash), waiting(nobody))
}
