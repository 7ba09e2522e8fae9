package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdv3/etcdtest"
)

// wire is a TCP connection to etcd that can lose the answers.
type wire struct {
	endpoint string

	mute  atomic.Bool // answers are swallowed
	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, endpoint string) *wire {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{endpoint: "http://" + l.Addr().String()}
	t.Cleanup(func() { _ = l.Close(); w.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target.Host)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			go w.copy(far, near, nil)
			go w.copy(near, far, &w.mute)
		}
	}()
	return w
}

func (w *wire) copy(to, from net.Conn, mute *atomic.Bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if mute != nil && mute.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// A request whose write reaches etcd and whose answer is lost is told so, within
// 5 s, and whatever it has written is gone soon after etcd can be heard again: a
// hold that nobody knows of, as well as a place in a queue.
func TestLostAnswer_I10(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	wire := newWire(t, etcd.Endpoint)
	direct, g := start(t, onEtcd(etcd.Endpoint)), start(t, onEtcd(wire.endpoint))
	holder := direct.lock("taken")
	g.unlock("warm", g.lock("warm")) // it has a session, and a lease for the TTL

	wire.mute.Store(true)
	begin := time.Now()
	free, taken := g.post(bg, "free?ttl=60", "value", "v"), g.post(bg, "taken?ttl=60")
	eventually(t, 4*time.Second, func() error { return direct.hasQueue("free", 1) })
	eventually(t, 4*time.Second, func() error { return direct.hasQueue("taken", 2) })
	for _, c := range []<-chan reply{free, taken} {
		r := receive(t, c)
		want(t, r, http.StatusGatewayTimeout, whatever)
		if !strings.Contains(r.body, `"errorCode":301`) {
			t.Errorf("the answer is %q, want error 301", r.body)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the answers took %v, want at most 5 s", took)
	}

	wire.mute.Store(false)
	wire.cut()
	eventually(t, 15*time.Second, func() error { return direct.hasQueue("free", 0) })
	eventually(t, 15*time.Second, func() error { return direct.hasQueue("taken", 1) })
	want(t, direct.do(bg, http.MethodGet, "taken?index="+holder), http.StatusOK, whatever)
	g.unlock("free", g.lock("free", "value", "v")) // and it works as before
}

// A connection that is reset at the moment of its grant: the lock goes on to the
// next in the queue.
func TestUndeliverableGrant_I4(t *testing.T) {
	t.Parallel()
	g := start(t, onEtcd(etcdtest.Start(t).Endpoint))
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
}
