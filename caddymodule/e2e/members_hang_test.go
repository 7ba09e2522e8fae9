package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// rawStreams are a watch and a keepalive of gRPC, without the client that would make
// new ones.
type rawStreams struct {
	watch pb.Watch_WatchClient
	alive pb.Lease_LeaseKeepAliveClient
	lease int64
}

// raw opens them.
func raw(t testing.TB, address, key string, options ...grpc.DialOption) rawStreams {
	t.Helper()
	if len(options) == 0 {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	lease, err := pb.NewLeaseClient(conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 60})
	if err != nil {
		t.Fatal(err)
	}
	r := rawStreams{lease: lease.ID}
	if r.watch, err = pb.NewWatchClient(conn).Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	create := &pb.WatchCreateRequest{Key: []byte(key)}
	if err := r.watch.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.watch.Recv(); err != nil {
		t.Fatal(err)
	}
	if r.alive, err = pb.NewLeaseClient(conn).LeaseKeepAlive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.renew(); err != nil {
		t.Fatal(err)
	}
	return r
}

// renew sends on the keepalive's stream, and reads the answer.
func (r rawStreams) renew() error {
	if err := r.alive.Send(&pb.LeaseKeepAliveRequest{ID: r.lease}); err != nil {
		return err
	}
	resp, err := r.alive.Recv()
	if err == nil && resp.TTL <= 0 {
		err = fmt.Errorf("the lease has gone: %v", resp)
	}
	return err
}

// oneHangs is about the one that serves the clients: it takes what is sent, and says
// nothing.
func (c *cluster) oneHangs(t *testing.T) {
	served := c.serving(t)
	c.leads(t, (served+1)%3)
	waiting := c.waiting(t, "hangs", 3)
	streams := raw(t, c.g.site, "/hangs")

	// What client/v3 keeps alive and watches goes on by itself.
	v3, elsewhere := open(t, c.g.url), open(t, c.others(served)[0].Endpoint)
	lease, err := v3.Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := v3.KeepAlive(t.Context(), lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	watched := v3.Watch(t.Context(), "/hangs/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watched

	clock := patience.Start(t)
	c.members[served].Hang(true)
	type end struct {
		of   string
		took time.Duration
		err  error
	}
	ended := make(chan end, 2)
	go func() {
		_, err := streams.watch.Recv()
		ended <- end{"watch", clock.Took(), err}
	}()
	go func() {
		err := streams.renew()
		ended <- end{"keepalive", clock.Took(), err}
	}()
	c.servedBy(t, func(i int) bool { return i != served }, 5*time.Second)
	asked := time.Now()
	a := c.writing(t, "/meanwhile/")
	const events = 20
	put := func(i int) {
		t.Helper()
		if _, err := elsewhere.Put(t.Context(), "/hangs/"+strconv.Itoa(i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events / 2 {
		put(i)
	}
	// The gateway's own client has to notice, too.
	if took := waiting.areServed(); took > 20*time.Second {
		t.Errorf("a lock was handed over only after %v", took)
	} else {
		t.Logf("a lock was handed over within %v", took)
	}
	for range 2 {
		select {
		case end := <-ended:
			t.Logf("the %s ended after %v with %v", end.of, end.took, end.err)
			if end.took > 17*time.Second {
				t.Errorf("the %s to the member ended only after %v", end.of, end.took)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("a stream to the member does not end")
		}
	}
	for i := range events / 2 {
		put(events/2 + i)
	}
	for next := 0; next < events; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		select {
		case resp := <-watched:
			for _, e := range resp.Events {
				if key := "/hangs/" + strconv.Itoa(next); string(e.Kv.Key) != key {
					t.Fatalf("the watch got %s, want %s", e.Kv.Key, key)
				}
				next++
			}
		case <-ctx.Done():
			t.Fatalf("the watch has not got event %d", next)
		}
		cancel()
	}
	t.Logf("client/v3's watch had all events after %v", clock.Took())
	for len(kept) > 0 {
		<-kept // of before
	}
	c.members[served].Hang(false)
	c.servedBy(t, func(i int) bool { return i == served }, 5*time.Second)
	a.eachHas(t, 3, time.Now())
	a.wantAll(t, asked)
	left, err := elsewhere.TimeToLive(t.Context(), lease.ID)
	if err != nil || left.TTL <= 0 {
		t.Errorf("the lease: %v, %v", left, err)
	}
}
