package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// A request whose write reaches etcd and whose answer is lost is told so, within
// 5 s, and whatever it has written is gone soon after etcd can be heard again: a
// hold that nobody knows of, as well as a place in a queue.
func TestLostAnswer_I10(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		direct := e.gateway(t)
		g, wire := e.wire(t)
		holder := direct.lock("taken")
		// It has a session in which something has waited, and a lease for each: where
		// nobody has waited for a second, it may be had at once for all the gateway knows.
		want(t, g.do(bg, http.MethodPost, "taken?ttl=60&timeout=1"), http.StatusLocked, whatever)
		held := map[string]string{"one": "", "two": "", "three": ""}
		for key := range held {
			held[key] = g.lock(key)
		}
		for key, index := range held {
			g.unlock(key, index)
		}

		wire.Mute(true)
		clock, begin := patience.Start(t), time.Now()
		free, taken, valued := g.post(bg, "free?ttl=60"), g.post(bg, "taken?ttl=60"), g.post(bg, "valued?ttl=60", "value", "v")
		within := func(c <-chan reply, status, code int) {
			t.Helper()
			r := receive(t, c)
			wantError(t, r, status, code)
			if took := clock.Ran(begin, r.at); took > 5*time.Second {
				t.Errorf("the answer took %v, want at most 5 s", took)
			}
		}
		patience.Until(t, 10*time.Second, func() error { return direct.hasQueue("free", 1) })
		patience.Until(t, 10*time.Second, func() error { return direct.hasQueue("taken", 2) })
		within(free, http.StatusGatewayTimeout, 301)
		within(taken, http.StatusGatewayTimeout, 301)
		if e.looksFirst {
			within(valued, http.StatusServiceUnavailable, 300)
			if err := direct.hasQueue("valued", 0); err != nil {
				t.Error(err)
			}
		} else {
			patience.Until(t, 10*time.Second, func() error { return direct.hasQueue("valued", 1) })
			within(valued, http.StatusGatewayTimeout, 301)
		}

		wire.Mute(false)
		wire.Cut()
		patience.Until(t, 15*time.Second, func() error { return direct.hasQueue("free", 0) })
		patience.Until(t, 15*time.Second, func() error { return direct.hasQueue("taken", 1) })
		patience.Until(t, 15*time.Second, func() error { return direct.hasQueue("valued", 0) })
		want(t, direct.do(bg, http.MethodGet, "taken?index="+holder), http.StatusOK, whatever)
		g.unlock("valued", g.lock("valued", "value", "v")) // and it works as before
	})
}

// A connection that is reset at the moment of its grant: the lock goes on to the
// next in the queue at once.
func TestUndeliverableGrant_I4(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		const rounds, ttl = 30, 5 * time.Second
		late := 0
		for range rounds {
			holder := g.lock("k")
			conn, err := net.Dial("tcp", g.site)
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(conn, "POST /mod/v2/lock/k?ttl=%.0f HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", ttl.Seconds(), g.site)
			if err != nil {
				t.Fatal(err)
			}
			patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
			next := g.post(bg, "k?ttl=60")
			patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 3) })

			released := make(chan struct{})
			go func() {
				defer close(released)
				g.unlock("k", holder)
			}()
			answer := reset(t, conn.(*net.TCPConn))
			<-released
			begin := time.Now()
			if _, index, arrived := strings.Cut(answer, "\r\n\r\n"); arrived {
				g.unlock("k", index) // as who has read it
			}
			r := receive(t, next)
			want(t, r, http.StatusOK, whatever)
			if r.at.Sub(begin) > ttl/2 {
				late++
			}
			g.unlock("k", r.body)
		}
		// An answer may have arrived after the look for it, and before the reset. Then
		// its lock stays held for its TTL.
		if late > 2 {
			t.Errorf("%d of %d grants were late", late, rounds)
		}
		if err := g.hasQueue("k", 0); err != nil {
			t.Error(err)
		}
	})
}

// reset resets a connection, and returns what had arrived on it until then.
func reset(t *testing.T, conn *net.TCPConn) string {
	t.Helper()
	_ = conn.SetLinger(0)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var buf [4096]byte
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		n, _ = syscall.Read(int(fd), buf[:])
		return true // whether there was something or not
	})
	_ = conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:max(n, 0)])
}
