package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Observe implements store.Observer. While etcd can't be reached, its watch waits, and
// goes on by itself where it was.
func (s *Store) Observe(ctx context.Context, scope store.Scope, after uint64, start func(uint64, []store.Queue), apply func(uint64, []store.Change)) error {
	own, cancel, err := s.whileOpen(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	s.observers.Add(1)
	defer s.observers.Add(-1)

	o := &observer{
		s: s, r: s.keyRange(scope), apply: apply,
		indices: make(map[string]uint64), holds: make(map[string]*hold),
		present: make(map[string]presence), doubts: make(doubts),
	}
	err = o.observe(own, after, start)
	switch {
	case ctx.Err() != nil:
		return nil
	case s.closed.Load():
		return store.ErrClosed
	}
	return fmt.Errorf("observing: %w", err)
}

// observer is one call of Observe. All of it is one goroutine's; others wait for
// etcd's answers.
type observer struct {
	s        *Store
	r        keyRange
	apply    func(uint64, []store.Change)
	revision uint64 // of the last call

	indices map[string]uint64 // of all entries, by their keys, as are those below
	holds   map[string]*hold
	doubts  doubts

	// What happened up to the revision past is told after the fact. present is
	// what was held at that revision.
	past    int64
	began   time.Time
	present map[string]presence

	heard time.Time // when the watch has last told anything
	turn  []*hold   // those to look at next
}

// hold is an entry that holds a lock, on one lease with one TTL.
type hold struct {
	queue  string // its name
	key    string
	entry  store.Entry
	expect expectation
	told   time.Time // when it ends at the latest, as the caller knows; zero: it does not
}

// observe is Observe until it can't go on, or ctx ends.
func (o *observer) observe(ctx context.Context, after uint64, start func(uint64, []store.Queue)) error {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	today, current, err := o.s.entries(ctx, o.r, 0)
	if err != nil {
		return err
	}
	if after > uint64(current) {
		return store.ErrCompacted // etcd's data are not those of before
	}
	then, revision := today, current
	if after != 0 && after != uint64(current) {
		then, revision, err = o.s.entries(ctx, o.r, int64(after))
		if errors.Is(err, rpctypes.ErrCompacted) {
			return store.ErrCompacted
		}
		if err != nil {
			return err
		}
	}
	o.past, o.began, o.revision = current, time.Now(), uint64(revision)
	o.heard = o.began
	arrivals := o.s.follow(ctx, &work, o.r, revision+1)
	if err := o.lookAround(ctx, today); err != nil {
		return err
	}
	for _, f := range then {
		o.add(f)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if start != nil {
		start(o.revision, o.queues(then))
		for key, h := range o.holds {
			h.told = o.ends(key, h.entry)
		}
	}
	return o.run(ctx, &work, arrivals)
}

// queues is what was there, with what is left now.
func (o *observer) queues(then []found) []store.Queue {
	var queues []store.Queue
	at := make(map[string]int)
	for _, f := range then {
		i, ok := at[f.queue]
		if !ok {
			i, at[f.queue] = len(queues), len(queues)
			queues = append(queues, store.Queue{Name: f.queue})
		}
		if f.entry.Held {
			f.entry.Left = o.leftNow(f.key(), f.entry)
		}
		queues[i].Entries = append(queues[i].Entries, f.entry)
	}
	for _, q := range queues {
		sortEntries(q.Entries)
	}
	return queues
}

// run tells what arrives, and looks for renewals, until it can't go on.
func (o *observer) run(ctx context.Context, work *sync.WaitGroup, arrivals <-chan arrival) error {
	looked := make(chan round, 1)
	timer := time.NewTimer(lookPause())
	defer timer.Stop()
	for {
		select {
		case a, ok := <-arrivals:
			if !ok {
				return fmt.Errorf("%w: the stream ended", store.ErrUnavailable)
			}
			if err := o.tellAll(ctx, arrived(a, arrivals)); err != nil {
				return err
			}
		case <-timer.C:
			whose, told := o.whose(), uint64(0)
			if time.Since(o.heard) > silence {
				o.heard, told = time.Now(), o.revision
			}
			work.Go(func() { looked <- o.s.lookRound(ctx, whose, told) })
		case r := <-looked:
			if r.err != nil {
				return r.err
			}
			o.judge(ctx, r.sightings)
			timer.Reset(lookPause())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell is one call of apply.
func (o *observer) tell(ctx context.Context, revision uint64, changes []store.Change) {
	if ctx.Err() != nil || len(changes) == 0 && revision <= o.revision {
		return
	}
	o.revision = revision
	o.apply(revision, changes)
}
