package lockmod

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// Requests that renew a hold and whose clients vanish do not end it: somebody has been told.
func TestUndeliveredRenewalKeepsTheHold_I1(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		r := bar(WaitForever)
		r.TTL = 10 * time.Second
		b.must(b.ask(0, r))
		b.queue(1)
		// A slow etcd: two more requests of the same value, the second for longer, in one join.
		hold := make(chan struct{})
		n := 0
		b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpAcquire || op == memstore.OpGrant {
				n++
				<-hold
			}
			return memstore.None
		})
		w1 := b.ask(0, r)
		r2 := r
		r2.TTL = 60 * time.Second
		w2 := b.ask(0, r2)
		w1.cancel()
		// w2 remains in the place during the join, then goes while the second grant is under way
		synctest.Wait()
		hold <- struct{}{} // the Acquire
		synctest.Wait()
		w2.cancel()
		synctest.Wait()
		b.stores[0].Intercept(nil)
		close(hold)
		synctest.Wait()
		<-w1.done
		<-w2.done
		b.queue(1)
	})
}

// A place that has lost its session while etcd is away does not let timeout=0 wait with it.
func TestBug5_TryDoesNotWaitWhileASessionIsLost(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		b.must(b.ask(0, forever()))
		w := b.ask(0, bar(WaitForever))
		b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpAcquire || op == memstore.OpExpired {
				return memstore.Refused
			}
			return memstore.None
		})
		b.stores[0].Expire()
		time.Sleep(3 * time.Second)
		try := b.ask(0, bar(0))
		time.Sleep(time.Minute)
		synctest.Wait()
		if !try.answered() {
			b.Errorf("timeout=0 has not been answered after a minute")
		}
		try.cancel()
		w.cancel()
		b.stores[0].Intercept(nil)
		<-w.done
		<-try.done
	})
}

// A request that comes after a DELETE is not one of those that it cancelled.
func TestRequestAfterACancellationIsNotCancelled(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		b.must(b.ask(0, forever()))
		w := b.ask(0, bar(WaitForever))
		e := b.queue(2)[1]
		b.stores[0].Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpExpired {
				time.Sleep(2 * time.Second)
			}
			return memstore.None
		})
		b.release(e)
		later := b.ask(0, bar(WaitForever))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if later.answered() && errors.Is(later.err, ErrCancelled) {
			b.Errorf("it came after the DELETE and got %v", later.err)
		}
		later.cancel()
		w.cancel()
		b.stores[0].Intercept(nil)
		<-w.done
		<-later.done
	})
}

// A request with the value of one whose outcome is unknown, and which is being taken
// back while etcd is away, is told that etcd is away, and does not hang.
func TestRequestBehindOneThatIsTakenBackIsTold_I10(t *testing.T) {
	onBench(t, 1, func(b *bench) {
		var there atomic.Bool
		b.stores[0].Intercept(func(context.Context, memstore.Op, store.Key) memstore.Fault {
			if there.Load() {
				return memstore.None
			}
			return memstore.Refused
		})
		b.stores[0].FailNext(memstore.OpAcquire, memstore.LostRequest)
		for i, want := range []error{store.ErrUnknown, store.ErrUnavailable} {
			a := b.ask(0, bar(WaitForever))
			<-a.done
			if !errors.Is(a.err, want) || a.took > 5*time.Second {
				b.Errorf("request %d: %v after %v, want %v within 5 s", i, a.err, a.took, want)
			}
		}
		there.Store(true)
		b.must(b.ask(0, bar(WaitForever)))
	})
}
