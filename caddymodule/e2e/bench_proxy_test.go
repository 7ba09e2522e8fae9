package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// way is a way to an etcd: its address for HTTP/1.1, and for gRPC.
type way struct {
	name, http, grpc string
}

// BenchmarkPassThrough measures what goes through the gateway to etcd, beside the
// same directly and through a bare Caddy with reverse_proxy and nothing else, in
// turns on one etcd: requests per second with 64 clients, and how long one alone
// takes. Wanted: the gateway no slower than the bare Caddy.
func BenchmarkPassThrough(b *testing.B) {
	etcd := etcdtest.StartProcess(b, etcdtest.V37).Endpoint
	g := start(b, onEtcd(etcd))
	http, grpc := bare(b, etcd)
	ways := []way{{"direct", etcd, etcd}, {"bare", http, grpc}, {"gateway", g.url, g.url}}

	const key, value = "Zm9v", "YmFy" // foo and bar, as JSON has them
	b.Run("HTTP get", func(b *testing.B) {
		compare(b, ways, func(w way) cycle { return w.post("/v3/kv/range", `{"key":"`+key+`"}`) })
	})
	b.Run("HTTP put", func(b *testing.B) {
		compare(b, ways, func(w way) cycle { return w.post("/v3/kv/put", `{"key":"`+key+`","value":"`+value+`"}`) })
	})
	b.Run("gRPC get", func(b *testing.B) {
		compare(b, ways, func(w way) cycle {
			return w.call(b, func(ctx context.Context, c *clientv3.Client) error {
				_, err := c.Get(ctx, "foo")
				return err
			})
		})
	})
	b.Run("gRPC put", func(b *testing.B) {
		compare(b, ways, func(w way) cycle {
			return w.call(b, func(ctx context.Context, c *clientv3.Client) error {
				_, err := c.Put(ctx, "foo", "bar")
				return err
			})
		})
	})
}

// bare runs the same caddy with a reverse_proxy alone, one site for each protocol.
func bare(b *testing.B, etcd string) (http, grpc string) {
	b.Helper()
	g := newGateway(b)
	apart := etcdtest.FreeAddress(b)
	config := fmt.Sprintf(`{
	%s
	servers {
		protocols h1 h2c
	}
}

http://%s {
	respond /mod/v2/lock/ready 200
	reverse_proxy %s
}

http://%s {
	reverse_proxy h2c://%s
}
`, g.options(), g.site, etcd, apart, etcd[len("http://"):])
	if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	g.url = "http://" + g.site
	g.run()
	return g.url, "http://" + apart
}

// post is a request to etcd's JSON API.
func (w way) post(path, body string) cycle {
	return func(b *testing.B, _ int, _ string) {
		call(b, keepAlive, http.MethodPost, w.http+path, "application/json", body)
	}
}

// call is one with gRPC, on one of some connections.
func (w way) call(b *testing.B, do func(context.Context, *clientv3.Client) error) cycle {
	b.Helper()
	clients := make([]*clientv3.Client, 8)
	for i := range clients {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{w.grpc}, Logger: zap.NewNop()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		clients[i] = c
	}
	return func(b *testing.B, client int, _ string) {
		if err := do(context.Background(), clients[client%len(clients)]); err != nil {
			b.Error(err)
		}
	}
}

// compare measures the same on each way, in turns, so that what else the machine does
// meets all of them.
func compare(b *testing.B, ways []way, do func(way) cycle) {
	const clients, turns, during, alone = 64, 5, time.Second, 300
	none := func(int) string { return "" }
	rates, times := make([][]float64, len(ways)), make([][]float64, len(ways))
	cycles := make([]cycle, len(ways))
	for i, w := range ways {
		cycles[i] = do(w)
		rate(b, clients, during/2, none, cycles[i]) // warm
	}
	for b.Loop() {
		for range turns {
			for i := range ways {
				rates[i] = append(rates[i], rate(b, clients, during, none, cycles[i]))
				for range alone {
					begin := time.Now()
					cycles[i](b, 0, "")
					times[i] = append(times[i], float64(time.Since(begin))/float64(time.Millisecond))
				}
			}
		}
	}
	for i, w := range ways {
		b.ReportMetric(median(rates[i]), w.name+"/s")
		b.ReportMetric(median(times[i]), w.name+"-p50-ms")
	}
	b.ReportMetric(median(rates[2])/median(rates[1]), "x-bare")
	b.ReportMetric(median(times[2])/median(times[1]), "x-bare-p50")
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
