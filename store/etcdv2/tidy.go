package etcdv2

import (
	"context"
	"path"
	"strings"
	"sync"
	"time"

	client "go.etcd.io/etcd/client/v2"
)

// etcd keeps a directory whose last key has gone, and it keeps all of them in
// memory. So the directories of queues are deleted when they are empty, some time
// after this gateway has used them, and now and then those that others have left
// behind: a gateway that stops does not wait for that time.

const (
	tidyPeriod = 10 * time.Second
	tidyAfter  = recordTTL + time.Minute // when the records have gone too
	findPeriod = time.Hour
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
func (u *used) note(q queue) { u.again(q, new(use)) }

// withParties says that a queue is being used, and has records.
func (u *used) withParties(q queue) { u.again(q, &use{parties: true}) }

// again says that a queue is being used, as it has been before.
func (u *used) again(q queue, before *use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	here := u.queues[q]
	if here == nil {
		here = new(use)
		u.queues[q] = here
	}
	here.last = time.Now()
	here.parties = here.parties || before.parties
}

// find says that there is such a queue.
func (u *used) find(q queue) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if here := u.queues[q]; here == nil {
		u.queues[q] = &use{last: time.Now(), parties: true}
	}
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
	var found time.Time
	for pause(ctx, tidyPeriod) {
		if time.Since(found) > findPeriod && s.find(ctx) == nil {
			found = time.Now()
		}
		s.tidyUnusedSince(ctx, time.Now().Add(-tidyAfter))
	}
}

// find has all queues that are in etcd looked at, if they are not used meanwhile.
func (s *Store) find(ctx context.Context) error {
	for _, root := range []string{s.prefix, s.prefix + "/" + partiesSpace} {
		spaces, err := s.children(ctx, root)
		if err != nil {
			return err
		}
		for _, space := range spaces {
			if name := path.Base(space); name == partiesSpace || name == gatewaySpace {
				continue
			}
			queues, err := s.children(ctx, space)
			if err != nil {
				return err
			}
			for _, q := range queues {
				below := strings.TrimPrefix(q, root)
				s.used.find(queue{entries: s.prefix + below, parties: s.prefix + "/" + partiesSpace + below})
			}
		}
	}
	return nil
}

// children are the keys in a directory.
func (s *Store) children(ctx context.Context, dir string) ([]string, error) {
	attempt, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := s.get(attempt, dir, anytime)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var children []string
	for _, n := range resp.Node.Nodes {
		children = append(children, n.Key)
	}
	return children, nil
}

func (s *Store) tidyUnusedSince(ctx context.Context, then time.Time) {
	for q, here := range s.used.since(then) {
		at, gone := s.removeEmpty(ctx, q.entries)
		if at != 0 {
			s.noteEmpty(ctx, at)
		}
		if here.parties {
			_, partiesGone := s.removeEmpty(ctx, q.parties)
			gone = gone && partiesGone
		}
		if !gone && ctx.Err() == nil { // something is still held there, or etcd is away
			s.used.again(q, here)
		}
	}
}

// removeEmpty deletes a directory that is empty, and says at which index, and
// whether there is none any more.
func (s *Store) removeEmpty(ctx context.Context, dir string) (at uint64, gone bool) {
	// To see that it is not costs no write.
	if keys, err := s.children(ctx, dir); err != nil || len(keys) > 0 {
		return 0, false
	}
	attempt, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := s.write(attempt, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, dir, &client.DeleteOptions{Dir: true})
	})
	if err != nil {
		return 0, isNotFound(err)
	}
	return resp.Node.ModifiedIndex, true
}
