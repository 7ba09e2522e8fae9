package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// caddyfile checks that a Caddyfile is formatted and valid. The files that it
// names are made.
func (f fence) caddyfile(t *testing.T) {
	t.Parallel()
	g := &gateway{t: t, dir: t.TempDir()}
	text := f.text
	if strings.Contains(text, ".pem") {
		c := etcdtest.NewCertificates(t)
		text = strings.NewReplacer("/etc/etcd/ca.pem", c.CA, "/etc/etcd/gateway.pem", c.Cert,
			"/etc/etcd/gateway-key.pem", c.Key, "/etc/caddy/site.pem", c.Cert, "/etc/caddy/site-key.pem", c.Key,
			"/etc/caddy/clients-ca.pem", c.CA).Replace(text)
	}
	if err := os.WriteFile(g.path("Caddyfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.caddy("fmt", "--diff", "Caddyfile")
	if strings.Contains(text, "rate_limit") {
		wantTool(t, g.command().Env, 0, "", limited(t), "validate", "--config", g.path("Caddyfile"))
		return
	}
	g.caddy("adapt")
	g.caddy("validate")
}

// json checks that a configuration is valid.
func (f fence) json(t *testing.T) {
	t.Parallel()
	g := &gateway{t: t, dir: t.TempDir()}
	if err := os.WriteFile(g.path("caddy.json"), []byte(f.text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.caddy("validate", "--config", "caddy.json")
}

// program checks that a program in a folder of the checkout has all that it
// imports, and not the embedded etcd. It is not linked: that takes long.
func (f fence) program(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(f.text), 0o600); err != nil {
		t.Fatal(err)
	}
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	replace := fmt.Sprintf(`{"Replace":{%q:%q}}`, filepath.Join(checkout, "slim", "main.go"), file)
	if err := os.WriteFile(overlay, []byte(replace), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-overlay", overlay, "-deps", "./slim")
	cmd.Dir = root
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, log.String())
	}
	if !bytes.Contains(out, []byte("caddy-etcd/caddymodule\n")) || bytes.Contains(out, []byte("go.etcd.io/etcd/server")) {
		t.Errorf("it consists of\n%s", out)
	}
}

// sql checks that a statement lets the same and later indices write, and no
// earlier one.
func (f fence) sql(t *testing.T) {
	t.Parallel()
	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("there is no sqlite3")
	}
	for _, c := range []struct{ seen, changes string }{{"41", "1"}, {"42", "1"}, {"43", "0"}} {
		script := "CREATE TABLE reports (id INTEGER, body TEXT, fence INTEGER); INSERT INTO reports VALUES (1, 'old', " +
			c.seen + ");\n" + f.text + "SELECT changes();"
		out, err := exec.Command(sqlite, ":memory:", script).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != c.changes {
			t.Errorf("after index %s: %s rows (%v), want %s", c.seen, out, err, c.changes)
		}
	}
}
