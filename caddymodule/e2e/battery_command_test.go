package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// command is a step with etcdctl. In its line, $NAME is what an earlier step has
// learned or noted.
type command struct {
	line    string
	want    string
	stdin   string
	open    bool   // stdin does not end
	learn   string // a regexp with a named group: what etcd has made up, named so in transcripts
	note    string // the same, for what is equal on both sides
	until   string // the command does not end: it is interrupted when it has said this
	repeats bool   // until then, it may say the same line more than once
}

// commanding makes a group's steps of commands with an etcdctl, for one of its APIs.
func commanding(ctl etcdtest.Version, api string, commands []command) func() []step {
	return func() []step {
		var steps []step
		for _, c := range commands {
			steps = append(steps, step{c.line, c.want, func(ctx context.Context, s *side) string {
				out := s.etcdctl(ctx, ctl, api, c)
				s.remember(c.learn, out, s.known)
				s.remember(c.note, out, s.noted)
				return out
			}})
		}
		return steps
	}
}

func (s *side) remember(pattern, out string, in map[string]string) {
	if pattern == "" {
		return
	}
	re := regexp.MustCompile(strings.ReplaceAll(pattern, `":`, `": ?`)) // in JSON, etcd may have a space there
	if found := re.FindStringSubmatch(out); found != nil {
		in[re.SubexpNames()[1]] = found[1]
	}
}

// filled is a text with the values of its variables.
func (s *side) filled(text string) string {
	return os.Expand(text, func(name string) string {
		switch value, ok := s.known[name]; {
		case ok:
			return value
		case name == "HOST":
			return s.host
		case name == "DIR":
			return s.dir
		}
		if value, ok := s.noted[name]; ok {
			return value
		}
		return "$" + name // the shell's
	})
}

// etcdctl runs a command, and returns its transcript.
func (s *side) etcdctl(ctx context.Context, ctl etcdtest.Version, api string, c command) string {
	r := s.startEtcdctl(ctx, ctl, api, c)
	if c.until != "" {
		r.await(c.until)
		r.interrupt()
	}
	said := r.transcript()
	if c.repeats {
		said = strings.Join(slices.Compact(strings.SplitAfter(said, "\n")), "")
	}
	return said
}

// invocation is an etcdctl that runs.
type invocation struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser // if it does not end
	out, err output
	done     chan struct{}
	ended    error
}

func (s *side) startEtcdctl(ctx context.Context, ctl etcdtest.Version, api string, c command) *invocation {
	args := []string{"--endpoints", s.url}
	if api == "2" {
		args = append(args, "--no-sync")
	}
	if s.certificates != nil {
		args = append(args, "--cacert", s.certificates.CA, "--cert", s.certificates.Cert, "--key", s.certificates.Key)
	}
	for _, word := range words(c.line) {
		args = append(args, s.filled(word))
	}
	r := &invocation{cmd: exec.CommandContext(ctx, etcdtest.Etcdctl(s.t, ctl), args...), done: make(chan struct{})}
	r.cmd.Env = os.Environ()
	if ctl == etcdtest.V34 { // the last one that has two
		r.cmd.Env = append(r.cmd.Env, "ETCDCTL_API="+api)
	}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	r.cmd.WaitDelay = time.Second
	etcdtest.EndWithTest(r.cmd)
	if c.open {
		r.stdin, _ = r.cmd.StdinPipe() // closed when the command has ended
	} else {
		r.cmd.Stdin = strings.NewReader(s.filled(c.stdin))
	}
	if r.ended = r.cmd.Start(); r.ended != nil {
		close(r.done)
		return r
	}
	if c.open {
		_ = r.write(s.filled(c.stdin))
	}
	go func() {
		r.ended = r.cmd.Wait()
		close(r.done)
	}()
	return r
}

// words are those of a line; what is between ' is one.
func words(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// await waits until the command has said something, to the end of a line, or ends.
func (r *invocation) await(text string) {
	for {
		said, more := r.out.look()
		if strings.Contains(said, text) && strings.HasSuffix(said, "\n") {
			return
		}
		select {
		case <-more:
		case <-r.done:
			return
		}
	}
}

func (r *invocation) write(text string) error {
	_, err := io.WriteString(r.stdin, text)
	return err
}

func (r *invocation) interrupt() {
	if r.cmd.Process != nil {
		_ = r.cmd.Process.Signal(syscall.SIGINT)
	}
}

// transcript is how the command ended, once it has, and all that it said.
func (r *invocation) transcript() string {
	<-r.done
	end := "exit 0"
	if exit := (*exec.ExitError)(nil); errors.As(r.ended, &exit) {
		end = exit.String()
	} else if r.ended != nil {
		end = r.ended.Error()
	}
	complaints := strings.SplitAfter(r.err.String(), "\n")
	slices.Sort(complaints) // they come from several goroutines
	return fmt.Sprintf("%s\n%s\nstderr:\n%s", end, r.out.String(), strings.Join(complaints, ""))
}

// said is what the command has printed, once it has ended. When it is interrupted,
// it may also complain of that, or not.
func (r *invocation) said() string {
	<-r.done
	return r.out.String()
}

// output is what a process has said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed when there is more, if somebody waits for it
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.text.Write(b)
}

func (o *output) look() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.text.String(), o.more
}

func (o *output) String() string {
	text, _ := o.look()
	return text
}

// decimal is how JSON has an id that commands print in hexadecimal, or nothing.
func decimal(id string) string {
	n, err := strconv.ParseUint(id, 16, 64)
	if err != nil || len(id) < 15 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
