package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// EmbeddedServer is an etcd in this process. It is a module of its own, with the
// ID etcd.embedded, so that a build can leave the server's 25 MB out.
type EmbeddedServer interface {
	// Endpoint is the client URL, http://host:port or unix:///path, that the
	// server has when it runs.
	Endpoint() (string, error)

	// Start starts the server and returns when it serves. The server runs until
	// stop has been called as often as Start has.
	Start(logger *zap.Logger) (stop func() error, err error)
}

const embeddedID = "etcd.embedded"

// loadEmbedded returns the server that raw configures.
func loadEmbedded(raw json.RawMessage) (EmbeddedServer, error) {
	info, err := caddy.GetModule(embeddedID)
	if err != nil {
		return nil, fmt.Errorf("embedded: this caddy was built without the embedded etcd (package caddymodule/embedded): %w", err)
	}
	server, ok := info.New().(EmbeddedServer)
	if !ok {
		return nil, fmt.Errorf("embedded: module %s is no embedded server", embeddedID)
	}
	if err := caddy.StrictUnmarshalJSON(raw, server); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	return server, nil
}
