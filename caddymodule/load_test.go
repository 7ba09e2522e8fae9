package caddymodule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Two loads in a row, the second one with other limits and another site: who
// waits goes on waiting, in its place.
func TestReload_I8(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	holder := g.lock("k")
	waits := g.wait("k")
	if got := caddymodule.References(); !reflect.DeepEqual(got, []int{2}) {
		t.Errorf("references to connections are %v, want 2: the app's and the request's", got)
	}
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.load(etcdAt(etcd.Endpoint), "header X-Changed yes\netcd {\n lock {\n max_ttl 2m\n }\n}")
	if got := caddymodule.References(); !reflect.DeepEqual(got, []int{2}) {
		t.Errorf("after two reloads, references to connections are %v, want 2", got)
	}
	g.unlock("k", holder)
	r := receive(t, waits)
	g.want(r, http.StatusOK, "")
	g.want(g.do(http.MethodGet, "/mod/v2/lock/k?index="+r.body), http.StatusOK, "")
	g.want(g.do(http.MethodPost, "/mod/v2/lock/other?ttl=121"), http.StatusBadRequest, "")
}

// Another prefix is another place in etcd: who waits stays in the old one.
func TestReload_otherPrefix(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	holder := g.lock("k")
	waits := g.wait("k")
	g.load(etcdAt(etcd.Endpoint, "prefix /other"), "etcd")
	g.want(g.do(http.MethodGet, "/mod/v2/lock/k?field=index"), http.StatusOK, "")
	if n := g.waiting("k"); n != 0 {
		t.Errorf("%d wait at the new prefix", n)
	}
	if got := len(caddymodule.References()); got != 2 {
		t.Errorf("there are %d connections, want the request's and the app's", got)
	}
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.unlock("k", holder)
	g.want(receive(t, waits), http.StatusOK, "")
}

// A configuration without the app leaves nobody behind to wait for an end that
// would not come.
func TestUnload(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.lock("k")
	waits := g.wait("k")
	g.load("", "respond none")
	r := receive(t, waits)
	g.want(r, http.StatusServiceUnavailable, "")
	if r.header.Get("Retry-After") == "" {
		t.Error("a 503 without Retry-After")
	}
	g.load(etcdAt(etcd.Endpoint), "etcd")
	patience.Until(t, 10*time.Second, func() error { // the session is ended after the answer
		if n := g.waiting("k"); n != 0 {
			return fmt.Errorf("%d still wait after all were sent away", n)
		}
		return nil
	})
}

// A grace_period may end before the requests do. The exit then takes what waits
// out of etcd all the same, and a request that ends later does no harm.
func TestExit_I9(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.lock("k")
	waits := g.wait("k")
	giveBack := caddymodule.Hold()
	clock := patience.Start(t)
	caddymodule.EndLife()
	caddymodule.CloseAll()
	if took := clock.Took(); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := caddymodule.Open(); n != 0 {
		t.Errorf("%d connections are still open", n)
	}
	g.want(receive(t, waits), http.StatusServiceUnavailable, "")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left, err := etcd.Client(t).Get(ctx, "/_etcd/mod/lock/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || len(left.Kvs) != 1 {
		t.Errorf("etcd has %v, %v, want the holder's entry alone", left, err)
	}
	g.want(g.do(http.MethodPost, "/mod/v2/lock/other?ttl=60"), http.StatusServiceUnavailable, "")
	giveBack()
	g.load("", "respond none")
	if got := caddymodule.References(); len(got) != 0 {
		t.Errorf("references to connections are %v, want none", got)
	}
}

// A configuration that fails takes nothing from the one that runs.
func TestFailedLoads(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}`))
	}))
	t.Cleanup(old.Close)
	fails := func(option, site, because string) {
		t.Helper()
		if err := g.try(option, site); err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("got %v, want an error with %q", err, because)
		}
	}
	all := func() {
		t.Helper()
		same := etcdAt(etcd.Endpoint)
		fails(etcdAt(old.URL), "etcd", "which has no v3 API: set `api v2` in the global etcd option")
		fails(etcdAt(old.URL, "prefix /other"), "etcd", "2.3.8")
		fails(etcdAt(etcd.Endpoint, "api v2"), "etcd", "which has no v2 API any more: set `api v3` in the global etcd option")
		fails(etcdAt(etcd.Endpoint, "prefix {env.NO_SUCH_VARIABLE}"), "etcd", "prefix")
		fails(etcdAt("https://127.0.0.1:1", "tls {\n ca /no/such/file\n}"), "etcd", "/no/such/file")
		fails(same, "etcd\n}\nhttp://other {\n bind unix//no/such/folder/s\n etcd\n", "/no/such/folder/s")
		fails("", "etcd_lock", "there is no etcd app")
		fails("", "etcd", "needs the global option")
	}
	all()
	if got := caddymodule.References(); len(got) != 0 {
		t.Errorf("references to connections are %v, want none", got)
	}
	g.load(etcdAt(etcd.Endpoint), "etcd")
	holder := g.lock("k")
	waits := g.wait("k")
	all()
	caddymodule.AwaitClosing()
	if got := caddymodule.References(); !reflect.DeepEqual(got, []int{2}) {
		t.Errorf("references to connections are %v, want 2", got)
	}
	g.unlock("k", holder)
	g.want(receive(t, waits), http.StatusOK, "")
}

// An etcd that is down does not keep Caddy from starting, with a user to log in
// neither: requests are told.
func TestEtcdDown(t *testing.T) {
	g := newGateway(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	clock := patience.Start(t)
	// It accepts, and says nothing.
	g.load(etcdAt("http://"+address, "username u", "password p"), "etcd")
	if took := clock.Took(); took > 5*time.Second {
		t.Errorf("loading took %v", took)
	}
	_ = l.Close()
	clock = patience.Start(t)
	r := g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60")
	g.want(r, http.StatusServiceUnavailable, "")
	if took := clock.Took(); took > 5*time.Second || r.header.Get("Retry-After") == "" {
		t.Errorf("after %v, with %v; want it within 5 s, with Retry-After", took, r.header)
	}
}

// With JSON, what a directive would refuse is refused too.
func TestJSON(t *testing.T) {
	for _, c := range []struct{ app, because string }{
		{`{}`, "neither embedded nor endpoints"},
		{`{"endpoints":["http://127.0.0.1:1"],"embedded":{"data_dir":"x"}}`, "both set"},
		{`{"embedded":{}}`, "data_dir is not set"},
		{`{"embedded":{"data_dir":"x"},"tls":{}}`, "tls is set"},
		{`{"embedded":{"data_dir":"x"},"api":"v2"}`, "api is v2, but the embedded etcd has no API but v3"},
		{`{"endpoints":["http://127.0.0.1:1"],"api":"v4"}`, `api "v4"`},
		{`{"endpoints":["http://127.0.0.1:1"],"prefix":"x"}`, `prefix "x"`},
		{`{"endpoints":["http://127.0.0.1:1"],"prefix":"//"}`, `prefix "//"`},
		{`{"endpoints":["http://127.0.0.1:1"],"password":"secret"}`, "username is not"},
		{`{"endpoints":["http://127.0.0.1:1"],"username":"u"}`, "password is not"},
		{`{"endpoints":["ftp://127.0.0.1:1"]}`, `scheme "ftp"`},
		{`{"endpoints":["http://127.0.0.1:1"],"surprise":1}`, "surprise"},
		{`{"endpoints":["https://127.0.0.1:1"],"tls":{"cert":"c"}}`, "key is not"},
	} {
		err := caddy.Validate(&caddy.Config{
			Admin:   &caddy.AdminConfig{Disabled: true},
			AppsRaw: caddy.ModuleMap{"etcd": json.RawMessage(c.app)},
		})
		if err == nil || !strings.Contains(err.Error(), c.because) {
			t.Errorf("%s: got %v, want an error with %q", c.app, err, c.because)
		}
	}
	if got := caddymodule.References(); len(got) != 0 {
		t.Errorf("references to connections are %v, want none", got)
	}
}
