package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Queues implements store.Observer. All queues are as they were at one revision.
func (s *Store) Queues(ctx context.Context, scope store.Scope, after string, limit int) (store.Survey, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return store.Survey{}, err
	}
	defer cancel()
	r := s.keyRange(scope)
	if after != "" {
		behind := clientv3.GetPrefixRangeEnd(r.root + store.EscapeName(after) + "/")
		r.from = max(r.from, behind)
	}
	survey, err := s.survey(ctx, r, max(limit, 1))
	for errors.Is(err, rpctypes.ErrCompacted) && ctx.Err() == nil {
		survey, err = s.survey(ctx, r, max(limit, 1)) // its revision has been forgotten between two reads
	}
	if err != nil {
		return store.Survey{}, fmt.Errorf("reading queues: %w", err)
	}
	return survey, nil
}

// survey reads the first queues of a range. The keys of a queue stand together, in
// the order of CompareNames.
func (s *Store) survey(ctx context.Context, r keyRange, limit int) (survey store.Survey, err error) {
	if r.from >= r.end {
		// Nothing can be there, but what the revision is has to be asked.
		r.from, r.end = r.root, r.root+"\x00"
	}
	var queues []store.Queue
	revision, err := s.scan(ctx, r.from, r.end, 0, int64(min(limit+1, page)), func(kvs []*mvccpb.KeyValue) bool {
		for _, kv := range kvs {
			p, ok := r.place(string(kv.Key))
			if !ok {
				continue
			}
			if n := len(queues); n == 0 || queues[n-1].Name != p.queue {
				queues = append(queues, store.Queue{Name: p.queue})
			}
			q := &queues[len(queues)-1]
			q.Entries = append(q.Entries, p.q.decode(kv))
		}
		return len(queues) <= limit
	})
	if err != nil {
		return survey, err
	}
	survey.Revision, survey.More = uint64(revision), len(queues) > limit
	survey.Queues = queues[:min(len(queues), limit)]
	return survey, s.fillLeft(ctx, survey.Queues)
}

// fillLeft asks what is left of all that are held.
func (s *Store) fillLeft(ctx context.Context, queues []store.Queue) error {
	var held []*store.Entry
	for _, q := range queues {
		sortEntries(q.Entries)
		for i := range q.Entries {
			if q.Entries[i].Held {
				held = append(held, &q.Entries[i])
			}
		}
	}
	return each(ctx, len(held), func(ctx context.Context, i int) error {
		left, err := s.timeToLive(ctx, refOf(*held[i]).lease)
		held[i].Left = time.Duration(max(left, 0)) * time.Second
		return err
	})
}
