package caddymodule_test

import (
	"context"
	"encoding/json"
	"net/http"
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

// lead has a name lead an election that nobody else leads.
func (g *gateway) lead(key, name string) {
	g.t.Helper()
	g.want(g.do(http.MethodPut, "/mod/v2/leader/"+key+"?ttl=60&name="+name), http.StatusOK, "")
	g.want(g.do(http.MethodGet, "/mod/v2/leader/"+key+"?name="+name), http.StatusOK, name)
}

// campaign has another one wait to lead.
func (g *gateway) campaign(key, name string) <-chan reply {
	g.t.Helper()
	return g.queue(http.MethodPut, "/mod/v2/leader/"+key, "ttl=60&name="+name)
}

func (g *gateway) resign(key, name string) {
	g.t.Helper()
	g.want(g.do(http.MethodDelete, "/mod/v2/leader/"+key+"?name="+name), http.StatusOK, "")
}

// Elections are served beside locks, each at its own path and nowhere else, also
// by a handler that stands alone.
func TestLeader(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	for _, site := range []string{"etcd", "etcd_not_found\netcd_lock\netcd_leader", "etcd_not_found\netcd_leader /mod/v2/leader/*"} {
		g.load(etcdAt(etcd.Endpoint), site)
		g.lead("k", "a")
		waits := g.campaign("k", "b")
		for _, path := range []string{"/mod/v2/leader/../leader/../../x", "/mod/v2/leader/../lock/k", "/mod/v2/leaders/k", "/x/../mod/v2/leader/k", "/mod/v2/leader%2f..%2f..%2fk"} {
			if r := g.do(http.MethodGet, path); r.status != http.StatusNotFound || !strings.Contains(r.body, `"errorCode":100`) {
				t.Errorf("GET %s: got %+v", path, r)
			}
		}
		g.resign("k", "a")
		g.want(receive(t, waits), http.StatusOK, "")
		g.want(g.do(http.MethodGet, "/mod/v2/leader/k"), http.StatusOK, "b")
		g.resign("k", "b")
		g.want(g.do(http.MethodPut, "/mod/v2/leader/?ttl=60&name=a"), http.StatusBadRequest, "")
	}
	g.want(g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusNotFound, "")
}

// Candidates wait on through reloads, as requests for locks do, and the limits of
// the one are not the other's.
func TestLeader_reload(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.lead("k", "a")
	holder := g.lock("k")
	candidate, waits := g.campaign("k", "b"), g.wait("k")
	g.load(etcdAt(etcd.Endpoint), "etcd {\n leader {\n max_waiting 1\n max_value 1B\n }\n lock {\n max_ttl 2m\n }\n}")
	if got := caddymodule.References(); !reflect.DeepEqual(got, []int{3}) {
		t.Errorf("references to connections are %v, want 3: the app's and the requests'", got)
	}
	g.want(g.do(http.MethodPut, "/mod/v2/leader/k?ttl=121&name=c"), http.StatusTooManyRequests, "")
	g.want(g.do(http.MethodPut, "/mod/v2/leader/other?ttl=121&name=cc"), http.StatusRequestEntityTooLarge, "")
	g.want(g.do(http.MethodPost, "/mod/v2/lock/other?ttl=121"), http.StatusBadRequest, "")
	another := g.wait("k") // there is no limit for it
	g.resign("k", "a")
	g.want(receive(t, candidate), http.StatusOK, "")
	g.unlock("k", holder)
	g.unlock("k", receive(t, waits).body)
	g.want(receive(t, another), http.StatusOK, "")
}

// The end answers those who wait for a lock and candidates at once, and takes all
// of them out of etcd.
func TestLeader_exit_I9(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	g.lead("k", "a")
	g.lock("k")
	candidate, waits := g.campaign("k", "b"), g.wait("k")
	clock := patience.Start(t)
	caddymodule.EndLife()
	for _, answer := range []<-chan reply{candidate, waits} {
		r := receive(t, answer)
		g.want(r, http.StatusServiceUnavailable, "")
		if r.header.Get("Retry-After") == "" {
			t.Error("a 503 without Retry-After")
		}
	}
	caddymodule.CloseAll()
	if took := clock.Took(); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, space := range []string{"lock", "leader"} {
		left, err := etcd.Client(t).Get(ctx, "/_etcd/mod/"+space+"/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil || len(left.Kvs) != 1 {
			t.Errorf("etcd has %v, %v, want one entry in %s", left, err, space)
		}
	}
}

// With JSON, what a directive would refuse of a handler's limits is refused too.
func TestJSON_limits(t *testing.T) {
	for _, handler := range []string{"etcd_lock", "etcd_leader"} {
		for _, c := range []struct{ field, because string }{
			{`"max_waiting":-1`, "max_waiting -1 is negative"},
			{`"max_key":-1`, "max_key -1 is negative"},
			{`"max_value":-1`, "max_value -1 is negative"},
			{`"max_value":1048577`, "max_value 1048577 is more than"},
			{`"max_body":-1`, "max_body -1 is negative"},
			{`"max_ttl":"1500ms"`, "max_ttl 1.5s is not a whole number of seconds"},
			{`"max_ttl":-1000000000`, "max_ttl -1s is not a whole number of seconds"},
			{`"max_key":"many"`, "max_key"},
			{`"surprise":1`, "surprise"},
			{`"limits":{}`, "limits"},
		} {
			err := caddy.Validate(&caddy.Config{
				Admin:   &caddy.AdminConfig{Disabled: true},
				Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}}},
				AppsRaw: caddy.ModuleMap{
					"etcd": json.RawMessage(`{"endpoints":["http://127.0.0.1:1"]}`),
					"http": json.RawMessage(`{"servers":{"s":{"routes":[{"handle":[{"handler":"` + handler + `",` + c.field + `}]}]}}}`),
				},
			})
			if err == nil || !strings.Contains(err.Error(), c.because) {
				t.Errorf("%s %s: got %v, want an error with %q", handler, c.field, err, c.because)
			}
		}
	}
	if got := caddymodule.References(); len(got) != 0 {
		t.Errorf("references to connections are %v, want none", got)
	}
}
