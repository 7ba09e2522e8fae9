package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// askV2 asks a member who it is, and if it answers, everything else at once. The v2
// API tells all of this to everybody, also where it asks for a user.
func askV2(ctx context.Context, s *Survey, e *endpoint) answer {
	var self struct{ ID string }
	begin := time.Now()
	if err := e.get(ctx, "/v2/stats/self", &self); err != nil {
		return answer{err: err}
	}
	a := answer{id: self.ID, latency: time.Since(begin).Seconds()}
	if a.id == "" {
		return answer{err: errNoEtcd}
	}
	a.status = &Status{Alarms: []string{}, Errors: []string{}}
	var (
		version struct{ EtcdServer string }
		leader  struct{ ID string }
		health  health
		found   families
		changes storeStats
		known   bool
		others  followers
		asking  sync.WaitGroup
	)
	asking.Go(func() { _ = e.get(ctx, "/version", &version) })
	// What the statistics say of the leader is what was so when there was one.
	asking.Go(func() { _ = e.get(ctx, "/v2/members/leader", &leader) })
	asking.Go(func() { health.ask(ctx, e) })
	asking.Go(func() { found, _ = e.metrics(ctx) })
	asking.Go(func() { known = e.get(ctx, "/v2/stats/store", &changes) == nil })
	asking.Go(func() { _ = e.get(ctx, "/v2/stats/leader", &others) }) // 403, if it isn't
	asking.Go(func() { a.status.place(ctx, e, s.options.Prefix) })
	asking.Wait()

	a.status.Version, a.status.Leader = version.EtcdServer, leader.ID
	if trouble := health.trouble(); trouble != "" {
		a.status.Errors = append(a.status.Errors, trouble)
	}
	if index, ok := found.value(committedMetric); ok {
		a.status.RaftIndex = uint64(index)
	}
	if index, ok := found.value(appliedMetric); ok {
		a.status.RaftAppliedIndex = uint64(index)
	}
	a.metrics = found.of(a.id)
	if known {
		a.metrics.Requests, a.metrics.Failed = changes.sum()
	}
	for id, f := range others.Followers {
		peer := a.metrics.Peers[id]
		peer.Latency = &Latency{Current: f.Latency.Current / 1000, Average: f.Latency.Average / 1000}
		a.metrics.Peers[id] = peer
	}
	return a
}

// listV2 asks for the members.
func listV2(ctx context.Context, _ *Survey, e *endpoint) ([]Member, error) {
	var told struct{ Members []Member }
	if err := e.get(ctx, "/v2/members", &told); err != nil {
		return nil, err
	}
	var members []Member
	for _, m := range told.Members {
		members = append(members, Member{ID: m.ID, Name: m.Name, PeerURLs: orEmpty(m.PeerURLs), ClientURLs: orEmpty(m.ClientURLs)})
	}
	return members, nil
}

// place asks how far the member's copy of the keys is. Only an answer with a key in it
// tells all, so this asks for one of the gateway's own, without what is below it.
func (s *Status) place(ctx context.Context, e *endpoint, prefix string) {
	r, err := e.send(ctx, http.MethodHead, "/v2/keys"+prefix, "", "", mostJSON)
	if err != nil {
		return
	}
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(r.header.Get(name), 10, 64)
		return n
	}
	s.Revision, s.RaftTerm, s.RaftIndex = number("X-Etcd-Index"), number("X-Raft-Term"), number("X-Raft-Index")
}

// health is what a member says when it is asked whether it is well.
type health struct {
	Health string
	Reason string // since 3.5
	err    error
}

func (h *health) ask(ctx context.Context, e *endpoint) {
	r, err := e.send(ctx, http.MethodGet, "/health", "", "", mostJSON)
	if h.err = err; err == nil {
		r.status = http.StatusOK // it is 503 if it is not well
		h.err = r.decode(h)
	}
}

func (h *health) trouble() string {
	switch {
	case h.err != nil:
		return "it does not say whether it is healthy"
	case h.Health == "true":
		return ""
	case h.Reason != "":
		return "it is not healthy: " + h.Reason
	}
	return "it is not healthy"
}

// storeStats are counters by name, such as getsSuccess and deleteFail.
type storeStats map[string]uint64

// sum counts them. That there is no such key is an answer to a read, and no failure.
func (s storeStats) sum() (all, failed *uint64) {
	all, failed = new(uint64), new(uint64)
	for name, n := range s {
		switch {
		case name == "getsFail", strings.HasSuffix(name, "Success"):
		case strings.HasSuffix(name, "Fail"):
			*failed += n
		default:
			continue
		}
		*all += n
	}
	return all, failed
}

// followers are how long they take to follow, in milliseconds.
type followers struct {
	Followers map[string]struct {
		Latency struct{ Current, Average float64 }
	}
}
