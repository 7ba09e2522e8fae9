package model

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Finding is a lock whose history can't have been, or could not be judged.
type Finding struct {
	Lock   history.Name
	Ops    int
	Unsure bool       // the search took too long
	Stuck  history.Op // the request that no order gets beyond

	ops []input
}

func (f Finding) String() string {
	if f.Unsure {
		return fmt.Sprintf("%v: its %d requests could not be judged in time; the search did not get beyond that of client %d at %v: %s",
			f.Lock, f.Ops, f.Stuck.Client, f.Stuck.Call, describe(f.Stuck))
	}
	return fmt.Sprintf("%v: there is no order of its %d requests in which a lock answers as it did; none gets beyond that of client %d at %v: %s",
		f.Lock, f.Ops, f.Stuck.Client, f.Stuck.Call, describe(f.Stuck))
}

// Picture writes a page that shows the requests up to where no order gets beyond, and how
// far they can be explained.
func (f Finding) Picture(w io.Writer) error {
	const most, patience = 300, 5 * time.Second
	var ops []porcupine.Operation
	for _, in := range f.ops {
		if in.Call <= f.Stuck.Return {
			ops = append(ops, operation(in))
		}
	}
	m := lock()
	_, info := porcupine.CheckOperationsVerbose(m, ops[max(0, len(ops)-most):], patience)
	return porcupine.Visualize(m, info, w)
}

// Check judges the history of each lock. It gives up on one that takes longer than
// patience, which is a finding as well.
func Check(h *history.History, patience time.Duration) []Finding {
	var findings []Finding
	locks := h.ByLock()
	for _, name := range slices.SortedFunc(maps.Keys(locks), history.Name.Compare) {
		ops := inputs(locks[name])
		s := newSearch(ops, patience)
		if !s.explain(0, state{}) {
			findings = append(findings, Finding{name, len(ops), s.late, s.stuck, ops})
		}
	}
	return findings
}

// inputs are the operations of one lock that have to be explained, in the order of their
// calls.
func inputs(ops []history.Op) []input {
	facts := factsOf(ops)
	var sure []history.Op
	for _, op := range ops {
		if definite(op) {
			sure = append(sure, op)
		}
	}
	narrow(sure)
	slices.SortStableFunc(sure, func(a, b history.Op) int { return cmp.Compare(a.Call, b.Call) })
	all := make([]input, len(sure))
	for i, op := range sure {
		all[i] = input{op, facts}
	}
	return all
}

func operation(in input) porcupine.Operation {
	return porcupine.Operation{ClientId: in.Client, Input: in, Call: int64(in.Call), Return: int64(in.Return)}
}

func lock() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) {
			next, ok := step(s.(state), in.(input))
			return ok, next
		},
		DescribeOperation: func(in, _ any) string { return describe(in.(input).Op) },
		DescribeState:     func(s any) string { return s.(state).String() },
	}
}

func (s state) String() string {
	if s.holder == 0 {
		return fmt.Sprintf("free at %v, up to %d", s.now, s.newest)
	}
	return fmt.Sprintf("%d %q until %v, at %v", s.holder, s.value, s.until, s.now)
}

func describe(op history.Op) string {
	asked := fmt.Sprint(op.Kind)
	if op.Index != 0 {
		asked += fmt.Sprintf(" %d", op.Index)
	}
	if op.HasValue {
		asked += fmt.Sprintf(" %q", op.Value)
	}
	if op.TTL > 0 {
		asked += fmt.Sprintf(" for %d s", op.TTL)
	}
	return fmt.Sprintf("%s: %d %d %s", asked, op.Status, op.Got, op.Shown)
}
