package e2e

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The v2 API's users, as the README makes them: the gateway's may do what the gateway
// does and nothing else, and clients are who they say through the gateway, too. Nothing
// runs beside it: with each request, etcd spends a tenth of a second of CPU on the password.
func TestUsers_v2(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) {
			e := guard(t, etcdtest.StartV2(t, version), etcdtest.V34, "gateway-user-v2.sh", "etcd-auth-v2.sh")
			for _, args := range [][]string{
				{"role", "add", "app"}, {"role", "grant", "app", "-path", "/app/*", "-readwrite"},
				{"user", "add", "app:apps"}, {"user", "grant", "app", "-roles", "app"},
			} {
				wantTool(t, e.env, 0, "", e.dir+"/etcdctl", append([]string{"-u", "root:roots"}, args...)...)
			}
			g := start(t, onEtcd(e.Endpoint)+asGateway+"api v2")
			if version == etcdtest.V35 { // once: it is many requests
				live(t, g, "k")
			}
			if log, err := os.ReadFile(e.Log); err != nil || bytes.Contains(log, []byte("invalid access")) {
				t.Errorf("the gateway has been refused something, or %v", err)
			}
			index := g.lock("held")
			entry := "/_etcd/mod/lock/held"

			for _, c := range []struct {
				method, user, key string
				status            int
			}{
				{"PUT", "app:apps", "/app/a", 201}, {"GET", "app:apps", "/app/a", 200}, {"PUT", "app:apps", "/b", 401},
				{"GET", "app:apps", entry, 401}, {"PUT", "app:apps", entry + "/x", 401}, {"DELETE", "app:apps", entry + "?recursive=true", 401},
				{"GET", "app:apps", "/?recursive=true", 401}, {"PUT", "app:wrong", "/app/a", 401}, {"GET", "", "/app/a", 401},
				{"GET", "", entry, 401}, {"GET", "gateway:gateways", entry, 200}, {"GET", "gateway:gateways", "/app/a", 401},
				{"PUT", "gateway:gateways", "/app/a", 401}, {"PUT", "gateway:gateways", "/_etcd/x", 401}, {"GET", "root:roots", "/app/a", 200},
			} {
				ask := func(endpoint string) reply {
					req, err := http.NewRequestWithContext(t.Context(), c.method, endpoint+"/v2/keys"+c.key, strings.NewReader("value=v"))
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					if name, password, ok := strings.Cut(c.user, ":"); ok {
						req.SetBasicAuth(name, password)
					}
					return send(req)
				}
				through := ask(g.url)
				if through.status != c.status {
					t.Errorf("%s %s as %q: %v, want %d", c.method, c.key, c.user, through, c.status)
				}
				if c.status != http.StatusUnauthorized {
					continue
				}
				if direct := ask(e.Endpoint); through.body != direct.body {
					t.Errorf("%s %s as %q: %v, directly %v", c.method, c.key, c.user, through, direct)
				}
			}
			g.unlock("held", index)
		})
	}
}
