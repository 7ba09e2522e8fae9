package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

func init() {
	caddy.RegisterModule(NotFound{})
	httpcaddyfile.RegisterHandlerDirective("etcd_not_found", parseNotFound)
	httpcaddyfile.RegisterDirectiveOrder("etcd_not_found", httpcaddyfile.Before, "reverse_proxy")
}

// NotFound answers requests under `/mod` that no other handler has answered with
// 404, in etcd's error form, so that none of them ever gets to etcd. It hands all
// others to the next handler.
type NotFound struct{}

// CaddyModule returns the Caddy module information.
func (NotFound) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.etcd_not_found", New: func() caddy.Module { return new(NotFound) }}
}

func (NotFound) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !strings.HasPrefix(r.URL.Path+"/", "/mod/") {
		return next.ServeHTTP(w, r)
	}
	lockmod.WriteError(w, lockmod.Explain(store.ErrNotFound), r.URL.Path, 0)
	return nil
}

func parseNotFound(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	n := new(NotFound)
	return n, n.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	etcd_not_found [<matcher>]
func (NotFound) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() || d.NextBlock(0) {
		return d.Errf("unexpected '%s' after etcd_not_found", d.Val())
	}
	return nil
}

// Interface guards.
var (
	_ caddyhttp.MiddlewareHandler = NotFound{}
	_ caddyfile.Unmarshaler       = NotFound{}
)
