package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

// What has used up its time before it comes to renew a lease does not take the stream away from
// those who wait for an answer on it.
func TestEndedContextLeavesOthersTheirRenewals(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	l, err := x.leases.take(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.keepalives.renew(t.Context(), l.id); err != nil {
		t.Fatal(err)
	}
	before := x.keepalives.streams[0]
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // an answer that is there is taken, sometimes
		if _, err := x.keepalives.renew(ended, l.id); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if left, err := x.keepalives.renew(t.Context(), l.id); err != nil || left != 60 || x.keepalives.streams[0] != before {
		t.Errorf("%d s are left (%v), on the same stream: %t", left, err, x.keepalives.streams[0] == before)
	}
}

// A renewal of a lease that whoever leads etcd does not know ends when its context does.
func TestUnknownLeaseIsAskedForOnlySoLong_I10(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	leader := behind(x)
	got, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	leader.unaware.Store(1 << 30)
	clock := patience.Start(t)
	_, err = x.Renew(t.Context(), rk, store.Target{Index: got.Entry.Index}, time.Minute)
	if took := clock.Took(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) || took > callTimeout+time.Second {
		t.Errorf("%v after %v, want ErrUnavailable", err, took)
	}

	// A hold of which it is not known whether its TTL has begun has to be given up.
	other := store.Key{Space: "lock", Name: "other"}
	doubtful, err := x.Acquire(t.Context(), other, barFor(time.Minute, true))
	if !errors.Is(err, store.ErrUnknown) || doubtful.Entry.Index == 0 {
		t.Errorf("%v (%v), want an entry with ErrUnknown", doubtful.Entry, err)
	}
	leader.unaware.Store(0)
	if err := x.Withdraw(t.Context(), other, doubtful.Entry); err != nil {
		t.Fatal(err)
	}
	if l, err := x.List(t.Context(), other, 0); err != nil || len(l.Entries) != 0 {
		t.Errorf("there are %v (%v)", l.Entries, err)
	}
}

// The session's lease has gone, and so has etcd when that is to be found out: nothing is written,
// and nothing owed.
func TestSessionThatCannotBeAskedFor_I10(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	for n := 0; !sessionCannotBeAskedFor(t, srv, fmt.Sprint("/t", n)); n++ {
		if n == 4 {
			t.Fatal("it always takes longer than until the session's next keepalive")
		}
	}
}

// sessionCannotBeAskedFor returns false if the session's own keepalive may have found that out.
func sessionCannotBeAskedFor(t *testing.T, srv *etcdtest.Process, prefix string) bool {
	opened := time.Now()
	x := openThrough(t, srv, prefix)
	defer x.Close(context.Background())
	leader := behind(x)
	leader.meanwhile = func() { x.loss.next(storetest.LostRequest) }
	waits := store.Acquire{TTL: time.Minute, Wait: true, Contended: true}
	holder, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ss := x.session.Load()
	if _, err := srv.Client(t).Revoke(t.Context(), ss.lease); err != nil {
		t.Fatal(err)
	}
	leader.unaware.Store(1)
	got, err := x.Acquire(t.Context(), rk, waits)
	if time.Since(opened) >= keepalivePeriod {
		return false
	}
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) || got.Entry.Name != "" {
		t.Fatalf("got %+v (%v), want ErrUnavailable and nothing", got, err)
	}
	if got, err = x.Acquire(t.Context(), rk, waits); err != nil || x.session.Load() == ss {
		t.Fatalf("%v, in the old session: %t", err, x.session.Load() == ss)
	}
	mustRelease(t, x, holder.Entry)
	wantOnly(t, x, got.Entry)
	return true
}

// What a shared entry's lease was kept alive for has gone with it: nothing is kept alive any more.
func TestSharedEntryThatHasGoneIsNotKeptAlive_I4(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	defer y.Close(context.Background())
	if _, err := y.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true}); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*testGateway{y, x} {
		if _, err := g.Acquire(t.Context(), rk, barFor(time.Minute, true)); err != nil {
			t.Fatal(err)
		}
	}
	shared := x.shared.all()
	if len(shared) != 1 || !x.hangs(t.Context(), shared[0]) {
		t.Fatalf("shared are %v, and the first does not hang on its lease", shared)
	}
	if _, err := srv.Client(t).Revoke(t.Context(), shared[0].lease); err != nil {
		t.Fatal(err)
	}
	if x.hangs(t.Context(), shared[0]) {
		t.Error("it hangs on a lease that has gone")
	}
	patience.Until(t, 4*keepalivePeriod, func() error {
		if left := x.shared.all(); len(left) > 0 {
			return fmt.Errorf("kept alive are still %v", left)
		}
		return nil
	})
}

// slowLeases is an etcd that takes a stream's renewals one after the other, and a while for each.
type slowLeases struct {
	pb.LeaseClient
	opening time.Duration // how long a stream takes to open, but the first
	opened  atomic.Int64
	deaf    atomic.Int64 // the streams up to this one don't answer any more
}

const slowness = 100 * time.Millisecond

func (l *slowLeases) LeaseKeepAlive(ctx context.Context, _ ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	number := l.opened.Add(1)
	if number > 1 {
		time.Sleep(l.opening)
	}
	return &slowStream{ctx: ctx, etcd: l, number: number, asked: make(chan *pb.LeaseKeepAliveRequest, 1000)}, nil
}

type slowStream struct {
	pb.Lease_LeaseKeepAliveClient
	ctx    context.Context
	etcd   *slowLeases
	number int64
	asked  chan *pb.LeaseKeepAliveRequest
}

func (s *slowStream) Send(r *pb.LeaseKeepAliveRequest) error {
	s.asked <- r
	return nil
}

func (s *slowStream) Recv() (*pb.LeaseKeepAliveResponse, error) {
	for {
		select {
		case r := <-s.asked:
			if s.number <= s.etcd.deaf.Load() {
				continue
			}
			select {
			case <-time.After(slowness):
			case <-s.ctx.Done():
				return nil, s.ctx.Err()
			}
			return &pb.LeaseKeepAliveResponse{ID: r.ID, TTL: r.ID}, nil
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
	}
}

// renewals are as many of them at once, of which each must succeed. It returns how long that takes.
func renewals(t *testing.T, k *keepalives, atOnce int) time.Duration {
	begin := time.Now()
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			id := clientv3.LeaseID(i + 1)
			if ttl, err := k.renew(t.Context(), id); err != nil || ttl != int64(id) {
				t.Errorf("%d: another one's answer, %d (%v)", id, ttl, err)
			}
		})
	}
	all.Wait()
	return time.Since(begin)
}

// ended ends the streams, as the store's end does.
func (k *keepalives) ended() {
	k.mu.Lock()
	opening := k.opening
	k.mu.Unlock()
	if opening != nil {
		<-opening.done
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range slices.Clone(k.streams) {
		k.remove(s)
	}
}

// count is how many streams there are.
func (k *keepalives) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.streams)
}

// A soak with slow disks found this: with one stream, more holds were granted than could have their
// TTL begun; they timed out, which made more to do, and hardly anybody got a lock for half a
// minute. Renewals do not wait for each other, nor are there more streams than are needed.
func TestRenewalsDoNotWaitForEachOther_I5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keepalives{client: new(slowLeases), ctx: t.Context()}
		defer k.ended()
		for range 3 {
			if took := renewals(t, k, 1); k.count() != 1 || took != slowness {
				t.Errorf("one takes %v, with %d streams", took, k.count())
			}
		}
		const many = 16
		for range 2 * many { // there is one more, each time that all are busy
			renewals(t, k, many)
		}
		if took := renewals(t, k, many); k.count() != many || took != slowness {
			t.Errorf("%d take %v, with %d streams", many, took, k.count())
		}
		if took := renewals(t, k, 10*many); k.count() != many || took != 10*slowness {
			t.Errorf("%d take %v, with %d streams", 10*many, took, k.count())
		}
	})
}

// Nobody who has a stream waits for one more, which takes long where etcd checks a password and a
// member hangs.
func TestRenewalsDoNotWaitForAStreamMore_I5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keepalives{client: &slowLeases{opening: 2 * time.Second}, ctx: t.Context()}
		defer k.ended()
		renewals(t, k, 1)
		if took := renewals(t, k, 5); took != 5*slowness {
			t.Errorf("they take %v", took)
		}
		time.Sleep(2 * time.Second)
		if k.count() != 2 {
			t.Errorf("there are %d streams", k.count())
		}
	})
}

// When a connection has died, on which many streams are, one renewal is lost by that, and not one
// for each of them: a session lives no longer than four.
func TestDeadConnectionCostsOneRenewal_I5(t *testing.T) {
	for name, busy := range map[string]int{"with idle streams": 0, "with busy streams": 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				etcd := new(slowLeases)
				k := &keepalives{client: etcd, ctx: t.Context()}
				defer k.ended()
				for range 50 {
					renewals(t, k, maxStreams)
				}
				if n := k.count(); n != maxStreams {
					t.Fatalf("there are %d streams", n)
				}
				etcd.deaf.Store(etcd.opened.Load())
				ctx, cancel := context.WithTimeout(t.Context(), keepalivePeriod)
				defer cancel()
				var all sync.WaitGroup
				for i := range busy + 1 {
					all.Go(func() {
						if _, err := k.renew(ctx, clientv3.LeaseID(i+1)); !errors.Is(err, store.ErrUnavailable) {
							t.Errorf("a deaf etcd: %v", err)
						}
					})
				}
				all.Wait()
				if took := renewals(t, k, 1); took != slowness {
					t.Errorf("the next one takes %v", took)
				}
			})
		})
	}
}

// A stream that is only slow is left to those who wait on it, when the time of one of them is over.
func TestSlowStreamIsNoDeadOne_I5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keepalives{client: &slowLeases{opening: time.Hour}, ctx: t.Context()}
		defer k.ended()
		const others = 30
		var all sync.WaitGroup
		all.Go(func() {
			if took := renewals(t, k, others); took < others*slowness {
				t.Errorf("they take %v", took)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*deaf)
		defer cancel()
		if _, err := k.renew(ctx, 1000); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("its time is over, and %v", err)
		}
		all.Wait()
	})
}

// A member that hangs when it is asked for a stream is not waited for longer than for a renewal.
func TestStreamThatDoesNotOpenIsGivenUp_I5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keepalives{client: &hangingLeases{slowLeases: new(slowLeases)}, ctx: t.Context()}
		defer k.ended()
		begin := time.Now()
		_, err := k.renew(t.Context(), 1)
		if took := time.Since(begin); !errors.Is(err, store.ErrUnavailable) || took != keepalivePeriod {
			t.Errorf("%v after %v", err, took)
		}
		if took := renewals(t, k, 1); took != slowness {
			t.Errorf("the next one takes %v", took)
		}
	})
}

// hangingLeases is an etcd that hangs when it is asked for the first stream.
type hangingLeases struct {
	*slowLeases
	asked atomic.Int64
}

func (l *hangingLeases) LeaseKeepAlive(ctx context.Context, opts ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	if l.asked.Add(1) == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return l.slowLeases.LeaseKeepAlive(ctx, opts...)
}

// A client that goes does not take the stream away from the others.
func TestClientThatGoesLeavesOthersTheirRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keepalives{client: new(slowLeases), ctx: t.Context()}
		defer k.ended()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(slowness/2, cancel)
		var other sync.WaitGroup
		other.Go(func() {
			if ttl, err := k.renew(t.Context(), 2); err != nil || ttl != 2 {
				t.Errorf("another one's answer, %d (%v)", ttl, err)
			}
		})
		if _, err := k.renew(ctx, 1); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("gone, and %v", err)
		}
		other.Wait()
	})
}
