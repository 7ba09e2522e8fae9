package storetest

import (
	"strings"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var keyTests = []test{
	{"QueuesDoNotSeeIntoEachOther_I1", queuesAreApart},
	{"QueuesAreWatchedApart_I3", queuesAreWatchedApart},
}

// names could be taken for each other, or for something special, by a driver
// that does not escape them well.
var names = []string{
	"a", "A", "a/", "/a", "//a", "a/b", "a/b/", "a/b/c", "a//b", "a%2Fb", "a%2fb", "a%252Fb", "a b", "a+b", " a", "a ",
	"%", "%2F", "%2f", "%00", "/", "//", ".", "..", "./a", "../a", "a/..", "a/../b", "%2E", "_", "_hidden", "%5Fhidden", "__a",
	"a\nb", "a\tb", "a\x01b", "\x7f", "*", "?", "a?b=c", "a#b", "a;b", "a:b", "[a]", "a\\b", "'\"", "{}", "~", "-", "lock", "leader",
	"ü", "u\u0308", "日本語/🔒", "\u2028", "\ufeffa", strings.Repeat("k", 1024), strings.Repeat("k", 1023), strings.Repeat("/", 64),
}

func keysToTry() []store.Key {
	var keys []store.Key
	for _, space := range []string{"lock", "leader"} {
		for _, name := range names {
			keys = append(keys, store.Key{Space: space, Name: name})
		}
	}
	return keys
}

func queuesAreApart(f *fixture) {
	a, b := f.open(), f.open()
	holders := make(map[store.Key]store.Entry)
	waiters := make(map[store.Key]store.Entry)
	for _, key := range keysToTry() {
		f.key = key
		holders[key] = a.hold(valued("v")) // which is free, whatever else is taken
		waiters[key] = b.queue(valued("w"))
	}
	for _, key := range keysToTry() {
		f.key = key
		a.wantQueue(held(holders[key]), waiting(waiters[key]))
	}
	for i, key := range keysToTry() {
		f.key = key
		switch i % 4 {
		case 0:
			b.releases(byIndex(holders[key]))
			b.releases(byIndex(waiters[key]))
		case 1:
			b.releases(byValue("v"))
			b.grant(waiters[key], long)
			b.releases(byIndex(waiters[key]))
		case 2:
			a.withdraw(holders[key])
			b.withdraw(waiters[key])
		case 3:
			b.notFound(byIndex(holders[keysToTry()[(i+1)%len(holders)]]))
			b.wantHandover(b.releaseTo(holders[key], b.next(waiters[key])), waiters[key])
			b.withdraw(waiters[key])
		}
		b.wantQueue()
	}
}

func queuesAreWatchedApart(f *fixture) {
	a, b := f.open(), f.open()
	after := a.list().Revision
	keys := keysToTry()
	watchers := make(map[store.Key]*watcher)
	for _, key := range keys {
		watchers[key] = f.watch(b, key, after)
	}
	index := make(map[store.Key]uint64)
	for _, key := range keys {
		f.key = key
		index[key] = a.hold(valued("v")).Index
	}
	for _, key := range keys {
		watchers[key].until("the entry", func(batches []batch) bool { return len(batches) > 0 })
	}
	for _, key := range keys {
		for _, b := range watchers[key].seen() {
			for _, e := range b.events {
				if e.Entry.Index != index[key] {
					f.Fatalf("the watch of %+v saw %s, want index %d", key, describe(e.Entry), index[key])
				}
			}
		}
	}
}
