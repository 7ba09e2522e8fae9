package caddymodule_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// More streams than Go's HTTP/2 server lets through by itself fit on one connection,
// as they do with etcd.
func TestManyStreams(t *testing.T) {
	const many = 400
	g := newGateway(t)
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "etcd")
	conn := g.grpc()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range many {
		watching(ctx, t, conn, strconv.Itoa(i))
	}
}

// A stream on which its client says nothing stays for longer than Caddy lets clients
// be silent.
func TestSilentStreams(t *testing.T) {
	const idle = 300 * time.Millisecond
	g := newGateway(t)
	g.servers = "timeouts {\n read_body_idle " + idle.String() + "\n write_idle " + idle.String() + "\n}"
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "etcd")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	alive, err := pb.NewLeaseClient(g.grpc()).LeaseKeepAlive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := alive.Send(&pb.LeaseKeepAliveRequest{ID: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := alive.Recv(); err != nil {
			t.Fatalf("the stream has ended: %v", err)
		}
		time.Sleep(3 * idle) // the silence itself
	}
}
