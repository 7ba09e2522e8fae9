package etcdv2

import (
	"context"
	"fmt"
	"sync"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// pollTime is how long a watch waits for the next event before it makes sure
// that the member it waits at is a part of its cluster: one that is cut off tells
// nothing. When another request has found that, it waits no longer.
const pollTime = 10 * time.Second

// await waits for the next event in a directory after an index, but no longer than
// that: then it returns none. It also returns up to which index all is known then.
//
// What it relies on, of etcd's v2store: every index is one event, and the last
// 1,000 of all keys are remembered. A watch that begins behind them is told so. Else
// it is told the first event that fits, remembered or new, with nothing between the
// two missed, since a member begins it under the lock of its writes. What it is told
// of is a write as it was, with the TTL of that moment. The index in the answer's
// header is that member's when the watch began, and comes before the event. Only a
// refresh tells nobody: the store refreshes records of parties, and never entries.
//
// A member that lags behind tells later. But if it lags so far behind that it is
// sent the cluster's whole state, it tells those who wait nothing of what it has
// skipped; only later watches are. So what comes from a member that was behind when
// the watch began is asked for anew.
func (s *Store) await(ctx context.Context, l lane, dir string, after uint64, longest time.Duration) (*client.Response, uint64, error) {
	if err := l.enter(ctx, s.ctx); err != nil {
		return nil, after, err
	}
	leave := sync.OnceFunc(l.leave)
	wait, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	defer s.callers.whenTurnMoves(cancel)()
	resp, upTo, err := s.event(wait, dir, after, leave)
	leave()
	s.seen(upTo)
	switch {
	case code(err) == client.ErrorCodeEventIndexCleared:
		return nil, after, fmt.Errorf("%w: %w", store.ErrCompacted, err)
	case err != nil && wait.Err() != nil && ctx.Err() == nil:
		return nil, upTo, s.check(ctx, l, dir, after)
	case err != nil:
		return nil, upTo, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return resp, upTo, nil
}

// check makes sure that the member whose turn it is belongs to its cluster, and that
// the cluster has come to an index. It has not if somebody has put back an old state
// of it.
func (s *Store) check(ctx context.Context, l lane, dir string, after uint64) error {
	ctx, cancel, err := s.begin(ctx, l)
	if err != nil {
		return err
	}
	defer cancel()
	resp, err := s.get(ctx, dir, quorum)
	now := indexIn(err)
	switch {
	case err == nil:
		now = resp.Index
	case !isNotFound(err):
		return err
	}
	if after > now {
		return future(after, now)
	}
	return nil
}

func future(after, now uint64) error {
	return fmt.Errorf("%w: etcd is at %d, and has not come to %d", store.ErrCompacted, now, after)
}

// settleTime is for how long a watch has told nothing after its answer has begun
// until that means that there was nothing to tell of what was before. What etcd
// remembers it tells at once, but behind the answer's header.
const settleTime = time.Second

// event waits for the next event in a directory after an index, and returns up to
// which index all is known then, even with an error. It calls onAnswer when a member
// has begun to answer.
func (s *Store) event(ctx context.Context, dir string, after uint64, onAnswer func()) (*client.Response, uint64, error) {
	c := s.callers.take(ctx)
	defer c.put()
	c.onAnswer = onAnswer
	resp, err := c.keys.Watcher(dir, &client.WatcherOptions{AfterIndex: after, Recursive: true}).Next(ctx)
	began, answered := c.established.Load(), c.answered.Load()
	switch {
	case err == nil && 0 < began && (began < after || resp.Node.ModifiedIndex >= began+remembers): // it lags behind
		return nil, after, nil
	case err == nil:
		age(resp.Node, answered)
		return resp, resp.Node.ModifiedIndex, nil
	case answered != nil && time.Since(answered.here) >= settleTime:
		return nil, max(after, began), err
	}
	return nil, after, err
}

// remembers is how many events etcd has a history of.
const remembers = 1000

// age makes the TTL of a key, which an event tells as it was then, what was left of it
// when that was asked for, if that was later.
func age(n *client.Node, asked *moments) {
	if n.Expiration != nil && asked != nil && !asked.there.IsZero() {
		n.TTL = min(n.TTL, int64(n.Expiration.Sub(asked.there)/time.Second))
	}
}

// expire is the action of an event that a TTL has run out.
const expire = "expire"

// gone says whether an event is that a key has been deleted.
func gone(event *client.Response) bool {
	switch event.Action {
	case "delete", "compareAndDelete", expire:
		return true
	}
	return false
}
