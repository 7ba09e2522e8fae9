package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

func init() {
	caddy.RegisterModule(Lock{})
}

// Lock serves fair locks below `/mod/v2/lock/`, kept in the etcd that the etcd
// app names. Other requests go to the next handler.
//
// The limits hold for this handler; requests that wait are counted together with
// those of all handlers on the same etcd. What a request asks beyond them is
// refused.
type Lock struct {
	// How many requests may wait for locks at once; more are answered with 429.
	// Default: 100000.
	MaxWaiting int `json:"max_waiting,omitempty"`

	// The longest key, in bytes; 413 beyond. Default: 1024.
	MaxKey int `json:"max_key,omitempty"`

	// The longest value, in bytes, up to 1 MiB, because etcd takes no more;
	// 413 beyond. Default: 65536.
	MaxValue int `json:"max_value,omitempty"`

	// The longest body of a request, in bytes; 413 beyond. It has to hold the
	// value, percent-encoded. Default: 262144.
	MaxBody int `json:"max_body,omitempty"`

	// The longest TTL that a client may ask for, in whole seconds; 400 beyond.
	// Default: `24h`.
	MaxTTL caddy.Duration `json:"max_ttl,omitempty"`

	app    *App
	limits lockmod.Limits
	serve  *lockmod.Front // on the app's connection
	logger *zap.Logger
}

// mostValue leaves room for the rest of etcd's 1.5 MiB for a request.
const mostValue = 1 << 20

// CaddyModule returns the Caddy module information.
func (Lock) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.etcd_lock",
		New: func() caddy.Module { return new(Lock) },
	}
}

// Provision finds the etcd app.
func (l *Lock) Provision(ctx caddy.Context) error {
	l.logger = ctx.Logger()
	if err := l.setLimits(); err != nil {
		return err
	}
	app, err := etcdApp(ctx)
	if err != nil {
		return err
	}
	l.app = app
	app.watchConns(ctx)
	l.serve = l.handler(app.connection)
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

func (l *Lock) setLimits() error {
	l.limits = lockmod.DefaultLimits()
	for _, f := range []struct {
		name  string
		value int
		limit *int
	}{
		{"max_waiting", l.MaxWaiting, &l.limits.MaxWaiting},
		{"max_key", l.MaxKey, &l.limits.MaxKey},
		{"max_value", l.MaxValue, &l.limits.MaxValue},
		{"max_body", l.MaxBody, &l.limits.MaxBody},
	} {
		if f.value < 0 {
			return fmt.Errorf("%s %d is negative", f.name, f.value)
		}
		if f.value > 0 {
			*f.limit = f.value
		}
	}
	if l.limits.MaxValue > mostValue {
		return fmt.Errorf("max_value %d is more than the %d that etcd can hold", l.MaxValue, mostValue)
	}
	switch ttl := time.Duration(l.MaxTTL); {
	case ttl == 0:
	case ttl < time.Second || ttl%time.Second != 0:
		return fmt.Errorf("max_ttl %s is not a whole number of seconds, at least 1", ttl)
	default:
		l.limits.MaxTTL = ttl
	}
	return nil
}

func (l *Lock) handler(c *connection) *lockmod.Front {
	return lockmod.NewHandler(c.locks, l.limits, l.logger)
}

// ServeHTTP serves requests for locks. It keeps little on its stack while it does
// (see lockmod.Front.Aside).
func (l *Lock) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !below(r.URL.Path, lockPath) {
		return next.ServeHTTP(w, r)
	}
	var s *serving
	var err error
	l.serve.Aside(func() { s, err = l.begin(w, r) })
	if s == nil {
		return err
	}
	defer s.connection.giveBack()
	s.call.Finish()
	return nil
}

// serving is a request that waits for a lock. It has a reference to the
// connection for as long as it waits, because a reload takes the handler's away
// under it.
type serving struct {
	connection *connection
	call       *lockmod.Call
}

// begin returns nil if the request has been answered.
func (l *Lock) begin(w http.ResponseWriter, r *http.Request) (*serving, error) {
	if !below(caddyhttp.CleanPath(r.URL.Path, true), lockPath) {
		// Matchers see the path without its dots: what protects the locks does
		// not protect this.
		lockmod.WriteError(w, lockmod.Explain(store.ErrNotFound), r.URL.Path, l.app.connection.locks.Revision())
		return nil, nil
	}
	c, err := l.app.borrow()
	if err != nil {
		return nil, caddyhttp.Error(http.StatusInternalServerError, err)
	}
	handler := l.serve
	if c != l.app.connection {
		handler = l.handler(c)
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

// lockPath is where the locks are.
var lockPath = strings.TrimSuffix(lockmod.Prefix, "/")

// below says whether a path is root, or below it.
func below(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Lock)(nil)
	_ caddyhttp.MiddlewareHandler = (*Lock)(nil)
)
