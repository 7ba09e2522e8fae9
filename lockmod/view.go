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

	// More is how many more entries the queue has, where not all are shown.
	More int `json:"more,omitempty"`

	// Entry is what an event is about.
	Entry *EventEntry `json:"entry,omitempty"`
}

// ViewEntry is one entry of a queue as JSON.
type ViewEntry struct {
	Index uint64 `json:"index"`
	Value string `json:"value"`
	State string `json:"state"`         // "held" or "waiting"
	TTL   *int64 `json:"ttl,omitempty"` // seconds left, of the holder
}

// EventEntry is the entry that an event is about, which may have gone with it.
type EventEntry struct {
	Index uint64 `json:"index"`
	Value string `json:"value"`
}

// ViewList is a list of locks as JSON.
type ViewList struct {
	Items []View `json:"items"`

	// Continue, if there are more, is the parameter of that name which gets them.
	Continue string `json:"continue,omitempty"`
}

// What of a queue a list or an event shows: with more, every change of a long queue
// would be megabytes. The values may be longer by one.
const (
	shownEntries = 1000
	shownValues  = 64 << 10 // bytes
)

// NewView returns the view of a queue as listed, whole.
func NewView(key string, l store.Listing) View { return viewOf(key, l.Entries, len(l.Entries)) }

// newView returns the view of the beginning of a queue.
func newView(key string, entries []store.Entry) View {
	n, values := 0, 0
	for n < min(len(entries), shownEntries) && values < shownValues {
		values += len(entries[n].Value)
		n++
	}
	return viewOf(key, entries, n)
}

// viewOf shows the first n entries of a queue.
func viewOf(key string, entries []store.Entry, n int) View {
	v := View{Key: key, Queue: make([]ViewEntry, 0, n), More: len(entries) - n}
	for _, e := range entries[:n] {
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

// newViewList shows queues.
func newViewList(queues []store.Queue) ViewList {
	l := ViewList{Items: make([]View, 0, len(queues))}
	for _, q := range queues {
		l.Items = append(l.Items, newView(q.Name, q.Entries))
	}
	return l
}

// shown is an entry's value as clients see it: a dash for none.
func shown(e store.Entry) string {
	if !e.HasValue {
		return "-"
	}
	return e.Value
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }
