// Package client asks gateways over HTTP, as any script would, and takes down what it
// asked and what it was answered. It knows the contract, and none of the project's code.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Client is one client of some gateways, with connections of its own.
type Client struct {
	id       int
	gateways []string // their URLs
	recorder *history.Recorder
	http     *http.Client
	resets   bool
}

// Option says how a client differs from the usual.
type Option func(*Client)

// Resets has the client go without a goodbye: its connections end with a TCP reset.
func Resets() Option { return func(c *Client) { c.resets = true } }

// New returns a client with that number. Close it.
func New(id int, gateways []string, recorder *history.Recorder, base *http.Transport, options ...Option) *Client {
	c := &Client{id: id, gateways: gateways, recorder: recorder}
	for _, option := range options {
		option(c)
	}
	transport := base.Clone()
	transport.DialContext = c.dial
	transport.DisableCompression = true
	c.http = &http.Client{Transport: transport}
	return c
}

// Close gives the client's connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if tcp, ok := conn.(*net.TCPConn); ok && c.resets {
		err = errors.Join(err, tcp.SetLinger(0))
	}
	return conn, err
}

// clientGone is the status for a client that did not wait for its answer.
const clientGone = 499

// Do sends the request that op describes to its gateway, takes it down, and returns it with
// its answer. If ctx ends, the client goes.
func (c *Client) Do(ctx context.Context, op history.Op) history.Op {
	op.Client = c.id
	req, err := c.request(ctx, op)
	if err != nil {
		panic(err) // there is nothing in it that could be wrong
	}
	op.Call = c.recorder.Now()
	resp, err := c.http.Do(req)
	if err == nil {
		err = read(&op, resp)
	}
	op.Return = c.recorder.Now()
	if err == nil && op.Status == clientGone && ctx.Err() != nil {
		err = ctx.Err() // over TLS, a client that goes says so, and may hear what is answered to that
	}
	if err != nil {
		op.Status, op.Error, op.Left = 0, err.Error(), ctx.Err() != nil
		if cause := context.Cause(ctx); op.Left && !errors.Is(cause, context.Canceled) {
			op.Error = cause.Error()
		}
	}
	c.recorder.Op(op)
	return op
}

// request is the HTTP request for an operation. Parameters are in the query and in the
// body, by turns: it should not matter.
func (c *Client) request(ctx context.Context, op history.Op) (*http.Request, error) {
	form, value := url.Values{}, "value"
	if op.Space == history.Leader {
		value = "name"
	}
	if op.HasValue {
		form.Set(value, op.Value)
	}
	if op.Index != 0 {
		form.Set("index", strconv.FormatUint(op.Index, 10))
	}
	if op.TTL != 0 {
		form.Set("ttl", strconv.Itoa(op.TTL))
	}
	if op.Kind == history.Acquire && op.Timeout != history.Forever {
		form.Set("timeout", strconv.Itoa(op.Timeout))
	}
	target := c.gateways[op.Gateway-1] + "/mod/v2/" + op.Space + "/" + (&url.URL{Path: op.Key}).EscapedPath()
	var body io.Reader
	method := map[history.Kind]string{
		history.Acquire: http.MethodPost, history.Renew: http.MethodPut, history.Release: http.MethodDelete,
		history.Get: http.MethodGet, history.Holds: http.MethodGet,
	}[op.Kind]
	if op.Space == history.Leader && op.Kind == history.Acquire {
		method = http.MethodPut
	}
	inBody := method != http.MethodGet && (c.id+len(op.Key))%2 == 0
	if inBody {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if inBody {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if op.Kind == history.Get {
		req.Header.Set("Accept", "application/json")
	}
	return req, nil
}

// read takes an answer in.
func read(op *history.Op, resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	op.Status = resp.StatusCode
	switch {
	case op.Status != http.StatusOK:
		var answer struct{ ErrorCode int }
		if json.Unmarshal(body, &answer) == nil {
			op.Code = answer.ErrorCode
		}
		op.Error = strings.TrimSpace(string(body))
	case op.Kind == history.Acquire:
		op.Got, err = strconv.ParseUint(string(body), 10, 64)
		if err != nil || op.Got == 0 {
			return fmt.Errorf("the index is %q", body)
		}
	case op.Kind == history.Get:
		var view struct {
			Index uint64
			Value string
		}
		if err := json.Unmarshal(body, &view); err != nil {
			return fmt.Errorf("the lock is %q: %w", body, err)
		}
		op.Got, op.Shown = view.Index, view.Value
	}
	return nil
}

// Transport is what clients' transports are made from, for gateways without TLS.
func Transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second}
}
