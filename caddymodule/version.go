package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
	"go.uber.org/zap"
)

// versionTimeout is how long a start waits for etcd to tell its version.
const versionTimeout = 2 * time.Second

// told is what an endpoint says.
type told struct {
	endpoint string
	version  string
	err      error
}

// check asks etcd for its version, if it has not told it yet. An etcd without
// the API is an error. One that does not answer is not: it may come back.
func (c *connection) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checked {
		return nil
	}
	answer := c.settings.version()
	if answer.err != nil {
		c.logger.Warn("etcd does not tell its version; locks are refused until it can be reached",
			zap.Strings("endpoints", c.settings.Endpoints), zap.Error(answer.err))
		return nil
	}
	major, _, _ := strings.Cut(answer.version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < 3 {
		return fmt.Errorf("etcd at %s is %s, which has no v3 API: set `api v2` in the global etcd option", answer.endpoint, answer.version)
	}
	c.checked = true
	return nil
}

// version asks all endpoints at once; the first that answers counts.
func (s settings) version() told {
	transport := &http.Transport{DisableKeepAlives: true}
	if s.Secure {
		var err error
		if transport.TLSClientConfig, err = s.TLS.client(); err != nil {
			return told{err: fmt.Errorf("tls: %w", err)}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	answers := make(chan told, len(s.Endpoints))
	for _, endpoint := range s.Endpoints {
		go func() {
			version, err := getVersion(ctx, endpoint, transport)
			answers <- told{endpoint, version, err}
		}()
	}
	var errs []error
	for range s.Endpoints {
		a := <-answers
		if a.err == nil {
			return a
		}
		errs = append(errs, fmt.Errorf("asking %s: %w", a.endpoint, a.err))
	}
	return told{err: errors.Join(errs...)}
}

func getVersion(ctx context.Context, endpoint string, transport *http.Transport) (string, error) {
	client, err := clientv2.New(clientv2.Config{Endpoints: []string{endpoint}, Transport: transport})
	if err != nil {
		return "", err
	}
	versions, err := client.GetVersion(ctx)
	if err != nil {
		return "", err
	}
	return versions.Server, nil
}
