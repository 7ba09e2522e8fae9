package lockmod

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// client is one that reads an answer while it is being written, or that does not.
type client struct {
	header http.Header
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	status   int
	body     strings.Builder
	broken   bool // writing fails
	deadline time.Time
}

func (c *client) Header() http.Header { return c.header }
func (c *client) FlushError() error   { return nil }

func (c *client) WriteHeader(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errors.New("broken")
	}
	return c.body.Write(b)
}

func (c *client) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

// ask sends a request whose answer may take time.
func ask(t *testing.T, h http.Handler, method, target string, headers ...string) *client {
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequest(method, target, nil).WithContext(ctx)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c := &client{header: make(http.Header), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		h.ServeHTTP(c, r)
	}()
	return c
}

func (c *client) has() (status int, body string) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.body.String()
}

// hasEnded says whether the answer is over.
func (c *client) hasEnded() bool {
	synctest.Wait()
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

const events = "text/event-stream"

func TestStream(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		c := ask(t, h, "GET", Prefix+"k", "Accept", events)
		c.has()
		serve(h, "POST", Prefix+"k?ttl=60", "", "")
		c.has()
		waits := ask(t, h, "POST", Prefix+"k?ttl=30&value=bar")
		c.has()
		serve(h, "DELETE", Prefix+"k?index=2", "", "")
		if status, index := waits.has(); status != 200 || index != "3" {
			t.Errorf("the second one gets %d %s", status, index)
		}
		c.has()
		time.Sleep(31 * time.Second)
		status, got := c.has()
		want := `: welcome

event: state
data: {"key":"k","index":0,"value":"","ttl":0,"queue":[]}
id: 1

event: acquired
data: {"key":"k","index":2,"value":"-","ttl":60,"queue":[{"index":2,"value":"-","state":"held","ttl":60}],"entry":{"index":2,"value":"-"}}
id: 2

event: queued
data: {"key":"k","index":2,"value":"-","ttl":60,"queue":[{"index":2,"value":"-","state":"held","ttl":60},{"index":3,"value":"bar","state":"waiting"}],"entry":{"index":3,"value":"bar"}}
id: 3

event: released
data: {"key":"k","index":0,"value":"","ttl":0,"queue":[{"index":3,"value":"bar","state":"waiting"}],"entry":{"index":2,"value":"-"}}
id: 3

event: acquired
data: {"key":"k","index":3,"value":"bar","ttl":30,"queue":[{"index":3,"value":"bar","state":"held","ttl":30}],"entry":{"index":3,"value":"bar"}}
id: 4

: still there
id: 5

: still there

event: expired
data: {"key":"k","index":0,"value":"","ttl":0,"queue":[],"entry":{"index":3,"value":"bar"}}
id: 6

`
		// When the gateway's own changes of the entry come is the store's.
		if got = regexp.MustCompile(`(?m)^: still there\n(id: \d+\n)?\n`).ReplaceAllString(got, ""); got != regexp.MustCompile(`(?m)^: still there\n(id: \d+\n)?\n`).ReplaceAllString(want, "") {
			t.Errorf("the stream is %d\n%s\nwant\n%s", status, got, want)
		}
		for name, value := range map[string]string{
			"Content-Type": events, "Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Etcd-Index": "1", "X-Lock-Index": "",
		} {
			if got := c.header.Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}

		// From an id on.
		again := ask(t, h, "GET", Prefix+"k", "Accept", events, "Last-Event-ID", "3")
		if _, text := again.has(); strings.Count(text, "event: ") != 3 || !strings.Contains(text, "event: released") {
			t.Errorf("after 3 it is\n%s", text)
		}
		for _, c := range []*client{c, again} {
			c.cancel()
			if !c.hasEnded() {
				t.Error("the stream of a client that has gone goes on")
			}
		}
	})
}

// When nothing happens, a comment every 15 seconds keeps the connection open.
func TestStreamHeartbeat(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		c := ask(t, h, "GET", Prefix+"k", "Accept", events)
		_, before := c.has()
		for range 3 {
			time.Sleep(heartbeat - time.Millisecond)
			if _, text := c.has(); text != before {
				t.Errorf("too early: %s", text[len(before):])
			}
			time.Sleep(time.Millisecond)
			_, text := c.has()
			if text != before+": still there\n\n" {
				t.Errorf("after %v comes %q", heartbeat, text[len(before):])
			}
			before = text
		}
		if left := time.Until(c.deadline); left != writeTimeout {
			t.Errorf("a client may not read for %v, want %v", left, writeTimeout)
		}
		c.cancel()
		c.hasEnded()
	})
}

// A client that does not read any more loses its connection.
func TestStreamToABrokenClient(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		c := ask(t, h, "GET", Prefix+"k", "Accept", events)
		c.has()
		c.mu.Lock()
		c.broken = true
		c.mu.Unlock()
		serve(h, "POST", Prefix+"k?ttl=60", "", "")
		if !c.hasEnded() || svc.Listening() != 0 {
			t.Errorf("it goes on, for %d", svc.Listening())
		}
		c.cancel()
	})
}

// Streams and long polls are limited as requests that wait are, but counted apart: who
// looks on keeps nobody from a lock.
func TestListenersAreLimited(t *testing.T) {
	api(t, func(t *testing.T, _ http.Handler, svc *Service, _ *memstore.Store) {
		limits := DefaultLimits()
		limits.MaxWaiting = 2
		h := NewHandler(svc, limits, zap.NewNop())
		first := ask(t, h, "GET", Prefix+"k", "Accept", events)
		first.has()
		second := ask(t, h, "GET", Prefix+"k?wait=true")
		second.has()
		for _, request := range [][]string{{"GET", "k?wait=true"}, {"GET", "k", "Accept", events}, {"GET", "?prefix=", "Accept", events}} {
			c := ask(t, h, request[0], Prefix+request[1], request[2:]...)
			if status, body := c.has(); status != 429 || !strings.Contains(body, `"errorCode":216,`) {
				t.Errorf("%v: %d %s", request, status, body)
			}
			c.cancel()
		}
		if w := serve(h, "POST", Prefix+"free?ttl=60", "", ""); w.Code != 200 {
			t.Errorf("a lock can't be taken: %d", w.Code)
		}
		first.cancel()
		first.hasEnded()
		third := ask(t, h, "GET", Prefix+"k", "Accept", events)
		if status, _ := third.has(); status != 200 {
			t.Errorf("when one has gone: %d", status)
		}
		second.cancel()
		third.cancel()
		if !second.hasEnded() || !third.hasEnded() || svc.Listening() != 0 {
			t.Errorf("%d still wait", svc.Listening())
		}
	})
}

// A stop ends streams with a word, and long polls with a 503.
func TestStopEndsListeners_I9(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		stream := ask(t, h, "GET", Prefix+"k", "Accept", events)
		all := ask(t, h, "GET", Prefix, "Accept", events)
		poll := ask(t, h, "GET", Prefix+"k?wait=true")
		stream.has()
		svc.Close(t.Context())
		for _, c := range []*client{stream, all} {
			if _, text := c.has(); !c.hasEnded() || !strings.HasSuffix(text, ": The gateway is stopping\n\n") {
				t.Errorf("the stream ends with %q", text)
			}
		}
		if status, body := poll.has(); status != 503 || !strings.Contains(body, `"errorCode":300,`) || poll.header.Get("Retry-After") == "" {
			t.Errorf("the long poll gets %d %s", status, body)
		}
		late := ask(t, h, "GET", Prefix+"k", "Accept", events)
		if status, _ := late.has(); status != 503 {
			t.Errorf("after that: %d", status)
		}
	})
}

func TestStreamErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := memstore.NewCluster()
		st := cluster.Open()
		svc := New(st, "lock", zap.NewNop())
		h := NewHandler(svc, DefaultLimits(), zap.NewNop())
		serve(h, "POST", Prefix+"k?ttl=60", "", "")
		serve(h, "DELETE", Prefix+"k?index=2", "", "")
		cluster.Compact()
		serve(h, "POST", Prefix+"k?ttl=60", "", "")
		for _, c := range []struct {
			id           string
			status, code int
		}{
			{"x", 400, 203}, {"-1", 400, 203}, {"1.5", 400, 203}, {"18446744073709551616", 400, 203},
			{"2", 410, 401}, {"1000000", 410, 401}, {"18446744073709551615", 410, 401},
			{"", 200, 0}, {"0", 200, 0},
		} {
			for _, path := range []string{Prefix + "k", Prefix} {
				a := ask(t, h, "GET", path, "Accept", events, "Last-Event-ID", c.id)
				status, body := a.has()
				if status != c.status || c.code != 0 && !strings.Contains(body, fmt.Sprintf(`"errorCode":%d,`, c.code)) ||
					c.code == 0 && !strings.Contains(body, "event: state\n") {
					t.Errorf("%s after %q: %d %s", path, c.id, status, body)
				}
				a.cancel()
			}
		}
		st.SetDown(true)
		a := ask(t, h, "GET", Prefix+"new", "Accept", events)
		time.Sleep(5 * time.Second)
		if status, body := a.has(); status != 503 || !strings.Contains(body, `"errorCode":300,`) {
			t.Errorf("without etcd: %d %s", status, body)
		}
		st.SetDown(false)
		svc.Close(t.Context())
		_ = st.Close(t.Context())
	})
}

// HEAD tells that there is a stream, and ends.
func TestStreamHead(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		c := ask(t, h, "HEAD", Prefix+"k", "Accept", events)
		if status, body := c.has(); !c.hasEnded() || status != 200 || body != "" || c.header.Get("Content-Type") != events {
			t.Errorf("%d %q, %v", status, body, c.header)
		}
	})
}

// A queue of any length makes events of a bounded one.
func TestLongQueueIsShownInPart(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		const n = shownEntries + 5
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = ask(t, h, "POST", Prefix+"k?ttl=60")
			synctest.Wait()
		}
		s := ask(t, h, "GET", Prefix+"k", "Accept", events)
		_, text := s.has()
		if !strings.Contains(text, `],"more":5}`) || strings.Count(text, `"state":`) != shownEntries {
			t.Errorf("%d entries are shown: %.200s", strings.Count(text, `"state":`), text)
		}
		s.cancel()
		if w := serve(h, "GET", Prefix, "", ""); strings.Count(w.Body.String(), `"state":`) != shownEntries {
			t.Errorf("the list shows %d entries", strings.Count(w.Body.String(), `"state":`))
		}
		for _, c := range clients {
			c.cancel()
			c.hasEnded()
		}
	})
}
