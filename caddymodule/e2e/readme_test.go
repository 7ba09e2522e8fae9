package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// notRun are the sh blocks that are not run as they stand, with the reason and
// what is done instead.
var notRun = map[string]struct {
	why     string
	instead func(t *testing.T, block string)
}{
	"make run":    {"it does not end; TestCLI_example does the same", makeTarget},
	"make test":   {"it would run this test", makeTarget},
	"./xcaddy.sh": {"TestMain has run it", xcaddyFlags},
	"./xcaddy.sh --output ./caddy-with-limits --with " + rateLimit: {
		"it needs a network; TestGuards_rateLimit does it where there is one", xcaddyFlags,
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

// Each command of the documents is run, in order, section by section, on a new
// etcd, with the v2 API if the section has a Caddyfile with it; what a command
// prints is what the document says. Configurations are valid. A block of a kind
// that nothing here runs fails the test.
func TestReadme(t *testing.T) {
	t.Parallel()
	ran := make(map[string]bool)
	for _, document := range documents {
		sections := make(map[string][]fence)
		on := make(map[string]backend)
		for _, f := range fences(t, document) {
			switch {
			case f.output, f.lang == "sh":
				sections[f.section] = append(sections[f.section], f)
				ran[strings.TrimSpace(f.text)] = true
			case f.lang == "caddyfile":
				if strings.Contains(f.text, "api v2\n") {
					on[f.section] = v2on35
				}
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
			b, ok := on[section]
			if !ok {
				b = v3on37
			}
			t.Run(document+" "+section, func(t *testing.T) { session(t, b, sections[section]) })
		}
	}
	for block := range notRun {
		if !ran[block] {
			t.Errorf("listed as not run, but in no document: %s", block)
		}
	}
}

// Every line of the old modules' documentation is in the README.
func TestReadme_seed(t *testing.T) {
	var commands []string
	for _, f := range fences(t, "README.md") {
		commands = append(commands, strings.TrimSpace(f.text))
	}
	for _, file := range []string{"seed-lock.txt", "seed-leader.txt"} {
		seed, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(seed)) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(commands, line) {
				t.Errorf("not in the README: %s", line)
			}
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

	streams []*running // which do not end
}

// session goes through a section, with a gateway on that backend.
func session(t *testing.T, b backend, blocks []fence) {
	t.Parallel()
	r := &reader{t: t, known: make(map[string]string), dir: t.TempDir()}
	r.g = b.run(t).gateway(t)
	r.sh = newShell(t, r.g)
	for name, file := range map[string]string{"caddy": caddy, "etcdctl": etcdtest.Etcdctl(t, etcdtest.V37)} {
		if err := os.Symlink(file, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
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
	for _, s := range r.streams {
		r.listened(s)
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
	program, _, _ := strings.Cut(block, " ")
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
		r.etcdctl(f, want)
	case program == "./caddy":
		p := r.start(f)
		<-p.ended
		if p.err != nil || p.out == "" {
			r.t.Errorf("%s: %v, prints %q\n%s", f, p.err, p.out, p.log.String())
		}
	case strings.Contains(block, "text/event-stream"):
		r.listen(f, want)
	case program == "curl", program == "sh":
		r.command(f, want)
	default:
		r.t.Errorf("%s: nothing here runs %s, and it is not in the list of what is not run", f, program)
	}
}

// command runs a line to its end, or until it waits for a lock.
func (r *reader) command(f fence, want string) {
	before, _ := r.g.queueAt(path(f))
	p := r.start(f)
	waiting := false
	patience.Until(r.t, 30*time.Second, func() error {
		select {
		case <-p.ended:
			return nil
		default:
		}
		now, err := r.g.queueAt(path(f))
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

// path is where a command goes to, of a lock or an election.
func path(f fence) string {
	return regexp.MustCompile(`/mod/v2/(lock|leader)/[^?'"\s]+|$`).FindString(f.text)
}

// listen runs a line that does not end, until it prints something. What that has to
// be is known when all others have been run.
func (r *reader) listen(f fence, want string) {
	p := r.start(f)
	p.want = want
	r.streams = append(r.streams, p)
	patience.Until(r.t, 10*time.Second, func() error {
		if !strings.Contains(p.printed.String(), "\nid: ") {
			return fmt.Errorf("%s prints %q", f, p.printed.String())
		}
		return nil
	})
}

// listened ends such a line when it has printed enough.
func (r *reader) listened(p *running) {
	patience.Until(r.t, 10*time.Second, func() error {
		if len(strings.Split(p.printed.String(), "\n")) < len(strings.Split(p.want, "\n")) {
			return fmt.Errorf("%s prints no more than %q", p.fence, p.printed.String())
		}
		return nil
	})
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	r.compare(p.fence, p.want, p.out)
}

// running is a command that has been started.
type running struct {
	fence   fence
	cmd     *exec.Cmd
	want    string
	printed buffer
	ended   chan struct{}
	out     string // when it has ended
	log     bytes.Buffer
	err     error
}

// buffer can be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (r *reader) start(f fence) *running {
	p := &running{fence: f, ended: make(chan struct{})}
	p.cmd = exec.Command("bash", "-c", f.text)
	p.cmd.Dir, p.cmd.Env = r.dir, slices.Concat(r.sh.env, []string{
		"HOME=" + r.dir, "PATH=" + r.dir + string(os.PathListSeparator) + os.Getenv("PATH"),
	})
	p.cmd.Stdout, p.cmd.Stderr = &p.printed, &p.log
	if p.err = p.cmd.Start(); p.err != nil {
		close(p.ended)
		return p
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
		p.out = p.printed.String()
	}()
	return p
}

// What differs from run to run.
var (
	indices = regexp.MustCompile(`(?m)(^|"index":|index |^id: )(\d+)(\b|$)`)
	ttls    = regexp.MustCompile(`"ttl":\d+,"queue|"ttl":\d+}`)
	ids     = regexp.MustCompile(`[A-Z2-7]{26}`)
	times   = regexp.MustCompile(`"since":\d+`)
)

func blank(s string) string {
	s = strings.TrimSuffix(s, "\n")
	s = ids.ReplaceAllString(s, "ID")
	s = times.ReplaceAllString(s, `"since":TIME`)
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

// etcdctl runs it on the gateway.
func (r *reader) etcdctl(f fence, want string) {
	asWritten := f
	f.text = strings.ReplaceAll(f.text, "127.0.0.1:4001", r.g.site)
	p := r.start(f)
	<-p.ended
	if p.err != nil {
		r.t.Errorf("%s: %v\n%s", f, p.err, p.log.String())
	}
	r.compare(asWritten, want, p.out)
}
