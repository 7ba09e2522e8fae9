package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv2 "go.etcd.io/etcd/client/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-etcd/caddy-etcd/store/etcdv3"
)

// TLS is how the gateway speaks TLS to etcd. Placeholders work everywhere.
type TLS struct {
	// A PEM file with the certificates of the authorities that are trusted to
	// vouch for etcd. Default: those of the system.
	CA string `json:"ca,omitempty"`

	// PEM files with the gateway's own certificate and its key, for an etcd that
	// asks for one.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`

	// The name that etcd's certificate has to be for. Default: the endpoint's.
	ServerName string `json:"server_name,omitempty"`

	// Take any certificate. Only for trying things out: whoever is in between
	// can read and change everything.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

func (t *TLS) replaced(repl *caddy.Replacer) *TLS {
	if t == nil {
		return nil
	}
	return &TLS{
		CA:                 repl.ReplaceAll(t.CA, ""),
		Cert:               repl.ReplaceAll(t.Cert, ""),
		Key:                repl.ReplaceAll(t.Key, ""),
		ServerName:         repl.ReplaceAll(t.ServerName, ""),
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
}

func (t *TLS) info() transport.TLSInfo {
	if t == nil {
		return transport.TLSInfo{}
	}
	return transport.TLSInfo{
		CertFile:           t.Cert,
		KeyFile:            t.Key,
		TrustedCAFile:      t.CA,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
}

// newClient makes a client. It does not connect.
func newClient(s settings, logger *zap.Logger) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints:   s.Endpoints,
		Username:    s.Username,
		Password:    s.Password,
		DialOptions: etcdv3.DialOptions(),
		// gRPC tells of each attempt to connect.
		Logger: logger.Named("client").WithOptions(zap.IncreaseLevel(zapcore.ErrorLevel)),
	}
	if strings.HasPrefix(s.Endpoints[0], "https:") {
		tls, err := s.TLS.info().ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("reading TLS certificates: %w", err)
		}
		config.TLS = tls
	}
	return clientv3.New(config)
}

// parseEndpoint returns an endpoint as a URL.
func parseEndpoint(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("endpoint %q: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("endpoint %q: the scheme is neither http nor https", text)
	case u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "":
		return "", fmt.Errorf("endpoint %q is not of the form http://host:port", text)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "2379")
	}
	return u.Scheme + "://" + u.Host, nil
}

func oneScheme(endpoints []string) error {
	for _, e := range endpoints {
		first, _, _ := strings.Cut(endpoints[0], ":")
		if !strings.HasPrefix(e, first+":") {
			return fmt.Errorf("endpoints %s and %s have different schemes", endpoints[0], e)
		}
	}
	return nil
}

// versionWithin bounds the look at etcd's version when the gateway starts.
const versionWithin = 2 * time.Second

var firstV3 = semver.Must(semver.NewVersion("3.0.0"))

// checkAPI refuses an etcd that has no v3 API: two gateways on one cluster that
// used different APIs would each grant the same lock.
func checkAPI(s settings, logger *zap.Logger) error {
	config := clientv2.Config{Endpoints: s.Endpoints, Transport: clientv2.DefaultTransport}
	if strings.HasPrefix(s.Endpoints[0], "https:") {
		tls, err := s.TLS.info().ClientConfig()
		if err != nil {
			return fmt.Errorf("reading TLS certificates: %w", err)
		}
		own := &http.Transport{TLSClientConfig: tls, TLSHandshakeTimeout: versionWithin}
		defer own.CloseIdleConnections()
		config.Transport = own
	}
	client, err := clientv2.New(config)
	if err != nil {
		return fmt.Errorf("making a client of etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionWithin)
	defer cancel()
	versions, err := client.GetVersion(ctx)
	if err != nil {
		logger.Warn("etcd does not answer: locks wait until it does", zap.Error(err))
		return nil
	}
	if v, err := semver.NewVersion(versions.Server); err == nil && v.LessThan(*firstV3) {
		return errors.New("etcd " + versions.Server + " has no v3 API: set `api v2` in the etcd option")
	}
	return nil
}
