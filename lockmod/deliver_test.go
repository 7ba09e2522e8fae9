package lockmod

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

func post(t *testing.T, accept string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), "POST", Prefix+"k?ttl=60", nil)
	r.Header.Set("Accept", accept)
	return r
}

// bare is a ResponseWriter that can do no more than it must.
type bare struct{ w http.ResponseWriter }

func (b bare) Header() http.Header         { return b.w.Header() }
func (b bare) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b bare) WriteHeader(status int)      { b.w.WriteHeader(status) }

// cut is a connection that takes no body.
type cut struct{ *httptest.ResponseRecorder }

func (cut) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// bug is a ResponseWriter that panics.
type bug struct{ *httptest.ResponseRecorder }

func (bug) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// leavingAtFlush is a client that goes when it has been sent its answer.
type leavingAtFlush struct {
	*httptest.ResponseRecorder
	cancel context.CancelFunc
}

func (l leavingAtFlush) FlushError() error {
	l.cancel()
	return nil
}

// Each hold is settled once, and as delivered only if its answer has left whole
// for a client that was there (I4). One that goes while it is answered, as curl
// does as soon as it has the index, may have read it (I1).
func TestDelivery_I4(t *testing.T) {
	for _, accept := range []string{"text/plain", "application/json"} {
		for _, c := range []struct {
			name      string
			writer    func(w *httptest.ResponseRecorder, gone context.CancelFunc) http.ResponseWriter
			delivered bool
		}{
			{"sent", func(w *httptest.ResponseRecorder, _ context.CancelFunc) http.ResponseWriter { return w }, true},
			{"no way to flush", func(w *httptest.ResponseRecorder, _ context.CancelFunc) http.ResponseWriter { return bare{w} }, true},
			{"write fails", func(w *httptest.ResponseRecorder, _ context.CancelFunc) http.ResponseWriter { return cut{w} }, false},
			{"flush fails", func(w *httptest.ResponseRecorder, _ context.CancelFunc) http.ResponseWriter { return broken{w} }, false},
			{"panic", func(w *httptest.ResponseRecorder, _ context.CancelFunc) http.ResponseWriter { return bug{w} }, false},
			{"gone before", func(w *httptest.ResponseRecorder, gone context.CancelFunc) http.ResponseWriter { gone(); return w }, false},
			{"gone while written", func(w *httptest.ResponseRecorder, gone context.CancelFunc) http.ResponseWriter {
				return leaving{w, gone}
			}, true},
			{"gone while flushed", func(w *httptest.ResponseRecorder, gone context.CancelFunc) http.ResponseWriter {
				return leavingAtFlush{w, gone}
			}, true},
		} {
			t.Run(c.name+" "+accept, func(t *testing.T) {
				f := &fake{holder: heldAt(5, "bar"), queue: store.Listing{Entries: []store.Entry{heldAt(5, "bar")}}}
				w := httptest.NewRecorder()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := post(t, accept).WithContext(ctx)
				func() {
					defer func() { _ = recover() }()
					on(f).ServeHTTP(c.writer(w, cancel), r)
				}()
				if !slices.Equal(f.settled, []bool{c.delivered}) {
					t.Errorf("settled %v, want once %v", f.settled, c.delivered)
				}
				if c.name == "gone before" && w.Body.Len() > 0 {
					t.Errorf("wrote %q to nobody", w.Body)
				}
			})
		}
	}
}

func TestGrantInText(t *testing.T) {
	f := &fake{holder: heldAt(5, "bar")}
	w := serve(on(f), "POST", Prefix+"k?ttl=60", "", "", "Accept", "*/*")
	if w.Code != 200 || w.Body.String() != "5" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Length": "1", "Cache-Control": "no-store",
		"X-Etcd-Index": "7", "X-Lock-Index": "5", "X-Lock-TTL": "60",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if f.calls != 1 {
		t.Errorf("%d calls for a grant in text", f.calls)
	}
}

// A grant in JSON tells of the grant, whatever a look at the queue says (bug 4).
func TestGrantInJSON(t *testing.T) {
	aged := heldAt(5, "bar")
	aged.Left = 59 * time.Second // as etcd says a moment later, rounding down
	for _, c := range []struct {
		name   string
		queue  []store.Entry
		err    error
		status int
		body   string
	}{
		{"alone", []store.Entry{aged}, nil, 200,
			`{"key":"k","index":5,"value":"bar","ttl":60,"queue":[{"index":5,"value":"bar","state":"held","ttl":60}]}`},
		{"with others", []store.Entry{aged, {Index: 6}, {Index: 8, Value: "foo", HasValue: true}}, nil, 200,
			`{"key":"k","index":5,"value":"bar","ttl":60,"queue":[{"index":5,"value":"bar","state":"held","ttl":60},` +
				`{"index":6,"value":"-","state":"waiting"},{"index":8,"value":"foo","state":"waiting"}]}`},
		{"the look fails", nil, store.ErrUnavailable, 200,
			`{"key":"k","index":5,"value":"bar","ttl":60,"queue":[{"index":5,"value":"bar","state":"held","ttl":60}]}`},
		{"gone", nil, nil, 410, ""},
		{"another holds it", []store.Entry{heldAt(6, "foo")}, nil, 410, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{holder: heldAt(5, "bar"), queue: store.Listing{Entries: c.queue}, queueErr: c.err}
			w := serve(on(f), "POST", Prefix+"k?ttl=60", "", "", "Accept", "application/json")
			if c.status != 200 {
				wantError(t, w, c.status, 212, "Lock request was cancelled", "Acquire")
			} else if w.Code != 200 || strings.TrimSuffix(w.Body.String(), "\n") != c.body || w.Header().Get("X-Lock-Index") != "5" {
				t.Errorf("got %d %s with %v, want %s", w.Code, w.Body, w.Header(), c.body)
			}
			if !slices.Equal(f.settled, []bool{c.status == 200}) {
				t.Errorf("settled %v", f.settled)
			}
		})
	}
}

// parked is a backend whose Acquire waits until its request's context ends.
type parked struct {
	fake
	waiting, left, giveUp chan struct{}
}

func (p *parked) Begin(r Request) (Waiting, error) { return acquiring{p, r}, nil }

func (p *parked) Acquire(ctx context.Context, _ Request) (*Hold, error) {
	close(p.waiting)
	select {
	case <-ctx.Done():
		close(p.left)
	case <-p.giveUp:
	}
	return nil, ErrStopping
}

// net/http tells that a client has gone only once its body has been read,
// whatever it is.
func TestClientGoesWhileItWaits_I4(t *testing.T) {
	for _, contentType := range []string{"", "text/plain", formType, "application/json"} {
		t.Run(contentType, func(t *testing.T) {
			p := &parked{waiting: make(chan struct{}), left: make(chan struct{}), giveUp: make(chan struct{})}
			server := httptest.NewServer(newFront(p, Prefix, operations, DefaultLimits(), zap.NewNop()))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(conn, "POST %sk?ttl=60 HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 2\r\n\r\n{}", Prefix, contentType)
			if err != nil {
				t.Fatal(err)
			}
			<-p.waiting
			_ = conn.Close()
			select {
			case <-p.left:
			case <-time.After(10 * time.Second):
				t.Error("nobody noticed that the client has gone")
				close(p.giveUp)
			}
		})
	}
}

// settling is a backend whose holds are settled only when the test says so.
type settling struct {
	fake
	settle func(bool)
}

func (s *settling) Begin(r Request) (Waiting, error) { return acquiring{s, r}, nil }

func (s *settling) Acquire(context.Context, Request) (*Hold, error) {
	return &Hold{Entry: s.holder, settle: s.settle}, nil
}

// When a hold is settled as delivered, its client has the answer whole: it does
// not depend on anything that the server still has to do.
func TestAnswerIsWholeWhenSettled(t *testing.T) {
	for _, accept := range []string{"text/plain", "application/json"} {
		read := make(chan error)
		s := &settling{fake: fake{holder: heldAt(5, ""), queueErr: store.ErrUnavailable}}
		s.settle = func(delivered bool) {
			if err := <-read; err != nil || !delivered {
				t.Errorf("%s: settled as delivered: %v, and the client read: %v", accept, delivered, err)
			}
		}
		server := httptest.NewServer(newFront(s, Prefix, operations, DefaultLimits(), zap.NewNop()))
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST %sk?ttl=60 HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nContent-Length: 0\r\n\r\n", Prefix, accept)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(resp.Body)
			var v View
			if err == nil && accept == "text/plain" && string(body) != "5" {
				err = errors.New("got " + string(body))
			} else if err == nil && accept != "text/plain" {
				err = json.Unmarshal(body, &v)
			}
		}
		read <- err
		_ = conn.Close()
		server.Close()
	}
}

// stalled is a body of which a server has waited for the next byte for too long.
type stalled struct{}

func (stalled) Read([]byte) (int, error) { return 0, fmt.Errorf("reading: %w", os.ErrDeadlineExceeded) }

// A server that stops waiting for a body ends the request's context with it, and the
// client may be there all the same: it is told what is wrong, and not taken for gone.
func TestSlowBodyIsToldSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, Prefix+"k?ttl=60", stalled{})
	w := httptest.NewRecorder()
	newFront(&fake{}, Prefix, operations, DefaultLimits(), zap.NewNop()).ServeHTTP(w, r)
	if want := `{"errorCode":209,"message":"The request body did not come in time","cause":"Acquire","index":7}`; w.Code != http.StatusBadRequest || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("the answer is %d %s, want 400 %s", w.Code, w.Body, want)
	}
}
