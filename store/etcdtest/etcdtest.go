// Package etcdtest runs real etcds for tests: processes of their own, on loopback ports
// that the system chose, with their data in temporary folders. In the test's own process
// the race detector would look at all that etcd does, which takes most of a machine.
package etcdtest

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Start starts today's etcd, with one member, and kills it when the test ends.
func Start(t testing.TB) *Process {
	t.Helper()
	return StartProcess(t, V37)
}

// Client returns a client of the etcd, closed when the test ends.
func (p *Process) Client(t testing.TB, options ...grpc.DialOption) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{p.Endpoint},
		TLS:         p.tls,
		DialOptions: options,
		Logger:      zap.NewNop(),
	})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
