package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Bad input gets exactly the answer of the API's table, and leaves nothing in
// the queue.
func TestBadInput(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		g.lock("held", "value", "bar")
		for _, c := range []struct {
			name, method, key string
			form              []string
			status, code      int
		}{
			{"no ttl", "POST", "k", nil, 400, 202},
			{"ttl is no number", "POST", "k?ttl=abc", nil, 400, 202},
			{"ttl with a fraction", "POST", "k?ttl=1.5", nil, 400, 202},
			{"ttl of 0", "POST", "k?ttl=0", nil, 400, 202},
			{"negative ttl", "POST", "k?ttl=-1", nil, 400, 202},
			{"too long a ttl", "POST", "k?ttl=99999999", nil, 400, 202},
			{"ttl that overflows", "POST", "k?ttl=99999999999999999999", nil, 400, 202},
			{"timeout is no number", "POST", "k?ttl=60&timeout=x", nil, 400, 205},
			{"negative timeout", "POST", "k?ttl=60&timeout=-1", nil, 400, 205},
			{"index is no number", "PUT", "held?ttl=60&index=abc", nil, 400, 203},
			{"index is no number", "DELETE", "held?index=abc", nil, 400, 203},
			{"index is no number", "GET", "held?index=abc", nil, 400, 203},
			{"neither index nor value", "PUT", "held?ttl=60", nil, 400, 207},
			{"neither index nor value", "DELETE", "held", nil, 400, 207},
			{"both index and value", "PUT", "held?ttl=60&index=1&value=bar", nil, 400, 208},
			{"both index and value", "DELETE", "held?index=1&value=bar", nil, 400, 208},
			{"renewal without ttl", "PUT", "held?value=bar", nil, 400, 202},
			{"unknown field", "GET", "held?field=bogus", nil, 400, 209},
			{"unknown field of a free lock", "GET", "k?field=bogus", nil, 400, 209},
			{"no key", "POST", "?ttl=60", nil, 400, 210},
			{"no such index", "PUT", "held?ttl=60&index=99999", nil, 404, 100},
			{"no such value", "PUT", "held?ttl=60&value=nobody", nil, 404, 100},
			{"no such index", "DELETE", "held?index=99999", nil, 404, 100},
			{"no such value", "DELETE", "held?value=nobody", nil, 404, 100},
			{"method", "PATCH", "k", nil, 405, 214},
			{"not the holder", "GET", "held?index=99999", nil, 412, 101},
			{"not the holder of a free lock", "GET", "k?index=1", nil, 412, 101},
			{"too long a key", "POST", strings.Repeat("k", 1025) + "?ttl=60", nil, 413, 213},
			{"too long a value", "POST", "k?ttl=60", []string{"value", strings.Repeat("v", 64<<10+1)}, 413, 213},
			{"too long a body", "POST", "k?ttl=60", []string{"other", strings.Repeat("v", 1<<20)}, 413, 213},
			{"taken", "POST", "held?ttl=60&timeout=0", nil, 423, 215},
		} {
			t.Run(c.method+" "+c.name, func(t *testing.T) {
				r := g.do(bg, c.method, c.key, c.form...)
				want(t, r, c.status, whatever)
				var e struct {
					ErrorCode      int
					Message, Cause string
				}
				if err := json.Unmarshal([]byte(r.body), &e); err != nil || e.ErrorCode != c.code || e.Message == "" || e.Cause == "" {
					t.Errorf("the body is %q, want error %d with a message and a cause (%v)", r.body, c.code, err)
				}
				if r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Etcd-Index") == "" {
					t.Errorf("headers are %v", r.header)
				}
				if allow := r.header.Get("Allow"); (c.status == http.StatusMethodNotAllowed) != (allow != "") {
					t.Errorf("Allow is %q", allow)
				}
			})
		}
		if err := g.hasQueue("k", 0); err != nil {
			t.Error(err)
		}
		if err := g.hasQueue("held", 1); err != nil {
			t.Error(err)
		}
	})
}

// What is at the edge of the limits is taken, and given back as it was.
func TestLargestInput(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		key := strings.Repeat("é", 512)
		value := strings.Repeat("☃\n%&", 64<<10/6)
		index := g.lock(key, "value", value)
		want(t, g.do(bg, http.MethodGet, key), http.StatusOK, value)
		want(t, g.do(bg, http.MethodDelete, key, "value", value), http.StatusOK, "")
		want(t, g.do(bg, http.MethodGet, key+"?index="+index), http.StatusPreconditionFailed, whatever)
	})
}

// At the limit of waiting requests the next one is told so, and those that wait
// are not disturbed; limits can be changed by a reload.
func TestTooManyWaiters(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		g.directive = "etcd {\n\t\tlock {\n\t\t\tmax_waiting 3\n\t\t}\n\t}"
		g.configure(g.etcd)
		g.reload()
		crowd, holder := g.wait("k", 3)
		r := g.do(bg, http.MethodPost, "k?ttl=60")
		wantError(t, r, http.StatusTooManyRequests, 216)
		if r.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After in %v", r.header)
		}
		want(t, g.do(bg, http.MethodPost, "other?ttl=60&timeout=0"), http.StatusOK, whatever)
		g.unlock("k", holder)
		for range 3 {
			r := receive(t, crowd.replies)
			want(t, r, http.StatusOK, whatever)
			g.unlock("k", r.body)
		}
	})
}
