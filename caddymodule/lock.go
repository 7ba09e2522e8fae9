package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

func init() {
	caddy.RegisterModule(Lock{})
	httpcaddyfile.RegisterHandlerDirective("etcd_lock", parseLock)
	httpcaddyfile.RegisterDirectiveOrder("etcd_lock", httpcaddyfile.Before, "reverse_proxy")
}

// Lock answers requests for locks, those whose path begins with `/mod/v2/lock/`,
// and hands all others to the next handler. It needs the etcd app.
type Lock struct {
	// How many requests may wait at once, on all locks of this process. One more
	// is answered with 429. Default: 100000.
	MaxWaiting int `json:"max_waiting,omitempty"`

	// The longest key, in bytes. Default: 1024.
	MaxKey int `json:"max_key,omitempty"`

	// The longest value, in bytes. Default: 65536. etcd by itself takes no
	// request of more than 1.5 MiB.
	MaxValue int `json:"max_value,omitempty"`

	// The longest request body, in bytes. Default: 262144, as a value in a form
	// may be three times as long as it is.
	MaxBody int `json:"max_body,omitempty"`

	// The longest TTL that a client may ask for. Default: 24 hours.
	MaxTTL caddy.Duration `json:"max_ttl,omitempty"`

	logger *zap.Logger
	app    *App
}

// CaddyModule returns the Caddy module information.
func (Lock) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.etcd_lock", New: func() caddy.Module { return new(Lock) }}
}

// Provision finds the app.
func (l *Lock) Provision(ctx caddy.Context) error {
	l.logger = ctx.Logger()
	app, err := ctx.AppIfConfigured("etcd")
	if err != nil {
		return fmt.Errorf("etcd_lock needs the etcd app, which says where etcd is (in a Caddyfile, the global etcd option): %w", err)
	}
	l.app = app.(*App)
	return nil
}

// Validate checks the limits.
func (l *Lock) Validate() error {
	for name, limit := range map[string]int64{
		"max_waiting": int64(l.MaxWaiting), "max_key": int64(l.MaxKey), "max_value": int64(l.MaxValue),
		"max_body": int64(l.MaxBody), "max_ttl": int64(l.MaxTTL),
	} {
		if limit < 0 {
			return fmt.Errorf("%s must not be negative", name)
		}
	}
	if l.MaxTTL != 0 && time.Duration(l.MaxTTL) < time.Second {
		return fmt.Errorf("max_ttl must be at least 1s")
	}
	return nil
}

func (l *Lock) limits() lockmod.Limits {
	limits := lockmod.DefaultLimits()
	return lockmod.Limits{
		MaxWaiting: cmp.Or(l.MaxWaiting, limits.MaxWaiting),
		MaxKey:     cmp.Or(l.MaxKey, limits.MaxKey),
		MaxValue:   cmp.Or(l.MaxValue, limits.MaxValue),
		MaxBody:    cmp.Or(l.MaxBody, limits.MaxBody),
		MaxTTL:     cmp.Or(time.Duration(l.MaxTTL), limits.MaxTTL),
	}
}

// ServeHTTP answers what is for a lock. The request has a reference to the
// gateway, which therefore outlives the configuration for as long as it waits
// (I8).
func (l *Lock) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !strings.HasPrefix(r.URL.Path+"/", lockmod.Prefix) {
		return next.ServeHTTP(w, r)
	}
	gateway, reference, err := acquireGateway(l.app.settings)
	if err != nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	defer func() {
		if err := reference.release(); err != nil {
			l.logger.Error("ending a gateway", zap.Error(err))
		}
	}()
	lockmod.NewHandler(gateway.locks, l.limits(), l.logger).ServeHTTP(w, r)
	return nil
}

func parseLock(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	l := new(Lock)
	return l, l.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	etcd_lock [<matcher>] {
//	    max_waiting <number>
//	    max_key     <size>
//	    max_value   <size>
//	    max_body    <size>
//	    max_ttl     <duration>
//	}
func (l *Lock) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	return l.unmarshalBlock(d)
}

// unmarshalBlock reads the limits from the block behind the word that the
// dispenser is at.
func (l *Lock) unmarshalBlock(d *caddyfile.Dispenser) error {
	if name := d.Val(); d.NextArg() {
		return d.Errf("unexpected '%s' after %s", d.Val(), name)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name, text := d.Val(), ""
		if err := once(d, seen, name); err != nil {
			return err
		}
		sizes := map[string]*int{"max_key": &l.MaxKey, "max_value": &l.MaxValue, "max_body": &l.MaxBody}
		if _, isSize := sizes[name]; !isSize && name != "max_waiting" && name != "max_ttl" {
			return d.Errf("unknown lock option '%s'", name)
		}
		if err := one(d, &text); err != nil {
			return err
		}
		switch name {
		case "max_waiting":
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return d.Errf("max_waiting '%s' is not a number above 0", text)
			}
			l.MaxWaiting = n
		case "max_ttl":
			ttl, err := caddy.ParseDuration(text)
			if err != nil || ttl < time.Second {
				return d.Errf("max_ttl '%s' is not a duration of at least 1s", text)
			}
			l.MaxTTL = caddy.Duration(ttl)
		default:
			size, err := humanize.ParseBytes(text)
			if err != nil || size < 1 || size > 1<<30 {
				return d.Errf("%s '%s' is not a size from 1B to 1GiB", name, text)
			}
			*sizes[name] = int(size)
		}
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Lock)(nil)
	_ caddy.Validator             = (*Lock)(nil)
	_ caddyhttp.MiddlewareHandler = (*Lock)(nil)
	_ caddyfile.Unmarshaler       = (*Lock)(nil)
)
