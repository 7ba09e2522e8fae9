package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// onEachVersion runs a test with clients of each version of HTTP, on one site with
// `tls internal`, as it is in the README.
func onEachVersion(t *testing.T, test func(t *testing.T, g *gateway, s *speaker)) {
	t.Parallel()
	g, site := internal(t, etcdtest.Start(t).Endpoint)
	roots := trusting(t, g.internalRoot())
	t.Run("on", func(t *testing.T) {
		for _, version := range versions {
			t.Run(version, func(t *testing.T) {
				t.Parallel()
				test(t, g, speaks(t, version, site, roots))
			})
		}
	})
}

// internal runs the README's site with `tls internal`, and returns where it is.
func internal(t *testing.T, endpoint string) (*gateway, string) {
	t.Helper()
	_, port, err := net.SplitHostPort(secureAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, block(t, "\ttls internal\n"), endpoint,
		"https://etcd.example.com:4001 {", "https://localhost:"+port+" {\n\tbind 127.0.0.1\n")
	site := "https://localhost:" + port
	issued(t, site, trusting(t, g.internalRoot()))
	return g, site
}

// A lock's and an election's life, through each version of HTTP: take, wait, look,
// renew, give back, the same answers.
func TestTLS_versions(t *testing.T) {
	onEachVersion(t, func(t *testing.T, g *gateway, s *speaker) {
		ctx := t.Context()
		key := strings.NewReplacer("/", "", ".", "").Replace(s.version)
		path := "/mod/v2/lock/" + key
		events := s.listen(path)

		first := s.do(ctx, http.MethodPost, path+"?ttl=60", "value", "a")
		want(t, first, http.StatusOK, whatever)
		second := s.post(ctx, path+"?ttl=60", "value", "b")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue(key, 2) })
		want(t, s.do(ctx, http.MethodGet, path), http.StatusOK, "a")
		want(t, s.do(ctx, http.MethodPut, path+"?ttl=60", "index", first.body), http.StatusOK, "")
		wantError(t, s.do(ctx, http.MethodPost, path+"?ttl=60", "timeout", "0"), http.StatusLocked, 215)
		want(t, s.do(ctx, http.MethodDelete, path+"?index="+first.body), http.StatusOK, "")
		granted := receive(t, second)
		want(t, granted, http.StatusOK, whatever)
		want(t, s.do(ctx, http.MethodGet, path+"?field=index"), http.StatusOK, granted.body)
		want(t, s.do(ctx, http.MethodDelete, path+"?value=b"), http.StatusOK, "")
		want(t, s.do(ctx, http.MethodGet, path), http.StatusOK, "")

		var kinds []string
		for _, e := range events.until("it is released twice", 10*time.Second, func(events []event) bool {
			return len(slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.kind != "released" })) == 2
		}) {
			if e.kind != "renewed" {
				kinds = append(kinds, e.kind)
			}
		}
		if got := fmt.Sprint(kinds); got != "[state acquired queued released acquired released]" {
			t.Errorf("the events are %s", got)
		}

		election := "/mod/v2/leader/" + key
		want(t, s.do(ctx, http.MethodPut, election+"?ttl=60", "name", "n"), http.StatusOK, whatever)
		want(t, s.do(ctx, http.MethodGet, election), http.StatusOK, "n")
		want(t, s.do(ctx, http.MethodDelete, election+"?name=n"), http.StatusOK, "")
		if r := s.do(ctx, http.MethodGet, "/version"); r.status != http.StatusOK || !strings.Contains(r.body, "etcdserver") {
			t.Errorf("GET /version: %v", r)
		}
	})
}

// I4: a client that goes while it waits has left the queue within a second, whether
// it ends its request or its connection. Others on the same connection go on waiting.
func TestTLS_I4(t *testing.T) {
	onEachVersion(t, func(t *testing.T, g *gateway, s *speaker) {
		key := "gone" + strings.NewReplacer("/", "", ".", "").Replace(s.version)
		path := "/mod/v2/lock/" + key + "?ttl=60"
		holder := g.lock(key)
		stays := s.post(t.Context(), path)
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue(key, 2) })

		ctx, cancel := context.WithCancel(t.Context())
		s.post(ctx, path)
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue(key, 3) })
		clock := patience.Start(t)
		cancel()
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue(key, 2) })
		if took := clock.Took(); took > time.Second {
			t.Errorf("it left the queue %v after its request had ended", took)
		}

		g.unlock(key, holder)
		granted := receive(t, stays)
		want(t, granted, http.StatusOK, whatever)
		g.unlock(key, granted.body)
	})
}
