package etcdv2

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Many entries' records have to be refreshed, and each takes long. The session is
// refreshed as often as ever: with it, all their places would go.
func TestRecordsDoNotKeepTheSessionWaiting_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	q := a.queue(lockKey)
	for range 1 + 3*refreshAtOnce { // three turns, of which each takes callTimeout
		a.acquire(t, anonymous)
	}
	var begun atomic.Bool
	var refreshed atomic.Int32
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if to(q.parties, http.MethodPut)(req) {
			begun.Store(true)
			return hang(req)
		}
		during := begun.Load()
		resp, err := through.RoundTrip(req)
		if err == nil && during && to(a.gatewayKey(a.id), http.MethodPut)(req) {
			refreshed.Add(1)
		}
		return resp, err
	})
	a.waiting.mu.Lock()
	for _, here := range a.waiting.places {
		here.written = time.Now().Add(-recordPeriod)
	}
	a.waiting.mu.Unlock()
	patience.Until(t, 2*keepalivePeriod, func() error {
		if !begun.Load() {
			return errors.New("no record is being refreshed")
		}
		return nil
	})
	patience.Until(t, 3*keepalivePeriod, func() error {
		if n := refreshed.Load(); n < 2 {
			return fmt.Errorf("the session was refreshed %d times while records are, want 2", n)
		}
		return nil
	})
}

// The store is closed while an Acquire makes its entry, writes who waits for it, or
// has it wait. When Close returns, the gateway waits for nothing, and has no
// session; what was still on its way goes by itself.
func TestCloseLeavesNothingOfWhatIsUnderWay_I9(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	b := open(t, server.Endpoint, "/test")
	holder := b.acquire(t, anonymous)
	q := b.queue(lockKey)
	for _, step := range []requests{to(q.entries, http.MethodPost), to(q.parties), to(q.entries, http.MethodPut)} {
		a, ah := openHooked(t, server.Endpoint)
		a.acquire(t, anonymous)
		under := ah.halt(step)
		acquired := calling(func() { _, _ = a.Acquire(t.Context(), lockKey, anonymous) })
		await(t, "on its way", under.reached)
		ending := ah.halt(to(a.gatewayKey(a.id), http.MethodDelete))
		var closeErr error
		closed := calling(func() { closeErr = a.Close(t.Context()) })
		select { // the session's end is the last that Close does
		case <-ending.reached:
		case <-acquired:
		}
		under.goOn()
		await(t, "answered", acquired)
		ending.goOn()
		await(t, "closed", closed)
		if closeErr != nil {
			t.Errorf("closing: %v", closeErr)
		}
		if living, err := b.sessions(t.Context(), quorum); err != nil || living[a.id] {
			t.Errorf("the store is closed, and its session is there (%v)", err)
		}
	}
	patience.Until(t, newTTL+2*time.Second, func() error {
		l, err := b.list(t.Context(), q, quorum) // List would have the dead's entries looked for
		if err == nil && (len(l.entries) != 1 || l.entries[0].Index != holder.Index) {
			err = fmt.Errorf("%d entries are there after Close, want the holder's alone", len(l.entries))
		}
		return err
	})
}

// The session is being refreshed when the store is closed: the refresh does not
// come after its end.
func TestSessionIsNotRefreshedAfterItsEnd_I4(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	a.acquire(t, anonymous)
	a.acquire(t, anonymous)
	refreshing := ah.halt(to(a.gatewayKey(a.id), http.MethodPut))
	await(t, "refreshing the session", refreshing.reached)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := keysOf(t, server.Endpoint).Get(t.Context(), a.gatewayKey(a.id), nil); !client.IsKeyNotFound(err) {
		t.Errorf("reading the session of a store that is closed: %v, want that it is not there", err)
	}
}
