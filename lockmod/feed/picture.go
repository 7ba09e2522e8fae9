package feed

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// picture is the queues of a scope as they are at one revision. It turns changes
// into what they mean.
type picture struct {
	queues map[string]*queue // those that have entries, by name
}

type queue struct {
	entries []store.Entry     // in the order of their indices
	byName  map[string]uint64 // their indices
	until   map[uint64]time.Time
}

// reset makes the picture that of these queues.
func (p *picture) reset(now time.Time, queues []store.Queue) {
	p.queues = make(map[string]*queue, len(queues))
	for _, q := range queues {
		for _, e := range q.Entries {
			p.queue(q.Name).put(now, e)
		}
	}
}

// queue returns the queue of that name, to put something in.
func (p *picture) queue(name string) *queue {
	q := p.queues[name]
	if q == nil {
		q = &queue{byName: make(map[string]uint64), until: make(map[uint64]time.Time)}
		p.queues[name] = q
	}
	return q
}

// apply makes a change, and says what it means, if anything, for which entry.
func (p *picture) apply(now time.Time, c store.Change) (kind Kind, e store.Entry, ok bool) {
	if c.Deleted {
		q := p.queues[c.Queue]
		if q == nil {
			return "", e, false
		}
		e, ok = q.remove(c.Entry.Name)
		if len(q.entries) == 0 {
			delete(p.queues, c.Queue)
		}
		switch {
		case !e.Held:
			kind = Left
		case c.Expired:
			kind = Expired
		default:
			kind = Released
		}
		return kind, e, ok
	}
	q := p.queue(c.Queue)
	until := q.until[c.Entry.Index]
	before, known := q.put(now, c.Entry)
	switch held := c.Entry.Held; {
	case !known && !held:
		return Queued, c.Entry, true
	case held && !before.Held:
		return Acquired, c.Entry, true
	case held && (c.Renewed || !now.Add(c.Entry.Left).Before(until.Add(doubt))):
		return Renewed, c.Entry, true
	}
	return "", e, false
}

// doubt is by how much more has to be left than there can be, for there to have been a
// renewal that nobody has told of.
const doubt = 2 * time.Second

// view returns a queue, with what is left of its TTLs now.
func (p *picture) view(now time.Time, name string) store.Queue {
	v := store.Queue{Name: name}
	if q := p.queues[name]; q != nil {
		v.Entries = q.view(now)
	}
	return v
}

// all returns all queues, in the order that lists have.
func (p *picture) all(now time.Time) []store.Queue {
	list := make([]store.Queue, 0, len(p.queues))
	for name, q := range p.queues {
		list = append(list, store.Queue{Name: name, Entries: q.view(now)})
	}
	slices.SortFunc(list, func(a, b store.Queue) int { return store.CompareNames(a.Name, b.Name) })
	return list
}

// find returns where an entry is, or would be.
func (q *queue) find(index uint64) (int, bool) {
	return slices.BinarySearchFunc(q.entries, index, func(e store.Entry, index uint64) int {
		return cmp.Compare(e.Index, index)
	})
}

// put puts an entry in its place, and returns what was there before.
func (q *queue) put(now time.Time, e store.Entry) (before store.Entry, known bool) {
	e.Ref = nil
	if index, ok := q.byName[e.Name]; ok && index != e.Index {
		q.remove(e.Name)
	}
	i, known := q.find(e.Index)
	if known {
		before, q.entries[i] = q.entries[i], e
	} else {
		q.entries = slices.Insert(q.entries, i, e)
		q.byName[e.Name] = e.Index
	}
	if e.Held {
		q.until[e.Index] = now.Add(e.Left)
	}
	return before, known
}

// remove takes an entry out, and returns it.
func (q *queue) remove(name string) (e store.Entry, ok bool) {
	index, ok := q.byName[name]
	if !ok {
		return e, false
	}
	i, _ := q.find(index)
	e = q.entries[i]
	q.entries = slices.Delete(q.entries, i, i+1)
	delete(q.byName, name)
	delete(q.until, index)
	return e, true
}

func (q *queue) view(now time.Time) []store.Entry {
	for index, until := range q.until {
		i, _ := q.find(index)
		q.entries[i].Left = max(until.Sub(now), 0)
	}
	return q.entries
}
