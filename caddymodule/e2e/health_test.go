package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// plainBalancer is the README's load balancer for a Caddy without this project's
// modules, and a gateway elsewhere.
const plainBalancer = `http://app.example.com {
	reverse_proxy 10.0.1.1:8080 10.0.1.2:8080 10.0.1.3:8080 {
		health_upstream 127.0.0.1:4001
		health_uri /mod/v2/leader/web
		health_headers {
			X-Candidate {http.reverse_proxy.active.target_upstream}
		}
		health_body .
		health_interval 1s
		health_timeout 1s
		lb_try_duration 10s
	}
}

http://127.0.0.1:4001 {
	bind 127.0.0.1
	@candidate header X-Candidate *
	uri @candidate query name {header.X-Candidate}
	reverse_proxy 10.0.0.9:4001 {
		header_up Host {upstream_hostport}
	}
}
`

// The README's load balancer sends everything to the backend that leads: to another
// one after it resigns, and after its TTL has passed.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	for name, caddyfile := range map[string]string{"with the gateway": block(t, "health_upstream", "etcd\n"), "apart": plainBalancer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := v3on37.run(t)
			elsewhere := e.gateway(t)
			lb := newGateway(t)
			app := etcdtest.FreeAddress(t)
			backends := []string{answering(t), answering(t), answering(t)}
			config := strings.NewReplacer("http://10.0.0.1:2379", e.endpoint, "10.0.0.9:4001", elsewhere.site, "app.example.com", app,
				"127.0.0.1:4001", lb.site, "10.0.1.1:8080", backends[0], "10.0.1.2:8080", backends[1], "10.0.1.3:8080", backends[2],
			).Replace(caddyfile)
			if strings.HasPrefix(config, "{\n") {
				config = lb.adopt(config)
			} else {
				config = "{\n\t" + lb.options() + "\n}\n" + config
			}
			if err := os.WriteFile(lb.path("Caddyfile"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}

			stand := func(name, ttl string) <-chan reply {
				c := make(chan reply, 1)
				go func() { c <- elsewhere.lead(bg, http.MethodPut, "web?ttl="+ttl, "name", name) }()
				return c
			}
			want(t, receive(t, stand(backends[0], "600")), http.StatusOK, whatever)
			second := stand(backends[1], "600")
			patience.Until(t, 10*time.Second, func() error { return elsewhere.hasCandidates("web", backends[:2]...) })
			third := stand(backends[2], "600")
			patience.Until(t, 10*time.Second, func() error { return elsewhere.hasCandidates("web", backends...) })
			lb.run()

			answers := func(name string) error {
				for range 20 {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+app, nil)
					if err != nil {
						t.Fatal(err)
					}
					if r := send(req); r.err != nil || r.status != http.StatusOK || r.body != name {
						return fmt.Errorf("the answer is %v, want one of %s", r, name)
					}
				}
				return nil
			}
			// all says that all answers are the leader's after some moments, and then on.
			all := func(name string) {
				t.Helper()
				patience.Until(t, 10*time.Second, func() error { return answers(name) })
				for range 20 {
					if err := answers(name); err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond) // for two more checks in all
				}
			}
			all(backends[0])
			want(t, elsewhere.lead(bg, http.MethodDelete, "web?name="+backends[0]), http.StatusOK, "")
			want(t, receive(t, second), http.StatusOK, whatever)
			all(backends[1])
			want(t, receive(t, stand(backends[1], "2")), http.StatusOK, whatever) // its last renewal
			want(t, receive(t, third), http.StatusOK, whatever)
			all(backends[2])
		})
	}
}

// answering starts a server that answers with its address.
func answering(t *testing.T) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
