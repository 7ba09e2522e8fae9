package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var contextTests = []test{
	{"EndedContextWritesNothing_I10", endedContext},
	{"ContextEndingMidwayLeavesNothing_I10", contextEndingMidway},
	{"ContextEndingMidwayKeepsAnOlderHold_I1", contextEndingMidwayKeepsHold},
}

// wantLost checks the error of a call whose context ended.
func (f *fixture) wantLost(err error, doing string) {
	f.Helper()
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnknown) {
		f.Fatalf("%s: got error %v, want ErrUnavailable or ErrUnknown", doing, err)
	}
}

func endedContext(f *fixture) {
	a := f.open()
	holder := a.hold(valued("v"))
	w := a.queue(valued("w"))
	want := a.list()
	ctx, cancel := context.WithCancel(f.Context())
	cancel()

	for _, request := range []store.Acquire{anonymous(), valued("new"), valued("v"), valued("w"), try(anonymous())} {
		got, err := a.Acquire(ctx, f.key, request)
		f.wantLost(err, "Acquire")
		if errors.Is(err, store.ErrUnavailable) && got.Entry.Name != "" {
			f.Fatalf("nothing was written, but a Withdraw of %s is owed", describe(got.Entry))
		}
		if got.Entry.Name != "" && request.Value == "new" {
			a.withdraw(got.Entry)
		}
	}
	_, err := a.Grant(ctx, f.key, holder, store.Ahead{}, 2*long)
	f.wantLost(err, "Grant")
	f.wantLost(a.Withdraw(ctx, f.key, w), "Withdraw")
	_, err = a.Release(ctx, f.key, byIndex(holder), nil)
	f.wantLost(err, "Release")
	_, err = a.Renew(ctx, f.key, byIndex(holder), 2*long)
	f.wantLost(err, "Renew")
	_, err = a.List(ctx, f.key, 0)
	f.wantErr(err, store.ErrUnavailable, "List")
	_, err = a.Expired(ctx, f.key, w)
	f.wantErr(err, store.ErrUnavailable, "Expired")

	a.wantQueue(want.Entries...)
}

// hurry makes a request whose context ends at a random moment around its answer,
// and undoes it, as a caller does whose client has gone.
func (g gateway) hurry(r *rand.Rand, a store.Acquire, within time.Duration) {
	g.f.Helper()
	ctx, cancel := context.WithCancel(g.f.Context())
	timer := time.AfterFunc(time.Duration(r.Int64N(int64(within))), cancel)
	got, err := g.Acquire(ctx, g.f.key, a)
	timer.Stop()
	cancel()
	switch {
	case err == nil:
		if !got.Renewed {
			g.withdraw(got.Entry)
		}
	case errors.Is(err, store.ErrUnavailable):
		if got.Entry.Name != "" {
			g.f.Fatalf("nothing was written, but a Withdraw of %s is owed", describe(got.Entry))
		}
	case errors.Is(err, store.ErrUnknown):
		if got.Entry.Name != "" {
			g.withdraw(got.Entry)
		}
	default:
		g.f.Fatalf("Acquire: %v", err)
	}
}

func contextEndingMidway(f *fixture) {
	a, b := f.open(), f.open()
	r := f.random()
	for i := range 60 {
		// An empty queue, and one that is taken.
		var want []store.Entry
		if i%2 == 1 {
			want = append(want, b.hold(anonymous()))
			if i%4 == 1 {
				want = append(want, b.queue(valued("v")))
			}
		}
		request := anonymous()
		if i%3 > 0 {
			request = valued("v")
		}
		a.hurry(r, request, 3*time.Millisecond)
		b.wantQueue(want...)
		for _, e := range want {
			b.withdraw(e)
		}
	}
	f.eventually(patience, "still nothing is there", func() bool { return len(b.list().Entries) == 0 })
	b.release(b.hold(valued("v")))
}

// contextEndingMidwayKeepsHold: a client was told of the hold. Another request
// with the value, whose outcome is unknown, is undone; the hold is not.
func contextEndingMidwayKeepsHold(f *fixture) {
	a, b := f.open(), f.open()
	r := f.random()
	e := a.hold(valued("v"))
	for i := range 40 {
		a.hurry(r, lasting(valued("v"), long+time.Duration(i%3)*time.Second), 2*time.Millisecond)
		b.wantQueue(held(e))
	}
}
