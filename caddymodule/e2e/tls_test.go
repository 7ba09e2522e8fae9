package e2e

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// tool runs a program and returns what it prints, and its exit code.
func tool(t testing.TB, env []string, program string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(cmd.Environ(), env...)
	b, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// wantTool fails the test unless a program ends with that code and prints that.
func wantTool(t testing.TB, env []string, code int, prints, program string, args ...string) {
	t.Helper()
	out, is := tool(t, env, program, args...)
	if is != code || !strings.Contains(out, prints) {
		t.Errorf("%s %s: exit code %d, want %d with %q:\n%s", program, strings.Join(args, " "), is, code, prints, out)
	}
}

// With `tls internal`, curl and etcdctl need the root that Caddy made, and nothing
// else. Whoever does not trust it finds out.
func TestTLS_internal(t *testing.T) {
	t.Parallel()
	g, site := internal(t, etcdtest.Start(t).Endpoint)
	lock := site + "/mod/v2/lock/k?ttl=60"
	wantTool(t, nil, 0, "2 200", "curl", "-s", "-w", " %{http_version} %{http_code}",
		"--cacert", g.internalRoot(), "-X", "POST", lock)
	wantTool(t, nil, 60, "", "curl", "-s", "-X", "DELETE", site+"/mod/v2/lock/k?value=-")

	etcdctl := etcdtest.Etcdctl(t, etcdtest.V37)
	wantTool(t, nil, 0, "OK", etcdctl, "--endpoints", site, "--cacert", g.internalRoot(), "put", "a", "b")
	wantTool(t, nil, 1, "certificate", etcdctl, "--endpoints", site, "--command-timeout=2s", "put", "a", "b")
}

// A site with a certificate of its owner's that asks clients for theirs lets in who
// has one of the right authority, by whatever version of HTTP, and nobody else. Who
// asks for an address sends no name, and gets nothing, with a certificate or without.
func TestTLS_clientCertificates(t *testing.T) {
	t.Parallel()
	own, clients, other := etcdtest.NewCertificates(t), etcdtest.NewCertificates(t), etcdtest.NewCertificates(t)
	address := secureAddress(t)
	site := "https://localhost" + address[strings.LastIndex(address, ":"):]
	serve(t, block(t, "mode require_and_verify"), etcdtest.Start(t).Endpoint,
		"https://etcd.example.com:4001 {", site+", https://"+address+" {\n\tbind 127.0.0.1\n",
		"/etc/caddy/site.pem", own.Cert, "/etc/caddy/site-key.pem", own.Key, "/etc/caddy/clients-ca.pem", clients.CA)

	with := func(certificates ...etcdtest.Certificates) *tls.Config {
		config := trusting(t, own.CA)
		for _, c := range certificates {
			config.Certificates = append(config.Certificates, c.Config(t).Certificates...)
		}
		return config
	}
	for _, version := range versions {
		s, path := speaks(t, version, site, with(clients)), "/mod/v2/lock/"+version[5:6]
		r := s.do(t.Context(), http.MethodPost, path+"?ttl=60")
		want(t, r, http.StatusOK, whatever)
		want(t, s.do(t.Context(), http.MethodDelete, path+"?index="+r.body), http.StatusOK, "")
		for name, config := range map[string]*tls.Config{"none": with(), "another authority's": with(other)} {
			if r := speaks(t, version, site, config).do(t.Context(), http.MethodGet, "/version"); r.err == nil {
				t.Errorf("%s with a client certificate of %s: %v", version, name, r)
			}
		}
		for _, config := range []*tls.Config{with(), with(clients)} {
			nameless := speaks(t, version, "https://"+address, config)
			want(t, nameless.do(t.Context(), http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusMisdirectedRequest, "")
		}
	}

	etcdctl := etcdtest.Etcdctl(t, etcdtest.V37)
	ctl := []string{"--endpoints", site, "--cacert", own.CA, "--command-timeout=2s"}
	wantTool(t, nil, 0, "OK", etcdctl, append(ctl, "--cert", clients.Cert, "--key", clients.Key, "put", "a", "b")...)
	wantTool(t, nil, 1, "", etcdctl, append(ctl, "put", "a", "b")...)
	curl := []string{"-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", own.CA}
	wantTool(t, nil, 0, "200", "curl", append(curl, "--cert", clients.Cert, "--key", clients.Key, site+"/version")...)
	if out, code := tool(t, nil, "curl", append(curl, site+"/version")...); code == 0 || out != "000" {
		t.Errorf("curl without a certificate: exit code %d, %s", code, out)
	}
}
