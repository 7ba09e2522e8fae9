package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

func init() {
	caddy.RegisterModule(CrossOrigin{})
}

// CrossOrigin refuses with 403 what a browser sends on behalf of another site's
// page and what may write: every method but GET, HEAD and OPTIONS, and WebSockets.
// Etcd takes all of that from everybody. Put it before a reverse_proxy to etcd;
// `etcd_lock` and its like do the same by themselves. Clients that are no browsers
// notice nothing. It has no fields.
//
// It lets through what the site's CORS headers allow: a `header` directive before
// it that sets `Access-Control-Allow-Origin` to the page's origin; or to `*`, but then
// only without a password, cookie or client's certificate, as a browser brings them by
// itself. The directive has to set it at once, so without `>`, `?` or `defer`, and
// with nothing in the same block that removes a field.
type CrossOrigin struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (CrossOrigin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_cross_origin",
		New: func() caddy.Module { return new(CrossOrigin) },
	}
}

// Provision finds the etcd app, whose index stands in errors.
func (c *CrossOrigin) Provision(ctx caddy.Context) error {
	var err error
	c.app, err = etcdApp(ctx)
	return err
}

// ServeHTTP refuses a request, or hands it on.
func (c *CrossOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if refused(w, r, c.app) {
		return nil
	}
	return next.ServeHTTP(w, r)
}

// protection knows a browser by the headers Sec-Fetch-Site and Origin.
var protection = http.NewCrossOriginProtection()

// crossOrigin says whether another site's page has a browser send something that may
// write.
func crossOrigin(r *http.Request) bool {
	asked := r
	if upgrades(r) {
		asked = r.WithContext(r.Context())
		asked.Method = http.MethodPost
	}
	return protection.Check(asked) != nil
}

// upgrades says whether a request wants to be a WebSocket, which may write though it is
// opened with GET.
func upgrades(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// refused says whether a request has been refused, and answered.
func refused(w http.ResponseWriter, r *http.Request, a *App) bool {
	if !crossOrigin(r) {
		return false
	}
	origin := r.Header.Get("Origin")
	switch w.Header().Get("Access-Control-Allow-Origin") {
	case "":
	case origin:
		return false
	case "*": // means nobody who is somebody
		if !vouchedFor(r) {
			return false
		}
	}
	lockmod.WriteError(w, lockmod.CrossOrigin(), origin, a.connection.store.Revision())
	return true
}

// vouchedFor says whether a request shows whose browser sends it, as browsers do by
// themselves. A token, such as etcd's, is known to the page that shows it.
func vouchedFor(r *http.Request) bool {
	scheme, _, more := strings.Cut(r.Header.Get("Authorization"), " ")
	return more && !strings.EqualFold(scheme, "Bearer") ||
		r.Header.Get("Cookie") != "" ||
		r.TLS != nil && len(r.TLS.PeerCertificates) > 0
}

// Interface guards
var (
	_ caddy.Provisioner           = (*CrossOrigin)(nil)
	_ caddyhttp.MiddlewareHandler = (*CrossOrigin)(nil)
)
