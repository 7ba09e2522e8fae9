package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store/etcdv3"
)

// gateways are those that are in use, by their settings. A configuration that is
// loaded takes what the one before had, if their settings are the same (I8).
var gateways = caddy.NewUsagePool()

// settings are what makes one gateway another: all that concerns etcd. What does
// not, such as limits, may change while requests wait.
type settings struct {
	Embedded  string // the embedded server's configuration
	Endpoints []string
	Prefix    string
	Username  string
	Password  string
	TLS       *TLS

	server EmbeddedServer
}

// poolKey is a hash: it holds a password.
type poolKey [sha256.Size]byte

func (s settings) key() poolKey {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of strings
	}
	return sha256.Sum256(text)
}

// gateway is what waiting requests hang on: a client of etcd, the session on it
// and the locks, and the embedded server, if any, under them.
type gateway struct {
	client *clientv3.Client
	store  *etcdv3.Store
	locks  *lockmod.Service
	logger *zap.Logger

	mu         sync.Mutex
	stopServer func() error // of the embedded server, if it was started
}

// poolReference is one reference to a pooled gateway. The zero one is none.
type poolReference struct {
	key poolKey
	set bool
}

func (r *poolReference) release() error {
	if !r.set {
		return nil
	}
	r.set = false
	_, err := gateways.Delete(r.key)
	return err
}

// acquireGateway returns the gateway with those settings, and a reference to it.
func acquireGateway(s settings) (*gateway, poolReference, error) {
	key := s.key()
	g, _, err := gateways.LoadOrNew(key, func() (caddy.Destructor, error) { return newGateway(s) })
	if err != nil {
		return nil, poolReference{}, err
	}
	return g.(*gateway), poolReference{key: key, set: true}, nil
}

func newGateway(s settings) (*gateway, error) {
	// It outlives the configuration, so the logger is not the configuration's.
	logger := caddy.Log().Named("etcd")
	client, err := newClient(s, logger)
	if err != nil {
		return nil, fmt.Errorf("making a client of etcd: %w", err)
	}
	st := etcdv3.Open(client, etcdv3.Options{Prefix: s.Prefix, Logger: logger})
	return &gateway{
		client: client,
		store:  st,
		locks:  lockmod.New(st, "lock", logger.Named("lock")),
		logger: logger,
	}, nil
}

// startServer starts the embedded server, once.
func (g *gateway) startServer(server EmbeddedServer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopServer != nil {
		return nil
	}
	stop, err := server.Start(g.logger.Named("embedded"))
	g.stopServer = stop
	return err
}

// Together these leave time enough for the rest of a stop to end within 5 s.
const (
	stopWaitingWithin = 1500 * time.Millisecond
	closeStoreWithin  = 1500 * time.Millisecond
)

// stopWaiting answers everybody who waits.
func (g *gateway) stopWaiting(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWaitingWithin)
	defer cancel()
	g.locks.Close(ctx)
}

// Destruct ends the gateway when nobody refers to it any more.
func (g *gateway) Destruct() error {
	g.stopWaiting(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), closeStoreWithin)
	defer cancel()
	var errs []error
	if err := g.store.Close(ctx); err != nil {
		// Its entries go by themselves when the session's lease has run out.
		g.logger.Warn("the session could not be ended", zap.Error(err))
	}
	errs = append(errs, g.client.Close())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopServer != nil {
		errs = append(errs, g.stopServer())
	}
	return errors.Join(errs...)
}
