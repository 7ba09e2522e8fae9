package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Every kind of event, with the queue as it is then.
func TestKinds(t *testing.T) {
	onBench(t, func(b *bench) {
		l := b.listen("k", false, 0)
		defer l.Close()
		l.drain()
		a := b.take("k")
		c := b.take("k")
		d := b.take("k")
		time.Sleep(10 * time.Second)
		if _, err := b.other.Renew(b.Context(), key("k"), store.Target{Index: a.Index}, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		b.release("k", d, nil) // d leaves
		b.release("k", a, &c)
		synctest.Wait()
		time.Sleep(time.Minute)
		l.want(
			"state k:",
			"acquired 2 of k: 2(1m0s)", "queued 3 of k: 2(1m0s) 3", "queued 4 of k: 2(1m0s) 3 4",
			"renewed 2 of k: 2(1m0s) 3 4", "left 4 of k: 2(40s) 3",
			"released 2 of k: 3", "acquired 3 of k: 3(1m0s)", "expired 3 of k:",
		)
		// The hand-over is one revision: who has heard one half only hears both again.
		n := len(l.told)
		if released, acquired := l.told[n-3].ID, l.told[n-2].ID; acquired != released+1 {
			t.Errorf("a revision of two events has the ids %d and %d", released, acquired)
		}
		// From each id on, it is the same again.
		for i, r := range l.told {
			again := b.listen("k", false, r.ID)
			again.drain()
			want := l.told[i+1:]
			if i+1 < n && strings.HasPrefix(kind(l.told[i+1]), "renewed") { // which etcd does not number
				want = want[1:]
			}
			if i == n-3 {
				want = l.told[n-3:]
			}
			if !slices.EqualFunc(again.told, want, func(a, b Record) bool {
				return a.ID == b.ID && kind(a) == kind(b)
			}) {
				t.Errorf("after %d: %v, want %v", r.ID, again.told, want)
			}
			again.Close()
		}
	})
}

// kind is what an event is and which entry it is about.
func kind(r Record) string {
	text, _, _ := strings.Cut(string(r.Text), " of ")
	return text
}

// A thousand listeners cost one watch, also those that come with an id, and none of
// them misses anything.
func TestManyListenersShareOneWatch(t *testing.T) {
	onBench(t, func(b *bench) {
		const n = 1000
		var all []*listener
		for i := range n {
			after := uint64(0)
			if i%2 == 1 {
				after = all[0].Told()
			}
			all = append(all, b.listen("k", false, after))
			all[i].drain()
		}
		e := b.take("k")
		b.release("k", e, nil)
		for _, l := range all {
			l.drain()
			if last := l.told[len(l.told)-1]; string(last.Text) != "released 2 of k:" {
				t.Fatalf("the last event is %q", last.Text)
			}
			l.Close()
		}
		if got := b.watches.Load(); got != 1 {
			t.Errorf("%d watches, want 1", got)
		}
	})
}

// After a restart of the gateway, all of its listeners come at once, with ids.
func TestResumingListenersShareOneWatch(t *testing.T) {
	onBench(t, func(b *bench) {
		for range 5 {
			b.release("k", b.take("k"), nil)
		}
		const after = 3
		var all []*listener
		for range 1000 {
			all = append(all, b.listen("k", false, after))
		}
		e := b.take("k")
		for _, l := range all {
			l.drain()
			if n := len(l.told); n == 0 || string(l.told[n-1].Text) != fmt.Sprintf("acquired %d of k: %d(1m0s)", e.Index, e.Index) {
				t.Fatalf("told %v", l.told)
			}
			l.Close()
		}
		if got := b.watches.Load(); got != 1 {
			t.Errorf("%d watches, want 1", got)
		}
	})
}

// Those who have heard the past go over to the watch of the present, without a gap
// and without hearing anything twice.
func TestThePastEndsInThePresent(t *testing.T) {
	onBench(t, func(b *bench) {
		b.release("k", b.take("k"), nil)
		now := b.listen("k", false, 0)
		now.drain()
		var past []*listener
		for after := uint64(1); after < 4; after++ {
			past = append(past, b.listen("k", false, after))
		}
		e := b.take("k")
		now.drain()
		for _, l := range past {
			l.drain()
		}
		time.Sleep(2 * lingering) // the hubs of the past have gone
		synctest.Wait()
		b.release("k", e, nil)
		now.want("state k:", "acquired 4 of k: 4(1m0s)", "released 4 of k:")
		for i, l := range past {
			l.want([]string{
				"acquired 2 of k: 2(0s)", "released 2 of k:", "acquired 4 of k: 4(1m0s)", "released 4 of k:",
			}[i:]...)
		}
		if hubs := b.feed.hubs[now.hub.scope]; len(hubs) != 1 {
			t.Errorf("there are %d hubs", len(hubs))
		}
	})
}

// A listener that does not read is cut off, and the others are not; nothing is kept
// for it without bound.
func TestSlowListenerIsCutOff(t *testing.T) {
	onBench(t, func(b *bench) {
		slow, quick := b.listen("k", false, 0), b.listen("k", false, 0)
		for l := range slices.Values([]*listener{slow, quick}) {
			l.drain()
		}
		for range maxRecords/2 + 1 {
			b.release("k", b.take("k"), nil)
			quick.drain()
		}
		synctest.Wait() // nothing happens meanwhile
		quick.hub.mu.Lock()
		n := len(quick.hub.log.records)
		quick.hub.mu.Unlock()
		if n > maxRecords {
			t.Errorf("%d records are kept", n)
		}
		if _, _, err := slow.Next(); !errors.Is(err, ErrTooSlow) {
			t.Errorf("the slow one gets %v", err)
		}
		told := slow.Told()
		slow.Close()
		// With its last id it hears everything.
		again := b.listen("k", false, told)
		again.drain()
		if len(again.told) != 2*(maxRecords/2+1) {
			t.Errorf("told %d events again", len(again.told))
		}
	})
}

// A long past comes in only as fast as it is read.
func TestLongPastIsReadWhole(t *testing.T) {
	onBench(t, func(b *bench) {
		const n = 2 * maxRecords
		for range n {
			b.release("k", b.take("k"), nil)
		}
		l := b.listen("k", false, 1)
		for len(l.told) < 2*n {
			before := len(l.told)
			synctest.Wait()
			records, _, err := l.Next()
			if err != nil {
				t.Fatal(err)
			}
			l.told = append(l.told, records...)
			if len(l.told) == before {
				t.Fatalf("it ends after %d events", before)
			}
		}
		if !slices.IsSortedFunc(l.told, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) }) {
			t.Error("not in order")
		}
	})
}

// One that does not read at all keeps the others' past back for a while, not for
// ever.
func TestStuckListenerDoesNotHoldThePastForEver(t *testing.T) {
	onBench(t, func(b *bench) {
		for range maxRecords {
			b.release("k", b.take("k"), nil)
		}
		stuck, quick := b.listen("k", false, 1), b.listen("k", false, 1)
		began := time.Now()
		for len(quick.told) < 2*maxRecords {
			quick.drain()
			time.Sleep(time.Second)
			if time.Since(began) > 3*time.Hour {
				t.Fatalf("told %d events", len(quick.told))
			}
			if stuck != nil && time.Since(began) > patience {
				stuck.Close()
				stuck = nil
			}
		}
	})
}

// A watch that breaks, and an etcd that is away for a while, make no gap.
func TestBrokenWatchMakesNoGap(t *testing.T) {
	onBench(t, func(b *bench) {
		l := b.listen("k", false, 0)
		l.drain()
		b.gateway.SetDown(true)
		b.cluster.BreakWatches()
		a := b.take("k")
		synctest.Wait()
		b.release("k", a, nil)
		time.Sleep(time.Minute)
		b.gateway.SetDown(false)
		time.Sleep(10 * time.Second)
		b.cluster.BreakWatches()
		c := b.take("k")
		time.Sleep(10 * time.Second)
		l.drain()
		var kinds []string
		for _, r := range l.told {
			kinds = append(kinds, kind(r))
		}
		want := []string{"state k:", "acquired 2", "released 2", fmt.Sprintf("acquired %d", c.Index)}
		if !slices.Equal(kinds, want) {
			t.Errorf("told %q, want %q", kinds, want)
		}
	})
}

// What etcd has forgotten is an error, and not a gap: for those who come with an id
// and for those who listen.
func TestForgottenHistory(t *testing.T) {
	onBench(t, func(b *bench) {
		l := b.listen("k", false, 0)
		l.drain()
		b.gateway.SetDown(true)
		b.cluster.BreakWatches()
		b.release("k", b.take("k"), nil)
		b.cluster.Compact()
		b.release("k", b.take("k"), nil)
		b.gateway.SetDown(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, _, err := l.Next(); !errors.Is(err, store.ErrCompacted) {
			t.Errorf("the listener gets %v", err)
		}
		told := l.Told()
		l.Close()
		for _, after := range []uint64{told, told + 1, 1_000_000} {
			if _, err := b.feed.Subscribe(b.Context(), "k", false, after); !errors.Is(err, store.ErrCompacted) {
				t.Errorf("after %d: %v", after, err)
			}
		}
		again := b.listen("k", false, 0)
		again.want("state k:")
	})
}

// A gateway that has seen less of etcd than a listener's id does not take it for one
// from the future, and tells nothing twice.
func TestGatewayBehindTheListener(t *testing.T) {
	onBench(t, func(b *bench) {
		first := b.listen("k", false, 0)
		first.drain()
		b.gateway.SetDown(true)
		b.cluster.BreakWatches()
		synctest.Wait()
		e := b.take("k") // which this gateway has not seen
		b.gateway.SetDown(false)
		l := b.listen("k", false, e.Index)
		b.release("k", e, nil)
		time.Sleep(10 * time.Second)
		l.want("released 2 of k:")
	})
}

// Everything below a prefix, and nothing else; the first is all that is there.
func TestPrefix(t *testing.T) {
	onBench(t, func(b *bench) {
		a := b.take("a/1")
		b.take("a/1")
		b.take("b")
		l := b.listen("a/", true, 0)
		l.drain()
		e := b.take("a/2")
		l.drain()
		b.take("a")
		b.release("a/1", a, nil)
		b.release("a/2", e, nil)
		l.want("state a/1: 2(1m0s) 3", fmt.Sprintf("acquired %d of a/2: %d(1m0s)", e.Index, e.Index), "released 2 of a/1: 3",
			fmt.Sprintf("released %d of a/2:", e.Index))
	})
}

// An etcd that can't be reached is an error for who begins to listen, and the next
// one tries again.
func TestUnavailable(t *testing.T) {
	onBench(t, func(b *bench) {
		b.gateway.SetDown(true)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		if _, err := b.feed.Subscribe(ctx, "k", false, 0); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		b.gateway.SetDown(false)
		b.listen("k", false, 0).want("state k:")
	})
}

// When the feed ends, so do its listeners; nobody can come after that.
func TestClose(t *testing.T) {
	onBench(t, func(b *bench) {
		l := b.listen("k", false, 0)
		l.drain()
		_, changed, _ := l.Next()
		b.feed.Close(b.Context())
		<-changed
		if _, _, err := l.Next(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("got %v", err)
		}
		l.Close()
		if _, err := b.feed.Subscribe(b.Context(), "k", false, 0); !errors.Is(err, store.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// Who holds a key, for those who wait for another holder.
func TestHolder(t *testing.T) {
	onBench(t, func(b *bench) {
		s, err := b.feed.Follow(b.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, _, changed, _ := s.Holder()
		e := b.take("k")
		<-changed
		holder, revision, _, err := s.Holder()
		if err != nil || holder.Index != e.Index || revision != e.Index || len(s.Queue().Entries) != 1 {
			t.Errorf("held by %v at %d (%v)", holder, revision, err)
		}
	})
}

func (r Record) String() string { return fmt.Sprintf("%d %s", r.ID, r.Text) }
