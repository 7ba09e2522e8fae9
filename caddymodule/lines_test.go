package caddymodule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// newTransport is a transport without a gateway around it.
func newTransport(t *testing.T, transport *caddymodule.Transport) *caddymodule.Transport {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := transport.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Cleanup() })
	return transport
}

// grpcRequest is one to write something, as reverse_proxy hands it on.
func grpcRequest(t *testing.T, address string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/etcdserverpb.KV/Put", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ProtoMajor = 2
	req.Header.Set("Content-Type", "application/grpc")
	return req
}

// sent sends a request, and reads the answer.
func sent(transport http.RoundTripper, req *http.Request) error {
	resp, err := transport.RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return err
}

// put sends a request of the client with that number, who has no address.
func put(t *testing.T, transport *caddymodule.Transport, member *fake, client int) error {
	t.Helper()
	req := grpcRequest(t, member.address, strings.NewReader("v"))
	req.RemoteAddr = "@"
	return sent(transport, req.WithContext(caddymodule.CameOn(req.Context(), client)))
}

// puts is put, which has to do it.
func puts(t *testing.T, transport *caddymodule.Transport, member *fake, client int) {
	t.Helper()
	if err := put(t, transport, member, client); err != nil {
		t.Error(err)
	}
}

// The gRPC of one client connection has a connection to etcd that no other client's
// is on.
func TestLines(t *testing.T) {
	g, fakes := behind(t, 1)
	for range 2 {
		w := g.writes()[2] // each time on a connection of its own
		for range 3 {
			if answered, err := w.do("v"); !answered || err != nil {
				t.Fatalf("answered %v, %v", answered, err)
			}
		}
	}
	from := fakes[0].senders()
	if len(from) != 6 || from[0] != from[1] || from[0] != from[2] || from[3] != from[4] || from[3] != from[5] || from[0] == from[3] {
		t.Errorf("the requests came from %q, want two connections with three of them each", from)
	}
}

// grpc-go ends a connection on which a request has trailers. That does not end what
// other clients watch, nor what that client watches.
func TestLines_trailers(t *testing.T) {
	etcd := etcdtest.Start(t)
	g := newGateway(t)
	g.load(etcdAt(etcd.Endpoint), "etcd")
	conn := g.grpc()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch := watching(ctx, t, conn, "k")
	transport := h2c(t)
	for range 3 {
		req := grpcRequest(t, g.address, io.MultiReader(bytes.NewReader(make([]byte, 5)))) // a message without anything in it
		req.Trailer = http.Header{"Surprise": {"yes"}}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if said := resp.Header.Get("Grpc-Message") + resp.Trailer.Get("Grpc-Message"); !strings.Contains(said, "key is not provided") {
			t.Errorf("the answer is %q, want etcd's", said)
		}
	}
	if _, err := pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte("k"), Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if resp, err := watch.Recv(); err != nil || len(resp.Events) != 1 {
		t.Errorf("the watch got %v, %v", resp, err)
	}
}

// A client that does not read an answer has no more than a quarter of a MiB of it be
// taken from etcd: with Go's 4, a few such answers use up what the line may hold, and
// nothing goes on on it.
func TestLines_unread(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	chunk := make([]byte, 32<<10)
	member := newFake(t)
	member.answer = func(w http.ResponseWriter, _ *http.Request) {
		for range (8 << 20) / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			written.Add(int64(len(chunk)))
		}
	}
	transport := newTransport(t, new(caddymodule.Transport))
	unread, err := transport.RoundTrip(grpcRequest(t, member.address, strings.NewReader("large")))
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Body.Close()
	const most = 256 << 10
	patience.Until(t, 10*time.Second, func() error {
		if n := written.Load(); n < most {
			return errors.New("less has been sent than the client may leave unread")
		}
		return nil
	})
	for range 50 { // on the same connection, so whatever was on its way has come
		if err := sent(transport, grpcRequest(t, member.address, strings.NewReader("small"))); err != nil {
			t.Fatal(err)
		}
	}
	if n := written.Load(); n > most+most/4 {
		t.Errorf("%d bytes of an unread answer were taken", n)
	}
}

// Clients that have no address of their own, those of a Unix socket, have lines of
// their own too.
func TestLines_withoutAddress(t *testing.T) {
	t.Parallel()
	member := newFake(t)
	transport := newTransport(t, new(caddymodule.Transport))
	for i := range 4 {
		puts(t, transport, member, i/2)
	}
	if from := member.senders(); from[0] != from[1] || from[1] == from[2] || from[2] != from[3] {
		t.Errorf("the requests came from %q, want two connections with two of them each", from)
	}
}

// A line goes some time after its client's last request, and nothing is kept of it.
func TestLines_idle(t *testing.T) {
	t.Parallel()
	member := newFake(t)
	transport := newTransport(t, new(caddymodule.Transport))
	const many = 20
	for i := range many {
		puts(t, transport, member, i)
	}
	if n := transport.Lines(); n != many {
		t.Errorf("there are %d lines, want %d", n, many)
	}
	patience.Until(t, 20*time.Second, func() error {
		if n := transport.Lines(); n > 0 {
			return fmt.Errorf("there are %d lines", n)
		}
		return nil
	})
}

// More requests at a time than a member takes on one connection go on more than one, and
// all arrive.
func TestLines_full(t *testing.T) {
	t.Parallel()
	const many = 600
	for _, streams := range []int{10, 100, 250} {
		member := newFakeWith(t, streams)
		member.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		transport := newTransport(t, new(caddymodule.Transport))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range many {
			req := grpcRequest(t, member.address, strings.NewReader("large"))
			running.Go(func() {
				if err := sent(transport, req.WithContext(caddymodule.CameOn(ctx, 1))); err == nil || ctx.Err() == nil {
					t.Errorf("got %v, want no answer until the client goes", err)
				}
			})
		}
		patience.Until(t, 20*time.Second, func() error {
			if n := len(member.bodies()); n != many {
				return fmt.Errorf("where %d fit on a connection, %d of %d requests have arrived", streams, n, many)
			}
			return nil
		})
		cancel()
		running.Wait()
	}
}

// A line that was full gets requests again when it is not.
func TestLines_fullForAWhile(t *testing.T) {
	t.Parallel()
	const streams, many, rounds = 10, 30, 20
	member := newFakeWith(t, streams)
	transport := newTransport(t, new(caddymodule.Transport))
	for range rounds {
		var running sync.WaitGroup
		for range many {
			running.Go(func() { puts(t, transport, member, 1) })
		}
		running.Wait()
	}
	from := member.senders()
	slices.Sort(from)
	// Each round takes three at least. With a new one for each that is full, it would
	// be that many in each round.
	if n := len(slices.Compact(from)); n > 3*many/streams {
		t.Errorf("%d connections were made", n)
	}
}

// A reload does no harm to what is sent meanwhile.
func TestLines_cleanup(t *testing.T) {
	t.Parallel()
	member := newFake(t)
	transport := newTransport(t, new(caddymodule.Transport))
	var running sync.WaitGroup
	var done atomic.Bool
	for client := range 10 {
		running.Go(func() {
			for !done.Load() && !t.Failed() {
				puts(t, transport, member, client)
			}
		})
	}
	for range 100 {
		before := len(member.bodies())
		if err := transport.Cleanup(); err != nil {
			t.Error(err)
		}
		patience.Until(t, 10*time.Second, func() error {
			if len(member.bodies()) == before {
				return errors.New("nothing is sent any more")
			}
			return nil
		})
	}
	done.Store(true)
	running.Wait()
}

// A proxy is chosen by the member's whole address. If it can't be, that is nobody's
// fault who is asked, and one that says nothing is waited for as long as a member.
func TestLines_proxy(t *testing.T) {
	t.Parallel()
	member := newFake(t)
	transport := newTransport(t, new(caddymodule.Transport))
	var asked string
	transport.ChooseProxy(func(req *http.Request) (*url.URL, error) {
		asked = req.URL.Host
		return nil, nil
	})
	puts(t, transport, member, 1)
	if asked != member.address {
		t.Errorf("asked for a proxy to %q, want %q", asked, member.address)
	}

	transport.ChooseProxy(func(*http.Request) (*url.URL, error) { return nil, errors.New("no such proxy") })
	if err := put(t, transport, member, 2); err == nil || errors.As(err, new(reverseproxy.DialError)) {
		t.Errorf("got %v, want an error that is not for others", err)
	}

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	transport.ChooseProxy(http.ProxyURL(&url.URL{Scheme: "socks5", Host: silent.Addr().String()}))
	if err := put(t, transport, member, 3); !errors.As(err, new(reverseproxy.DialError)) {
		t.Errorf("got %v, want an error that lets it be sent elsewhere", err)
	}
}

// A member that takes connections and says nothing on them has got no request, so
// that may be sent to another one, soon.
func TestTransport_hangsBeforeTLS(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // what is accepted by the kernel alone is closed with it
	for _, grpc := range []bool{false, true} {
		transport := newTransport(t, &caddymodule.Transport{TLS: new(caddymodule.TLS)})
		req := grpcRequest(t, l.Addr().String(), strings.NewReader("v"))
		req.URL.Scheme = "https"
		if !grpc {
			req.ProtoMajor = 1
		}
		clock := patience.Start(t)
		if err := sent(transport, req); !errors.As(err, new(reverseproxy.DialError)) {
			t.Errorf("gRPC %v: %v, want an error that lets it be sent elsewhere", grpc, err)
		}
		// The gateway tries others for 4 s.
		if took := clock.Took(); took > 3500*time.Millisecond {
			t.Errorf("gRPC %v: it took %v", grpc, took)
		}
	}
}
