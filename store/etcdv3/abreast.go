package etcdv3

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// abreast is how many requests are made at once for what takes many.
const abreast = 32

// each calls do with every number below n, several at once. It returns the first
// error, after which no more are begun, and one too where ctx ended before all were.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, one := errgroup.WithContext(ctx)
	g.SetLimit(abreast)
	for i := 0; i < n && one.Err() == nil; i++ {
		g.Go(func() error { return do(one, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
