package caddymodule_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startTLS starts an etcd that speaks TLS, with a certificate of its own making,
// and returns its address and the certificate's file.
func startTLS(t *testing.T) (address, certificate string) {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	c.ListenClientUrls = []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.ClientAutoTLS = true
	c.SelfSignedCertValidity = 1
	c.UnsafeNoFsync = true // a test's data need not survive the machine
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	<-etcd.Server.ReadyNotify()
	return etcd.Clients[0].Addr().String(), filepath.Join(c.Dir, "fixtures", "client", "cert.pem")
}

// Over TLS, locks, gRPC and everything else get to etcd, if its certificate is
// one that the gateway was told to trust.
func TestTLS(t *testing.T) {
	address, certificate := startTLS(t)
	g := newGateway(t)
	g.load(etcdAt(address, "tls {\n ca "+certificate+"\n}"), "etcd")
	index := g.lock("k")
	g.unlock("k", index)
	if r := g.do(http.MethodGet, "/version"); r.status != http.StatusOK || !strings.Contains(r.body, "etcdserver") {
		t.Errorf("GET /version: got %+v", r)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := g.etcdClient().Put(ctx, "k", "v"); err != nil {
		t.Errorf("writing through gRPC: %v", err)
	}

	g.load(etcdAt("https://"+address), "etcd")
	g.want(g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusServiceUnavailable, "")
	g.want(g.do(http.MethodGet, "/version"), http.StatusBadGateway, "")

	g.load(etcdAt("https://"+address, "tls {\n insecure_skip_verify\n}"), "etcd")
	g.unlock("k", g.lock("k"))
}

// A file of certificate authorities that has changed counts from the next reload
// on, under the name that it has; who waits goes on waiting.
func TestTLS_otherCA(t *testing.T) {
	address, certificate := startTLS(t)
	good, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	_, certificate = startTLS(t)
	other, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(pem []byte) {
		t.Helper()
		if err := os.WriteFile(ca, pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := newGateway(t)
	option := etcdAt(address, "tls {\n ca "+ca+"\n}")
	write(other)
	g.load(option, "etcd")
	g.want(g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusServiceUnavailable, "")
	write(append(other, good...))
	g.load(option, "etcd")
	holder := g.lock("k")
	waits := g.wait("k")
	write(good)
	g.load(option, "etcd")
	g.unlock("k", holder)
	g.want(receive(t, waits), http.StatusOK, "")
}
