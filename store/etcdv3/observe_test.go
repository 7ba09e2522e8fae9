package etcdv3

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Keys that no gateway can have made are in no queue that a survey or an observer
// shows; an entry put by hand is.
func TestOddKeysAreNoQueues(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	names := []string{"a b", "a-b", "a", "a%", "%", "..", "ü/ö", "_"}
	for _, name := range names {
		acquireFor(t, x, name, time.Minute)
	}
	odd := []string{"a b/x", "a", "a-", "/x", "%/x", "%2/x", "%zz/x", "%61/x", "_/x", "../x", "ü/x", "", "/"}
	for _, key := range odd {
		must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/lock/"+key, "x"))
	}
	must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/lock/a/by/hand", "x"))
	must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/locks/a/x", "x"))
	want := slices.SortedFunc(slices.Values(names), store.CompareNames)
	for _, limit := range []int{1, 2, 100} {
		var got []string
		for after, more := "", true; more; after = got[len(got)-1] {
			page := must[store.Survey](t)(x.Queues(t.Context(), allLocks, after, limit))
			for _, q := range page.Queues {
				got = append(got, q.Name)
			}
			more = page.More
		}
		if !slices.Equal(got, want) {
			t.Errorf("in steps of %d, the queues are %q, want %q", limit, got, want)
		}
	}

	o := observe(t, x.Store, allLocks, 0)
	if len(o.start) != len(names) {
		t.Errorf("the observer starts with %+v", o.start)
	}
	for _, key := range odd {
		must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), "/t/lock/"+key))
	}
	must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), "/t/lock/a/by/hand"))
	o.until(t, "what was put by hand goes", "a", isGone)
	if len(o.changes) != 1 || o.changes[0].Expired {
		t.Errorf("the observer was told %+v", o.changes)
	}
}

// Two thousand queues, some of them large: all are shown, and each holder is looked at,
// but no more than a few in a second.
func TestManyQueues(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	const n = 2000
	lease := must[*clientv3.LeaseGrantResponse](t)(raw.Grant(t.Context(), 600)).ID
	held, waits := record{}.heldBy("g", 600).encode("v"), record{State: stateWaiting}.encode("")
	var ops []clientv3.Op
	flush := func() {
		must[*clientv3.TxnResponse](t)(raw.Txn(t.Context()).Then(ops...).Commit())
		ops = nil
	}
	name := func(i int) string { return fmt.Sprintf("job-%04d", i) }
	for i := range n {
		q := x.queue(lock(name(i)))
		ops = append(ops, clientv3.OpPut(q.entry("v-holder"), held, clientv3.WithLease(lease)))
		if i%500 == 7 {
			flush()
			for j := range 90 {
				ops = append(ops, clientv3.OpPut(q.entry(fmt.Sprintf("a-%d", j)), waits))
			}
		}
		if len(ops) >= 30 {
			flush()
		}
	}
	ops = append(ops, clientv3.OpPut(x.queue(lock("job")).entry("v-holder"), held, clientv3.WithLease(lease)))
	flush()

	scope := store.Scope{Space: "lock", Name: "job", Prefix: true}
	entries := func(i int) int {
		if i%500 == 7 {
			return 91
		}
		return 1
	}
	o := observe(t, x.Store, scope, 0)
	if len(o.start) != n+1 {
		t.Errorf("the observer starts with %d queues", len(o.start))
	}
	for _, q := range o.start {
		if q.Entries[0].Left < 590*time.Second {
			t.Fatalf("%s is shown as %+v", q.Name, q.Entries[0])
		}
	}
	all := 0
	for after, more := "", true; more; {
		page := must[store.Survey](t)(x.Queues(t.Context(), scope, after, 700))
		for _, q := range page.Queues {
			// The last one is the one without a number: a slash comes behind it.
			if all < n && (q.Name != name(all) || len(q.Entries) != entries(all)) || all >= n && q.Name != "job" {
				t.Fatalf("number %d is %s with %d entries", all, q.Name, len(q.Entries))
			}
			all++
		}
		after, more = page.Queues[len(page.Queues)-1].Name, page.More
	}
	if all != n+1 {
		t.Errorf("there are %d queues", all)
	}
	looked, began := x.timeToLives.Load(), time.Now()
	eventually(t, "there are three rounds of looks", func() bool { return x.timeToLives.Load()-looked >= 3*looksATime })
	if took := time.Since(began); took < lookEvery*3/2 {
		t.Errorf("%d looks took %v", 3*looksATime, took)
	}

	releaseIt(t, x, name(7), store.Entry{Index: o.start[slices.IndexFunc(o.start, func(q store.Queue) bool { return q.Name == name(7) })].Entries[0].Index})
	o.until(t, "one goes", name(7), isGone)
	must[*clientv3.LeaseRevokeResponse](t)(raw.Revoke(t.Context(), lease))
	eventually(t, "all go", func() bool { return o.look(func() bool { return len(o.changes) == n+1 }) })
}

// A lease that has more left may be under another hold by now.
func TestRaisedLeaseOfAnotherHold(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	r := refOf(e)
	a := asked{key: x.queue(lock("k")).entry(e.Name), lease: r.lease, revision: r.rev}
	a.expect = granted(time.Now().Add(-10*time.Second), time.Minute)
	if got := must[sighting](t)(x.sight(t.Context(), a)); !got.renewed || got.unclear {
		t.Errorf("a hold with more left than it can have looks like %+v", got)
	}
	releaseIt(t, x, "k", e)
	if next := acquireFor(t, x, "k", time.Minute); refOf(next).lease != r.lease || next.Name != e.Name {
		t.Fatalf("%+v is on another lease than %+v", next, e)
	}
	if got := must[sighting](t)(x.sight(t.Context(), a)); got.renewed || !got.unclear {
		t.Errorf("the next hold on the lease makes the one before look like %+v", got)
	}
}

// A progress notification tells that there were no changes.
func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	var got []uint64
	o := &observer{s: x.Store, revision: 5, apply: func(revision uint64, changes []store.Change) {
		if len(changes) > 0 {
			t.Errorf("there are changes %+v", changes)
		}
		got = append(got, revision)
	}}
	for _, revision := range []int64{4, 5, 7, 7, 9} {
		progress := clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: revision}}
		if err := o.tellAll(t.Context(), []arrival{{progress, time.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []uint64{7, 9}) {
		t.Errorf("told of %v", got)
	}
}
