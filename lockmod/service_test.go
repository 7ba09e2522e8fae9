package lockmod

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a cluster with some gateways, on virtual time.
type bench struct {
	*testing.T
	cluster  *memstore.Cluster
	services []*Service
	stores   []*memstore.Store
}

func onBench(t *testing.T, gateways int, f func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, cluster: memstore.NewCluster()}
		for range gateways {
			st := b.cluster.Open()
			b.stores = append(b.stores, st)
			b.services = append(b.services, New(st, "lock", zap.NewNop()))
		}
		defer b.close()
		f(b)
	})
}

func (b *bench) close() {
	for i, svc := range b.services {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		svc.Close(ctx)
		_ = b.stores[i].Close(ctx)
		if ctx.Err() != nil {
			b.Errorf("gateway %d did not close", i)
		}
		cancel()
	}
}

// asked is a request that runs, and what has become of it.
type asked struct {
	cancel context.CancelFunc
	done   chan struct{}
	hold   *Hold
	err    error
	took   time.Duration
}

func (b *bench) ask(gateway int, r Request) *asked {
	ctx, cancel := context.WithCancel(context.Background())
	a := &asked{cancel: cancel, done: make(chan struct{})}
	if r.Key == "" {
		r.Key = "k"
	}
	if r.TTL == 0 {
		r.TTL = time.Hour
	}
	begin := time.Now()
	go func() {
		defer close(a.done)
		a.hold, a.err = b.services[gateway].Acquire(ctx, r)
		a.took = time.Since(begin)
		if a.err == nil {
			a.hold.Settle(true)
		}
	}()
	synctest.Wait()
	return a
}

func (a *asked) answered() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// must waits for the lock.
func (b *bench) must(a *asked) store.Entry {
	b.Helper()
	<-a.done
	if a.err != nil {
		b.Fatalf("acquiring: %v", a.err)
	}
	return a.hold.Entry
}

func (b *bench) release(e store.Entry) {
	b.Helper()
	if err := b.services[0].Release(b.Context(), "k", store.Target{Index: e.Index}); err != nil {
		b.Errorf("releasing %d: %v", e.Index, err)
	}
	synctest.Wait()
}

// queue is what the store says, whatever the first gateway's connection is like.
func (b *bench) queue(n int) []store.Entry {
	b.Helper()
	reader := b.cluster.Open()
	defer reader.Close(context.Background())
	l, err := reader.List(context.Background(), store.Key{Space: "lock", Name: "k"}, 0)
	if err != nil || len(l.Entries) != n {
		b.Fatalf("the queue is %v (%v), want %d entries", l.Entries, err, n)
	}
	return l.Entries
}

func forever() Request { return Request{Timeout: WaitForever} }

func bar(timeout time.Duration) Request {
	return Request{Value: "bar", HasValue: true, Timeout: timeout}
}

func TestTimeoutLeavesNothing(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		b.must(b.ask(0, forever()))
		for _, r := range []Request{{Timeout: 2 * time.Second}, bar(2 * time.Second), {}, bar(0)} {
			a := b.ask(0, r)
			<-a.done
			if !errors.Is(a.err, ErrNotAcquired) || a.took != r.Timeout {
				b.Errorf("%v after %v, want ErrNotAcquired after %v", a.err, a.took, r.Timeout)
			}
			b.queue(1) // by the time the answer is sent
		}
	})
}

func TestTimeoutWhileOthersStay_I7(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		holder := b.must(b.ask(0, forever()))
		short, long := b.ask(0, bar(time.Second)), b.ask(0, bar(WaitForever))
		place := b.queue(2)[1]
		<-short.done
		if !errors.Is(short.err, ErrNotAcquired) || short.took != time.Second {
			b.Errorf("%v after %v", short.err, short.took)
		}
		b.release(holder)
		if e := b.must(long); e.Index != place.Index {
			b.Errorf("got index %d, want the shared place's %d", e.Index, place.Index)
		}
	})
}

// Requests that are granted together get the longest TTL that one of them asked
// for (I6).
func TestLongestTTLCounts_I6(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		holder := b.must(b.ask(0, forever()))
		one, two := bar(WaitForever), bar(WaitForever)
		one.TTL, two.TTL = time.Minute, 3*time.Minute
		a, c := b.ask(0, one), b.ask(1, two)
		b.release(holder)
		if e1, e2 := b.must(a), b.must(c); e1.Index != e2.Index {
			b.Errorf("one value has indices %d and %d", e1.Index, e2.Index)
		}
		if e := b.queue(1)[0]; e.TTL != 3*time.Minute {
			b.Errorf("the TTL is %v, want 3 minutes", e.TTL)
		}
	})
}

func TestSameValueRenews(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		first := b.must(b.ask(0, bar(WaitForever)))
		for gateway := range 2 {
			for _, timeout := range []time.Duration{0, WaitForever} {
				r := bar(timeout)
				r.TTL = 5 * time.Minute
				if e := b.must(b.ask(gateway, r)); e.Index != first.Index || e.Left != 5*time.Minute {
					b.Errorf("got %d with %v left, want %d with 5 minutes", e.Index, e.Left, first.Index)
				}
			}
		}
	})
}

// What a lost answer may have made is taken back, and nothing older (I10).
func TestLostAnswers_I10(t *testing.T) {
	for _, fault := range []memstore.Fault{memstore.LostAnswer, memstore.LostRequest, memstore.Delayed} {
		for _, taken := range []bool{false, true} {
			t.Run(fmt.Sprint(fault, taken), func(t *testing.T) {
				onBench(t, 2, func(b *bench) {
					n := 0
					if taken {
						b.must(b.ask(1, forever()))
						n = 1
					}
					b.stores[0].FailNext(memstore.OpAcquire, fault)
					a := b.ask(0, bar(WaitForever))
					<-a.done
					if !errors.Is(a.err, store.ErrUnknown) {
						b.Errorf("acquiring: %v, want ErrUnknown", a.err)
					}
					time.Sleep(time.Second)
					b.stores[0].Deliver()
					b.queue(n)
					again := b.ask(0, bar(0))
					<-again.done
					if taken != errors.Is(again.err, ErrNotAcquired) {
						b.Errorf("after it: %v", again.err)
					}
				})
			})
		}
	}
}

// A grant whose answer is lost is asked for again: whether it took effect or
// not, the waiter gets the lock, with its index (I5, I10).
func TestLostGrants_I5(t *testing.T) {
	for _, fault := range []memstore.Fault{memstore.LostAnswer, memstore.LostRequest, memstore.Delayed, memstore.Refused} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			onBench(t, 2, func(b *bench) {
				holder := b.must(b.ask(1, forever()))
				a := b.ask(0, forever())
				place := b.queue(2)[1]
				b.stores[0].FailNext(memstore.OpGrant, fault)
				if err := b.services[1].Release(b.Context(), "k", store.Target{Index: holder.Index}); err != nil {
					b.Fatal(err)
				}
				begin := time.Now()
				if e := b.must(a); e.Index != place.Index {
					b.Errorf("got %d, want %d", e.Index, place.Index)
				}
				if took := time.Since(begin); took > time.Second {
					b.Errorf("it took %v, want at most 1 s", took)
				}
			})
		})
	}
}

func TestVanishingAtAnyMoment_I4(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpAcquire, memstore.OpGrant} {
		t.Run(fmt.Sprint(op), func(t *testing.T) {
			onBench(t, 2, func(b *bench) {
				var holder store.Entry
				if op == memstore.OpGrant {
					holder = b.must(b.ask(1, forever()))
				}
				held := make(chan struct{})
				b.stores[0].Intercept(func(_ context.Context, o memstore.Op, _ store.Key) memstore.Fault {
					if o == op {
						<-held
					}
					return memstore.None
				})
				a := b.ask(0, forever())
				if op == memstore.OpGrant {
					if err := b.services[1].Release(b.Context(), "k", store.Target{Index: holder.Index}); err != nil {
						b.Fatal(err)
					}
					synctest.Wait()
				}
				a.cancel()
				<-a.done
				close(held) // etcd does it, after the client has gone
				synctest.Wait()
				b.queue(0)
				b.must(b.ask(1, Request{}))
			})
		})
	}
}

func TestExpiredSessionQueuesAgain_I5(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		holder := b.must(b.ask(1, forever()))
		a, c := b.ask(0, forever()), b.ask(0, bar(WaitForever))
		old := b.queue(3)
		b.stores[0].Expire()
		synctest.Wait()
		if e := b.queue(3); e[1].Index <= old[2].Index {
			b.Errorf("the queue is still %v", e)
		}
		if a.answered() || c.answered() {
			b.Fatalf("answered: %v, %v", a.err, c.err)
		}
		b.release(holder)
		switch {
		case a.answered():
			b.release(b.must(a))
			b.must(c)
		case c.answered():
			b.release(b.must(c))
			b.must(a)
		default:
			b.Error("nobody was granted")
		}
	})
}

func TestCancelledByHand_Bug2(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		b.must(b.ask(0, forever()))
		a, c := b.ask(0, bar(WaitForever)), b.ask(1, bar(WaitForever))
		if err := b.services[0].Release(b.Context(), "k", store.Target{Value: "bar"}); err != nil {
			b.Fatal(err)
		}
		for _, x := range []*asked{a, c} {
			if <-x.done; !errors.Is(x.err, ErrCancelled) {
				b.Errorf("got %v, want ErrCancelled", x.err)
			}
		}
		b.queue(1)
	})
}

// Whatever happens to the watch, the head of the queue is granted (I5).
func TestBrokenWatches_I5(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		holder := b.must(b.ask(1, forever()))
		first, second := b.ask(0, forever()), b.ask(0, forever())
		b.cluster.BreakWatches()
		if err := b.services[1].Release(b.Context(), "k", store.Target{Index: holder.Index}); err != nil {
			b.Fatal(err)
		}
		e := b.must(first)
		b.stores[0].SetDown(true)
		b.cluster.Compact()
		if err := b.services[1].Release(b.Context(), "k", store.Target{Index: e.Index}); err != nil {
			b.Fatal(err)
		}
		b.cluster.Compact()
		time.Sleep(5 * time.Second)
		b.stores[0].SetDown(false)
		begin := time.Now()
		b.must(second)
		if took := time.Since(begin); took > 2*time.Second {
			b.Errorf("after etcd was back it took %v", took)
		}
	})
}

func TestTooManyWaiters(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		holder := b.must(b.ask(0, forever()))
		r := forever()
		r.MaxWaiting = 2
		one, two := b.ask(0, r), b.ask(0, r)
		three := b.ask(0, r)
		if <-three.done; !errors.Is(three.err, ErrTooManyWaiters) {
			b.Errorf("got %v, want ErrTooManyWaiters", three.err)
		}
		b.queue(3)
		one.cancel()
		<-one.done
		synctest.Wait()
		four := b.ask(0, r)
		b.release(holder)
		b.release(b.must(two))
		b.must(four)
	})
}

// Stopping answers everybody who waits, and leaves nothing in the queue (I9).
func TestClose_I9(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		b.must(b.ask(1, forever()))
		var all []*asked
		for range 50 {
			all = append(all, b.ask(0, forever()), b.ask(0, bar(WaitForever)), b.ask(0, Request{Timeout: time.Hour}))
		}
		shared := b.ask(1, bar(WaitForever))
		b.services[0].Close(b.Context())
		if err := b.stores[0].Close(b.Context()); err != nil {
			b.Errorf("closing the store: %v", err)
		}
		for _, a := range all {
			if <-a.done; !errors.Is(a.err, ErrStopping) {
				b.Errorf("got %v, want ErrStopping", a.err)
			}
		}
		b.queue(2) // the holder, and what the other gateway waits for
		late := b.ask(0, forever())
		if <-late.done; !errors.Is(late.err, ErrStopping) {
			b.Errorf("afterwards: %v, want ErrStopping", late.err)
		}
		if shared.answered() {
			b.Errorf("the other gateway's request was answered: %v", shared.err)
		}
		shared.cancel()
		<-shared.done
	})
}

// A request whose time is over while etcd is away is not told that the lock is
// taken: a job that skips its turn then would skip it for nothing.
func TestTimeoutWhileEtcdIsAway(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpAcquire {
				time.Sleep(4 * time.Second)
				return memstore.Refused
			}
			return memstore.None
		})
		for _, timeout := range []time.Duration{0, time.Second, time.Minute} {
			a := b.ask(0, bar(timeout))
			if <-a.done; !errors.Is(a.err, store.ErrUnavailable) {
				b.Errorf("timeout %v: %v, want ErrUnavailable", timeout, a.err)
			}
		}
	})
}
