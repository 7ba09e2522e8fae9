package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// An etcd without the API is refused at the start, and the error says what to set.
func TestWrongAPI(t *testing.T) {
	type start func(*testing.T) (endpoint string)
	// Etcd 2 cannot be built with today's Go, so this is one in name only.
	old := func(version string) start {
		return func(t *testing.T) string {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, version)
			}))
			t.Cleanup(s.Close)
			return s.URL
		}
	}
	today := func(t *testing.T) string { return etcdtest.Start(t).Endpoint }
	off := func(version etcdtest.Version) start {
		return func(t *testing.T) string { return etcdtest.StartProcess(t, version).Endpoint }
	}
	const (
		in        = " in the global etcd option"
		noV3      = ", which has no v3 API: set `api v2`" + in
		noV2      = ", which has no v2 API any more: set `api v3`" + in
		offV2     = ", and its v2 API is switched off: start etcd with `--enable-v2=true`, or set `api v3`" + in
		tooOld    = ", and the gateway needs 2.3.6 or later"
		version20 = `{"releaseVersion":"2.0.3","internalVersion":"2"}`
		version22 = `{"etcdserver":"2.2.5","etcdcluster":"2.2.0"}`
		early23   = `{"etcdserver":"2.3.5","etcdcluster":"2.3.0"}`
		version23 = `{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}`
	)
	for _, c := range []struct {
		api     string
		start   start
		version string
		because string
	}{
		{"v3", old(version23), "2.3.8", noV3},
		{"v3", old(version22), "2.2.5", tooOld},
		{"v2", old(version22), "2.2.5", tooOld},
		{"v2", old(version20), "2.0", tooOld},
		{"v2", old(early23), "2.3.5", tooOld},
		{"v2", today, "3.7.", noV2},
		{"v2", off(etcdtest.V35), "3.5.", offV2},
		{"v2", off(etcdtest.V34), "3.4.", offV2},
	} {
		t.Run(c.api+" at "+c.version, func(t *testing.T) {
			endpoint := c.start(t)
			err := newGateway(t).try(etcdAt(endpoint, "api "+c.api), "etcd")
			begin := "etcd at " + endpoint + " is " + c.version
			if err == nil || !strings.Contains(err.Error(), begin) || !strings.HasSuffix(err.Error(), c.because) {
				t.Errorf("got %v, want an error with %q that ends with %q", err, begin, c.because)
			}
		})
	}
}

// An etcd that is away at the start, and turns out to be the wrong one when it is
// back, is an error in the log, once, and from the next reload on.
func TestWrongAPI_later(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	option := "log complaints {\n output file " + log + "\n level ERROR\n}\n"
	said := func() string {
		t.Helper()
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	etcd := etcdtest.StartProcess(t, etcdtest.V35)
	etcd.Stop()
	option += etcdAt(etcd.Endpoint, "api v2")
	g := newGateway(t)
	g.load(option, "etcd")
	g.load(option, "header X-Changed yes\netcd")
	etcd.Restart(t)
	patience.Until(t, 30*time.Second, func() error {
		if text := said(); !strings.Contains(text, "--enable-v2=true") {
			return fmt.Errorf("the log does not say what is wrong: %s", text)
		}
		return nil
	})
	g.want(g.do(http.MethodPost, "/mod/v2/lock/k?ttl=60"), http.StatusServiceUnavailable, "")
	if err := g.try(option, "etcd"); err == nil || !strings.Contains(err.Error(), "--enable-v2=true") {
		t.Errorf("a reload got %v", err)
	}
	if n := strings.Count(said(), "etcd answers now"); n != 1 {
		t.Errorf("the log says it %d times, want once: %s", n, said())
	}
}
