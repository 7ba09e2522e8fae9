package caddymodule

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.etcd.io/etcd/client/pkg/v3/transport"
)

// TLS is how the gateway, and the requests that it hands on, reach an etcd that
// speaks HTTPS. An empty object means HTTPS with the system's certificate
// authorities. Placeholders don't work, because the site's routes take the fields
// as they are.
type TLS struct {
	// A PEM file with the certificate authorities that etcd's certificates may
	// come from. A changed file takes a reload (`caddy reload --force`, if the
	// configuration is the same). Default: the system's.
	CA string `json:"ca,omitempty"`

	// A PEM file with the certificate that the gateway shows to etcd. A renewed
	// file takes a reload, as with `ca`. If etcd takes it for a user's, every
	// request that is handed on acts as that user. Default: none.
	Cert string `json:"cert,omitempty"`

	// A PEM file with the certificate's private key.
	Key string `json:"key,omitempty"`

	// The name that etcd's certificates have to be for, if it is not the
	// endpoint's. Default: the endpoint's.
	ServerName string `json:"server_name,omitempty"`

	// Whether to take any certificate, from anybody. For tests only: whoever
	// can get in between reads and changes everything. Default: false.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// check checks that the fields fit each other.
func (t *TLS) check() error {
	if t.Cert != "" && t.Key == "" {
		return fmt.Errorf("cert %q is set, but key is not", t.Cert)
	}
	if t.Key != "" && t.Cert == "" {
		return fmt.Errorf("key %q is set, but cert is not", t.Key)
	}
	return nil
}

// hashCA returns a hash of the certificate authorities in the file, empty if there
// is none. The client certificate needs no such thing: it is read again for every
// connection.
func (t *TLS) hashCA() (string, error) {
	if t.CA == "" {
		return "", nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return "", fmt.Errorf("reading ca: %w", err)
	}
	sum := sha256.Sum256(pem)
	return hex.EncodeToString(sum[:]), nil
}

// tls is the configuration for the gateway's own connections, nil without TLS.
func (s settings) tls() (*tls.Config, error) {
	if !s.Secure {
		return nil, nil
	}
	c, err := s.TLS.client()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return c, nil
}

// client reads the files.
func (t TLS) client() (*tls.Config, error) {
	return transport.TLSInfo{
		TrustedCAFile:      t.CA,
		CertFile:           t.Cert,
		KeyFile:            t.Key,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
	}.ClientConfig()
}

// proxy is the same for reverse_proxy.
func (t TLS) proxy() *reverseproxy.TLSConfig {
	c := &reverseproxy.TLSConfig{
		ClientCertificateFile:    t.Cert,
		ClientCertificateKeyFile: t.Key,
		ServerName:               t.ServerName,
		InsecureSkipVerify:       t.InsecureSkipVerify,
	}
	if t.CA != "" {
		pool := caddytls.FileCAPool{TrustedCACertPEMFiles: []string{t.CA}}
		c.CARaw = caddyconfig.JSONModuleObject(pool, "provider", "file", nil)
	}
	return c
}
