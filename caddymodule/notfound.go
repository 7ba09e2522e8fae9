package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(NotFound{})
}

// NotFound answers every request below `/mod` with 404, in the form of etcd's
// own errors, so that what no module serves is never handed on to etcd. Put it
// behind the handlers of the modules. Other requests go to the next handler. It
// has no fields.
type NotFound struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (NotFound) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_not_found",
		New: func() caddy.Module { return new(NotFound) },
	}
}

// Provision finds the etcd app.
func (n *NotFound) Provision(ctx caddy.Context) error {
	var err error
	n.app, err = etcdApp(ctx)
	return err
}

// ServeHTTP answers what is below /mod, as written or without its dots.
func (n *NotFound) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !below(r.URL.Path, "/mod") && !below(caddyhttp.CleanPath(r.URL.Path, true), "/mod") {
		return next.ServeHTTP(w, r)
	}
	notFound(w, r, n.app)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*NotFound)(nil)
	_ caddyhttp.MiddlewareHandler = (*NotFound)(nil)
)
