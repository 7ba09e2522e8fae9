package lockmod

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// listening is a fake with which nobody can wait for what happens.
type listening struct{ *fake }

func (l listening) Begin(r Request) (Waiting, error) { return l.fake.Begin(r) }

func (l listening) Queues(_ context.Context, prefix, after string, limit int) (store.Survey, error) {
	l.request = Request{Key: prefix, Value: after, MaxWaiting: limit}
	return store.Survey{Queues: []store.Queue{{Name: "k", Entries: []store.Entry{l.holder}}}}, l.call(prefix)
}

func (l listening) Subscribe(_ context.Context, key string, _ bool, _ uint64, _ int) (*Subscription, error) {
	_ = l.call(key)
	return nil, ErrTooManyWaiters
}

func (l listening) Follow(_ context.Context, key string, _ int) (*Subscription, error) {
	_ = l.call(key)
	return nil, ErrTooManyWaiters
}

// sent is a request as the fuzzer makes it.
type sent struct {
	method, key, query, contentType, body, accept, last string
}

var (
	someMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
	someKinds   = []string{formType, "application/json", "", "application/json; charset=utf-8", "text/plain"}
	someAccepts = []string{"", "application/json", "text/event-stream", "text/html, */*;q=0.8"}
)

// FuzzRequest: a request that has no fault by the API reaches the service as it was
// meant, and is answered as the API says; one that has some is answered with one of
// them, in the form of all errors, and never reaches the service. No request makes a
// server's error.
func FuzzRequest(f *testing.F) {
	const get, head, post, put, del, options, patch = 0, 1, 2, 3, 4, 5, 6 // of someMethods, and so on
	const form, object, none = 0, 1, 2
	const text, asObject, events = 0, 1, 2
	f.Add(post, "customer1", "ttl=60", form, "value=bar&timeout=2", text, "")
	f.Add(post, "a/b//", "", object, `{"ttl":60,"value":"☃","timeout":0}`, asObject, "")
	f.Add(post, "k", "ttl=0&timeout=-1", object, `{"value":["bar"]}`, text, "")
	f.Add(post, "", "ttl=60", none, "", text, "")
	f.Add(put, "k", "ttl=060", form, "index=2", text, "")
	f.Add(put, "k", "ttl=86401", object, `{"index":2,"value":"bar"}`, text, "")
	f.Add(put, "k", "ttl=60&index=0", none, "", text, "")
	f.Add(del, "\xff", "value=%ff", none, "", text, "")
	f.Add(del, "k", "", object, `{"index":"18446744073709551615"}`, text, "")
	f.Add(get, "k", "field=index&index=5", none, "", text, "")
	f.Add(head, "k", "field=bogus", none, "", asObject, "")
	f.Add(get, "k", "index=4", none, "", asObject, "")
	f.Add(get, "k", "wait=true&waitIndex=5&timeout=0", none, "", text, "")
	f.Add(get, "k", "wait=yes", none, "", text, "")
	f.Add(get, "k", "wait=true&index=5", none, "", text, "")
	f.Add(get, "k", "", none, "", events, "7")
	f.Add(get, "", "prefix=a%2F", none, "", events, "x")
	f.Add(get, "/", "limit=5&prefix=a&continue=b", none, "", asObject, "")
	f.Add(get, "", "limit=0&wait=true", none, "", text, "")
	f.Add(options, "k", "", none, "", text, "")
	f.Add(patch, "%2F?#", "ttl=60", form, "%", text, "")
	f.Fuzz(func(t *testing.T, method int, key, query string, kind int, body string, accept int, last string) {
		one := func(list []string, i int) string { return list[uint(i)%uint(len(list))] }
		a := sent{one(someMethods, method), key, query, one(someKinds, kind), body, one(someAccepts, accept), last}
		if len(query) > 2000 || strings.ContainsAny(query, "#") || strings.ContainsFunc(query+last, func(r rune) bool { return r < ' ' }) {
			return // never in a request
		}
		a.check(t)
	})
}

func (a sent) check(t *testing.T) {
	f := &fake{holder: heldAt(5, "bar"), queue: store.Listing{Entries: []store.Entry{heldAt(5, "bar")}}}
	limits := Limits{MaxKey: 40, MaxValue: 50, MaxBody: 300, MaxTTL: 24 * time.Hour, MaxWaiting: 9}
	h := newFront(listening{f}, Prefix, operations, limits, zap.NewNop())
	r := httptest.NewRequestWithContext(t.Context(), a.method, "/", strings.NewReader(a.body))
	r.URL = &url.URL{Path: Prefix + a.key, RawQuery: a.query}
	for name, value := range map[string]string{"Content-Type": a.contentType, "Accept": a.accept, "Last-Event-ID": a.last} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	key := strings.TrimSuffix(a.key, "/")
	parameters, code := promised(a.query, a.contentType, a.body, limits.MaxBody)
	faults := a.faults(key, parameters, code, limits)
	if len(faults) == 0 {
		a.checkAnswer(t, w, f, key, parameters)
		return
	}
	got := errorIn(t, w)
	if !slices.Contains(faults, got) {
		t.Errorf("%+v: %d %s, want one of %v", a, w.Code, w.Body, faults)
	}
	if f.calls != 0 && got != 101 && got != 216 { // of which only the service can tell
		t.Errorf("%+v: %d %s, and it has reached the service", a, w.Code, w.Body)
	}
}

// statuses are those of the errors that a client's request can have here, by code.
var statuses = map[int]int{100: 404, 101: 412, 202: 400, 203: 400, 205: 400, 207: 400, 208: 400, 209: 400, 210: 400, 213: 413, 214: 405, 216: 429}

// errorIn is the code of an error that is in the form of all.
func errorIn(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	var e struct {
		ErrorCode      *int
		Message, Cause *string
		Index          *uint64
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.ErrorCode == nil || e.Message == nil || e.Cause == nil || e.Index == nil || *e.Message == "" || *e.Cause == "" {
		t.Fatalf("%d %s is no error in the documented form: %v", w.Code, w.Body, err)
	}
	if want := statuses[*e.ErrorCode]; want != w.Code {
		t.Errorf("%d %s, want status %d", w.Code, w.Body, want)
	}
	wantError(t, w, w.Code, *e.ErrorCode, *e.Message, *e.Cause)
	return *e.ErrorCode
}

// faults are the codes of all errors that a request could be answered with.
func (a sent) faults(key string, p map[string]string, code int, limits Limits) (codes []int) {
	fault := func(code int, is bool) {
		if is {
			codes = append(codes, code)
		}
	}
	if a.method == http.MethodOptions {
		return nil
	}
	if a.method == "PATCH" {
		return []int{214}
	}
	reads := a.method == http.MethodGet || a.method == http.MethodHead
	list := reads && key == ""
	fault(210, key == "" && !list)
	fault(213, len(key) > limits.MaxKey)
	fault(210, !utf8.ValidString(key))
	if code != 0 {
		return append(codes, code)
	}
	text := func(name string) {
		fault(213, len(p[name]) > limits.MaxValue)
		fault(209, !utf8.ValidString(p[name]))
	}
	number := func(code int, name string, low, high uint64) {
		fault(code, p[name] != "" && !within(promisedNumber(p[name]), low, high))
	}
	const any = 1<<64 - 1
	events := a.accept == "text/event-stream"
	if events && reads {
		fault(203, a.last != "" && !within(promisedNumber(a.last), 0, any))
	}
	switch {
	case list:
		text("prefix")
		if events {
			return append(codes, 216)
		}
		text("continue")
		fault(209, p["wait"] != "" && p["wait"] != "false")
		fault(209, p["limit"] != "" && (promisedNumber(p["limit"]) == nil || promisedNumber(p["limit"]).Sign() == 0))
	case reads:
		fault(209, p["field"] != "" && p["field"] != "value" && p["field"] != "index")
		fault(209, p["wait"] != "" && p["wait"] != "true" && p["wait"] != "false")
		number(203, "index", 0, any)
		waits := p["wait"] == "true"
		fault(209, (waits || events) && p["index"] != "")
		if waits && !events {
			number(203, "waitIndex", 0, any)
			fault(205, p["timeout"] != "" && promisedNumber(p["timeout"]) == nil)
		}
		fault(101, !waits && !events && p["index"] != "" && !within(promisedNumber(p["index"]), 5, 5))
		look := within(promisedNumber(p["timeout"]), 0, 0) && p["waitIndex"] == "" // there is nothing to wait for
		fault(216, waits && !look || events)
	default:
		if a.method == http.MethodPost {
			fault(205, p["timeout"] != "" && promisedNumber(p["timeout"]) == nil)
		} else {
			fault(207, p["index"] == "" && p["value"] == "")
			fault(208, p["index"] != "" && p["value"] != "")
			number(203, "index", 0, any)
			fault(100, within(promisedNumber(p["index"]), 0, 0))
		}
		if a.method != http.MethodDelete {
			fault(202, !within(promisedNumber(p["ttl"]), 1, 86400))
		}
		text("value")
	}
	return codes
}

// checkAnswer is for a request without a fault.
func (a sent) checkAnswer(t *testing.T, w *httptest.ResponseRecorder, f *fake, key string, p map[string]string) {
	t.Helper()
	body, status := w.Body.String(), http.StatusOK
	asObject := a.accept == "application/json" // of the accepted kinds that this is called with, the only other one
	wantKey, wantBody, what := key, "", ""
	switch a.method {
	case http.MethodOptions:
		status, asObject, wantKey = http.StatusNoContent, false, ""
	case http.MethodPost:
		wantBody = "5"
		want := Request{Key: key, Value: p["value"], HasValue: p["value"] != "", MaxWaiting: 9, Timeout: WaitForever}
		want.TTL = time.Duration(promisedNumber(p["ttl"]).Int64()) * time.Second
		if n := promisedNumber(p["timeout"]); n != nil && within(n, 0, 1<<31) {
			want.Timeout = time.Duration(n.Int64()) * time.Second
		} else if n != nil {
			want.Timeout = f.request.Timeout // so long that FuzzParams looks at it
		}
		if f.request != want {
			what = fmt.Sprintf("the service was asked for %+v, want %+v", f.request, want)
		}
	case http.MethodPut, http.MethodDelete:
		asObject = false
		index, _ := strconv.ParseUint(p["index"], 10, 64)
		if want := (store.Target{Index: index, Value: p["value"]}); f.target != want {
			what = fmt.Sprintf("the service was asked for %+v, want %+v", f.target, want)
		}
	default:
		switch {
		case key == "":
			asObject, wantKey = true, p["prefix"]
			limit := 100
			if n := promisedNumber(p["limit"]); n != nil && within(n, 0, 1000) {
				limit = int(n.Int64())
			} else if n != nil {
				limit = 1000
			}
			if f.request.Value != p["continue"] || f.request.MaxWaiting != limit {
				what = fmt.Sprintf("the list is of %d from %q on", f.request.MaxWaiting, f.request.Value)
			}
		case p["field"] == "index":
			wantBody = "5"
		default:
			wantBody = "bar"
		}
	}
	if w.Code != status || f.key != wantKey || what != "" || !asObject && body != wantBody || asObject && !json.Valid([]byte(body)) {
		t.Errorf("%+v: %d %q for the key %q, want %d %q for %q; %s", a, w.Code, body, f.key, status, wantBody, wantKey, what)
	}
	if a.method == http.MethodPost && !slices.Equal(f.settled, []bool{true}) {
		t.Errorf("%+v: told of delivery were %v", a, f.settled)
	}
	if h := w.Header(); status == http.StatusOK && (h.Get("X-Etcd-Index") != "7" || h.Get("Cache-Control") != "no-store") {
		t.Errorf("%+v: the headers are %v", a, h)
	}
}
