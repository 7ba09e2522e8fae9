package etcdtest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Process is an etcd that is a process of its own.
type Process struct {
	Endpoint string // http://127.0.0.1:port, or https
	Log      string // the file with what it says

	t       testing.TB
	program string
	version Version
	flags   []string
	data    string
	tls     *tls.Config
	cmd     *exec.Cmd
	pid     atomic.Int64  // of cmd, once it has been started
	ended   chan struct{} // closed when the process has ended
}

// Option says how an etcd differs from the usual.
type Option func(*Process)

// WithFlags adds flags, which count more than those that every etcd here has, such
// as --advertise-client-urls.
func WithFlags(flags ...string) Option {
	return func(p *Process) { p.flags = append(p.flags, flags...) }
}

// WithData has the data be in a folder, and not on the disk that other tests wait for.
func WithData(dir string) Option {
	return func(p *Process) { p.data = filepath.Join(dir, "data") }
}

// WithTLS has clients connect with TLS, and show a certificate of the same
// authority.
func WithTLS(c Certificates) Option {
	return func(p *Process) {
		p.tls = c.Config(p.t)
		p.flags = append(p.flags, "--client-cert-auth",
			"--trusted-ca-file", c.CA, "--cert-file", c.Cert, "--key-file", c.Key)
	}
}

// StartV2 starts an etcd with the v2 API, which 3.7 no longer has, and kills it
// when the test ends. If there is none of that version, the test is skipped.
func StartV2(t testing.TB, version Version, options ...Option) *Process {
	t.Helper()
	return StartProcess(t, version, append(options, WithFlags("--enable-v2=true"))...)
}

// StartProcess starts an etcd without the v2 API, as it is by default, and kills it
// when the test ends. If there is none of that version, the test is skipped. The
// ids of all of them are equal.
func StartProcess(t testing.TB, version Version, options ...Option) *Process {
	t.Helper()
	p := newProcess(t, version, options...)
	p.start(t)
	return p
}

// newProcess is an etcd that does not run yet.
func newProcess(t testing.TB, version Version, options ...Option) *Process {
	t.Helper()
	dir := t.TempDir()
	p := &Process{
		Log: filepath.Join(dir, "log"), t: t, program: program(t, version), version: version, data: filepath.Join(dir, "data"),
	}
	if version == V34 { // which waits for its disk at each write, and can't be told not to
		p.data = filepath.Join(Memory(t), "data")
	}
	for _, option := range options {
		option(p)
	}
	p.Endpoint = "http://" + FreeAddress(t)
	if p.tls != nil {
		p.Endpoint = "https" + p.Endpoint[len("http"):]
	}
	t.Cleanup(p.end) // before the address is free
	return p
}

// start runs the etcd and waits until it serves.
func (p *Process) start(t testing.TB) {
	t.Helper()
	p.run(t)
	p.await(t)
}

func (p *Process) await(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := p.serves()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("etcd %s does not serve: %v", p.version, err)
		}
		select {
		case <-p.ended:
			t.Fatalf("etcd %s does not start", p.version)
		case <-time.After(20 * time.Millisecond): // between two looks
		}
	}
}

func (p *Process) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const peer = "http://127.0.0.1:0" // it is the only member
	flags := []string{
		"--name", "test", "--data-dir", p.data, "--logger=zap", "--log-level=warn",
		"--listen-client-urls", p.Endpoint, "--advertise-client-urls", p.Endpoint,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "test=" + peer,
	}
	if p.version != V34 { // which has no such flag
		flags = append(flags, "--unsafe-no-fsync")
	}
	p.cmd = exec.Command(p.program, append(flags, p.flags...)...) // the last one counts
	if runtime.GOARCH != "amd64" {
		p.cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH="+runtime.GOARCH)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	EndWithTest(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid.Store(int64(p.cmd.Process.Pid))
	cmd, ended := p.cmd, make(chan struct{})
	p.ended = ended
	go func() {
		_ = cmd.Wait()
		_ = log.Close()
		close(ended)
	}()
}

// serves says what is wrong if the etcd does not serve clients, or has no leader.
func (p *Process) serves() error {
	resp, err := p.client().Get(p.Endpoint + "/health")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/health answers %s", resp.Status)
	}
	return nil
}

func (p *Process) client() *http.Client {
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: p.tls},
	}
}

// Stop kills the etcd, as a crash would. Its data stay, for Restart.
func (p *Process) Stop() {
	if p.cmd != nil {
		p.Hang(false)
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.cmd = nil
	}
}

// Restart starts a stopped etcd again, on the same data and port.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	p.start(t)
}

// end stops the etcd at the test's end.
func (p *Process) end() {
	if p.cmd != nil {
		select {
		case <-p.ended:
			p.t.Errorf("etcd %s has ended by itself", p.version)
		default:
			p.Stop()
		}
	}
	if p.t.Failed() {
		log := p.log()
		p.t.Logf("the log of etcd %s:\n%s", p.version, log[max(0, len(log)-4000):])
	}
}

func (p *Process) log() []byte {
	log, _ := os.ReadFile(p.Log)
	return log
}
