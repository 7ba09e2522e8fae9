package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var randomTests = []test{
	{"WatchesAndListingsAgree_I1_I5", watchesAndListingsAgree},
}

// random is a source whose seed is in the test's log, or in the environment.
func (f *fixture) random() *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("STORETEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	f.Logf("STORETEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// player does things at random through one gateway.
type player struct {
	g    gateway
	r    *rand.Rand
	mine []store.Entry
	made []uint64 // indices
}

// step does one thing. Refusals are a part of the game.
func (p *player) step() error {
	f, key := p.g.f, p.g.f.key
	ttl := long + time.Duration(p.r.IntN(3))*time.Second
	var err error
	switch action := p.r.IntN(10); {
	case action < 4:
		a := store.Acquire{TTL: ttl, Wait: p.r.IntN(3) > 0, Contended: p.r.IntN(2) > 0}
		if p.r.IntN(3) > 0 {
			a.Value, a.HasValue = fmt.Sprint(p.r.IntN(4)), true
		}
		var got store.Acquired
		if got, err = p.g.Acquire(f.ctx(), key, a); err == nil {
			p.mine = append(p.mine, got.Entry)
			p.made = append(p.made, got.Entry.Index)
		}
	case action < 6 && len(p.mine) > 0:
		_, err = p.g.Grant(f.ctx(), key, p.mine[p.r.IntN(len(p.mine))], store.Ahead{}, ttl)
	case action < 7 && len(p.mine) > 0:
		i := p.r.IntN(len(p.mine))
		err = p.g.Withdraw(f.ctx(), key, p.mine[i])
		p.mine = slices.Delete(p.mine, i, i+1)
	default:
		l, listErr := p.g.List(f.ctx(), key, 0)
		if listErr != nil || len(l.Entries) == 0 {
			return listErr
		}
		e := l.Entries[0]
		if p.r.IntN(2) == 0 {
			e = l.Entries[p.r.IntN(len(l.Entries))]
		}
		if action < 9 {
			var next *store.Successor
			if len(l.Entries) > 1 {
				next = &store.Successor{Entry: l.Entries[1], TTL: ttl}
			}
			_, err = p.g.Release(f.ctx(), key, hinted(e), next)
		} else {
			_, err = p.g.Renew(f.ctx(), key, byIndex(e), ttl)
		}
	}
	for _, refusal := range []error{store.ErrTaken, store.ErrNotFound, store.ErrNotHead, store.ErrNotHeld} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
}

// watchesAndListingsAgree: while three gateways do things at random, the watches
// of each see the same, it leads to what is listed, at each revision that was
// listed, and on the way nobody held what another held.
func watchesAndListingsAgree(f *fixture) {
	r := f.random()
	gateways := []gateway{f.open(), f.open(), f.open()}
	gateways[0].hold(valued("0"))
	start := gateways[0].list()
	var watchers []*watcher
	for _, g := range gateways {
		watchers = append(watchers, f.watch(g, f.key, start.Revision))
	}

	var wg sync.WaitGroup
	players := make([]*player, len(gateways))
	listings := make([][]store.Listing, len(gateways))
	for i, g := range gateways {
		p := &player{g: g, r: rand.New(rand.NewPCG(r.Uint64(), uint64(i)))}
		players[i] = p
		wg.Go(func() {
			for n := range 150 {
				if err := p.step(); err != nil {
					f.Errorf("gateway %d: %v", i, err)
					return
				}
				if n%10 != 0 {
					continue
				}
				l, err := g.List(f.ctx(), f.key, 0)
				if err != nil {
					f.Errorf("List: %v", err)
					return
				}
				listings[i] = append(listings[i], l)
			}
		})
	}
	wg.Wait()
	if f.Failed() {
		f.FailNow()
	}

	mark := gateways[0].acquire(anonymous()).Entry
	gateways[0].release(mark) // one write, and the last
	final := gateways[1].list()
	watchers = append(watchers, f.watch(gateways[2], f.key, start.Revision)) // which is all history
	var first []batch
	for i, w := range watchers {
		w.untilGone(patience, mark)
		seen := w.seen()
		if i == 0 {
			first = seen
		}
		wantSame(f, first, seen)
	}

	made := checkHistory(f, start, first)
	if got := replay(start.Entries, first); !reflect.DeepEqual(f.plain(got), f.plain(final.Entries)) {
		f.Fatalf("the changes lead to\n%sbut listed is\n%s", describeAll(got), describeAll(final.Entries))
	}
	for i, p := range players {
		for _, index := range p.made {
			if !made[index] {
				f.Fatalf("index %d, which was acquired, was never seen", index)
			}
		}
		for _, l := range listings[i] {
			n := 0
			for n < len(first) && first[n].revision <= l.Revision {
				n++
			}
			if got := replay(start.Entries, first[:n]); !reflect.DeepEqual(f.plain(got), f.plain(l.Entries)) {
				f.Fatalf("up to revision %d the changes lead to\n%sbut listed was\n%s", l.Revision, describeAll(got), describeAll(l.Entries))
			}
		}
	}
}

// wantSame checks that two watches have seen the same.
func wantSame(f *fixture, a, b []batch) {
	f.Helper()
	if len(a) != len(b) {
		f.Fatalf("one watch saw %d changes, another %d", len(a), len(b))
	}
	for i := range a {
		same := a[i].revision == b[i].revision && len(a[i].events) == len(b[i].events)
		for j := 0; same && j < len(a[i].events); j++ {
			x, y := a[i].events[j], b[i].events[j]
			same = x.Deleted == y.Deleted && x.Entry.Name == y.Entry.Name &&
				(x.Deleted || reflect.DeepEqual(f.plain([]store.Entry{x.Entry}), f.plain([]store.Entry{y.Entry})))
		}
		if !same {
			f.Fatalf("one watch saw %+v, another %+v", a[i], b[i])
		}
	}
}

// checkHistory checks each state that a queue went through, and returns the
// indices that were made on the way.
func checkHistory(f *fixture, start store.Listing, history []batch) map[uint64]bool {
	f.Helper()
	made := make(map[uint64]bool)
	for _, e := range start.Entries {
		made[e.Index] = true
	}
	state := start.Entries
	var holder uint64
	for i, b := range history {
		for _, e := range b.events {
			there := slices.ContainsFunc(state, func(x store.Entry) bool { return x.Name == e.Entry.Name })
			switch {
			case e.Deleted && !there:
				f.Fatalf("revision %d deletes %s, which was not there", b.revision, describe(e.Entry))
			case !e.Deleted && !there:
				if e.Entry.Index != b.revision {
					f.Fatalf("revision %d made %s", b.revision, describe(e.Entry))
				}
				made[e.Entry.Index] = true
			}
		}
		state = replay(state, history[i:i+1])
		for n, e := range state {
			if !e.Held {
				continue
			}
			if n > 0 {
				f.Fatalf("at revision %d somebody behind the head holds:\n%s", b.revision, describeAll(state))
			}
			if e.Index < holder {
				f.Fatalf("at revision %d index %d holds after %d", b.revision, e.Index, holder)
			}
			holder = e.Index
		}
	}
	return made
}
