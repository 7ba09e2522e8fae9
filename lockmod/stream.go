package lockmod

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod/feed"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// encoder makes server-sent events of what a feed tells, less their ids. See
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
type encoder struct{}

// Event implements feed.Encoder.
func (encoder) Event(e feed.Event) []byte {
	v := newView(e.Queue.Name, e.Queue.Entries)
	v.Entry = &EventEntry{Index: e.Entry.Index, Value: shown(e.Entry)}
	return serverSent(string(e.Kind), v)
}

// State implements feed.Encoder.
func (encoder) State(scope store.Scope, queues []store.Queue) []byte {
	if scope.Prefix {
		return serverSent("state", newViewList(queues))
	}
	return serverSent("state", newViewList(queues).Items[0])
}

func serverSent(event string, data any) []byte {
	text, err := json.Marshal(data) // without a newline
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n", event, text)
}

const (
	// heartbeat is how often a stream shows that it is there when nothing happens.
	heartbeat = 15 * time.Second

	// writeTimeout is for how long a listener may not read at all, which is seen by
	// writing pieces of this size.
	writeTimeout = 10 * time.Second
	pieceSize    = 16 << 10
)

// lastEventID is the id of the last event that a client has seen, or 0.
func lastEventID(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	id, err := number(text)
	if err != nil {
		return 0, badLastEventID()
	}
	return id, nil
}

// stream sends the events of the call's key or, with prefix, of all keys that begin
// with it, until the client goes or the gateway stops, or until the client has not
// read for so long that it could not be told everything.
func (c *Call) stream(key string, prefix bool) error {
	last, err := lastEventID(c.r)
	if err != nil {
		return err
	}
	return c.later(func() error {
		sub, err := c.front.svc.Subscribe(c.r.Context(), key, prefix, last, c.front.limits.MaxWaiting)
		if err != nil {
			return err
		}
		defer sub.Close()
		header := c.w.Header()
		header.Set("Content-Type", asEvents)
		header.Set("X-Accel-Buffering", "no") // for an nginx in between
		c.tellOf(store.Entry{})
		c.w.WriteHeader(http.StatusOK)
		if c.r.Method != http.MethodHead {
			c.sendAll(sub)
		}
		return nil
	})
}

func (c *Call) sendAll(sub *Subscription) {
	out := http.NewResponseController(c.w)
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }()
	write := func(text []byte) bool {
		for piece := range slices.Chunk(text, pieceSize) {
			_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := c.w.Write(piece); err != nil {
				return false
			}
		}
		return true
	}
	send := func(text []byte) bool { return write(text) && c.flush() == nil }
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var told uint64
	if !send([]byte(": welcome\n\n")) {
		return
	}
	for {
		records, changed, err := sub.Next()
		if err != nil {
			send(goodbye(err))
			return
		}
		if len(records) > 0 {
			for _, r := range records {
				if !write(r.Text) || !write(idLine(r.ID)) {
					return
				}
				told = r.ID
			}
			if !send(nil) {
				return
			}
			beat.Reset(heartbeat)
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			end := []byte("\n")
			if now := sub.Told(); now > told {
				// Nothing has happened up to there. Who comes back need not ask from further
				// back, which etcd may have forgotten.
				told = now
				end = idLine(told)
			}
			if !send(append([]byte(": still there\n"), end...)) {
				return
			}
		case <-sub.Stopping():
			send(goodbye(ErrStopping))
			return
		case <-c.r.Context().Done():
			return
		}
	}
}

// idLine ends an event.
func idLine(id uint64) []byte { return fmt.Appendf(nil, "id: %d\n\n", id) }

// goodbye is a comment that says why a stream ends. The client comes back with the
// last id that it has seen.
func goodbye(err error) []byte {
	why := Explain(err).Message
	if errors.Is(err, feed.ErrTooSlow) {
		why = "Too slow: what has not been read is not kept"
	}
	return fmt.Appendf(nil, ": %s\n\n", why)
}
