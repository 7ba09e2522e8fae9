package etcdv2

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"
	"go.uber.org/goleak"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

var (
	lockKey   = store.Key{Space: "lock", Name: "k"}
	anonymous = store.Acquire{TTL: time.Minute, Wait: true}
)

func valued(value string) store.Acquire {
	return store.Acquire{Value: value, HasValue: true, TTL: time.Minute, Wait: true}
}

func (g *testGateway) acquire(t *testing.T, a store.Acquire) store.Entry {
	t.Helper()
	got, err := g.Acquire(t.Context(), lockKey, a)
	if err != nil {
		t.Fatal(err)
	}
	return got.Entry
}

func (g *testGateway) wantIndices(t *testing.T, want ...uint64) {
	t.Helper()
	l, err := g.List(t.Context(), lockKey, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, e := range l.Entries {
		got = append(got, e.Index)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the queue's indices are %d, want %d", got, want)
	}
}

// A queue is its directory, in order, and each key's value is what was given.
func TestKeysAreReadable(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) { keysAreReadable(t, version) })
	}
}

func keysAreReadable(t *testing.T, version etcdtest.Version) {
	t.Parallel()
	server := etcdtest.StartV2(t, version)
	g := open(t, server.Endpoint, "/_etcd/mod")
	key := store.Key{Space: "lock", Name: "a b/ü%"}
	given := []string{"", "bar", "%41/b c ☃", "-", "\x00", "\n"}
	want := []string{"-", "bar", "%41/b c ☃", "\x00-", "\x00\x00", "\n"} // only what can't be told apart is marked
	for i, value := range given {
		if _, err := g.Acquire(t.Context(), key, store.Acquire{Value: value, HasValue: i > 0, TTL: time.Minute, Wait: true}); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := keysOf(t, server.Endpoint).Get(t.Context(), "/_etcd/mod/lock/a%20b%2F%C3%BC%25", &client.GetOptions{Sort: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range resp.Node.Nodes {
		got = append(got, n.Value)
		if index, ok := indexOf(n.Key); !ok || index != n.CreatedIndex {
			t.Errorf("%s was created at %d", n.Key, n.CreatedIndex)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the directory has the values %q, want %q", got, want)
	}
}

// What requests and waiting cost in commits, as the README says.
func TestCommits(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	g, h := openHooked(t, server.Endpoint)
	keys := keysOf(t, server.Endpoint)
	commits := func() uint64 {
		t.Helper()
		resp, err := keys.Get(t.Context(), "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Index
	}
	cost := func(what string, want uint64, do func()) {
		t.Helper()
		before := commits()
		do()
		if got := commits() - before; got != want {
			t.Errorf("%s: %d commits, want %d", what, got, want)
		}
	}
	release := func(e store.Entry) {
		t.Helper()
		if _, err := g.Release(t.Context(), lockKey, store.Target{Index: e.Index}, nil); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(e store.Entry) {
		t.Helper()
		if _, err := g.Renew(t.Context(), lockKey, store.Target{Index: e.Index}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	// What is counted is what a request costs, and not a session that is refreshed meanwhile.
	session, opened := to(g.gatewayKey(g.id), http.MethodPut), new(atomic.Bool)
	h.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if session(req) && !opened.CompareAndSwap(false, true) {
			return nil, errLost
		}
		return through.RoundTrip(req)
	})
	var holder, next store.Entry
	cost("acquire", 2, func() { holder = g.acquire(t, anonymous) })
	cost("renew", 1, func() { renew(holder) })
	cost("release", 1, func() { release(holder) })
	cost("acquire with a value", 3, func() { holder = g.acquire(t, valued("v")) })
	cost("the session, with the first that waits, and its place", 1+3, func() { next = g.acquire(t, anonymous) })
	cost("handover", 2, func() {
		release(holder)
		if _, err := g.Grant(t.Context(), lockKey, next, store.Ahead{Name: holder.Name, Index: holder.Index}, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
	h.clear()
	for range 50 {
		g.acquire(t, anonymous)
	}
	begin, before := time.Now(), commits()
	patience.Until(t, 10*time.Second, func() error {
		if commits() < before+2 {
			return errors.New("the session has not been refreshed twice")
		}
		return nil
	})
	if took := time.Since(begin); took < keepalivePeriod {
		t.Errorf("while 50 wait, there were two commits within %v; want one for the session every %v", took, keepalivePeriod)
	}
}

// Whichever write of a request is lost, on its way or on its way back, or comes
// late: once it has been withdrawn, nothing of it stays, and those that others
// wait for or hold do (I10, I7, I1).
func TestEachWriteOfAnAcquireLost_I10(t *testing.T) {
	for _, how := range []storetest.Loss{storetest.LostRequest, storetest.LostAnswer, storetest.DelayedRequest} {
		for nth := 1; nth <= 4; nth++ {
			t.Run(fmt.Sprintf("%s %d", how, nth), func(t *testing.T) {
				t.Parallel()
				server := etcdtest.StartV2(t, etcdtest.V35)
				a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
				holder := b.acquire(t, valued("holder"))
				w := b.acquire(t, valued("w"))
				for _, request := range []store.Acquire{anonymous, valued("new"), valued("holder"), valued("w")} {
					deliver := a.loss.next(how, nth)
					got, err := a.Acquire(t.Context(), lockKey, request)
					if err != nil && !errors.Is(err, store.ErrUnknown) {
						t.Fatalf("acquiring %q: %v", request.Value, err)
					}
					if got.Entry.Name != "" && !got.Renewed {
						patience.Until(t, 10*time.Second, func() error { return a.Withdraw(t.Context(), lockKey, got.Entry) })
					}
					deliver()
					patience.Until(t, newTTL+2*time.Second, func() error {
						l, err := b.List(t.Context(), lockKey, 0)
						if err == nil && len(l.Entries) != 2 {
							err = fmt.Errorf("%d entries are left", len(l.Entries))
						}
						return err
					})
					b.wantIndices(t, holder.Index, w.Index)
				}

				// No part of them is left: without b's, they are gone.
				for _, e := range []store.Entry{w, holder} {
					if err := b.Withdraw(t.Context(), lockKey, e); err != nil {
						t.Fatal(err)
					}
				}
				b.wantIndices(t)
				if all := a.waiting.all(); len(all) > 0 {
					t.Errorf("the gateway still takes part in %v", all)
				}
			})
		}
	}
}

// A request that never left the process is not one with an unknown outcome: it
// is the difference between 503 and 504.
func TestNeverSentIsUnavailable(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	g := open(t, server.Endpoint, "/test")
	g.callers.members = []*url.URL{mustParse(t, server.Endpoint)}
	g.acquire(t, anonymous)
	server.Stop()
	g.callers.close() // what is sent on a connection that has just been cut may have arrived
	clock := patience.Start(t)
	got, err := g.Acquire(t.Context(), lockKey, anonymous)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) || got.Entry.Name != "" {
		t.Errorf("acquiring without an etcd: %v, %v; want ErrUnavailable and nothing owed", got, err)
	}
	if took := clock.Took(); took > 5*time.Second {
		t.Errorf("it took %v, want at most 5 s", took)
	}
}

// An etcd whose v2 API is switched off refuses everything, at once.
func TestNoV2APIIsUnavailable(t *testing.T) {
	t.Parallel()
	g := open(t, etcdtest.StartProcess(t, etcdtest.V35).Endpoint, "/test")
	clock := patience.Start(t)
	got, err := g.Acquire(t.Context(), lockKey, anonymous)
	if !errors.Is(err, store.ErrUnavailable) || got.Entry.Name != "" {
		t.Errorf("acquiring: %v, %v; want ErrUnavailable and nothing owed", got, err)
	}
	if _, err := g.List(t.Context(), lockKey, 0); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("listing: %v, want ErrUnavailable", err)
	}
	if took := clock.Took(); took > 2*time.Second {
		t.Errorf("it took %v, want an answer at once", took)
	}
}

// A member that is away costs a request to it, and not the lock.
func TestMemberAway(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	g := open(t, server.Endpoint, "/test")
	away := mustParse(t, "http://"+etcdtest.FreeAddress(t))
	g.callers.members = append([]*url.URL{away}, g.callers.members...)
	for range 5 {
		g.callers.turn.Store(0)
		e := g.acquire(t, anonymous)
		g.callers.turn.Store(0)
		if _, err := g.Release(t.Context(), lockKey, store.Target{Index: e.Index}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Directories that nothing is in any more are deleted, and no others.
func TestTidy(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	g := open(t, server.Endpoint, "/test")
	keys := keysOf(t, server.Endpoint)
	q := g.queue(lockKey)
	holder := g.acquire(t, anonymous)
	waits := g.acquire(t, valued("v"))
	later := time.Now().Add(time.Hour)

	g.tidyUnusedSince(t.Context(), later)
	g.wantIndices(t, holder.Index, waits.Index)
	if err := g.Withdraw(t.Context(), lockKey, waits); err != nil {
		t.Fatal(err)
	}
	if err := g.Withdraw(t.Context(), lockKey, holder); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Delete(t.Context(), q.partyOf(waits.Index), nil); err != nil { // as its TTL will
		t.Fatal(err)
	}
	g.used.since(later) // as if another gateway had used it, and had been stopped
	if err := g.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.tidyUnusedSince(t.Context(), later)
	for _, dir := range []string{q.entries, q.parties} {
		if _, err := keys.Get(t.Context(), dir, nil); !client.IsKeyNotFound(err) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
	}
	g.acquire(t, anonymous)
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A key that somebody has made in order by hand holds up the queue for no longer
// than an entry whose gateway has died.
func TestKeyMadeByHand_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	g := open(t, server.Endpoint, "/test")
	if _, err := keysOf(t, server.Endpoint).CreateInOrder(t.Context(), g.queue(lockKey).entries, "by hand", nil); err != nil {
		t.Fatal(err)
	}
	waits := g.acquire(t, anonymous)
	patience.Until(t, sessionTTL+5*time.Second, func() error {
		if _, err := g.List(t.Context(), lockKey, 0); err != nil { // as somebody does who looks
			return err
		}
		_, err := g.Grant(t.Context(), lockKey, waits, store.Ahead{}, time.Minute)
		return err
	})
}

// A store that is closed leaves no goroutine behind.
func TestGoroutinesEnd(t *testing.T) {
	server := etcdtest.StartV2(t, etcdtest.V35)
	before := goleak.IgnoreCurrent()
	s, err := Open(Options{Endpoints: []string{server.Endpoint}, Prefix: "/test"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Acquire(t.Context(), lockKey, anonymous); err != nil {
			t.Fatal(err)
		}
	}
	watched := make(chan error, 1)
	go func() { watched <- s.Watch(t.Context(), lockKey, s.Revision(), func(uint64, []store.Event) {}) }()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-watched; !errors.Is(err, store.ErrClosed) {
		t.Errorf("the watch ended with %v, want ErrClosed", err)
	}
	goleak.VerifyNone(t, before)
}

// etcd spends tens of milliseconds on each password: requests by the dozen must not
// have it spend them on what has been given up meanwhile (I5).
func TestPasswordIsNotTooMuchForEtcd_I5(t *testing.T) {
	server := etcdtest.StartV2(t, etcdtest.V35)
	server.EnableV2Auth(t, "secret")
	s, err := Open(Options{Endpoints: []string{server.Endpoint}, Prefix: "/test", Username: "root", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	clock := patience.Start(t)
	// try calls again if the machine stalled so long that there was no time for an answer.
	try := func(call func() error) {
		for again := 3; ; again-- {
			begun := time.Now()
			err := call()
			timedOut := errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown)
			if timedOut && clock.RanSince(begun) < callTimeout*3/4 && again > 0 {
				continue
			}
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			try(func() error {
				got, err := s.Acquire(t.Context(), lockKey, anonymous)
				if errors.Is(err, store.ErrUnknown) && got.Entry.Name != "" {
					try(func() error { return s.Withdraw(t.Context(), lockKey, got.Entry) })
				}
				return err
			})
		})
	}
	for range 5 { // meanwhile
		try(func() error {
			_, err := s.List(t.Context(), lockKey, 0)
			return err
		})
	}
	all.Wait()
	patience.Until(t, newTTL+2*time.Second, func() error { // what was withdrawn may have come late
		l, err := s.List(t.Context(), lockKey, 0)
		if err == nil && len(l.Entries) != 60 {
			err = fmt.Errorf("%d of 60 wait", len(l.Entries))
		}
		return err
	})
}
