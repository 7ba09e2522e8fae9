package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// front is what the handlers of the modules have in common: it serves what is
// below the module's path, on the app's connection, and hands everything else on.
type front struct {
	module module
	app    *App
	limits lockmod.Limits
	serve  *lockmod.Front // on the app's connection
	logger *zap.Logger
}

// module is one of the modules below /mod.
type module struct {
	path    string
	service func(*connection) *lockmod.Service
	handler func(*lockmod.Service, lockmod.Limits, *zap.Logger) *lockmod.Front
}

// provision checks the limits, and finds the etcd app.
func (f *front) provision(ctx caddy.Context, m module, l Limits) error {
	f.module, f.logger = m, ctx.Logger()
	var err error
	if f.limits, err = l.resolve(); err != nil {
		return err
	}
	if f.app, err = etcdApp(ctx); err != nil {
		return err
	}
	f.app.watchConns(ctx)
	f.serve = f.on(f.app.connection)
	return nil
}

// etcdApp returns the etcd app of the configuration.
func etcdApp(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("etcd")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("there is no etcd app: name the etcd in the global etcd option, or in apps.etcd of a JSON configuration")
	}
	if err != nil {
		return nil, fmt.Errorf("getting the etcd app: %w", err)
	}
	return app.(*App), nil
}

// on is the module's handler on a connection.
func (f *front) on(c *connection) *lockmod.Front {
	return f.module.handler(f.module.service(c), f.limits, f.logger)
}

// ServeHTTP serves the requests for the module. It keeps little on its stack while
// it does (see lockmod.Front.Aside), and is called without another function
// between, since the handlers embed it.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !below(r.URL.Path, f.module.path) {
		return next.ServeHTTP(w, r)
	}
	var s *serving
	var err error
	f.serve.Aside(func() { s, err = f.begin(w, r) })
	if s == nil {
		return err
	}
	defer s.connection.giveBack()
	s.call.Finish()
	return nil
}

// serving is a request that waits. It has a reference to the connection for as
// long as it does, because a reload takes the handler's away under it.
type serving struct {
	connection *connection
	call       *lockmod.Call
}

// begin returns nil if the request has been answered.
func (f *front) begin(w http.ResponseWriter, r *http.Request) (*serving, error) {
	if !below(caddyhttp.CleanPath(r.URL.Path, true), f.module.path) {
		// Matchers see the path without its dots: what protects the module does
		// not protect this.
		notFound(w, r, f.app)
		return nil, nil
	}
	if refused(w, r, f.app) {
		return nil, nil
	}
	f.app.life.watchHTTP3(r)
	c, err := f.app.borrow()
	if err != nil {
		return nil, caddyhttp.Error(http.StatusInternalServerError, err)
	}
	handler := f.serve
	if c != f.app.connection {
		handler = f.on(c)
	}
	waits := false
	defer func() {
		if !waits {
			c.giveBack()
		}
	}()
	call := handler.Begin(w, r)
	if waits = call != nil; waits {
		return &serving{connection: c, call: call}, nil
	}
	return nil, nil
}

// notFound answers with 404, in the form of etcd's own errors.
func notFound(w http.ResponseWriter, r *http.Request, a *App) { fail(w, r, store.ErrNotFound, a) }

// fail answers with what a client is told of an error; its cause is what was asked
// for, or the method that can't be asked with.
func fail(w http.ResponseWriter, r *http.Request, err error, a *App) {
	e, cause := lockmod.Explain(err), r.URL.Path
	if e.Status == http.StatusMethodNotAllowed {
		cause = r.Method
	}
	lockmod.WriteError(w, e, cause, a.connection.store.Revision())
}

// below says whether a path is root, or below it.
func below(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}
