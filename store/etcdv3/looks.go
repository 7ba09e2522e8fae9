package etcdv3

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Each hold of an observer is looked at once a second; of more than so many, so many
// are, in turn.
const (
	lookEvery  = time.Second
	looksATime = 50
)

// lookPause varies, so that looks come at all parts of a second: together they tell
// more exactly when a lease ends.
func lookPause() time.Duration { return lookEvery - rand.N(lookEvery/5) }

// asked is a hold to look at, as it was when that began.
type asked struct {
	hold     *hold // only to be recognized by
	key      string
	lease    clientv3.LeaseID
	revision int64 // its last
	expect   expectation
}

// sighting is what a look at a hold has come to. It tells nothing if it is unclear:
// the lease has more left, and it is not certain that it is this hold's any more.
type sighting struct {
	hold    *hold
	look    look
	renewed bool
	unclear bool
}

// round is what has come of the looks of one time.
type round struct {
	sightings []sighting
	err       error
}

// whose are the holds to look at this time.
func (o *observer) whose() []asked {
	if len(o.turn) == 0 {
		o.turn = slices.Collect(maps.Values(o.holds))
	}
	n := min(len(o.turn), looksATime)
	var whose []asked
	for _, h := range o.turn[:n] {
		if o.holds[h.key] == h {
			r := refOf(h.entry)
			whose = append(whose, asked{h, h.key, r.lease, r.rev, h.expect})
		}
	}
	o.turn = o.turn[n:]
	return whose
}

// lookRound looks at holds and, if told is not 0, whether etcd has come to that
// revision.
func (s *Store) lookRound(ctx context.Context, all []asked, told uint64) round {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if told != 0 {
		if err := s.reaches(ctx, told); err != nil {
			return round{err: err}
		}
	}
	r := round{sightings: make([]sighting, len(all))}
	r.err = each(ctx, len(all), func(ctx context.Context, i int) (err error) {
		r.sightings[i], err = s.sight(ctx, all[i])
		return err
	})
	return r
}

func (s *Store) sight(ctx context.Context, a asked) (sighting, error) {
	l, err := s.lookAt(ctx, a.lease)
	if err != nil || !a.expect.raisedBy(l) {
		return sighting{hold: a.hold, look: l}, err
	}
	// Somebody else may have the lease by now. But if the entry is unchanged after
	// the look, it was this entry's lease before.
	resp, err := s.get(ctx, a.key, clientv3.WithKeysOnly())
	same := err == nil && len(resp.Kvs) > 0 && resp.Kvs[0].ModRevision == a.revision
	return sighting{hold: a.hold, look: l, renewed: same, unclear: !same}, err
}

// judge learns from sightings, and tells the renewals.
func (o *observer) judge(ctx context.Context, sightings []sighting) {
	var changes []store.Change
	for _, x := range sightings {
		h := x.hold
		switch {
		case x.unclear || o.holds[h.key] != h:
		case x.renewed:
			h.expect = expected(x.look)
			changes = append(changes, h.tell(true))
		default:
			h.expect.learn(x.look)
			if c, ok := h.correct(); ok {
				changes = append(changes, c)
			}
		}
	}
	if len(changes) > 0 {
		o.tell(ctx, o.revision, changes)
	}
}

// tell is the change that tells what is left of a hold.
func (h *hold) tell(renewed bool) store.Change {
	h.told = h.expect.most
	e := h.entry
	e.Left = h.expect.left(time.Now())
	return store.Change{Queue: h.queue, Renewed: renewed, Entry: e}
}

// wrong is by how much the caller may be wrong about what is left.
const wrong = 2 * time.Second

// correct tells a caller who is wrong: it has not been told of the hold, or of a
// renewal that came before the first look, or long after the hold began.
func (h *hold) correct() (store.Change, bool) {
	switch x := h.expect; {
	case x.most.IsZero():
		return store.Change{}, false
	case h.told.IsZero():
		return h.tell(false), true
	case !x.least.Before(h.told.Add(wrong)):
		return h.tell(true), true
	case !x.most.After(h.told.Add(-wrong)):
		return h.tell(false), true
	}
	return store.Change{}, false
}
