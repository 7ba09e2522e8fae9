//go:build !linux

package etcdtest

import "os/exec"

// EndWithTest does nothing: only Linux can do it.
func EndWithTest(*exec.Cmd) {}
