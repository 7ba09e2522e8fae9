// Package model is what a lock may do: a history of one lock is right if its requests can be
// put in an order, each at a moment between its call and its answer, in which each of them
// gets the answer that it got. That is what porcupine asks, and the model is written for it;
// it draws the pictures. Histories of thousands of requests for one lock take it for ever,
// though, so the search is one of its own, which knows more about locks.
//
// Time is part of it. A hold may end by itself, but not before its TTL has passed since
// the moment at which it was acquired or last renewed; so the state knows the earliest
// moment that it can be now, and a request that needs the holder to be gone can only
// stand where its hold may have ended. (That is decided as late as possible: an
// expiry is no operation of its own, which would have to be tried at every place.)
//
// A request with an unknown outcome is no operation either: a release that may have
// taken effect only makes it possible for that hold to end from its call on. A lock
// that somebody got without having been told is free for the model, until somebody looks
// and sees that index; from then on it is held, and may be free again at any moment.
package model

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// state is a lock at one moment.
type state struct {
	holder uint64 // 0: free, or held by somebody of whom nothing is known
	value  string
	known  bool          // the value is
	until  time.Duration // the hold does not end by itself before that
	now    time.Duration // it is not earlier
	newest uint64        // no holder that the model has seen had a greater index
}

// input is an operation, and what the other ones say.
type input struct {
	history.Op
	*facts
}

// gone is the earliest moment at which the present hold may have ended without anybody
// having been told.
func (s state) gone(in input) time.Duration {
	if end, ok := in.ends[s.holder]; ok {
		return min(s.until, end)
	}
	return s.until
}

// free is the lock when nobody holds it any more.
func (s state) free() state { return state{now: s.now, newest: s.newest} }

// without is the lock with the present hold over, if there is one.
func (s state) without(in input) state {
	if s.holder == 0 {
		return s
	}
	s.now = max(s.now, s.gone(in))
	return s.free()
}

// step says whether the lock can have done an operation next, and what it is after that.
// It chooses the earliest moment for it, which leaves the most possible after it.
func step(s state, in input) (state, bool) {
	s.now = max(s.now, in.Call)
	next, ok := apply(s, in)
	return next, ok && next.now <= in.Return
}

func apply(s state, in input) (state, bool) {
	switch in.Kind {
	case history.Acquire:
		return s.acquire(in)
	case history.Renew:
		return s.renew(in)
	case history.Release:
		return s.release(in)
	case history.Get:
		return s.look(in)
	case history.Holds:
		return s.holds(in)
	}
	return s, false
}

func (s state) acquire(in input) (state, bool) {
	value := shown(in.Op)
	s, ok := s.held(in.Got, in)
	if !ok || s.known && s.value != value {
		return s, false
	}
	s.value, s.known = value, true
	s.until = s.now + seconds(in.TTL)
	return s, true
}

// held is the lock held by that index, if that can be: not if the index has had its turn.
// A hold that nobody has been told of yet may end at any moment.
func (s state) held(index uint64, in input) (state, bool) {
	if index == s.holder {
		return s, true
	}
	if s = s.without(in); index <= s.newest {
		return s, false
	}
	s.holder, s.newest = index, index
	s.value, s.known = in.values[index]
	return s, true
}

// names says whether the operation means the present holder.
func (s state) names(op history.Op) bool {
	if op.Index != 0 {
		return op.Index == s.holder
	}
	return s.holder != 0 && s.known && op.HasValue && op.Value == s.value
}

// other is the lock after a request has succeeded that only a holder can make, and that
// does not name the present one: somebody holds it who has not been told.
func (s state) other(in input) (state, bool) {
	switch {
	case in.Index != 0:
		return s.held(in.Index, in)
	case s.holder != 0 && !s.known: // it may be that one
		return s, true
	}
	return s.without(in), true
}

func (s state) renew(in input) (state, bool) {
	named := s.names(in.Op)
	if !in.OK() {
		if named { // refused, so it is gone
			s = s.without(in)
		}
		return s, true
	}
	if !named {
		var ok bool
		if s, ok = s.other(in); !ok || !s.names(in.Op) {
			return s, ok
		}
	}
	switch until := s.now + seconds(in.TTL); {
	case !in.told[s.holder]: // it is taken back when its clients turn out to have gone
	case in.Index == 0 && in.unclear[in.Value]: // it may be another entry's that has this value now
		s.until = min(s.until, until)
	default:
		s.until = until
	}
	return s, true
}

func (s state) release(in input) (state, bool) {
	switch named := s.names(in.Op); {
	case in.OK() && named:
		s = s.free()
	case named: // refused
		s = s.without(in)
	}
	return s, true // what was released may have waited, or its requests were not told
}

func (s state) look(in input) (state, bool) {
	if in.Got == 0 { // nobody holds it
		return s.without(in), true
	}
	s, ok := s.held(in.Got, in)
	if !ok || s.known && s.value != in.Shown {
		return s, false
	}
	s.value, s.known = in.Shown, true
	return s, true
}

func (s state) holds(in input) (state, bool) {
	switch named := s.names(in.Op); {
	case in.OK() && !named:
		return s.other(in)
	case !in.OK() && named:
		return s.without(in), true
	}
	return s, true
}

// shown is how the value of a request for a lock is shown.
func shown(op history.Op) string {
	if !op.HasValue {
		return "-"
	}
	return op.Value
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// facts are what the whole history says, whatever its order.
type facts struct {
	told    map[uint64]bool          // the indices that somebody was told to have
	values  map[uint64]string        // theirs, as they are shown
	newest  map[string]uint64        // the greatest index that had a value
	unclear map[string]bool          // the values of requests that were not told: they may have had an entry of their own
	ends    map[uint64]time.Duration // the earliest moments at which requests of unknown outcome may end the hold of an index, or have shortened it
}

func factsOf(ops []history.Op) *facts {
	f := &facts{
		told: make(map[uint64]bool), values: make(map[uint64]string), newest: make(map[string]uint64),
		unclear: make(map[string]bool), ends: make(map[uint64]time.Duration),
	}
	valued := make(map[string]map[uint64]bool)
	asked := make(map[uint64]time.Duration) // an index that somebody was told is not older than that
	has := func(index uint64, value string) {
		if valued[value] == nil {
			valued[value] = make(map[uint64]bool)
		}
		valued[value][index] = true
		f.newest[value] = max(f.newest[value], index)
	}
	for _, op := range ops {
		switch {
		case op.Kind == history.Acquire && op.OK():
			f.told[op.Got] = true
			if before, ok := asked[op.Got]; !ok || op.Call < before {
				asked[op.Got] = op.Call
			}
			if _, ok := f.values[op.Got]; !ok {
				f.values[op.Got] = shown(op)
			}
			has(op.Got, shown(op))
		case op.Kind == history.Acquire && op.HasValue:
			f.unclear[op.Value] = true
		case op.Kind == history.Get && op.OK() && op.Got != 0:
			has(op.Got, op.Shown)
		}
	}
	for _, op := range ops {
		// Who asks with a value may have renewed the hold of that value, and have been
		// answered when it was over.
		renews := op.Kind == history.Acquire && op.HasValue && (op.OK() || op.Status == 410 || op.Status == 423)
		if !op.Unknown() && !renews {
			continue
		}
		var end time.Duration
		switch op.Kind {
		case history.Release:
			end = op.Call
		case history.Renew, history.Acquire: // of a value that holds the lock, it is a renewal
			end = op.Call + seconds(op.TTL)
		default:
			continue
		}
		indices := map[uint64]bool{op.Index: true}
		if op.Index == 0 {
			if !op.HasValue {
				continue
			}
			indices = valued[op.Value]
		}
		for i := range indices {
			if renews && (op.OK() && i == op.Got || op.Return <= asked[i]) {
				continue // that is in its place, or was no renewal of it
			}
			if before, ok := f.ends[i]; !ok || end < before {
				f.ends[i] = end
			}
		}
	}
	return f
}

// definite says whether an operation has an answer that says something about the lock.
func definite(op history.Op) bool {
	switch op.Kind {
	case history.Acquire, history.Get:
		return op.OK()
	case history.Renew, history.Release:
		return op.OK() || op.Status == 404 || op.Status == 409
	case history.Holds:
		return op.OK() || op.Status == 412
	}
	return false
}

// narrow shrinks what is known of when the grants were, by their order, which is that of
// their indices: it saves the search from trying the others.
func narrow(ops []history.Op) {
	type grant struct {
		index    uint64
		from, to time.Duration
	}
	byIndex := make(map[uint64]grant)
	for _, op := range ops {
		if op.Kind != history.Acquire {
			continue
		}
		g, ok := byIndex[op.Got]
		if !ok {
			g = grant{op.Got, op.Call, op.Return}
		}
		g.from, g.to = min(g.from, op.Call), min(g.to, op.Return)
		byIndex[op.Got] = g
	}
	grants := make([]grant, 0, len(byIndex))
	for _, g := range byIndex {
		grants = append(grants, g)
	}
	slices.SortFunc(grants, func(a, b grant) int { return cmp.Compare(a.index, b.index) })
	for i := 1; i < len(grants); i++ {
		grants[i].from = max(grants[i].from, grants[i-1].from)
	}
	for i := len(grants) - 2; i >= 0; i-- {
		grants[i].to = min(grants[i].to, grants[i+1].to)
	}
	for i, g := range grants {
		next := never
		if i+1 < len(grants) {
			next = grants[i+1].to
		}
		byIndex[g.index] = grant{g.index, g.from, next}
	}
	for i := range ops {
		op := &ops[i]
		if op.Kind != history.Acquire {
			continue
		}
		g := byIndex[op.Got]
		if from, to := max(op.Call, g.from), min(op.Return, g.to); from <= to { // else it is wrong, and is to be found
			op.Call, op.Return = from, to
		}
	}
}

const never = time.Duration(math.MaxInt64)
