package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The battery notices what it is there for: each of these does to an answer what a
// gateway might do.
func TestBattery_notices(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Etcd-Index", "7")
		w.Header().Set("Trailer", "X-Last")
		fmt.Fprint(w, "an answer")
		w.Header().Set("X-Last", "1")
	}
	for _, c := range []struct {
		name    string
		notices bool
		meddle  http.HandlerFunc
	}{
		{"nothing", false, answer},
		{"Via", false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Via", "1.1 Caddy")
			w.Header().Set("Server", "Caddy")
			answer(w, r)
		}},
		{"a header more", true, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-More", "1")
			answer(w, r)
		}},
		{"a header that is another", true, func(w http.ResponseWriter, r *http.Request) {
			answer(changed{w, "7", "8"}, r)
		}},
		{"a status", true, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			answer(w, r)
		}},
		{"a byte", true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Etcd-Index", "7")
			w.Header().Set("Trailer", "X-Last")
			fmt.Fprint(w, "an Answer")
			w.Header().Set("X-Last", "1")
		}},
		{"no trailer", true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Etcd-Index", "7")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "an answer")
		}},
		{"a trailer that is another", true, func(w http.ResponseWriter, r *http.Request) {
			answer(w, r)
			w.Header().Set("X-Last", "2")
		}},
		{"an answer that breaks off", true, func(w http.ResponseWriter, r *http.Request) {
			answer(w, r)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &twins{direct: pretend(t, answer), through: pretend(t, c.meddle)}
			direct, through := w.both(t.Context(), requesting([]query{{line: "GET /"}})()[0])
			if got := difference(direct, through); (got != "") != c.notices {
				t.Errorf("the difference is %q", got)
			}
		})
	}
}

// changed changes a header when the answer begins.
type changed struct {
	http.ResponseWriter
	from, to string
}

func (c changed) Write(b []byte) (int, error) {
	for name, values := range c.Header() {
		c.Header()[name] = []string{strings.ReplaceAll(values[0], c.from, c.to)}
	}
	return c.ResponseWriter.Write(b)
}

// pretend is a side with something else than an etcd.
func pretend(t *testing.T, handler http.HandlerFunc) *side {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &side{
		t: t, url: server.URL, host: strings.TrimPrefix(server.URL, "http://"), dir: t.TempDir(),
		noted: make(map[string]string), known: make(map[string]string),
	}
}

// Events that come late are noticed, and so is one that waits for the next.
func TestBattery_noticesDelay(t *testing.T) {
	t.Parallel()
	happens := make(chan struct{}, 100) // at etcd, and then at whoever is late
	passed := make(chan struct{}, 100)
	etcd := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		pass(w, r, happens, func() { passed <- struct{}{} })
	})
	e := ear{
		listen: func(ctx context.Context, t *testing.T, url string) <-chan time.Time {
			return lines(opened(ctx, t, http.MethodGet, url, ""))
		},
		write: func(context.Context, string) error { happens <- struct{}{}; return nil },
	}
	late := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		pass(w, r, passed, func() { time.Sleep(60 * time.Millisecond) }) // the delay that is to be noticed
	})
	if median, err := e.delay(t, etcd.url, late.url, 5); err != nil || median < 50*time.Millisecond {
		t.Errorf("the delay is %v (%v)", median, err)
	}
	held := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		pass(w, r, passed, func() { // when the next one comes
			select {
			case <-passed:
			case <-r.Context().Done():
			}
		})
	})
	if _, err := e.delay(t, etcd.url, held.url, 1); err == nil {
		t.Error("an event that waits for the next one is not noticed")
	}
}

// pass writes a line for each event, after something else.
func pass(w http.ResponseWriter, r *http.Request, events <-chan struct{}, first func()) {
	out := bufio.NewWriter(w)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-events:
			first()
			fmt.Fprintln(out, "event")
			_ = out.Flush()
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}
