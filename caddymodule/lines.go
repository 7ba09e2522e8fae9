package caddymodule

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// lines are the HTTP/2 connections on which gRPC goes to etcd: to a member, each
// client's connection has one of its own, as it would without a gateway. With one for
// all of them, they would share the harm that one can do to it: trailers at the end
// of a request, for which grpc-go ends the connection, or answers that are not read,
// which take up its window.
type lines struct {
	transport *http.Transport // makes them, and its options are theirs

	mu     sync.Mutex
	made   map[ends][]*http.ClientConn
	making map[ends]*attempt
}

func newLines(transport *http.Transport) *lines {
	return &lines{transport: transport, made: make(map[ends][]*http.ClientConn), making: make(map[ends]*attempt)}
}

// ends are what a line is between.
type ends struct {
	client any    // its connection, or what tells that from others
	member string // the address
}

// attempt is one to make a line.
type attempt struct {
	done chan struct{} // closed when one of these is there
	conn *http.ClientConn
	err  error
}

// connectWithin is how long making a line may take, whatever is on the way.
const connectWithin = 5 * time.Second

// tries is on how many lines a request is tried before it may go to another member.
// Etcd may end one just when it is to be used.
const tries = 3

// send sends a request. An error that comes before anything has been sent is a
// DialError, or says that the request is refused.
func (l *lines) send(req *http.Request, body *clientBody) (*http.Response, error) {
	var sent atomic.Bool
	req = outgoing(req, body, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req.Trailer = nil // gRPC clients have none
	var err error
	for range tries {
		var conn *http.ClientConn
		if conn, err = l.reserve(req); err != nil {
			return nil, err
		}
		var resp *http.Response
		if resp, err = conn.RoundTrip(req); err == nil || sent.Load() || req.Context().Err() != nil {
			return resp, err
		}
		if conn.Err() == nil && conn.Available() > 0 {
			return nil, refusedError{err}
		}
		body.reopen()
	}
	return nil, reverseproxy.NewDialError(err)
}

// reserve keeps a place for a request on a line, a new one if there is no room.
func (l *lines) reserve(req *http.Request) (*http.ClientConn, error) {
	ends := endsOf(req)
	for tried := 0; tried < tries; {
		for _, conn := range l.between(ends) {
			if conn.Reserve() == nil {
				return conn, nil
			}
		}
		next := l.next(ends, req)
		select {
		case <-next.done:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
		switch {
		case errors.As(next.err, new(proxyError)):
			return nil, next.err
		case next.err != nil:
			return nil, reverseproxy.NewDialError(next.err)
		case next.conn.Reserve() == nil:
			return next.conn, nil
		case next.conn.InFlight() == 0: // it is not that others were faster
			tried++
		}
	}
	return nil, reverseproxy.NewDialError(errors.New("no connection lasts"))
}

// clientConnKey is where a request's context has the connection that it came on.
type clientConnKey struct{}

// tellConns has a server's requests know their connection.
func tellConns(server *caddyhttp.Server) {
	server.RegisterConnContext(func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, clientConnKey{}, conn)
	})
}

// endsOf is where a request comes from and goes to.
func endsOf(req *http.Request) ends {
	e := ends{client: req.RemoteAddr, member: req.URL.Host}
	if conn := req.Context().Value(clientConnKey{}); conn != nil {
		e.client = conn // clients of a Unix socket have no address
	}
	if to, ok := reverseproxy.GetDialInfo(req.Context()); ok {
		e.member = to.Network + "/" + to.Address
	}
	return e
}

// between is the lines that are there.
func (l *lines) between(ends ends) []*http.ClientConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.made[ends])
}

// next is the line that is being made, or begins to be.
func (l *lines) next(ends ends, req *http.Request) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.making[ends]
	if next == nil {
		next = &attempt{done: make(chan struct{})}
		l.making[ends] = next
		go l.make(detached(req.Context()), next, ends, req.URL.Scheme, addressOf(req))
	}
	return next
}

// make connects a line.
func (l *lines) make(ctx context.Context, next *attempt, ends ends, scheme, address string) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, addressKey{}, address), connectWithin)
	defer cancel()
	next.conn, next.err = l.transport.NewClientConn(ctx, scheme, address)
	if next.err == nil {
		settle(ctx, next.conn)
	}
	l.ready(next, ends)
	if next.err == nil {
		next.conn.SetStateHook(func(conn *http.ClientConn) {
			if conn.Err() != nil {
				l.forget(ends, conn)
			}
		})
	}
}

// ready has an attempt's end be known.
func (l *lines) ready(next *attempt, ends ends) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.making, ends)
	if next.err == nil {
		l.made[ends] = append(l.made[ends], next.conn)
	}
	close(next.done)
}

// forget forgets a line that has ended.
func (l *lines) forget(ends ends, conn *http.ClientConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[ends] = slices.DeleteFunc(l.made[ends], func(c *http.ClientConn) bool { return c == conn })
	if len(l.made[ends]) == 0 {
		delete(l.made, ends)
	}
}

// settle waits until the other end has said how many requests it takes at a time.
// Until then, 100 are assumed, and with more than are taken, all would wait for ever. Who has
// not said otherwise after half a second takes 100, or does not answer requests either.
func settle(ctx context.Context, conn *http.ClientConn) {
	const assumed = 100
	for begin := time.Now(); conn.Available() == assumed && conn.Err() == nil && ctx.Err() == nil && time.Since(begin) < 500*time.Millisecond; {
		time.Sleep(time.Millisecond) // between two looks: there is no hook for less
	}
}

// addressOf is the address that a certificate has to be for, and that a proxy in the
// environment is asked for.
func addressOf(req *http.Request) string {
	to, ok := reverseproxy.GetDialInfo(req.Context())
	switch {
	case !ok:
		return req.URL.Host
	case strings.HasPrefix(to.Network, "unix"):
		return "localhost:80"
	}
	return net.JoinHostPort(to.Host, to.Port)
}

type addressKey struct{}

// proxyError is that a proxy is named, and not well.
type proxyError struct{ error }

// proxyFor is how a proxy is chosen, a line's as that of a request to its address:
// NewClientConn asks without the port.
func proxyFor(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		if address, ok := req.Context().Value(addressKey{}).(string); ok {
			req.URL.Host = address
		}
		proxy, err := choose(req)
		if err != nil {
			err = proxyError{err}
		}
		return proxy, err
	}
}

// detached is a context that outlives a request's, and shares nothing with that which
// is written to: others wait for the same connection.
func detached(ctx context.Context) context.Context {
	vars := make(map[string]any)
	of, _ := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	maps.Copy(vars, of)
	return context.WithValue(context.WithoutCancel(ctx), caddyhttp.VarsCtxKey, vars)
}
