package lockmod

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// A soak found this: while etcd had no leader, a gateway took seven seconds to stop, since calls
// that requests waited for took all the time that etcd is given. They have a moment, and no more.
func TestCloseCutsCallsOff_I9(t *testing.T) {
	const grace = time.Second
	calls := map[string]func(ctx context.Context, s *Service) error{
		"renew": func(ctx context.Context, s *Service) error {
			_, err := s.Renew(ctx, "k", store.Target{Index: 1}, time.Minute)
			return err
		},
		"release": func(ctx context.Context, s *Service) error { return s.Release(ctx, "k", store.Target{Index: 1}) },
		"holder":  func(ctx context.Context, s *Service) error { _, err := s.Holder(ctx, "k"); return err },
		"queue":   func(ctx context.Context, s *Service) error { _, err := s.Queue(ctx, "k"); return err },
		"queues":  func(ctx context.Context, s *Service) error { _, err := s.Queues(ctx, "", "", 10); return err },
	}
	for name, call := range calls {
		for _, c := range []struct{ etcd, call, stop time.Duration }{
			{4 * time.Second, grace, grace},
			{grace / 2, grace / 2, grace / 2}, // what takes less is waited for
		} {
			t.Run(name+" of "+c.etcd.String(), func(t *testing.T) {
				onBench(t, 1, func(b *bench) {
					b.stores[0].Intercept(func(ctx context.Context, _ memstore.Op, _ store.Key) memstore.Fault {
						select {
						case <-time.After(c.etcd):
							return memstore.None
						case <-ctx.Done():
							return memstore.Refused
						}
					})
					begin := time.Now()
					called := make(chan time.Duration)
					var err error
					go func() {
						err = call(b.Context(), b.services[0])
						called <- time.Since(begin)
					}()
					synctest.Wait()
					ctx, cancel := context.WithTimeout(b.Context(), grace)
					defer cancel()
					b.services[0].Close(ctx)
					if took := time.Since(begin); took != c.stop {
						b.Errorf("the service took %v to close, want %v", took, c.stop)
					}
					if took := <-called; took != c.call || (c.call < c.etcd) != errors.Is(err, store.ErrUnavailable) {
						b.Errorf("the call took %v (%v), want %v", took, err, c.call)
					}
				})
			})
		}
	}
}
