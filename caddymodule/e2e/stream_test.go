package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is a server-sent event.
type event struct {
	kind string
	id   uint64
	text string // its data
	data struct {
		queue
		Entry struct {
			Index uint64
			Value string
		}
		Items []queue
	}
	at time.Time
}

func (e event) String() string { return fmt.Sprintf("%s %d: %.300s", e.kind, e.id, e.text) }

// stream is a listener.
type stream struct {
	t     testing.TB
	close context.CancelFunc
	ended chan struct{} // closed when the answer has ended

	mu       sync.Mutex
	events   []event
	comments []string
	last     string // the last id, also of what is no event
	changed  chan struct{}
}

// listen asks for the events of a path, after the one with the id last if that is
// not empty, and waits until the answer has begun, as follow does.
func (g *gateway) listen(t testing.TB, path, last string) *stream {
	t.Helper()
	s, r := g.tryListen(t, path, last)
	if s == nil {
		t.Fatalf("listening to %s after %q: %v", path, last, r)
	}
	return s
}

// tryListen returns the answer where that is no stream.
func (g *gateway) tryListen(t testing.TB, path, last string) (*stream, reply) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, reply{err: err}
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		defer cancel()
		return nil, read(resp)
	}
	return follow(t, resp, cancel, last), reply{}
}

// follow reads the stream that resp is, after the event with the id last, until
// cancel is called or the test ends. If last is empty, the stream begins with the
// state, and follow waits for it: what happens from now on is told in events.
func follow(t testing.TB, resp *http.Response, cancel context.CancelFunc, last string) *stream {
	t.Helper()
	s := &stream{t: t, close: cancel, ended: make(chan struct{}), changed: make(chan struct{}), last: last}
	go s.read(resp)
	t.Cleanup(func() {
		cancel()
		<-s.ended
	})
	if last == "" {
		s.count(1)
	}
	return s
}

// read reads the stream as the standard says that it is to be read.
func (s *stream) read(resp *http.Response) {
	defer close(s.ended)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	var e event
	id := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		s.mu.Lock()
		switch {
		case line == "\n":
			if id != "" {
				s.last = id
			}
			if e.text != "" {
				e.at = time.Now()
				e.id, _ = strconv.ParseUint(s.last, 10, 64)
				if err := json.Unmarshal([]byte(e.text), &e.data); err != nil {
					s.t.Errorf("the event %v: %v", e, err)
				}
				s.events = append(s.events, e)
			}
			e, id = event{}, ""
			close(s.changed)
			s.changed = make(chan struct{})
		case name == "":
			s.comments = append(s.comments, value)
		case name == "event":
			e.kind = value
		case name == "data":
			e.text += value
		case name == "id":
			id = value
		default:
			s.t.Errorf("a line of the stream is %q", line)
		}
		s.mu.Unlock()
	}
}

// seen returns the events up to now, and the last id.
func (s *stream) seen() ([]event, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event(nil), s.events...), s.last
}

// until waits until enough has come.
func (s *stream) until(what string, within time.Duration, enough func([]event) bool) []event {
	s.t.Helper()
	deadline := time.After(within)
	for {
		s.mu.Lock()
		events, changed := append([]event(nil), s.events...), s.changed
		s.mu.Unlock()
		if enough(events) {
			return events
		}
		select {
		case <-changed:
		case <-s.ended:
			if events, _ := s.seen(); enough(events) {
				return events
			}
			s.t.Fatalf("the stream has ended before %s: %v, %q", what, events, s.comments)
		case <-deadline:
			s.t.Fatalf("not within %v: %s; there are %v", within, what, events)
		}
	}
}

// count waits for so many events.
func (s *stream) count(n int) []event {
	s.t.Helper()
	return s.until(fmt.Sprintf("%d events", n), 10*time.Second, func(events []event) bool { return len(events) >= n })
}
