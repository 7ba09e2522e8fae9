package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// root is the checkout.
const root = "../.."

// documents are those whose blocks are tested.
var documents = []string{"README.md", "CHANGELOG.md"}

// notRun are the sh blocks that are not run as they stand, with the reason and
// what is done instead.
var notRun = map[string]struct {
	why     string
	instead func(t *testing.T, block string)
}{
	"make run":    {"it does not end; TestCLI_example does the same", makeTarget},
	"make test":   {"it would run this test", makeTarget},
	"./xcaddy.sh": {"TestMain has run it", xcaddyFlags},
	"./xcaddy.sh --output ./caddy-with-limits --with github.com/mholt/caddy-ratelimit": {
		"it needs a network", xcaddyFlags,
	},
}

// exits are the blocks that end with another code than 0.
var exits = map[string]int{
	"curl -f http://127.0.0.1:4001/mod/v2/lock/customer1?index=42": 22, // nobody holds it
}

func makeTarget(t *testing.T, block string) {
	target, _ := strings.CutPrefix(block, "make ")
	cmd := exec.Command("make", "-n", target)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
		t.Errorf("make -n %s: %v\n%s", target, err, out)
	}
}

func xcaddyFlags(t *testing.T, block string) {
	cmd := exec.Command("./xcaddy.sh", "--help")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("./xcaddy.sh --help: %v\n%s", err, out)
	}
	for word := range strings.FieldsSeq(block) {
		if strings.HasPrefix(word, "--") && !bytes.Contains(out, []byte("\n  "+word+" ")) {
			t.Errorf("./xcaddy.sh --help does not know %s", word)
		}
	}
}

// fence is a fenced block of a document.
type fence struct {
	document string
	line     int
	section  string // the heading of the second level above it
	lang     string
	text     string
	output   bool // it is what the sh block right before it prints
}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.document, f.line) }

func fences(t *testing.T, document string) []fence {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var list []fence
	var open *fence
	section, adjacent := "", false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case open != nil && line == "```":
			list = append(list, *open)
			adjacent = open.lang == "sh"
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &fence{document: document, line: i + 1, section: section, lang: strings.TrimPrefix(line, "```")}
			open.output = adjacent && open.lang != "sh"
		case strings.TrimSpace(line) != "":
			adjacent = false
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				section = heading
			}
		}
	}
	if open != nil {
		t.Fatalf("%s: the block is not closed", open)
	}
	return list
}

// Each command of the documents is run, in order, section by section, on a new
// etcd; what a command prints is what the document says. Configurations are
// valid. A block of a kind that nothing here runs fails the test.
func TestReadme(t *testing.T) {
	t.Parallel()
	ran := make(map[string]bool)
	for _, document := range documents {
		sections := make(map[string][]fence)
		for _, f := range fences(t, document) {
			switch {
			case f.output, f.lang == "sh":
				sections[f.section] = append(sections[f.section], f)
				ran[strings.TrimSpace(f.text)] = true
			case f.lang == "caddyfile":
				t.Run(f.String(), func(t *testing.T) { f.caddyfile(t) })
			case f.lang == "json":
				t.Run(f.String(), func(t *testing.T) { f.json(t) })
			case f.lang == "go":
				t.Run(f.String(), func(t *testing.T) { f.program(t) })
			case f.lang == "sql":
				t.Run(f.String(), func(t *testing.T) { f.sql(t) })
			default:
				t.Errorf("%s: nothing here runs a block of %q", f, f.lang)
			}
		}
		for _, section := range slices.Sorted(maps.Keys(sections)) {
			t.Run(document+" "+section, func(t *testing.T) { session(t, sections[section]) })
		}
	}
	for block := range notRun {
		if !ran[block] {
			t.Errorf("listed as not run, but in no document: %s", block)
		}
	}
}

// Every line of the old modules' documentation of the lock is in the README.
func TestReadme_seed(t *testing.T) {
	t.Parallel()
	seed, err := os.ReadFile("testdata/seed-lock.txt")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, f := range fences(t, "README.md") {
		commands = append(commands, strings.TrimSpace(f.text))
	}
	for line := range strings.Lines(string(seed)) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(commands, line) {
			t.Errorf("not in the README: %s", line)
		}
	}
}

// reader is somebody who goes through a section of a document.
type reader struct {
	t     *testing.T
	g     *gateway
	sh    shell
	dir   string
	known map[string]string // the document's indices, and those that they were
	waits []*running
}

// session goes through a section.
func session(t *testing.T, blocks []fence) {
	t.Parallel()
	r := &reader{t: t, known: make(map[string]string), dir: t.TempDir()}
	r.g = start(t, onEtcd(etcdtest.Start(t).Endpoint))
	r.sh = newShell(t, r.g)
	if err := os.Symlink(caddy, filepath.Join(r.dir, "caddy")); err != nil {
		t.Fatal(err)
	}
	copyExample(t, filepath.Join(r.dir, "Caddyfile.example"), nil)
	for i, f := range blocks {
		if f.output {
			continue
		}
		want := ""
		if i+1 < len(blocks) && blocks[i+1].output {
			want = blocks[i+1].text
		}
		r.read(f, want)
	}
	for _, w := range r.waits {
		<-w.ended
		if w.err != nil || !regexp.MustCompile(`^\d+$`).MatchString(w.out) {
			t.Errorf("%s waits, and then prints %q (%v), want an index", w.fence, w.out, w.err)
		}
	}
}

func (r *reader) read(f fence, want string) {
	block := strings.TrimSpace(f.text)
	program, arguments, _ := strings.Cut(block, " ")
	if not, ok := notRun[block]; ok {
		not.instead(r.t, block)
		return
	}
	switch {
	case strings.HasPrefix(block, "#!/bin/sh\n# "):
		name, _, _ := strings.Cut(strings.TrimPrefix(block, "#!/bin/sh\n# "), " ")
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(f.text), 0o700); err != nil {
			r.t.Fatal(err)
		}
	case strings.Contains(block, "\n"):
		r.t.Errorf("%s: several lines that are not a script; make a block of each", f)
	case program == "etcdctl":
		r.compare(f, want, r.etcdctl(arguments))
	case program == "./caddy":
		p := r.start(f)
		<-p.ended
		if p.err != nil || p.out == "" {
			r.t.Errorf("%s: %v, prints %q\n%s", f, p.err, p.out, p.log.String())
		}
	case program == "curl", program == "sh":
		r.command(f, want)
	default:
		r.t.Errorf("%s: nothing here runs %s, and it is not in the list of what is not run", f, program)
	}
}

// command runs a line to its end, or until it waits for a lock.
func (r *reader) command(f fence, want string) {
	before, _ := r.g.queue("customer1")
	p := r.start(f)
	waiting := false
	eventually(r.t, 30*time.Second, func() error {
		select {
		case <-p.ended:
			return nil
		default:
		}
		now, err := r.g.queue("customer1")
		if waiting = err == nil && len(now.Queue) > max(1, len(before.Queue)); waiting {
			return nil
		}
		return fmt.Errorf("%s has not ended, and does not wait: %s", f, f.text)
	})
	if waiting {
		r.waits = append(r.waits, p)
		return
	}
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(p.err, &exit) {
		code = exit.ExitCode()
	} else if p.err != nil {
		r.t.Fatal(p.err)
	}
	if code != exits[strings.TrimSpace(f.text)] {
		r.t.Errorf("%s exits with %d:\n%s%s", f, code, f.text, p.log.String())
	}
	r.compare(f, want, p.out)
}

// running is a command that has been started.
type running struct {
	fence fence
	ended chan struct{}
	out   string
	log   bytes.Buffer
	err   error
}

func (r *reader) start(f fence) *running {
	p := &running{fence: f, ended: make(chan struct{})}
	cmd := exec.Command("bash", "-c", f.text)
	cmd.Dir, cmd.Env, cmd.Stderr = r.dir, slices.Concat(r.sh.env, []string{"HOME=" + r.dir}), &p.log
	go func() {
		defer close(p.ended)
		out, err := cmd.Output()
		p.out, p.err = string(out), err
	}()
	return p
}

// What differs from run to run.
var (
	indices = regexp.MustCompile(`(?m)(^|"index":|index )(\d+)(\b|$)`)
	ttls    = regexp.MustCompile(`"ttl":\d+,"queue|"ttl":\d+}`)
	ids     = regexp.MustCompile(`[A-Z2-7]{26}`)
)

func blank(s string) string {
	s = strings.TrimSuffix(s, "\n")
	s = ids.ReplaceAllString(s, "ID")
	s = indices.ReplaceAllString(s, "${1}INDEX")
	return ttls.ReplaceAllStringFunc(s, func(m string) string { return regexp.MustCompile(`\d+`).ReplaceAllString(m, "TTL") })
}

// compare compares what a command prints with what the document says. Indices may
// be others, but each the same wherever it stands.
func (r *reader) compare(f fence, want, got string) {
	r.t.Helper()
	if blank(got) != blank(want) {
		r.t.Errorf("%s:\n%sprints\n%s\nwant\n%s", f, f.text, got, want)
		return
	}
	are := indices.FindAllStringSubmatch(got, -1)
	for i, m := range indices.FindAllStringSubmatch(want, -1) {
		was, ok := r.known[m[2]]
		if ok && was != are[i][2] {
			r.t.Errorf("%s prints index %s for %s, which was %s before", f, are[i][2], m[2], was)
		}
		r.known[m[2]] = are[i][2]
	}
}

// etcdctl is as much of etcdctl as the documents use, on the gateway: it is no
// part of what the tests need.
func (r *reader) etcdctl(arguments string) string {
	prefix, ok := strings.CutPrefix(arguments, "--endpoints http://127.0.0.1:4001 get --prefix ")
	if !ok {
		r.t.Fatalf("etcdctl %s: only get --prefix is known", arguments)
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{r.g.url}, Logger: zap.NewNop()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	resp, err := c.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, kv := range resp.Kvs {
		fmt.Fprintf(&b, "%s\n%s\n", kv.Key, kv.Value)
	}
	return b.String()
}

// caddyfile checks that a Caddyfile is formatted and valid. The files that it
// names are made.
func (f fence) caddyfile(t *testing.T) {
	t.Parallel()
	g := &gateway{t: t, dir: t.TempDir()}
	text := f.text
	if strings.Contains(text, "/etc/etcd/") {
		certificates(t, g.dir)
		text = strings.ReplaceAll(text, "/etc/etcd/", g.dir+"/")
	}
	if err := os.WriteFile(g.path("Caddyfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"fmt", "--diff", "Caddyfile"}, {"adapt"}, {"validate"}} {
		g.caddy(args...)
	}
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

// caddy runs caddy, which has to succeed.
func (g *gateway) caddy(args ...string) string {
	g.t.Helper()
	cmd := g.command(args...)
	cmd.Env = append(cmd.Env, "ETCD_PASSWORD=secret")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Errorf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// certificates makes the files ca.pem, gateway.pem and gateway-key.pem.
func certificates(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]pem.Block{
		"ca.pem":          {Type: "CERTIFICATE", Bytes: certificate},
		"gateway.pem":     {Type: "CERTIFICATE", Bytes: certificate},
		"gateway-key.pem": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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

// block is the one block of the README that has all the words.
func block(t *testing.T, words ...string) string {
	t.Helper()
	var found []string
	for _, f := range fences(t, "README.md") {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.text, w) }) {
			found = append(found, f.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks with %q, want 1", len(found), words)
	}
	return found[0]
}

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
			g := &gateway{t: t, dir: t.TempDir(), site: freeAddress(t), admin: freeAddress(t)}
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
