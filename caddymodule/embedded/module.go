// Package embedded is a single-node etcd in the gateway's own process. It is a
// package of its own so that a build can leave it out.
package embedded

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
)

func init() {
	caddy.RegisterModule(Etcd{})
}

// Etcd is a single-node etcd in this process. It starts with the first
// configuration that has it and stops with the last, so reloads leave it running;
// settings that differ take a restart.
//
// By default, it is reached through the gateway only: it listens on a socket in
// its data folder, on no port.
type Etcd struct {
	// The folder with etcd's data. If it does not exist, it is made, for this
	// process's user only. A relative path begins at the folder that Caddy was
	// started in. Placeholders don't work. Required.
	DataDir string `json:"data_dir,omitempty"`

	// Where etcd serves clients that don't come through the gateway:
	// `http://127.0.0.1:2379`. It has no TLS, so keep it to an address of this
	// machine. Default: nowhere.
	Listen string `json:"listen,omitempty"`

	// The URL that etcd gives to clients which ask for its members, `etcdctl
	// member list` say, and use what they get: the gateway's own, as clients see
	// it. Default: `listen`, or `http://127.0.0.1:4001`.
	Advertise string `json:"advertise,omitempty"`

	// How much of the past etcd keeps for watches and reads of old revisions.
	// At least `1s`. Default: `1h`.
	AutoCompaction caddy.Duration `json:"auto_compaction,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Etcd) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "etcd.embedded",
		New: func() caddy.Module { return new(Etcd) },
	}
}

const (
	defaultAdvertise  = "http://127.0.0.1:4001"
	defaultCompaction = time.Hour

	// socketName is the socket's in the data folder.
	socketName = "etcd.sock"

	// maxSocketPath is how long a socket's path may be on every system.
	maxSocketPath = 103
)

// Validate checks what can be checked without touching anything.
func (e *Etcd) Validate() error {
	if e.DataDir == "" {
		return fmt.Errorf("data_dir is not set")
	}
	if _, err := checkURL("advertise", e.Advertise); err != nil {
		return err
	}
	u, err := checkURL("listen", e.Listen)
	switch {
	case err != nil:
		return err
	case u == nil:
		if path := e.socket(); len(path) > maxSocketPath {
			return fmt.Errorf("data_dir %q is too long: its socket stands in it, and a socket's path may have %d bytes at most, not %d; use a shorter one, a relative one, or listen",
				e.DataDir, maxSocketPath, len(path))
		}
	case u.Scheme != "http":
		return fmt.Errorf("listen %q is not http", e.Listen)
	case net.ParseIP(u.Hostname()) == nil && u.Hostname() != "localhost":
		return fmt.Errorf("listen %q: the host has to be an IP address", e.Listen)
	case u.Port() == "0":
		return fmt.Errorf("listen %q: the port cannot be left to the system", e.Listen)
	}
	if c := time.Duration(e.AutoCompaction); c != 0 && c < time.Second {
		return fmt.Errorf("auto_compaction %s is less than 1s", c)
	}
	return nil
}

// checkURL parses an address, nil if it is not set.
func checkURL(name, text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %q is not a URL: %w", name, text, err)
	case (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Port() == "" ||
		u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s %q is not of the form http://host:port", name, text)
	}
	return u, nil
}

// socket is the path of the socket, relative if the data folder is: so it is short
// wherever Caddy was started.
func (e *Etcd) socket() string { return filepath.Join(e.DataDir, socketName) }

// Address implements caddymodule.Embedded.
func (e *Etcd) Address() string { return cmp.Or(e.Listen, "unix:"+e.socket()) }

// Identity implements caddymodule.Embedded.
func (e *Etcd) Identity() string {
	dir, err := filepath.Abs(e.DataDir)
	if err != nil {
		dir = e.DataDir // the working folder has gone; so has everything in it
	}
	return fmt.Sprintf("%q %q %q %d", dir, e.Listen, e.Advertise, e.AutoCompaction)
}

// servers are those that run, by their data folder.
var servers = caddy.NewUsagePool()

// Start implements caddymodule.Embedded.
func (e *Etcd) Start(logger *zap.Logger) (stop func() error, err error) {
	dir, err := filepath.Abs(e.DataDir)
	if err != nil {
		return nil, fmt.Errorf("finding data_dir %s: %w", e.DataDir, err)
	}
	value, _, err := servers.LoadOrNew(dir, func() (caddy.Destructor, error) {
		return e.start(logger.Named("embedded"))
	})
	if err != nil {
		return nil, err
	}
	release := func() error {
		_, err := servers.Delete(dir)
		return err
	}
	if value.(*server).identity != e.Identity() {
		_ = release()
		return nil, fmt.Errorf("the etcd on %s runs with other settings; a restart of caddy changes them, a reload cannot", e.DataDir)
	}
	return release, nil
}

// UnmarshalCaddyfile parses the option of the global etcd option. Syntax:
//
//	embedded <data folder> {
//	    listen          <url>
//	    advertise       <url>
//	    auto_compaction <duration>
//	}
//
// The block and everything in it are optional.
func (e *Etcd) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // embedded
	if !d.NextArg() || d.Val() == "" {
		return d.Err("embedded needs a folder for etcd's data")
	}
	e.DataDir = d.Val()
	if d.NextArg() {
		return d.Errf("unexpected '%s' after embedded %s", d.Val(), e.DataDir)
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		name := d.Val()
		if seen[name] {
			return d.Errf("%s is set twice", name)
		}
		seen[name] = true
		switch name {
		case "listen", "advertise", "auto_compaction":
		default:
			return d.Errf("unknown option '%s' in embedded", name)
		}
		if !d.NextArg() || d.Val() == "" {
			return d.Errf("%s needs a value", name)
		}
		word := d.Val()
		switch name {
		case "listen":
			e.Listen = word
		case "advertise":
			e.Advertise = word
		case "auto_compaction":
			duration, err := caddy.ParseDuration(word)
			if err != nil || duration <= 0 {
				return d.Errf("auto_compaction '%s' is not a duration above 0", word)
			}
			e.AutoCompaction = caddy.Duration(duration)
		}
		if d.NextArg() {
			return d.Errf("unexpected '%s' after %s", d.Val(), name)
		}
	}
	if err := e.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Interface guards
var (
	_ caddymodule.Embedded  = (*Etcd)(nil)
	_ caddy.Validator       = (*Etcd)(nil)
	_ caddyfile.Unmarshaler = (*Etcd)(nil)
)
