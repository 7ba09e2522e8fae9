package e2e

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// `etcdctl check perf` goes through without an error. Whether it passes says more of
// the machine than of the gateway. It takes a minute.
func TestBattery_perf(t *testing.T) {
	t.Parallel()
	w := pair{version: etcdtest.V37}.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var checking sync.WaitGroup
	for _, s := range []*side{w.direct, w.through} {
		checking.Go(func() {
			said := s.etcdctl(ctx, etcdtest.V37, "3", command{line: "check perf --load s"})
			for _, line := range []string{
				`(PASS: Throughput is|FAIL: Throughput too low:) \d+ writes/s`,
				`(PASS: Slowest request took|Slowest request took too long:) [\d.]+s`,
				`(PASS: Stddev is|Stddev too high:) [\d.]+s`,
				`(?m)^(PASS|FAIL)$`,
			} {
				if !regexp.MustCompile(line).MatchString(said) {
					t.Errorf("%s: the report has no line %q", s.url, line)
				}
			}
			if strings.Contains(strings.ToLower(said), "error") {
				t.Errorf("%s: there are errors", s.url)
			}
			t.Logf("%s: %s", s.url, regexp.MustCompile(`(PASS|FAIL)(: .*)?`).FindAllString(said, -1))
		})
	}
	checking.Wait()
}
