package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// secured is what is done with TLS, by clients that show a certificate. Etcd wants
// one; the gateway shows its own.
var secured = []group{
	{"etcdctl 3.7", commanding(etcdtest.V37, "3", slices.Concat(keys, watches))},
	{"etcdctl 3.4", commanding(etcdtest.V34, "3", []command{
		{line: "put k v", want: "OK"},
		{line: "get k", want: "v"},
		{line: "endpoint status", want: "https://HOST"},
		{line: "endpoint health", want: "is healthy"},
		{line: "member list", want: "https://HOST"},
	})},
	{"Go", goClient},
	{"gRPC", bareGRPC},
	{"watches", requesting(jsonWatches)},
	{"WebSockets", webSockets},
	{"service", requesting(service)},
	{"HTTP/2", http2JSON},
}

// http2JSON asks the JSON gateway with HTTP/2.
func http2JSON() []step {
	var steps []step
	for _, r := range []query{
		{line: "POST /v3/kv/put", body: `{"key":"<h/1>","value":"<one>"}`, want: `"revision":`, note: `"revision":"(?P<start>\d+)"`},
		{line: "POST /v3/kv/range", body: `{"key":"<h/1>"}`, want: `"count":"1"`},
		{line: "POST /v3/kv/range", body: `{"key":`, want: "400"},
		{line: "POST /v3/watch", body: `{"create_request":{"key":"<h/1>","start_revision":$start}}`, events: 2, want: `"kv"`},
		{line: "GET /version", want: "HTTP/2.0 200"},
		{line: "HEAD /health", want: "405"},
		{line: "OPTIONS /v3/kv/put", want: "200"},
		{line: "GET /nothing", want: "404"},
	} {
		steps = append(steps, step{r.line + " " + r.body, r.want, func(ctx context.Context, s *side) string {
			out := s.askHTTP2(ctx, r)
			s.remember(r.note, out, s.noted)
			return out
		}})
	}
	return steps
}

func (s *side) askHTTP2(ctx context.Context, r query) string {
	transport := &http.Transport{TLSClientConfig: s.certificates.Config(s.t), ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	method, path, _ := strings.Cut(r.line, " ")
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(inBase64(s.filled(r.body))))
	if err != nil {
		return err.Error()
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for name, values := range resp.Header {
		if line := fmt.Sprintf("%s: %s\r\n", name, values); !hopHeader(line) && name != "Content-Length" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	size, rest := r.rest(resp)
	length := "none"
	switch resp.ContentLength {
	case -1:
	case int64(size):
		length = "the body's"
	default:
		length = fmt.Sprint(resp.ContentLength)
	}
	return fmt.Sprintf("%s %s\r\nlength: %s\r\n%s\r\n%s", resp.Proto, resp.Status, length, strings.Join(lines, ""), rest)
}
