package simulated

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// request is a request on its way.
type request struct {
	op    history.Op
	then  func(history.Op)
	entry *entry
	ended bool          // for its client
	left  time.Duration // when it ended
	lost  bool          // its answer will not arrive
	dead  bool          // its gateway has died

	unknown bool // its gateway has answered that nobody knows what became of it, and takes back what it gets
}

// do sends a request, and goes on with its end.
func (w *world) do(op history.Op, then func(history.Op)) {
	op.Call = w.seen()
	if late := op.Call - w.now; late > 0 { // a client doesn't do anything while the recorder is not run
		w.after(late, func() { w.do(op, then) })
		return
	}
	op.Gateway = 1 + w.IntN(gateways)
	r := &request{op: op, then: then}
	w.requests = append(w.requests, r)
	arrival := w.delay()
	w.after(arrival, func() { w.arrive(r) })
	if _, on := w.trouble(); on && w.IntN(4) == 0 && w.seldom() {
		r.lost = true
		if w.IntN(2) == 0 { // before it has taken effect, maybe
			w.after(w.upTo(arrival), func() { r.unknown = true; w.end(r, 504, 0, "", "unknown") })
		}
		return
	}
	if !w.Polite && op.Kind == history.Acquire && w.IntN(6) == 0 && w.seldom() {
		w.after(w.upTo(time.Second), func() {
			if r.ended {
				return
			}
			r.op.Left = true
			w.end(r, 0, 0, "", "gone")
			w.after(w.delay(), func() { w.leave(w.queue(op.Lock()), r) })
		})
	}
}

// answer is what a gateway answers; it may not arrive.
func (w *world) answer(r *request, status int, got uint64, shown string) {
	e := w.queue(r.op.Lock()).holder()
	if !r.lost {
		w.after(w.delay(), func() {
			if r.ended {
				w.undelivered(r, e)
				return
			}
			if status == 200 && r.op.Kind == history.Acquire {
				e.told = true
			}
			w.end(r, status, got, shown, "")
		})
		return
	}
	w.after(w.delay(), func() {
		w.end(r, 0, 0, "", "EOF")
		w.undelivered(r, e)
	})
}

// undelivered is that an answer has not reached anybody. If it was a grant, it is taken
// back, unless the gateway thinks that it has been read: when the client had left long
// before, it does not.
func (w *world) undelivered(r *request, e *entry) {
	q := w.queue(r.op.Lock())
	if r.op.Kind == history.Acquire && e != nil && r.entry == e && !e.told && e.granted == 1 && (r.unknown || e.since > r.left+500*time.Millisecond || w.IntN(2) == 0) && slices.Contains(q.entries, e) {
		// The others that it was sent to have been told, or are about to be.
		for _, other := range w.requests {
			if other.entry == e {
				return
			}
		}
		w.remove(q, e)
	}
}

// end is the end of a request, for its client.
func (w *world) end(r *request, status int, got uint64, shown, text string) {
	if r.ended {
		return
	}
	r.ended = true
	w.requests = slices.DeleteFunc(w.requests, func(x *request) bool { return x == r })
	op := r.op
	r.left = w.now
	op.Return, op.Status, op.Got, op.Shown, op.Error = w.seen(), status, got, shown, text
	if status == 410 {
		op.Code = 212
	}
	w.recorder.Op(op)
	w.after(op.Return-w.now, func() { r.then(op) })
}

// client does one thing after the other, until the time is over.
func (w *world) client(id int) {
	if w.now > w.Length {
		return
	}
	again := func() { w.after(w.upTo(2*w.Pause), func() { w.client(id) }) }
	op := w.request(id, history.Acquire)
	switch n := w.IntN(20); {
	case n < 2:
		op.Kind = history.Get
		w.do(op, func(history.Op) { again() })
	case n < 3: // whoever it may belong to
		op.Kind, op.Value, op.HasValue = history.Release, w.common(), true
		w.do(op, func(history.Op) { again() })
	default:
		if op.Space == history.Leader || w.IntN(3) > 0 {
			w.values++
			op.Value, op.HasValue = fmt.Sprintf("value %d", w.values), true
			if w.IntN(8) == 0 {
				op.Value = w.common()
			}
		}
		op.TTL, op.Timeout = 1+w.IntN(4), history.Forever
		if w.IntN(3) == 0 {
			op.Timeout = w.IntN(4)
		}
		w.do(op, func(held history.Op) {
			if !held.OK() {
				again()
				return
			}
			w.held(held, again)
		})
	}
}

// seldom says whether a client does what may leave a hold behind, which keeps a lock busy
// for seconds.
func (w *world) seldom() bool { return !w.Brisk || w.IntN(60) == 0 }

// common is a value that many use.
func (w *world) common() string { return fmt.Sprintf("common %d", w.IntN(3)) }

// Key is the key of a lock, or election, by its number.
func Key(i int) string { return fmt.Sprintf("key %d", i) }

func (w *world) request(client int, kind history.Kind) history.Op {
	i := w.IntN(w.Locks)
	name := history.Name{Space: history.Lock, Key: Key(i)}
	if i%3 == 2 {
		name.Space = history.Leader
	}
	return history.Op{Client: client, Kind: kind, Space: name.Space, Key: name.Key}
}

// held is what a client does that has got a lock.
func (w *world) held(held history.Op, then func()) {
	release := func(history.Op) { w.after(w.upTo(w.Hold), func() { w.release(held, then) }) }
	deed := w.IntN(8)
	if deed < 2 && !w.seldom() {
		deed = 7
	}
	switch deed {
	case 0:
		then() // and forgets it
	case 1: // sleeps too long
		w.after(time.Duration(held.TTL)*time.Second+w.upTo(3*time.Second), func() { w.release(held, then) })
	case 2:
		w.do(w.of(history.Holds, held), release)
	case 3, 4: // renews it
		op := w.of(history.Renew, held)
		if op.TTL = 1 + w.IntN(4); held.Space == history.Leader {
			op = asked(held)
		}
		w.do(op, release)
	case 5: // asks for it again
		if held.HasValue {
			w.do(asked(held), release)
			return
		}
		release(held)
	default:
		release(held)
	}
}

func (w *world) release(held history.Op, then func()) {
	w.do(w.of(history.Release, held), func(done history.Op) {
		if done.OK() || done.Status == 404 {
			then()
			return
		}
		w.after(w.upTo(100*time.Millisecond), func() { w.release(held, then) })
	})
}

// of is a request about a hold, by index or by value.
func (w *world) of(kind history.Kind, held history.Op) history.Op {
	op := history.Op{Client: held.Client, Kind: kind, Space: held.Space, Key: held.Key}
	byName := held.Space == history.Leader || kind != history.Holds
	if held.HasValue && byName && (held.Space == history.Leader || w.IntN(2) == 0) {
		op.Value, op.HasValue = held.Value, true
		return op
	}
	op.Index = held.Got
	return op
}

func asked(op history.Op) history.Op {
	op.Got, op.Status, op.Error = 0, 0, ""
	return op
}
