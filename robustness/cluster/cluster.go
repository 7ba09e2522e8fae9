// Package cluster runs what is examined, as real processes: three etcds and three
// gateways, with a wire between each two of them, and does to them what happens to
// real ones.
package cluster

import (
	"fmt"
	"os"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// System is a cluster with its gateways.
type System struct {
	API      string // v2 or v3
	Etcd     *etcdtest.Cluster
	Gateways []*Gateway

	t testing.TB
}

// Version is the etcd that an API is examined on.
func Version(api string) etcdtest.Version {
	if api == "v2" {
		return etcdtest.V35
	}
	return etcdtest.V37
}

// Start runs three etcds, and as many gateways of that caddy. It ends them with the test.
func Start(t testing.TB, api, caddy string) *System {
	t.Helper()
	s := &System{API: api, Etcd: startEtcd(t, api), t: t}
	for i := range s.Etcd.Members {
		s.Gateways = append(s.Gateways, newGateway(t, i+1, caddy, api, s.Etcd.Members))
	}
	for _, g := range s.Gateways {
		if err := g.Run(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func startEtcd(t testing.TB, api string) *etcdtest.Cluster {
	t.Helper()
	options := []etcdtest.Option{etcdtest.WithFlags("--unsafe-no-fsync=false")} // else a slow disk would not show
	if api == "v2" {
		options = append(options, etcdtest.WithFlags("--enable-v2=true"))
	}
	return etcdtest.StartWired(t, Version(api), options...)
}

// URLs are the gateways', in their order.
func (s *System) URLs() (urls []string) {
	for _, g := range s.Gateways {
		urls = append(urls, g.URL)
	}
	return urls
}

// Reports are what must not be in the gateways' logs: what the race detector has found, if
// they have one, panics, and that a gateway has ended though it was neither killed nor stopped.
func (s *System) Reports() (found []string) {
	for i, g := range s.Gateways {
		log, err := os.ReadFile(g.Log)
		if err != nil {
			s.t.Error(err)
		}
		for _, report := range reports(string(log)) {
			found = append(found, fmt.Sprintf("gateway %d: %s", i+1, report))
		}
	}
	return found
}
