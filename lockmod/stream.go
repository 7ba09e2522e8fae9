package lockmod

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod/feed"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// encoder makes server-sent events of what a feed tells, less their ids. See
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
type encoder struct{}

// Event implements feed.Encoder.
func (encoder) Event(e feed.Event) []byte {
	v := newView(e.Queue.Name, e.Queue.Entries, shownEntries)
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

	// writeTimeout is for how long a listener may not read at all.
	writeTimeout = 10 * time.Second
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
	send := func(text []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := c.w.Write(text)
		return err == nil && c.flush() == nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var buffer []byte
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
			buffer = buffer[:0]
			for _, r := range records {
				buffer = append(buffer, r.Text...)
				buffer = appendID(buffer, r.ID)
				told = r.ID
			}
			if !send(buffer) {
				return
			}
			beat.Reset(heartbeat)
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			buffer = append(buffer[:0], ": still there\n"...)
			if now := sub.Told(); now > told {
				// Nothing has happened up to there. Who comes back need not ask from further
				// back, which etcd may have forgotten.
				told = now
				buffer = appendID(buffer, told)
			} else {
				buffer = append(buffer, '\n')
			}
			if !send(buffer) {
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

// appendID ends an event.
func appendID(b []byte, id uint64) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendUint(b, id, 10)
	return append(b, "\n\n"...)
}

// goodbye is a comment that says why a stream ends. The client comes back with the
// last id that it has seen.
func goodbye(err error) []byte {
	why := Explain(err).Message
	if errors.Is(err, feed.ErrTooSlow) {
		why = "Too slow: what has not been read is not kept"
	}
	return fmt.Appendf(nil, ": %s\n\n", why)
}
