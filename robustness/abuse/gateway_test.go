package abuse

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// gateway is a running caddy.
type gateway struct {
	url   string // of its site
	site  string // its address
	admin string // its admin API's address
	log   string // the file with what it says
	pid   int
}

// settings are how a gateway differs from the others.
type settings struct {
	api     string // v2 or v3
	servers string // more options of its servers
	lock    string // its limits for locks
}

// start runs a gateway whose Caddyfile is Caddyfile.example, on an etcd of its own process,
// until the test ends.
func start(t testing.TB, endpoint string, s settings) *gateway {
	t.Helper()
	caddy, err := caddyProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	g := &gateway{site: etcdtest.FreeAddress(t), admin: etcdtest.FreeAddress(t), log: filepath.Join(dir, "log")}
	g.url = "http://" + g.site
	config := fmt.Sprintf(`{
	admin %s
	etcd {
		endpoints %s
		api %s
	}
	servers {
		protocols h1 h2 h2c h3
		max_header_size 1MiB
		%s
	}
}

http://%s {
	bind 127.0.0.1
	etcd {
		lock {
			%s
		}
	}
}
`, g.admin, endpoint, s.api, s.servers, g.site, s.lock)
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(caddy, "run", "--config", "Caddyfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	ended := program(t, cmd, g.log)
	g.pid = cmd.Process.Pid
	patience.UntilEvery(t, time.Minute, 20*time.Millisecond, func() error {
		select {
		case <-ended:
			t.Fatal("caddy has ended")
		default:
		}
		return g.ask(http.MethodGet, "/mod/v2/lock/ready").is(http.StatusOK)
	})
	return g
}

// calm fails the test if the gateway's log has a panic.
func (g *gateway) calm(t testing.TB) {
	t.Helper()
	log, err := os.ReadFile(g.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range panics(log) {
		t.Errorf("the gateway's log has %s", line)
	}
}

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// is returns nil if the answer has that status.
func (a answer) is(status int) error {
	if a.err != nil {
		return a.err
	}
	if a.status != status {
		return fmt.Errorf("the answer is %d %.200q, want %d", a.status, a.body, status)
	}
	return nil
}

// wantError fails the test unless the answer is that error, in the form of etcd's v2 API.
func wantError(t testing.TB, a answer, status, code int) {
	t.Helper()
	if err := a.is(status); err != nil {
		t.Error(err)
		return
	}
	var e struct {
		ErrorCode      int
		Message, Cause string
		Index          *uint64
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.ErrorCode != code || e.Message == "" || e.Cause == "" || e.Index == nil {
		t.Errorf("the answer is %q, want error %d with a message, a cause and an index (%v)", a.body, code, err)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Etcd-Index") == "" {
		t.Errorf("headers are %v", a.header)
	}
}

// once is a client that makes a connection for each request, as curl does.
var once = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// ask sends a request without a body.
func (g *gateway) ask(method, path string) answer {
	req, err := http.NewRequest(method, g.url+path, nil)
	if err != nil {
		return answer{err: err}
	}
	return send(once, req)
}

func send(c *http.Client, req *http.Request) answer {
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

// take takes a lock that is free, and returns its index.
func (g *gateway) take(t testing.TB, key string, ttl int) string {
	t.Helper()
	a := g.ask(http.MethodPost, fmt.Sprintf("/mod/v2/lock/%s?ttl=%d&timeout=0", key, ttl))
	if err := a.is(http.StatusOK); err != nil {
		t.Fatalf("taking %s: %v", key, err)
	}
	return a.body
}

// release gives a lock back.
func (g *gateway) release(t testing.TB, key, index string) {
	t.Helper()
	if err := g.ask(http.MethodDelete, "/mod/v2/lock/"+key+"?index="+index).is(http.StatusOK); err != nil {
		t.Errorf("releasing %s: %v", key, err)
	}
}

// dial connects to the gateway's site.
func (g *gateway) dial() (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", g.site, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
