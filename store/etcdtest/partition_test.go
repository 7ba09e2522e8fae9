package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// A member that is parted from the others, the leader, can't write; the others can, with
// another leader. When it has joined them, it knows what they have written.
func TestCluster_part(t *testing.T) {
	for _, version := range []Version{V37, V35} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := StartWired(t, version)
			put := func(i int, value string) error {
				resp, err := c.Members[i].client().Post(c.Members[i].Endpoint+"/v3/kv/put", "application/json",
					strings.NewReader(`{"key":"aw==","value":"`+value+`"}`))
				if err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = fmt.Errorf("put: %s", resp.Status)
					}
				}
				return err
			}
			old := c.Leader()
			if old < 0 {
				t.Fatal("there is no leader")
			}
			other := (old + 1) % 3
			c.Part(old)
			patience.Until(t, 20*time.Second, func() error { return put(other, "AAAA") }) // two of three
			if leader := c.Leader(); leader == old {
				t.Error("most say that it still leads")
			}
			if put(old, "AAAB") == nil {
				t.Error("one of three can write")
			}
			c.Join()
			patience.Until(t, 20*time.Second, func() error { return put(old, "AAAC") }) // which is back
		})
	}
}

// A follower that is parted from the others reaches the leader neither on a connection that
// raft has, nor on one that it has for something else.
func TestCluster_partedFollower(t *testing.T) {
	for _, version := range []Version{V37, V35} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := StartWired(t, version)
			follower := (c.Leader() + 1) % 3
			m := c.Members[follower]
			ask := func(path, body string) (answer string, err error) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Endpoint+path, strings.NewReader(body))
				if err != nil {
					return "", err
				}
				resp, err := m.client().Do(req)
				if err != nil {
					return "", err
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				return string(text), err
			}
			if answer, err := ask("/v3/lease/grant", `{"ID":7,"TTL":60}`); err != nil {
				t.Fatal(answer, err)
			}
			// A follower passes this on to the leader.
			kept := func() bool {
				answer, err := ask("/v3/lease/keepalive", `{"ID":7}`)
				return err == nil && strings.Contains(answer, `"TTL":"60"`)
			}
			if !kept() {
				t.Fatal("a lease can't be kept alive before")
			}
			c.Part(follower)
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
				if kept() {
					t.Fatal("a lease is kept alive through a parted member")
				}
			}
			c.Join()
			patience.Until(t, 20*time.Second, func() error {
				if !kept() {
					return errors.New("a lease can't be kept alive afterwards")
				}
				return nil
			})
		})
	}
}
