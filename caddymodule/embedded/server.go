package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// readyWithin is how long a start waits for the server to serve.
	readyWithin = 30 * time.Second

	// stopWithin is how long a stop waits for the server's end. It is a part of
	// the 5 s in which the gateway has to be gone (I9). Nothing is lost by not
	// waiting: etcd writes before it answers.
	stopWithin = 1500 * time.Millisecond

	lockName = "caddy.lock"
)

// lockWithin is how long a start waits for the server that used the data before,
// of this process or of one that is just ending.
var lockWithin = 3 * time.Second

// server is a running etcd.
type server struct {
	identity string
	etcd     *embed.Etcd
	lock     *fileutil.LockedFile
	logger   *zap.Logger
	stopping atomic.Bool
}

func (e *Etcd) start(logger *zap.Logger) (*server, error) {
	if err := os.MkdirAll(e.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making data_dir: %w", err)
	}
	lock, err := e.lockData()
	if err != nil {
		return nil, err
	}
	s := &server{identity: e.Identity(), lock: lock, logger: logger}
	logger.Info("starting etcd", zap.String("data_dir", e.DataDir))
	if s.etcd, err = embed.StartEtcd(e.config(s.quiet())); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("starting etcd on %s: %w", e.DataDir, err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		go s.watch()
		return s, nil
	case err = <-s.etcd.Err():
	case <-time.After(readyWithin):
		err = fmt.Errorf("it does not serve after %s", readyWithin)
	}
	s.stop()
	return nil, fmt.Errorf("starting etcd on %s: %w", e.DataDir, err)
}

// lockData makes sure that no other process uses the data. Etcd itself would wait
// until that one ends, however long it takes.
func (e *Etcd) lockData() (*fileutil.LockedFile, error) {
	inUse := fmt.Errorf("data_dir %s is in use by another process", e.DataDir)
	name := filepath.Join(e.DataDir, lockName)
	lock, err := fileutil.TryLockFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	for end := time.Now().Add(lockWithin); errors.Is(err, fileutil.ErrLocked) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		lock, err = fileutil.TryLockFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	}
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, inUse
	}
	if err != nil {
		return nil, fmt.Errorf("locking data_dir: %w", err)
	}
	// That was for gateways. An etcd of its own locks its database.
	database := filepath.Join(e.DataDir, "member", "snap", "db")
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		return lock, nil
	}
	db, err := bolt.Open(database, 0o600, &bolt.Options{Timeout: lockWithin, ReadOnly: true})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		_ = lock.Close()
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, inUse
		}
		return nil, fmt.Errorf("opening etcd's database: %w", err)
	}
	return lock, nil
}

// config is etcd's own.
func (e *Etcd) config(logger *zap.Logger) *embed.Config {
	c := embed.NewConfig()
	c.Name = "embedded"
	c.Dir = e.DataDir
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	c.AutoCompactionMode = embed.CompactorModePeriodic
	c.AutoCompactionRetention = cmp.Or(time.Duration(e.AutoCompaction), defaultCompaction).String()

	c.ListenClientUrls = []url.URL{{Scheme: "unix", Path: e.socket()}}
	if u, _ := url.Parse(e.Listen); e.Listen != "" {
		c.ListenClientUrls = []url.URL{*u}
	}
	advertise, _ := url.Parse(cmp.Or(e.Advertise, e.Listen, defaultAdvertise))
	c.AdvertiseClientUrls = []url.URL{*advertise}

	// There are no peers, so nothing listens for them. A member has to have a URL
	// for them all the same.
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	return c
}

// quiet is etcd's logger. It lets through what an operator should know, which is
// not that listeners are closed when etcd stops; with Caddy's debug option on,
// everything.
func (s *server) quiet() *zap.Logger {
	return s.logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return quietCore{core, &s.stopping} }))
}

type quietCore struct {
	zapcore.Core
	stopping *atomic.Bool
}

func (c quietCore) Enabled(level zapcore.Level) bool {
	from := zapcore.WarnLevel
	if c.stopping.Load() {
		from = zapcore.DPanicLevel
	}
	return c.Core.Enabled(level) && (level >= from || c.Core.Enabled(zapcore.DebugLevel))
}

func (c quietCore) With(fields []zapcore.Field) zapcore.Core {
	return quietCore{c.Core.With(fields), c.stopping}
}

func (c quietCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(entry.Level) {
		return checked
	}
	return c.Core.Check(entry, checked)
}

// watch tells of errors that the server runs into.
func (s *server) watch() {
	for err := range s.etcd.Err() {
		if err != nil && !s.stopping.Load() {
			s.logger.Error("etcd has failed", zap.Error(err))
		}
	}
}

// Destruct stops the server and waits for its end, for a while.
func (s *server) Destruct() error {
	s.logger.Info("stopping etcd")
	s.stopping.Store(true)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	select {
	case <-stopped:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("etcd has not stopped within %s", stopWithin)
	}
}

func (s *server) stop() {
	s.etcd.Close()
	_ = s.lock.Close()
}

// Interface guard
var _ caddy.Destructor = (*server)(nil)
