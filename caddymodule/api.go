package caddymodule

import (
	"context"
	"errors"
	"fmt"

	clientv2 "go.etcd.io/etcd/client/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdv2"
	"github.com/caddy-etcd/caddy-etcd/store/etcdv3"
)

// api is one of etcd's APIs, as a place for the locks. Nothing else here knows
// which one it is.
type api struct {
	// open makes a store without connecting it, and what closes its client after
	// it.
	open func(settings, *zap.Logger) (_ store.Store, closeClient func() error, _ error)

	// has asks a member whether it has the API.
	has func(context.Context, settings, member) (bool, error)

	// without says of a member that does not have it what to do.
	without func(member) string
}

var apis = map[string]api{
	"v3": {openV3, hasV3, withoutV3},
	"v2": {openV2, hasV2, withoutV2},
}

func openV3(s settings, logger *zap.Logger) (store.Store, func() error, error) {
	client, err := s.dial(logger)
	if err != nil {
		return nil, nil, err
	}
	return etcdv3.Open(client, etcdv3.Options{Prefix: s.Prefix, Logger: logger}), client.Close, nil
}

// dial makes a client of the v3 API without connecting it.
func (s settings) dial(logger *zap.Logger) (*clientv3.Client, error) {
	cfg := clientv3.Config{
		Endpoints:   s.Endpoints,
		DialOptions: etcdv3.DialOptions(),
		// An etcd that is away is told to each client; the log would fill.
		Logger: onlyErrors(logger),
	}
	var err error
	if cfg.TLS, err = s.tls(); err != nil {
		return nil, err
	}
	if s.Username == "" {
		return clientv3.New(cfg)
	}
	// With a username, New would log in, and wait for it. With a token it
	// doesn't; the first request finds the token invalid, and logs in.
	cfg.Token = "none yet"
	client, err := clientv3.New(cfg)
	if err != nil {
		return nil, err
	}
	client.Token, client.Username, client.Password = "", s.Username, s.Password
	return client, nil
}

func hasV3(_ context.Context, _ settings, m member) (bool, error) { return !m.before(3, 0), nil }

func withoutV3(member) string {
	return "which has no v3 API: set `api v2` in the global etcd option"
}

func openV2(s settings, logger *zap.Logger) (store.Store, func() error, error) {
	tls, err := s.tls()
	if err != nil {
		return nil, nil, err
	}
	st, err := etcdv2.Open(etcdv2.Options{
		Endpoints: s.Endpoints,
		Prefix:    s.Prefix,
		Username:  s.Username,
		Password:  s.Password,
		TLS:       tls,
		Logger:    logger,
	})
	if err != nil {
		return nil, nil, err
	}
	return st, func() error { return nil }, nil
}

// hasV2 reads a key: where the v2 API is not there, or is switched off, a page
// says that it is not found.
func hasV2(ctx context.Context, s settings, m member) (bool, error) {
	_, err := clientv2.NewKeysAPI(m.client).Get(ctx, s.Prefix, nil)
	switch {
	case errors.As(err, new(clientv2.Error)): // no such key, or no right to read it
		return true, nil
	case errors.Is(err, clientv2.ErrInvalidJSON):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading %s: %w", s.Prefix, err)
	}
	return true, nil
}

func withoutV2(m member) string {
	if m.before(3, 6) {
		return "and its v2 API is switched off: start etcd with `--enable-v2=true`, or set `api v3` in the global etcd option"
	}
	return "which has no v2 API any more: set `api v3` in the global etcd option"
}
