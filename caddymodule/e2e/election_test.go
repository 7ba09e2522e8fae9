package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// term is one candidate's time as the leader, as the candidate knows it.
type term struct {
	index    uint64
	name     string
	from, to time.Time // from when it had read that it leads, to when it must count on another
	dies     bool      // it does not resign: its TTL passes
}

// election is many candidates for one key, through several gateways.
type election struct {
	t        *testing.T
	clock    *patience.Clock
	gateways []*gateway
	rounds   int
	die      func(round int) bool

	mu    sync.Mutex
	terms []term
	done  chan struct{} // closed after the last round
}

// The candidates die with a TTL of 2 seconds, which is the shortest that etcd has.
const deathTTL = 2 * time.Second

// campaign is one candidate, until the last round.
func (e *election) campaign(number int) {
	g := e.gateways[number%len(e.gateways)]
	for life := 0; ; {
		name := fmt.Sprintf("candidate-%d-%d", number, life)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			select {
			case <-e.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		r := g.lead(ctx, http.MethodPut, "e?ttl=60", "name", name)
		cancel()
		index, err := strconv.ParseUint(r.body, 10, 64)
		select {
		case <-e.done:
			return
		default:
		}
		if r.err != nil || r.status != http.StatusOK || err != nil {
			e.t.Errorf("PUT of %s: %v", name, r)
			return
		}
		e.mu.Lock()
		round := len(e.terms)
		e.terms = append(e.terms, term{index: index, name: name, from: r.at, dies: e.die(round)})
		e.mu.Unlock()
		if round+1 == e.rounds {
			close(e.done)
			return
		}
		end := time.Now() // before what ends it is sent
		if e.die(round) {
			want(e.t, g.lead(context.Background(), http.MethodPut, "e?ttl="+fmt.Sprint(deathTTL.Seconds()), "name", name), http.StatusOK, r.body)
			end = end.Add(deathTTL)
			life++ // under its old name it would go on to lead
		}
		e.mu.Lock()
		e.terms[round].to = end
		e.mu.Unlock()
		if !e.die(round) {
			want(e.t, g.lead(context.Background(), http.MethodDelete, "e?name="+name), http.StatusOK, "")
		}
	}
}

// lead sends a request for an election.
func (g *gateway) lead(ctx context.Context, method, key string, form ...string) reply {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url+"/mod/v2/leader/"+key, strings.NewReader(values.Encode()))
	if err != nil {
		return reply{err: err}
	}
	if len(form) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return send(req)
}

// flighty begins with a stream, goes away after some events, and comes back, through
// another gateway perhaps, with the last id. It returns all events when ctx ends, but
// for those of the last revision that come again. When it has seen so many leaders, it
// says so.
func flighty(ctx context.Context, s *stream, path string, leaders int, seen chan<- struct{}, gateways ...*gateway) []event {
	t := s.t
	var all []event
	for last := ""; ; s = gateways[rand.N(len(gateways))].listen(t, path, last) {
		enough := 1 + rand.N(7)
		for ctx.Err() == nil {
			s.mu.Lock()
			n, changed, elected := len(s.events), s.changed, elected(s.events)
			s.mu.Unlock()
			if elected >= leaders && seen != nil {
				close(seen)
				seen = nil
			}
			if n >= enough {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		s.close()
		<-s.ended
		events, id := s.seen()
		for _, e := range events {
			if n := len(all); n > 0 && e.kind == all[n-1].kind && e.data.Entry.Index == all[n-1].data.Entry.Index {
				continue
			}
			if last != "" && e.kind == "state" {
				t.Errorf("after %s it begins anew: %v", last, e)
			}
			all = append(all, e)
		}
		leaders -= elected(events)
		last = id
		if ctx.Err() != nil {
			return all
		}
	}
}

// elected is how many leaders there are in events.
func elected(events []event) (n int) {
	for _, e := range events {
		if e.kind == "acquired" {
			n++
		}
	}
	return n
}

// 50 candidates on two gateways, and 100 changes of the leader, who resigns or whose
// TTL passes: there are never two at once, and every stream, of the key or of a
// prefix, on either gateway, without a break or with many, tells each change within
// a second, in order, and none is missing.
func TestElection_I1_I2_I5(t *testing.T) {
	for _, b := range []backend{v3on37, v2on35} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel() // beside the other one only: most of the time they wait for TTLs
			b.election(t)
		})
	}
}

func (b backend) election(t *testing.T) {
	const candidates, rounds, deaths = 50, 101, 10 // and so 100 changes
	backend := b.run(t)
	gateways := []*gateway{backend.gateway(t), backend.gateway(t)}
	e := &election{
		t: t, clock: patience.Start(t), gateways: gateways, rounds: rounds, done: make(chan struct{}),
		die: func(round int) bool { return round%(rounds/deaths) == 5 && round < rounds-1 },
	}
	var streams []*stream
	for _, g := range gateways {
		for range 3 {
			streams = append(streams, g.listen(t, "/mod/v2/leader/e", ""))
		}
		streams = append(streams, g.listen(t, "/mod/v2/leader/?prefix=e", ""))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	broken := make([][]event, 4)
	hasLast := make([]chan struct{}, len(broken))
	var listeners, all sync.WaitGroup
	for i := range broken {
		path := []string{"/mod/v2/leader/e", "/mod/v2/leader/?prefix="}[i%2]
		first := gateways[i/2].listen(t, path, "")
		hasLast[i] = make(chan struct{})
		listeners.Go(func() { broken[i] = flighty(ctx, first, path, rounds, hasLast[i], gateways...) })
	}
	for i := range candidates {
		all.Go(func() { e.campaign(i) })
	}
	all.Wait()
	if len(e.terms) != rounds {
		t.Fatalf("%d terms, want %d", len(e.terms), rounds)
	}

	slices.SortFunc(e.terms, func(a, b term) int { return cmp.Compare(a.index, b.index) })
	var failovers []time.Duration
	for i, now := range e.terms[1:] {
		before := e.terms[i]
		if overlap := before.to.Sub(now.from); overlap > 0 {
			t.Errorf("%s (%d) leads %v before the end of %s (%d)", now.name, now.index, overlap, before.name, before.index)
		}
		if !before.dies {
			failovers = append(failovers, now.from.Sub(before.to))
		}
	}
	slices.Sort(failovers)
	t.Logf("failover after a resignation: median %v, worst %v", failovers[len(failovers)/2], failovers[len(failovers)-1])

	last := e.terms[rounds-1].index
	for i, s := range streams {
		events := s.until(fmt.Sprintf("stream %d has the last leader", i), 10*time.Second, func(events []event) bool {
			return slices.ContainsFunc(events, func(e event) bool { return e.kind == "acquired" && e.data.Entry.Index == last })
		})
		e.check(fmt.Sprintf("stream %d", i), events, true)
	}
	for i := range broken {
		select {
		case <-hasLast[i]:
		case <-time.After(10 * time.Second):
			t.Errorf("flighty %d does not have the last leader within 10 s", i)
		}
	}
	cancel()
	listeners.Wait()
	for i, events := range broken {
		e.check(fmt.Sprintf("flighty %d", i), events, false)
	}
}

// check compares what a stream has told with what the candidates know.
func (e *election) check(name string, events []event, prompt bool) {
	e.t.Helper()
	next, holder, leader := 0, uint64(0), term{}
	released, expired := 0, 0
	var id uint64
	for i, event := range events {
		if event.id < id {
			e.t.Errorf("%s: id %d after %d", name, event.id, id)
		}
		id = event.id
		about := event.data.Entry.Index
		switch event.kind {
		case "acquired":
			if next == len(e.terms) || about != e.terms[next].index || event.data.Entry.Value != e.terms[next].name || holder != 0 {
				e.t.Errorf("%s: event %d is %v, when %d held; want the leader number %d of %v", name, i, event, holder, next, e.terms)
				return
			}
			leader = e.terms[next]
			next++
			holder = about
			if late := e.clock.Ran(leader.from, event.at); prompt && event.at.After(leader.from) && late > time.Second {
				e.t.Errorf("%s: told of %d after %v", name, about, late)
			}
		case "released", "expired":
			if about != holder || (event.kind == "expired") != leader.dies {
				e.t.Errorf("%s: event %d is %v, when %d held, who dies: %v", name, i, event, holder, leader.dies)
			}
			if late := e.clock.Ran(leader.to, event.at); prompt && event.kind == "released" && event.at.After(leader.to) && late > time.Second {
				e.t.Errorf("%s: told of the end of %d after %v", name, about, late)
			}
			holder = 0
			if event.kind == "expired" {
				expired++
			} else {
				released++
			}
		}
		if event.kind != "state" && event.data.Index != holder {
			e.t.Errorf("%s: event %d is %v, but %d holds", name, i, event, holder)
		}
	}
	if next != len(e.terms) || released+expired < len(e.terms)-1 {
		e.t.Errorf("%s: %d leaders, %d resigned, %d dead", name, next, released, expired)
	}
}
