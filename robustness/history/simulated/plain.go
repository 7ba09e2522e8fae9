package simulated

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Plain is a hold that nothing is unclear about: one request was told of it, and nothing
// else has named it but questions, and the one release that ended it, if there was one.
type Plain struct {
	Acquire int // which of the history's operations
	Release int // -1: none
	Sure    history.Span
}

// Holds are the plain holds of each lock, in the order in which they were told.
func Holds(h *history.History) map[history.Name][]Plain {
	type named struct {
		history.Name
		value string
	}
	byValue := make(map[named][]int)
	byIndex := make(map[uint64][]int)
	for i, op := range h.Ops {
		if op.HasValue {
			n := named{op.Lock(), op.Value}
			byValue[n] = append(byValue[n], i)
		}
		if index := cmp.Or(op.Index, op.Got); index != 0 {
			byIndex[index] = append(byIndex[index], i)
		}
	}
	all := make(map[history.Name][]Plain)
	for i, op := range h.Ops {
		if op.Kind != history.Acquire || !op.OK() {
			continue
		}
		hold := Plain{Acquire: i, Release: -1, Sure: history.Span{From: op.Return, To: op.Call + time.Duration(op.TTL)*time.Second}}
		about := byIndex[op.Got]
		if op.HasValue {
			about = append(slices.Clone(about), byValue[named{op.Lock(), op.Value}]...)
		}
		if !slices.ContainsFunc(about, func(j int) bool { return !hold.takes(h, j) }) && hold.Sure.From < hold.Sure.To {
			all[op.Lock()] = append(all[op.Lock()], hold)
		}
	}
	for _, holds := range all {
		slices.SortFunc(holds, func(a, b Plain) int { return cmp.Compare(a.Sure.From, b.Sure.From) })
	}
	return all
}

// takes takes in an operation that names the hold, and says whether it is still plain.
func (p *Plain) takes(h *history.History, i int) bool {
	switch op := h.Ops[i]; {
	case i == p.Acquire, op.Kind == history.Get, op.Kind == history.Holds, i == p.Release:
		return true
	case op.Kind == history.Release && op.OK() && p.Release < 0 && op.Call > p.Sure.From:
		p.Release, p.Sure.To = i, min(p.Sure.To, op.Call)
		return true
	}
	return false
}

// Lasting are the plain holds of all locks that take a while, in an order that does not change.
func Lasting(h *history.History) (all []Plain) {
	holds := Holds(h)
	for i := range mostLocks {
		for _, space := range []string{history.Lock, history.Leader} {
			for _, hold := range holds[history.Name{Space: space, Key: Key(i)}] {
				if hold.Sure.To-hold.Sure.From > 10*time.Millisecond {
					all = append(all, hold)
				}
			}
		}
	}
	return all
}
