package caddymodule_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// fake is a member that counts what arrives, and answers or not.
type fake struct {
	t       *testing.T
	address string
	server  *http.Server
	ended   chan struct{}
	ill     atomic.Bool // its health
	breaks  atomic.Bool // it breaks a connection on which it has read a request

	streams int
	answer  http.HandlerFunc // to a request whose body is "large"

	mu      sync.Mutex
	arrived []string // the bodies
	from    []string // the other ends of the connections that they came on
}

func newFake(t *testing.T) *fake { return newFakeWith(t, 0) }

// newFakeWith is one that takes so many requests at a time on a connection, or, with
// 0, as many as Go's server does.
func newFakeWith(t *testing.T, streams int) *fake {
	t.Helper()
	f := &fake{t: t, address: etcdtest.FreeAddress(t), streams: streams}
	f.start()
	t.Cleanup(f.stop)
	return f
}

type connKey struct{}

// start has it listen, for HTTP/1.1 and for gRPC.
func (f *fake) start() {
	f.t.Helper()
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.server = &http.Server{
		Handler:   f,
		Protocols: new(http.Protocols),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
	f.server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: f.streams}
	f.server.Protocols.SetHTTP1(true)
	f.server.Protocols.SetUnencryptedHTTP2(true)
	server, ended := f.server, make(chan struct{})
	f.ended = ended
	go func() {
		_ = server.Serve(l)
		close(ended)
	}()
}

// stop closes its connections, and it listens no more.
func (f *fake) stop() {
	_ = f.server.Close()
	<-f.ended
}

// ServeHTTP answers as etcd does where it is asked for its health or its version, and
// else with its address.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		// When it stops, nothing is written to a connection that is just being closed.
		w.Header().Set("Connection", "close")
	}
	switch {
	case r.URL.Path == "/health" && f.ill.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case r.URL.Path == "/health":
		return
	case r.URL.Path == "/cuts":
		cut(r)
	case r.URL.Path == "/version":
		_, _ = io.WriteString(w, `{"etcdserver":"3.7.3"}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it has not arrived
	}
	f.mu.Lock()
	f.arrived = append(f.arrived, string(body))
	f.from = append(f.from, r.RemoteAddr)
	f.mu.Unlock()
	if f.breaks.Load() {
		cut(r)
	}
	if string(body) == "large" {
		f.answer(w, r)
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(make([]byte, 5)) // a message without anything in it
		w.Header().Set("Grpc-Status", "0")
		return
	}
	_, _ = io.WriteString(w, f.address)
}

// cut breaks the connection that a request came on, and ends its handler.
func cut(r *http.Request) {
	_ = r.Context().Value(connKey{}).(net.Conn).Close()
	panic(http.ErrAbortHandler)
}

// bodies is what has arrived.
func (f *fake) bodies() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.arrived...)
}

// senders is where what has arrived came from.
func (f *fake) senders() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.from...)
}

// forget forgets what has arrived.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrived, f.from = nil, nil
}

// behind returns a gateway with so many such members, the first of which is the one
// that it sends this client to, and with those directives before etcd.
func behind(t *testing.T, n int, before ...string) (*gateway, []*fake) {
	t.Helper()
	g := newGateway(t)
	fakes := make([]*fake, n)
	var endpoints []string
	for i := range fakes {
		fakes[i] = newFake(t)
		endpoints = append(endpoints, "http://"+fakes[i].address)
	}
	g.load(etcdAt(strings.Join(endpoints, " ")), strings.Join(append(before, "etcd"), "\n"))
	for i, f := range fakes {
		if g.servedBy(f) == nil {
			fakes[0], fakes[i] = fakes[i], fakes[0]
		}
	}
	for _, f := range fakes {
		f.forget()
	}
	return g, fakes
}

// servedBy says whom else this client is sent to.
func (g *gateway) servedBy(f *fake) error {
	r := g.do(http.MethodGet, "/who")
	if r.status != http.StatusOK || r.body != f.address {
		return fmt.Errorf("got %d %s (%v), want %s", r.status, r.body, r.err, f.address)
	}
	return nil
}
