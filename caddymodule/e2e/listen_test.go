package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// told are the events of a stream in short, without those of the v2 API's way to take
// a free lock, which is to queue first, and without the state that they begin with.
func told(events []event) []string {
	var list []string
	for i, e := range events {
		about := e.data.Entry.Index
		if e.kind == "state" || e.kind == "queued" && i+1 < len(events) && events[i+1].kind == "acquired" && events[i+1].data.Entry.Index == about {
			continue
		}
		list = append(list, fmt.Sprint(e.kind, " ", about))
	}
	return list
}

// has waits until the stream has told that, and nothing else.
func (s *stream) has(want ...string) {
	s.t.Helper()
	s.until(fmt.Sprintf("it tells %q", want), 10*time.Second, func(events []event) bool { return slices.Equal(told(events), want) })
}

// Whoever listens to a key or to a prefix, on any gateway, is told what happens to it
// through any gateway, and goes on after a break where it was.
func TestEvents(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		a, b := e.gateway(t), e.gateway(t)
		first := a.lock("dir/k", "value", "bar")
		one := a.listen(t, "/mod/v2/lock/dir/k", "")
		all := b.listen(t, "/mod/v2/lock/?prefix=dir/", "")
		state := one.count(1)[0]
		if d := state.data; state.kind != "state" || state.id == 0 || d.Key != "dir/k" || fmt.Sprint(d.Index) != first || d.Value != "bar" || len(d.Queue) != 1 {
			t.Errorf("it begins with %v", state)
		}
		if begin := all.count(1)[0]; begin.kind != "state" || len(begin.data.Items) != 1 || fmt.Sprint(begin.data.Items[0].Index) != first {
			t.Errorf("the prefix begins with %v", begin)
		}

		waits := b.post(context.Background(), "dir/k?ttl=60", "value", "foo")
		patience.Until(t, 10*time.Second, func() error { return a.hasQueue("dir/k", 2) })
		order, err := a.indices("dir/k")
		if err != nil {
			t.Fatal(err)
		}
		second := order[1]
		queued := "queued " + second
		one.has(queued)
		_, last := one.seen()
		one.close()

		// Meanwhile.
		a.unlock("dir/k", first)
		want(t, receive(t, waits), http.StatusOK, second)
		ctx, leave := context.WithCancel(context.Background())
		leaves := b.post(ctx, "dir/k?ttl=60")
		patience.Until(t, 10*time.Second, func() error { return a.hasQueue("dir/k", 2) })
		order, err = a.indices("dir/k")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		receive(t, leaves)
		patience.Until(t, 10*time.Second, func() error { return a.hasQueue("dir/k", 1) })
		a.unlock("other", a.lock("other"))

		on := []string{"released " + first, "acquired " + second, "queued " + order[1], "left " + order[1]}
		again := b.listen(t, "/mod/v2/lock/dir/k", last)
		again.has(on...)
		all.has(append([]string{queued}, on...)...)

		// A holder that dies.
		want(t, a.do(context.Background(), http.MethodPut, "dir/k?ttl=2", "index", second), http.StatusOK, "")
		on = append(on, "renewed "+second, "expired "+second)
		again.has(on...)
		all.has(append([]string{queued}, on...)...)
	})
}

// A reload does not end a stream, nor a long poll: they go on.
func TestReloadOfListeners_I8(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.apart(t)
		s := g.listen(t, "/mod/v2/lock/k", "")
		poll := make(chan reply, 1)
		go func() { poll <- g.do(context.Background(), http.MethodGet, "k?wait=true&waitIndex=0&field=index") }()
		patience.Until(t, 10*time.Second, func() error { return g.listening(2) })
		g.configure(g.etcd, "header X-Changed yes")
		g.reload()
		index := g.lock("k")
		s.has("acquired " + index)
		want(t, receive(t, poll), http.StatusOK, index)
		g.reload()
		g.unlock("k", index)
		s.has("acquired "+index, "released "+index)
	})
}

// listening says whether so many requests do, as the gateway's metrics tell.
func (g *gateway) listening(n int) error {
	resp, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		return err
	}
	if line := fmt.Sprintf("\ncaddy_etcd_requests_listening{module=%q} %d\n", "lock", n); !strings.Contains(read(resp).body, line) {
		return fmt.Errorf("there are not %d that listen", n)
	}
	return nil
}

// When a gateway stops or dies, its streams end, and go on through another one
// without a gap.
func TestListenersOfAGatewayThatEnds_I9(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		for _, how := range []string{"stopped", "killed"} {
			g, other := e.apart(t), e.gateway(t)
			key := how
			s := g.listen(t, "/mod/v2/lock/"+key, "")
			first := g.lock(key)
			s.has("acquired " + first)
			_, last := s.seen()
			begin := time.Now()
			if how == "stopped" {
				g.terminate()
			} else {
				g.kill()
			}
			select {
			case <-s.ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the stream does not end")
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if comments := s.comments; how == "stopped" && comments[len(comments)-1] != "The gateway is stopping" {
				t.Errorf("it ends with %q", comments)
			}
			other.unlock(key, first)
			second := other.lock(key)
			again := other.listen(t, "/mod/v2/lock/"+key, last)
			again.has("released "+first, "acquired "+second)
		}
	})
}

// Whoever comes with an id that etcd has forgotten, or never had, is told so.
func TestForgottenIDs(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		first := e.gateway(t)
		s := first.listen(t, "/mod/v2/lock/k", "")
		_, last := s.seen()
		s.close()
		g := e.gateway(t) // which has not heard what the first one has, and may remember
		g.unlock("k", g.lock("k"))
		if err := e.direct(t).forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{last, "1000000000"} {
			s, r := g.tryListen(t, "/mod/v2/lock/k", id)
			if s != nil {
				t.Fatalf("after %s, there is a stream", id)
			}
			wantError(t, r, http.StatusGone, 401)
		}
		fresh := g.listen(t, "/mod/v2/lock/k", "")
		index := g.lock("k")
		fresh.has("acquired " + index)
	})
}

// A stream on which nothing happens says every 15 seconds that it is there.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	g := v3on37.run(t).gateway(t)
	begin := time.Now() // the 15 s begin with the answer
	s := g.listen(t, "/mod/v2/lock/k", "")
	s.mu.Lock()
	before := len(s.comments)
	s.mu.Unlock()
	patience.Until(t, 20*time.Second, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.comments) == before {
			return fmt.Errorf("no comment after %v", time.Since(begin))
		}
		return nil
	})
	if took := time.Since(begin); took < 14*time.Second {
		t.Errorf("after %v, want 15 s", took)
	}
}

// A thousand streams on one lock cost one watch in etcd; each is told everything,
// and nothing is left when they have gone.
func TestManyListeners(t *testing.T) {
	for _, b := range []backend{v3embedded, v2on35, v2on34} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel() // beside the others of these only
			const n = 1000
			e := b.run(t)
			g := e.apart(t)
			g.unlock("k", g.lock("k"))
			goroutines, _ := g.goroutines()
			watches := e.watches(t)
			streams := make([]*stream, n)
			for i := range streams {
				streams[i] = g.listen(t, "/mod/v2/lock/k", "")
			}
			within := time.Duration(0)
			if b.name != v3embedded.name { // a poll of v2 is made anew now and then
				within = 10 * time.Second
			}
			patience.Until(t, within, func() error {
				if got := e.watches(t) - watches; got != 1 {
					return fmt.Errorf("%d watches, want 1", got)
				}
				return nil
			})
			var wants []string
			for range 5 {
				index := g.lock("k")
				g.unlock("k", index)
				wants = append(wants, "acquired "+index, "released "+index)
			}
			for _, s := range streams {
				s.has(wants...)
				s.close()
			}
			patience.Until(t, 30*time.Second, func() error {
				if now, _ := g.goroutines(); now > goroutines+10 {
					return fmt.Errorf("%d goroutines, %d before", now, goroutines)
				}
				if now := e.watches(t); now > watches {
					return fmt.Errorf("%d watches, %d before", now, watches)
				}
				return nil
			})
		})
	}
}

// watches is how many there are in an etcd that is a process of its own.
func (e *etcd) watches(t *testing.T) int {
	t.Helper()
	resp, err := http.Get(e.endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, m := range regexp.MustCompile(`(?m)^(?:etcd_debugging_mvcc_watcher_total|etcd_debugging_store_watchers) (\S+)$`).FindAllStringSubmatch(read(resp).body, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		total += int(n)
	}
	return total
}

// A client that does not read is cut off, the others go on, and the gateway does
// not keep what it has not read.
func TestListenerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	e := v3on37.run(t)
	g := e.gateway(t)
	conn, err := net.Dial("tcp", g.site)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /mod/v2/lock/k HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", g.site); err != nil {
		t.Fatal(err)
	}
	begun := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, "id: "); {
		if line, err = begun.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	reads := g.listen(t, "/mod/v2/lock/k", "")
	busy := func() int {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.admin+"/debug/pprof/goroutine?debug=2", nil)
		return strings.Count(send(req).body, "lockmod.(*Call).sendAll(")
	}
	if n := busy(); n != 2 {
		t.Fatalf("%d streams, want 2", n)
	}
	value := strings.Repeat("v", 60_000)
	for begin := time.Now(); busy() > 1; {
		if time.Since(begin) > 60*time.Second {
			t.Fatal("it is not cut off")
		}
		index := g.lock("k", "value", value)
		g.unlock("k", index)
		// Were it not waited for, it might fall behind, too.
		reads.until("the last event", 10*time.Second, func(events []event) bool {
			e := events[len(events)-1]
			return e.kind == "released" && fmt.Sprint(e.data.Entry.Index) == index
		})
	}
}

// The list has all locks, a page at a time, and none of the elections.
func TestList(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		var keys []string
		for i := range 25 {
			keys = append(keys, fmt.Sprintf("list/%02d", i))
			g.lock(keys[i])
		}
		g.lock("other")
		want(t, g.lead(t.Context(), http.MethodPut, "list/election?ttl=60", "name", "me"), http.StatusOK, whatever)
		sh := newShell(t, g)
		var got []string
		pages, next := 0, ""
		for more := true; more; pages++ {
			out := sh.run("curl '" + "http://127.0.0.1:4001/mod/v2/lock/?prefix=list/&limit=10&continue=" + next + "'")
			for _, m := range regexp.MustCompile(`"key":"([^"]*)"`).FindAllStringSubmatch(out, -1) {
				got = append(got, m[1])
			}
			m := regexp.MustCompile(`"continue":"([^"]*)"`).FindStringSubmatch(out)
			if more = m != nil; more {
				next = m[1]
			}
		}
		if pages != 3 || !slices.Equal(got, keys) {
			t.Errorf("%d pages list %q", pages, got)
		}
		if out := sh.run("curl http://127.0.0.1:4001/mod/v2/leader/"); strings.Count(out, `"key":`) != 1 || !strings.Contains(out, `"key":"list/election"`) {
			t.Errorf("the elections are %s", out)
		}
	})
}
