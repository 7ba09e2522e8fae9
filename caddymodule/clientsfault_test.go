package caddymodule_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// Clients that break off what they send do no harm to the members, nor to others.
func TestClientsFault_brokenOff(t *testing.T) {
	g, fakes := behind(t, 2)
	head := "PUT /v2/keys/k HTTP/1.1\r\nHost: " + g.address + "\r\nContent-Length: 10\r\n\r\nvalue"
	for range 5 {
		conn, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, head)
		// The gateway says that it cannot go on when it has read the end.
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if err := g.servedBy(fakes[0]); err != nil {
			t.Fatal(err)
		}
	}
}

// Nor do those that send more than `request_body` lets them: they are told so.
func TestClientsFault_tooLarge(t *testing.T) {
	g, fakes := behind(t, 2, "request_body {\n max_size 10\n}")
	for _, body := range []io.Reader{strings.NewReader("more than that"), io.MultiReader(strings.NewReader("more than that"))} {
		for range 5 {
			g.want(g.send(http.MethodPut, "/v2/keys/k", body), http.StatusRequestEntityTooLarge, "")
			if err := g.servedBy(fakes[0]); err != nil {
				t.Fatal(err)
			}
			body = io.MultiReader(strings.NewReader("more than that"))
		}
	}
}

// short is a body that ends before its announced end, as one over HTTP/3 may.
type short struct{ io.Reader }

func (short) Close() error { return nil }

// Nor do those whose body is shorter than they have announced, as HTTP/3 lets it be:
// reverse_proxy does not count what is cancelled.
func TestClientsFault_tooShort(t *testing.T) {
	member := newFake(t)
	transport := newTransport(t, new(caddymodule.Transport))
	for _, c := range []struct {
		method string
		major  int
	}{{http.MethodPost, 1}, {http.MethodPost, 2}, {http.MethodGet, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			req := grpcRequest(t, member.address, nil)
			req.Method, req.ProtoMajor = c.method, c.major
			req.ContentLength = 10
			req.Body = short{strings.NewReader("value")}
			if err := sent(transport, req); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it is cancelled", err)
			}
		})
	}
	if arrived := member.bodies(); len(arrived) > 0 {
		t.Errorf("the member has taken %q for requests", arrived)
	}
}

// Nor do those that nobody could send, as net/http has it: they are told so, at once.
func TestClientsFault_refused(t *testing.T) {
	g, fakes := behind(t, 2)
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	clock := patience.Start(t)
	_, _ = io.WriteString(conn, "POST /v2/keys/k HTTP/1.1\r\nHost: "+g.address+"\r\nTransfer-Encoding: chunked\r\nTrailer: a b\r\n\r\n0\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the answer is %s, want 400", resp.Status)
	}
	if took := clock.Took(); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := g.servedBy(fakes[0]); err != nil {
		t.Error(err)
	}
	transport := newTransport(t, new(caddymodule.Transport))
	for _, major := range []int{1, 2} {
		req := grpcRequest(t, fakes[0].address, strings.NewReader("v"))
		req.ProtoMajor = major
		req.Method = "A B"
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("HTTP/%d: the answer is %s, want 400", major, resp.Status)
		}
	}
}

// A GET with a body can't be sent again when that has been read. It is no other
// member's fault.
func TestClientsFault_getWithBody(t *testing.T) {
	g, fakes := behind(t, 2)
	for _, f := range fakes {
		f.breaks.Store(true)
	}
	for range 3 {
		g.want(g.send(http.MethodGet, "/who", io.MultiReader(strings.NewReader("body"))), http.StatusBadGateway, "")
	}
	if n, others := len(fakes[0].bodies()), len(fakes[1].bodies()); n != 3 || others != 0 {
		t.Errorf("%d and %d have arrived, want 3 and none", n, others)
	}
	for _, f := range fakes {
		f.breaks.Store(false)
	}
	if err := g.servedBy(fakes[0]); err != nil {
		t.Error(err)
	}
}
