package caddymodule_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// What is below /mod is answered here, however it is written; everything else is
// etcd's, HTTP and gRPC.
func TestSite(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	for _, path := range []string{"/mod/v2", "/mod/v2/locks", "/mod/v2/lock/../../../../version", "/x/../mod/v2/lock/k"} {
		r := g.do(http.MethodGet, path)
		if (r.status != http.StatusNotFound && r.status != http.StatusBadRequest) || !strings.Contains(r.body, `"errorCode":`) || r.header.Get("X-Etcd-Index") == "" {
			t.Errorf("GET %s: got %+v", path, r)
		}
	}
	g.want(g.do(http.MethodGet, "/mod/nothing"), http.StatusNotFound,
		`{"errorCode":100,"message":"Key not found","cause":"/mod/nothing","index":0}`+"\n")
	if r := g.do(http.MethodGet, "/version"); r.status != http.StatusOK || !strings.Contains(r.body, "etcdserver") {
		t.Errorf("GET /version: got %+v", r)
	}
	if r := g.do(http.MethodGet, "/model"); r.status != http.StatusNotFound || strings.Contains(r.body, "errorCode") {
		t.Errorf("GET /model: got %+v, want etcd's own answer", r)
	}

	client := g.etcdClient()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	watch := client.Watch(ctx, "k")
	if _, err := client.Put(ctx, "k", "v"); err != nil {
		t.Fatalf("writing through gRPC: %v", err)
	}
	if resp := <-watch; len(resp.Events) != 1 || string(resp.Events[0].Kv.Value) != "v" {
		t.Errorf("the watch got %v, %v", resp.Events, resp.Err())
	}
	lease, err := client.Grant(ctx, 60)
	if err == nil {
		_, err = client.KeepAliveOnce(ctx, lease.ID)
	}
	if err != nil {
		t.Errorf("keeping a lease alive: %v", err)
	}
}

// etcdClient is a client of etcd that goes through the gateway.
func (g *gateway) etcdClient() *clientv3.Client {
	g.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + g.address}, Logger: zap.NewNop()})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = client.Close() })
	return client
}

// A reload leaves watches alone that go through to etcd. The end of the process
// ends them, as they would keep it from ending, and so would requests that are
// never sent to their end.
func TestDrain_I9(t *testing.T) {
	g := newGateway(t)
	dir := t.TempDir()
	g.load(embeddedIn(dir), "etcd")
	resp, err := g.client.Post("http://"+g.address+"/v3/watch", "application/json", strings.NewReader(`{"create_request":{"key":"Zm9v"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "created") {
		t.Fatalf("the watch began with %q, %v", line, err)
	}
	g.load(embeddedIn(dir), "header X-Changed yes\netcd")
	put, err := g.client.Post("http://"+g.address+"/v3/kv/put", "application/json", strings.NewReader(`{"key":"Zm9v","value":"YmFy"}`))
	if err != nil {
		t.Fatalf("writing after a reload: %v", err)
	}
	put.Body.Close()
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "YmFy") {
		t.Fatalf("after a reload, the watch got %q, %v", line, err)
	}
	slow, err := g.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /mod/v2/lock/k?ttl=60 HTTP/1.1\r\nHost: %s\r\nContent-Length: 9\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n", g.address)
	for len(caddymodule.References()) != 1 || caddymodule.References()[0] < 2 {
		time.Sleep(time.Millisecond) // until it is being served
	}
	silent, err := g.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client := g.etcdClient()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	watch := client.Watch(ctx, "k", clientv3.WithCreatedNotify())
	if w := <-watch; !w.Created {
		t.Fatalf("the gRPC watch began with %v", w)
	}

	clock, begin := patience.Start(t), time.Now()
	caddymodule.EndLife()
	if rest, err := io.ReadAll(lines); err == nil {
		t.Errorf("the watch ended with %q and no error", rest)
	}
	for what, conn := range map[string]net.Conn{"a request that is not sent to its end": slow, "no request": silent} {
		if err := conn.SetReadDeadline(begin.Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection with %s is still open; it has %q", what, answer)
		}
	}
	if took := clock.Took(); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	if r := g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"); r.err == nil && r.status != http.StatusServiceUnavailable {
		t.Errorf("after the end: got %+v", r)
	}
}

// Of several members, one that cannot be reached is passed by; what one has been
// sent is not sent again, unless it is a read.
func TestSeveralEndpoints(t *testing.T) {
	var writes atomic.Int32
	breaks := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/version":
			_, _ = io.WriteString(w, `{"etcdserver":"3.7.3"}`)
		case r.Method != http.MethodGet:
			writes.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	breaks.Start()
	t.Cleanup(breaks.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	_ = l.Close()

	g := newGateway(t)
	g.load(etcdAt(breaks.URL+" "+gone), "etcd")
	for range 8 {
		g.want(g.do(http.MethodGet, "/version"), http.StatusOK, "")
	}
	// Health checks may have found out by now, so only the count is sure.
	for i := range 3 {
		if r := g.do(http.MethodPut, "/v2/keys/k"); r.status < 500 {
			t.Errorf("got %+v for a write whose answer was lost", r)
		}
		if n := writes.Load(); n > int32(i+1) {
			t.Fatalf("%d writes arrived, of %d", n, i+1)
		}
	}
	if writes.Load() == 0 {
		t.Error("no write arrived")
	}
}

// A user's password gets the gateway into an etcd that asks for it, and is not
// lent to those who come through.
func TestUser(t *testing.T) {
	etcd := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithFlags("--bcrypt-cost=4"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	root := etcd.Client(t)
	for _, step := range []func() error{
		func() error { _, err := root.UserAdd(ctx, "root", "secret"); return err },
		func() error { _, err := root.RoleAdd(ctx, "root"); return err },
		func() error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := root.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatalf("switching authentication on: %v", err)
		}
	}
	t.Setenv("TEST_PASSWORD", "secret")
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint, "username root", "password {env.TEST_PASSWORD}"), "etcd")
	index := g.lock("k")
	waits := g.wait("k")
	g.unlock("k", index)
	g.want(receive(t, waits), http.StatusOK, "")
	if _, err := g.etcdClient().Get(ctx, "k"); err == nil {
		t.Error("a request without a user read from etcd")
	}
	g.load(etcdAt(etcd.Endpoint, "username root", "password wrong"), "etcd")
	g.want(g.do(http.MethodPost, "/mod/v2/lock/other?ttl=60"), http.StatusServiceUnavailable, "")
}
