package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	for {
		v := surveyor{
			s: s, r: s.keyRange(scope), after: store.EscapeName(after), limit: max(limit, 1),
			queues: make(map[string]*store.Queue), ahead: make(map[string]bool),
		}
		survey, err := v.survey(ctx)
		if errors.Is(err, rpctypes.ErrCompacted) && ctx.Err() == nil {
			continue // its revision has been forgotten between two reads
		}
		if err != nil {
			return store.Survey{}, fmt.Errorf("reading queues: %w", err)
		}
		return survey, nil
	}
}

// surveyor is one try to read queues in the order of their escaped names.
//
// That is not quite the order of their keys: of the names a and a-b, the first one
// comes first, but of the keys a/... and a-b/... the second, since some of what may
// be in a name is less than the slash. So a page of keys may leave out queues whose
// names come before those in it. The names of these begin like the last one's in the
// page, which is all there is to know: they are read ahead.
type surveyor struct {
	s     *Store
	r     keyRange
	after string // escaped, as are all names here
	limit int

	revision int64
	queues   map[string]*store.Queue
	ahead    map[string]bool // those that have been read ahead
}

func (v *surveyor) survey(ctx context.Context) (store.Survey, error) {
	from, size := max(v.r.from, v.r.root+v.after+"\x00"), min(v.limit+1, page)
	for {
		resp, err := v.read(ctx, from, v.r.end, size)
		if err != nil {
			return store.Survey{}, err
		}
		last := v.add(resp.Kvs, false)
		if !resp.More {
			return v.finish(ctx)
		}
		if err := v.readAhead(ctx, last); err != nil {
			return store.Survey{}, err
		}
		// The last one may go on in the next page.
		if names := v.names(); len(names) > v.limit && !slices.Contains(names[:v.limit], last) {
			return v.finish(ctx)
		}
		from, size = string(resp.Kvs[len(resp.Kvs)-1].Key)+"\x00", min(2*size, page)
	}
}

// read reads a page at the survey's revision, which the first one sets.
func (v *surveyor) read(ctx context.Context, from, end string, size int) (*clientv3.GetResponse, error) {
	if from >= end { // which etcd would not understand
		from, end = v.r.root, v.r.root+"\x00"
	}
	resp, err := v.s.get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(int64(size)), clientv3.WithRev(v.revision))
	if err == nil && v.revision == 0 {
		v.revision = resp.Header.Revision
	}
	return resp, err
}

// add adds entries to their queues, and returns the name that the last key has.
func (v *surveyor) add(kvs []*mvccpb.KeyValue, ahead bool) (last string) {
	for _, kv := range kvs {
		p, ok := v.r.place(string(kv.Key))
		last = p.escaped
		if !ok || p.escaped <= v.after || v.ahead[p.escaped] != ahead {
			continue
		}
		q := v.queues[p.escaped]
		if q == nil {
			q = &store.Queue{Name: p.queue}
			v.queues[p.escaped] = q
		}
		q.Entries = append(q.Entries, p.q.decode(kv))
	}
	return last
}

// readAhead reads the queues that come before the one of that name, but whose keys
// come behind it.
func (v *surveyor) readAhead(ctx context.Context, name string) error {
	for i := range name {
		before := name[:i]
		queueName, ok := v.r.name(before)
		if name[i] > '/' || !ok || before <= v.after || v.ahead[before] {
			continue
		}
		v.ahead[before] = true
		q := v.s.queue(store.Key{Space: v.r.scope.Space, Name: queueName})
		for from, more := q.prefix, true; more; {
			resp, err := v.read(ctx, from, q.end, page)
			if err != nil {
				return err
			}
			v.add(resp.Kvs, true)
			if more = resp.More; more {
				from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
			}
		}
	}
	return nil
}

func (v *surveyor) names() []string { return slices.Sorted(maps.Keys(v.queues)) }

// finish is the survey, of what has been read.
func (v *surveyor) finish(ctx context.Context) (store.Survey, error) {
	names := v.names()
	survey := store.Survey{Revision: uint64(v.revision), More: len(names) > v.limit}
	var held []*store.Entry
	for _, name := range names[:min(len(names), v.limit)] {
		q := *v.queues[name]
		sortEntries(q.Entries)
		for i := range q.Entries {
			if q.Entries[i].Held {
				held = append(held, &q.Entries[i])
			}
		}
		survey.Queues = append(survey.Queues, q)
	}
	err := each(ctx, len(held), func(ctx context.Context, i int) error {
		left, err := v.s.timeToLive(ctx, refOf(*held[i]).lease)
		held[i].Left = time.Duration(max(left, 0)) * time.Second
		return err
	})
	return survey, err
}
