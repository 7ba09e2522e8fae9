package embedded

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
		goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"),
	)
}

func start(t *testing.T, e *Etcd) (stop func() error) {
	t.Helper()
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	stop, err := e.Start(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

func client(t *testing.T, endpoint string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A reload has two users for a moment; the server ends with the last. What it
// was told is there when it starts again, on a relative path too.
func TestStart(t *testing.T) {
	t.Chdir(t.TempDir())
	e := &Etcd{DataDir: "./data"}
	address := e.Address()
	if address != "unix:data/etcd.sock" {
		t.Errorf("the address is %s", address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	first, second := start(t, e), start(t, e)
	if info, err := os.Stat("data"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
	c := client(t, address)
	if err := first(); err != nil {
		t.Error(err)
	}
	if _, err := c.Put(ctx, "k", "v"); err != nil {
		t.Fatalf("writing after one of two users has gone: %v", err)
	}
	members, err := c.MemberList(ctx)
	if err != nil || len(members.Members) != 1 || members.Members[0].ClientURLs[0] != "http://127.0.0.1:4001" {
		t.Errorf("the members are %v, %v", members, err)
	}
	_ = c.Close()
	if err := second(); err != nil {
		t.Error(err)
	}

	third := start(t, e)
	c = client(t, address)
	if resp, err := c.Get(ctx, "k"); err != nil || len(resp.Kvs) != 1 {
		t.Errorf("after a restart: %v, %v", resp, err)
	}
	_ = c.Close()
	if err := third(); err != nil {
		t.Error(err)
	}
}

// A socket that a crash has left is in nobody's way.
func TestStart_afterCrash(t *testing.T) {
	e := &Etcd{DataDir: t.TempDir()}
	for _, name := range []string{socketName, lockName} {
		if err := os.WriteFile(filepath.Join(e.DataDir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := start(t, e)(); err != nil {
		t.Error(err)
	}
}

// A port for clients of its own is the only thing that listens on one, and needs
// a restart to change.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	stop := start(t, &Etcd{DataDir: dir})
	other := &Etcd{DataDir: dir, Listen: "http://127.0.0.1:1"}
	if _, err := other.Start(zap.NewNop()); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("got %v for other settings", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if address := other.Address(); address != other.Listen {
		t.Errorf("the address is %s", address)
	}
	// Nobody may listen on port 1, as a rule; root may, and then it starts.
	if stop, err := other.Start(zap.NewNop()); err == nil {
		_ = stop()
	} else if !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}

// Data in use are an error, soon, whether it is a gateway that uses them or an
// etcd.
func TestInUse(t *testing.T) {
	before := lockWithin
	lockWithin = 50 * time.Millisecond
	t.Cleanup(func() { lockWithin = before })
	e := &Etcd{DataDir: t.TempDir()}
	if err := start(t, e)(); err != nil {
		t.Fatal(err)
	}
	inUse := func(by string) {
		t.Helper()
		if _, err := e.Start(zap.NewNop()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("got %v while %s uses it", err, by)
		}
	}
	db, err := bolt.Open(filepath.Join(e.DataDir, "member", "snap", "db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	inUse("an etcd")
	_ = db.Close()
	lock, err := e.lockData()
	if err != nil {
		t.Fatal(err)
	}
	inUse("a gateway")
	_ = lock.Close()
	if err := start(t, e)(); err != nil {
		t.Error(err)
	}
}
