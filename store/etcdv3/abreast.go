package etcdv3

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// abreast is how many requests are made at once for what takes many.
const abreast = 32

// each calls do with every number below n, several at once, and returns the first
// error.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(abreast)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}
