package lockmod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// fake is a backend that answers as it is told to.
type fake struct {
	backend // what a test here does not need

	err      error // of every method
	holder   store.Entry
	queue    store.Listing
	queueErr error

	key     string // of the last call
	request Request
	target  store.Target
	ttl     time.Duration
	calls   int
	settled []bool
}

func (f *fake) call(key string) error {
	f.key = key
	f.calls++
	return f.err
}

func (f *fake) Acquire(_ context.Context, r Request) (*Hold, error) {
	f.request = r
	if err := f.call(r.Key); err != nil {
		return nil, err
	}
	return &Hold{Entry: f.holder, settle: func(delivered bool) { f.settled = append(f.settled, delivered) }}, nil
}

func (f *fake) Begin(r Request) (Waiting, error) { return acquiring{f, r}, nil }

// acquiring is a request that a backend which can Acquire has begun.
type acquiring struct {
	backend interface {
		Acquire(context.Context, Request) (*Hold, error)
	}
	request Request
}

func (a acquiring) Wait(ctx context.Context) (*Hold, error) { return a.backend.Acquire(ctx, a.request) }

func (f *fake) Renew(_ context.Context, key string, t store.Target, ttl time.Duration) (store.Entry, error) {
	f.target, f.ttl = t, ttl
	return f.holder, f.call(key)
}

func (f *fake) Release(_ context.Context, key string, t store.Target) error {
	f.target = t
	return f.call(key)
}

func (f *fake) Holder(_ context.Context, key string) (store.Entry, error) {
	return f.holder, f.call(key)
}

func (f *fake) Queue(_ context.Context, key string) (store.Listing, error) {
	if err := f.call(key); err != nil {
		return store.Listing{}, err
	}
	return f.queue, f.queueErr
}

func (f *fake) Revision() uint64 { return 7 }

// on is the lock's handler on a fake.
func on(f *fake) http.Handler { return newFront(f, Prefix, operations, DefaultLimits(), zap.NewNop()) }

// heldAt is a holder.
func heldAt(index uint64, value string) store.Entry {
	return store.Entry{Index: index, Value: value, HasValue: value != "", Held: true, TTL: time.Minute, Left: time.Minute}
}

// wantError fails the test unless that is an error in the documented form.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status, code int, message, cause string) {
	t.Helper()
	body := fmt.Sprintf("{\"errorCode\":%d,\"message\":%q,\"cause\":%q,\"index\":7}\n", code, message, cause)
	if w.Code != status || w.Body.String() != body {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, body)
	}
	h := w.Header()
	if h.Get("Content-Type") != "application/json" || h.Get("X-Etcd-Index") != "7" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", h)
	}
	retry := ""
	if status == 429 || status == 503 {
		retry = "1"
	}
	if h.Get("Retry-After") != retry || (h.Get("Allow") != "") != (status == 405) || h.Get("X-Lock-Index") != "" {
		t.Errorf("the headers of a %d are %v", status, h)
	}
}

// Bad input gets exactly the documented answer, and never reaches the store.
func TestBadRequests(t *testing.T) {
	const (
		ttl     = "The given TTL in POST form is not a number"
		timeout = "The given timeout in POST form is not a number"
		index   = "The given index in POST form is not a number"

		wait      = "The given wait is neither true nor false"
		waitIndex = "The given waitIndex in POST form is not a number"
		notBoth   = "What is waited for, or followed, is the holder, whoever that is: index and name can't be given"

		neither = "Index or value is required"
		both    = "Index and value cannot both be specified"
	)
	for _, c := range []struct {
		method, target, form string
		status, code         int
		message, cause       string
	}{
		{"POST", "k", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=abc", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=1.5", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=1e3", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=%2B5", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=+5", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=5%0a", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=0x10", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=1_0", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=%D9%A3", "", 400, 202, ttl, "Acquire"}, // a digit, but no decimal one
		{"POST", "k?ttl=-1", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=0", "", 400, 202, "The given TTL in POST form is less than 1", "Acquire"},
		{"POST", "k?ttl=86401", "", 400, 202, "The given TTL in POST form is longer than 86400 seconds", "Acquire"},
		{"POST", "k?ttl=99999999999999999999", "", 400, 202, "The given TTL in POST form is longer than 86400 seconds", "Acquire"},
		{"POST", "k?ttl=9223372037", "", 400, 202, "The given TTL in POST form is longer than 86400 seconds", "Acquire"},
		{"POST", "k?ttl=60&timeout=x", "", 400, 205, timeout, "Acquire"},
		{"POST", "k?ttl=60&timeout=-1", "", 400, 205, timeout, "Acquire"},
		{"POST", "k?ttl=60&timeout=0.5", "", 400, 205, timeout, "Acquire"},
		{"POST", "k?ttl=x&timeout=x", "", 400, 202, ttl, "Acquire"},
		{"POST", "k?ttl=60", "value=%ff", 400, 209, "The given value is not valid UTF-8", "Acquire"},
		{"POST", "k?ttl=60", "value=%f", 400, 209, "The form in the request body is malformed", "Acquire"},
		{"POST", "k?ttl=60&value=%f", "", 400, 209, "The query of the URL is malformed", "Acquire"},
		{"POST", "k?ttl=60", "value=" + strings.Repeat("v", 64<<10+1), 413, 213, "The given value is longer than 65536 bytes", "Acquire"},
		{"POST", "k?ttl=60", "x=" + strings.Repeat("v", 256<<10), 413, 213, "The request body is longer than 262144 bytes", "Acquire"},
		{"POST", strings.Repeat("k", 1025) + "?ttl=60", "", 413, 213, "The key is longer than 1024 bytes", "Acquire"},
		{"POST", "?ttl=60", "", 400, 210, "Key is required", "Acquire"},
		{"POST", "/?ttl=60", "", 400, 210, "Key is required", "Acquire"},
		{"POST", "%ff?ttl=60", "", 400, 210, "The key is not valid UTF-8", "Acquire"},
		{"PUT", "", "", 400, 210, "Key is required", "Renew"},
		{"PUT", "k?index=2", "", 400, 202, ttl, "Renew"},
		{"PUT", "k?ttl=60", "", 400, 207, neither, "Renew"},
		{"PUT", "k?ttl=60", "index=&value=", 400, 207, neither, "Renew"},
		{"PUT", "k?ttl=60&index=2", "value=bar", 400, 208, both, "Renew"},
		{"PUT", "k?ttl=60&index=abc", "", 400, 203, index, "Renew"},
		{"PUT", "k?ttl=60&index=-2", "", 400, 203, index, "Renew"},
		{"PUT", "k?ttl=60&index=18446744073709551616", "", 400, 203, index, "Renew"},
		{"PUT", "k?ttl=60&index=0", "", 404, 100, "Key not found", "Renew"},
		{"PUT", "k?ttl=60&value=%ff", "", 400, 209, "The given value is not valid UTF-8", "Renew"},
		{"DELETE", "", "", 400, 210, "Key is required", "Release"},
		{"DELETE", "k", "", 400, 207, neither, "Release"},
		{"DELETE", "k?index=2&value=bar", "", 400, 208, both, "Release"},
		{"DELETE", "k", "index=x", 400, 203, index, "Release"},
		{"DELETE", "k?index=0", "", 404, 100, "Key not found", "Release"},
		{"DELETE", "k", "value=" + strings.Repeat("v", 64<<10+1), 413, 213, "The given value is longer than 65536 bytes", "Release"},
		{"GET", "?limit=x", "", 400, 209, "The given limit is not a number", "Get"},
		{"GET", "?limit=-1", "", 400, 209, "The given limit is not a number", "Get"},
		{"HEAD", "?limit=0", "", 400, 209, "The given limit is less than 1", "Get"},
		{"GET", "?prefix=%ff", "", 400, 209, "The given prefix is not valid UTF-8", "Get"},
		{"GET", "?continue=%ff", "", 400, 209, "The given continue is not valid UTF-8", "Get"},
		{"GET", "?wait=true", "", 400, 209, "A list can't be waited for; ask for text/event-stream", "Get"},
		{"GET", "?wait=yes", "", 400, 209, wait, "Get"},
		{"GET", "k?wait=yes", "", 400, 209, wait, "Get"},
		{"GET", "k?wait=true&waitIndex=x", "", 400, 203, waitIndex, "Get"},
		{"GET", "k?wait=true&waitIndex=-1", "", 400, 203, waitIndex, "Get"},
		{"GET", "k?wait=true&timeout=x", "", 400, 205, timeout, "Get"},
		{"GET", "k?wait=true&index=2", "", 400, 209, notBoth, "Get"},
		{"GET", "k?field=bogus", "", 400, 209, "Invalid field", "Get"},
		{"GET", "k?field=Value", "", 400, 209, "Invalid field", "Get"},
		{"GET", "k?index=abc", "", 400, 203, index, "Get"},
		{"PATCH", "k", "", 405, 214, "Method is not supported here", "PATCH"},
		{"PATCH", "", "", 405, 214, "Method is not supported here", "PATCH"},
	} {
		name := c.method + " " + c.target + " " + c.form
		t.Run(name[:min(len(name), 50)], func(t *testing.T) {
			f := &fake{}
			contentType := ""
			if c.form != "" {
				contentType = formType
			}
			wantError(t, serve(on(f), c.method, Prefix+c.target, contentType, c.form), c.status, c.code, c.message, c.cause)
			if f.calls != 0 {
				t.Error("it reached the service")
			}
		})
	}
}

func TestAllow(t *testing.T) {
	for _, method := range []string{"OPTIONS", "PATCH"} {
		if got := serve(on(&fake{}), method, Prefix, "", "").Header().Get("Allow"); got != "GET, HEAD, POST, PUT, DELETE, OPTIONS" {
			t.Errorf("%s: Allow is %q", method, got)
		}
	}
	only := newFront(&fake{}, Prefix, Operations{"PUT": operations["PUT"]}, DefaultLimits(), zap.NewNop())
	w := serve(only, "GET", Prefix+"k", "", "")
	wantError(t, w, 405, 214, "Method is not supported here", "GET")
	if got := w.Header().Get("Allow"); got != "PUT, OPTIONS" {
		t.Errorf("Allow is %q", got)
	}
}

func TestPathsThatAreNotTheHandlers(t *testing.T) {
	for path, want := range map[string]struct {
		status, code int
		message      string
	}{
		"/mod/v2/lock":     {400, 210, "Key is required"},
		"/mod/v2/locks/k":  {404, 100, "Key not found"},
		"/k":               {404, 100, "Key not found"},
		"/mod/v2/leader/k": {404, 100, "Key not found"},
	} {
		wantError(t, serve(on(&fake{}), "PUT", path, "", ""), want.status, want.code, want.message, "Renew")
	}
}

// What a service's error is for a client does not depend on the method, and tells
// nothing of etcd; what is not foreseen is in the log instead.
func TestServiceErrors(t *testing.T) {
	for _, c := range []struct {
		err          error
		status, code int
		message      string
		level        zapcore.Level // of the log entry, if it is not the client's own doing
	}{
		{store.ErrNotFound, 404, 100, "Key not found", zap.DebugLevel},
		{store.ErrNotHeld, 409, 211, "Lock is not held", zap.DebugLevel},
		{ErrCancelled, 410, 212, "Lock request was cancelled", zap.DebugLevel},
		{ErrNotAcquired, 423, 215, "Lock was not acquired", zap.DebugLevel},
		{ErrTooManyWaiters, 429, 216, "Too many requests are waiting", zap.DebugLevel},
		{ErrStopping, 503, 300, "The gateway is stopping", zap.DebugLevel},
		{store.ErrClosed, 503, 300, "The gateway is stopping", zap.WarnLevel},
		{store.ErrUnavailable, 503, 300, "etcd cannot be reached, or refuses the gateway", zap.WarnLevel},
		{store.ErrUnknown, 504, 301, "The answer of etcd was lost: the outcome is unknown", zap.WarnLevel},
		{context.DeadlineExceeded, 504, 301, "The request took too long: the outcome is unknown", zap.WarnLevel},
		{errors.Join(store.ErrUnavailable, context.DeadlineExceeded), 503, 300, "etcd cannot be reached, or refuses the gateway", zap.WarnLevel},
		{store.ErrTaken, 503, 300, "Internal error", zap.ErrorLevel},
		{errors.New("etcdserver: mvcc"), 503, 300, "Internal error", zap.ErrorLevel},
	} {
		for method, cause := range map[string]string{"POST": "Acquire", "PUT": "Renew", "GET": "Get", "DELETE": "Release"} {
			t.Run(method+" "+c.err.Error(), func(t *testing.T) {
				core, logs := observer.New(zap.InfoLevel)
				f := &fake{err: fmt.Errorf("dialing 10.0.0.1:2379: %w", c.err)}
				h := newFront(f, Prefix, operations, DefaultLimits(), zap.New(core))
				wantError(t, serve(h, method, Prefix+"k?ttl=60", formType, "value=secret"), c.status, c.code, c.message, cause)
				entries := logs.All()
				if c.level == zap.DebugLevel {
					if len(entries) != 0 {
						t.Errorf("the log has %v", entries)
					}
					return
				}
				if len(entries) != 1 || entries[0].Level != c.level || strings.Contains(fmt.Sprint(entries[0]), "secret") {
					t.Errorf("the log has %v, want an entry of level %v", entries, c.level)
				}
			})
		}
	}
}

// A client that has gone is answered nothing, and least of all an empty 200.
func TestNobodyThere(t *testing.T) {
	for method := range operations {
		w := httptest.NewRecorder()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, method, Prefix+"k?ttl=60&value=bar", nil)
		on(&fake{err: ctx.Err()}).ServeHTTP(w, r)
		if w.Code != 499 || w.Body.Len() != 0 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}

// What a request means reaches the service as it was meant.
func TestWhatReachesTheService(t *testing.T) {
	request := func(value string, ttl, timeout time.Duration) Request {
		return Request{Key: "k", Value: value, HasValue: value != "", TTL: ttl, Timeout: timeout, MaxWaiting: 100_000}
	}
	for _, c := range []struct {
		target, contentType, body string
		want                      Request
	}{
		{"?ttl=60", "", "", request("", time.Minute, WaitForever)},
		{"?ttl=060", "", "", request("", time.Minute, WaitForever)},
		{"?ttl=86400&timeout=0", "", "", request("", 24*time.Hour, 0)},
		{"?ttl=1&timeout=2", formType, "value=bar", request("bar", time.Second, 2*time.Second)},
		{"?ttl=1&timeout=99999999999999999999", "", "", request("", time.Second, WaitForever)},
		{"?ttl=1&timeout=9223372037", "", "", request("", time.Second, WaitForever)},
		{"?ttl=1&value=a%20b+c;d%26&Value=x", "", "", request("a b c;d&", time.Second, WaitForever)},
		{"?ttl=1&value=first&value=second", "", "", request("first", time.Second, WaitForever)},
		{"?ttl=1&timeout=0&value=bar", "application/json", `{"timeout":null,"value":"\u2603 \ud83d\ude00"}`, request("☃ 😀", time.Second, 0)},
		{"?ttl=1", "Application/JSON; charset=utf-8", `{"timeout":2,"unknown":{"value":[]}}`, request("", time.Second, 2*time.Second)},
		{"?ttl=1", "application/json", " ", request("", time.Second, WaitForever)},
		{"?ttl=1&value=bar", formType + ";charset=UTF-8", "value=&ttl=&timeout=0", request("bar", time.Second, 0)},
		{"?ttl=1&value=" + strings.Repeat("v", 64<<10), "", "", request(strings.Repeat("v", 64<<10), time.Second, WaitForever)},
	} {
		f := &fake{holder: heldAt(5, "")}
		w := serve(on(f), "POST", Prefix+"k"+c.target, c.contentType, c.body)
		if w.Code != 200 || f.request != c.want {
			t.Errorf("%.60s %s: %d %s with %.200v, want %.200v", c.target, c.body, w.Code, w.Body, f.request, c.want)
		}
	}

	for query, want := range map[string]store.Target{
		"index=2":                      {Index: 2},
		"index=18446744073709551615":   {Index: 1<<64 - 1},
		"value=bar":                    {Value: "bar"},
		"value=2&index=":               {Value: "2"},
		"value=-":                      {Value: "-"},
		"index=2&name=other&field=foo": {Index: 2},
	} {
		for _, method := range []string{"PUT", "DELETE"} {
			f := &fake{holder: heldAt(5, "")}
			w := serve(on(f), method, Prefix+"k?ttl=60", formType, query)
			if w.Code != 200 || w.Body.Len() != 0 || f.target != want || (method == "PUT" && f.ttl != time.Minute) {
				t.Errorf("%s %s: %d %s with %v, want %v", method, query, w.Code, w.Body, f.target, want)
			}
		}
	}
}

func TestGet(t *testing.T) {
	free := store.Entry{}
	for _, c := range []struct {
		query  string
		holder store.Entry
		status int
		body   string
	}{
		{"", free, 200, ""},
		{"?field=value", free, 200, ""},
		{"?field=index", free, 200, ""},
		{"", heldAt(5, "bar"), 200, "bar"},
		{"?field=value", heldAt(5, "bar"), 200, "bar"},
		{"?field=index", heldAt(5, "bar"), 200, "5"},
		{"", heldAt(5, ""), 200, "-"},
		{"?index=5", heldAt(5, "bar"), 200, "bar"},
		{"?index=5&field=index", heldAt(5, "bar"), 200, "5"},
		{"?index=4", heldAt(5, "bar"), 412, ""},
		{"?index=0", free, 412, ""},
		{"?index=5", free, 412, ""},
	} {
		for _, accept := range []string{"", "application/json"} {
			for _, method := range []string{"GET", "HEAD"} {
				f := &fake{holder: c.holder}
				if c.holder.Held {
					f.queue.Entries = []store.Entry{c.holder, {Index: 9}}
				}
				w := serve(on(f), method, Prefix+"k"+c.query, "", "", "Accept", accept)
				if c.status != 200 {
					wantError(t, w, c.status, 101, "Compare failed", "Get")
					continue
				}
				if w.Code != 200 || (accept == "" && w.Body.String() != c.body) || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
					t.Errorf("%s %q: %d %q with %v", method, c.query, w.Code, w.Body, w.Header())
				}
				var v View
				if err := json.Unmarshal(w.Body.Bytes(), &v); accept != "" && (err != nil || v.Index != c.holder.Index || v.Key != "k") {
					t.Errorf("%s %q: %s (%v)", method, c.query, w.Body, err)
				}
				index, ttl := "", ""
				if c.holder.Held {
					index, ttl = "5", "60"
				}
				if h := w.Header(); h.Get("X-Lock-Index") != index || h.Get("X-Lock-TTL") != ttl || h.Get("X-Etcd-Index") != "7" {
					t.Errorf("%s %q: %v", method, c.query, h)
				}
			}
		}
	}
}

// The key is what stands in the path, and nothing else.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "a/b/c", "a/", "/", "", "a//", "a b", "a+b", "%", "☃/é", "..", "../x", "\xff", "?", "#", Prefix, "mod/v2/lock"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		service := &fake{}
		u := &url.URL{Path: Prefix + key}
		r, err := http.NewRequestWithContext(t.Context(), "DELETE", u.EscapedPath()+"?index=5", nil)
		if err != nil {
			t.Skip(err)
		}
		w := httptest.NewRecorder()
		on(service).ServeHTTP(w, r)
		want := strings.TrimSuffix(key, "/")
		switch {
		case want == "" || len(want) > 1024 || !utf8.ValidString(want):
			if w.Code != 400 && w.Code != 413 || service.calls != 0 {
				t.Errorf("%q: %d %s", key, w.Code, w.Body)
			}
		case w.Code != 200 || service.key != want:
			t.Errorf("%q: %d %s, for the key %q", key, w.Code, w.Body, service.key)
		}
	})
}
