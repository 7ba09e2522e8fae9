package etcdv2

import (
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// place is an entry that this gateway waits for.
type place struct {
	queue queue
	index uint64
}

// waiting are the places of this gateway: their records have to be refreshed, and
// when the store is closed they are given up. Nothing is decided by it.
type waiting struct {
	mu     sync.Mutex
	places map[place]*presence
}

type presence struct {
	entry   store.Entry
	written time.Time // its record
}

func (w *waiting) add(p place, e store.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places[p] = &presence{entry: e, written: time.Now()}
}

func (w *waiting) drop(p place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.places, p)
}

func (w *waiting) has(p place) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[p] != nil
}

// entry is the entry of a place, as this gateway may withdraw it.
func (w *waiting) entry(p place) store.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if here := w.places[p]; here != nil {
		return withRef(here.entry, func(r *ref) { r.own = true })
	}
	return store.Entry{Name: entryName(p.index), Index: p.index}
}

func (w *waiting) refreshed(p place, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if here := w.places[p]; here != nil {
		here.written = at
	}
}

// due are the places whose records were written before then.
func (w *waiting) due(then time.Time) []place {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []place
	for p, here := range w.places {
		if here.written.Before(then) {
			due = append(due, p)
		}
	}
	return due
}

func (w *waiting) all() []place { return w.due(time.Now().Add(time.Hour)) }
