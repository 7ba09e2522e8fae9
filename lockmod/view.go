package lockmod

import (
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// View is a lock as JSON: its holder, and its queue, the holder included. A free
// lock has Index 0.
type View struct {
	Key   string      `json:"key"`
	Index uint64      `json:"index"`
	Value string      `json:"value"`
	TTL   int64       `json:"ttl"` // seconds left
	Queue []ViewEntry `json:"queue"`
}

// ViewEntry is one entry of a queue as JSON.
type ViewEntry struct {
	Index uint64 `json:"index"`
	Value string `json:"value"`
	State string `json:"state"`         // "held" or "waiting"
	TTL   *int64 `json:"ttl,omitempty"` // seconds left, of the holder
}

// NewView returns the view of a queue as listed.
func NewView(key string, l store.Listing) View {
	v := View{Key: key, Queue: make([]ViewEntry, 0, len(l.Entries))}
	for _, e := range l.Entries {
		entry := ViewEntry{Index: e.Index, Value: shown(e), State: "waiting"}
		if e.Held {
			left := wholeSeconds(e.Left)
			entry.State, entry.TTL = "held", &left
			v.Index, v.Value, v.TTL = entry.Index, entry.Value, left
		}
		v.Queue = append(v.Queue, entry)
	}
	return v
}

// shown is an entry's value as clients see it: a dash for none.
func shown(e store.Entry) string {
	if !e.HasValue {
		return "-"
	}
	return e.Value
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }
