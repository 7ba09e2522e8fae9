package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A gateway's session is a key with a TTL, which the gateway refreshes. Entries
// live that wait for a gateway with a session; those of a dead one are deleted by
// the others (see sweep.go) (I4). Waiting therefore costs one write per gateway
// every keepalivePeriod, however many wait.
const (
	sessionTTL      = 10 * time.Second
	keepalivePeriod = sessionTTL / 4
)

// recordPeriod is how often the record of an entry that waits is refreshed.
const (
	recordPeriod  = recordTTL / 3
	refreshAtOnce = 8
)

type session struct {
	opening   chan struct{} // a lock: held by whoever opens it
	refreshed atomic.Pointer[time.Time]
}

// sure says whether the session is certain to be there for a while.
func (s *session) sure() bool {
	at := s.refreshed.Load()
	return at != nil && time.Since(*at) < sessionTTL/2
}

// openSession makes sure that this gateway has a session.
func (s *Store) openSession(ctx context.Context) error {
	if s.session.sure() {
		return nil
	}
	select {
	case s.session.opening <- struct{}{}:
		defer func() { <-s.session.opening }()
	case <-ctx.Done():
		return fmt.Errorf("%w: opening a session: %w", store.ErrUnavailable, ctx.Err())
	}
	if s.session.sure() {
		return nil
	}
	if _, err := s.refreshSession(ctx); err != nil {
		return nothingWritten(fmt.Errorf("opening a session: %w", err))
	}
	return nil
}

// refreshSession sets the session's key, and says whether it was there.
func (s *Store) refreshSession(ctx context.Context) (there bool, err error) {
	begin := time.Now()
	resp, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, s.gatewayKey(s.id), time.Now().UTC().Format(time.RFC3339), &client.SetOptions{TTL: sessionTTL})
	})
	if err != nil {
		return false, err
	}
	s.session.refreshed.Store(&begin)
	return resp.PrevNode != nil, nil
}

func (s *Store) endSession(ctx context.Context) error {
	if s.session.refreshed.Load() == nil {
		return nil
	}
	_, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, s.gatewayKey(s.id), nil)
	})
	if isNotFound(err) {
		return nil
	}
	return err
}

// sessions are those of all gateways.
func (s *Store) sessions(ctx context.Context, how freshness) (map[string]bool, error) {
	living := make(map[string]bool)
	resp, err := s.get(ctx, s.gateways(), how)
	if isNotFound(err) {
		return living, nil
	}
	if err != nil {
		return nil, err
	}
	for _, n := range resp.Node.Nodes {
		living[path.Base(n.Key)] = true
	}
	return living, nil
}

// keepAlive refreshes the session until ctx ends. It does not give up while etcd is away: entries that nobody has
// deleted meanwhile keep their places (I5).
func (s *Store) keepAlive(ctx context.Context) {
	for wait := keepalivePeriod; pause(ctx, wait); {
		wait = keepalivePeriod
		if s.session.refreshed.Load() == nil {
			continue
		}
		attempt, cancel := context.WithTimeout(ctx, keepalivePeriod)
		there, err := s.refreshSession(attempt)
		cancel()
		switch {
		case err != nil:
			wait = 5 * retryPause
			continue
		case !there:
			s.logger.Warn("session had expired: some of its waiting requests may queue again")
		}
	}
}

// keepRecords refreshes the records of the entries that wait until ctx ends. It
// takes as long as it takes for thousands of them, which must not keep the session
// from being refreshed.
func (s *Store) keepRecords(ctx context.Context) {
	for pause(ctx, keepalivePeriod) {
		s.each(s.waiting.due(time.Now().Add(-recordPeriod)), refreshAtOnce, func(p place) {
			attempt, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			if s.refreshRecord(attempt, p) == nil {
				s.waiting.refreshed(p, time.Now())
			}
		})
	}
}

// refreshRecord refreshes the record of an entry that waits, or finds that it does
// not wait any more.
func (s *Store) refreshRecord(ctx context.Context, p place) error {
	e, err := s.one(ctx, p.queue, p.index, freshness(p.index))
	if errors.Is(err, store.ErrNotFound) || err == nil && e.Held {
		s.waiting.drop(p)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, p.queue.partyOf(p.index), "", &client.SetOptions{
			PrevExist: client.PrevExist, Refresh: true, TTL: recordTTL, NoValueOnSuccess: true,
		})
	})
	if isNotFound(err) { // its time has run out while etcd was away, say
		_, err = s.enter(ctx, p.queue, e, 0, func(r record) record { return r.waitedBy(s.id) })
	}
	return err
}
