package model

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// search looks for an order of a lock's operations, as porcupine does: depth first, where
// what comes next is any operation that was called before all that are left had returned.
// It knows more about locks, without which thousands of requests of one lock take for ever:
//
//   - Holders come in the order of their indices, and none comes twice.
//   - What changes nothing, now or later, can just as well come at once.
//   - A state is no better than another one that is earlier, and whose hold ends earlier.
type search struct {
	ops   []input // in the order of their calls
	done  []bool
	left  map[uint64]int    // how many operations there are that need an index to be the holder
	after map[uint64]uint64 // the index that was told before this one
	vain  map[string][]state

	end   time.Time
	steps int
	late  bool // the search has been given up

	placed, most int        // how many operations have been placed, and how many there have been
	stuck        history.Op // the one that had to come next then
}

func newSearch(ops []input, patience time.Duration) *search {
	s := &search{
		ops: ops, done: make([]bool, len(ops)), most: -1, end: time.Now().Add(patience),
		left: make(map[uint64]int), after: make(map[uint64]uint64), vain: make(map[string][]state),
	}
	for _, in := range ops {
		s.left[in.needs()]++
	}
	if len(ops) > 0 {
		var before uint64
		for _, index := range slices.Sorted(maps.Keys(ops[0].told)) {
			s.after[index], before = before, index
		}
	}
	return s
}

// needs is the index that has to be the holder for the operation to be answered so.
func (in input) needs() uint64 {
	switch {
	case !in.OK():
		return 0
	case in.Kind == history.Acquire, in.Kind == history.Get:
		return in.Got
	case in.Kind == history.Renew, in.Kind == history.Holds:
		return in.Index
	}
	return 0
}

// explain says whether there is an order of all operations that are not done, of which
// none is before first.
func (s *search) explain(first int, at state) bool {
	var trail []int
	undo := func() bool {
		for _, i := range trail {
			s.place(i, false)
		}
		return false
	}
	next, again := s.next(&first), true
	for again {
		again = false
		for _, i := range next {
			if !s.done[i] && s.idle(at, s.ops[i]) {
				s.place(i, true)
				trail, again = append(trail, i), true
			}
		}
		if again {
			next = s.next(&first)
		}
	}
	if first == len(s.ops) {
		return true
	}
	s.note(next)
	key := s.key(first, next, at)
	if s.hopeless(key, at) {
		return undo()
	}
	for _, i := range next {
		after, ok := step(at, s.ops[i])
		if !ok || !s.possible(at, after, i) {
			continue
		}
		s.place(i, true)
		if s.explain(first, after) {
			return true
		}
		s.place(i, false)
		if s.isLate() {
			return undo()
		}
	}
	s.vain[key] = append(s.vain[key], at)
	return undo()
}

// next are the operations that can come next: nothing that is left had returned before
// they were called.
func (s *search) next(first *int) (next []int) {
	for *first < len(s.ops) && s.done[*first] {
		*first++
	}
	limit := never
	for i := *first; i < len(s.ops) && s.ops[i].Call <= limit; i++ {
		if !s.done[i] {
			next = append(next, i)
			limit = min(limit, s.ops[i].Return)
		}
	}
	return next
}

func (s *search) place(i int, done bool) {
	s.done[i] = done
	if index := s.ops[i].needs(); done {
		s.left[index]--
		s.placed++
	} else {
		s.left[index]++
		s.placed--
	}
}

// idle says whether an operation changes nothing now, and can't be of use later either.
func (s *search) idle(at state, in input) bool {
	after, ok := step(at, in)
	if !ok || after != at {
		return false
	}
	switch in.Kind {
	case history.Get, history.Holds:
		return true
	case history.Renew:
		return !in.OK()
	case history.Release: // if that hold is to come, it may be what ends it
		return !in.OK() || in.Index != 0 && s.left[in.Index] == 0 || in.Index == 0 && in.newest[in.Value] <= at.newest
	}
	return false
}

// possible says whether an operation can come next without leaving behind what had to be
// before it.
func (s *search) possible(before, after state, i int) bool {
	if before.holder == after.holder {
		return true
	}
	if before.holder != 0 && s.left[before.holder] > 0 {
		return false
	}
	return after.holder == 0 || before.newest >= s.after[after.holder]
}

// key names what is left to do, and the lock as far as it has to be the same.
func (s *search) key(first int, next []int, at state) string {
	b := binary.AppendUvarint(nil, at.holder)
	b = binary.AppendUvarint(b, at.newest)
	b = binary.AppendUvarint(b, uint64(first))
	for _, i := range next {
		b = binary.AppendUvarint(b, uint64(i-first))
	}
	return string(b)
}

// hopeless says whether a state was in vain that left as much possible.
func (s *search) hopeless(key string, at state) bool {
	for _, v := range s.vain[key] {
		if v.value == at.value && v.known == at.known && v.now <= at.now && v.until <= at.until {
			return true
		}
	}
	return false
}

// note takes down how far the search has come, and where it is stuck.
func (s *search) note(next []int) {
	if s.placed <= s.most {
		return
	}
	s.most = s.placed
	s.stuck = s.ops[next[0]].Op
	for _, i := range next {
		if s.ops[i].Return < s.stuck.Return {
			s.stuck = s.ops[i].Op
		}
	}
}

func (s *search) isLate() bool {
	s.steps++
	if s.steps%256 == 0 && time.Now().After(s.end) {
		s.late = true
	}
	return s.late
}
