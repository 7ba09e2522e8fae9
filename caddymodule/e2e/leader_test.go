package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// campaign has a name stand for election k in the background.
func (g *gateway) campaign(name, query string) <-chan reply {
	c := make(chan reply, 1)
	go func() { c <- g.lead(bg, http.MethodPut, "k?"+query, "name", name) }()
	return c
}

// hasCandidates says what is wrong unless those stand for an election, in that
// order, of whom the first one leads.
func (g *gateway) hasCandidates(key string, names ...string) error {
	q, err := g.queueAt("/mod/v2/leader/" + key)
	if err != nil {
		return err
	}
	var are []string
	for _, e := range q.Queue {
		are = append(are, e.Value)
	}
	if fmt.Sprint(are) != fmt.Sprint(names) || len(are) > 0 && q.Value != are[0] {
		return fmt.Errorf("%v stand for %s, and %q leads; want %v", are, key, q.Value, names)
	}
	return nil
}

// Every curl line of the old modules' documentation of leader election, character
// for character, has the effect that is documented there.
func TestSeedLeader(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		text, err := os.ReadFile("testdata/seed-leader.txt")
		if err != nil {
			t.Fatal(err)
		}
		const name, other, lines = "myserver1.foo.com", "myserver2.foo.com", 3
		seed := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(seed) != lines {
			t.Fatalf("the seed has %d lines, and this test knows %d", len(seed), lines)
		}
		set, get, remove := seed[0], seed[1], seed[2]
		g := e.gateway(t)
		sh := newShell(t, g)
		prints := func(line, want string) {
			t.Helper()
			if out := sh.run(line); out != want {
				t.Errorf("%s\nprints %q, want %q", line, out, want)
			}
		}

		prints(get, "")
		first := sh.run(set)
		if _, err := strconv.ParseUint(first, 10, 64); err != nil || e.first != anyIndex && first != e.first {
			t.Errorf("%s\nprints %q, want %s", set, first, e.first)
		}
		prints(get, name)

		// The same again is another TTL, and no other index.
		want(t, g.lead(bg, http.MethodPut, "order_processing?ttl=30", "name", name), http.StatusOK, first)
		prints(set, first)
		if q, err := g.queueAt("/mod/v2/leader/order_processing"); err != nil || q.TTL < 50 {
			t.Errorf("after a renewal it has %d s left (%v)", q.TTL, err)
		}

		// Another client hangs until the value is removed.
		hangs := sh.start(strings.Replace(set, name, other, 1))
		patience.Until(t, 5*time.Second, func() error { return g.hasCandidates("order_processing", name, other) })
		prints(remove, "")
		if second := <-hangs; parseIndex(t, second) <= parseIndex(t, first) {
			t.Errorf("after index %s, the next leader got %q", first, second)
		}
		prints(get, other)

		// Several clients with one value are all notified when it succeeds.
		one, two := sh.start(set), sh.start(set)
		patience.Until(t, 5*time.Second, func() error { return g.hasCandidates("order_processing", other, name) })
		want(t, g.lead(bg, http.MethodDelete, "order_processing?name="+other), http.StatusOK, "")
		if a, b := <-one, <-two; a != b || a == "" {
			t.Errorf("two clients with one name got %q and %q", a, b)
		}
		prints(get, name)
		prints(remove, "")
		prints(get, "")
	})
}

func parseIndex(t *testing.T, index string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(index, 10, 64)
	if err != nil {
		t.Errorf("%q is no index", index)
	}
	return n
}

// Candidates lead one after the other, in the order of the queue, through whichever
// gateways they came: when the leader resigns, and when its TTL has passed. The same
// PUT renews, at once.
func TestLeader(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		one, two := e.gateway(t), e.gateway(t)
		first := one.lead(bg, http.MethodPut, "k?ttl=60", "name", "a")
		want(t, first, http.StatusOK, whatever)
		b := two.campaign("b", "ttl=6")
		patience.Until(t, 10*time.Second, func() error { return one.hasCandidates("k", "a", "b") })
		c := one.campaign("c", "ttl=60")
		patience.Until(t, 10*time.Second, func() error { return one.hasCandidates("k", "a", "b", "c") })
		d := two.campaign("d", "ttl=60")
		patience.Until(t, 10*time.Second, func() error { return two.hasCandidates("k", "a", "b", "c", "d") })

		for _, g := range []*gateway{one, two} {
			want(t, g.lead(bg, http.MethodPut, "k?ttl=60", "name", "a"), http.StatusOK, first.body)
			want(t, g.lead(bg, http.MethodPut, "k?ttl=60&timeout=0", "name", "a"), http.StatusOK, first.body)
			want(t, g.lead(bg, http.MethodGet, "k"), http.StatusOK, "a")
			want(t, g.lead(bg, http.MethodGet, "k?field=index"), http.StatusOK, first.body)
			want(t, g.lead(bg, http.MethodGet, "k?name=a"), http.StatusOK, "a")
			wantError(t, g.lead(bg, http.MethodGet, "k?name=b"), http.StatusPreconditionFailed, 101)
			wantError(t, g.lead(bg, http.MethodGet, "free?name=b"), http.StatusPreconditionFailed, 101)
		}
		if len(b)+len(c)+len(d) > 0 {
			t.Error("somebody was answered while a led")
		}

		clock, resigns := patience.Start(t), time.Now()
		want(t, one.lead(bg, http.MethodDelete, "k?name=a"), http.StatusOK, "")
		second := receive(t, b)
		want(t, second, http.StatusOK, whatever)
		atMost(t, "after the resignation", clock.Ran(resigns, second.at), 2*time.Second)
		want(t, one.lead(bg, http.MethodGet, "k?name=b"), http.StatusOK, "b")
		wantError(t, two.lead(bg, http.MethodGet, "k?name=a"), http.StatusPreconditionFailed, 101)

		third := receive(t, c) // b does not renew
		want(t, third, http.StatusOK, whatever)
		atLeast(t, "with a TTL of 6 s", third.at.Sub(resigns), 6*time.Second)
		atMost(t, "with a TTL of 6 s", clock.Ran(resigns, third.at), 11*time.Second)
		want(t, two.lead(bg, http.MethodGet, "k"), http.StatusOK, "c")
		wantError(t, two.lead(bg, http.MethodDelete, "k?name=b"), http.StatusNotFound, 100)
		if n := parseIndex(t, third.body); n <= parseIndex(t, second.body) || parseIndex(t, second.body) <= parseIndex(t, first.body) {
			t.Errorf("the leaders' indices are %s, %s and %s", first.body, second.body, third.body)
		}
		if len(d) > 0 {
			t.Error("d was answered while c led")
		}
		want(t, one.lead(bg, http.MethodDelete, "k?name=c"), http.StatusOK, "")
		want(t, receive(t, d), http.StatusOK, whatever)
	})
}

// Requests with one name are one candidate: they are answered at the same moment
// with the same index, also when they came in through different gateways.
func TestLeader_oneName_I5(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		gateways := []*gateway{e.gateway(t), e.gateway(t)}
		g := gateways[0]
		want(t, g.lead(bg, http.MethodPut, "k?ttl=60", "name", "a"), http.StatusOK, whatever)
		var same []<-chan reply
		for i := range 6 {
			same = append(same, gateways[i%2].campaign("b", "ttl=60"))
			patience.Until(t, 10*time.Second, func() error { return g.hasCandidates("k", "a", "b") })
		}
		other := gateways[1].campaign("c", "ttl=60")
		patience.Until(t, 10*time.Second, func() error { return g.hasCandidates("k", "a", "b", "c") })
		clock := patience.Start(t)
		want(t, g.lead(bg, http.MethodDelete, "k?name=a"), http.StatusOK, "")
		first := receive(t, same[0])
		want(t, first, http.StatusOK, whatever)
		for _, c := range same[1:] {
			r := receive(t, c)
			want(t, r, http.StatusOK, first.body)
			if apart := clock.Ran(first.at, r.at); apart > time.Second {
				t.Errorf("answered %v apart", apart)
			}
		}
		if err := g.hasCandidates("k", "b", "c"); err != nil || len(other) > 0 {
			t.Errorf("%v, and %d others were answered", err, len(other))
		}
		// Once for all of them.
		want(t, gateways[1].lead(bg, http.MethodDelete, "k?name=b"), http.StatusOK, "")
		want(t, receive(t, other), http.StatusOK, whatever)
	})
}

// A candidate leaves the queue by its timeout, by DELETE, and by going away. A lock
// of the same name has nothing to do with all that.
func TestLeader_leaving(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		lock := g.lock("k", "value", "b")
		leader := g.lead(bg, http.MethodPut, "k?ttl=60", "name", "a")
		want(t, leader, http.StatusOK, whatever)

		clock := patience.Start(t)
		wantError(t, g.lead(bg, http.MethodPut, "k?ttl=60", "name", "b", "timeout", "0"), http.StatusLocked, 215)
		atMost(t, "with timeout=0", clock.Took(), time.Second)
		clock, begin := patience.Start(t), time.Now()
		wantError(t, g.lead(bg, http.MethodPut, "k?ttl=60&timeout=1", "name", "b"), http.StatusLocked, 215)
		atLeast(t, "with timeout=1", time.Since(begin), time.Second)
		atMost(t, "with timeout=1", clock.Took(), 3*time.Second)
		if err := g.hasCandidates("k", "a"); err != nil {
			t.Errorf("after the time-outs: %v", err)
		}

		b := g.campaign("b", "ttl=60")
		patience.Until(t, 10*time.Second, func() error { return g.hasCandidates("k", "a", "b") })
		want(t, g.lead(bg, http.MethodDelete, "k", "name", "b"), http.StatusOK, "")
		wantError(t, receive(t, b), http.StatusGone, 212)
		wantError(t, g.lead(bg, http.MethodDelete, "k?name=b"), http.StatusNotFound, 100)

		ctx, cancel := context.WithCancel(bg)
		gone := make(chan reply, 1)
		go func() { gone <- g.lead(ctx, http.MethodPut, "k?ttl=60", "name", "b") }()
		patience.Until(t, 10*time.Second, func() error { return g.hasCandidates("k", "a", "b") })
		cancel()
		<-gone
		patience.Until(t, 10*time.Second, func() error { return g.hasCandidates("k", "a") })

		want(t, g.do(bg, http.MethodGet, "k?index="+lock), http.StatusOK, "b")
		if err := g.hasQueue("k", 1); err != nil {
			t.Errorf("the lock of that name: %v", err)
		}
		g.unlock("k", lock)
		want(t, g.lead(bg, http.MethodGet, "k?name=a&index="+leader.body), http.StatusOK, "a")
	})
}

// Bad input gets exactly the answer of the API's table, and nobody becomes a
// candidate by it.
func TestLeader_badInput(t *testing.T) {
	t.Parallel()
	g := v3on37.run(t).gateway(t)
	for _, c := range []struct {
		name, method, key string
		form              []string
		status, code      int
	}{
		{"no ttl", "PUT", "k", []string{"name", "a"}, 400, 202},
		{"ttl of 0", "PUT", "k?ttl=0&name=a", nil, 400, 202},
		{"timeout is no number", "PUT", "k?ttl=60&timeout=x&name=a", nil, 400, 205},
		{"no name", "PUT", "k?ttl=60", nil, 400, 206},
		{"no name, but a value", "PUT", "k?ttl=60", []string{"value", "a"}, 400, 206},
		{"no name", "DELETE", "k?index=1", nil, 400, 206},
		{"unknown field", "GET", "k?field=name", nil, 400, 209},
		{"index is no number", "GET", "k?index=a", nil, 400, 203},
		{"no key", "PUT", "?ttl=60&name=a", nil, 400, 210},
		{"no such name", "DELETE", "k?name=nobody", nil, 404, 100},
		{"method", "POST", "k?ttl=60&name=a", nil, 405, 214},
		{"too long a name", "PUT", "k?ttl=60", []string{"name", strings.Repeat("n", 64<<10+1)}, 413, 213},
		{"too long a key", "PUT", strings.Repeat("k", 1025) + "?ttl=60&name=a", nil, 413, 213},
	} {
		t.Run(c.method+" "+c.name, func(t *testing.T) {
			r := g.lead(bg, c.method, c.key, c.form...)
			wantError(t, r, c.status, c.code)
			if allow := r.header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD, PUT, DELETE, OPTIONS") {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
	if err := g.hasCandidates("k"); err != nil {
		t.Error(err)
	}
}
