package memstore

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Op names a method of a Store, for FailNext and Intercept.
type Op string

// The methods that faults can be made in.
const (
	OpAcquire  Op = "Acquire"
	OpGrant    Op = "Grant"
	OpWithdraw Op = "Withdraw"
	OpExpired  Op = "Expired"
	OpRelease  Op = "Release"
	OpRenew    Op = "Renew"
	OpList     Op = "List"
	OpWatch    Op = "Watch"
	OpQueues   Op = "Queues"
	OpObserve  Op = "Observe"
)

// Fault is what goes wrong with one call. For methods that only read, each of
// them is ErrUnavailable.
type Fault int

const (
	// None: nothing does.
	None Fault = iota

	// Refused: ErrUnavailable, and nothing is written.
	Refused

	// LostRequest: ErrUnknown, and nothing ever is written.
	LostRequest

	// LostAnswer: ErrUnknown, and the write took effect.
	LostAnswer

	// Delayed: ErrUnknown, and the write takes effect at the next Deliver. By
	// then it may be fenced off: an Acquire by a Withdraw of its entry with Index
	// 0, or by the session's end; any other write by any change of its entry.
	Delayed
)

// FailNext makes the next call of op on this gateway fail. Called several times,
// it is for as many calls, in that order.
func (s *Store) FailNext(op Op, f Fault) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.next[op] = append(s.next[op], f)
}

// Intercept has fn called before each call on this gateway that FailNext says
// nothing about; nil ends that. Of a scope, the key has the name. fn may block, which
// holds the call back at the gateway, and says what goes wrong with it. It may use the
// store.
func (s *Store) Intercept(fn func(ctx context.Context, op Op, key store.Key) Fault) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.intercept = fn
}

// SetDown cuts this gateway off from the cluster, or ends that. While it is cut
// off, every call fails with ErrUnavailable at once and watches stall; its
// session and all TTLs go on in the cluster. To have the session lost meanwhile,
// call Expire.
func (s *Store) SetDown(down bool) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.down = down
	s.wake()
}

// Expire ends this gateway's session, as if its lease had run out. Entries that
// waited on it alone go; the gateway lives on, and its next session begins with
// the next entry that it makes or joins.
func (s *Store) Expire() {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.endSession()
}

// Kill makes this gateway dead: it is cut off for ever, and its session ends
// after the session's TTL.
func (s *Store) Kill() {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.killed = true
	s.wake()
	time.AfterFunc(s.sessionTTL, s.Expire)
}

// Deliver lets the writes that were Delayed reach the cluster, in the order in
// which they were made. It returns how many were not fenced off.
func (s *Store) Deliver() int {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	delayed := s.delayed
	s.delayed = nil
	delivered := 0
	for _, w := range delayed {
		if w.valid() {
			// Whatever comes of it, nobody is there to be told.
			_ = w.do(s.cluster.queue(w.key))
			delivered++
		}
	}
	return delivered
}

// write is one call that may change something.
type write struct {
	op     Op
	key    store.Key
	name   string                // the entry that an Acquire is to make
	target func(q *queue) *entry // the entry that any other write is about
	do     func(q *queue) error
}

// delayedWrite is a write that has not reached the cluster.
type delayedWrite struct {
	write
	valid func() bool // it has not been fenced off
}

// outcomeUnknown says whether a write that failed may have taken effect.
func outcomeUnknown(err error) bool { return errors.Is(err, store.ErrUnknown) }

// write does w, or what the faults make of it.
func (s *Store) write(ctx context.Context, w write) error {
	fault, err := s.enter(ctx, w.op, w.key)
	if err != nil {
		return err
	}
	defer s.cluster.mu.Unlock()
	q := s.cluster.queue(w.key)
	if w.op == OpAcquire {
		s.noteClaim(q, w.name)
	}
	switch fault {
	case Refused:
		return store.ErrUnavailable
	case LostRequest:
		return store.ErrUnknown
	case LostAnswer:
		_ = w.do(q) // this is the answer that is lost
		return store.ErrUnknown
	case Delayed:
		s.delay(q, w)
		return store.ErrUnknown
	}
	err = w.do(q)
	s.revision = s.cluster.revision
	return err
}

// read calls do with the queue, unless a fault is in the way.
func (s *Store) read(ctx context.Context, op Op, key store.Key, do func(q *queue)) error {
	return s.look(ctx, op, key, func() { do(s.cluster.queue(key)) })
}

// look calls do, with the cluster locked, unless a fault is in the way.
func (s *Store) look(ctx context.Context, op Op, key store.Key, do func()) error {
	fault, err := s.enter(ctx, op, key)
	if err != nil {
		return err
	}
	defer s.cluster.mu.Unlock()
	if fault != None {
		return store.ErrUnavailable
	}
	do()
	s.revision = s.cluster.revision
	return nil
}

// enter begins a call. Without an error it returns with the cluster locked.
func (s *Store) enter(ctx context.Context, op Op, key store.Key) (Fault, error) {
	s.cluster.mu.Lock()
	fault, intercept := None, s.intercept
	if next := s.next[op]; len(next) > 0 {
		fault, s.next[op] = next[0], next[1:]
	} else if intercept != nil {
		s.cluster.mu.Unlock() // it may block, and may use the store
		fault = intercept(ctx, op, key)
		s.cluster.mu.Lock()
	}
	if s.closed {
		s.cluster.mu.Unlock()
		return None, store.ErrClosed
	}
	if err := s.reachable(ctx); err != nil {
		s.cluster.mu.Unlock()
		return None, err
	}
	return fault, nil
}

// delay keeps w for Deliver.
func (s *Store) delay(q *queue, w write) {
	if w.op == OpAcquire {
		session := s.session
		s.delayed = append(s.delayed, delayedWrite{w, func() bool { return s.session == session }})
		return
	}
	if e := w.target(q); e != nil {
		mod := e.mod
		s.delayed = append(s.delayed, delayedWrite{w, func() bool { return q.has(e) && e.mod == mod }})
	}
}

// fence drops every Acquire of that entry that has not reached the cluster.
func (s *Store) fence(key store.Key, name string) {
	kept := s.delayed[:0]
	for _, w := range s.delayed {
		if w.op != OpAcquire || w.key != key || w.name != name {
			kept = append(kept, w)
		}
	}
	s.delayed = kept
}

// noteClaim remembers, before an Acquire, whether this gateway may already have
// told a client of a hold: a Withdraw of an Acquire with unknown outcome must not
// end that.
func (s *Store) noteClaim(q *queue, name string) {
	p := place{key: q.key, name: name}
	delete(s.claimed, p)
	if e := q.byName[name]; e != nil && e.claims.has(s) {
		s.claimed[p] = e.index
	}
}
