package e2e

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// candidate leads one election, and resigns.
type candidate interface {
	campaign(b *testing.B)
	resign(b *testing.B)
}

// member is a candidate through a gateway.
type member struct {
	g         *gateway
	key, name string
}

func (m member) campaign(b *testing.B) {
	call(b, keepAlive, http.MethodPut, m.g.url+"/mod/v2/leader/"+m.key+"?ttl=60&name="+m.name, "", "")
}

func (m member) resign(b *testing.B) {
	call(b, keepAlive, http.MethodDelete, m.g.url+"/mod/v2/leader/"+m.key+"?name="+m.name, "", "")
}

// etcds is a candidate of etcd's own Go client.
type etcds struct {
	*concurrency.Election
	name string
}

func (e etcds) campaign(b *testing.B) {
	if err := e.Campaign(context.Background(), e.name); err != nil {
		b.Error(err)
	}
}

func (e etcds) resign(b *testing.B) {
	if err := e.Resign(context.Background()); err != nil {
		b.Error(err)
	}
}

// failover is how long it takes, at the median, from when a leader begins to resign to
// when the other candidate knows that it leads.
func failover(b *testing.B, n int, standsBy func() error, candidates [2]candidate) float64 {
	took := make([]time.Duration, n)
	candidates[0].campaign(b)
	for i := range took {
		leader, next := candidates[i%2], candidates[(i+1)%2]
		leads := make(chan time.Time, 1)
		go func() {
			next.campaign(b)
			leads <- time.Now()
		}()
		patience.Until(b, 10*time.Second, standsBy)
		begin := time.Now()
		leader.resign(b)
		took[i] = (<-leads).Sub(begin)
	}
	candidates[n%2].resign(b)
	slices.Sort(took)
	return float64(took[n/2]) / float64(time.Millisecond)
}

// BenchmarkFailover measures how soon the next candidate leads after a resignation,
// on one gateway and from one to another, beside etcd's own Go client. Wanted: less
// than 50 ms at the median.
func BenchmarkFailover(b *testing.B) {
	for _, back := range []backend{v3embedded, v2on35} {
		b.Run(back.name, func(b *testing.B) {
			e := back.run(b)
			g, other := e.gateway(b), e.gateway(b)
			standsBy := func(key string) func() error {
				return func() error {
					q, err := g.queueAt("/mod/v2/leader/" + key)
					if err == nil && len(q.Queue) != 2 {
						err = context.DeadlineExceeded
					}
					return err
				}
			}
			const n = 100
			var same, apart, own float64
			for b.Loop() {
				same = failover(b, n, standsBy("same"), [2]candidate{member{g, "same", "a"}, member{g, "same", "b"}})
				apart = failover(b, n, standsBy("apart"), [2]candidate{member{g, "apart", "a"}, member{other, "apart", "b"}})
				if back.name == v3embedded.name {
					own = etcdsFailover(b, n, e.endpoint)
				}
			}
			b.ReportMetric(same, "p50-ms")
			b.ReportMetric(apart, "p50-ms-two-gateways")
			if own > 0 {
				b.ReportMetric(own, "etcd-p50-ms")
			}
		})
	}
}

func etcdsFailover(b *testing.B, n int, endpoint string) float64 {
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		b.Fatal(err)
	}
	defer cli.Close()
	var both [2]candidate
	for i := range both {
		session, err := concurrency.NewSession(cli)
		if err != nil {
			b.Fatal(err)
		}
		defer session.Close()
		both[i] = etcds{concurrency.NewElection(session, "/bench/election"), string(rune('a' + i))}
	}
	entries := counter(b, cli, "/bench/election/")
	return failover(b, n, func() error {
		if entries() != 2 {
			return context.DeadlineExceeded
		}
		return nil
	}, both)
}
