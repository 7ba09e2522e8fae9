package etcdtest

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire is a TCP proxy in front of an etcd, for faults between it and a gateway.
type Wire struct {
	Endpoint string // http://127.0.0.1:port

	target  string
	mute    atomic.Bool
	mu      sync.Mutex
	refuse  bool
	conns   []net.Conn
	copying sync.WaitGroup
}

// NewWire returns a wire to the etcd at endpoint, removed when the test ends.
func NewWire(t testing.TB, endpoint string) *Wire {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Endpoint: "http://" + l.Addr().String(), target: target.Host}
	w.copying.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			w.connect(near)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.Refuse(true)
		w.copying.Wait()
	})
	return w
}

func (w *Wire) connect(near net.Conn) {
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = near.Close()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse {
		_ = near.Close()
		_ = far.Close()
		return
	}
	w.conns = append(w.conns, near, far)
	never := new(atomic.Bool)
	w.copying.Go(func() { forward(far, near, never) })
	w.copying.Go(func() { forward(near, far, &w.mute) })
}

// forward copies, or swallows while muted, until one of the ends is closed.
func forward(to, from net.Conn, mute *atomic.Bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if mute.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// Mute has etcd's answers swallowed, while requests still reach it. After it,
// the connections can only be Cut.
func (w *Wire) Mute(mute bool) { w.mute.Store(mute) }

// Cut breaks all connections.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// Refuse breaks all connections, and new ones too as long as it is on.
func (w *Wire) Refuse(refuse bool) {
	w.mu.Lock()
	w.refuse = refuse
	w.mu.Unlock()
	if refuse {
		w.Cut()
	}
}
