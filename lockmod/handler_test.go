package lockmod

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// serve is one request to a handler, answered.
func serve(h http.Handler, method, target, contentType, body string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	h.ServeHTTP(w, r)
	return w
}

const formType = "application/x-www-form-urlencoded"

// api runs a handler over a service on a memory store, on virtual time.
func api(t *testing.T, f func(t *testing.T, h http.Handler, svc *Service, st *memstore.Store)) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.NewCluster().Open()
		svc := New(st, "lock", zap.NewNop())
		f(t, NewHandler(svc, DefaultLimits(), zap.NewNop()), svc, st)
		time.Sleep(2 * asideIdle) // virtual: the goroutines aside end
		svc.Close(t.Context())
		if err := st.Close(t.Context()); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
}

func TestParametersFromQueryFormAndJSON(t *testing.T) {
	for _, c := range []struct{ name, target, contentType, body string }{
		{"query", "?ttl=60&value=bar", "", ""},
		{"form", "", formType, "ttl=60&value=bar"},
		{"JSON", "", "application/json", `{"ttl": 60, "value": "bar", "timeout": null}`},
		{"JSON of strings", "", "application/json; charset=utf-8", `{"ttl": "60", "value": "bar"}`},
		{"the body wins", "?ttl=x&value=foo", formType, "ttl=60&value=bar"},
		{"empty is absent", "?ttl=60&value=bar", formType, "ttl=&value=&timeout="},
		{"other bodies do not count", "?ttl=60&value=bar", "text/plain", "ttl=x&value=foo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
				w := serve(h, "POST", Prefix+"k"+c.target, c.contentType, c.body)
				if w.Code != 200 {
					t.Fatalf("POST: %d %s", w.Code, w.Body)
				}
				index := w.Body.String()
				for header, want := range map[string]string{"X-Lock-Index": index, "X-Lock-TTL": "60", "Content-Type": "text/plain; charset=utf-8"} {
					if got := w.Header().Get(header); got != want {
						t.Errorf("%s is %q, want %q", header, got, want)
					}
				}
				if w := serve(h, "GET", Prefix+"k", "", ""); w.Body.String() != "bar" || w.Header().Get("X-Lock-Index") != index {
					t.Errorf("GET: %q with %v", w.Body, w.Header())
				}
				// A form in the body of a DELETE counts too (bug 6).
				if w := serve(h, "DELETE", Prefix+"k", formType, "index="+index); w.Code != 200 || w.Body.Len() != 0 {
					t.Errorf("DELETE: %d %s", w.Code, w.Body)
				}
			})
		})
	}
}

func TestMalformedBodies(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		for _, c := range []struct{ contentType, body string }{
			{formType, "ttl=60&value=%zz"},
			{formType, "ttl=60&value=%ff"},
			{"application/json", `{"ttl":60`},
			{"application/json", `[60]`},
			{"application/json", `null`},
			{"application/json", `{"ttl":60} x`},
			{"application/json", `{"ttl":60,"value":["bar"]}`},
		} {
			w := serve(h, "POST", Prefix+"k", c.contentType, c.body)
			if w.Code != 400 || !strings.Contains(w.Body.String(), `"errorCode":209`) {
				t.Errorf("%s: %d %s, want error 209", c.body, w.Code, w.Body)
			}
		}
		if w := serve(h, "POST", Prefix+"%ff?ttl=60", "", ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"errorCode":210`) {
			t.Errorf("a key that is not UTF-8: %d %s", w.Code, w.Body)
		}
	})
}

func TestErrorForm(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		w := serve(h, "POST", Prefix+"k?ttl=abc", "", "")
		const want = `{"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"Acquire","index":0}` + "\n"
		if w.Body.String() != want || w.Header().Get("X-Etcd-Index") != "0" {
			t.Errorf("got %s with %v", w.Body, w.Header())
		}
	})
}

// Every error that a service can return is told in the documented form, and
// nothing of its text.
func TestOutcomes(t *testing.T) {
	for err, want := range map[error]struct {
		status, code int
		retry        bool
	}{
		store.ErrNotFound:    {404, 100, false},
		store.ErrNotHeld:     {409, 211, false},
		ErrCancelled:         {410, 212, false},
		ErrNotAcquired:       {423, 215, false},
		ErrTooManyWaiters:    {429, 216, true},
		ErrStopping:          {503, 300, true},
		store.ErrClosed:      {503, 300, true},
		store.ErrUnavailable: {503, 300, true},
		store.ErrUnknown:     {504, 301, false},
	} {
		w := httptest.NewRecorder()
		WriteError(w, Explain(errors.Join(errors.New("dial tcp 10.0.0.1:2379"), err)), "Acquire", 7)
		var body struct{ ErrorCode, Index int }
		if e := json.Unmarshal(w.Body.Bytes(), &body); e != nil || body.ErrorCode != want.code || w.Code != want.status || body.Index != 7 {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != want.retry || strings.Contains(w.Body.String(), "10.0.0.1") {
			t.Errorf("%v: %s with %v", err, w.Body, w.Header())
		}
	}
}

func TestMethods(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		for method, want := range map[string]int{"PATCH": 405, "TRACE": 405, "OPTIONS": 204, "HEAD": 200} {
			w := serve(h, method, Prefix+"k", "", "")
			if w.Code != want || (want != 200) != (w.Header().Get("Allow") != "") {
				t.Errorf("%s: %d with %v", method, w.Code, w.Header())
			}
		}
	})
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                   asText,
		"*/*":                                asText,
		"application/json":                   asJSON,
		"text/html, application/json;q=0.9":  asJSON,
		"application/json;q=0":               asText,
		"text/plain, application/json;q=0.5": asText,
		"Application/JSON; charset=utf-8":    asJSON,
		";;;":                                asText,
		"text/event-stream":                  asEvents,
		"text/event-stream, */*;q=0.1":       asEvents,
		"text/plain, text/event-stream":      asEvents,
		"text/event-stream;q=0.5, application/json":   asJSON,
		"text/event-stream;q=0, application/json;q=0": asText,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := wanted(r); got != want {
			t.Errorf("%q means %s, want %s", accept, got, want)
		}
	}
}

func TestJSONView(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		get := func() string {
			t.Helper()
			w := serve(h, "GET", Prefix+"customer1", "", "", "Accept", "application/json")
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("GET: %d with %v", w.Code, w.Header())
			}
			return strings.TrimSpace(w.Body.String())
		}
		if got, want := get(), `{"key":"customer1","index":0,"value":"","ttl":0,"queue":[]}`; got != want {
			t.Errorf("a free lock is %s, want %s", got, want)
		}
		w := serve(h, "POST", Prefix+"customer1?ttl=60", formType, "value=bar", "Accept", "application/json")
		if w.Code != 200 {
			t.Fatalf("POST: %d %s", w.Code, w.Body)
		}
		index := w.Header().Get("X-Lock-Index")
		want := `{"key":"customer1","index":` + index + `,"value":"bar","ttl":60,"queue":[{"index":` + index + `,"value":"bar","state":"held","ttl":60}]}`
		if got := strings.TrimSpace(w.Body.String()); got != want {
			t.Errorf("POST answers %s, want %s", got, want)
		}

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = svc.Acquire(ctx, Request{Key: "customer1", TTL: time.Minute, Timeout: WaitForever})
		}()
		synctest.Wait()
		var v View
		if err := json.Unmarshal([]byte(get()), &v); err != nil || len(v.Queue) != 2 ||
			v.Queue[1].State != "waiting" || v.Queue[1].Value != "-" || v.Queue[1].TTL != nil || v.Queue[1].Index <= v.Index {
			t.Errorf("the view is %+v (%v)", v, err)
		}
		cancel()
		<-done
	})
}

// broken is a connection that fails when the answer is to leave.
type broken struct{ *httptest.ResponseRecorder }

func (broken) FlushError() error { return io.ErrClosedPipe }

// A grant that could not be delivered is released at once (I4, bug 4). One that
// has left for a client that goes then stays: the client may have read it (I1).
func TestUndeliveredGrantIsReleased_I4(t *testing.T) {
	for _, accept := range []string{"text/plain", "application/json"} {
		for _, c := range []struct {
			name   string
			writer func(gone context.CancelFunc) http.ResponseWriter
			held   bool
		}{
			{"the connection breaks", func(context.CancelFunc) http.ResponseWriter {
				return broken{httptest.NewRecorder()}
			}, false},
			{"the client goes once it is answered", func(gone context.CancelFunc) http.ResponseWriter {
				return leaving{httptest.NewRecorder(), gone}
			}, true},
		} {
			t.Run(c.name+" "+accept, func(t *testing.T) {
				api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
					ctx, gone := context.WithCancel(t.Context())
					defer gone()
					r := httptest.NewRequestWithContext(ctx, "POST", Prefix+"k?ttl=60", nil)
					r.Header.Set("Accept", accept)
					h.ServeHTTP(c.writer(gone), r)
					synctest.Wait()
					if e, err := svc.Holder(t.Context(), "k"); err != nil || e.Held != c.held {
						t.Errorf("the lock is held by %v (%v), want %v", e, err, c.held)
					}
				})
			})
		}
	}
}

// leaving is a client that goes away while it is being answered.
type leaving struct {
	*httptest.ResponseRecorder
	cancel context.CancelFunc
}

func (l leaving) Write(b []byte) (int, error) {
	l.cancel()
	return l.ResponseRecorder.Write(b)
}
