package abuse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// store is an etcd, looked at past the gateway.
type store interface {
	endpoint() string

	// entries counts those in the queues of all locks whose names begin with that.
	entries(name string) (int, error)

	// write writes something that has nothing to do with locks.
	write() error

	// costs is how many writes it costs to queue and to be granted, as the documents say.
	costs() int
}

func newStore(t testing.TB, api string) store {
	t.Helper()
	if api == "v2" {
		// Others wait for the disk as well.
		return v2{etcdtest.StartV2(t, etcdtest.V35, etcdtest.WithData(etcdtest.Memory(t)))}
	}
	p := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithData(etcdtest.Memory(t)))
	return v3{p, p.Client(t)}
}

type v3 struct {
	process *etcdtest.Process
	client  *clientv3.Client
}

func (s v3) endpoint() string { return s.process.Endpoint }

func (s v3) entries(name string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := s.client.Get(ctx, "/_etcd/mod/lock/"+name, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return int(resp.Count), nil
}

func (s v3) costs() int { return 3 }

func (s v3) write() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := s.client.Put(ctx, "/written", "")
	return err
}

type v2 struct{ process *etcdtest.Process }

func (s v2) endpoint() string { return s.process.Endpoint }

func (s v2) entries(name string) (int, error) {
	type node struct {
		Key   string
		Nodes []node
	}
	req, err := http.NewRequest(http.MethodGet, s.endpoint()+"/v2/keys/_etcd/mod/lock?recursive=true", nil)
	if err != nil {
		return 0, err
	}
	a := send(once, req)
	if err := a.is(http.StatusOK); err != nil {
		return 0, err
	}
	var all struct{ Node node }
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		return 0, err
	}
	n := 0
	for _, queue := range all.Node.Nodes {
		if strings.HasPrefix(queue.Key, "/_etcd/mod/lock/"+name) {
			n += len(queue.Nodes)
		}
	}
	return n, nil
}

func (s v2) costs() int { return 5 }

func (s v2) write() error {
	req, err := http.NewRequest(http.MethodPut, s.endpoint()+"/v2/keys/written?value=x", nil)
	if err != nil {
		return err
	}
	a := send(once, req)
	if a.err == nil && a.status >= http.StatusMultipleChoices {
		return a.is(http.StatusOK)
	}
	return a.err
}

// emptied waits until no entry is left in those queues, and returns how long it took.
func (r *run) emptied(within time.Duration, name string) time.Duration {
	r.Helper()
	return r.counts(within, name, 0)
}

// counts waits until there are n entries in those queues, and returns how long it took.
func (r *run) counts(within time.Duration, name string, n int) time.Duration {
	r.Helper()
	return patience.UntilEvery(r.T, within, 20*time.Millisecond, func() error {
		got, err := r.store.entries(name)
		if err == nil && got != n {
			err = fmt.Errorf("%d entries in the queues of %s, want %d", got, name, n)
		}
		return err
	})
}
