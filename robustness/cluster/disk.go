package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// slowDisks are those of etcds.
type slowDisks []*slowDisk

func (d *slowDisks) begin(of []*etcdtest.Process, delay time.Duration) error {
	for _, m := range of {
		slow, err := slowDown(m.PID(), delay)
		if err != nil {
			return err
		}
		*d = append(*d, slow)
	}
	return nil
}

func (d slowDisks) end() error {
	var wrong []error
	for _, slow := range d {
		wrong = append(wrong, slow.end())
	}
	return errors.Join(wrong...)
}

// slowDisk is a strace that holds up a process.
type slowDisk struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	err   error         // with that
	said  bytes.Buffer
}

// slowDown has each write to disk of a process take so much longer, from now on.
func slowDown(pid int, delay time.Duration) (*slowDisk, error) {
	d := &slowDisk{ended: make(chan struct{})}
	d.cmd = exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-p", strconv.Itoa(pid),
		"-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync,fdatasync:delay_exit=%d", delay.Microseconds()))
	d.cmd.Stderr = &d.said
	etcdtest.EndWithTest(d.cmd)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.ended)
	}()
	for deadline := time.Now().Add(10 * time.Second); !traced(pid); {
		select {
		case <-d.ended:
			return nil, fmt.Errorf("strace has ended: %v: %s", d.cmd.ProcessState, &d.said)
		case <-time.After(time.Millisecond): // between two looks
		}
		if time.Now().After(deadline) {
			_ = d.cmd.Process.Kill()
			<-d.ended
			return nil, fmt.Errorf("strace does not attach: %s", &d.said)
		}
	}
	return d, nil
}

// traced says whether all threads of a process are traced.
func traced(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(status), "TracerPid:\t0\n") { // else the thread has ended
			return false
		}
	}
	return len(threads) > 0
}

// end has the process be as it was.
func (d *slowDisk) end() error {
	select {
	case <-d.ended:
		return fmt.Errorf("strace has ended by itself: %v: %s", d.cmd.ProcessState, &d.said)
	default:
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	select {
	case <-d.ended:
		if exit := new(exec.ExitError); errors.As(d.err, &exit) {
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGINT {
				return nil
			}
		}
		if d.err != nil {
			return fmt.Errorf("strace: %w: %s", d.err, &d.said)
		}
		return nil
	case <-time.After(10 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("strace does not detach: %s", &d.said)
	}
}

// CanSlowDisks says why disks can't be made slow here, if that is so.
func CanSlowDisks() error {
	// Something to try it on, which ends with its input.
	cat := exec.Command("cat")
	etcdtest.EndWithTest(cat)
	input, err := cat.StdinPipe()
	if err != nil {
		return err
	}
	if err := cat.Start(); err != nil {
		return err
	}
	defer func() { _ = cat.Wait() }()
	defer input.Close()
	slow, err := slowDown(cat.Process.Pid, time.Millisecond)
	if err != nil {
		return err
	}
	return slow.end()
}
