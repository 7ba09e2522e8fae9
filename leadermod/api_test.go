package leadermod

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// api is the elections of a gateway, or of several, on virtual time.
type api struct {
	t       *testing.T
	handler http.Handler
	svc     *lockmod.Service
}

// on runs a test over gateways on one memory store.
func on(t *testing.T, gateways int, test func(t *testing.T, a []api)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cluster := memstore.NewCluster()
		var all []api
		var stores []store.Store
		for range gateways {
			st := cluster.Open()
			svc := lockmod.New(st, Space, zap.NewNop())
			all = append(all, api{t, NewHandler(svc, lockmod.DefaultLimits(), zap.NewNop()), svc})
			stores = append(stores, st)
		}
		test(t, all)
		time.Sleep(time.Second) // virtual: goroutines that are kept for the next request end
		for i, a := range all {
			a.svc.Close(t.Context())
			if err := stores[i].Close(t.Context()); err != nil {
				t.Errorf("closing the store: %v", err)
			}
		}
	})
}

// do is one request, answered: its key and query, and a form as the body.
func (a api) do(method, target, form string, header ...string) *httptest.ResponseRecorder {
	return a.as(a.t.Context(), method, target, form, header...)
}

func (a api) as(ctx context.Context, method, target, form string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, method, Prefix+target, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a.handler.ServeHTTP(w, r)
	return w
}

// start is do in the background, once the request waits or has been answered.
func (a api) start(ctx context.Context, method, target, form string) <-chan *httptest.ResponseRecorder {
	c := make(chan *httptest.ResponseRecorder, 1)
	go func() { c <- a.as(ctx, method, target, form) }()
	synctest.Wait()
	return c
}

// lead has a name lead that can lead at once, and returns its index.
func (a api) lead(key, name string, ttl int) string {
	a.t.Helper()
	w := a.do("PUT", key, fmt.Sprintf("ttl=%d&name=%s", ttl, url.QueryEscape(name)))
	index := w.Header().Get("X-Lock-Index")
	if w.Code != 200 || index == "" || w.Body.String() != index || w.Header().Get("X-Lock-TTL") != fmt.Sprint(ttl) {
		a.t.Fatalf("PUT %s as %s: %d %s with %v", key, name, w.Code, w.Body, w.Header())
	}
	return index
}

// leads fails the test unless that name, which may be empty, leads.
func (a api) leads(key, name string) {
	a.t.Helper()
	if w := a.do("GET", key, ""); w.Code != 200 || w.Body.String() != name {
		a.t.Errorf("GET %s: %d %q, want %q", key, w.Code, w.Body, name)
	}
}

// is fails the test unless the answer is a success with that body.
func is(t *testing.T, w *httptest.ResponseRecorder, body string) {
	t.Helper()
	if w.Code != 200 || w.Body.String() != body {
		t.Errorf("got %d %q, want 200 %q", w.Code, w.Body, body)
	}
}

// fails fails the test unless the answer is that error.
func fails(t *testing.T, w *httptest.ResponseRecorder, status, code int, message, cause string) (ok bool) {
	t.Helper()
	body := fmt.Sprintf(`{"errorCode":%d,"message":%q,"cause":%q,`, code, message, cause)
	if ok = w.Code == status && strings.HasPrefix(w.Body.String(), body); !ok {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, body)
	}
	return ok
}

// receive is an answer that has been given already.
func receive(t *testing.T, c <-chan *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	synctest.Wait()
	select {
	case w := <-c:
		return w
	default:
		t.Fatal("it still waits")
		return nil
	}
}

// waits fails the test if the answer has been given.
func waits(t *testing.T, c <-chan *httptest.ResponseRecorder) {
	t.Helper()
	synctest.Wait()
	select {
	case w := <-c:
		t.Fatalf("it does not wait: %d %s", w.Code, w.Body)
	default:
	}
}
