package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// An event is at the client within 50 ms of being at etcd. It measures: no other
// test runs meanwhile.
func TestBattery_delay(t *testing.T) {
	etcd := etcdtest.StartV2(t, etcdtest.V35)
	g := start(t, onEtcd(etcd.Endpoint))
	for _, e := range ears {
		t.Run(e.name, func(t *testing.T) {
			median, err := e.delay(t, etcd.Endpoint, g.url, 100)
			t.Logf("the gateway takes %v", median)
			if err != nil || median > 50*time.Millisecond {
				t.Errorf("an event is at the gateway's client %v after etcd's (%v)", median, err)
			}
		})
	}
}

// delay is how much later events come in through the gateway than from etcd: the
// median. None of them may wait for the next one.
func (e ear) delay(t *testing.T, direct, through string, events int) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	near, far := e.listen(ctx, t, direct), e.listen(ctx, t, through)
	var delays []time.Duration
	for i := range events {
		if err := e.write(ctx, direct); err != nil {
			return 0, err
		}
		var arrived [2]time.Time
		for side, events := range []<-chan time.Time{near, far} {
			select {
			case arrived[side] = <-events:
			case <-time.After(5 * time.Second):
				return 0, fmt.Errorf("event %d has not come in within 5 s", i)
			}
		}
		delays = append(delays, arrived[1].Sub(arrived[0]))
	}
	slices.Sort(delays)
	return delays[len(delays)/2], nil
}

// Whoever listens and hears nothing for minutes hears what then happens. The test
// has to last as long as that; meanwhile others run.
func TestBattery_idle(t *testing.T) {
	t.Parallel()
	const quiet = 125 * time.Second
	etcd := etcdtest.StartV2(t, etcdtest.V35)
	g := start(t, onEtcd(etcd.Endpoint))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var listening []<-chan time.Time
	for _, e := range ears {
		listening = append(listening, e.listen(ctx, t, g.url))
	}
	select {
	case <-time.After(quiet): // this is what is tested
	case <-ctx.Done():
	}
	for _, write := range []func(context.Context, string) error{writeV2, writeV3} {
		if err := write(ctx, etcd.Endpoint); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range ears {
		select {
		case <-listening[i]:
		case <-time.After(5 * time.Second):
			t.Errorf("%s has not heard of what happened after %v", e.name, quiet)
		}
	}
}
