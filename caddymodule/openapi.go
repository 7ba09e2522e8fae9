package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/caddymodule/openapi"
	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

func init() {
	caddy.RegisterModule(OpenAPI{})
}

// OpenAPI answers requests for `/mod/openapi.json` with a document that describes
// everything below `/mod`, for tools that read OpenAPI 3.1. Other requests go to
// the next handler. It has no fields.
type OpenAPI struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (OpenAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_openapi",
		New: func() caddy.Module { return new(OpenAPI) },
	}
}

// Provision finds the etcd app, whose index stands in errors.
func (o *OpenAPI) Provision(ctx caddy.Context) error {
	var err error
	o.app, err = etcdApp(ctx)
	return err
}

// ServeHTTP serves the document.
func (o *OpenAPI) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch {
	case r.URL.Path != openapi.Path:
		return next.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", http.MethodGet+", "+http.MethodHead)
		lockmod.WriteError(w, lockmod.NotAllowed(), r.Method, o.app.connection.store.Revision())
	default:
		openapi.Serve(w, r)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*OpenAPI)(nil)
	_ caddyhttp.MiddlewareHandler = (*OpenAPI)(nil)
)
