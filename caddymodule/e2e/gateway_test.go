package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// gateway is a running caddy.
type gateway struct {
	t     testing.TB
	url   string // of its site
	site  string // its address
	admin string // its admin API's address
	dir   string // its working directory and home
	etcd  string // its etcd option
	extra string // more sites

	directive string   // the etcd directive
	env       []string // what it has in its environment, beside the test's
	cmd       *exec.Cmd
	ended     chan struct{} // closed when the process has ended
}

// onEtcd is the etcd option for an etcd at that endpoint.
func onEtcd(endpoint string) string { return "endpoints " + endpoint }

// newGateway is one that does not run yet.
func newGateway(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), site: etcdtest.FreeAddress(t), admin: etcdtest.FreeAddress(t), directive: "etcd"}
	g.url = "http://" + g.site
	return g
}

// start runs caddy with that etcd option, and whatever else is to stand in the
// site beside the etcd directive, and stops it when the test ends.
func start(t testing.TB, etcd string, site ...string) *gateway {
	t.Helper()
	g := newGateway(t)
	g.configure(etcd, site...)
	g.run()
	return g
}

// configure writes the gateway's Caddyfile.
func (g *gateway) configure(etcd string, site ...string) {
	g.t.Helper()
	g.etcd = etcd
	config := fmt.Sprintf(`{
	%s
	etcd {
		%s
	}
	servers {
		protocols h1 h2c
	}
}

http://%s {
	%s
	%s
}
%s`, g.options(), etcd, g.site, strings.Join(site, "\n\t"), g.directive, g.extra)
	if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// options are the global options that a gateway has wherever its sites come from.
// Without the second, a site whose name is an address listens on all of them.
func (g *gateway) options() string { return "admin " + g.admin + "\n\tdefault_bind 127.0.0.1" }

// adopt is a Caddyfile of somebody else's with these in its global options.
func (g *gateway) adopt(config string) string {
	return strings.Replace(config, "{\n", "{\n\t"+g.options()+"\n", 1)
}

// tlsOption is etcd's option for an etcd of that authority, which is shown that
// certificate.
func tlsOption(ca string, c etcdtest.Certificates) string {
	return fmt.Sprintf("tls {\n\t\t\tca %s\n\t\t\tcert %s\n\t\t\tkey %s\n\t\t}", ca, c.Cert, c.Key)
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

// command is caddy with arguments, as this gateway's user would run it.
func (g *gateway) command(args ...string) *exec.Cmd {
	cmd := exec.Command(caddy, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "HOME="+g.dir, "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir)
	cmd.Env = append(cmd.Env, g.env...)
	return cmd
}

func (g *gateway) run() {
	g.t.Helper()
	log, err := os.OpenFile(g.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd = g.command("run", "--config", "Caddyfile")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	etcdtest.EndWithTest(g.cmd)
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan struct{})
	g.ended = ended
	cmd := g.cmd
	go func() {
		_ = cmd.Wait()
		_ = log.Close()
		close(ended)
	}()
	g.t.Cleanup(func() {
		g.terminate()
		if g.t.Failed() {
			text, _ := os.ReadFile(g.path("log"))
			g.t.Logf("caddy's log:\n%s", tail(text, 4000))
		}
	})
	patience.Until(g.t, 30*time.Second, func() error {
		select {
		case <-ended:
			text, _ := os.ReadFile(g.path("log"))
			g.t.Fatalf("caddy has ended:\n%s", tail(text, 4000))
		default:
		}
		resp, err := http.Get(g.url + "/mod/v2/lock/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("GET answers %s", resp.Status)
			}
		}
		return err
	})
}

// reload loads the gateway's Caddyfile anew. Afterwards no connection meets the
// server of the configuration before.
func (g *gateway) reload() {
	g.t.Helper()
	if out, err := g.command("reload", "--config", "Caddyfile", "--address", g.admin, "--force").CombinedOutput(); err != nil {
		g.t.Fatalf("caddy reload: %v\n%s", err, out)
	}
	patience.Until(g.t, 5*time.Second, func() error { return etcdtest.OneListener(g.site) })
}

// terminate asks the process to end, and waits for it.
func (g *gateway) terminate() {
	g.t.Helper()
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.ended:
	case <-time.After(10 * time.Second):
		g.t.Error("caddy did not stop within 10 s")
		_ = g.cmd.Process.Kill()
		<-g.ended
	}
}

// kill ends the process as a crash would.
func (g *gateway) kill() {
	g.t.Helper()
	if err := g.cmd.Process.Kill(); err != nil {
		g.t.Fatal(err)
	}
	<-g.ended
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// reply is an answer, read whole.
type reply struct {
	err    error
	status int
	body   string
	header http.Header
	at     time.Time
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%d %q", r.status, r.body)
}

// client opens a connection for each request, as curl does. (One that is kept
// may be closed by a reload just when the next request is sent.)
var client = &http.Client{Transport: &http.Transport{
	DisableKeepAlives:  true,
	DisableCompression: true,
}}

// do sends a request for a lock: its key and query, and a form as the body.
func (g *gateway) do(ctx context.Context, method, key string, form ...string) reply {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url+"/mod/v2/lock/"+key, bytes.NewBufferString(values.Encode()))
	if err != nil {
		return reply{err: err}
	}
	if len(form) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return send(req)
}

func send(req *http.Request) reply {
	resp, err := client.Do(req)
	if err != nil {
		return reply{err: err, at: time.Now()}
	}
	return read(resp)
}

// read reads an answer whole.
func read(resp *http.Response) reply {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{err: err, status: resp.StatusCode, body: string(body), header: resp.Header, at: time.Now()}
}

// post is do in the background.
func (g *gateway) post(ctx context.Context, key string, form ...string) <-chan reply {
	c := make(chan reply, 1)
	go func() { c <- g.do(ctx, http.MethodPost, key, form...) }()
	return c
}

// lock takes a lock and returns its index.
func (g *gateway) lock(key string, form ...string) string {
	g.t.Helper()
	r := g.do(context.Background(), http.MethodPost, key+"?ttl=60", form...)
	if r.status != http.StatusOK {
		g.t.Fatalf("POST %s: %v", key, r)
	}
	return r.body
}

func (g *gateway) unlock(key, index string) {
	g.t.Helper()
	if r := g.do(context.Background(), http.MethodDelete, key+"?index="+index); r.status != http.StatusOK {
		g.t.Errorf("DELETE %s index %s: %v", key, index, r)
	}
}

// want fails the test unless the answer is that.
func want(t testing.TB, r reply, status int, body string) {
	t.Helper()
	if r.err != nil || r.status != status || (body != whatever && r.body != body) {
		t.Errorf("got %v, want %d %q", r, status, body)
	}
}

// wantError fails the test unless the answer is that error.
func wantError(t testing.TB, r reply, status, code int) {
	t.Helper()
	want(t, r, status, whatever)
	if code := fmt.Sprintf(`"errorCode":%d,`, code); !strings.Contains(r.body, code) {
		t.Errorf("the answer is %q, want %s", r.body, code)
	}
}

// whatever body will do.
const whatever = "\x00whatever"

func receive(t testing.TB, c <-chan reply) reply {
	t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(60 * time.Second):
		t.Fatal("no answer within 60 s")
		return reply{}
	}
}
