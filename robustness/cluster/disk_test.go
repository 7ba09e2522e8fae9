package cluster

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A slow disk is slow: etcd's members say so themselves, and writes wait for it. It is as
// it was before afterwards.
func TestSlowDisk(t *testing.T) {
	if err := CanSlowDisks(); err != nil {
		t.Skipf("disks can't be made slow here: %v", err)
	}
	const delay = 200 * time.Millisecond
	for _, api := range []string{"v3", "v2"} {
		t.Run(api, func(t *testing.T) {
			members := startEtcd(t, api).Members
			quick := func() {
				t.Helper()
				deadline := time.Now().Add(30 * time.Second) // the machine may be busy
				for took := write(t, members[0]); took >= delay; took = write(t, members[0]) {
					if time.Now().After(deadline) {
						t.Errorf("a write takes %v though nothing is the matter", took)
						return
					}
				}
			}
			quick()
			var slow slowDisks
			if err := slow.begin(members, delay); err != nil {
				t.Fatal(err)
			}
			var before [3]disk
			for i, m := range members {
				before[i] = look(t, m)
			}
			now, enough := before, false
			for deadline := time.Now().Add(30 * time.Second); !enough && time.Now().Before(deadline); {
				if took := write(t, members[0]); took < delay {
					t.Errorf("a write takes %v, with disks that take %v", took, delay)
				}
				enough = true // a write does not wait for the slowest of the three
				for i, m := range members {
					now[i] = look(t, m)
					enough = enough && now[i].syncs >= before[i].syncs+3
				}
			}
			if !enough {
				t.Fatalf("not every member has written to its disk: %v, and before %v", now, before)
			}
			for i := range members {
				now := now[i]
				mean := (now.seconds - before[i].seconds) / (now.syncs - before[i].syncs)
				t.Logf("member %d waits %.3f s for its disk", i, mean)
				if !(mean > delay.Seconds()/2) { // one sync may have begun before
					t.Errorf("member %d does not wait for its disk", i)
				}
			}
			if err := slow.end(); err != nil {
				t.Error(err)
			}
			quick()
		})
	}
}

// write is how long a write takes that succeeds. Where nothing is quick, etcd may look for
// another leader meanwhile.
func write(t *testing.T, m *etcdtest.Process) time.Duration {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		begin := time.Now()
		resp, err := http.Post(m.Endpoint+"/v3/kv/put", "application/json", strings.NewReader(`{"key":"aw=="}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return time.Since(begin)
		}
		if time.Now().After(deadline) {
			t.Fatalf("a write: %s", resp.Status)
		}
	}
}

// disk is how often etcd has waited until its log was on disk, and how long in all.
type disk struct{ syncs, seconds float64 }

func look(t *testing.T, m *etcdtest.Process) (d disk) {
	t.Helper()
	resp, err := http.Get(m.Endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		const metric = "etcd_disk_wal_fsync_duration_seconds_"
		n, _ := fmt.Sscanf(lines.Text(), metric+"sum %g", &d.seconds)
		found += n
		n, _ = fmt.Sscanf(lines.Text(), metric+"count %g", &d.syncs)
		found += n
	}
	if found != 2 {
		t.Fatal("etcd does not say how long its disk takes")
	}
	return d
}
