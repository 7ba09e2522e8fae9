package etcdtest

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// StartCluster starts a cluster of three etcds, and kills them when the test ends.
// The options are for each of them. If there is none of that version, the test is
// skipped.
func StartCluster(t testing.TB, version Version, options ...Option) []*Process {
	t.Helper()
	var peers, cluster [3]string
	for i := range peers {
		peers[i] = "http://" + FreeAddress(t)
		cluster[i] = member(i) + "=" + peers[i]
	}
	members := make([]*Process, len(peers))
	for i, peer := range peers {
		own := []Option{WithFlags("--name", member(i), "--initial-cluster", strings.Join(cluster[:], ","),
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer)}
		members[i] = newProcess(t, version, append(own, options...)...)
	}
	RestartCluster(t, members)
	return members
}

// RestartCluster starts stopped members again, on the same data and ports, and
// waits until all of them serve.
func RestartCluster(t testing.TB, members []*Process) {
	t.Helper()
	for _, m := range members {
		m.run(t)
	}
	for _, m := range members {
		m.await(t) // which needs two of them
	}
}

func member(i int) string { return "member" + strconv.Itoa(i) }

// Terminate asks the etcd to end, as its operator would, and waits until it has. Its
// data stay, for Restart.
func (p *Process) Terminate() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	p.cmd = nil
}

// Hang stops the etcd as it is, or has it go on. Until then it does nothing, while
// the system takes connections and bytes for it.
func (p *Process) Hang(hang bool) {
	signal := syscall.SIGCONT
	if hang {
		signal = syscall.SIGSTOP
	}
	if err := p.cmd.Process.Signal(signal); err != nil && hang {
		p.t.Errorf("stopping etcd %s: %v", p.version, err)
	}
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }
