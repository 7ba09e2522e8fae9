package etcdv3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// page is how many entries are read at once, so that no answer is very large.
const page = 1000

// List implements store.Store.
func (s *Store) List(ctx context.Context, key store.Key, limit int) (store.Listing, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return store.Listing{}, err
	}
	defer cancel()
	q := s.queue(key)
	for again := true; ; again = false {
		l, err := s.list(ctx, q, limit)
		if err != nil {
			return store.Listing{}, fmt.Errorf("listing: %w", err)
		}
		if len(l.Entries) == 0 || !l.Entries[0].Held {
			return l, nil
		}
		left, err := s.timeToLive(ctx, refOf(l.Entries[0]).lease)
		if err != nil {
			return store.Listing{}, fmt.Errorf("listing: %w", err)
		}
		if left < 0 && again {
			continue // it has gone since, or its time is up and it goes any moment
		}
		// Where a new leader does not know the lease yet, too little is told of what is left,
		// until the next look; that the entry is there has been read linearizably.
		l.Entries[0].Left = time.Duration(max(left, 0)) * time.Second
		return l, nil
	}
}

// list is List without what is left of the TTL.
func (s *Store) list(ctx context.Context, q queue, limit int) (store.Listing, error) {
	if limit > 0 && limit <= page {
		resp, err := s.get(ctx, q.prefix, clientv3.WithRange(q.end), clientv3.WithLimit(int64(limit)),
			clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
		if err != nil {
			return store.Listing{}, err
		}
		return q.listing(resp.Header.Revision, resp.Kvs), nil
	}

	var kvs []*mvccpb.KeyValue
	revision, err := s.scan(ctx, q.prefix, q.end, 0, page, func(part []*mvccpb.KeyValue) bool {
		kvs = append(kvs, part...)
		return true
	})
	if err != nil {
		return store.Listing{}, err
	}
	l := q.listing(revision, kvs)
	for _, e := range l.Entries {
		s.noteShared(q.entry(e.Name), refOf(e))
	}
	if limit > 0 && len(l.Entries) > limit {
		l.Entries = l.Entries[:limit]
	}
	return l, nil
}

func (q queue) listing(revision int64, kvs []*mvccpb.KeyValue) store.Listing {
	l := store.Listing{Revision: uint64(revision), Entries: make([]store.Entry, 0, len(kvs))}
	for _, kv := range kvs {
		l.Entries = append(l.Entries, q.decode(kv))
	}
	sortEntries(l.Entries)
	return l
}

func sortEntries(entries []store.Entry) {
	slices.SortFunc(entries, func(a, b store.Entry) int { return cmp.Compare(a.Index, b.Index) })
}

// scan reads the keys from one on and up to another, as they all were at a revision
// or, if that is 0, at one, linearizably, which it returns. It hands them on page by
// page, the first of which has so many and the others up to twice as many as the one
// before, as long as more of them are wanted.
func (s *Store) scan(ctx context.Context, from, end string, revision, size int64, wantMore func([]*mvccpb.KeyValue) bool) (int64, error) {
	for ; ; size = min(2*size, page) {
		resp, err := s.getBounded(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(size), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = resp.Header.Revision
		}
		if !wantMore(resp.Kvs) || !resp.More {
			return revision, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// getBounded is get also for those whose context does not end within seconds.
func (s *Store) getBounded(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.get(ctx, key, opts...)
}

// timeToLive is what is left of a lease, in seconds; -1 if it is gone.
func (s *Store) timeToLive(ctx context.Context, id clientv3.LeaseID) (int64, error) {
	resp, err := read(ctx, func(ctx context.Context) (*clientv3.LeaseTimeToLiveResponse, error) {
		return s.client.TimeToLive(ctx, id)
	})
	if leaseNotFound(err) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading a lease: %w", err)
	}
	return resp.TTL, nil
}

// Watch implements store.Store. All watches of a gateway share one stream.
func (s *Store) Watch(ctx context.Context, key store.Key, after uint64, apply func(uint64, []store.Event)) error {
	ctx, cancel, err := s.whileOpen(ctx)
	if err != nil {
		return err
	}
	defer cancel()

	q := s.queue(key)
	defer s.names.forget(q)
	// A member without a leader would keep silent.
	changes := s.client.Watch(clientv3.WithRequireLeader(ctx), q.prefix, clientv3.WithRange(q.end), clientv3.WithRev(int64(after)+1))
	for resp := range changes {
		if err := resp.Err(); err != nil {
			if errors.Is(err, rpctypes.ErrCompacted) {
				err = store.ErrCompacted
			}
			return fmt.Errorf("watching: %w", err)
		}
		s.seen(resp.Header)
		for revision, events := range byRevision(resp.Events) {
			if ctx.Err() != nil {
				break
			}
			apply(revision, s.events(q, events))
		}
	}
	if ctx.Err() != nil {
		if s.closed.Load() {
			return store.ErrClosed
		}
		return nil
	}
	return fmt.Errorf("watching: %w: the stream ended", store.ErrUnavailable)
}

// byRevision takes events apart: all of one revision are one change.
func byRevision(events []*clientv3.Event) iter.Seq2[uint64, []*clientv3.Event] {
	return func(yield func(uint64, []*clientv3.Event) bool) {
		for len(events) > 0 {
			revision := events[0].Kv.ModRevision
			n := slices.IndexFunc(events, func(e *clientv3.Event) bool { return e.Kv.ModRevision != revision })
			if n < 0 {
				n = len(events)
			}
			if !yield(uint64(revision), events[:n]) {
				return
			}
			events = events[n:]
		}
	}
}

func (s *Store) events(q queue, changes []*clientv3.Event) []store.Event {
	events := make([]store.Event, len(changes))
	for i, c := range changes {
		events[i] = store.Event{Revision: uint64(c.Kv.ModRevision)}
		if c.Type == clientv3.EventTypeDelete {
			events[i].Deleted = true
			events[i].Entry.Name = q.name(string(c.Kv.Key))
			s.shared.leave(string(c.Kv.Key))
			s.names.give(q, events[i].Entry.Name)
			continue
		}
		events[i].Entry = q.decode(c.Kv)
		s.noteShared(string(c.Kv.Key), refOf(events[i].Entry))
	}
	return events
}

// noteShared keeps alive the lease of an entry that another gateway has joined.
func (s *Store) noteShared(entryKey string, r *ref) {
	if r.rec.Shared && slices.Contains(r.rec.Waiting, s.id) {
		s.shared.keep(entryKey, r.lease)
	} else {
		s.shared.keep(entryKey, 0)
	}
}
