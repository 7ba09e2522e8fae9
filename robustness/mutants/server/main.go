// Command server is the lock and the elections on the store in memory: three gateways
// without Caddy, on one cluster without etcd. It is what bugs are put into, to see
// whether they are found. It prints where it listens, and ends when its standard input
// does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/leadermod"
	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// gateways is how many there are.
const gateways = 3

// Addresses are what is printed, as JSON in one line.
type Addresses struct {
	Gateways []string `json:"gateways"` // their URLs
	Control  string   `json:"control"`  // the URL of /queues and /compact
}

// Entry is an entry of a queue, as /queues shows it.
type Entry struct {
	Space    string `json:"space"`
	Key      string `json:"key"`
	Index    uint64 `json:"index"`
	Value    string `json:"value"`
	HasValue bool   `json:"has_value"`
	Held     bool   `json:"held"`
}

func main() {
	cert := flag.String("cert", "", "the file of a certificate; without one there is no TLS")
	key := flag.String("key", "", "the file of its key")
	flag.Parse()
	cluster := memstore.NewCluster()
	addresses := Addresses{Control: serve(control(cluster), nil)}
	var config *tls.Config
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	for range gateways {
		st := cluster.Open()
		st.Intercept(slowWatch)
		addresses.Gateways = append(addresses.Gateways, serve(gateway(st), config))
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// slowWatch has watches begin so late that the history from which they should begin may
// be gone.
func slowWatch(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
	if op == memstore.OpWatch {
		time.Sleep(50 * time.Millisecond)
	}
	return memstore.None
}

// gateway is what one of them serves.
func gateway(st *memstore.Store) http.Handler {
	limits := lockmod.DefaultLimits()
	mux := http.NewServeMux()
	mux.Handle(lockmod.Prefix, lockmod.NewHandler(lockmod.New(st, "lock", zap.NewNop()), limits, zap.NewNop()))
	mux.Handle(leadermod.Prefix, leadermod.NewHandler(lockmod.New(st, "leader", zap.NewNop()), limits, zap.NewNop()))
	return mux
}

// control shows what stands in the store, and has it forget its history.
func control(cluster *memstore.Cluster) http.Handler {
	st := cluster.Open()
	mux := http.NewServeMux()
	mux.HandleFunc("/compact", func(http.ResponseWriter, *http.Request) { cluster.Compact() })
	mux.HandleFunc("/queues", func(w http.ResponseWriter, r *http.Request) {
		entries := []Entry{}
		for _, space := range []string{"lock", "leader"} {
			survey, err := st.Queues(r.Context(), store.Scope{Space: space, Prefix: true}, "", math.MaxInt)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			for _, q := range survey.Queues {
				for _, e := range q.Entries {
					entries = append(entries, Entry{space, q.Name, e.Index, e.Value, e.HasValue, e.Held})
				}
			}
		}
		_ = json.NewEncoder(w).Encode(entries)
	})
	return mux
}

// serve serves on a port of its own, and returns the URL.
func serve(h http.Handler, config *tls.Config) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: h, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	scheme := "http"
	if config != nil {
		scheme = "https"
	}
	go func() {
		if config != nil {
			log.Fatal(server.ServeTLS(l, "", ""))
		}
		log.Fatal(server.Serve(l))
	}()
	return fmt.Sprintf("%s://%s", scheme, l.Addr())
}
