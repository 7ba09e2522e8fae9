package etcdv2

import (
	"context"
	"sync"
	"time"

	client "go.etcd.io/etcd/client/v2"
)

// etcd keeps a directory whose last key has gone, and it keeps all of them in
// memory. So the directories of queues that this gateway has used are deleted,
// if they are empty, some time after the last use.

const (
	tidyPeriod = 10 * time.Second
	tidyAfter  = recordTTL + time.Minute // when the records have gone too
)

// used are the queues that have been used lately.
type used struct {
	mu     sync.Mutex
	queues map[queue]*use
}

type use struct {
	last    time.Time
	parties bool // it may have records
}

// note says that a queue is being used.
func (u *used) note(q queue) *use {
	u.mu.Lock()
	defer u.mu.Unlock()
	here := u.queues[q]
	if here == nil {
		here = new(use)
		u.queues[q] = here
	}
	here.last = time.Now()
	return here
}

func (u *used) withParties(q queue) {
	here := u.note(q)
	u.mu.Lock()
	defer u.mu.Unlock()
	here.parties = true
}

// since returns the queues that have not been used since then, and forgets them.
func (u *used) since(then time.Time) map[queue]*use {
	u.mu.Lock()
	defer u.mu.Unlock()
	idle := make(map[queue]*use)
	for q, here := range u.queues {
		if here.last.Before(then) {
			idle[q] = here
			delete(u.queues, q)
		}
	}
	return idle
}

// tidy deletes empty directories until ctx ends.
func (s *Store) tidy(ctx context.Context) {
	for pause(ctx, tidyPeriod) {
		s.tidyUnusedSince(ctx, time.Now().Add(-tidyAfter))
	}
}

func (s *Store) tidyUnusedSince(ctx context.Context, then time.Time) {
	for q, here := range s.used.since(then) {
		empty := s.removeEmpty(ctx, q.entries)
		if here.parties {
			empty = s.removeEmpty(ctx, q.parties) && empty
		}
		if !empty && ctx.Err() == nil { // something is still held there, or etcd is away
			again := s.used.note(q)
			s.used.mu.Lock()
			again.parties = again.parties || here.parties
			s.used.mu.Unlock()
		}
	}
}

// removeEmpty deletes a directory that is empty, and says whether there is none
// any more.
func (s *Store) removeEmpty(ctx context.Context, dir string) bool {
	attempt, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := s.write(attempt, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, dir, &client.DeleteOptions{Dir: true})
	})
	return err == nil || isNotFound(err)
}
