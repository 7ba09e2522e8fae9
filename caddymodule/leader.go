package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/leadermod"
	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

func init() {
	caddy.RegisterModule(Leader{})
}

// Leader serves leader elections below `/mod/v2/leader/`, kept in the etcd that
// the etcd app names. Other requests go to the next handler.
//
// The limits hold for this handler; requests that wait are counted together with
// those of all leader handlers on the same etcd. What a request asks beyond them
// is refused.
type Leader struct {
	Limits
	front
}

// leaders is the module that Leader serves.
var leaders = module{
	path:    strings.TrimSuffix(leadermod.Prefix, "/"),
	service: func(c *connection) *lockmod.Service { return c.leaders },
	handler: leadermod.NewHandler,
}

// CaddyModule returns the Caddy module information.
func (Leader) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_leader",
		New: func() caddy.Module { return new(Leader) },
	}
}

// Provision finds the etcd app.
func (l *Leader) Provision(ctx caddy.Context) error { return l.provision(ctx, leaders, l.Limits) }

// UnmarshalCaddyfile parses the handler. Syntax:
//
//	etcd_leader [<matcher>] {
//	    max_waiting <number>
//	    max_key     <size>
//	    max_value   <size>
//	    max_body    <size>
//	    max_ttl     <duration>
//	}
//
// The block and everything in it are optional; they are as etcd_lock's, and
// max_value is for names.
func (l *Leader) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // etcd_leader
	return l.unmarshalCaddyfile(d)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Leader)(nil)
	_ caddyhttp.MiddlewareHandler = (*Leader)(nil)
	_ caddyfile.Unmarshaler       = (*Leader)(nil)
)
