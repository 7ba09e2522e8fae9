package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// passwordSite runs the README's site with a password before everything, with one
// more line behind that, and returns where it is.
func passwordSite(t *testing.T, endpoint, line string) (*gateway, string) {
	t.Helper()
	address := etcdtest.FreeAddress(t)
	return serve(t, block(t, "basic_auth {", "etcd\n"), endpoint,
		"127.0.0.1:4001", address, "\t\tetcd\n", "\t\t"+line+"\n\t\tetcd\n"), "http://" + address
}

const withoutPassword = "request_header -Authorization"

// The site's password means nothing to an etcd that asks for none. To one that does,
// it is a wrong one, unless the site keeps it back: then the client is nobody.
func TestGuards_authorization(t *testing.T) {
	t.Parallel()
	open := etcdtest.Start(t).Endpoint
	guarded37 := guard37(t)
	guarded35 := guard(t, etcdtest.StartV2(t, etcdtest.V35), etcdtest.V34, "gateway-user-v2.sh")
	for _, args := range [][]string{{"user", "add", "root:roots"}, {"auth", "enable"}} { // guests may do everything
		wantTool(t, guarded35.env, 0, "", guarded35.dir+"/etcdctl", args...)
	}
	for _, c := range []struct {
		name, endpoint, line string
		path, body           string
		status               int
		says                 string
	}{
		{"none", open, "", "/v3/kv/put", `{"key":"YQ=="}`, 200, "revision"},
		{"v3", guarded37.Endpoint + asGateway, "", "/v3/kv/put", `{"key":"YQ=="}`, 401, "invalid auth token"},
		{"v3, kept back", guarded37.Endpoint + asGateway, withoutPassword, "/v3/kv/put", `{"key":"YQ=="}`, 400, "user name is empty"},
		{"v2", guarded35.Endpoint, "", "/v2/keys/a", "value=v", 401, "Insufficient credentials"},
		{"v2, kept back", guarded35.Endpoint, withoutPassword, "/v2/keys/a", "value=v", 201, `"action":"create"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, site := passwordSite(t, c.endpoint, c.line)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("scripts", "hiccup")
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if r := send(req); r.status != c.status || !strings.Contains(r.body, c.says) {
				t.Errorf("%v, want %d %s", r, c.status, c.says)
			}
		})
	}
}

// A guard that goes by another field leaves etcd's token alone.
func TestGuards_token(t *testing.T) {
	t.Parallel()
	e := guard37(t)
	g := guardedSite(t, e.Endpoint+asGateway, "forward_auth @leader", "forward_auth")
	token := e.token("root", "roots")
	for _, c := range []struct {
		brings http.Header
		status int
		says   string
	}{
		{http.Header{"X-Badge": badge["X-Badge"], "Authorization": {token}}, 200, `"gateway"`},
		{http.Header{"Authorization": {token}}, 401, ""},
		{badge, 400, "user name is empty"},
	} {
		if r := g.from(t, inside, http.MethodPost, "/v3/auth/user/list", c.brings); r.status != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("with %v: %v, want %d %s", c.brings, r, c.status, c.says)
		}
	}
}

// etcdctl, which has no site's password to show, is let in by another guard: one that
// goes by something else, and leaves etcd's users alone.
func TestGuards_etcdctl(t *testing.T) {
	t.Parallel()
	e := guard37(t)
	_, site := passwordSite(t, e.Endpoint+asGateway, withoutPassword)
	if out, code := e.etcdctl(site, "app:apps", "put", "a", "b"); code == 0 || !strings.Contains(out, "401") {
		t.Errorf("etcdctl with etcd's password and none for the site: exit code %d, %s", code, out)
	}
	own := etcdtest.NewCertificates(t)
	address := secureAddress(t)
	secure := "https://localhost" + address[strings.LastIndex(address, ":"):]
	serve(t, block(t, "mode require_and_verify"), e.Endpoint+asGateway,
		"https://etcd.example.com:4001 {", secure+" {\n\tbind 127.0.0.1\n",
		"/etc/caddy/site.pem", own.Cert, "/etc/caddy/site-key.pem", own.Key, "/etc/caddy/clients-ca.pem", own.CA)
	shows := []string{"--cacert", own.CA, "--cert", own.Cert, "--key", own.Key}
	if out, code := e.etcdctl(secure, "app:apps", append(shows, "put", "a", "b")...); code != 0 {
		t.Errorf("etcdctl with etcd's password and a certificate for the site: exit code %d, %s", code, out)
	}
}
