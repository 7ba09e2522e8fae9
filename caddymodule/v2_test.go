package caddymodule_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// eachV2 runs a test for every etcd with the v2 API.
func eachV2(t *testing.T, test func(t *testing.T, version etcdtest.Version)) {
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) { test(t, version) })
	}
}

// passesOn takes a lock, and has it passed on to a request that waits for it.
func (g *gateway) passesOn(key string) {
	g.t.Helper()
	holder := g.lock(key)
	waits := g.wait(key)
	g.unlock(key, holder)
	r := receive(g.t, waits)
	g.want(r, http.StatusOK, "")
	g.want(g.do(http.MethodPut, "/mod/v2/lock/"+key+"?ttl=60&index="+r.body), http.StatusOK, "")
	g.unlock(key, r.body)
}

// The same lock is kept through the v2 API, where the old tools see it. A reload
// drops nobody, and a member that is away is passed by.
func TestV2(t *testing.T) {
	eachV2(t, func(t *testing.T, version etcdtest.Version) {
		etcd := etcdtest.StartV2(t, version)
		option := etcdAt("http://"+etcdtest.FreeAddress(t)+" "+etcd.Endpoint, "api v2")
		g := newGateway(t)
		g.load(option, "etcd")
		g.passesOn("k")
		holder := g.lock("k")
		waits := g.wait("k")
		if r := g.do(http.MethodGet, "/v2/keys/_etcd/mod?recursive=true"); !strings.Contains(r.body, `"createdIndex":`+holder) {
			t.Errorf("etcd has %s, want a key with the index %s", r.body, holder)
		}
		g.load(option, "header X-Changed yes\netcd")
		g.unlock("k", holder)
		g.want(receive(t, waits), http.StatusOK, "")
	})
}

// A user's password gets the gateway into an etcd whose v2 API asks for it, and is
// not lent to those who come through. The user needs no rights but below the prefix.
func TestV2_user(t *testing.T) {
	eachV2(t, func(t *testing.T, version etcdtest.Version) {
		etcd := etcdtest.StartV2(t, version)
		etcd.EnableV2Auth(t, "secret")
		for _, c := range []struct{ path, body string }{
			{"roles/locks", `{"role":"locks","permissions":{"kv":{"read":["/_etcd/mod/*"],"write":["/_etcd/mod/*"]}}}`},
			{"users/gateway", `{"user":"gateway","password":"pass"}`},
			{"users/gateway", `{"user":"gateway","grant":["locks"]}`},
		} {
			req, err := http.NewRequest(http.MethodPut, etcd.Endpoint+"/v2/auth/"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("root", "secret")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode >= 300 {
				t.Fatalf("making %s: %s", c.path, resp.Status)
			}
		}
		t.Setenv("TEST_PASSWORD", "pass")
		g := newGateway(t)
		g.load(etcdAt(etcd.Endpoint, "api v2", "username gateway", "password {env.TEST_PASSWORD}"), "etcd")
		g.passesOn("k")
		g.want(g.do(http.MethodGet, "/v2/keys/_etcd/mod"), http.StatusUnauthorized, "")
		g.load(etcdAt(etcd.Endpoint, "api v2", "username gateway", "password wrong"), "etcd")
		g.want(g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusServiceUnavailable, "")
	})
}

// Over TLS, the gateway and what it hands on show a certificate to an etcd that
// asks for one.
func TestV2_TLS(t *testing.T) {
	eachV2(t, func(t *testing.T, version etcdtest.Version) {
		c := etcdtest.NewCertificates(t)
		etcd := etcdtest.StartV2(t, version, etcdtest.WithTLS(c))
		g := newGateway(t)
		g.load(etcdAt(etcd.Endpoint, "api v2", fmt.Sprintf("tls {\n ca %s\n cert %s\n key %s\n}", c.CA, c.Cert, c.Key)), "etcd")
		g.passesOn("k")
		g.want(g.do(http.MethodPut, "/v2/keys/k?value=v"), http.StatusCreated, "")

		// With TLS 1.3, who has no certificate learns of it after what it has sent.
		g.load(etcdAt(etcd.Endpoint, "api v2", "tls {\n ca "+c.CA+"\n}"), "etcd")
		if r := g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"); r.status != http.StatusServiceUnavailable && r.status != http.StatusGatewayTimeout {
			t.Errorf("without a certificate: got %+v", r)
		}
	})
}

// What etcd's v2 API is asked through the gateway arrives, and is answered, as it
// is: forms with every method, and answers that are long in coming.
func TestV2_passesThrough(t *testing.T) {
	eachV2(t, func(t *testing.T, version etcdtest.Version) {
		etcd := etcdtest.StartV2(t, version)
		g := newGateway(t)
		g.load(etcdAt(etcd.Endpoint, "api v2"), "etcd")
		send := func(method, path, form string) (*http.Response, *bufio.Reader) {
			t.Helper()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			t.Cleanup(cancel)
			req, err := http.NewRequestWithContext(ctx, method, "http://"+g.address+path, strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := g.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = resp.Body.Close() })
			return resp, bufio.NewReader(resp.Body)
		}
		want := func(method, path, form string, status int, part string) {
			t.Helper()
			resp, lines := send(method, path, form)
			body, err := io.ReadAll(lines)
			if err != nil || resp.StatusCode != status || !strings.Contains(string(body), part) || resp.Header.Get("X-Etcd-Index") == "" {
				t.Errorf("%s %s: got %s %v %s %v, want %d with %s", method, path, resp.Status, resp.Header, body, err, status, part)
			}
		}
		want(http.MethodPut, "/v2/keys/dir/k", "value=one", http.StatusCreated, `"action":"set"`)
		want(http.MethodGet, "/v2/keys/dir/k?quorum=true", "", http.StatusOK, `"value":"one"`)
		want(http.MethodPost, "/v2/keys/dir", "value=in+order", http.StatusCreated, `"action":"create"`)
		want(http.MethodPut, "/v2/keys/dir/k?prevValue=other", "value=two", http.StatusPreconditionFailed, `"errorCode":101`)

		polled, poll := send(http.MethodGet, "/v2/keys/dir/k?wait=true", "")
		streamed, stream := send(http.MethodGet, "/v2/keys/dir?wait=true&stream=true&recursive=true", "")
		for _, resp := range []*http.Response{polled, streamed} {
			if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Etcd-Index") == "" {
				t.Fatalf("a watch begins with %s %v", resp.Status, resp.Header)
			}
		}
		want(http.MethodPut, "/v2/keys/dir/k?prevValue=one", "value=two&ttl=60", http.StatusOK, `"ttl":60`)
		if body, err := io.ReadAll(poll); err != nil || !strings.Contains(string(body), `"value":"two"`) {
			t.Errorf("the long poll got %s, %v", body, err)
		}
		want(http.MethodDelete, "/v2/keys/dir?recursive=true", "", http.StatusOK, `"action":"delete"`)
		for _, action := range []string{"compareAndSwap", "delete"} {
			if line, err := stream.ReadString('\n'); err != nil || !strings.Contains(line, `"action":"`+action+`"`) {
				t.Errorf("the stream got %s, %v, want %s", line, err, action)
			}
		}
		want(http.MethodGet, "/v2/keys/dir", "", http.StatusNotFound, `"errorCode":100`)
		// What the health checks of several members ask.
		if r := g.do(http.MethodGet, "/health?exclude=NOSPACE"); r.status != http.StatusOK || !strings.Contains(r.body, `"health":"true"`) {
			t.Errorf("GET /health: got %+v", r)
		}
	})
}
