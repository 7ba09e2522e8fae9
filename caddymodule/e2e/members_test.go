package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	rpcstatus "google.golang.org/grpc/status"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A member of the cluster that goes is no longer asked, and what has not been sent is
// sent to another one. So the clients go on, and so do the locks. When it is back, it
// is asked again. Nothing is written twice.
func TestMembers(t *testing.T) {
	t.Parallel()
	t.Run("3.7", func(t *testing.T) {
		t.Parallel()
		c := startCluster(t, etcdtest.V37, false)
		t.Run("one is killed", func(t *testing.T) { c.oneGoes(t, "killed", (*etcdtest.Process).Stop) })
		t.Run("another one leads", c.anotherOneLeads)
		t.Run("one hangs", c.oneHangs)
	})
	t.Run("3.5", func(t *testing.T) {
		t.Parallel()
		c := startCluster(t, etcdtest.V35, true)
		t.Run("one is killed", func(t *testing.T) { c.oneGoes(t, "killed", (*etcdtest.Process).Stop) })
		t.Run("one ends", func(t *testing.T) { c.oneGoes(t, "ends", (*etcdtest.Process).Terminate) })
		t.Run("the leader is killed", c.theLeaderIsKilled)
		t.Run("all are gone", c.allAreGone)
	})
}

// leads has a member lead the cluster.
func (c *cluster) leads(t *testing.T, i int) {
	t.Helper()
	leader, _ := answered(t, c.members[i].Endpoint)
	if leader == c.ids[i] {
		return
	}
	var id uint64
	_, _ = fmt.Sscan(c.ids[i], &id)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := open(t, c.members[c.index(t, leader)].Endpoint).MoveLeader(ctx, id); err != nil {
		t.Fatal(err)
	}
}

// waiters are some who wait for a lock that is held.
type waiters struct {
	t       *testing.T
	c       *cluster
	key     string
	holder  string
	replies []<-chan reply
}

func (c *cluster) waiting(t *testing.T, key string, n int) *waiters {
	t.Helper()
	w := &waiters{t: t, c: c, key: key, holder: c.g.lock(key)}
	for i := range n {
		w.replies = append(w.replies, c.g.post(bg, key+"?ttl=60"))
		patience.Until(t, 10*time.Second, func() error { return c.g.hasQueue(key, i+2) })
	}
	return w
}

// areServed has them hold the lock in turn, and returns how long it took at most
// until one had it.
func (w *waiters) areServed() (longest time.Duration) {
	w.t.Helper()
	index := w.holder
	for _, next := range w.replies {
		begin := time.Now()
		for r := (reply{}); index != "" && r.status != http.StatusOK && r.status != http.StatusNotFound; {
			// After a 504, it is unknown whether it was given back.
			r = w.c.g.do(bg, http.MethodDelete, w.key+"?index="+index)
			if r.status >= 500 {
				w.t.Logf("giving the lock back, after %v: %v", time.Since(begin), r)
			}
			if time.Since(begin) > 20*time.Second {
				w.t.Fatalf("giving the lock back: %v", r)
			}
		}
		r := receive(w.t, next)
		longest, index = max(longest, time.Since(begin)), r.body
		if w.c.v2 && r.status == http.StatusGatewayTimeout {
			// Where the answer to the grant itself was lost, the entry is taken out again.
			w.t.Logf("a waiter is told %v", r)
			index = ""
			continue
		}
		want(w.t, r, http.StatusOK, whatever)
	}
	if index != "" {
		w.c.g.unlock(w.key, index)
	}
	return longest
}

// oneGoes is about the one that serves the clients, and does not lead.
func (c *cluster) oneGoes(t *testing.T, name string, ends func(m *etcdtest.Process)) {
	served := c.serving(t)
	c.leads(t, (served+1)%3)
	waiting := c.waiting(t, name, 5)
	before := c.writing(t, "/"+name+" before/")
	before.eachHas(t, 3, time.Now())
	ends(c.members[served])
	gone := time.Now()
	after := c.writing(t, "/"+name+" after/")
	t.Logf("a lock was handed over within %v", waiting.areServed())
	after.eachHas(t, 3, gone.Add(2*time.Second))
	c.members[served].Restart(t)
	back := time.Now()
	c.servedBy(t, func(i int) bool { return i == served }, 5*time.Second)
	for _, a := range []*askers{before, after} {
		a.eachHas(t, 3, back)
		a.wantAll(t, gone)
	}
}

// theLeaderIsKilled is about reads, which etcd answers when it has a new leader. (Of
// the writes, it loses those that it has handed on to the old one.)
func (c *cluster) theLeaderIsKilled(t *testing.T) {
	served := c.serving(t)
	leader := (served + 1) % 3
	c.leads(t, leader)
	waiting := c.waiting(t, "leads", 5)
	before := c.reading(t)
	before.eachHas(t, 3, time.Now())
	c.members[leader].Stop()
	dead := time.Now()
	after := c.reading(t)
	after.eachHas(t, 3, dead)
	t.Logf("a lock was handed over within %v", waiting.areServed())
	after.eachHas(t, 3, dead.Add(3*time.Second))
	c.members[leader].Restart(t)
	before.wantAll(t, dead)
	after.wantAll(t, dead)
}

// anotherOneLeads moves the lead through the gateway, which goes to the member that
// has it.
func (c *cluster) anotherOneLeads(t *testing.T) {
	served := c.serving(t)
	c.leads(t, served)
	waiting := c.waiting(t, "moves", 5)
	a := c.reading(t)
	a.eachHas(t, 3, time.Now())
	begin := time.Now()
	var id uint64
	_, _ = fmt.Sscan(c.ids[(served+1)%3], &id)
	if _, err := open(t, c.g.url).MoveLeader(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	leader, _, err := status(c.g.url)
	if err != nil || leader != c.ids[(served+1)%3] {
		t.Errorf("%s leads, want %s (%v)", leader, c.ids[(served+1)%3], err)
	}
	t.Logf("a lock was handed over within %v", waiting.areServed())
	a.eachHas(t, 10, time.Now())
	a.wantAll(t, begin)
}

// allAreGone is about the others first: one that has no quorum is no longer asked.
func (c *cluster) allAreGone(t *testing.T) {
	served := c.serving(t)
	v3 := open(t, c.g.url)
	unavailable := func(what string) {
		t.Helper()
		answers := make(chan func(), 2)
		clock := patience.Start(t)
		go func() {
			r, took := send(post(t, c.g.url+"/v3/kv/put", `{"key":"YQ==","value":"dg=="}`)), clock.Took()
			answers <- func() {
				if (r.status != http.StatusServiceUnavailable && r.status != http.StatusBadGateway) || took > 5*time.Second {
					t.Errorf("%s: HTTP answers %v after %v", what, r, took)
				}
				t.Logf("%s: HTTP answers %v after %v", what, r, took)
			}
		}()
		go func() {
			ctx, cancel := context.WithTimeout(bg, 20*time.Second)
			defer cancel()
			_, err := v3.Put(ctx, "a", "v")
			took := clock.Took()
			answers <- func() {
				if rpcstatus.Code(err) != codes.Unavailable || took > 5*time.Second {
					t.Errorf("%s: gRPC answers %v after %v", what, err, took)
				}
			}
		}()
		(<-answers)()
		(<-answers)()
	}
	for _, m := range c.others(served) {
		m.Stop()
	}
	gone := time.Now()
	notAsked := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.g.url+"/version", nil)
		if r := send(req); r.err == nil && r.status == http.StatusOK {
			return errors.New("it is still asked")
		}
		return nil
	}
	patience.Until(t, 5*time.Second, notAsked)
	t.Logf("one without quorum is no longer asked after %v", time.Since(gone))
	unavailable("without quorum")
	c.members[served].Stop()
	unavailable("without members")
	etcdtest.RestartCluster(t, slices.Clone(c.members))
	back := time.Now()
	a := c.writing(t, "/back/")
	c.servedBy(t, func(i int) bool { return i == served }, 5*time.Second)
	again := time.Now()
	a.eachHas(t, 3, again)
	a.wantAll(t, again)
	t.Logf("all write %v after all members serve", time.Since(back))
	if index := c.g.lock("back"); index != "" {
		c.g.unlock("back", index)
	}
}

// post is a request with JSON.
func post(t testing.TB, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}
