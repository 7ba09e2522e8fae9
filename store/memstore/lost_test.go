package memstore

import (
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

func TestFailNextIsForOneCall(t *testing.T) {
	s := NewCluster().Open()
	for _, tt := range []struct {
		fault Fault
		want  error
		there int // entries after it
	}{
		{Refused, store.ErrUnavailable, 0},
		{LostRequest, store.ErrUnknown, 0},
		{LostAnswer, store.ErrUnknown, 1},
	} {
		s.FailNext(OpAcquire, tt.fault)
		got, err := s.Acquire(t.Context(), key, queued)
		wantErr(t, err, tt.want)
		if owed := got.Entry.Name != ""; owed != (tt.want == store.ErrUnknown) {
			t.Fatalf("a Withdraw is owed: %t, after %v", owed, err)
		}
		if there := indices(t, s); len(there) != tt.there {
			t.Fatalf("%d entries after fault %d, want %d", len(there), tt.fault, tt.there)
		}
		if err := s.Withdraw(t.Context(), key, got.Entry); err != nil {
			t.Fatal(err)
		}
	}
	s.FailNext(OpList, Refused)
	s.FailNext(OpList, None)
	s.FailNext(OpList, LostAnswer)
	for _, want := range []error{store.ErrUnavailable, nil, store.ErrUnavailable, nil} {
		_, err := s.List(t.Context(), key, 0)
		wantErr(t, err, want)
	}
}

func TestDelayedWritesAndTheirFences(t *testing.T) {
	c := NewCluster()
	s, other := c.Open(), c.Open()
	delay := func(op Op, call func() error) {
		t.Helper()
		s.FailNext(op, Delayed)
		wantErr(t, call(), store.ErrUnknown)
	}
	deliver := func(want int) {
		t.Helper()
		if n := s.Deliver(); n != want {
			t.Fatalf("%d writes took effect, want %d", n, want)
		}
	}
	var owed store.Entry
	delayedAcquire := func() error {
		got, err := s.Acquire(t.Context(), key, valued)
		owed = got.Entry
		return err
	}

	delay(OpAcquire, delayedAcquire)
	wantIndices(t, other)
	deliver(1)
	if n := len(indices(t, other)); n != 1 {
		t.Fatalf("%d entries after a delayed Acquire", n)
	}
	if err := s.Withdraw(t.Context(), key, owed); err != nil {
		t.Fatal(err)
	}
	wantIndices(t, other)

	delay(OpAcquire, delayedAcquire)
	if err := s.Withdraw(t.Context(), key, owed); err != nil {
		t.Fatal(err)
	}
	deliver(0)
	delay(OpAcquire, delayedAcquire)
	s.Expire() // its lease has gone
	deliver(0)
	wantIndices(t, other)

	// Other writes are conditional on their entry as it was.
	e := acquire(t, s, valued)
	renew := func() error {
		_, err := s.Renew(t.Context(), key, store.Target{Index: e.Index}, time.Hour)
		return err
	}
	delay(OpRenew, renew)
	deliver(1)
	if l, err := other.List(t.Context(), key, 0); err != nil || l.Entries[0].Left < 59*time.Minute {
		t.Fatalf("listed %+v (%v) after a delayed Renew for an hour", l, err)
	}
	delay(OpWithdraw, func() error { return s.Withdraw(t.Context(), key, e) })
	acquire(t, other, valued)
	deliver(0)
	wantIndices(t, other, e)
	delay(OpRelease, func() error {
		_, err := s.Release(t.Context(), key, store.Target{Value: "v"}, nil)
		return err
	})
	deliver(1)
	wantIndices(t, other)
}
