package queue

import (
	"fmt"
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

// FuzzAgainstEtcd runs a random history of a queue in etcd, seen late and with
// gaps, and checks what a waiter is told: it is asked to be granted only if at
// the mirror's revision it was the head or held, and once the mirror has caught
// up, every waiter has been told what is true.
func FuzzAgainstEtcd(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 9, 1, 2, 7})
	f.Add([]byte{0, 1, 0, 1, 3, 3, 200, 0, 90, 4, 4, 8, 8})
	f.Fuzz(func(t *testing.T, script []byte) {
		type version struct {
			rev   uint64
			items []it
			chs   []ch
		}
		history := []version{{rev: 1}}
		last := func() version { return history[len(history)-1] }
		commit := func(items []it, chs ...ch) {
			history = append(history, version{last().rev + 1, items, chs})
		}

		q := New[string]()
		seen := 0 // the version that the mirror has seen
		told := map[string]string{}
		waiting := map[string]uint64{}
		see := func(effects []Effect[string]) {
			for _, e := range effects {
				if e.Kind == Gone {
					told[e.Item.Name] = "gone"
					delete(waiting, e.Item.Name)
					continue
				}
				told[e.Item.Name] = "granted"
				at := history[seen].items
				i := slices.IndexFunc(at, func(x it) bool { return x.Name == e.Item.Name && x.Index == waiting[x.Name] })
				if i < 0 || (i > 0 && !at[i].Held) {
					t.Fatalf("%v is to be granted at revision %d, where the queue is %v", e.Item, history[seen].rev, at)
				}
			}
		}
		see(q.Reset(1, nil))

		for i, b := range script {
			items := slices.Clone(last().items)
			switch arg := int(b / 8); b % 8 {
			case 0, 1: // somebody queues; with 1, this gateway waits for it
				name := fmt.Sprint("e", i)
				index := last().rev + 1
				commit(append(items, entry(name, index)), put(entry(name, index)))
				if b%8 == 1 {
					waiting[name] = index
					see(q.Wait(name, index))
				}
			case 2, 3: // an entry goes: the head, or any
				if len(items) > 0 {
					n := 0
					if b%8 == 3 {
						n = arg % len(items)
					}
					name := items[n].Name
					commit(slices.Delete(items, n, n+1), del(name))
				}
			case 4: // the head is granted, or renewed
				if len(items) > 0 {
					items[0].Held = true
					commit(items, put(items[0]))
				}
			case 5, 6: // the mirror sees some more
				for range arg + 1 {
					if seen+1 < len(history) {
						seen++
						see(q.Apply(history[seen].rev, history[seen].chs))
					}
				}
			case 7: // or is listed anew
				seen = len(history) - 1
				see(q.Reset(last().rev, slices.Clone(last().items)))
			}
		}

		for seen+1 < len(history) {
			seen++
			see(q.Apply(history[seen].rev, history[seen].chs))
		}
		for name, index := range waiting {
			i := slices.IndexFunc(last().items, func(x it) bool { return x.Name == name && x.Index == index })
			switch {
			case i < 0:
				t.Errorf("%s has gone, and its waiter has not been told", name)
			case i == 0 && told[name] != "granted":
				t.Errorf("%s is the head, and its waiter has not been told", name)
			}
		}
		if q.Len() != len(last().items) {
			t.Errorf("the mirror has %d items, etcd %d", q.Len(), len(last().items))
		}
	})
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
