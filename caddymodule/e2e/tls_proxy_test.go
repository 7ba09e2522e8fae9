package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Where the environment names a proxy, what goes to etcd goes through it, gRPC too,
// and it is etcd whose certificate counts.
func TestTLS_proxy(t *testing.T) {
	t.Parallel()
	c := etcdtest.NewCertificates(t)
	etcd := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithTLS(c))
	const member = "etcd.test:2379" // the proxy alone knows where that is
	proxy, asked := tunnels(t, strings.TrimPrefix(etcd.Endpoint, "https://"))
	g := newGateway(t)
	g.env = []string{"HTTPS_PROXY=" + proxy, "NO_PROXY="}
	secure := tlsOption(c.CA, c)
	g.directive = "reverse_proxy https://" + member + " {\n\t\ttransport etcd {\n\t\t" + secure + "\n\t\t}\n\t}"
	g.configure(onEtcd(etcd.Endpoint)+"\n\t\t"+secure, "respond /mod/v2/lock/ready 200") // which nobody else would
	g.run()
	wantTool(t, nil, 0, `"etcdserver":`, "curl", "-s", g.url+"/version")
	wantTool(t, nil, 0, "OK", etcdtest.Etcdctl(t, etcdtest.V37), "--endpoints", g.url, "put", "a", "b")
	if all := asked(); !slices.Equal(all, []string{member, member}) {
		t.Errorf("the proxy was asked for %q, want %s for HTTP and for gRPC", all, member)
	}
}

// tunnels starts a proxy that connects whoever asks with an address, and tells what it
// was asked for.
func tunnels(t *testing.T, address string) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	var copying sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r.Host)
		mu.Unlock()
		far, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		// From here on the server does not wait for it any more.
		copying.Add(1)
		defer copying.Done()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			_ = far.Close()
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		for _, c := range [][2]net.Conn{{near, far}, {far, near}} {
			copying.Go(func() {
				_, _ = io.Copy(c[0], c[1])
				_, _ = c[0].Close(), c[1].Close()
			})
		}
	}))
	t.Cleanup(func() {
		s.Close()
		copying.Wait()
	})
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}
