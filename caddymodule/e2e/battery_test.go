package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A gateway is a drop-in if whoever spoke to etcd's address speaks to its own and
// notices nothing. So there are pairs of equal etcds, one asked directly, the other
// through a gateway. Both get the same steps in the same order, and whatever differs
// beyond what battery_masks_test.go lists fails the test.

// step is a command or a request, and all that comes back: its transcript.
type step struct {
	name string
	want string // is in the transcript of the etcd that is asked directly
	run  func(ctx context.Context, s *side) string
}

// group is steps that belong together, in order.
type group struct {
	name  string
	steps func() []step
}

// pair is a kind of etcd, and the groups of steps that it gets.
type pair struct {
	name    string
	version etcdtest.Version
	v2      bool   // etcd has its v2 API
	api     string // of the gateway, if not the usual
	secure  bool   // TLS from the client to the gateway, and from there to etcd
	groups  []group
}

func pairs() []pair {
	return []pair{
		{name: "commands on 3.7", version: etcdtest.V37, groups: commands},
		{name: "commands on 3.5", version: etcdtest.V35, v2: true, groups: commands},
		{name: "clients on 3.7", version: etcdtest.V37, groups: clients},
		{name: "clients on 3.5", version: etcdtest.V35, v2: true, groups: clients},
		{name: "requests on 3.7", version: etcdtest.V37, groups: requests},
		{name: "requests on 3.5", version: etcdtest.V35, v2: true, groups: requests},
		{name: "v2 on 3.5", version: etcdtest.V35, v2: true, api: "v2", groups: version2},
		{name: "TLS on 3.7", version: etcdtest.V37, secure: true, groups: secured},
		{name: "TLS on 3.5", version: etcdtest.V35, v2: true, secure: true, groups: secured},
	}
}

func TestBattery(t *testing.T) {
	t.Parallel()
	for _, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			w := p.start(t)
			for _, g := range p.groups {
				t.Run(g.name, func(t *testing.T) {
					for _, s := range g.steps() {
						if t.Run(s.name, func(t *testing.T) { w.compare(t, p.name+": "+g.name, s) }); w.late {
							return
						}
					}
				})
			}
		})
	}
}

// Each version of etcd gets at least 150 steps.
func TestBattery_size(t *testing.T) {
	size := make(map[etcdtest.Version]int)
	for _, p := range pairs() {
		for _, g := range p.groups {
			size[p.version] += len(g.steps())
		}
	}
	for _, version := range []etcdtest.Version{etcdtest.V37, etcdtest.V35} {
		t.Logf("etcd %s: %d steps", version, size[version])
		if size[version] < 150 {
			t.Errorf("etcd %s gets %d steps, want at least 150", version, size[version])
		}
	}
}

// compare has both of them do a step, and their transcripts be equal.
func (w *twins) compare(t *testing.T, group string, s step) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	direct, through := w.both(ctx, s)
	if ctx.Err() != nil {
		t.Errorf("the step takes too long; its group's others are left out")
		w.late = true
	}
	// Today's etcd has spaces in JSON or not, as it was built.
	if !strings.Contains(direct, s.want) && !strings.Contains(strings.NewReplacer(": ", ":", ", ", ",").Replace(direct), s.want) {
		t.Errorf("asked directly, etcd does not say %q:\n%s", s.want, direct)
	}
	differs := difference(direct, through)
	if reason := knownToDiffer(group + ": " + s.name); reason != "" {
		if differs == "" {
			t.Errorf("this is known to differ, and no longer does (%s)", reason)
		}
		return
	}
	if differs != "" {
		t.Errorf("the gateway differs from etcd:\n%s", differs)
	}
}

// both has both of them do a step, and returns their transcripts.
func (w *twins) both(ctx context.Context, s step) (direct, through string) {
	var running sync.WaitGroup
	running.Go(func() { direct = w.direct.masked(s.run(ctx, w.direct)) })
	running.Go(func() { through = w.through.masked(s.run(ctx, w.through)) })
	running.Wait()
	return direct, through
}

// difference is where two transcripts differ, and a little before and after it; or
// nothing.
func difference(direct, through string) string {
	if direct == through {
		return ""
	}
	const around = 80
	start := 0
	for start < min(len(direct), len(through)) && direct[start] == through[start] {
		start++
	}
	end := 0
	for end < min(len(direct), len(through))-start && direct[len(direct)-1-end] == through[len(through)-1-end] {
		end++
	}
	cut := func(text string) string {
		return fmt.Sprintf("%.1000q", text[max(0, start-around):min(len(text), len(text)-end+around)])
	}
	return "etcd:    " + cut(direct) + "\ngateway: " + cut(through)
}
