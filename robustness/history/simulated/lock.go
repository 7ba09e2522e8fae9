package simulated

import (
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// queue is a lock: the head of it holds it, once it has been granted.
type queue struct{ entries []*entry }

type entry struct {
	history.Entry
	waiters []*request    // what it is for, until they have been answered
	told    bool          // a client has been told
	dead    bool          // its gateway has died: nobody grants it
	granted int           // how often its TTL has begun
	since   time.Duration // when it was granted
}

func (w *world) queue(name history.Name) *queue {
	if w.queues[name] == nil {
		w.queues[name] = new(queue)
	}
	return w.queues[name]
}

// find is the entry that an operation names.
func (q *queue) find(op history.Op) *entry {
	for _, e := range q.entries {
		if op.Index != 0 && e.Index == op.Index || op.Index == 0 && op.HasValue && e.HasValue && e.Value == op.Value {
			return e
		}
	}
	return nil
}

func (q *queue) holder() *entry {
	if len(q.entries) > 0 && q.entries[0].Held {
		return q.entries[0]
	}
	return nil
}

// arrive is a request's arrival at a gateway.
func (w *world) arrive(r *request) {
	q := w.queue(r.op.Lock())
	if r.dead {
		return
	}
	if r.ended { // its client has gone, which the gateway is about to notice
		w.after(w.delay(), func() { w.leave(q, r) })
	}
	e := q.find(r.op)
	switch r.op.Kind {
	case history.Acquire:
		w.acquire(q, e, r)
	case history.Renew:
		switch {
		case e == nil:
			w.answer(r, 404, 0, "")
		case !e.Held:
			w.answer(r, 409, 0, "")
		default:
			w.hold(q, e, r.op.TTL)
			w.answer(r, 200, 0, "")
		}
	case history.Release:
		if e == nil {
			w.answer(r, 404, 0, "")
			return
		}
		w.remove(q, e)
		w.answer(r, 200, 0, "")
		for _, waiter := range e.waiters {
			w.answer(waiter, 410, 0, "")
		}
		e.waiters = nil
	case history.Get:
		holder := q.holder()
		switch {
		case holder == nil:
			w.answer(r, 200, 0, "")
		case holder.HasValue:
			w.answer(r, 200, holder.Index, holder.Value)
		default:
			w.answer(r, 200, holder.Index, "-")
		}
	case history.Holds:
		if e == nil || !e.Held {
			w.answer(r, 412, 0, "")
			return
		}
		w.answer(r, 200, 0, "")
	}
}

func (w *world) acquire(q *queue, e *entry, r *request) {
	switch {
	case e != nil && e.Held:
		w.hold(q, e, r.op.TTL)
		w.answer(r, 200, e.Index, "")
		return
	case len(q.entries) > 0 && r.op.Timeout == 0:
		w.answer(r, 423, 0, "")
		return
	case e == nil:
		w.index += 1 + w.Uint64N(3)
		e = &entry{Entry: history.Entry{Index: w.index, Value: r.op.Value, HasValue: r.op.HasValue}}
		q.entries = append(q.entries, e)
	}
	e.dead = false // there is a gateway again that takes care of it
	r.entry = e
	e.waiters = append(e.waiters, r)
	if len(q.entries) == 1 {
		w.grant(q, e)
		return
	}
	if r.op.Timeout > 0 {
		w.after(time.Duration(r.op.Timeout)*time.Second, func() {
			if w.leave(q, r) {
				w.answer(r, 423, 0, "")
			}
		})
	}
	w.next(q)
}

// leave takes a request out of the queue, if it still waits.
func (w *world) leave(q *queue, r *request) bool {
	if r.entry == nil || r.entry.Held || !slices.Contains(r.entry.waiters, r) {
		return false
	}
	r.entry.waiters = slices.DeleteFunc(r.entry.waiters, func(x *request) bool { return x == r })
	if len(r.entry.waiters) == 0 {
		w.remove(q, r.entry)
	}
	return true
}

func (w *world) remove(q *queue, e *entry) {
	q.entries = slices.DeleteFunc(q.entries, func(x *entry) bool { return x == e })
	w.next(q)
}

// next has the head of the queue granted, soon.
func (w *world) next(q *queue) {
	if len(q.entries) == 0 {
		return
	}
	head := q.entries[0]
	w.after(w.delay()/2, func() {
		if len(q.entries) > 0 && q.entries[0] == head && !head.Held && !head.dead {
			w.grant(q, head)
		}
	})
}

// grant gives the head of the queue the lock, for the longest that one of its requests
// asked for.
func (w *world) grant(q *queue, e *entry) {
	e.Held = true
	ttl := 0
	for _, r := range e.waiters {
		ttl = max(ttl, r.op.TTL)
	}
	w.hold(q, e, ttl)
	waiters := e.waiters
	e.waiters = nil
	for _, r := range waiters {
		w.answer(r, 200, e.Index, "")
	}
}

// hold has the holder's TTL begin anew. etcd may take its time to notice its end.
func (w *world) hold(q *queue, e *entry, ttl int) {
	if e.granted++; e.granted == 1 {
		e.since = w.now
	}
	granted := e.granted
	w.after(time.Duration(ttl)*time.Second+w.upTo(1900*time.Millisecond), func() {
		if e.granted == granted && slices.Contains(q.entries, e) {
			w.remove(q, e)
		}
	})
}

// kill is the end of a gateway: its requests break off, and the entries that wait for nobody
// else stay until its session has run out.
func (w *world) kill(gateway int) {
	for _, r := range slices.Clone(w.requests) {
		if r.op.Gateway != gateway {
			continue
		}
		r.lost, r.dead = true, true
		w.end(r, 0, 0, "", "EOF")
		e, q := r.entry, w.queue(r.op.Lock())
		if e == nil || e.Held || !slices.Contains(e.waiters, r) {
			continue
		}
		e.waiters = slices.DeleteFunc(e.waiters, func(x *request) bool { return x == r })
		if len(e.waiters) > 0 {
			continue
		}
		e.dead = true
		w.after(w.upTo(12*time.Second), func() {
			if e.dead && slices.Contains(q.entries, e) {
				w.remove(q, e)
			}
		})
	}
}
