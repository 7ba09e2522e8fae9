package etcdtest

import (
	"bytes"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Wire is a TCP proxy in front of an etcd, for faults between it and a gateway, or
// another member.
type Wire struct {
	Endpoint string // http://127.0.0.1:port

	target  string
	dialer  func(accepted net.Conn, at time.Time) (member int, ok bool) // who has made a connection, on wires between members
	conns   sync.WaitGroup
	closing chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when what follows changes
	mute    bool
	lost    int // bytes of answers, while muted
	refuse  bool
	hold    bool
	apart   []int // the members from which nothing passes
	delay   time.Duration
	open    map[*link]struct{}
}

// link is one connection.
type link struct {
	near, far net.Conn
	begun     time.Time
	from      func() (member int, ok bool) // who has made it, on wires between members
}

// NewWire returns a wire to the etcd at endpoint, removed when the test ends.
func NewWire(t testing.TB, endpoint string) *Wire {
	t.Helper()
	return newWire(t, "127.0.0.1:0", endpoint, nil)
}

func newWire(t testing.TB, address, endpoint string, dialer func(net.Conn, time.Time) (int, bool)) *Wire {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{
		Endpoint: "http://" + l.Addr().String(), target: target.Host, dialer: dialer,
		closing: make(chan struct{}), changed: make(chan struct{}), open: make(map[*link]struct{}),
	}
	w.conns.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			w.conns.Go(func() { w.connect(near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(w.closing)
		w.Refuse(true)
		w.conns.Wait()
	})
	return w
}

// connect passes on what comes and goes on one connection, until one of its ends is closed.
func (w *Wire) connect(near net.Conn) {
	l := &link{near: near, begun: time.Now()}
	l.from = sync.OnceValues(func() (int, bool) { return w.dialer(near, l.begun) })
	if !w.add(l) {
		return
	}
	defer w.remove(l)
	if !w.pass(l, l.begun) {
		return
	}
	far, err := net.Dial("tcp", w.target)
	if err != nil || !w.reach(l, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { w.forward(l, far, near, false) })
	both.Go(func() { w.forward(l, near, far, true) })
	both.Wait()
}

// chunk is what was read at once, and when. Without bytes it is the connection's end.
type chunk struct {
	at    time.Time
	bytes []byte
}

// forward copies, or swallows answers while muted, until one of the ends is closed.
func (w *Wire) forward(l *link, to, from net.Conn, answers bool) {
	underway := make(chan chunk, 1024) // what is delayed does not keep others from being read
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer close(underway)
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			underway <- chunk{time.Now(), bytes.Clone(buf[:n])}
			if err != nil {
				return
			}
		}
	})
	defer func() {
		_ = to.Close()
		_ = from.Close()
		for range underway { // until nothing is read any more
		}
	}()
	for c := range underway {
		if !w.pass(l, c.at) {
			return
		}
		if answers && w.loses(c.bytes) {
			continue
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
}

// pass waits until what was sent then may pass on that connection. It returns false when
// the wire is removed, or who is at the connection's other end has gone.
func (w *Wire) pass(l *link, sent time.Time) bool {
	for {
		w.mu.Lock()
		held, apart, wait, changed := w.hold, w.apart, time.Until(sent.Add(w.delay)), w.changed
		w.mu.Unlock()
		if len(apart) > 0 {
			from, ok := l.from()
			if !ok {
				return false
			}
			held = held || slices.Contains(apart, from)
		}
		switch {
		case held:
			wait = time.Hour // until it changes
		case wait <= 0:
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-w.closing:
		}
		timer.Stop()
		select {
		case <-w.closing:
			return false
		default:
		}
	}
}

// loses says whether an answer is lost, and notes that.
func (w *Wire) loses(answer []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute {
		w.lost += len(answer)
	}
	return w.mute
}

// add begins a connection, unless it is refused.
func (w *Wire) add(l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse {
		l.close()
		return false
	}
	w.open[l] = struct{}{}
	return true
}

// reach completes a connection, unless it has been cut.
func (w *Wire) reach(l *link, far net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.open[l]; !ok {
		_ = far.Close()
		return false
	}
	l.far = far
	return true
}

func (w *Wire) remove(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, l)
	l.close()
}

// close resets a connection.
func (l *link) close() {
	for _, c := range []net.Conn{l.near, l.far} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
	}
}

// set changes what the wire does.
func (w *Wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Mute has etcd's answers swallowed, while requests still reach it. After it,
// the connections can only be Cut.
func (w *Wire) Mute(mute bool) { w.set(func() { w.mute = mute }) }

// Hold has nothing pass, in either direction, as when a cable is pulled: what is sent
// arrives when it is plugged in again.
func (w *Wire) Hold(hold bool) { w.set(func() { w.hold = hold }) }

// Delay has everything arrive so much later.
func (w *Wire) Delay(delay time.Duration) { w.set(func() { w.delay = delay }) }

// Apart has nothing pass from and to these members, on the connections that they have made.
func (w *Wire) Apart(members ...int) { w.set(func() { w.apart = members }) }

// Cut breaks all connections, with a TCP reset.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.open {
		l.close()
	}
	clear(w.open)
}

// Refuse breaks all connections, and new ones too as long as it is on.
func (w *Wire) Refuse(refuse bool) {
	w.set(func() { w.refuse = refuse })
	if refuse {
		w.Cut()
	}
}
