package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// I9 over HTTP/3: whatever clients do, or do no more, the gateway stops within 5 s.
func TestTLS_I9(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, g *gateway, s *speaker, vanish func()){
		"waits": func(t *testing.T, g *gateway, s *speaker, _ func()) {
			g.lock("k")
			s.post(t.Context(), "/mod/v2/lock/k?ttl=60")
			patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		},
		"waits and vanishes": func(t *testing.T, g *gateway, s *speaker, vanish func()) {
			g.lock("k")
			s.post(t.Context(), "/mod/v2/lock/k?ttl=60")
			patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
			vanish()
		},
		"has asked and vanishes": func(t *testing.T, _ *gateway, s *speaker, vanish func()) {
			want(t, s.do(t.Context(), http.MethodGet, "/mod/v2/lock/k"), http.StatusOK, "")
			vanish()
		},
		"sends no end": func(t *testing.T, g *gateway, s *speaker, _ func()) {
			body, end := io.Pipe()
			t.Cleanup(func() { _ = end.Close() })
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/mod/v2/lock/k?ttl=60", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			go func() { _, _ = s.client.Do(req) }()
			_, _ = io.WriteString(end, "value=v")
		},
		"watches etcd": func(t *testing.T, _ *gateway, s *speaker, _ func()) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v3/watch", strings.NewReader(`{"create_request":{"key":"YQ=="}}`))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = resp.Body.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, site := internal(t, etcdtest.Start(t).Endpoint)
			s := speaks(t, "HTTP/3.0", site, trusting(t, g.internalRoot()))
			socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			connections := &quic.Transport{Conn: socket}
			s.client.Transport = &http3.Transport{
				TLSClientConfig: s.roots,
				Dial: func(ctx context.Context, to string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
					address, err := net.ResolveUDPAddr("udp4", to)
					if err != nil {
						return nil, err
					}
					return connections.DialEarly(ctx, address, config, settings)
				},
			}
			vanish := func() { _ = socket.Close() } // says nothing to the other end
			t.Cleanup(vanish)
			begin(t, g, s, vanish)
			clock := patience.Start(t)
			g.terminate()
			if took := clock.Took(); took > 5*time.Second {
				t.Errorf("it took %v to stop", took)
			}
		})
	}
}
