package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// An observer leaves no trace in its gateway, and reads are no writes.
func TestObserverTakesNoPart(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	holder := a.acquire(t, anonymous)
	if _, err := keys.CreateInOrder(t.Context(), a.queue(lockKey).entries, "of a dead gateway", nil); err != nil {
		t.Fatal(err)
	}
	before := indexNow(t, keys)
	for _, scope := range []store.Scope{lockScope, allLocks} {
		if _, err := b.Queues(t.Context(), scope, "", 1); err != nil {
			t.Fatal(err)
		}
		b.observe(t, scope, 0, true).begun(t)
		b.observe(t, scope, 0, false)
	}
	o := b.observe(t, lockScope, before, true).begun(t)
	if now := indexNow(t, keys); now != before {
		t.Errorf("%d writes for observers of what is there now", now-before)
	}
	a.release(t, holder)
	o.wants(t, holder.Index+2)
	if len(b.used.queues) > 0 || !b.sweeper.idle() || len(b.waiting.all()) > 0 {
		t.Error("the observers' gateway keeps, sweeps, or waits for something")
	}
}

// What is no entry shows nowhere: not what the store keeps beside the queues, nor
// what somebody has put there by hand.
func TestObserverPassesOverWhatIsNoEntry(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/_etcd/mod")
	key := store.Key{Space: "lock", Name: "a b"}
	scope := store.Scope{Space: "lock", Name: "a b"}
	hold := func() uint64 {
		t.Helper()
		for range 2 { // the second one waits, and has parties
			if _, err := g.Acquire(t.Context(), key, anonymous); err != nil {
				t.Fatal(err)
			}
		}
		l, err := g.List(t.Context(), key, 0)
		if err != nil {
			t.Fatal(err)
		}
		return l.Entries[len(l.Entries)-1].Index
	}
	put := func(round int) {
		t.Helper()
		const entry = "/00000000000000000001"
		for _, name := range []string{
			"/lock/x", "/lock" + entry, "/lock/a b" + entry, "/lock/a%2fb" + entry, "/lock/%zz" + entry,
			"/lock/_hidden" + entry, "/lock/a%20b/x", "/lock/a%20b/_1", "/lock/a%20b/0001", "/lock/a%20b/deeper" + entry,
			"/lockbox/a%20b" + entry, "/lock/a%20bc/deeper/still" + entry, entry,
		} {
			if _, err := keys.Set(t.Context(), "/_etcd/mod"+name, fmt.Sprint(round), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1)
	hold()
	observers := []*observer{g.observe(t, scope, 0, true).begun(t), g.observe(t, allLocks, 0, true).begun(t)}
	from := observers[0].toldUpTo()
	put(2)
	last := hold()
	for _, s := range []store.Scope{scope, allLocks} {
		observers = append(observers, g.observe(t, s, from, true), g.observe(t, s, 0, true))
		got, err := g.Queues(t.Context(), s, "", 10)
		if err != nil || len(got.Queues) != 1 || got.Queues[0].Name != "a b" || len(got.Queues[0].Entries) != 4 || got.More {
			t.Errorf("%+v has %+v (%v)", s, got, err)
		}
	}
	for i, o := range observers {
		patience.Until(t, 10*time.Second, func() error {
			got := o.indices()
			if len(got) != 4 || got[3] != last {
				return fmt.Errorf("observer %d was told of %d, want 4 entries up to %d", i, got, last)
			}
			return nil
		})
		for _, q := range o.first {
			if q.Name != "a b" {
				t.Errorf("observer %d was told of queue %q", i, q.Name)
			}
		}
	}
}

// Nothing happens in the observer's scope, and many things elsewhere. From where it
// was told last it can be gone on all the time.
func TestIdleObserverStaysAbreast(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/test")
	other := store.Key{Space: "lock", Name: "other"}
	elsewhere := map[string]*observer{ // what happens is, for that observer
		"outside its directory": g.observe(t, lockScope, 0, true).begun(t),
		"beside its queues":     g.observe(t, store.Scope{Space: "lock", Name: "a", Prefix: true}, 0, true).begun(t),
	}
	for written := 0; written < 1500; {
		for range 100 {
			if _, err := keys.Set(t.Context(), g.queue(other).entries+"/x", "", nil); err != nil {
				t.Fatal(err)
			}
			written++
		}
		now := indexNow(t, keys)
		for what, o := range elsewhere {
			patience.Until(t, pollTime, func() error {
				if told := o.toldUpTo(); now > told+500 {
					return fmt.Errorf("etcd is at %d, and who observes what has been %s was told up to %d", now, what, told)
				}
				return nil
			})
		}
	}
	for _, o := range elsewhere {
		select {
		case <-o.done:
			t.Fatalf("the observer has ended: %v", o.err)
		default:
		}
	}
	from := elsewhere["outside its directory"].toldUpTo()
	e := g.acquire(t, anonymous)
	g.observe(t, lockScope, from, false).wants(t, e.Index)
	elsewhere["outside its directory"].wants(t, e.Index)
}

// An observer whose connection breaks, or goes dead, comes back where it was.
func TestObserverComesBack(t *testing.T) {
	for name, fault := range map[string]func(*etcdtest.Wire) (repair func()){
		"cut":    func(w *etcdtest.Wire) func() { w.Cut(); return func() {} },
		"refuse": func(w *etcdtest.Wire) func() { w.Refuse(true); return func() { w.Refuse(false) } },
		"mute":   func(w *etcdtest.Wire) func() { w.Mute(true); return func() { w.Mute(false); w.Cut() } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := etcdtest.StartV2(t, etcdtest.V35)
			a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
			holder := b.acquire(t, anonymous)
			o := a.observe(t, lockScope, 0, true).begun(t)
			o.wants(t, holder.Index)
			repair := fault(a.wire)
			if name == "cut" {
				// Where it was just between two polls, there was nothing to cut.
				patience.Until(t, 10*time.Second, func() error {
					select {
					case <-o.done:
						return nil
					default:
						a.wire.Cut()
						return errors.New("the observer goes on")
					}
				})
			}
			b.release(t, holder)
			next := b.acquire(t, anonymous)
			o.fails(t, store.ErrUnavailable)
			o.wants(t, holder.Index)
			repair()
			patience.Until(t, 10*time.Second, func() error { return a.ping(t) })
			again := a.observe(t, lockScope, o.toldUpTo(), false)
			again.wants(t, next.Index)
			if told := again.told(); len(told) == 0 || !told[0].Deleted || told[0].Entry.Index != holder.Index {
				t.Errorf("it was told %+v, want first that %d has gone", told, holder.Index)
			}
		})
	}
}

func (g *testGateway) ping(t *testing.T) error {
	_, err := g.look(t.Context(), g.lanes.prompt, g.view(lockScope))
	return err
}

// A member that was behind when a watch began, and then is sent the cluster's whole
// state, tells of something new, and not of what has happened before that. It is
// asked again.
func TestObserverDoesNotTrustALaggingMember(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	from := b.acquire(t, anonymous)
	b.release(t, from)
	missed := b.acquire(t, anonymous)
	told := b.acquire(t, anonymous)
	var polls atomic.Int32
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if !waitsForAnEvent(req) || polls.Add(1) > 1 {
			return through.RoundTrip(req)
		}
		event := fmt.Sprintf(`{"action":"create","node":{"key":"%s","value":"-","modifiedIndex":%d,"createdIndex":%d}}`,
			a.queue(lockKey).entry(told.Index), told.Index, told.Index)
		return &http.Response{
			StatusCode: http.StatusOK, Status: "200 OK", Request: req, ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"X-Etcd-Cluster-Id": {"1"}, "X-Etcd-Index": {fmt.Sprint(from.Index - 1)}},
			Body:   io.NopCloser(strings.NewReader(event)),
		}, nil
	})
	a.observe(t, lockScope, from.Index, false).wants(t, missed.Index, told.Index)
}

// A watch has begun to answer, and its event is still on its way, when it becomes
// another member's turn: that does not mean that there was none.
func TestObserverLosesNoEventOnItsWay(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	a.alsoAt(t, server.Endpoint)
	from := a.Revision()
	e := a.acquire(t, anonymous)
	var polls atomic.Int32
	var gotStuck atomic.Bool
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		resp, err := through.RoundTrip(req)
		if err == nil && waitsForAnEvent(req) && polls.Add(1) == 1 {
			resp.Body = stuck{resp.Body, req.Context(), func() {
				gotStuck.Store(true)
				a.callers.passOn(a.callers.turn.Load())
			}}
		}
		return resp, err
	})
	a.observe(t, lockScope, max(from, 1), false).wants(t, e.Index)
	if !gotStuck.Load() {
		t.Error("no event was on its way")
	}
}

// stuck is the rest of an answer that does not come.
type stuck struct {
	io.ReadCloser
	until     context.Context
	meanwhile func()
}

func (s stuck) Read([]byte) (int, error) {
	s.meanwhile()
	<-s.until.Done()
	return 0, s.until.Err()
}

// Somebody has put back an old state of etcd: the observer can't go on, and does not
// wait until etcd has come as far again.
func TestObserverOfAnEtcdThatWasPutBack(t *testing.T) {
	t.Parallel()
	old, server := etcdtest.StartV2(t, etcdtest.V35), etcdtest.StartV2(t, etcdtest.V35)
	overrun(t, keysOf(t, server.Endpoint))
	a := open(t, server.Endpoint, "/test")
	a.alsoAt(t, old.Endpoint)
	o := a.observe(t, lockScope, 0, true).begun(t)
	from := o.toldUpTo()
	a.callers.passOn(a.callers.turn.Load())
	o.fails(t, store.ErrCompacted)
	a.observe(t, lockScope, from, false).fails(t, store.ErrCompacted)
	a.observe(t, lockScope, from, true).fails(t, store.ErrCompacted)
}

// A store can be closed while its observer is told something, and takes its time, and
// leaves nothing behind.
func TestCloseDoesNotWaitForObservers(t *testing.T) {
	server := etcdtest.StartV2(t, etcdtest.V35)
	before := goleak.IgnoreCurrent()
	s, err := Open(Options{Endpoints: []string{server.Endpoint}, Prefix: "/test"})
	if err != nil {
		t.Fatal(err)
	}
	telling, closed := make(chan struct{}, 3), make(chan struct{})
	ended := make(chan error, 3)
	pause := func() {
		telling <- struct{}{}
		<-closed
	}
	for _, when := range []string{"start", "apply", "never"} {
		go func() {
			ended <- s.Observe(context.Background(), lockScope, 0, func(uint64, []store.Queue) {
				if when == "start" {
					pause()
				}
			}, func(uint64, []store.Change) {
				if when == "apply" {
					pause()
				}
			})
		}()
	}
	<-telling
	if _, err := s.Acquire(t.Context(), lockKey, anonymous); err != nil {
		t.Fatal(err)
	}
	<-telling
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(closed)
	for range 3 {
		if err := <-ended; !errors.Is(err, store.ErrClosed) {
			t.Errorf("an observer ended with %v, want ErrClosed", err)
		}
	}
	goleak.VerifyNone(t, before)
}

// etcd spends tens of milliseconds on each password: observers by the dozen must
// leave it time for others.
func TestObserversWithAPassword_I5(t *testing.T) {
	server := etcdtest.StartV2(t, etcdtest.V35)
	server.EnableV2Auth(t, "secret")
	s, err := Open(Options{Endpoints: []string{server.Endpoint}, Prefix: "/test", Username: "root", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	g := &testGateway{Store: s}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := g.acquire(t, anonymous)
	from := g.Revision()
	var observers []*observer
	for i := range 40 {
		observers = append(observers, g.observe(t, []store.Scope{lockScope, allLocks}[i%2], uint64(i%3)/2*from, true))
	}
	g.release(t, e)
	next := g.acquire(t, anonymous)
	for i, o := range observers {
		patience.Until(t, time.Minute, func() error {
			select {
			case <-o.done:
				t.Fatalf("observer %d: %v", i, o.err)
			default:
			}
			if got := o.indices(); len(got) != 1 || got[0] != next.Index {
				return fmt.Errorf("observer %d was told of %d, want %d", i, got, next.Index)
			}
			return nil
		})
	}
}

// A gateway may be allowed to do nothing but what it does below its prefix.
func TestObserverNeedsNoMoreRights(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	server.EnableV2Auth(t, "secret")
	for path, body := range map[string]string{
		"/v2/auth/roles/lock":    `{"role":"lock","permissions":{"kv":{"read":["/test/*"],"write":["/test/*"]}}}`,
		"/v2/auth/users/gateway": `{"user":"gateway","password":"word","roles":["lock"]}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.Endpoint+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth("root", "secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("PUT %s: %s", path, resp.Status)
		}
	}
	s, err := Open(Options{Endpoints: []string{server.Endpoint}, Prefix: "/test", Username: "gateway", Password: "word"})
	if err != nil {
		t.Fatal(err)
	}
	g := &testGateway{Store: s}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := g.acquire(t, anonymous)
	for _, scope := range []store.Scope{lockScope, allLocks} {
		o := g.observe(t, scope, e.Index-1, true)
		o.wants(t, e.Index)
	}
	if got, err := g.Queues(t.Context(), allLocks, "", 1); err != nil || len(got.Queues) != 1 {
		t.Errorf("the queues are %+v (%v)", got, err)
	}
}
