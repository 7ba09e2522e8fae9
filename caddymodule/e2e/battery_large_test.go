package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// What is large comes through as it is: 100,000 keys in one answer, and a snapshot
// of 200 MB. One etcd is asked both ways.
func TestBattery_large(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithData(etcdtest.Memory(t)))
	g := start(t, onEtcd(etcd.Endpoint))
	direct := &side{t: t, url: etcd.Endpoint, host: strings.TrimPrefix(etcd.Endpoint, "http://"), dir: etcdtest.Memory(t)}
	through := &side{t: t, url: g.url, host: g.site, dir: etcdtest.Memory(t)}
	fill(t, etcd.Endpoint)
	for _, ctl := range []etcdtest.Version{etcdtest.V37, etcdtest.V34} {
		t.Run("100,000 keys, etcdctl "+string(ctl), func(t *testing.T) {
			get := command{line: "--command-timeout 60s get key/ --prefix"}
			want, got := direct.etcdctl(t.Context(), ctl, "3", get), through.etcdctl(t.Context(), ctl, "3", get)
			if want != got {
				t.Errorf("the keys differ: %d and %d bytes", len(want), len(got))
			}
			if keys := strings.Count(got, "key/"); keys != 100_000 {
				t.Errorf("there are %d keys", keys)
			}
		})
	}
	t.Run("a snapshot", func(t *testing.T) {
		want, got := direct.snapshot(t), through.snapshot(t)
		if want != got {
			t.Errorf("the snapshots differ: %s\n%s", want, got)
		}
	})
}

// snapshot saves one, and returns what is in it: etcdctl's sum of all keys. (Two
// files are not equal in every byte: each tells how many have been read from the
// database.)
func (s *side) snapshot(t *testing.T) string {
	t.Helper()
	save := s.etcdctl(t.Context(), etcdtest.V37, "3", command{line: "--command-timeout 60s snapshot save $DIR/snapshot"})
	file := s.filled("$DIR/snapshot")
	defer os.Remove(file)
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, save)
	}
	// It ends with the hash of what is before it.
	end := len(saved) - sha256.Size
	if end < 200<<20 || sha256.Sum256(saved[:end]) != [sha256.Size]byte(saved[end:]) {
		t.Errorf("the hash of the snapshot's %d bytes is wrong", len(saved))
	}
	return s.etcdctl(t.Context(), etcdtest.V34, "3", command{line: "snapshot status $DIR/snapshot -w json"})
}

// fill puts 100,000 keys and 200 MB into an etcd.
func fill(t *testing.T, endpoint string) {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	putting, ctx := errgroup.WithContext(t.Context())
	putting.SetLimit(8)
	put := func(ctx context.Context, puts ...clientv3.Op) {
		putting.Go(func() error {
			_, err := c.Txn(ctx).Then(puts...).Commit()
			return err
		})
	}
	for i := 0; i < 100_000; {
		var puts []clientv3.Op
		for ; len(puts) < 100; i++ {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("key/%06d", i), "value"))
		}
		put(ctx, puts...)
	}
	large := make([]byte, 1<<20)
	_, _ = rand.Read(large)
	for i := range 200 {
		put(ctx, clientv3.OpPut(fmt.Sprint("large/", i), string(large)))
	}
	if err := putting.Wait(); err != nil {
		t.Fatal(err)
	}
}
