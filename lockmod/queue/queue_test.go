package queue

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

type (
	it = Item[string]
	ch = Change[string]
)

func entry(name string, index uint64) it { return it{Name: name, Index: index} }

func held(i it) it { i.Held = true; return i }

func put(i it) ch { return ch{Item: i} }

func del(name string) ch { return ch{Item: it{Name: name}, Deleted: true} }

// say puts effects in words.
func say(effects []Effect[string]) []string {
	words := []string{}
	for _, e := range effects {
		switch e.Kind {
		case Grant:
			words = append(words, fmt.Sprintf("grant %s/%d after %s/%d", e.Item.Name, e.Item.Index, e.AheadName, e.AheadIndex))
		case Gone:
			words = append(words, fmt.Sprintf("gone %s/%d", e.Item.Name, e.Item.Index))
		}
	}
	return words
}

func expect(t *testing.T, effects []Effect[string], want ...string) {
	t.Helper()
	if got := say(effects); !slices.Equal(got, want) {
		t.Errorf("effects are %q, want %q", got, want)
	}
}

func TestHeadIsGrantedOnceWhenThePredecessorHasGone(t *testing.T) {
	q := New[string]()
	expect(t, q.Reset(20, []it{held(entry("a", 10)), entry("b", 12), entry("c", 15)}))
	expect(t, q.Wait("c", 15))
	expect(t, q.Wait("b", 12))
	expect(t, q.Apply(21, []ch{del("a")}), "grant b/12 after a/10")
	expect(t, q.Apply(22, []ch{put(entry("d", 22))}))
	q.Forget("b")
	expect(t, q.Apply(23, []ch{del("b")}), "grant c/15 after b/12")
}

// Bug 1 of the old modules: any event on the entry ahead, a renewal included,
// counted as its end.
func TestBug1_RenewalOfThePredecessorGrantsNothing(t *testing.T) {
	q := New[string]()
	expect(t, q.Reset(20, []it{held(entry("a", 10)), entry("b", 12)}))
	expect(t, q.Wait("b", 12))
	for rev := uint64(21); rev < 30; rev++ {
		expect(t, q.Apply(rev, []ch{put(held(entry("a", 10)))}))
	}
}

// Bug 2 of the old modules: a waiter whose own entry was gone counted as granted.
func TestBug2_AWaiterWithoutAnEntryIsGoneNotGranted(t *testing.T) {
	q := New[string]()
	expect(t, q.Reset(20, []it{held(entry("a", 10)), entry("b", 12)}))
	expect(t, q.Wait("b", 12))
	expect(t, q.Apply(21, []ch{del("b")}), "gone b/12")
	expect(t, q.Apply(22, []ch{del("a")}))
	expect(t, q.Wait("never", 15), "gone never/0")
}

func TestWaitBeforeTheMirrorHasSeenTheEntry(t *testing.T) {
	q := New[string]()
	expect(t, q.Wait("b", 12))
	expect(t, q.Reset(11, []it{held(entry("a", 10))}))
	expect(t, q.Apply(12, []ch{put(entry("b", 12))}))
	expect(t, q.Wait("c", 13))
	expect(t, q.Apply(14, []ch{del("a")}), "grant b/12 after a/10")
}

func TestAnEntryThatWentBetweenTwoListingsIsGone(t *testing.T) {
	q := New[string]()
	q.Wait("b", 12)
	q.Wait("c", 13)
	expect(t, q.Reset(20, []it{held(entry("a", 10)), entry("b", 12), entry("c", 13)}))
	expect(t, q.Reset(30, []it{held(entry("a", 10)), entry("c", 13)}), "gone b/12")
	expect(t, q.Reset(31, []it{entry("c", 13)}), "grant c/13 after /0")
}

func TestAnEntryMadeAnewUnderItsNameIsAnotherOne(t *testing.T) {
	q := New[string]()
	expect(t, q.Reset(20, []it{held(entry("x", 9)), entry("v", 10)}))
	expect(t, q.Wait("v", 10))
	expect(t, q.Apply(21, []ch{del("v"), put(entry("v", 21))}), "gone v/10")
	expect(t, q.Apply(22, []ch{del("x")}))
	expect(t, q.Wait("v", 21), "grant v/21 after x/9")
}

func TestGrantedThroughAnotherGateway_I7(t *testing.T) {
	q := New[string]()
	expect(t, q.Reset(20, []it{held(entry("a", 10)), entry("v", 12)}))
	expect(t, q.Wait("v", 12))
	expect(t, q.Apply(21, []ch{del("a"), put(held(entry("v", 12)))}), "grant v/12 after a/10")
}

func TestRetryAsksAgain(t *testing.T) {
	q := New[string]()
	q.Reset(20, []it{entry("b", 12)})
	expect(t, q.Wait("b", 12), "grant b/12 after /0")
	expect(t, q.Apply(21, []ch{put(entry("c", 21))}))
	expect(t, q.Retry("b"), "grant b/12 after /0")
	q.Forget("b")
	expect(t, q.Retry("b"))
}

func TestOldRevisionsArePassedOver(t *testing.T) {
	q := New[string]()
	q.Reset(20, []it{held(entry("a", 10)), entry("b", 12)})
	q.Wait("b", 12)
	expect(t, q.Apply(15, []ch{del("a")}))
	if q.Len() != 2 || q.Revision() != 20 {
		t.Errorf("%d items at %d, want 2 at 20", q.Len(), q.Revision())
	}
}

func TestSuccessor(t *testing.T) {
	q := New[string]()
	q.Reset(20, []it{held(entry("a", 10)), entry("b", 12), entry("c", 13)})
	if _, _, ok := q.Successor(10); ok {
		t.Error("nobody waits for b here, but it is a successor")
	}
	q.Wait("b", 12)
	if _, _, ok := q.Successor(12); ok {
		t.Error("b does not hold the lock, but has a successor")
	}
	holder, next, ok := q.Successor(10)
	if !ok || holder.Name != "a" || next.Name != "b" {
		t.Errorf("successor is %v after %v (%v), want b after a", next, holder, ok)
	}
	if _, _, ok := q.Successor(10); ok {
		t.Error("b is the successor twice")
	}
	expect(t, q.Apply(21, []ch{del("a")})) // its grant is already asked for
}

// FuzzAgainstEtcd runs a random history of a queue in etcd, seen late, twice and with
// gaps, and checks after each event that the mirror is what etcd was at its revision, and
// that every waiter has been told what was true then, once, and nothing else.
func FuzzAgainstEtcd(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 25, 1, 2, 23})
	f.Add([]byte{0, 1, 0, 1, 3, 3, 5, 0, 90, 4, 4, 7, 7})
	f.Add([]byte{1, 1, 1, 37, 4, 5, 10, 12, 37, 9, 8, 2, 37})                // one release grants the lock to the next
	f.Add([]byte{1, 0, 37, 11, 37, 11, 14, 2, 11, 15, 7, 2, 7})              // entries are made anew under their names
	f.Add([]byte{1, 1, 1, 1, 5, 13, 5, 13, 3, 19, 35, 15, 13, 9, 25, 30, 7}) // old revisions come again
	f.Fuzz(func(t *testing.T, script []byte) {
		e := &etcd{t: t, q: New[string](), history: []version{{rev: 1}}, waits: make(map[string]waited)}
		e.see(e.q.Reset(1, nil))
		for i, b := range script[:min(len(script), 200)] {
			e.step(i, int(b%16), int(b/16))
			e.check()
		}
		for e.seen+1 < len(e.history) {
			e.follow()
			e.check()
		}
	})
}

// etcd is a queue as it has been there, and what its mirror has made of it.
type etcd struct {
	t       *testing.T
	q       *Queue[string]
	history []version
	seen    int // the version that the mirror has seen
	waits   map[string]waited
}

type version struct {
	rev   uint64
	items []it
	chs   []ch
}

// waited is what somebody waits for.
type waited struct {
	index uint64
	asked bool // the grant
}

func (e *etcd) last() version { return e.history[len(e.history)-1] }

func (e *etcd) commit(items []it, chs ...ch) {
	e.history = append(e.history, version{e.last().rev + 1, items, chs})
}

// follow has the mirror see one more version.
func (e *etcd) follow() {
	if e.seen+1 < len(e.history) {
		e.seen++
		e.see(e.q.Apply(e.history[e.seen].rev, e.history[e.seen].chs))
	}
}

func (e *etcd) wait(name string, index uint64) {
	e.waits[name] = waited{index: index}
	e.see(e.q.Wait(name, index))
}

// some is one of those that are waited for.
func (e *etcd) some(arg int) (name string) {
	if names := slices.Sorted(maps.Keys(e.waits)); len(names) > 0 {
		name = names[arg%len(names)]
	}
	return name
}

func (e *etcd) step(i, what, arg int) {
	items, rev := slices.Clone(e.last().items), e.last().rev+1
	switch what {
	case 0, 1: // somebody queues; with 1, this gateway waits for it
		name := fmt.Sprint("e", i)
		e.commit(append(items, entry(name, rev)), put(entry(name, rev)))
		if what == 1 {
			e.wait(name, rev)
		}
	case 2, 3: // an entry goes: the head, or any
		if len(items) > 0 {
			n := (what - 2) * arg % len(items)
			name := items[n].Name
			e.commit(slices.Delete(items, n, n+1), del(name))
		}
	case 4: // the head is granted, or renewed
		if len(items) > 0 {
			items[0].Held = true
			e.commit(items, put(items[0]))
		}
	case 5, 6: // the mirror sees some more
		for range arg + 1 {
			e.follow()
		}
	case 7: // or is listed anew
		e.seen = len(e.history) - 1
		e.see(e.q.Reset(e.last().rev, slices.Clone(e.last().items)))
	case 8: // a waiter goes
		name := e.some(arg)
		e.q.Forget(name)
		delete(e.waits, name)
	case 9: // a grant fails
		name := e.some(arg)
		if w, ok := e.waits[name]; ok {
			e.waits[name] = waited{index: w.index}
		}
		e.see(e.q.Retry(name))
	case 10: // the holder is going to be released
		e.successor()
	case 11: // an entry is made anew under its name, and is waited for
		if len(items) > 0 {
			n := arg % len(items)
			anew := entry(items[n].Name, rev)
			e.commit(append(slices.Delete(items, n, n+1), anew), del(anew.Name), put(anew))
			e.wait(anew.Name, rev)
		}
	case 12: // the head is released, and the lock granted to the next in the same write
		if len(items) > 1 {
			gone := items[0].Name
			items = items[1:]
			items[0].Held = true
			e.commit(items, del(gone), put(items[0]))
		}
	case 13: // the mirror is told again what it has seen
		old := e.history[max(e.seen-arg, 0)]
		if effects := e.q.Apply(old.rev, old.chs); len(effects) > 0 {
			e.t.Fatalf("at %d, what happened at %d had effects: %q", e.history[e.seen].rev, old.rev, say(effects))
		}
	case 14: // somebody waits for what was there once
		if then := e.history[max(len(e.history)-1-arg, 0)].items; len(then) > 0 {
			w := then[arg%len(then)]
			e.wait(w.Name, w.Index)
		}
	case 15: // a listing comes that is not the newest
		e.seen = min(e.seen+arg, len(e.history)-1)
		e.see(e.q.Reset(e.history[e.seen].rev, slices.Clone(e.history[e.seen].items)))
	}
}

// see checks effects.
func (e *etcd) see(effects []Effect[string]) {
	e.t.Helper()
	now := e.history[e.seen]
	for _, effect := range effects {
		name := effect.Item.Name
		w, ok := e.waits[name]
		i := slices.IndexFunc(now.items, func(x it) bool { return x.Name == name && x.Index == w.index })
		switch {
		case !ok:
			e.t.Fatalf("nobody waits for %v, but: %q", effect.Item, say(effects))
		case effect.Kind == Gone:
			if i >= 0 || now.rev < w.index || effect.Item.Index != 0 && effect.Item.Index != w.index {
				e.t.Fatalf("%v, waited for since %d, is said to be gone at %d, where the queue is %v", effect.Item, w.index, now.rev, now.items)
			}
			delete(e.waits, name)
		default:
			if w.asked || i < 0 || i > 0 && !now.items[i].Held || effect.Item != now.items[i] || effect.Behind != len(now.items)-1 {
				e.t.Fatalf("%v, waited for since %d, asked for: %v, is to be granted at %d, where the queue is %v", effect, w.index, w.asked, now.rev, now.items)
			}
			if effect.AheadIndex >= effect.Item.Index || slices.ContainsFunc(now.items, func(x it) bool { return x.Index == effect.AheadIndex }) {
				e.t.Fatalf("%v is to be granted after %s, which is not gone or not ahead at %d, where the queue is %v", effect.Item, effect.AheadName, now.rev, now.items)
			}
			e.waits[name] = waited{w.index, true}
		}
	}
}

// successor asks for the one after the head, and sees to it that there is one when it
// should be.
func (e *etcd) successor() {
	items := e.history[e.seen].items
	if len(items) == 0 {
		return
	}
	holder, next, ok := e.q.Successor(items[0].Index)
	want := false
	if len(items) > 1 {
		w, waits := e.waits[items[1].Name]
		want = items[0].Held && !items[1].Held && waits && w == waited{index: items[1].Index}
	}
	if ok != want || ok && (holder != items[0] || next != items[1]) {
		e.t.Fatalf("the successor of the head in %v is %v after %v (%v)", items, next, holder, ok)
	}
	if ok {
		e.waits[next.Name] = waited{next.Index, true}
	}
}

// check checks the mirror, and that nobody waits in vain.
func (e *etcd) check() {
	e.t.Helper()
	now := e.history[e.seen]
	var mirror []it
	for el := e.q.items.Front(); el != nil; el = el.Next() {
		mirror = append(mirror, *item[string](el))
	}
	head, ok := e.q.Head()
	if !slices.Equal(mirror, now.items) || e.q.Len() != len(now.items) || e.q.Revision() != now.rev || ok && head != now.items[0] {
		e.t.Fatalf("the mirror is %v at %d with the head %v, and etcd was %v at %d", mirror, e.q.Revision(), head, now.items, now.rev)
	}
	for _, want := range now.items {
		if got, ok := e.q.Find(want.Index); !ok || got != want {
			e.t.Fatalf("%d is %v, want %v", want.Index, got, want)
		}
	}
	for name, w := range e.waits {
		i := slices.IndexFunc(now.items, func(x it) bool { return x.Name == name && x.Index == w.index })
		switch {
		case i < 0 && now.rev >= w.index:
			e.t.Fatalf("%s has gone, and its waiter has not been told", name)
		case i >= 0 && (i == 0 || now.items[i].Held) && !w.asked:
			e.t.Fatalf("%s is the head, and its waiter has not been told", name)
		}
	}
}

// BenchmarkHandover is what a change of the holder costs the mirror, with 100 and
// 10,000 entries behind it: the same.
func BenchmarkHandover(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			q := New[string]()
			rev := uint64(1)
			q.Reset(rev, nil)
			name := func(i uint64) string { return fmt.Sprint(i) }
			push := func() {
				rev++
				q.Wait(name(rev), rev)
				q.Apply(rev, []ch{put(entry(name(rev), rev))})
			}
			for range n {
				push()
			}
			for b.Loop() {
				head, _ := q.Head()
				q.Forget(head.Name)
				rev++
				if len(q.Apply(rev, []ch{del(head.Name)})) != 1 {
					b.Fatal("the next one was not granted")
				}
				push()
			}
		})
	}
}
