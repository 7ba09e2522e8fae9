package leadermod

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// Bad input gets exactly the documented answer, and leaves nothing behind. Where
// the name and something else is wrong, the name is told, as it was of old.
func TestBadRequests(t *testing.T) {
	const (
		ttl     = "The given TTL in POST form is not a number"
		timeout = "The given timeout in POST form is not a number"
		index   = "The given index in POST form is not a number"
		name    = "Name is required in POST form"
	)
	on(t, 1, func(t *testing.T, a []api) {
		for _, c := range []struct {
			method, target, form string
			status, code         int
			message, cause       string
		}{
			{"PUT", "k?name=n", "", 400, 202, ttl, "Set"},
			{"PUT", "k?name=n&ttl=abc", "", 400, 202, ttl, "Set"},
			{"PUT", "k?name=n&ttl=1.5", "", 400, 202, ttl, "Set"},
			{"PUT", "k?name=n&ttl=-1", "", 400, 202, ttl, "Set"},
			{"PUT", "k?name=n&ttl=0", "", 400, 202, "The given TTL in POST form is less than 1", "Set"},
			{"PUT", "k?name=n&ttl=86401", "", 400, 202, "The given TTL in POST form is longer than 86400 seconds", "Set"},
			{"PUT", "k?name=n&ttl=60&timeout=x", "", 400, 205, timeout, "Set"},
			{"PUT", "k?name=n&ttl=60&timeout=-1", "", 400, 205, timeout, "Set"},
			{"PUT", "k?ttl=60", "", 400, 206, name, "Set"},
			{"PUT", "k?ttl=60&name=", "", 400, 206, name, "Set"},
			{"PUT", "k?ttl=60", "value=bar", 400, 206, name, "Set"},
			{"PUT", "k", "", 400, 206, name, "Set"},
			{"PUT", "?ttl=60&name=n", "", 400, 210, "Key is required", "Set"},
			{"PUT", "%ff?ttl=60&name=n", "", 400, 210, "The key is not valid UTF-8", "Set"},
			{"PUT", "k?ttl=60", "name=%ff", 400, 209, "The given name is not valid UTF-8", "Set"},
			{"PUT", "k?ttl=60", "name=%f", 400, 209, "The form in the request body is malformed", "Set"},
			{"PUT", "k?ttl=60", "name=" + strings.Repeat("n", 64<<10+1), 413, 213, "The given name is longer than 65536 bytes", "Set"},
			{"PUT", strings.Repeat("k", 1025) + "?ttl=60&name=n", "", 413, 213, "The key is longer than 1024 bytes", "Set"},
			{"PUT", "k?ttl=60", "x=" + strings.Repeat("v", 256<<10), 413, 213, "The request body is longer than 262144 bytes", "Set"},
			{"DELETE", "k", "", 400, 206, name, "Delete"},
			{"DELETE", "k?index=2", "", 400, 206, name, "Delete"},
			{"DELETE", "?name=n", "", 400, 210, "Key is required", "Delete"},
			{"DELETE", "k", "name=" + strings.Repeat("n", 64<<10+1), 413, 213, "The given name is longer than 65536 bytes", "Delete"},
			{"DELETE", "k?name=nobody", "", 404, 100, "Key not found", "Delete"},
			{"GET", "k?field=bogus", "", 400, 209, "Invalid field", "Get"},
			{"GET", "k?field=name", "", 400, 209, "Invalid field", "Get"},
			{"GET", "k?index=abc", "", 400, 203, index, "Get"},
			{"GET", "k?name=%ff", "", 400, 209, "The given name is not valid UTF-8", "Get"},
			{"GET", "k", "name=" + strings.Repeat("n", 64<<10+1), 413, 213, "The given name is longer than 65536 bytes", "Get"},
			{"GET", "k?name=n", "", 412, 101, "Compare failed", "Get"},
			{"HEAD", "k?name=n", "", 412, 101, "Compare failed", "Get"},
			{"POST", "k?ttl=60&name=n", "", 405, 214, "Method is not supported here", "POST"},
			{"PATCH", "k", "", 405, 214, "Method is not supported here", "PATCH"},
		} {
			w := a[0].do(c.method, c.target, c.form)
			ok := fails(t, w, c.status, c.code, c.message, c.cause)
			allow := w.Header().Get("Allow")
			if (c.status == 405) != (allow == "GET, HEAD, PUT, DELETE, OPTIONS") || !ok {
				t.Errorf("%s %.40s %.20s: Allow is %q", c.method, c.target, c.form, allow)
			}
		}
		if q, err := a[0].svc.Queue(t.Context(), "k"); err != nil || len(q.Entries) != 0 {
			t.Errorf("the queue is %v (%v)", q, err)
		}
		if w := a[0].do("OPTIONS", "k", ""); w.Code != 204 || w.Header().Get("Allow") != "GET, HEAD, PUT, DELETE, OPTIONS" {
			t.Errorf("OPTIONS: %d with %v", w.Code, w.Header())
		}
	})
}

// The requests that a real etcd 0.4.6 was asked, in their order, for elections.
// Where the answer here is another one, old has etcd's status.
func TestConformance(t *testing.T) {
	const (
		ttl   = `400 {"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"Set"`
		taken = `423 {"errorCode":215,"message":"Lock was not acquired","cause":"Set"`
	)
	on(t, 1, func(t *testing.T, a []api) {
		var index string // of the leader
		for _, c := range []struct {
			request, method, target, form string
			want                          string // the beginning of status and body; # is an index
			old                           int
			took                          time.Duration
		}{
			{"PUT o ttl name", "PUT", "o", "ttl=60&name=m1", "200 #", 200, 0},
			{"PUT o same name", "PUT", "o", "ttl=60&name=m1", "200 #", 200, 0},
			{"GET o", "GET", "o", "", "200 m1", 200, 0},
			{"PUT o m2 timeout=0", "PUT", "o", "ttl=60&name=m2&timeout=0", taken, 500, 0},
			{"PUT o m2 timeout=2", "PUT", "o", "ttl=60&name=m2&timeout=2", taken, 500, 2 * time.Second},
			{"PUT o no name", "PUT", "o", "ttl=60", `400 {"errorCode":206,"message":"Name is required in POST form","cause":"Set"`, 400, 0},
			{"PUT o no ttl", "PUT", "o", "name=m1", ttl, 400, 0},
			{"PUT o bad ttl", "PUT", "o", "ttl=abc&name=m1", ttl, 400, 0},
			{"DELETE o no name", "DELETE", "o", "", `400 {"errorCode":206,"message":"Name is required in POST form","cause":"Delete"`, 400, 0},
			{"DELETE o other", "DELETE", "o?name=other", "", `404 {"errorCode":100,"message":"Key not found","cause":"Delete"`, 404, 0},
			{"DELETE o m1", "DELETE", "o?name=m1", "", "200 ", 200, 0},
			{"GET o after", "GET", "o", "", "200 ", 200, 0},
			{"GET never", "GET", "never", "", "200 ", 500, 0},
			{"POST o", "POST", "o", "ttl=60&name=m1", `405 {"errorCode":214,`, 404, 0},
		} {
			begin := time.Now()
			w := a[0].do(c.method, c.target, c.form)
			if index == "" {
				index = w.Body.String()
			}
			got, want := fmt.Sprint(w.Code, " ", w.Body), strings.ReplaceAll(c.want, "#", index)
			if whole := w.Code == 200; whole && got != want || !whole && !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s (etcd 0.4.6: %d)", c.request, got, want, c.old)
			}
			if took := time.Since(begin); took != c.took {
				t.Errorf("%s took %v, want %v", c.request, took, c.took)
			}
		}
	})
}

// Candidates lead one after the other, in the order in which they came, after
// whoever leads resigns or lets its TTL pass. Each has a greater index.
func TestFailover(t *testing.T) {
	on(t, 2, func(t *testing.T, a []api) {
		one, two := a[0], a[1]
		index := one.lead("k", "a", 60)
		b := two.start(t.Context(), "PUT", "k", "ttl=2&name=b")
		c := one.start(t.Context(), "PUT", "k", "ttl=60&name=c")
		one.leads("k", "a")
		is(t, two.do("DELETE", "k?name=a", ""), "")
		wb := receive(t, b)
		two.leads("k", "b")
		waits(t, c)

		begin := time.Now()
		wc := <-c // b does not renew
		if took := time.Since(begin); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("a TTL of 2 s passed in %v", took)
		}
		one.leads("k", "c")
		for _, w := range []*httptest.ResponseRecorder{wb, wc} {
			next := w.Body.String()
			if w.Code != 200 || len(next) < len(index) || len(next) == len(index) && next <= index {
				t.Errorf("after %s, the next leader got %d %s", index, w.Code, next)
			}
			index = next
		}
		is(t, one.do("DELETE", "k?name=c", ""), "")
		one.leads("k", "")
		fails(t, one.do("DELETE", "k?name=c", ""), 404, 100, "Key not found", "Delete")
	})
}

// The same PUT again renews: it is answered at once, with the same index.
func TestRenewal(t *testing.T) {
	on(t, 2, func(t *testing.T, a []api) {
		index := a[0].lead("k", "a", 3)
		b := a[1].start(t.Context(), "PUT", "k", "ttl=60&name=b")
		for i := range 5 {
			time.Sleep(2 * time.Second)
			if again := a[i%2].lead("k", "a", 3); again != index {
				t.Errorf("the same name got %s, then %s", index, again)
			}
			waits(t, b)
		}
		// Without waiting, too.
		if w := a[1].do("PUT", "k?timeout=0&ttl=3&name=a", ""); w.Code != 200 || w.Body.String() != index {
			t.Errorf("timeout=0: %d %s, want %s", w.Code, w.Body, index)
		}
		if w := <-b; w.Code != 200 {
			t.Errorf("after the last renewal: %d %s", w.Code, w.Body)
		}
	})
}

// Requests with one name are one candidate, through whichever gateways they come:
// they are answered at the same moment, with the same index.
func TestOneName(t *testing.T) {
	on(t, 2, func(t *testing.T, a []api) {
		a[0].lead("k", "a", 60)
		var all []<-chan *httptest.ResponseRecorder
		for i := range 4 {
			all = append(all, a[i%2].start(t.Context(), "PUT", "k", "ttl=60&name=b"))
		}
		other := a[0].start(t.Context(), "PUT", "k", "ttl=60&name=c")
		if q, err := a[0].svc.Queue(t.Context(), "k"); err != nil || len(q.Entries) != 3 {
			t.Errorf("the queue is %v (%v), want a, b and c", q, err)
		}
		is(t, a[0].do("DELETE", "k?name=a", ""), "")
		index := ""
		for _, c := range all {
			w := receive(t, c)
			if index == "" {
				index = w.Body.String()
			}
			is(t, w, index)
		}
		waits(t, other)
		is(t, a[1].do("DELETE", "k?name=b", ""), "")
		receive(t, other)
	})
}

// A candidate that waits can leave: by DELETE, by its timeout, and by going.
func TestLeaving(t *testing.T) {
	on(t, 1, func(t *testing.T, a []api) {
		a[0].lead("k", "a", 60)
		queue := func(want int) {
			t.Helper()
			synctest.Wait()
			if q, err := a[0].svc.Queue(t.Context(), "k"); err != nil || len(q.Entries) != want {
				t.Errorf("the queue is %v (%v), want %d", q, err, want)
			}
		}
		b := a[0].start(t.Context(), "PUT", "k", "ttl=60&name=b")
		queue(2)
		fails(t, a[0].do("GET", "k?name=b", ""), 412, 101, "Compare failed", "Get")
		is(t, a[0].do("DELETE", "k", "name=b"), "")
		fails(t, receive(t, b), 410, 212, "Lock request was cancelled", "Set")
		queue(1)

		begin := time.Now()
		fails(t, a[0].do("PUT", "k?ttl=60&name=b&timeout=1", ""), 423, 215, "Lock was not acquired", "Set")
		if took := time.Since(begin); took != time.Second {
			t.Errorf("timeout=1 took %v", took)
		}
		fails(t, a[0].do("PUT", "k?ttl=60&name=b&timeout=0", ""), 423, 215, "Lock was not acquired", "Set")
		queue(1)

		ctx, cancel := context.WithCancel(t.Context())
		b = a[0].start(ctx, "PUT", "k", "ttl=60&name=b")
		queue(2)
		cancel()
		if w := <-b; w.Code != 499 {
			t.Errorf("of a client that has gone: %d %s", w.Code, w.Body)
		}
		queue(1)
		a[0].leads("k", "a")
	})
}

func TestGet(t *testing.T) {
	on(t, 1, func(t *testing.T, a []api) {
		for _, query := range []string{"", "?field=value", "?field=index", "?name="} {
			is(t, a[0].do("GET", "k"+query, ""), "")
		}
		index := a[0].lead("k", "m 1", 60)
		for query, body := range map[string]string{
			"":                              "m 1",
			"?field=value":                  "m 1",
			"?field=index":                  index,
			"?name=m+1":                     "m 1",
			"?name=m%201":                   "m 1",
			"?name=m+1&field=index":         index,
			"?index=" + index:               "m 1",
			"?index=" + index + "&name=m+1": "m 1",
		} {
			w := a[0].do("GET", "k"+query, "")
			is(t, w, body)
			if h := w.Header(); h.Get("X-Lock-Index") != index || h.Get("X-Lock-TTL") != "60" || h.Get("X-Etcd-Index") == "" {
				t.Errorf("%s: %v", query, h)
			}
		}
		for _, query := range []string{"name=m", "name=M+1", "name=-", "index=1" + index, "index=0", "index=" + index + "&name=m", "index=0&name=m+1"} {
			w := a[0].do("GET", "k?"+query, "")
			fails(t, w, 412, 101, "Compare failed", "Get")
		}
	})
}

// An election is as JSON what a lock is, and is in the list of elections.
func TestJSON(t *testing.T) {
	on(t, 1, func(t *testing.T, a []api) {
		w := a[0].do("PUT", "web/eu?ttl=60", "name=m1", "Accept", "application/json")
		index := w.Header().Get("X-Lock-Index")
		want := `{"key":"web/eu","index":` + index + `,"value":"m1","ttl":60,"queue":[{"index":` + index + `,"value":"m1","state":"held","ttl":60}]}`
		is(t, w, want+"\n")
		is(t, a[0].do("GET", "web/eu", "", "Accept", "application/json"), want+"\n")
		is(t, a[0].do("GET", "web/eu?name=m1", "", "Accept", "application/json"), want+"\n")
		fails(t, a[0].do("GET", "web/eu?name=m2", "", "Accept", "application/json"), 412, 101, "Compare failed", "Get")

		var list lockmod.ViewList
		w = a[0].do("GET", "", "")
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Items) != 1 || list.Items[0].Key != "web/eu" || list.Items[0].Value != "m1" {
			t.Errorf("GET %s: %d %s (%v)", Prefix, w.Code, w.Body, err)
		}
	})
}

// Who waits for a change of leader is told of it; whose leader it is to be cannot
// be said then.
func TestWait(t *testing.T) {
	on(t, 2, func(t *testing.T, a []api) {
		index := a[0].lead("k", "a", 60)
		change := a[1].start(t.Context(), "GET", "k?wait=true&waitIndex="+index, "")
		waits(t, change)
		b := a[1].start(t.Context(), "PUT", "k", "ttl=60&name=b")
		waits(t, change)
		is(t, a[0].do("DELETE", "k?name=a", ""), "")
		receive(t, b)
		if w := receive(t, change); w.Code != 200 || w.Body.String() != "b" && w.Body.String() != "" {
			t.Errorf("the change is told as %d %q", w.Code, w.Body)
		}
		if w := a[0].do("GET", "k?wait=true&name=b", ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"errorCode":209`) {
			t.Errorf("with a name: %d %s", w.Code, w.Body)
		}
	})
}

// An election and a lock of one name, on one etcd, are different things.
func TestNotALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.NewCluster().Open()
		leaders, locks := lockmod.New(st, Space, zap.NewNop()), lockmod.New(st, "lock", zap.NewNop())
		a := api{t, NewHandler(leaders, lockmod.DefaultLimits(), zap.NewNop()), leaders}
		a.lead("k", "a", 60)
		hold, err := locks.Acquire(t.Context(), lockmod.Request{Key: "k", Value: "b", HasValue: true, TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		hold.Settle(true)
		a.leads("k", "a")
		fails(t, a.do("DELETE", "k?name=b", ""), 404, 100, "Key not found", "Delete")
		is(t, a.do("DELETE", "k?name=a", ""), "")
		if e, err := locks.Holder(t.Context(), "k"); err != nil || e.Value != "b" {
			t.Errorf("the lock is held by %v (%v)", e, err)
		}
		time.Sleep(time.Second)
		leaders.Close(t.Context())
		locks.Close(t.Context())
		if err := st.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
