package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// embeddedID is the module that package caddymodule/embedded brings.
const embeddedID = "etcd.embedded"

// Embedded is an etcd server that runs in this process. The module etcd.embedded
// is one; it stands in a package of its own, so that a build can leave it out.
type Embedded interface {
	caddy.Module

	// Address is where clients reach the server: unix:PATH or http://HOST:PORT. It
	// works on a module that has been decoded and not provisioned.
	Address() string

	// Identity is the same for configurations that mean the same server.
	Identity() string

	// Start starts the server, or shares the one that runs already, and returns
	// when it serves. The server runs until stop has been called as often as
	// Start succeeded; the last stop waits for its end, for a few seconds.
	Start(logger *zap.Logger) (stop func() error, err error)
}

// newEmbedded decodes an embedded server that is only to be asked for its
// address.
func newEmbedded(raw json.RawMessage) (Embedded, error) {
	info, err := caddy.GetModule(embeddedID)
	if err != nil {
		return nil, explainMissing(err)
	}
	mod := info.New()
	if err := caddy.StrictUnmarshalJSON(raw, mod); err != nil {
		return nil, fmt.Errorf("decoding embedded: %w", err)
	}
	return mod.(Embedded), nil
}

// explainMissing makes an error about a missing module say what to do.
func explainMissing(err error) error {
	if err == nil || !strings.Contains(err.Error(), "not registered") && !strings.Contains(err.Error(), "unknown module") {
		return err
	}
	return fmt.Errorf("this caddy was built without the embedded etcd: build it with the package "+
		"github.com/caddy-etcd/caddy-etcd/caddymodule/embedded, or name the endpoints of an etcd that runs elsewhere (%w)", err)
}
