package caddymodule_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
)

// A member that ends in good order says which requests on a connection it has not read
// (GOAWAY). None of the others is sent again.
func TestMembers_goAway(t *testing.T) {
	t.Parallel()
	transport := newTransport(t, new(caddymodule.Transport))
	for range 5 {
		f := newFake(t)
		var running sync.WaitGroup
		var mu sync.Mutex
		answered := make(map[string]bool)
		enough := make(chan struct{})
		for c := range 8 {
			running.Go(func() {
				for i := 0; ; i++ {
					text := fmt.Sprintf("%d %d", c, i)
					if sent(transport, grpcRequest(t, f.address, io.MultiReader(strings.NewReader(text)))) != nil {
						return // it has ended
					}
					mu.Lock()
					answered[text] = true
					if len(answered) == 100 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := f.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		running.Wait()
		arrived := make(map[string]int)
		for _, body := range f.bodies() {
			arrived[body]++
			if arrived[body] > 1 {
				t.Errorf("%q arrived %d times", body, arrived[body])
			}
		}
		for text := range answered {
			if arrived[text] == 0 {
				t.Errorf("%q was answered and has not arrived", text)
			}
		}
	}
}
