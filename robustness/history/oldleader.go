package history

import (
	"strings"
	"time"
)

// Excused returns the history with what etcd itself may have done wrong: with the v3 API, a
// leader that is stopped, and goes on when there is another one, ends the leases that
// have run out by its own knowledge, though they have been renewed since. (See
// https://github.com/etcd-io/etcd/issues/15247, of which the most is fixed.) For those that judge,
// that is a release that nobody knows the outcome of. What was begun since the other one leads
// is out of its reach.
func (h *History) Excused() *History {
	excused := *h
	excused.Ops = append([]Op(nil), h.Ops...)
	if h.Run.API != "v3" {
		return &excused
	}
	type hold struct{ began, alive time.Duration } // when it was first asked for, and last renewed
	holds := make(map[Name]map[uint64]hold)
	for _, op := range h.Ops {
		index := op.Index
		if op.Kind == Acquire {
			index = op.Got
		}
		if op.OK() && index != 0 && (op.Kind == Acquire || op.Kind == Renew || op.Kind == Release) {
			if holds[op.Lock()] == nil {
				holds[op.Lock()] = make(map[uint64]hold)
			}
			h, ok := holds[op.Lock()][index]
			if !ok {
				h.began = op.Call
			}
			holds[op.Lock()][index] = hold{min(h.began, op.Call), max(h.alive, op.Call)}
		}
	}
	const (
		earlier = 5 * time.Second // the last renewal that the old leader knows of may have been so long before it was stopped
		later   = 5 * time.Second // so long after it has gone on, it may revoke what it takes for expired
		held    = time.Minute     // nobody holds a lock for longer
	)
	for _, stopped := range h.Events {
		if stopped.Gateway != 0 || !strings.HasPrefix(stopped.Kind, "hang ") {
			continue
		}
		elected, ok := h.elected(Span{stopped.From, stopped.Healed + time.Second})
		if !ok {
			continue
		}
		longest := stopped.Healed - stopped.From + earlier
		for _, op := range h.Ops {
			if op.Kind != Acquire || !op.OK() || op.Call < stopped.From-held || op.Call >= stopped.Healed || time.Duration(op.TTL)*time.Second > longest {
				continue
			}
			if h := holds[op.Lock()][op.Got]; h.began >= elected || h.alive > stopped.Healed+later {
				continue // it is the new leader's, or was not lost
			}
			excused.Ops = append(excused.Ops, Op{
				Client: -100, Gateway: op.Gateway, Kind: Release, Space: op.Space, Key: op.Key, Index: op.Got,
				Call: stopped.Healed, Return: stopped.Healed, Error: "etcd's old leader may have revoked the lease",
			})
		}
	}
	return &excused
}

// elected is when etcd has got a new leader within a time, at the latest.
func (h *History) elected(within Span) (by time.Duration, ok bool) {
	for _, e := range h.Events {
		if e.Kind == Election && e.Overlaps(within) && (!ok || e.To < by) {
			by, ok = e.To, true
		}
	}
	return by, ok
}
