package etcdv2

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// die ends g as a crash would, and its session as the time after it.
func (g *testGateway) die(t *testing.T, keys client.KeysAPI) {
	t.Helper()
	g.stop()
	g.work.Wait()
	g.forget(t, keys, g.gatewayKey(g.id))
}

// forget deletes a key with a TTL, as etcd would later.
func (g *testGateway) forget(t *testing.T, keys client.KeysAPI, key string) {
	t.Helper()
	if _, err := keys.Delete(t.Context(), key, nil); err != nil {
		t.Fatal(err)
	}
}

// An entry's grant is two writes: the record says already that its gateway holds
// it, and the entry does not yet. Who looks for dead gateways' entries then sees
// nobody wait for it.
func TestSweepLeavesWhatIsBeingGranted_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	holder, w := b.acquire(t, anonymous), a.acquire(t, valued("v"))
	b.release(t, holder)
	granting := ah.halt(to(a.queue(lockKey).entries, http.MethodPut))
	var grantErr error
	done := calling(func() { _, grantErr = a.Grant(t.Context(), lockKey, w, store.Ahead{}, time.Minute) })
	await(t, "about to make it the holder", granting.reached)
	if err := b.sweep(t.Context(), b.queue(lockKey)); err != nil {
		t.Fatal(err)
	}
	granting.goOn()
	await(t, "granted", done)
	if grantErr != nil {
		t.Errorf("granting: %v", grantErr)
	}
	b.wantIndices(t, w.Index)
}

// Who looks for dead gateways' entries has read which gateways live. Before it
// deletes a dead one's entry, a gateway opens its session and joins that.
func TestSweepLeavesWhatIsJoinedAfterItsLook_I7(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, dead := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	b, bh := openHooked(t, server.Endpoint)
	holder, w := b.acquire(t, anonymous), dead.acquire(t, valued("v"))
	dead.die(t, keysOf(t, server.Endpoint))
	q := b.queue(lockKey)
	burying := bh.halt(to(q.entry(w.Index), http.MethodGet))
	var sweepErr error
	done := calling(func() { sweepErr = b.sweep(t.Context(), q) })
	await(t, "about to bury the dead gateway's entry", burying.reached)
	joined := a.acquire(t, valued("v"))
	burying.goOn()
	await(t, "swept", done)
	if sweepErr != nil {
		t.Error(sweepErr)
	}
	b.wantIndices(t, holder.Index, joined.Index)
}

// A gateway notices that another one's session is gone, and looks at the queues
// that it watches; but the member that it asks next still shows the session. There
// will be no other sign.
func TestDeathIsNotForgottenAtALaggingMember_I4(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	dead := open(t, server.Endpoint, "/test")
	b, bh := openHooked(t, server.Endpoint)
	b.acquire(t, anonymous)
	ghost := dead.acquire(t, anonymous)
	go func() { _ = b.Watch(t.Context(), lockKey, b.Revision(), func(uint64, []store.Event) {}) }()
	sessions := to(b.gateways(), http.MethodGet)
	first := bh.halt(sessions)
	await(t, "looking for the dead", first.reached)
	looking := bh.halt(sessions)
	first.goOn() // it sees the session
	await(t, "looking for the dead again", looking.reached)
	before := remember(t, server.Endpoint, b.gateways())
	dead.die(t, keysOf(t, server.Endpoint))
	bh.set(before.answer)
	looking.goOn() // this look is not at the member that lags
	patience.Until(t, 10*sweepPeriod, func() error {
		_, err := b.one(t.Context(), b.queue(lockKey), ghost.Index, quorum)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("entry %d of a gateway that has died is still there (%v)", ghost.Index, err)
	})
}

// Two gateways wait for an entry. The session of one ends, then the other one's
// client leaves, which deletes the entry. The first finds that its session was
// what ended, and not that somebody has cancelled its requests.
func TestEntryLeftByTheLastOneAliveHasExpired_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	holder := b.acquire(t, anonymous)
	mine, theirs := a.acquire(t, valued("v")), b.acquire(t, valued("v"))
	a.loss.refuseSessions(true)
	a.forget(t, keysOf(t, server.Endpoint), a.gatewayKey(a.id))
	if err := b.Withdraw(t.Context(), lockKey, theirs); err != nil {
		t.Fatal(err)
	}
	a.loss.refuseSessions(false)
	b.wantIndices(t, holder.Index)
	if expired, err := a.Expired(t.Context(), lockKey, mine); !expired || err != nil {
		t.Errorf("Expired: %v, %v; want true: nobody has deleted it by hand", expired, err)
	}
}

// etcd was away for so long that a record ran out. The gateway that waits writes
// it anew, or the next to look would take its entry for a dead one's.
func TestRecordThatRanOutIsWrittenAnew_I5(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	holder, w := a.acquire(t, anonymous), a.acquire(t, anonymous)
	q := a.queue(lockKey)
	a.forget(t, keysOf(t, server.Endpoint), q.partyOf(w.Index))
	if err := a.refreshRecord(t.Context(), place{q, w.Index}); err != nil {
		t.Fatal(err)
	}
	if r, v, err := b.parties(t.Context(), q, w, quorum); err != nil || v == 0 || !r.has(a.id) {
		t.Errorf("the record is %+v of version %d (%v), want one with %s", r, v, err, a.id)
	}
	if err := b.sweep(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	b.wantIndices(t, holder.Index, w.Index)
}

// A record has run out, and the gateway that waits withdraws before it has noticed;
// it knows of its entry from a listing. Nobody else would ever delete it.
func TestEntryWithoutARecordIsWithdrawn_I4(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a := open(t, server.Endpoint, "/test")
	holder, w := a.acquire(t, anonymous), a.acquire(t, anonymous)
	a.forget(t, keysOf(t, server.Endpoint), a.queue(lockKey).partyOf(w.Index))
	l, err := a.List(t.Context(), lockKey, 0)
	if err != nil || len(l.Entries) != 2 {
		t.Fatalf("listing: %+v, %v; want 2 entries", l.Entries, err)
	}
	if err := a.Withdraw(t.Context(), lockKey, l.Entries[1]); err != nil {
		t.Fatal(err)
	}
	a.wantIndices(t, holder.Index)
}
