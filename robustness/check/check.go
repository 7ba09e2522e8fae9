// Package check judges a history by the invariants of the lock, each of them directly.
// (Package model asks the one question that covers most of them: whether there is any
// order of events that explains all answers.)
//
// What depends on time is asked only where nothing was the matter; what does not is asked
// always. A moment at which the recorder itself was not run counts for nobody.
package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Violation is one thing that should not have happened.
type Violation struct {
	Invariant string // I1 to I10, or what else the contract says
	Lock      history.Name
	At        time.Duration // since the beginning of the run
	Text      string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s, %v, at %v: %s", v.Invariant, v.Lock, v.At.Round(time.Millisecond), v.Text)
}

// Check returns all that is wrong, in the order in which it happened.
func Check(h *history.History) []Violation {
	r := &report{quiet: newQuiet(h.Events)}
	ops := h.ByLock()
	sights := make(map[history.Name][]history.Sight)
	for _, s := range h.Sights {
		sights[s.Name] = append(sights[s.Name], s)
		if _, ok := ops[s.Name]; !ok {
			ops[s.Name] = nil
		}
	}
	locks := make(map[history.Name]*lock)
	for _, name := range slices.SortedFunc(maps.Keys(ops), history.Name.Compare) {
		l := newLock(ops[name], sights[name])
		locks[name] = l
		r.name = name
		r.overlap(l)
		r.indices(l)
		r.cancelled(l)
		r.handovers(l)
		r.waits(l)
		r.holders(l)
		r.order(l)
		r.heads(l)
		r.ghosts(l)
		r.twins(l)
		r.end(l)
	}
	r.answers(h)
	r.stops(h, locks)
	r.well(h)
	r.noted(h.Events)
	slices.SortStableFunc(r.violations, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return r.violations
}

// report is what is being found.
type report struct {
	quiet      quiet
	name       history.Name // of the lock that is being looked at
	violations []Violation
}

func (r *report) add(invariant string, at time.Duration, format string, args ...any) {
	r.violations = append(r.violations, Violation{invariant, r.name, at, fmt.Sprintf(format, args...)})
}

// noted are what the run itself has found.
func (r *report) noted(events []history.Event) {
	r.name = history.Name{}
	for _, e := range events {
		if e.Kind == history.Wrong {
			r.add(e.Invariant, e.To, "%s", e.Note)
		}
	}
}
