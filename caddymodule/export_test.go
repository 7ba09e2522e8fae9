package caddymodule

import (
	"context"
	"net/http"
	"net/url"
)

// For the tests in package caddymodule_test, which need package embedded.

// References is how many references there are to connections, one number for
// each connection.
func References() []int {
	var references []int
	connections.Range(func(key, _ any) bool {
		if n, ok := connections.References(key); ok {
			references = append(references, n)
		}
		return true
	})
	return references
}

// EndLife does what the end of the process does.
func EndLife() { lives.endAll() }

// CloseAll is the last of what the end of the process does.
func CloseAll() { closeAll() }

// Hold takes a reference to each connection, as a request does.
func Hold() (giveBack func()) {
	var held []*connection
	connections.Range(func(_, c any) bool {
		held = append(held, c.(*connection))
		return true
	})
	for _, c := range held {
		_, _ = connections.LoadOrStore(c.key, c)
	}
	return func() {
		for _, c := range held {
			c.giveBack()
		}
	}
}

// Open is how many connections have not ended.
func Open() int {
	n := 0
	connections.Range(func(_, c any) bool {
		select {
		case <-c.(*connection).closed:
		default:
			n++
		}
		return true
	})
	return n
}

// AwaitClosing waits for connections that are being closed.
func AwaitClosing() { awaitClosing() }

// Lines is how many connections for gRPC a transport has.
func (t *Transport) Lines() int {
	t.grpc.mu.Lock()
	defer t.grpc.mu.Unlock()
	n := len(t.grpc.making)
	for _, made := range t.grpc.made {
		n += len(made)
	}
	return n
}

// CameOn is the context of a request that came on a client's connection.
func CameOn(ctx context.Context, conn any) context.Context {
	return context.WithValue(ctx, clientConnKey{}, conn)
}

// ChooseProxy has the proxy for gRPC be chosen by that, instead of the environment.
func (t *Transport) ChooseProxy(choose func(*http.Request) (*url.URL, error)) {
	t.grpc.transport.Proxy = proxyFor(choose)
}

// Check says whether a handler with these limits can be provisioned.
func (l Limits) Check() error {
	_, err := l.resolve()
	return err
}
