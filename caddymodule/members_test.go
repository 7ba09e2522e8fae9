package caddymodule_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// A member that says it is ill is asked no more within 5 s, and asked again within
// 5 s when it says that it is well.
func TestMembers_ill(t *testing.T) {
	g, fakes := behind(t, 2)
	fakes[0].ill.Store(true)
	t.Logf("passed by after %v", patience.Until(t, 5*time.Second, func() error { return g.servedBy(fakes[1]) }))
	fakes[0].ill.Store(false)
	t.Logf("asked again after %v", patience.Until(t, 5*time.Second, func() error { return g.servedBy(fakes[0]) }))
}

// All members are ill for a moment when etcd elects a new leader. Requests wait, and
// for no longer than some seconds if it lasts.
func TestMembers_election(t *testing.T) {
	g, fakes := behind(t, 2)
	for _, f := range fakes {
		f.ill.Store(true)
	}
	took := patience.Until(t, 20*time.Second, func() error {
		if r := g.do(http.MethodGet, "/who"); r.status != http.StatusServiceUnavailable {
			return fmt.Errorf("got %d %s", r.status, r.body)
		}
		return nil
	})
	if took > 8*time.Second {
		t.Errorf("the first 503 came after %v", took)
	}
	clock, begin := patience.Start(t), time.Now()
	time.AfterFunc(time.Second, func() { fakes[0].ill.Store(false) })
	// It takes two of the 4 s for which the request waits.
	if err := g.servedBy(fakes[0]); err != nil && clock.Took() > time.Since(begin)-time.Second {
		t.Error(err)
	}
}

// write is a way to write a text.
type write struct {
	name string
	do   func(text string) (answered bool, err error)
}

// writes are the ways, each with connections of its own that it keeps.
func (g *gateway) writes() []write {
	g.t.Helper()
	conn := g.grpc()
	put := func(body io.Reader) (bool, error) {
		r := g.send(http.MethodPut, "/v2/keys/k", body)
		return r.status == http.StatusOK, r.err
	}
	return []write{
		{"HTTP/1.1", func(text string) (bool, error) { return put(strings.NewReader(text)) }},
		{"chunks", func(text string) (bool, error) { return put(io.MultiReader(strings.NewReader(text))) }},
		{"gRPC", func(text string) (bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_, err := pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte("k"), Value: []byte(text)})
			if status.Code(err) == codes.Unavailable || status.Code(err) == codes.Internal {
				return false, nil
			}
			return err == nil, err
		}},
	}
}

// same says whether that is what arrives of a write.
func (w write) same(body, text string) bool {
	if w.name != "gRPC" {
		return body == text
	}
	var req pb.PutRequest
	return len(body) > 5 && proto.Unmarshal([]byte(body[5:]), &req) == nil && string(req.Value) == text
}

// What could not be sent to one member is sent to another one, as it is.
func TestMembers_unsent(t *testing.T) {
	for i := range 3 {
		g, fakes := behind(t, 2)
		w := g.writes()[i]
		text := strings.Repeat(w.name, 100_000)
		fakes[0].stop()
		answered, err := w.do(text)
		if arrived := fakes[1].bodies(); !answered || len(arrived) != 1 || !w.same(arrived[0], text) {
			t.Errorf("%s: answered %v, %v, and %d arrived", w.name, answered, err, len(arrived))
		}
		fakes[0].start()
	}
}

// What has been sent is not sent again, though its answer is lost: on a connection
// that was made for it, and on one that was there.
func TestMembers_once(t *testing.T) {
	for i := range 3 {
		for _, kept := range []bool{false, true} {
			g, fakes := behind(t, 2)
			w, sent := g.writes()[i], 1
			if kept {
				sent++
				if answered, err := w.do("before"); !answered || err != nil {
					t.Fatalf("%s: %v, %v", w.name, answered, err)
				}
			}
			for _, f := range fakes {
				f.breaks.Store(true)
			}
			answered, err := w.do("breaks")
			if answered || err != nil {
				t.Errorf("%s: answered %v, %v; want an error of the gateway", w.name, answered, err)
			}
			if n := len(fakes[0].bodies()) + len(fakes[1].bodies()); n != sent {
				t.Errorf("%s: %d arrived, want %d", w.name, n, sent)
			}
		}
	}
}

// Whose stream has sent nothing yet is told, too, when the member goes.
func TestMembers_silentClient(t *testing.T) {
	g, _ := behind(t, 1)
	body, silent := io.Pipe()
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.address+"/cuts", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	resp, err := h2c(t).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("the answer is %s, want 502", resp.Status)
	}
}
