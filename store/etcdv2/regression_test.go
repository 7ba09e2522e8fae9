package etcdv2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// hook is a transport in which a test stands in the way of a gateway's requests.
type hook struct {
	through http.RoundTripper
	handle  atomic.Pointer[handler]
}

type handler func(req *http.Request, through http.RoundTripper) (*http.Response, error)

func (h *hook) RoundTrip(req *http.Request) (*http.Response, error) {
	if handle := h.handle.Load(); handle != nil {
		return (*handle)(req, h.through)
	}
	return h.through.RoundTrip(req)
}

// set has all requests from now on handled like that.
func (h *hook) set(handle handler) { h.handle.Store(&handle) }

// clear lets all requests through.
func (h *hook) clear() { h.handle.Store(nil) }

// openHooked opens a gateway with a hook in its way to etcd.
func openHooked(t *testing.T, endpoint string) (*testGateway, *hook) {
	t.Helper()
	g := open(t, endpoint, "/test")
	h := &hook{through: g.callers.transport}
	g.callers.transport = h
	return g, h
}

// halt is where one request stops on its way to etcd, until it is told to go on.
// It arrives even if nobody waits for its answer any more.
type halt struct {
	reached, onward chan struct{}
	once            sync.Once
}

// halt stops the first of those requests, and lets all others through.
func (h *hook) halt(those requests) *halt {
	here := &halt{reached: make(chan struct{}), onward: make(chan struct{})}
	var one atomic.Bool
	h.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if those(req) && one.CompareAndSwap(false, true) {
			close(here.reached)
			select {
			case <-here.onward:
			case <-req.Context().Done():
				req = late(req)
			}
		}
		return through.RoundTrip(req)
	})
	return here
}

// late is a request that has left, and that can't be cancelled any more.
func late(req *http.Request) *http.Request {
	return (&http.Request{
		Method: req.Method, URL: req.URL, Host: req.Host, Header: req.Header,
		Body: req.Body, ContentLength: req.ContentLength,
	}).WithContext(context.WithoutCancel(req.Context()))
}

func (h *halt) goOn() { h.once.Do(func() { close(h.onward) }) }

// await waits until something has happened: a halt is reached, a call is done.
func await(t *testing.T, what string, happened <-chan struct{}) {
	t.Helper()
	awaitFor(t, 10*time.Second, what, happened)
}

func awaitFor(t *testing.T, within time.Duration, what string, happened <-chan struct{}) {
	t.Helper()
	patience.Until(t, within, func() error {
		select {
		case <-happened:
			return nil
		default:
			return fmt.Errorf("not %s", what)
		}
	})
}

// calling does a call beside the test, and closes done after it.
func calling(call func()) (done <-chan struct{}) {
	over := make(chan struct{})
	go func() { defer close(over); call() }()
	return over
}

// requests are some of a gateway's.
type requests func(*http.Request) bool

// to are the requests to a key, or to one below it, with one of the methods.
func to(key string, methods ...string) requests {
	return func(req *http.Request) bool {
		path, ok := strings.CutPrefix(req.URL.Path, "/v2/keys"+key)
		if !ok || path != "" && path[0] != '/' {
			return false
		}
		for _, method := range methods {
			if req.Method == method {
				return true
			}
		}
		return len(methods) == 0
	}
}

func asksTheCluster(req *http.Request) bool { return req.URL.Query().Get("quorum") == "true" }

func waitsForAnEvent(req *http.Request) bool { return req.URL.Query().Get("wait") == "true" }

// hang is what becomes of a request to a member that has stopped.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// lose is what becomes of a request that has left, and is not heard of again.
func lose(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.WroteHeaders()
	}
	return nil, errLost
}

// past is what a member that lags behind answers to a read of a key.
type past struct {
	key    string
	status int
	header http.Header
	body   []byte
}

// remember notes what there is at a key now.
func remember(t *testing.T, endpoint, key string) past {
	t.Helper()
	resp, err := http.Get(endpoint + "/v2/keys" + key)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return past{key: key, status: resp.StatusCode, header: resp.Header, body: body}
}

// answer handles requests as the member does that lags behind: it hands on those
// that it can't answer alone.
func (p past) answer(req *http.Request, through http.RoundTripper) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.Path != "/v2/keys"+p.key || asksTheCluster(req) || waitsForAnEvent(req) {
		return through.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: p.status, Status: http.StatusText(p.status), Header: p.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(p.body)), Request: req, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// release releases an entry.
func (g *testGateway) release(t *testing.T, e store.Entry) {
	t.Helper()
	if _, err := g.Release(t.Context(), lockKey, store.Target{Index: e.Index}, nil); err != nil {
		t.Fatal(err)
	}
}

// granted releases the holder, and grants to e, which is the next.
func (g *testGateway) granted(t *testing.T, holder, e store.Entry) store.Entry {
	t.Helper()
	g.release(t, holder)
	e, err := g.Grant(t.Context(), lockKey, e, store.Ahead{Name: holder.Name, Index: holder.Index}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A gateway has told a client that it holds the lock. A request with the same
// value comes while the member that is asked does not know of the grant yet: it
// finds an entry that waits. That it does is the past, and the request a renewal.
func TestHoldIsKnownThroughALaggingMember_I1(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	holder, w := a.acquire(t, anonymous), a.acquire(t, valued("v"))
	before := remember(t, server.Endpoint, a.queue(lockKey).entries)
	a.granted(t, holder, w)
	ah.set(before.answer)
	again, err := a.Acquire(t.Context(), lockKey, valued("v"))
	if err != nil {
		t.Fatal(err)
	}
	if again.Entry.Index != w.Index || !again.Renewed {
		t.Errorf("acquiring what a client was told that it holds: %+v, want %d renewed", again, w.Index)
	}
}

// The same, and the request's last write gets lost. What is withdrawn then is not
// the hold that the client has been told of before.
func TestLostRenewalThroughALaggingMemberKeepsTheHold_I1(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	q := a.queue(lockKey)
	holder, w := a.acquire(t, anonymous), a.acquire(t, valued("v"))
	before := remember(t, server.Endpoint, q.entries)
	a.granted(t, holder, w)
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if to(q.entries, http.MethodPut)(req) {
			return lose(req)
		}
		return before.answer(req, through)
	})
	again, err := a.Acquire(t.Context(), lockKey, valued("v"))
	if !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("acquiring, with the write lost: %v, want ErrUnknown", err)
	}
	ah.clear()
	if again.Entry.Name != "" {
		if err := a.Withdraw(t.Context(), lockKey, again.Entry); err != nil {
			t.Fatal(err)
		}
	}
	a.wantIndices(t, w.Index)
}

// A grant is asked for again after its entry has been released and the lock is
// another one's. The member that is asked shows the entry still held, for longer
// than is wanted: nothing would have to be written.
func TestGrantIsNotAnsweredFromThePast_I1(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	holder, w := a.acquire(t, anonymous), a.acquire(t, anonymous)
	a.granted(t, holder, w)
	before := remember(t, server.Endpoint, a.queue(lockKey).entries)
	b.release(t, w)
	b.acquire(t, anonymous)
	ah.set(before.answer)
	if e, err := a.Grant(t.Context(), lockKey, w, store.Ahead{}, 30*time.Second); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("granting an entry that was released while another holds: %+v, %v; want ErrNotFound", e, err)
	}
}

// What stands between the gateway and etcd hands a release on, gets no answer,
// and says 502. That is not "nothing was written".
func TestBadGatewayAfterAWriteIsNotUnavailable_I10(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		resp, err := through.RoundTrip(req)
		if err != nil || req.Method != http.MethodDelete {
			return resp, err
		}
		_ = resp.Body.Close()
		return &http.Response{
			StatusCode: http.StatusBadGateway, Status: "502 Bad Gateway", Header: http.Header{},
			Body: io.NopCloser(strings.NewReader("bad gateway")), Request: req, ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	})
	patience.Until(t, 10*time.Second, func() error {
		holder := a.acquire(t, anonymous)
		_, err := a.Release(t.Context(), lockKey, store.Target{Index: holder.Index}, nil)
		if err != nil {
			err = fmt.Errorf("releasing, with a 502 after it was done: %w, want that it is found done", err)
		}
		if err != nil && !errors.Is(err, store.ErrUnknown) { // which it is when etcd takes long to say what it finds
			t.Fatal(err)
		}
		return err
	})
	a.wantIndices(t)
}

// A request that does not wait finds the lock free and makes an entry behind one
// that was made meanwhile; that goes, and just before the request makes its own
// entry the holder, another gateway has it wait. The request is told that the
// lock is taken, and has no part in the entry any more.
func TestTakenLeavesNoClaim_I4(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b, bh := openHooked(t, server.Endpoint)
	q := a.queue(lockKey)

	making := ah.halt(to(q.entries, http.MethodPost))
	var tried error
	aDone := calling(func() {
		_, tried = a.Acquire(t.Context(), lockKey, store.Acquire{Value: "v", HasValue: true, TTL: time.Minute})
	})
	await(t, "about to make the entry", making.reached)
	holder := b.acquire(t, anonymous)
	looking := ah.halt(to(q.entries, http.MethodGet))
	making.goOn()
	await(t, "about to look where it stands", looking.reached)

	joining := bh.halt(to(q.parties))
	var joined store.Acquired
	var joinErr error
	bDone := calling(func() { joined, joinErr = b.Acquire(t.Context(), lockKey, valued("v")) })
	await(t, "about to join the entry", joining.reached)
	b.release(t, holder)
	holding := ah.halt(to(q.entries, http.MethodPut))
	looking.goOn()
	await(t, "about to make it the holder", holding.reached)
	joining.goOn()
	await(t, "joined", bDone)
	holding.goOn()
	await(t, "answered", aDone)

	if !errors.Is(tried, store.ErrTaken) || joinErr != nil {
		t.Fatalf("trying: %v, want ErrTaken; joining: %v", tried, joinErr)
	}
	r, _, err := b.parties(t.Context(), q, joined.Entry, quorum)
	if err != nil || r.has(a.id) {
		t.Errorf("%s got ErrTaken, and is among the parties %+v (%v)", a.id, r, err)
	}
	if err := b.Withdraw(t.Context(), lockKey, joined.Entry); err != nil {
		t.Fatal(err)
	}
	b.wantIndices(t)
}

// A gateway sees another one's entry while it is new, and finds it changed when it
// joins it. Meanwhile the other one has looked at the record, in which it is
// alone, and is about to delete the entry. Whoever is told that it waits does.
func TestJoiningAgainHoldsOffADeletion_I7(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b, bh := openHooked(t, server.Endpoint)
	q := a.queue(lockKey)
	holder := b.acquire(t, anonymous)

	making := bh.halt(to(q.parties))
	var made, joined store.Acquired
	var madeErr, joinErr, leaveErr error
	bMade := calling(func() { made, madeErr = b.Acquire(t.Context(), lockKey, valued("v")) })
	await(t, "about to write its record", making.reached)
	joining := ah.halt(to(q.parties))
	aDone := calling(func() { joined, joinErr = a.Acquire(t.Context(), lockKey, valued("v")) })
	await(t, "about to join the new entry", joining.reached)
	making.goOn()
	await(t, "waiting", bMade)
	if madeErr != nil {
		t.Fatal(madeErr)
	}

	deleting := bh.halt(to(q.entries, http.MethodDelete))
	bLeft := calling(func() { leaveErr = b.Withdraw(t.Context(), lockKey, made.Entry) })
	await(t, "about to delete the entry", deleting.reached)
	joining.goOn()
	await(t, "joined", aDone)
	deleting.goOn()
	await(t, "withdrawn", bLeft)
	if joinErr != nil || leaveErr != nil {
		t.Fatalf("joining: %v; withdrawing: %v", joinErr, leaveErr)
	}
	b.wantIndices(t, holder.Index, joined.Entry.Index)
}

// Who cancels a request as soon as it shows in the queue cancels it, and does not
// have it queue again: its place is shown before the gateway has finished with it.
func TestCancelledWhileItIsBeingMade_I7(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	holder := b.acquire(t, anonymous)
	for _, target := range []func(store.Entry) store.Target{
		func(e store.Entry) store.Target { return store.Target{Index: e.Index} },
		func(e store.Entry) store.Target { return store.Target{Value: e.Value} },
	} {
		for range 30 {
			placed := make(chan store.Entry, 1)
			go func() {
				got, err := a.Acquire(context.Background(), lockKey, valued("v"))
				if err != nil {
					t.Error(err)
				}
				placed <- got.Entry
			}()
			var shown store.Entry
			patience.Until(t, 10*time.Second, func() error {
				l, err := b.List(t.Context(), lockKey, 0)
				if err == nil && len(l.Entries) != 2 {
					return errors.New("it is not shown")
				}
				if err == nil {
					shown = l.Entries[1]
				}
				return err
			})
			if _, err := b.Release(t.Context(), lockKey, target(shown), nil); err != nil {
				t.Fatal(err)
			}
			e := <-placed
			if e.Index != shown.Index {
				t.Fatalf("it queued again, as %d, after %d had been cancelled", e.Index, shown.Index)
			}
			if expired, err := a.Expired(t.Context(), lockKey, e); err != nil || expired {
				t.Fatalf("it was cancelled, but Expired says %t (%v)", expired, err)
			}
			b.wantIndices(t, holder.Index)
		}
	}
}
