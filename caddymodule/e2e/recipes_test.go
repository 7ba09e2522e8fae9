package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The script stops its command when the lock is lost, leaves the queue when it is
// stopped, runs nothing without a lock, and hands on the command's exit code.
func TestReadme_script(t *testing.T) {
	t.Parallel()
	g := start(t, onEtcd(etcdtest.Start(t).Endpoint))
	sh := newShell(t, g)
	script := strings.Replace(block(t, "#!/bin/sh\n# with-lock.sh"), "sleep 10", "sleep 0.1", 1)
	file := filepath.Join(t.TempDir(), "with-lock.sh")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (*exec.Cmd, <-chan int) {
		cmd := exec.Command("sh", append([]string{file}, args...)...)
		cmd.Env = sh.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		code := make(chan int, 1)
		go func() {
			_ = cmd.Wait()
			code <- cmd.ProcessState.ExitCode()
		}()
		return cmd, code
	}
	wants := func(what string, code <-chan int, want int) {
		t.Helper()
		select {
		case got := <-code:
			if got != want {
				t.Errorf("%s: exit code %d, want %d", what, got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: still running", what)
		}
	}
	queue := func(n int) { eventually(t, 10*time.Second, func() error { return g.hasQueue("k", n) }) }

	_, code := run("k", "sh", "-c", "exit 7")
	wants("a command that fails", code, 7)
	queue(0)

	// Caddy answers 200 for a site that it does not have.
	elsewhere := strings.Replace(script, "127.0.0.1:4001", strings.Replace(g.site, "127.0.0.1", "localhost", 1), 1)
	if err := os.WriteFile(file, []byte(elsewhere), 0o700); err != nil {
		t.Fatal(err)
	}
	_, code = run("k", "sh", "-c", "exit 7")
	wants("no lock there", code, 1)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}

	_, code = run("k", "sleep", "60")
	queue(1)
	waiting, waitingCode := run("k", "true")
	queue(2)
	_ = waiting.Process.Signal(os.Interrupt)
	wants("stopped while it waits", waitingCode, 130)
	queue(1)

	held, err := g.indices("k")
	if err != nil {
		t.Fatal(err)
	}
	// If it is renewed, it is for the script's 30 s again.
	want(t, g.do(context.Background(), http.MethodPut, "k?ttl=600", "index", held[0]), http.StatusOK, "")
	eventually(t, 10*time.Second, func() error {
		q, err := g.queue("k")
		if err == nil && q.TTL > 30 {
			err = fmt.Errorf("it has not renewed: %d s left", q.TTL)
		}
		return err
	})

	g.unlock("k", held[0])
	wants("the lock is lost", code, 143)
}

// The README's two ways of asking for a password let in who has it, and nobody
// else.
func TestReadme_password(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t).Endpoint
	for _, c := range []struct {
		name, user, open string
		words            []string
		answers          map[string]int // by user and path
	}{
		{"all", "scripts", "", []string{"basic_auth {", "etcd\n"}, map[string]int{
			"scripts /mod/v2/lock/k": 200, " /mod/v2/lock/k": 401, " /version": 401, "scripts /version": 200,
			" /x/../mod/v2/lock/k": 401, " /MOD/v2/lock/k": 401,
		}},
		{"a team", "team-a", "/mod/v2/lock/team-a", []string{"basic_auth /mod/v2/lock/team-a/*"}, map[string]int{
			"team-a /mod/v2/lock/team-a/k": 200, " /mod/v2/lock/team-a/k": 401, " /mod/v2/lock/TEAM-A/k": 401,
			"team-a /mod/v2/lock/team-b/k": 404, "team-a /version": 404,
			"team-a /mod/v2/lock/team-a/../team-b/k": 404, "team-a /mod/v2/lock/team-a/../../k": 404,
			" /mod/v2/lock/team-b/../team-a/k": 401, " /mod/v2/lock/team-a%2fk": 401,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &gateway{t: t, dir: t.TempDir(), site: etcdtest.FreeAddress(t), admin: etcdtest.FreeAddress(t)}
			// Where run looks whether it is ready.
			g.url = "http://" + c.user + ":hiccup@" + g.site + c.open
			config := block(t, c.words...)
			config = strings.Replace(config, "{\n", "{\n\tadmin "+g.admin+"\n", 1)
			config = strings.ReplaceAll(config, "127.0.0.1:4001", g.site)
			config = regexp.MustCompile(`endpoints .*`).ReplaceAllString(config, "endpoints "+etcd)
			if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			g.run()
			for request, status := range c.answers {
				user, path, _ := strings.Cut(request, " ")
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.site+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if user != "" {
					req.SetBasicAuth(user, "hiccup")
				}
				if r := send(req); r.status != status {
					t.Errorf("%s as %q: %v, want %d", path, user, r, status)
				}
			}
		})
	}
}
