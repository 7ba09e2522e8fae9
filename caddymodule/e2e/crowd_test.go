package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// Many requests that wait for one lock on one gateway, 10,000 where etcd can take as
// many, are served in their order. Those that are not served vanish all at once, with
// their entries; in the end neither goroutine nor session is left.
func TestManyWaiters_I3(t *testing.T) {
	const served = 1_000
	onEachAlone(t, func(t *testing.T, e *etcd) {
		g := e.apart(t)
		etcd := e.direct(t)
		g.unlock("k", g.lock("k"))
		before, _ := g.goroutines()
		// queued waits until there are n in the queue, and returns their indices.
		queued := func(within time.Duration, n int) (order []uint64) {
			t.Helper()
			patience.Until(t, within, func() error {
				var err error
				if order, err = etcd.queue(bg, "k"); err == nil && len(order) != n {
					err = fmt.Errorf("%d entries in the queue, want %d", len(order), n)
				}
				return err
			})
			return order
		}

		holder := g.lock("k")
		replies := make(chan reply, e.crowd)
		waiting, vanish := context.WithCancel(bg)
		defer vanish()
		for range e.crowd {
			go func() { replies <- g.do(waiting, http.MethodPost, "k?ttl=60") }()
		}
		for _, index := range queued(2*time.Minute, e.crowd+1)[1 : served+1] {
			g.unlock("k", holder)
			r := receive(t, replies)
			if r.status != http.StatusOK || r.body != fmt.Sprint(index) {
				t.Fatalf("got %v, want index %d", r, index)
			}
			holder = r.body
		}
		vanish()
		for range e.crowd - served {
			if r := receive(t, replies); r.err == nil {
				t.Fatalf("a request that has vanished got %v", r)
			}
		}
		queued(30*time.Second, 1)
		g.unlock("k", holder)
		if left, err := etcd.queue(bg, "k"); err != nil || len(left) > 0 {
			t.Errorf("%d entries are left (%v)", len(left), err)
		}
		patience.Until(t, 30*time.Second, func() error {
			now, kept := g.goroutines()
			if now > before+10 {
				return fmt.Errorf("%d goroutines, %d before", now, before)
			}
			// As many connections as are kept for one host at most, and those of a watch.
			if kept > 300 {
				return fmt.Errorf("%d connections are kept", kept)
			}
			sessions, err := etcd.sessions(bg)
			if err == nil && sessions > 2 {
				err = fmt.Errorf("%d sessions, want one for what waits and one for what holds", sessions)
			}
			return err
		})
	})
}

// goroutines counts those of the gateway, but for the two of each connection that is
// kept for a while, as net/http does; those connections are counted apart.
func (g *gateway) goroutines() (n, kept int) {
	g.t.Helper()
	resp, err := http.Get("http://" + g.admin + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	_, stacks, _ := strings.Cut(string(text), "\n") // the first line is the total
	for stack := range strings.SplitSeq(strings.TrimSpace(stacks), "\n\n") {
		var same int
		if _, err := fmt.Sscanf(stack, "%d @", &same); err != nil {
			g.t.Fatalf("%v in %q", err, stack)
		}
		switch {
		case strings.Contains(stack, "net/http.(*persistConn).readLoop"):
			kept += same
		case !strings.Contains(stack, "net/http.(*persistConn)"):
			n += same
		}
	}
	return n, kept
}
