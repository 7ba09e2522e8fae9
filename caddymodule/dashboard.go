package caddymodule

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/dashboard"
	"github.com/caddy-etcd/caddy-etcd/store"
)

func init() {
	caddy.RegisterModule(Dashboard{})
}

// Dashboard serves a web page below `/mod/dashboard/`, which shows what is in the
// etcd that the etcd app names, and what its members, locks and elections are doing.
// `/mod` itself leads there. Other requests go to the next handler.
//
// The page reads and writes through the site, as any client does, and with the user's
// own name and password where etcd asks for them. Only about its members the gateway
// asks etcd itself: their addresses, versions and sizes are for everybody who reaches
// this handler, also where etcd would want a user for them.
type Dashboard struct {
	// Whether to refuse, with 403, what pages of this site send that may write. It
	// holds for every request that comes to this handler, so put it first, without a
	// matcher: before etcd_lock, etcd_leader and the reverse_proxy to etcd. Clients
	// that are no browsers notice nothing of it. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`

	app  *App
	page *dashboard.Page
}

// CaddyModule returns the Caddy module information.
func (Dashboard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_dashboard",
		New: func() caddy.Module { return new(Dashboard) },
	}
}

// Provision finds the etcd app.
func (d *Dashboard) Provision(ctx caddy.Context) error {
	var err error
	if d.app, err = etcdApp(ctx); err != nil {
		return err
	}
	s := d.app.settings
	d.page = dashboard.NewPage(dashboard.Settings{API: s.API, ReadOnly: d.ReadOnly, Prefix: s.Prefix})
	return nil
}

// ServeHTTP serves the page, or hands a request on.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if answered, err := d.answer(w, r); answered || err != nil {
		return err
	}
	return next.ServeHTTP(w, r)
}

// answer answers a request, if it is for the dashboard.
func (d *Dashboard) answer(w http.ResponseWriter, r *http.Request) (bool, error) {
	if d.ReadOnly && refusedReadOnly(w, r, d.app) {
		return true, nil
	}
	to := leadsTo(r)
	if to == "" && !below(r.URL.Path, dashboard.Root) {
		return false, nil
	}
	dashboard.Protect(w.Header())
	var err error
	switch {
	case to != "":
		err = redirect(w, r, to)
	case !below(caddyhttp.CleanPath(r.URL.Path, true), dashboard.Root):
		// As for the modules: what protects the dashboard does not protect this.
		err = store.ErrNotFound
	case r.URL.Path == dashboard.ClusterPath:
		return true, d.cluster(w, r)
	default:
		err = d.page.Serve(w, asWritten(r))
	}
	if err != nil {
		fail(w, r, err, d.app)
	}
	return true, nil
}

// cluster tells what the members are doing. The request has a reference to the
// connection, as a reload takes the handler's away under it.
func (d *Dashboard) cluster(w http.ResponseWriter, r *http.Request) error {
	c, err := d.app.borrow()
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	defer c.giveBack()
	if err := c.survey.Serve(w, r); err != nil {
		fail(w, r, err, d.app)
	}
	return nil
}

// leadsTo is where the dashboard is, from an address that leads there. It is
// relative, because what stands before /mod may have been stripped on the way here.
func leadsTo(r *http.Request) string {
	switch r.URL.EscapedPath() {
	case "/mod":
		return "mod/dashboard/"
	case "/mod/", dashboard.Root:
		return "dashboard/"
	}
	return ""
}

func redirect(w http.ResponseWriter, r *http.Request, to string) error {
	if err := dashboard.ReadsOnly(w, r); err != nil {
		return err
	}
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to) // http.Redirect would make an absolute path of it
	w.WriteHeader(http.StatusFound)
	return nil
}

// mostStripped is how many folders a prefix may have. Each is looked at, in a path that
// may be long.
const mostStripped = 32

// asWritten is the request with its path as the client wrote it, from /mod on. When it
// strips a prefix, Caddy takes dots out too, also encoded ones, and makes one slash of
// several: to a browser, all of those are folders.
func asWritten(r *http.Request) *http.Request {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		return r
	}
	written, now := original.URL.EscapedPath(), caddyhttp.CleanPath(r.URL.Path, true)
	folders := 0
	for i := range written {
		if written[i] != '/' {
			continue
		}
		if folders++; folders > mostStripped {
			break
		}
		path, err := url.PathUnescape(written[i:])
		if err == nil && caddyhttp.CleanPath(path, true) == now {
			asked := r.Clone(r.Context())
			asked.URL.Path, asked.URL.RawPath = path, written[i:]
			return asked
		}
	}
	return r
}

// UnmarshalCaddyfile parses the handler. Syntax:
//
//	etcd_dashboard [<matcher>] {
//	    read_only
//	}
//
// The block is optional.
func (d *Dashboard) UnmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	disp.Next() // etcd_dashboard
	return d.unmarshalCaddyfile(disp)
}

// unmarshalCaddyfile parses what comes after the handler's name, or that of its part
// of the etcd directive.
func (d *Dashboard) unmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	directive := disp.Val()
	if err := nothingMore(disp, directive); err != nil {
		return err
	}
	for nesting := disp.Nesting(); disp.NextBlock(nesting); {
		name := disp.Val()
		switch {
		case name != "read_only":
			return disp.Errf("unknown option '%s' in %s", name, directive)
		case d.ReadOnly:
			return setTwice(disp)
		}
		d.ReadOnly = true
		if err := nothingMore(disp, name); err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Dashboard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Dashboard)(nil)
	_ caddyfile.Unmarshaler       = (*Dashboard)(nil)
)
