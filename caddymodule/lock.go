package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

func init() {
	caddy.RegisterModule(Lock{})
}

// Lock serves fair locks below `/mod/v2/lock/`, kept in the etcd that the etcd
// app names. Other requests go to the next handler.
//
// The limits hold for this handler; requests that wait are counted together with
// those of all lock handlers on the same etcd. What a request asks beyond them is
// refused.
type Lock struct {
	Limits
	front
}

// locks is the module that Lock serves.
var locks = module{
	path:    strings.TrimSuffix(lockmod.Prefix, "/"),
	service: func(c *connection) *lockmod.Service { return c.locks },
	handler: lockmod.NewHandler,
}

// CaddyModule returns the Caddy module information.
func (Lock) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_lock",
		New: func() caddy.Module { return new(Lock) },
	}
}

// Provision finds the etcd app.
func (l *Lock) Provision(ctx caddy.Context) error { return l.provision(ctx, locks, l.Limits) }

// UnmarshalCaddyfile parses the handler. Syntax:
//
//	etcd_lock [<matcher>] {
//	    max_waiting <number>
//	    max_key     <size>
//	    max_value   <size>
//	    max_body    <size>
//	    max_ttl     <duration>
//	}
//
// The block and everything in it are optional. Sizes are in bytes, or with a
// unit: 64KiB.
func (l *Lock) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // etcd_lock
	return l.unmarshalCaddyfile(d)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Lock)(nil)
	_ caddyhttp.MiddlewareHandler = (*Lock)(nil)
	_ caddyfile.Unmarshaler       = (*Lock)(nil)
)
