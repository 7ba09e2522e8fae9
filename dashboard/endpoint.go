package dashboard

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// What is read of an answer at most, whoever it is that answers.
const (
	mostJSON    = 1 << 20
	mostMetrics = 8 << 20
)

// endpoint is one of the gateway's endpoints, asked over HTTP.
type endpoint struct {
	base   string // of its URLs
	host   string // as its operator knows it; empty if it is a socket of this process
	client *http.Client
}

// newEndpoints makes them of URLs, or of a unix:PATH. They share the connections.
func newEndpoints(addresses []string, config *tls.Config) ([]*endpoint, *http.Transport) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     config,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	var endpoints []*endpoint
	for _, address := range addresses {
		e := &endpoint{base: address, client: client}
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			e.base = "http://localhost" // etcd knows it by that name
			transport.Proxy = nil
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}
		} else {
			_, e.host, _ = strings.Cut(address, "://")
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, transport
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request; a body makes it a POST.
func (e *endpoint) send(ctx context.Context, method, path, body, token string, most int64) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.base+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return reply{}, err
	case int64(len(text)) > most:
		return reply{}, errNoEtcd
	}
	return reply{resp.StatusCode, resp.Header, text}, nil
}

// get has JSON decoded into v.
func (e *endpoint) get(ctx context.Context, path string, v any) error {
	r, err := e.send(ctx, http.MethodGet, path, "", "", mostJSON)
	if err != nil {
		return err
	}
	return r.decode(v)
}

func (r reply) decode(v any) error {
	if r.status != http.StatusOK {
		return trouble(fmt.Sprintf("answers with an error (HTTP status %d)", r.status))
	}
	if json.Unmarshal(r.body, v) != nil {
		return errNoEtcd
	}
	return nil
}

// trouble is an error in words for people, with no address in it.
type trouble string

func (t trouble) Error() string { return string(t) }

const (
	errNoEtcd   = trouble("answers, but not as etcd does")
	errSilent   = trouble("does not answer")
	errRefused  = trouble("cannot be reached: nothing listens at its address")
	errAway     = trouble("cannot be reached")
	errDistrust = trouble("shows a TLS certificate that the gateway does not trust")
	errBroken   = trouble("breaks the connection off")
	errNoTLS    = trouble("does not speak TLS")
	errAlert    = trouble("refuses the gateway's TLS connection")
)

// words makes a trouble of an error.
func words(err error) trouble {
	var t trouble
	var op *net.OpError
	switch {
	case errors.As(err, &t):
		return t
	case errors.Is(err, context.DeadlineExceeded):
		return errSilent
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT): // a socket's file
		return errRefused
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return errDistrust
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return errNoTLS
	case errors.As(err, &op) && op.Op == "remote error":
		return errAlert
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // so does one that wants TLS, or does not
		return errBroken
	}
	return errAway
}
