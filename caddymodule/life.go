package caddymodule

import (
	"context"
	"errors"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// At exit, Caddy waits for requests in flight, and requests for a lock may wait
// for ever. So they all belong to a life, which ends when the process exits, and
// when no loaded configuration has an etcd app any more. A reload does not end
// it.

// errEnded is why a life's context is done.
var errEnded = errors.New("the gateway is stopping")

// life is one run of etcd apps with no gap between them.
type life struct {
	ctx    context.Context
	end    context.CancelCauseFunc
	number int
}

// lifetimes counts the apps that are loaded.
type lifetimes struct {
	mu   sync.Mutex
	apps int
	last *life
}

var lives lifetimes

// enlist counts an app in. The app retires its life once.
func (l *lifetimes) enlist() *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apps == 0 {
		next := &life{number: 1}
		if l.last != nil {
			next.number = l.last.number + 1
		}
		next.ctx, next.end = context.WithCancelCause(context.Background())
		l.last = next
	}
	l.apps++
	return l.last
}

// retire counts an app out.
func (l *life) retire() {
	lives.mu.Lock()
	defer lives.mu.Unlock()
	if lives.apps--; lives.apps == 0 {
		l.end(errEnded)
	}
}

// endAll ends the life of everything that there is, for the exit.
func (l *lifetimes) endAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		l.last.end(errEnded)
	}
}

// exitHandler hears from Caddy's core that a configuration is about to be
// stopped, before any of its apps is.
type exitHandler struct{}

// Handle implements caddyevents.Handler.
func (exitHandler) Handle(context.Context, caddy.Event) error {
	if caddy.Exiting() {
		lives.endAll()
	}
	return nil
}

// Interface guard
var _ caddyevents.Handler = exitHandler{}
