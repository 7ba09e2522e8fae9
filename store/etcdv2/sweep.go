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

	// missing are the entries that wait without a record, and since when that is
	// known. If etcd was away for as long as records last, their gateways write
	// them anew.
	missing map[queue]map[uint64]time.Time
}

func newSweeper() sweeper {
	return sweeper{
		watched: make(map[queue]int),
		suspect: make(map[queue]struct{}),
		missing: make(map[queue]map[uint64]time.Time),
	}
}

// suspects has queues looked at soon.
func (w *sweeper) suspects(queues ...queue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range queues {
		w.suspect[q] = struct{}{}
	}
}

// missingLong notes which of a queue's entries have no record, and returns those
// that have had none for as long as a session lasts. The queue is looked at again
// until there are none.
func (w *sweeper) missingLong(q queue, indices []uint64, now time.Time) (long []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.missing[q]
	delete(w.missing, q)
	if len(indices) == 0 {
		return nil
	}
	w.suspect[q] = struct{}{}
	w.missing[q] = make(map[uint64]time.Time)
	for _, index := range indices {
		since, known := before[index]
		if !known {
			since = now
		}
		if now.Sub(since) >= sessionTTL {
			long = append(long, index)
		}
		w.missing[q][index] = since
	}
	return long
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
			s.sweeper.suspects(q)
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
				s.sweeper.suspects(q)
			}
		}
	}
}

// sweep deletes the entries of a queue that wait for dead gateways alone.
func (s *Store) sweep(ctx context.Context, q queue) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Not before what has made this store look.
	since := freshness(s.Revision())
	l, err := s.list(ctx, q, since)
	if err != nil {
		return err
	}
	records, err := s.records(ctx, q, since)
	if err != nil {
		return err
	}
	var suspects []place
	var missing []uint64
	for _, how := range []freshness{since, quorum} {
		living, err := s.sessions(ctx, how)
		if err != nil {
			return err
		}
		living[s.id] = true
		suspects, missing = nil, nil
		for _, e := range l.entries {
			r, ok := records[e.Index]
			switch {
			case e.Held, refOf(e).fresh, r.livesBy(living):
			case !ok:
				missing = append(missing, e.Index)
			default:
				suspects = append(suspects, place{q, e.Index})
			}
		}
		if len(suspects)+len(missing) == 0 {
			break
		}
	}
	for _, index := range s.sweeper.missingLong(q, missing, time.Now()) {
		suspects = append(suspects, place{q, index})
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
// living after that. It takes them out of the record first, so that none of them
// changes it any more. errAgain: it has changed, or gone, or somebody else buries
// it.
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

// livesBy says whether one of the parties of an entry that waits has a session.
// (It may have a claim already: then it is just being granted.)
func (r record) livesBy(living map[string]bool) bool {
	lives := func(id string) bool { return living[id] }
	return slices.ContainsFunc(r.Waiting, lives) || slices.ContainsFunc(r.Claims, lives)
}

// records are those of a whole queue.
func (s *Store) records(ctx context.Context, q queue, how freshness) (map[uint64]record, error) {
	resp, err := s.get(ctx, q.parties, how)
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
