package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// direct is an etcd as whoever needs no gateway meets it.
type direct interface {
	// put writes a key that is nothing to the lock.
	put(ctx context.Context, key, value string) error

	// queue has the indices of a lock's queue, in order: of those that hold it or
	// wait, and not of those that are just being made.
	queue(ctx context.Context, key string) ([]uint64, error)

	// sessions is how many gateways have one, or what else they have left.
	sessions(ctx context.Context) (int, error)

	// forget has it forget its history.
	forget(ctx context.Context) error
}

type directV3 struct{ *clientv3.Client }

func openV3(t testing.TB, endpoint string) direct {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return directV3{client}
}

func (d directV3) put(ctx context.Context, key, value string) error {
	_, err := d.Put(ctx, "/other/"+key, value)
	return err
}

func (d directV3) queue(ctx context.Context, key string) ([]uint64, error) {
	resp, err := d.Get(ctx, "/_etcd/mod/lock/"+key+"/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	var indices []uint64
	for _, kv := range resp.Kvs {
		indices = append(indices, uint64(kv.CreateRevision))
	}
	slices.Sort(indices)
	return indices, nil
}

// sessions counts the leases: what waits and what is held hangs on them too.
func (d directV3) sessions(ctx context.Context) (int, error) {
	resp, err := d.Leases(ctx)
	if err != nil {
		return 0, err
	}
	return len(resp.Leases), nil
}

func (d directV3) forget(ctx context.Context) error {
	resp, err := d.Get(ctx, "/")
	if err == nil {
		_, err = d.Compact(ctx, resp.Header.Revision)
	}
	return err
}

type directV2 struct{ keys string }

func openV2(_ testing.TB, endpoint string) direct { return directV2{endpoint + "/v2/keys"} }

func (d directV2) put(ctx context.Context, key, value string) error {
	_, err := d.ask(ctx, http.MethodPut, "/other/"+key, url.Values{"value": {value}})
	return err
}

func (d directV2) queue(ctx context.Context, key string) ([]uint64, error) {
	nodes, err := d.list(ctx, "/_etcd/mod/lock/"+key)
	var indices []uint64
	for _, n := range nodes {
		if n.CreatedIndex != n.ModifiedIndex {
			indices = append(indices, n.CreatedIndex)
		}
	}
	slices.Sort(indices)
	return indices, err
}

func (d directV2) sessions(ctx context.Context) (int, error) {
	nodes, err := d.list(ctx, "/_etcd/mod/gateway")
	return len(nodes), err
}

// forget writes what history has room for.
func (d directV2) forget(ctx context.Context) error {
	for range 1001 {
		if err := d.put(ctx, "forget", "this"); err != nil {
			return err
		}
	}
	return nil
}

type node struct {
	CreatedIndex, ModifiedIndex uint64
	Nodes                       []node
}

// list is what is in a directory; nothing if there is none.
func (d directV2) list(ctx context.Context, dir string) ([]node, error) {
	body, err := d.ask(ctx, http.MethodGet, dir, nil)
	if err != nil {
		return nil, err
	}
	var answer struct{ Node node }
	err = json.Unmarshal(body, &answer)
	return answer.Node.Nodes, err
}

func (d directV2) ask(ctx context.Context, method, key string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.keys+key, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := keepAlive.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s %s: %s %s", method, key, resp.Status, body)
	}
	return body, err
}
