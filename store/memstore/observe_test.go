package memstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var all = store.Scope{Space: "lock", Prefix: true}

// observation is what a running Observe has told, one line each call.
type observation struct {
	mu    sync.Mutex
	lines []string
	done  chan error
	stop  context.CancelFunc
}

func (o *observation) note(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
}

// observe runs an Observe in a synctest bubble, until stop or the test's end.
func observe(t *testing.T, s *Store, after uint64) *observation {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := &observation{done: make(chan error, 1), stop: cancel}
	go func() {
		o.done <- s.Observe(ctx, all, after,
			func(revision uint64, queues []store.Queue) {
				for _, q := range queues {
					o.note(fmt.Sprintf("%d starts %s %d", revision, q.Name, len(q.Entries)))
				}
			},
			func(revision uint64, changes []store.Change) {
				line := fmt.Sprint(revision)
				for _, c := range changes {
					line += fmt.Sprintf(" %d deleted %t expired %t renewed %t left %v", c.Entry.Index, c.Deleted, c.Expired, c.Renewed, c.Entry.Left)
				}
				o.note(line)
			})
	}()
	synctest.Wait()
	return o
}

// want checks what the observer has told since the last check.
func (o *observation) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.lines, lines) {
		t.Fatalf("told\n%q\nwant\n%q", o.lines, lines)
	}
	o.lines = nil
}

func (o *observation) end(t *testing.T) {
	t.Helper()
	o.stop()
	if err := <-o.done; err != nil {
		t.Fatal(err)
	}
}

func TestObserverIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, other := c.Open(), c.Open()
		o := observe(t, s, 0)
		o.want(t)
		e := acquire(t, other, valued)
		o.want(t, "2 2 deleted false expired false renewed false left 1m0s")
		time.Sleep(10 * time.Second)
		acquire(t, other, valued) // no revision of its own
		o.want(t, "2 2 deleted false expired false renewed true left 1m0s")
		if _, err := other.Renew(t.Context(), key, store.Target{Index: e.Index}, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		o.want(t, "3 2 deleted false expired false renewed true left 20s")
		time.Sleep(5 * time.Second)
		late := observe(t, s, 2)
		late.want(t, "2 starts key 1", "3 2 deleted false expired false renewed true left 15s")
		time.Sleep(15 * time.Second)
		o.want(t, "4 2 deleted true expired true renewed false left 0s")
		late.want(t, "4 2 deleted true expired true renewed false left 0s")
		o.end(t)
		late.end(t)
	})
}

func TestObserverIsToldThatOthersGoOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewCluster().Open()
		o := observe(t, s, 0)
		for _, told := range []string{"2", "3"} {
			if _, err := s.Acquire(t.Context(), store.Key{Space: "leader", Name: "x"}, queued); err != nil {
				t.Fatal(err)
			}
			o.want(t, told)
		}
		late := observe(t, s, 1)
		late.want(t, "3")
		o.end(t)
		late.end(t)
	})
}

func TestSetDownStallsObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, down := c.Open(), c.Open()
		o := observe(t, down, 0)
		down.SetDown(true)
		acquire(t, s, queued)
		o.want(t)
		_, err := down.Queues(t.Context(), all, "", 1)
		wantErr(t, err, store.ErrUnavailable)
		wantErr(t, down.Observe(t.Context(), all, 0, nil, nil), store.ErrUnavailable)
		down.SetDown(false)
		o.want(t, "2 2 deleted false expired false renewed false left 1m0s")

		down.Kill()
		acquire(t, s, queued)
		o.want(t)
		o.end(t)
	})
}

func TestCompactWhileAnObserverIsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster()
		s, down := c.Open(), c.Open()
		e := acquire(t, s, valued)
		o := observe(t, down, 0)
		o.want(t, "2 starts key 1")
		down.SetDown(true)
		if _, err := s.Acquire(t.Context(), store.Key{Space: "leader", Name: "x"}, queued); err != nil {
			t.Fatal(err)
		}
		c.Compact()
		down.SetDown(false)
		o.want(t, "3") // it has missed nothing of its own

		// A renewal is something, too.
		down.SetDown(true)
		if _, err := s.Renew(t.Context(), key, store.Target{Index: e.Index}, time.Minute); err != nil {
			t.Fatal(err)
		}
		c.Compact()
		down.SetDown(false)
		wantErr(t, <-o.done, store.ErrCompacted)

		// From the revision of the last Compact on, there is a history again.
		acquire(t, s, queued)
		again := observe(t, s, 3)
		again.want(t, "3 starts key 1", "4 4 deleted false expired false renewed false left 0s")
		again.end(t)
		wantErr(t, s.Observe(t.Context(), all, 2, nil, nil), store.ErrCompacted)
		wantErr(t, s.Observe(t.Context(), all, 5, nil, nil), store.ErrCompacted)
	})
}

func TestFaultsOfObservers(t *testing.T) {
	s := NewCluster().Open()
	var seen []string
	s.Intercept(func(_ context.Context, op Op, key store.Key) Fault {
		seen = append(seen, fmt.Sprintf("%s %s/%s", op, key.Space, key.Name))
		return Refused
	})
	scope := store.Scope{Space: "lock", Name: "a", Prefix: true}
	_, err := s.Queues(t.Context(), scope, "", 1)
	wantErr(t, err, store.ErrUnavailable)
	wantErr(t, s.Observe(t.Context(), scope, 0, nil, nil), store.ErrUnavailable)
	if !slices.Equal(seen, []string{"Queues lock/a", "Observe lock/a"}) {
		t.Fatalf("intercepted %q", seen)
	}
	s.FailNext(OpQueues, None)
	if _, err := s.Queues(t.Context(), scope, "", 1); err != nil {
		t.Fatal(err)
	}
	s.FailNext(OpObserve, LostAnswer)
	wantErr(t, s.Observe(t.Context(), scope, 0, nil, nil), store.ErrUnavailable)
}
