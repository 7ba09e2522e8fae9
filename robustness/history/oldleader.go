package history

import (
	"strings"
	"time"
)

// Excused returns the history with what etcd itself may have done wrong: with the v3 API, a
// leader that is stopped, and goes on when there is another one, ends the leases that
// have run out by its own knowledge, though they have been renewed since. (See
// https://github.com/etcd-io/etcd/issues/15247, of which the most is fixed.) For those that judge,
// that is a release that nobody knows the outcome of.
func (h *History) Excused() *History {
	excused := *h
	excused.Ops = append([]Op(nil), h.Ops...)
	if h.Run.API != "v3" {
		return &excused
	}
	alive := make(map[Name]map[uint64]time.Duration) // the last time that a hold was renewed
	for _, op := range h.Ops {
		index := op.Index
		if op.Kind == Acquire {
			index = op.Got
		}
		if op.OK() && index != 0 && (op.Kind == Acquire || op.Kind == Renew || op.Kind == Release) {
			if alive[op.Lock()] == nil {
				alive[op.Lock()] = make(map[uint64]time.Duration)
			}
			alive[op.Lock()][index] = max(alive[op.Lock()][index], op.Call)
		}
	}
	const (
		earlier = 5 * time.Second // the last renewal that the old leader knows of may have been so long before it was stopped
		later   = 5 * time.Second // so long after it has gone on, it may revoke what it takes for expired
		held    = time.Minute     // nobody holds a lock for longer
	)
	for _, stopped := range h.Events {
		if stopped.Gateway != 0 || !strings.HasPrefix(stopped.Kind, "hang ") || !h.elected(Span{stopped.From, stopped.Healed + time.Second}) {
			continue
		}
		longest := stopped.Healed - stopped.From + earlier
		for _, op := range h.Ops {
			if op.Kind != Acquire || !op.OK() || op.Call < stopped.From-held || op.Call >= stopped.Healed || time.Duration(op.TTL)*time.Second > longest {
				continue
			}
			if alive[op.Lock()][op.Got] > stopped.Healed+later {
				continue // it was not lost
			}
			excused.Ops = append(excused.Ops, Op{
				Client: -100, Gateway: op.Gateway, Kind: Release, Space: op.Space, Key: op.Key, Index: op.Got,
				Call: stopped.Healed, Return: stopped.Healed, Error: "etcd's old leader may have revoked the lease",
			})
		}
	}
	return &excused
}

// elected says whether etcd has got a new leader within a time.
func (h *History) elected(within Span) bool {
	for _, e := range h.Events {
		if e.Kind == Election && e.Overlaps(within) {
			return true
		}
	}
	return false
}
