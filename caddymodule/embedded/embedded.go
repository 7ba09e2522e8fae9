// Package embedded is an etcd that runs inside the gateway's process: one member,
// in a folder of its own.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
)

func init() { caddy.RegisterModule(Server{}) }

// Server configures the embedded etcd.
type Server struct {
	// The folder with etcd's data, made if it is not there. Required. Only one
	// process can use it at a time.
	DataDir string `json:"data_dir,omitempty"`

	// The address at which etcd's own clients reach it directly,
	// `http://127.0.0.1:2379` say. Default: none; it is reached through the
	// gateway, which speaks to it over a Unix socket in its folder.
	Listen string `json:"listen,omitempty"`

	// The client URL that etcd gives to clients which ask for its members: the
	// gateway's own address, as clients see it. Default: `http://127.0.0.1:4001`.
	Advertise string `json:"advertise,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Server) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "etcd.embedded", New: func() caddy.Module { return new(Server) }}
}

const (
	defaultAdvertise = "http://127.0.0.1:4001"
	socketName       = "client.sock"
	lockName         = "gateway.lock"
	maxSocketPath    = 103 // bytes; what every Unix takes

	startWithin     = 60 * time.Second
	compactionAfter = "1h" // of history
)

// Endpoint is the client URL that the server has when it runs.
func (s *Server) Endpoint() (string, error) {
	if s.DataDir == "" {
		return "", errors.New("embedded: a folder for etcd's data is required")
	}
	if s.Listen != "" {
		u, err := url.Parse(s.Listen)
		if err != nil || u.Scheme != "http" || u.Port() == "" || u.Path != "" {
			return "", fmt.Errorf("embedded: listen %q is not of the form http://host:port", s.Listen)
		}
		return s.Listen, nil
	}
	path := filepath.Join(s.DataDir, socketName)
	if abs, err := filepath.Abs(path); err != nil || len(abs) > maxSocketPath {
		return "", fmt.Errorf("embedded: the path of %s is too long for a socket: use a folder with a shorter one, or listen", path)
	}
	return "unix://" + path, nil
}

// servers are those that run, by their folders.
var servers = caddy.NewUsagePool()

// Start starts the server, or finds it running, as after a reload.
func (s *Server) Start(logger *zap.Logger) (stop func() error, err error) {
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	_, running, err := servers.LoadOrNew(dir, func() (caddy.Destructor, error) { return s.start(dir, logger) })
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if running {
		logger.Info("using the embedded etcd that runs already", zap.String("data_dir", dir))
	}
	return func() error {
		_, err := servers.Delete(dir)
		return err
	}, nil
}

// server is a running etcd.
type server struct {
	etcd *embed.Etcd
	lock *fileutil.LockedFile
}

func (s *Server) start(dir string, logger *zap.Logger) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for etcd's data: %w", err)
	}
	// etcd itself would wait for the other process to end.
	lock, err := fileutil.TryLockFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("%s is in use by another process", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	etcd, err := s.startEtcd(dir, logger)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &server{etcd: etcd, lock: lock}, nil
}

func (s *Server) startEtcd(dir string, logger *zap.Logger) (*embed.Etcd, error) {
	config, err := s.config(dir, logger)
	if err != nil {
		return nil, err
	}
	logger.Info("starting the embedded etcd", zap.String("data_dir", dir))
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("starting etcd: %w", err)
	case <-ctx.Done():
		etcd.Close()
		return nil, fmt.Errorf("etcd has not become ready within %v", startWithin)
	}
}

func (s *Server) config(dir string, logger *zap.Logger) (*embed.Config, error) {
	config := embed.NewConfig()
	config.Dir = dir
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger.WithOptions(zap.IncreaseLevel(zapcore.WarnLevel)))
	config.AutoCompactionMode = embed.CompactorModePeriodic
	config.AutoCompactionRetention = compactionAfter

	client := url.URL{Scheme: "unix", Path: filepath.Join(dir, socketName)}
	if s.Listen != "" {
		u, err := url.Parse(s.Listen)
		if err != nil {
			return nil, err
		}
		client = *u
	} else if err := os.Remove(client.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing what is left of the last run: %w", err)
	}
	advertise, err := url.Parse(cmp.Or(s.Advertise, defaultAdvertise))
	if err != nil {
		return nil, fmt.Errorf("advertise: %w", err)
	}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // there is none
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{*advertise}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	return config, nil
}

// Destruct stops the server.
func (s *server) Destruct() error {
	s.etcd.Close()
	return s.lock.Close()
}

// UnmarshalCaddyfile sets up the server from Caddyfile tokens:
//
//	embedded <folder> {
//	    listen    <url>
//	    advertise <url>
//	}
func (s *Server) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if !d.NextArg() {
		return d.Err("embedded needs a folder for etcd's data")
	}
	s.DataDir = d.Val()
	if d.NextArg() {
		return d.Errf("unexpected '%s' after embedded %s", d.Val(), s.DataDir)
	}
	for d.NextBlock(0) {
		var into *string
		name := d.Val()
		switch name {
		case "listen":
			into = &s.Listen
		case "advertise":
			into = &s.Advertise
		default:
			return d.Errf("unknown embedded option '%s'", name)
		}
		if *into != "" {
			return d.Errf("%s is given twice", name)
		}
		if !d.NextArg() {
			return d.Errf("%s needs a URL", name)
		}
		if *into = d.Val(); d.NextArg() {
			return d.Errf("unexpected '%s' after %s %s", d.Val(), name, *into)
		}
	}
	if _, err := s.Endpoint(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Interface guards.
var (
	_ caddymodule.EmbeddedServer = (*Server)(nil)
	_ caddyfile.Unmarshaler      = (*Server)(nil)
	_ caddy.Destructor           = (*server)(nil)
)
