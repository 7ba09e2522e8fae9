package caddymodule_test

import (
	"context"
	"net/http"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// grpc returns a connection for gRPC.
func (g *gateway) grpc() *grpc.ClientConn {
	g.t.Helper()
	conn, err := grpc.NewClient(g.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// watching begins to watch a key.
func watching(ctx context.Context, t *testing.T, conn *grpc.ClientConn, key string) pb.Watch_WatchClient {
	t.Helper()
	watch, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		t.Fatalf("the watch of %s: %v", key, err)
	}
	create := &pb.WatchCreateRequest{Key: []byte(key)}
	if err := watch.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
		t.Fatalf("the watch of %s: %v", key, err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatalf("the watch of %s: %v", key, err)
	}
	return watch
}

// h2c is a client of HTTP/2 without TLS.
func h2c(t *testing.T) *http.Transport {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}
