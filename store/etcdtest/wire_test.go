package etcdtest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// wired is a connection over a wire, both ends of it.
func wired(t *testing.T) (w *Wire, near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w = NewWire(t, "http://"+l.Addr().String())
	near, err = net.Dial("tcp", strings.TrimPrefix(w.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return w, near, far
}

// What follows closely arrives as late as what it follows, and not twice as late.
func TestWire_delay(t *testing.T) {
	t.Parallel()
	const delay, apart = 1000 * time.Millisecond, 10 * time.Millisecond
	w, near, far := wired(t)
	w.Delay(delay)
	sent := make(chan time.Time, 10)
	clock := patience.Start(t)
	go func() {
		for range cap(sent) {
			sent <- time.Now()
			_, _ = near.Write([]byte("x"))
			time.Sleep(apart) // so that it is read by itself
		}
		_ = near.Close()
	}()
	for range cap(sent) {
		if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		at := <-sent
		if late := time.Since(at); late < delay || clock.RanSince(at) > delay+delay/2 {
			t.Errorf("it took %v, want %v", late, delay)
		}
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// While a cable is pulled nobody is told of anything, and of that only later that the other
// end is gone. What is lost while it is muted stays lost.
func TestWire_hold(t *testing.T) {
	t.Parallel()
	w, near, far := wired(t)
	w.Mute(true)
	_, _ = far.Write([]byte("lost"))
	_, _ = near.Write([]byte("1"))
	if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
		t.Fatalf("a request while answers are lost: %v", err)
	}
	patience.Until(t, 10*time.Second, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.lost < len("lost") {
			return fmt.Errorf("%d bytes are lost", w.lost)
		}
		return nil
	})
	w.Mute(false)
	w.Hold(true)
	_, _ = far.Write([]byte("held"))
	_ = far.Close()
	_ = near.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := near.Read(make([]byte, 1)); n != 0 || err == io.EOF {
		t.Errorf("while it is held: %d bytes, %v", n, err)
	}
	w.Hold(false)
	_ = near.SetReadDeadline(time.Now().Add(10 * time.Second))
	if text, err := io.ReadAll(near); string(text) != "held" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
