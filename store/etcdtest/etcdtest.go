// Package etcdtest runs real etcds for tests: one member each, on loopback ports
// that the system chose, with their data in temporary folders. Today's etcd runs in
// the test's process, or in one of its own; those that have the v2 API always do.
package etcdtest

import (
	"net/url"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Server is an etcd in the test's process.
type Server struct {
	Endpoint string // http://127.0.0.1:port

	dir    string
	client url.URL
	peer   url.URL
	etcd   *embed.Etcd
}

// Start starts an etcd and stops it when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		dir:    t.TempDir(),
		client: url.URL{Scheme: "http", Host: FreeAddress(t)},
		peer:   url.URL{Scheme: "http", Host: "127.0.0.1:0"}, // it is the only member
	}
	s.Endpoint = s.client.String()
	s.start(t)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = s.dir
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.ListenClientUrls = []url.URL{s.client}
	cfg.AdvertiseClientUrls = []url.URL{s.client}
	cfg.ListenPeerUrls = []url.URL{s.peer}
	cfg.AdvertisePeerUrls = []url.URL{s.peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true // a test's data need not survive the machine
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatalf("starting etcd: %v", err)
	}
	s.etcd = etcd
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		s.Stop()
		t.Fatal("etcd has not become ready within 30 s")
	}
}

// Stop stops the server. Its data stay, for Restart.
func (s *Server) Stop() {
	if s.etcd != nil {
		s.etcd.Close()
		s.etcd = nil
	}
}

// Restart starts a stopped server again, on the same data and port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.start(t)
}

// Client returns a client of the server, closed when the test ends.
func (s *Server) Client(t testing.TB, options ...grpc.DialOption) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{s.Endpoint},
		DialOptions: options,
		Logger:      zap.NewNop(),
	})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
