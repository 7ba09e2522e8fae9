package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// arrival is what a watch has told, and when.
type arrival struct {
	clientv3.WatchResponse
	at time.Time
}

// follow watches a range. That waits for etcd, so it is another goroutine that does.
func (s *Store) follow(ctx context.Context, work *sync.WaitGroup, r keyRange, from int64) <-chan arrival {
	arrivals := make(chan arrival, 256)
	work.Go(func() {
		defer close(arrivals)
		// A member without a leader would keep silent.
		for resp := range s.client.Watch(clientv3.WithRequireLeader(ctx), r.from,
			clientv3.WithRange(r.end), clientv3.WithRev(from), clientv3.WithProgressNotify(), clientv3.WithFragment()) {
			select {
			case arrivals <- arrival{resp, time.Now()}:
			case <-ctx.Done():
				return
			}
		}
	})
	return arrivals
}

// arrived is one arrival and those behind it that are there already: what they ask
// etcd, they ask together.
func arrived(first arrival, arrivals <-chan arrival) []arrival {
	all := []arrival{first}
	for range len(arrivals) {
		if a, ok := <-arrivals; ok {
			all = append(all, a)
		}
	}
	return all
}

// tellAll tells what has arrived, up to what ends the watch.
func (o *observer) tellAll(ctx context.Context, all []arrival) (end error) {
	type call struct {
		revision uint64
		changes  []store.Change
	}
	var calls []call
	for _, a := range all {
		if end = a.Err(); end != nil {
			break
		}
		o.s.seen(a.Header)
		o.heard = a.at
		if a.IsProgressNotify() {
			calls = append(calls, call{uint64(a.Header.Revision), nil})
		}
		for revision, events := range byRevision(a.Events) {
			calls = append(calls, call{revision, o.changes(events, a.at)})
		}
	}
	if err := o.settle(ctx); err != nil {
		return err
	}
	for _, c := range calls {
		o.tell(ctx, c.revision, c.changes)
	}
	switch {
	case errors.Is(end, rpctypes.ErrCompacted):
		return store.ErrCompacted
	case end != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, end)
	}
	return nil
}

// changes are those of one revision.
func (o *observer) changes(events []*clientv3.Event, at time.Time) []store.Change {
	changes := make([]store.Change, 0, len(events)) // nothing moves: doubts point to it
	isPut := func(e *clientv3.Event) bool { return e.Type == clientv3.EventTypePut }
	// When a lease runs out, nothing is put. That is how a hand-over looks.
	released := slices.ContainsFunc(events, isPut)
	for _, e := range events {
		if p, ok := o.r.place(string(e.Kv.Key)); ok && !isPut(e) {
			key := string(e.Kv.Key)
			gone := store.Entry{Name: p.q.name(key), Index: o.indices[key]}
			changes = append(changes, store.Change{Queue: p.queue, Deleted: true, Entry: gone})
			if h := o.holds[key]; h != nil && !released {
				o.doubts.add(refOf(h.entry).lease, e.Kv.ModRevision, &changes[len(changes)-1])
			}
			delete(o.indices, key)
			delete(o.holds, key)
		}
	}
	for _, e := range events {
		if p, ok := o.r.place(string(e.Kv.Key)); ok && isPut(e) {
			changes = append(changes, o.put(found{p, p.q.decode(e.Kv)}, e.Kv.ModRevision, at))
		}
	}
	return changes
}

// put is the change that an entry has been written.
func (o *observer) put(f found, revision int64, at time.Time) store.Change {
	key, e, lease := f.key(), f.entry, refOf(f.entry).lease
	o.doubts.drop(lease)
	o.indices[key] = e.Index
	before := o.holds[key]
	if !e.Held {
		delete(o.holds, key)
		return store.Change{Queue: f.queue, Entry: e}
	}

	renewed := before != nil && (refOf(before.entry).lease != lease || before.entry.TTL != e.TTL)
	h := before
	if before == nil || renewed {
		h = &hold{queue: f.queue, key: key, expect: granted(at, e.TTL)}
		if revision <= o.past {
			h.expect = o.unknown()
		}
		o.holds[key] = h
	}
	h.entry = e
	if revision <= o.past {
		e.Left, h.told = o.leftNow(key, e), o.ends(key, e)
	} else {
		o.present = nil // nobody asks any more
		e.Left, h.told = h.expect.left(time.Now()), h.expect.most
	}
	return store.Change{Queue: f.queue, Renewed: renewed, Entry: e}
}
