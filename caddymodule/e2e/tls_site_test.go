package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// secureAddress is a loopback address for a server of both TCP and UDP, which HTTP/3
// is on. Only TCP's port is kept for it: where a UDP socket is bound already,
// another one does not get all packets.
func secureAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := etcdtest.FreeAddress(t)
		if conn, err := net.ListenPacket("udp", address); err == nil {
			_ = conn.Close()
			return address
		}
	}
	t.Fatal("no port is free for both TCP and UDP")
	return ""
}

// plain is a gateway's site without TLS, beside those that are tested: to see when it
// is ready, and what is in a queue.
const plain = "\nhttp://%s {\n\tbind 127.0.0.1\n\tetcd\n}\n"

// serve runs a gateway with one of the README's Caddyfiles, on that etcd, after
// replacements, and with a plain site beside what is in it.
func serve(t testing.TB, config, endpoint string, replacements ...string) *gateway {
	t.Helper()
	g := newGateway(t)
	config = g.adopt(config)
	config = regexp.MustCompile(`endpoints .*`).ReplaceAllString(config, "endpoints "+endpoint)
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(config, replacements[i]) {
			t.Fatalf("the Caddyfile has no %q:\n%s", replacements[i], config)
		}
		config = strings.ReplaceAll(config, replacements[i], replacements[i+1])
	}
	if err := os.WriteFile(g.path("Caddyfile"), fmt.Appendf([]byte(config), plain, g.site), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run()
	return g
}

// internalRoot is the certificate of the authority that `tls internal` has made.
func (g *gateway) internalRoot() string {
	return filepath.Join(g.dir, "caddy", "pki", "authorities", "local", "root.crt")
}

// trusting is a client that trusts the authorities in a file, and shows no
// certificate.
func trusting(t testing.TB, file string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", file)
	}
	return &tls.Config{RootCAs: pool}
}

// issued waits until a site has its certificate, which Caddy makes in the background.
func issued(t testing.TB, site string, config *tls.Config) {
	t.Helper()
	patience.Until(t, 10*time.Second, func() error {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(site, "https://"), config)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// speaker is a client that speaks one version of HTTP and no other.
type speaker struct {
	t       testing.TB
	version string
	client  *http.Client
	url     string // of the site
	roots   *tls.Config
}

// versions are those of HTTP that a site with TLS speaks.
var versions = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

// speaks returns a client with connections of its own.
func speaks(t testing.TB, version, url string, config *tls.Config) *speaker {
	t.Helper()
	s := &speaker{t: t, version: version, url: url, roots: config}
	switch version {
	case "HTTP/3.0":
		transport := &http3.Transport{TLSClientConfig: config.Clone(), DisableCompression: true}
		t.Cleanup(func() { _ = transport.Close() })
		s.client = &http.Client{Transport: transport}
	default:
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == "HTTP/1.1")
		protocols.SetHTTP2(version == "HTTP/2.0")
		transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: protocols, DisableCompression: true}
		t.Cleanup(transport.CloseIdleConnections)
		s.client = &http.Client{Transport: transport}
	}
	return s
}

// open sends a request with a form and returns the answer's beginning.
func (s *speaker) open(ctx context.Context, method, path string, header http.Header, form ...string) (*http.Response, error) {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	for name, value := range header {
		req.Header[name] = value
	}
	if len(form) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.client.Do(req)
	if err == nil && resp.Proto != s.version {
		_ = resp.Body.Close()
		return nil, errors.New("the answer is " + resp.Proto)
	}
	return resp, err
}

func (s *speaker) do(ctx context.Context, method, path string, form ...string) reply {
	resp, err := s.open(ctx, method, path, nil, form...)
	if err != nil {
		return reply{err: err}
	}
	return read(resp)
}

// post is do in the background.
func (s *speaker) post(ctx context.Context, path string, form ...string) <-chan reply {
	c := make(chan reply, 1)
	go func() { c <- s.do(ctx, http.MethodPost, path, form...) }()
	return c
}

// listen reads the events of a path.
func (s *speaker) listen(path string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	resp, err := s.open(ctx, http.MethodGet, path, http.Header{"Accept": {"text/event-stream"}})
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		cancel()
		s.t.Fatalf("listening to %s: %v", path, read(resp))
	}
	return follow(s.t, resp, cancel, "")
}
