package caddymodule

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

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

	mu      sync.Mutex
	between map[ends]*line // the ones that get the next request
}

// ends are what a line is between.
type ends struct {
	client any    // its connection, or what tells that from others
	member string // the address
}

// line is a connection, or is going to be one.
type line struct {
	made chan struct{} // closed when one of these is there
	conn *http.ClientConn
	err  error
}

// tries is on how many lines a request is tried before it may go to another member.
// Etcd may end one just when it is to be used.
const tries = 3

// RoundTrip sends a request. An error that comes before anything has been sent is a
// DialError, or says that the request is refused.
func (l *lines) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	}))
	req.Trailer = nil // gRPC clients have none
	err := errors.New("no connection lasts")
	for ends, tried := endsOf(req), 0; tried < tries; {
		on := l.line(ends, req)
		select {
		case <-on.made:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
		if on.err != nil {
			return nil, reverseproxy.NewDialError(on.err)
		}
		if on.conn.Reserve() != nil { // it has ended, or is full
			if on.conn.InFlight() == 0 {
				tried++
			}
			l.forget(ends, on)
			continue
		}
		var resp *http.Response
		if resp, err = on.conn.RoundTrip(req); err == nil || sent.Load() || req.Context().Err() != nil {
			return resp, err
		}
		if on.conn.Err() == nil && on.conn.Available() > 0 {
			return nil, refusedError{err}
		}
		tried++
		l.forget(ends, on)
	}
	return nil, reverseproxy.NewDialError(err)
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

// line is the one that is there, or a new one.
func (l *lines) line(ends ends, req *http.Request) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	on := l.between[ends]
	if on == nil {
		on = &line{made: make(chan struct{})}
		l.between[ends] = on
		go l.make(detached(req.Context()), ends, on, req.URL.Scheme, addressOf(req))
	}
	return on
}

// make connects a line.
func (l *lines) make(ctx context.Context, ends ends, on *line, scheme, address string) {
	on.conn, on.err = l.transport.NewClientConn(ctx, scheme, address)
	if on.err != nil {
		l.forget(ends, on)
	} else {
		on.conn.SetStateHook(func(conn *http.ClientConn) {
			if conn.Err() != nil {
				l.forget(ends, on)
			}
		})
	}
	close(on.made)
}

// forget has the next request be sent on another line. What is under way on this one
// goes on.
func (l *lines) forget(ends ends, on *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.between[ends] == on {
		delete(l.between, ends)
	}
}

// closeIdle closes the ones on which nothing is under way.
func (l *lines) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, on := range l.between {
		select {
		case <-on.made:
			if on.err == nil && on.conn.InFlight() == 0 {
				go on.conn.Close() // which forgets it
			}
		default:
		}
	}
}

// addressOf is the address that a certificate has to be for, and that a proxy in the
// environment is asked for.
func addressOf(req *http.Request) string {
	to, ok := reverseproxy.GetDialInfo(req.Context())
	switch {
	case !ok:
		return req.URL.Host
	case to.Port == "": // a Unix socket
		return "localhost:80"
	}
	return net.JoinHostPort(to.Host, to.Port)
}

// detached is a context that outlives a request's, and shares nothing with that which
// is written to: others wait for the same connection.
func detached(ctx context.Context) context.Context {
	vars, _ := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	vars = maps.Clone(vars)
	if vars == nil {
		vars = make(map[string]any)
	}
	return context.WithValue(context.WithoutCancel(ctx), caddyhttp.VarsCtxKey, vars)
}
