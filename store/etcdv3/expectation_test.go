package etcdv3

import (
	"math/rand/v2"
	"testing"
	"time"
)

// simulated is a lease as etcd has it, by a clock of its own.
type simulated struct {
	fast   float64 // that clock's second, in ours
	origin time.Time
	ends   time.Time // by etcd's clock
}

func (s *simulated) clock(at time.Time) time.Time {
	return s.origin.Add(time.Duration(float64(at.Sub(s.origin)) * s.fast))
}

func (s *simulated) renew(at time.Time, ttl time.Duration) { s.ends = s.clock(at).Add(ttl) }

// look is one that etcd sees at some moment; it truncates towards zero.
func (s *simulated) look(r *rand.Rand, at time.Time) look {
	return look{
		sent:     at.Add(-upTo(r, 3*time.Millisecond)),
		received: at.Add(upTo(r, 3*time.Millisecond) + 1),
		left:     int64(s.ends.Sub(s.clock(at)).Seconds()),
	}
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// Whatever the moments of the looks: where there was no renewal, none is told, though
// the clocks differ, until the lease ends and a little longer; and one that adds more
// than two seconds to what was left is told by the next look.
func TestRenewalsAreToldFromNone(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	}()
	for range 500 {
		begin := time.Now()
		s := &simulated{fast: 1 + (r.Float64()-.5)/1000, origin: begin}
		ttl := time.Duration(1+r.IntN(600)) * time.Second
		s.renew(begin.Add(upTo(r, 50*time.Millisecond)), ttl)

		expect := granted(begin, ttl)
		if r.IntN(2) == 0 { // known by a look, some time later
			begin = begin.Add(upTo(r, ttl/2) + listedSettling)
			expect = expected(s.look(r, begin))
		}
		last := begin
		var renewal time.Time // not told yet
		looks := 0
		for now := begin; looks < 500; looks++ {
			now = now.Add(lookPause() + upTo(r, 5*time.Millisecond)) // timers are late
			if now.After(s.origin.Add(time.Duration(float64(s.ends.Sub(s.origin)) / s.fast)).Add(time.Second / 2)) {
				break
			}
			at := last.Add(upTo(r, now.Sub(last)))
			if renewal.IsZero() && r.IntN(4) == 0 && s.clock(at).Add(ttl).Sub(s.ends) > 2030*time.Millisecond {
				s.renew(at, ttl)
				renewal = at
			}
			last = now
			l := s.look(r, now)
			switch raised := expect.raisedBy(l); {
			case raised && renewal.IsZero():
				t.Fatalf("after %d looks, a renewal is told that never was: %+v looks %+v", looks, expect, l)
			case raised:
				expect, renewal = expected(l), time.Time{}
			case !renewal.IsZero():
				t.Fatalf("%+v does not look renewed to %+v", l, expect)
			default:
				expect.learn(l)
			}
			if l.left > 0 && s.clock(now).Add(expect.left(now)).After(s.ends.Add(time.Second)) {
				t.Errorf("%v is said to be left of %v", expect.left(now), s.ends.Sub(s.clock(now)))
			}
		}
	}
}

// The keepalive with which a hold begins is no renewal, though a look came before it
// and the lease had been used before.
func TestFirstKeepaliveIsNoRenewal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for range 1000 {
		begin := time.Now()
		s := &simulated{fast: 1, origin: begin}
		s.renew(begin.Add(-upTo(r, 30*time.Second)), time.Minute)
		expect := granted(begin, time.Minute)
		before := begin.Add(upTo(r, grantedSettling-5*time.Millisecond))
		expect.learn(s.look(r, before))
		s.renew(before, time.Minute)
		for i := range 10 {
			l := s.look(r, before.Add(time.Duration(i)*time.Second/3))
			if expect.raisedBy(l) {
				t.Fatalf("%+v looks like a renewal to %+v", l, expect)
			}
			expect.learn(l)
		}
	}
}
