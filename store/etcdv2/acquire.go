package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// unnamed is the name of an entry that may have been made: etcd's answer, which
// would have told its name, was lost.
const unnamed = "?"

// Acquire implements store.Store. Uncontended it is two commits: the entry is
// made and, after a look at the queue, made the holder.
func (s *Store) Acquire(ctx context.Context, key store.Key, a store.Acquire) (store.Acquired, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.patient)
	if err != nil {
		return store.Acquired{}, err
	}
	defer cancel()
	at := attempt{q: s.queue(key), a: a, how: anytime, deadline: time.Now().Add(callTimeout)}
	if !a.Wait {
		at.how = quorum // what is found may be all that is done
	}
	s.used.note(at.q)
	for {
		got, err := s.acquire(ctx, &at)
		if errors.Is(err, errAgain) && ctx.Err() == nil {
			at.how = quorum
			continue
		}
		if err != nil {
			return s.failed(ctx, &at, err)
		}
		return got, nil
	}
}

// failed is the end of an Acquire that has failed: it says what is left to undo.
func (s *Store) failed(ctx context.Context, at *attempt, err error) (store.Acquired, error) {
	if errors.Is(err, errAgain) {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	var got store.Acquired
	if at.owes != nil && !(errors.Is(err, store.ErrTaken) && s.withdraw(ctx, at.q, *at.owes) == nil) {
		if !errors.Is(err, store.ErrUnknown) {
			err = fmt.Errorf("%w: %v", store.ErrUnknown, err)
		}
		got.Entry = withRef(*at.owes, func(r *ref) { r.unknown = true })
		if s.closed.Load() && got.Entry.Index != 0 {
			s.waiting.add(place{at.q, got.Entry.Index}, got.Entry) // Close withdraws it
		}
	}
	return got, fmt.Errorf("acquiring: %w", err)
}

// attempt is one call of Acquire.
type attempt struct {
	q   queue
	a   store.Acquire
	how freshness // of the first look

	deadline time.Time // of the call, whatever becomes of its ctx

	// owes is the entry that this call has made, or has made the gateway a party
	// to, or may have.
	owes *store.Entry
}

// acquire is one round: it makes an entry, or finds the one with the value and
// joins it.
func (s *Store) acquire(ctx context.Context, at *attempt) (store.Acquired, error) {
	if at.a.HasValue || !at.a.Wait {
		l, err := s.list(ctx, at.q, at.how)
		if err != nil {
			return store.Acquired{}, err
		}
		if at.a.HasValue {
			if e, first, ok := l.valued(at.a.Value); ok {
				if at.how != quorum {
					return store.Acquired{}, errAgain // perhaps that is the past
				}
				return s.join(ctx, at, e, first)
			}
		}
		if !at.a.Wait && len(l.entries) > 0 {
			s.lookForDead(at.q, l)
			return store.Acquired{}, store.ErrTaken
		}
	}
	e, err := s.make(ctx, at)
	if err != nil {
		return store.Acquired{}, err
	}
	if at.a.Contended && at.a.Wait && !at.a.HasValue {
		return s.wait(ctx, at, e) // wherever it stands
	}
	return s.place(ctx, at, e)
}

// make makes a new entry.
func (s *Store) make(ctx context.Context, at *attempt) (store.Entry, error) {
	e := store.Entry{Name: unnamed, Value: at.a.Value, HasValue: at.a.HasValue}
	if ctx.Err() != nil {
		return store.Entry{}, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	// Its answer is waited for even if ctx ends: it tells the entry's name.
	answer, cancel := context.WithDeadline(s.ctx, at.deadline)
	defer cancel()
	resp, err := s.write(answer, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.CreateInOrder(ctx, at.q.entries, storedValue(e.Value, e.HasValue), &client.CreateInOrderOptions{TTL: newTTL})
	})
	if err != nil {
		if errors.Is(err, store.ErrUnknown) {
			at.owes = &e
		}
		return store.Entry{}, err
	}
	made, ok := decode(resp.Node)
	if !ok {
		return store.Entry{}, fmt.Errorf("%w: etcd has named an entry %q", store.ErrUnavailable, resp.Node.Key)
	}
	made = withRef(made, func(r *ref) { r.own = true })
	at.owes = &made
	return made, nil
}

// unmake takes back an entry that is still new. What can't be taken back goes by
// itself, or has been joined by another gateway.
func (s *Store) unmake(ctx context.Context, at *attempt, e store.Entry) error {
	if err := s.remove(ctx, at.q, e); err != nil && !errors.Is(err, errAgain) {
		return err
	}
	at.owes = nil
	return nil
}

// place makes the new entry e the holder if it is the first, else one that
// waits. If another one has its value, it takes e back, to join that: of two
// gateways that make one each, the second does (I7).
func (s *Store) place(ctx context.Context, at *attempt, e store.Entry) (store.Acquired, error) {
	l, err := s.list(ctx, at.q, freshness(e.Index))
	if err != nil {
		return store.Acquired{}, err
	}
	now, first, ok := l.find(e.Index)
	if !ok || refOf(now).modified != refOf(e).modified {
		return store.Acquired{}, errAgain // it has gone, or been joined
	}
	if e.HasValue {
		if other, _, _ := l.valued(e.Value); other.Index != e.Index {
			if err := s.unmake(ctx, at, e); err != nil {
				return store.Acquired{}, err
			}
			return store.Acquired{}, errAgain
		}
	}
	switch {
	case first:
		return s.hold(ctx, at, e)
	case !at.a.Wait:
		if err := s.unmake(ctx, at, e); err != nil {
			return store.Acquired{}, err
		}
		return store.Acquired{}, store.ErrTaken
	}
	return s.wait(ctx, at, e)
}

// join makes this gateway a party to e, the entry with the request's value, as the
// cluster knows it (I7). What a member knew some time ago will not do: who took
// an entry for waiting that this gateway has told a client of would forget that.
func (s *Store) join(ctx context.Context, at *attempt, e store.Entry, first bool) (store.Acquired, error) {
	switch {
	case e.Held:
		return s.hold(ctx, at, e)
	case !at.a.Wait:
		s.lookForDead(at.q, listing{entries: []store.Entry{e}})
		return store.Acquired{}, store.ErrTaken
	case first && refOf(e).fresh:
		return s.hold(ctx, at, e) // the lock was free when somebody made it
	}
	return s.wait(ctx, at, e)
}

// hold makes e, which is held or the first, a hold of this gateway's, with the
// request's TTL.
func (s *Store) hold(ctx context.Context, at *attempt, e store.Entry) (store.Acquired, error) {
	told := false
	if e.HasValue {
		mine := at.owes != nil && at.owes.Index == e.Index // whatever the record says, nobody has been told
		before, err := s.enter(ctx, at.q, e, at.a.TTL, func(r record) record { return r.heldBy(s.id) })
		if err == nil || errors.Is(err, store.ErrUnknown) {
			at.owes = &e
		}
		if err != nil {
			return store.Acquired{}, err
		}
		if told = e.Held && !mine && slices.Contains(before.Claims, s.id); told {
			at.owes = nil // the hold is older than this call
		}
	}
	held, err := s.swap(ctx, at.q, e, seconds(at.a.TTL))
	if err != nil {
		return store.Acquired{}, err
	}
	s.waiting.drop(place{at.q, e.Index})
	held = withRef(held, func(r *ref) { r.own = true })
	return store.Acquired{Entry: held, Renewed: told}, nil
}

// wait makes e one that waits, for this gateway too.
func (s *Store) wait(ctx context.Context, at *attempt, e store.Entry) (store.Acquired, error) {
	if err := s.openSession(ctx); err != nil {
		return store.Acquired{}, err
	}
	p := place{at.q, e.Index}
	s.waiting.add(p, e)
	at.owes = &e
	_, err := s.enter(ctx, at.q, e, 0, func(r record) record { return r.waitedBy(s.id) })
	if err == nil {
		// Even where it waits already: so whoever is about to delete it, having seen
		// nobody in its record, does not.
		e, err = s.swap(ctx, at.q, e, 0)
	}
	if errors.Is(err, errAgain) {
		s.waiting.drop(p)
	}
	if err != nil {
		return store.Acquired{}, err
	}
	return store.Acquired{Entry: withRef(e, func(r *ref) { r.own = true })}, nil
}
