package e2e

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A request whose write reaches etcd and whose answer is lost is told so, within
// 5 s, and whatever it has written is gone soon after etcd can be heard again: a
// hold that nobody knows of, as well as a place in a queue.
func TestLostAnswer_I10(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		direct := e.gateway(t)
		g, wire := e.wire(t)
		holder := direct.lock("taken")
		// It has a session in which something has waited, and two leases for the TTL.
		want(t, g.do(bg, http.MethodPost, "taken?ttl=60&timeout=1"), http.StatusLocked, whatever)
		one, two := g.lock("one"), g.lock("two")
		g.unlock("one", one)
		g.unlock("two", two)

		wire.Mute(true)
		begin := time.Now()
		free, taken, valued := g.post(bg, "free?ttl=60"), g.post(bg, "taken?ttl=60"), g.post(bg, "valued?ttl=60", "value", "v")
		eventually(t, 4*time.Second, func() error { return direct.hasQueue("free", 1) })
		eventually(t, 4*time.Second, func() error { return direct.hasQueue("taken", 2) })
		wantError(t, receive(t, free), http.StatusGatewayTimeout, 301)
		wantError(t, receive(t, taken), http.StatusGatewayTimeout, 301)
		if e.looksFirst {
			wantError(t, receive(t, valued), http.StatusServiceUnavailable, 300)
			if err := direct.hasQueue("valued", 0); err != nil {
				t.Error(err)
			}
		} else {
			eventually(t, 4*time.Second, func() error { return direct.hasQueue("valued", 1) })
			wantError(t, receive(t, valued), http.StatusGatewayTimeout, 301)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the answers took %v, want at most 5 s", took)
		}

		wire.Mute(false)
		wire.Cut()
		eventually(t, 15*time.Second, func() error { return direct.hasQueue("free", 0) })
		eventually(t, 15*time.Second, func() error { return direct.hasQueue("taken", 1) })
		eventually(t, 15*time.Second, func() error { return direct.hasQueue("valued", 0) })
		want(t, direct.do(bg, http.MethodGet, "taken?index="+holder), http.StatusOK, whatever)
		g.unlock("valued", g.lock("valued", "value", "v")) // and it works as before
	})
}

// A connection that is reset at the moment of its grant: the lock goes on to the
// next in the queue.
func TestUndeliverableGrant_I4(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		for range 30 {
			holder := g.lock("k")
			conn, err := net.Dial("tcp", g.site)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(conn, "POST /mod/v2/lock/k?ttl=60 HTTP/1.1\r\nHost: "+g.site+"\r\nContent-Length: 0\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
			next := g.post(bg, "k?ttl=60")
			eventually(t, 10*time.Second, func() error { return g.hasQueue("k", 3) })

			released := make(chan struct{})
			go func() {
				defer close(released)
				g.unlock("k", holder)
			}()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			<-released
			r := receive(t, next)
			want(t, r, http.StatusOK, whatever)
			g.unlock("k", r.body)
		}
		if err := g.hasQueue("k", 0); err != nil {
			t.Error(err)
		}
	})
}
