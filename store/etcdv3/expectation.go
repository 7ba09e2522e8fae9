package etcdv3

import (
	"context"
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A renewal is a keepalive of a lease, which etcd tells nobody. Who wants to know
// looks how much is left, again and again: if it is more than can be, there has
// been one. etcd tells it in whole seconds, so that what adds less than three of them
// may go unseen.

// look is what a lease had left at one moment.
type look struct {
	sent, received time.Time // the moment is between the two
	left           int64     // seconds, rounded down; -1: the lease is gone
}

func (s *Store) lookAt(ctx context.Context, id clientv3.LeaseID) (look, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	l := look{sent: time.Now()}
	left, err := s.timeToLive(ctx, id)
	l.left, l.received = left, time.Now()
	if left == forever {
		l.left = -1
	}
	return l, err
}

// forever is what some versions of etcd say is left while they look for a leader.
const forever = math.MaxInt64 / int64(time.Second)

// least is how long the lease lasts at least. 0 is also what is told of one that
// should have ended less than a second ago, and is still there.
func (l look) least() time.Time {
	if l.left == 0 {
		return l.sent.Add(-time.Second)
	}
	return l.sent.Add(time.Duration(l.left) * time.Second)
}

// most is when the lease has ended.
func (l look) most() time.Time { return l.received.Add(time.Duration(l.left+1) * time.Second) }

// expectation is how long a lease lasts unless it is renewed.
type expectation struct {
	// Looks sent before since don't count: they may have come before the keepalive
	// with which the hold begins.
	since time.Time

	// The lease lasts at least until least and, as far as known at some moment,
	// ends before most; zero where there has been no look.
	least, most time.Time
	known       time.Time
}

const (
	// A hold begins with a keepalive, right after the transaction that grants it:
	// that is no renewal. Unless something stalls, it has come listedSettling after
	// the hold was listed, or grantedSettling after it was told of. That can be
	// longer, since what the keepalive makes of the lease is known by then.
	listedSettling  = 100 * time.Millisecond
	grantedSettling = 500 * time.Millisecond

	// Clocks are not exact: by so much at any time, and by one part in drift of the
	// time that goes by.
	jitter = 10 * time.Millisecond
	drift  = 1000
)

// granted is what to expect of a hold that began at some moment, or whose TTL did.
func granted(at time.Time, ttl time.Duration) expectation {
	return expectation{
		since: at.Add(grantedSettling),
		least: at.Add(ttl),
		most:  at.Add(ttl + grantedSettling),
		known: at,
	}
}

// expected is what to expect after a look.
func expected(l look) expectation {
	if l.left < 0 {
		return expectation{}
	}
	return expectation{least: l.least(), most: l.most(), known: l.received}
}

// latest is most, by the clock at some moment.
func (x expectation) latest(at time.Time) time.Time {
	return x.most.Add(max(at.Sub(x.known), 0) / drift)
}

// left is what is left at some moment, in whole seconds rounded down as far as is
// known.
func (x expectation) left(at time.Time) time.Duration {
	if x.most.IsZero() {
		return 0
	}
	return max(x.most.Sub(at)-1, 0).Truncate(time.Second)
}

// raisedBy says that the lease has more left than it can have without a renewal.
func (x expectation) raisedBy(l look) bool {
	return l.left >= 0 && !x.most.IsZero() && !l.least().Before(x.latest(l.received).Add(jitter))
}

// learn takes a look into account that does not show a renewal.
func (x *expectation) learn(l look) {
	if l.left < 0 || l.sent.Before(x.since) {
		return
	}
	if l.least().After(x.least) || l.most().Before(x.least) {
		x.least = l.least()
	}
	if x.most.IsZero() || l.most().Before(x.latest(l.received)) {
		x.most, x.known = l.most(), l.received
	}
}
