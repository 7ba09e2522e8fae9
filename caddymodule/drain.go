package caddymodule

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Drain{})
}

// Drain lets requests through to the next handler, and ends them when the
// process exits. Put it before a reverse_proxy to etcd: Caddy waits for requests
// in flight when it exits, and a watch that goes through it never ends by
// itself. The `etcd` directive of the Caddyfile does so. A reload leaves the
// requests alone. It has no fields.
type Drain struct {
	life *life
}

// CaddyModule returns the Caddy module information.
func (Drain) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_drain",
		New: func() caddy.Module { return new(Drain) },
	}
}

// Provision finds the etcd app.
func (d *Drain) Provision(ctx caddy.Context) error {
	app, err := etcdApp(ctx)
	if err != nil {
		return err
	}
	d.life = app.life
	app.watchConns(ctx)
	return nil
}

// ServeHTTP hands the request on with a context that ends with the process.
func (d *Drain) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	d.life.watchHTTP3(r)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	unhook := context.AfterFunc(d.life.ctx, func() {
		cancel(caddyhttp.Error(http.StatusServiceUnavailable, errEnded))
	})
	defer unhook()
	return next.ServeHTTP(w, withOwnBody(ctx, r))
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Drain)(nil)
	_ caddyhttp.MiddlewareHandler = (*Drain)(nil)
)
