package etcdtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// ask sends a request, as root if there is a password, and returns the answer.
func ask(t *testing.T, secure *tls.Config, method, url, password string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: secure}}
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader("value=v"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if password != "" {
		req.SetBasicAuth("root", password)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(resp.Body)
	return resp.StatusCode, text.String()
}

func TestV2(t *testing.T) {
	t.Parallel()
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run("survives "+string(version), func(t *testing.T) {
			t.Parallel()
			p := etcdtest.StartV2(t, version)
			status, body := ask(t, nil, "PUT", p.Endpoint+"/v2/keys/k", "")
			if status != http.StatusCreated {
				t.Fatalf("PUT: %d %s", status, body)
			}
			p.Stop()
			p.Restart(t)
			if status, again := ask(t, nil, "GET", p.Endpoint+"/v2/keys/k", ""); status != http.StatusOK {
				t.Errorf("after a restart: %d %s", status, again)
			}
		})
		t.Run("password "+string(version), func(t *testing.T) {
			t.Parallel()
			p := etcdtest.StartV2(t, version)
			p.EnableV2Auth(t, "secret")
			for _, c := range []struct {
				method, password string
				status           int
			}{
				{"PUT", "", 401}, {"PUT", "wrong", 401}, {"PUT", "secret", 201},
				{"GET", "", 401}, {"GET", "wrong", 401}, {"GET", "secret", 200},
			} {
				if status, body := ask(t, nil, c.method, p.Endpoint+"/v2/keys/k", c.password); status != c.status {
					t.Errorf("%s with password %q: %d %s, want %d", c.method, c.password, status, body, c.status)
				}
			}
		})
		t.Run("TLS "+string(version), func(t *testing.T) {
			t.Parallel()
			c := etcdtest.NewCertificates(t)
			p := etcdtest.StartV2(t, version, etcdtest.WithTLS(c))
			if status, body := ask(t, c.Config(t), "PUT", p.Endpoint+"/v2/keys/k", ""); status != http.StatusCreated {
				t.Errorf("PUT: %d %s", status, body)
			}
			stranger := c.Config(t)
			stranger.Certificates = nil
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: stranger}}
			if resp, err := client.Get(p.Endpoint + "/v2/keys/k"); err == nil {
				_ = resp.Body.Close()
				t.Errorf("without a certificate: %s", resp.Status)
			}
		})
		t.Run("without v2 "+string(version), func(t *testing.T) {
			t.Parallel()
			p := etcdtest.StartProcess(t, version)
			if status, body := ask(t, nil, "GET", p.Endpoint+"/v2/keys/k", ""); status != http.StatusNotFound || strings.Contains(body, "errorCode") {
				t.Errorf("GET: %d %s", status, body)
			}
		})
	}
}

// Each version runs as a process, with flags of its own, and is asked by each
// etcdctl.
func TestStartProcess(t *testing.T) {
	t.Parallel()
	for _, version := range []etcdtest.Version{etcdtest.V37, etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			p := etcdtest.StartProcess(t, version, etcdtest.WithFlags("--advertise-client-urls", "http://127.0.0.1:1"))
			for _, ctl := range []etcdtest.Version{etcdtest.V37, etcdtest.V34} {
				t.Run("etcdctl "+string(ctl), func(t *testing.T) {
					cmd := exec.CommandContext(t.Context(), etcdtest.Etcdctl(t, ctl), "--endpoints", p.Endpoint, "member", "list")
					cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
					out, err := cmd.CombinedOutput()
					if err != nil || !strings.Contains(string(out), "http://127.0.0.1:1,") {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
		})
	}
}
