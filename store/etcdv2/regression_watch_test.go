package etcdv2

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// watching watches the queue from now on, as a line does: when a watch ends it
// begins another one.
func (g *testGateway) watching(t *testing.T) <-chan store.Event {
	events := make(chan store.Event, 10)
	after := g.Revision()
	go func() {
		for t.Context().Err() == nil {
			_ = g.Watch(t.Context(), lockKey, after, func(revision uint64, told []store.Event) {
				after = revision
				for _, event := range told {
					events <- event
				}
			})
		}
	}()
	return events
}

// alsoAt has the gateway know of another member.
func (g *testGateway) alsoAt(t *testing.T, endpoint string) {
	t.Helper()
	g.callers.members = append(g.callers.members, mustParse(t, etcdtest.NewWire(t, endpoint).Endpoint))
}

// A watch makes sure that its member is a part of the cluster, and the member that
// it asks has just stopped: it neither answers nor refuses. The watch ends, or
// goes on elsewhere.
func TestWatchDoesNotHangWhereItLooks_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	a.alsoAt(t, server.Endpoint)
	q := a.queue(lockKey)
	holder := a.acquire(t, anonymous)
	polling := ah.halt(waitsForAnEvent)
	ended := calling(func() { _ = a.Watch(t.Context(), lockKey, a.Revision(), func(uint64, []store.Event) {}) })
	await(t, "waiting for an event", polling.reached)
	looked := make(chan struct{})
	var one atomic.Bool
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		if !to(q.entries, http.MethodGet)(req) || !asksTheCluster(req) {
			return through.RoundTrip(req)
		}
		if one.CompareAndSwap(false, true) {
			close(looked)
		}
		return hang(req)
	})
	polling.goOn()
	a.callers.passOn(a.callers.turn.Load()) // which has it look at once
	await(t, "looking", looked)
	awaitFor(t, callTimeout+3*time.Second, fmt.Sprintf("ended, nor does the watch go on behind %d", holder.Index), ended)
}

// A member is cut off from its cluster: who waits at it for an event hears nothing.
// As soon as another request has found that out, the watch goes on at the next
// member, and hears what has happened meanwhile.
func TestWatchLeavesAMemberThatIsCutOff_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	a.alsoAt(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	holder := b.acquire(t, anonymous)
	a.acquire(t, anonymous)
	cutOff := mustParse(t, a.wire.Endpoint).Host
	waits := make(chan struct{})
	var one atomic.Bool
	ah.set(func(req *http.Request, through http.RoundTripper) (*http.Response, error) {
		switch {
		case req.URL.Host != cutOff:
		case waitsForAnEvent(req):
			if one.CompareAndSwap(false, true) {
				close(waits)
			}
			return hang(req)
		case asksTheCluster(req), req.Method != http.MethodGet:
			return nil, errLost
		}
		return through.RoundTrip(req)
	})
	events := a.watching(t)
	await(t, "waiting for an event", waits)
	if _, err := a.List(t.Context(), lockKey, 0); err != nil { // and has moved on
		t.Fatal(err)
	}
	b.release(t, holder)
	patience.Until(t, 6*time.Second, func() error {
		select {
		case event := <-events:
			if !event.Deleted || event.Entry.Index != holder.Index {
				t.Errorf("the watch told %+v, want that %d has gone", event, holder.Index)
			}
			return nil
		default:
			return fmt.Errorf("the watch has told nothing since %d was released", holder.Index)
		}
	})
}
