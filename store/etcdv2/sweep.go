package etcdv2

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// When a gateway's session has ended, the others delete the entries that waited
// for it alone (I4): those of the queues that they watch, as soon as they notice,
// and of others when they come across them. etcd deletes a dead session's key;
// whether a gateway is dead is asked of the cluster, with a quorum read, before
// anything is deleted for it.

const (
	sweepPeriod = time.Second
	sweepAtOnce = 16
)

type sweeper struct {
	mu      sync.Mutex
	watched map[queue]int
	suspect map[queue]struct{} // to be looked at
}

func newSweeper() sweeper {
	return sweeper{watched: make(map[queue]int), suspect: make(map[queue]struct{})}
}

// watch says that a queue is watched, until the function that it returns is
// called.
func (w *sweeper) watch(q queue) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[q]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.watched[q]--; w.watched[q] == 0 {
			delete(w.watched, q)
		}
	}
}

// lookForDead has the queue looked at soon, if others wait in it.
func (s *Store) lookForDead(q queue, l listing) {
	for _, e := range l.entries {
		if !e.Held && !refOf(e).fresh && !s.waiting.has(place{q, e.Index}) {
			s.sweeper.mu.Lock()
			defer s.sweeper.mu.Unlock()
			s.sweeper.suspect[q] = struct{}{}
			return
		}
	}
}

// take returns the queues to look at: the suspects, and if somebody has died, all
// that are watched.
func (w *sweeper) take(somebodyDied bool) []queue {
	w.mu.Lock()
	defer w.mu.Unlock()
	if somebodyDied {
		for q := range w.watched {
			w.suspect[q] = struct{}{}
		}
	}
	queues := slices.Collect(maps.Keys(w.suspect))
	clear(w.suspect)
	return queues
}

func (w *sweeper) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watched) == 0 && len(w.suspect) == 0
}

// sweepDead looks for dead gateways until ctx ends.
func (s *Store) sweepDead(ctx context.Context) {
	var known map[string]bool
	for pause(ctx, sweepPeriod) {
		if s.sweeper.idle() {
			continue
		}
		attempt, cancel := context.WithTimeout(ctx, callTimeout)
		living, err := s.sessions(attempt, anytime)
		cancel()
		if err != nil {
			continue
		}
		died := false
		for id := range known {
			died = died || !living[id]
		}
		known = living
		for _, q := range s.sweeper.take(died) {
			if err := s.sweep(ctx, q); err != nil && ctx.Err() == nil {
				s.logger.Debug("looking for entries of dead gateways", zap.String("queue", q.entries), zap.Error(err))
				s.sweeper.mu.Lock()
				s.sweeper.suspect[q] = struct{}{}
				s.sweeper.mu.Unlock()
			}
		}
	}
}

// sweep deletes the entries of a queue that wait for dead gateways alone.
func (s *Store) sweep(ctx context.Context, q queue) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	l, err := s.list(ctx, q, anytime)
	if err != nil {
		return err
	}
	records, err := s.records(ctx, q)
	if err != nil {
		return err
	}
	var suspects []place
	for _, how := range []freshness{anytime, quorum} { // what is read at any time may be the past
		living, err := s.sessions(ctx, how)
		if err != nil {
			return err
		}
		living[s.id] = true
		suspects = nil
		for _, e := range l.entries {
			if !e.Held && !refOf(e).fresh && !records[e.Index].livesBy(living) {
				suspects = append(suspects, place{q, e.Index})
			}
		}
		if len(suspects) == 0 {
			return nil
		}
	}
	var mu sync.Mutex
	var failed error
	s.each(suspects, sweepAtOnce, func(p place) {
		if err := s.bury(ctx, p, records[p.index]); err != nil && !errors.Is(err, errAgain) {
			mu.Lock()
			defer mu.Unlock()
			failed = err
		}
	})
	return failed
}

// bury deletes an entry of whose record, as it was when it was read, nobody was
// living after that. It takes them out of the record first, by which who waited
// for the entry can see why it went. errAgain: it has changed, or gone, or
// somebody else buries it.
func (s *Store) bury(ctx context.Context, p place, dead record) error {
	e, err := s.one(ctx, p.queue, p.index, quorum)
	if errors.Is(err, store.ErrNotFound) || err == nil && (e.Held || refOf(e).fresh) {
		return errAgain
	}
	if err != nil {
		return err
	}
	r, v, err := s.parties(ctx, p.queue, e, quorum)
	if err != nil {
		return err
	}
	if !r.equal(dead) {
		return errAgain
	}
	if v != 0 {
		if err := s.record(ctx, p.queue, p.index, record{}, v, 0); err != nil {
			return err
		}
	}
	return s.remove(ctx, p.queue, e)
}

// livesBy says whether one of the gateways that wait has a session.
func (r record) livesBy(living map[string]bool) bool {
	return slices.ContainsFunc(r.Waiting, func(id string) bool { return living[id] })
}

// records are those of a whole queue.
func (s *Store) records(ctx context.Context, q queue) (map[uint64]record, error) {
	resp, err := s.get(ctx, q.parties, anytime)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	records := make(map[uint64]record, len(resp.Node.Nodes))
	for _, n := range resp.Node.Nodes {
		if index, ok := indexOf(n.Key); ok {
			records[index] = decodeRecord(n)
		}
	}
	return records, nil
}
