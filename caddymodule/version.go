package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
	"go.uber.org/zap"
)

// versionTimeout is how long a start waits for etcd to tell its version.
const versionTimeout = 2 * time.Second

// An etcd that did not answer at the start is asked again, ever more rarely.
const (
	askAgainFirst = time.Second
	askAgainLast  = time.Minute
)

// check asks etcd whether it has the API, if it has not told it yet. An etcd
// without it is an error. One that does not answer is not: it may come back, and
// is asked again in the background until it has.
func (c *connection) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checked {
		return nil
	}
	answered, err := c.settings.check(c.ctx)
	if answered {
		c.checked = err == nil
		return err
	}
	c.logger.Warn("etcd does not tell its version; locks are refused until it can be reached",
		zap.Strings("endpoints", c.settings.Endpoints), zap.Error(err))
	if !c.asking {
		c.asking = true
		c.work.Go(c.askAgain)
	}
	return nil
}

// askAgain asks etcd until it answers, or the connection ends. If it is the wrong
// one, the log is all that says why every request is refused.
func (c *connection) askAgain() {
	for pause := askAgainFirst; ; pause = min(2*pause, askAgainLast) {
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(pause):
		}
		answered, err := c.settings.check(c.ctx)
		if !answered {
			continue
		}
		if err != nil {
			c.logger.Error("etcd answers now, but cannot keep the locks", zap.Error(err))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asking = false
		c.checked = err == nil
		return
	}
}

// member is one of etcd's members that has told its version.
type member struct {
	endpoint string
	version  string
	numbers  [3]int // of the version
	client   clientv2.Client
}

func (m member) before(numbers ...int) bool { return slices.Compare(m.numbers[:], numbers) < 0 }

// oldest is the first version whose watches miss nothing where keys are refreshed.
var oldest = []int{2, 3, 6}

func (m member) unfit(because string) error {
	return fmt.Errorf("etcd at %s is %s, %s", m.endpoint, m.version, because)
}

// check says whether an etcd answers, and if so, whether it can keep the locks.
// All endpoints are asked at once, and the first that answers counts: a cluster
// whose members differ in that is not found out here.
func (s settings) check(ctx context.Context) (answered bool, err error) {
	tls, err := s.tls()
	if err != nil {
		return false, err
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: tls}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	type answer struct {
		member
		has bool
		err error
	}
	answers := make(chan answer, len(s.Endpoints))
	for _, endpoint := range s.Endpoints {
		go func() {
			a := answer{member: member{endpoint: endpoint}}
			if a.err = a.ask(ctx, s, transport); a.err == nil {
				a.has, a.err = apis[s.API].has(ctx, s, a.member)
			}
			answers <- a
		}()
	}
	var errs []error
	for range s.Endpoints {
		a := <-answers
		switch {
		case a.err != nil:
			errs = append(errs, fmt.Errorf("asking %s: %w", a.endpoint, a.err))
			continue
		case a.before(oldest...):
			err = a.unfit("and the gateway needs 2.3.6 or later")
		case !a.has:
			err = a.unfit(apis[s.API].without(a.member))
		}
		return true, err
	}
	return false, errors.Join(errs...)
}

// ask asks a member for its version.
func (m *member) ask(ctx context.Context, s settings, transport *http.Transport) (err error) {
	m.client, err = clientv2.New(clientv2.Config{
		Endpoints: []string{m.endpoint},
		Transport: transport,
		Username:  s.Username,
		Password:  s.Password,
	})
	if err != nil {
		return err
	}
	versions, err := m.client.GetVersion(ctx)
	if err != nil {
		return err
	}
	m.version = cmp.Or(versions.Server, "2.0") // it calls it something else
	if _, err = fmt.Sscanf(m.version, "%d.%d", &m.numbers[0], &m.numbers[1]); err == nil {
		_, _ = fmt.Sscanf(m.version, "%d.%d.%d", &m.numbers[0], &m.numbers[1], &m.numbers[2]) // 2.0 has no third
	}
	return err
}
