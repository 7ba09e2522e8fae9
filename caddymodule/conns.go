package caddymodule

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// lastWords is how long requests have to end by themselves when their life has
// ended.
const lastWords = 2 * time.Second

// conns are the connections of one HTTP server on which it does not wait for the
// next request. When it is shut down, it waits for all of them: for seconds where
// nothing has been sent, for a minute where a request is sent slowly, and for
// ever where an answer is not read. So they are closed (I9), at once where there
// is no request, else after lastWords.
type conns struct {
	ctx    context.Context // of the life
	unhook func() bool     // from its end

	mu      sync.Mutex
	open    map[net.Conn]http.ConnState
	retired bool // no app needs them
}

// watchConns watches over the connections of the server that a handler is
// provisioned for.
func (a *App) watchConns(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || a.conns[server] != nil {
		return
	}
	c := &conns{ctx: a.life.ctx, open: make(map[net.Conn]http.ConnState)}
	c.unhook = context.AfterFunc(c.ctx, c.end)
	if a.conns == nil {
		a.conns = make(map[*caddyhttp.Server]*conns)
	}
	a.conns[server] = c
	server.RegisterConnState(c.note)
	allowStreams(server)
	tellConns(server)
}

// note is called by the server when a connection's state changes.
func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case state == http.StateNew && c.ctx.Err() != nil:
		_ = conn.Close()
	case state == http.StateNew || state == http.StateActive:
		c.open[conn] = state
	default:
		delete(c.open, conn)
		c.leave()
	}
}

// retire says that the app has gone. Connections with requests in flight may
// still be there.
func (c *conns) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	c.leave()
}

func (c *conns) leave() {
	if c.retired && len(c.open) == 0 {
		c.unhook()
	}
}

// end ends all connections when the life has ended.
func (c *conns) end() {
	c.close(func(state http.ConnState) bool { return state == http.StateNew })
	time.Sleep(lastWords)
	c.close(func(http.ConnState) bool { return true })
}

func (c *conns) close(which func(http.ConnState) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, state := range c.open {
		if which(state) {
			_ = conn.Close()
		}
	}
}
