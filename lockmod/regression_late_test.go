package lockmod

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// late is a store whose answers to what grants a lock take long.
type late struct {
	*memstore.Store
	by time.Duration
}

func (l late) Acquire(ctx context.Context, key store.Key, a store.Acquire) (store.Acquired, error) {
	got, err := l.Store.Acquire(ctx, key, a)
	time.Sleep(l.by)
	return got, err
}

func (l late) Grant(ctx context.Context, key store.Key, e store.Entry, ahead store.Ahead, ttl time.Duration) (store.Entry, error) {
	granted, err := l.Store.Grant(ctx, key, e, ahead, ttl)
	time.Sleep(l.by)
	return granted, err
}

// Whoever asks with a value that etcd has just granted, while the answer is on its way, has
// the lock for a TTL from then on, and not from when it was granted. (The simulation found
// that: a client that counts from before it asked took a lock for its own that was over.)
func TestLateRequestHasAWholeTTL_I6(t *testing.T) {
	for name, taken := range map[string]bool{"free": false, "behind a holder": true} {
		t.Run(name, func(t *testing.T) {
			onBench(t, 2, func(b *bench) {
				const slow, ttl = 3 * time.Second, 5 * time.Second
				b.services[0].Close(b.Context())
				b.services[0] = New(late{b.stores[0], slow}, "lock", zap.NewNop())
				r := bar(WaitForever)
				r.TTL = ttl
				var first *asked
				if taken {
					holder := b.must(b.ask(1, forever()))
					first = b.ask(0, r)
					time.Sleep(slow) // it is queued
					synctest.Wait()
					if err := b.services[1].Release(b.Context(), "k", store.Target{Index: holder.Index}); err != nil {
						b.Fatal(err)
					}
					synctest.Wait()
				} else {
					first = b.ask(0, r)
				}
				time.Sleep(slow - time.Second)
				if b.queue(1)[0].Held != true {
					b.Fatal("it has not been granted")
				}
				begin := time.Now()
				second := b.ask(0, r)
				if one, two := b.must(first).Index, b.must(second).Index; one != two {
					b.Fatalf("the requests got %d and %d", one, two)
				}
				time.Sleep(time.Until(begin.Add(ttl - time.Nanosecond)))
				b.queue(1)
				time.Sleep(ttl)
				b.queue(0)
			})
		})
	}
}

// Requests with one value that come all the time do not keep those from being answered
// that came before them.
func TestLateRequestsDoNotHoldUpOthers_I5(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		const slow = 100 * time.Millisecond
		b.services[0].Close(b.Context())
		b.services[0] = New(late{b.stores[0], slow}, "lock", zap.NewNop())
		var all []*asked
		for range 50 {
			all = append(all, b.ask(0, bar(WaitForever)))
			time.Sleep(slow / 4)
			synctest.Wait()
		}
		for i, a := range all {
			if b.must(a); a.took > 6*slow {
				b.Errorf("request %d was answered after %v", i, a.took)
			}
		}
	})
}

// refuse has the first gateway's etcd refuse calls until it is told to go on.
func (b *bench) refuse(ops ...memstore.Op) (goOn func()) {
	b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
		if slices.Contains(ops, op) {
			return memstore.Refused
		}
		return memstore.None
	})
	return func() { b.stores[0].Intercept(nil) }
}

// granted asks for the lock with a value while the answer to a request that has it already is
// on its way: the hold's TTL has to start anew for the second one.
func (b *bench) granted(first, second, slow time.Duration) (one, two *asked) {
	b.Helper()
	b.services[0].Close(b.Context())
	b.services[0] = New(late{b.stores[0], slow}, "lock", zap.NewNop())
	one = b.ask(0, bar(first))
	two = b.ask(0, bar(second))
	if !b.queue(1)[0].Held || one.answered() || two.answered() {
		b.Fatal("no answer is on its way")
	}
	return one, two
}

// A request that does not wait is answered when etcd goes away just as its TTL starts anew,
// whoever shares its place; those that wait go on.
func TestTryIsAnsweredWhereItsHoldIsInDoubt_Bug5_I10(t *testing.T) {
	const slow = time.Second
	for name, timeouts := range map[string][2]time.Duration{
		"a try after one that waits": {WaitForever, 0},
		"two tries":                  {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, 1, func(b *bench) {
				goOn := b.refuse(memstore.OpGrant, memstore.OpWithdraw)
				one, two := b.granted(timeouts[0], timeouts[1], slow)
				time.Sleep(time.Minute)
				synctest.Wait()
				waits := 0
				for i, a := range []*asked{one, two} {
					switch {
					case timeouts[i] == WaitForever:
						waits++
						if a.answered() {
							b.Errorf("request %d waits, and got %v while etcd is away", i, a.err)
						}
					case !a.answered():
						b.Errorf("request %d does not wait, and has not been answered after a minute", i)
					case !errors.Is(a.err, store.ErrUnknown) || a.took > 3*slow:
						b.Errorf("request %d got %v after %v, want ErrUnknown", i, a.err, a.took)
					}
				}
				goOn()
				for i, a := range []*asked{one, two} {
					if timeouts[i] == WaitForever {
						b.must(a)
					}
					<-a.done
				}
				time.Sleep(3 * slow)
				b.queue(waits) // what nobody holds has been withdrawn
			})
		})
	}
}

// The hold goes before its TTL could start anew for a request that came late: nobody has been
// told of it. Its requests are cancelled if somebody has deleted it, and else get another.
func TestHoldThatGoesBeforeItIsTold_I5(t *testing.T) {
	const slow = 3 * time.Second
	t.Run("deleted, and etcd is away for a while", func(t *testing.T) {
		onBench(t, 2, func(b *bench) {
			goOn := b.refuse(memstore.OpExpired)
			waits, try := b.granted(WaitForever, 0, slow)
			if err := b.services[1].Release(b.Context(), "k", store.Target{Value: "bar"}); err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if waits.answered() || !try.answered() || !errors.Is(try.err, ErrNotAcquired) {
				b.Errorf("the one that waits is answered: %t; the one that doesn't: %t, with %v", waits.answered(), try.answered(), try.err)
			}
			goOn()
			if <-waits.done; !errors.Is(waits.err, ErrCancelled) {
				b.Errorf("got %v, want ErrCancelled", waits.err)
			}
			try.cancel()
			<-try.done
			b.queue(0)
		})
	})
	t.Run("its TTL is over", func(t *testing.T) {
		onBench(t, 1, func(b *bench) {
			one, two := b.granted(WaitForever, WaitForever, slow)
			old := b.queue(1)[0]
			b.expireNow(old)
			if e1, e2 := b.must(one), b.must(two); e1.Index != e2.Index || e1.Index <= old.Index {
				b.Errorf("got %d and %d after a hold of %d", e1.Index, e2.Index, old.Index)
			}
			b.queue(1)
		})
	})
	t.Run("and the clients too", func(t *testing.T) {
		onBench(t, 1, func(b *bench) {
			one, two := b.granted(WaitForever, WaitForever, slow)
			b.expireNow(b.queue(1)[0])
			time.Sleep(slow + slow/2) // its TTL is to start anew
			one.cancel()
			two.cancel()
			<-one.done
			<-two.done
			time.Sleep(slow)
			b.queue(0)
			b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
				b.Errorf("%s, and nobody is there", op)
				return memstore.None
			})
			time.Sleep(time.Minute)
			b.stores[0].Intercept(nil)
		})
	})
}

// expireNow gives the holder a short TTL, and waits until it is over.
func (b *bench) expireNow(e store.Entry) {
	b.Helper()
	if _, err := b.services[len(b.services)-1].Renew(b.Context(), "k", store.Target{Index: e.Index}, time.Second); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	b.queue(0)
}

// Whoever asks with a value whose hold is in doubt, since etcd has gone away just then, waits
// until etcd is back, as everybody does who has not said for how long.
func TestRequestsForAHoldInDoubtWait_I5(t *testing.T) {
	const slow = time.Second
	onBench(t, 1, func(b *bench) {
		goOn := b.refuse(memstore.OpGrant)
		one, two := b.granted(WaitForever, WaitForever, slow)
		all := []*asked{one, two}
		for range 5 { // while calls are under way, and between them
			time.Sleep(slow + slow/4)
			all = append(all, b.ask(0, bar(WaitForever)))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, a := range all {
			if a.answered() {
				b.Errorf("request %d got %v while etcd is away", i, a.err)
			}
		}
		goOn()
		e := b.must(all[0])
		for i, a := range all {
			if got := b.must(a); got.Index != e.Index {
				b.Errorf("request %d got %d, not %d", i, got.Index, e.Index)
			}
		}
	})
}

// Whoever asks with a value just while its place is found to have gone with a session, waits in
// the place that it gets again.
func TestRequestWhileASessionIsLostWaits_I5(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		holder := b.must(b.ask(1, forever()))
		first := b.ask(0, bar(WaitForever))
		b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpExpired {
				time.Sleep(time.Second)
			}
			return memstore.None
		})
		b.stores[0].Expire()
		synctest.Wait()
		second, try := b.ask(0, bar(WaitForever)), b.ask(0, bar(0))
		time.Sleep(time.Minute)
		synctest.Wait()
		if first.answered() || second.answered() {
			b.Fatalf("answered: %t, %t (%v)", first.answered(), second.answered(), second.err)
		}
		if !try.answered() || !errors.Is(try.err, ErrNotAcquired) {
			b.Errorf("the one that does not wait is answered: %t, with %v", try.answered(), try.err)
		}
		b.release(holder)
		if one, two := b.must(first), b.must(second); one.Index != two.Index {
			b.Errorf("one value has indices %d and %d", one.Index, two.Index)
		}
	})
}
