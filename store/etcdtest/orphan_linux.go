package etcdtest

import (
	"os/exec"
	"syscall"
)

// EndWithTest has the kernel kill a process that is still to be started when the
// test's process ends without cleaning up, as it does when its time is over.
func EndWithTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
