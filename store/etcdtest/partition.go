package etcdtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Cluster is three etcds that reach each other over wires.
type Cluster struct {
	Members []*Process

	wires []*Wire  // to each of them
	ids   []string // in hex

	dialing sync.Mutex
	dialers map[netip.AddrPort]int // which member's connections come from where,
	known   time.Time              // as of then
}

// StartWired starts a cluster like StartCluster's, which can be parted. Only Linux says
// which member has made a connection; elsewhere the test is skipped.
func StartWired(t testing.TB, version Version, options ...Option) *Cluster {
	t.Helper()
	if !knowsDialers {
		t.Skip("who has made a connection is not known here")
	}
	c := new(Cluster)
	var listen, wired, cluster [3]string
	for i := range listen {
		listen[i], wired[i] = "http://"+FreeAddress(t), FreeAddress(t)
		cluster[i] = member(i) + "=http://" + wired[i]
	}
	for i := range listen {
		own := []Option{WithFlags("--name", member(i), "--initial-cluster", strings.Join(cluster[:], ","),
			"--listen-peer-urls", listen[i], "--initial-advertise-peer-urls", "http://"+wired[i])}
		c.Members = append(c.Members, newProcess(t, version, append(own, options...)...))
	}
	for i := range listen {
		c.wires = append(c.wires, newWire(t, wired[i], listen[i], c.dialer))
	}
	RestartCluster(t, c.Members)
	c.ids = c.memberIDs(t)
	return c
}

// memberIDs asks for the members' ids, and returns them in the order of their names.
func (c *Cluster) memberIDs(t testing.TB) []string {
	t.Helper()
	var list struct {
		Members []struct{ ID, Name string }
	}
	resp, err := http.Post(c.Members[0].Endpoint+"/v3/cluster/member/list", "application/json", strings.NewReader("{}"))
	if err == nil {
		err = json.NewDecoder(resp.Body).Decode(&list)
		_ = resp.Body.Close()
	}
	ids := make([]string, len(c.Members))
	for _, m := range list.Members {
		id, wrong := strconv.ParseUint(m.ID, 10, 64)
		for i := range ids {
			if wrong == nil && m.Name == member(i) {
				ids[i] = strconv.FormatUint(id, 16)
			}
		}
	}
	for i, id := range ids {
		if id == "" || err != nil {
			t.Fatalf("etcd does not say the id of %s: %v, %v", member(i), list, err)
		}
	}
	return ids
}

// dialer is the member that has made a connection, which was accepted at that time. Its requests
// don't all say so: with X-Server-From raft's do, but neither a keepalive that a follower passes on
// to the leader, nor a probe; and etcd sends any of them on whichever connection is free.
func (c *Cluster) dialer(accepted net.Conn, at time.Time) (member int, ok bool) {
	c.dialing.Lock()
	defer c.dialing.Unlock()
	address := accepted.RemoteAddr().(*net.TCPAddr).AddrPort()
	if c.known.After(at) { // to ask for each connection would take too long
		if member, ok = c.dialers[address]; ok {
			return member, ok
		}
	}
	c.known = time.Now()
	var pids []int
	for _, m := range c.Members {
		pids = append(pids, int(m.pid.Load()))
	}
	c.dialers = connections(pids)
	member, ok = c.dialers[address]
	return member, ok
}

// Part has a member neither reach the others nor be reached by them, until Join.
func (c *Cluster) Part(i int) {
	var others []int
	for j := range c.wires {
		if j != i {
			others = append(others, j)
			c.wires[j].Apart(i)
		}
	}
	c.wires[i].Apart(others...)
}

// Join has all members reach each other again.
func (c *Cluster) Join() {
	for _, w := range c.wires {
		w.Apart()
	}
}

// Leader is the number of the member that leads, as most of them say; -1 if none does.
func (c *Cluster) Leader() int {
	votes := make(map[string]int)
	for _, m := range c.Members {
		var status struct{ Leader string }
		resp, err := m.client().Post(m.Endpoint+"/v3/maintenance/status", "application/json", strings.NewReader("{}"))
		if err != nil {
			continue
		}
		_ = json.NewDecoder(resp.Body).Decode(&status)
		_ = resp.Body.Close()
		votes[status.Leader]++
	}
	for i, id := range c.ids {
		n, _ := strconv.ParseUint(id, 16, 64)
		if votes[fmt.Sprint(n)] > len(c.ids)/2 {
			return i
		}
	}
	return -1
}

// Delay has everything between members arrive so much later.
func (c *Cluster) Delay(delay time.Duration) {
	for _, w := range c.wires {
		w.Delay(delay)
	}
}
