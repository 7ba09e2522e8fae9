package etcdv2

import (
	"context"
	"errors"
	"time"

	client "go.etcd.io/etcd/client/v2"
)

// While an observer waits and nothing happens in its scope, others may write a
// thousand keys elsewhere, and then etcd does not remember any more what came after
// the beginning of its poll. So it polls anew before that. How far etcd has come is
// asked once for all observers.
const (
	glancePeriod = 250 * time.Millisecond
	maxBehind    = 250 // events, of the 1,000
)

var errBehind = errors.New("etcd has gone on")

// awaitAbreast waits for the next event in a directory after an index. It returns
// none if there was none for pollTime, or while many happened elsewhere.
func (s *Store) awaitAbreast(ctx context.Context, dir string, after uint64) (*client.Response, uint64, error) {
	poll, end := context.WithCancelCause(ctx)
	defer end(nil)
	go s.endWhenBehind(poll, after, end)
	event, index, err := s.await(poll, s.lanes.observers, dir, after, pollTime)
	if err != nil && errors.Is(context.Cause(poll), errBehind) {
		return nil, index, nil
	}
	return event, index, err
}

func (s *Store) endWhenBehind(ctx context.Context, after uint64, end context.CancelCauseFunc) {
	period := glancePeriod
	if s.lanes.prompt.turns != nil {
		period *= 16 // each costs etcd a password, and so does each write
	}
	pause(ctx, settleTime) // earlier it would not be known where to go on
	for pause(ctx, period) {
		s.glance(ctx, period)
		if s.Revision() >= after+maxBehind {
			end(errBehind)
		}
	}
}

// glance learns how far etcd is, if nobody has for that long.
func (s *Store) glance(ctx context.Context, period time.Duration) {
	last, now := s.glanced.Load(), time.Now()
	if now.Sub(time.Unix(0, last)) < period || !s.glanced.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return
	}
	defer cancel()
	_, _ = s.get(ctx, s.observedKey(), anytime) // that there is none says it too
}
