package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The gateway reaches an etcd that speaks TLS and asks for a client certificate, for
// its own locks, for gRPC and for everything else that it hands on. An etcd whose
// certificate another authority has made, and one that does not know the gateway's
// authority, are not spoken to.
func TestTLS_etcd(t *testing.T) {
	t.Parallel()
	c := etcdtest.NewCertificates(t)
	for _, b := range []struct {
		backend
		start func() *etcdtest.Process
	}{
		{v3on37, func() *etcdtest.Process { return etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithTLS(c)) }},
		{v2on35, func() *etcdtest.Process { return etcdtest.StartV2(t, etcdtest.V35, etcdtest.WithTLS(c)) }},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := b.start()
			if !strings.HasPrefix(p.Endpoint, "https://") {
				t.Fatalf("etcd is at %s", p.Endpoint)
			}
			secure := func(c etcdtest.Certificates, key etcdtest.Certificates) string {
				return onEtcd(p.Endpoint) + "\n\t\t" + b.options + "\n\t\t" + tlsOption(c.CA, key)
			}
			g := start(t, secure(c, c))
			holder := g.lock("k")
			waits := g.post(t.Context(), "k?ttl=60")
			patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
			g.unlock("k", holder)
			want(t, receive(t, waits), http.StatusOK, whatever)

			etcdctl := etcdtest.Etcdctl(t, etcdtest.V37)
			wantTool(t, nil, 0, "OK", etcdctl, "--endpoints", g.url, "put", "a", "b") // gRPC
			wantTool(t, nil, 0, `"etcdserver":`, "curl", "-s", g.url+"/version")
			wantTool(t, nil, 0, `"value":"Yg=="`, "curl", "-s", g.url+"/v3/kv/range", "-d", `{"key":"YQ=="}`)

			other := etcdtest.NewCertificates(t)
			for name, option := range map[string]string{
				"an etcd of another authority": secure(other, c), "a gateway of another authority": secure(c, other),
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					g := start(t, option, "respond /mod/v2/lock/ready 200") // which nobody else would
					r := g.do(t.Context(), http.MethodPost, "k?ttl=60")
					// In TLS 1.3, etcd refuses a certificate when the request has left.
					if r.status != http.StatusServiceUnavailable && r.status != http.StatusGatewayTimeout {
						t.Errorf("POST: %v", r)
					}
					wantTool(t, nil, 0, "502", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", g.url+"/version")
					wantTool(t, nil, 1, "", etcdctl, "--endpoints", g.url, "--command-timeout=2s", "put", "a", "c")
				})
			}
		})
	}
}
