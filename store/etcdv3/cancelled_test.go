package etcdv3

import (
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// cancelOne has a request that waits cancelled, and says whether that is known afterwards.
func cancelOne(t *testing.T, g *testGateway) (known bool) {
	t.Helper()
	waits := acquireFor(t, g, "k", time.Minute)
	releaseIt(t, g, "k", waits)
	for _, e := range must[store.Listing](t)(g.List(t.Context(), lock("k"), 0)).Entries {
		if e.Index == waits.Index {
			t.Fatal("it is still there")
		}
	}
	return !must[bool](t)(g.Expired(t.Context(), lock("k"), waits))
}

// The lease of the marks may go before the gateway knows: the next one gets another.
func TestCancelWithoutTheMarksLease(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	acquireFor(t, x, "k", time.Minute)
	if !cancelOne(t, x) {
		t.Fatal("a cancellation leaves no mark")
	}
	must[*clientv3.LeaseRevokeResponse](t)(srv.Client(t).Revoke(t.Context(), x.marks.lease.id))
	if !cancelOne(t, x) {
		t.Error("without the lease, a cancellation leaves no mark")
	}
}

// Where etcd has no space for a mark, a request can be cancelled all the same.
func TestCancelWithoutSpace(t *testing.T) {
	t.Parallel()
	srv := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithFlags("--quota-backend-bytes=1000000"))
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	acquireFor(t, x, "k", time.Minute)
	waits := acquireFor(t, x, "k", time.Minute)
	client := srv.Client(t)
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := client.Put(t.Context(), "/other", strings.Repeat("x", 200_000))
		if refused(err) {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatal("etcd does not run out of space", err)
		}
	}
	releaseIt(t, x, "k", waits)
	if l := must[store.Listing](t)(x.List(t.Context(), lock("k"), 0)); len(l.Entries) != 1 || l.Entries[0].Index == waits.Index {
		t.Errorf("there are %+v", l.Entries)
	}
}
