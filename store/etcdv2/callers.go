package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	client "go.etcd.io/etcd/client/v2"
)

// The client library, left to itself, sends a request again to the next member
// when one has failed. That is wrong for writes: the first may have taken effect,
// and an entry made in order would be made twice. It also does not say whether a
// request was sent, nor give the transport its context. So each call goes through
// a caller: a client that knows one endpoint, which is none, and a transport that
// sends the request to the member whose turn it is, once.

// somewhere is the endpoint that the library knows.
const somewhere = "http://etcd"

// callers are shared by all calls of a store.
type callers struct {
	transport http.RoundTripper
	members   []*url.URL
	turn      atomic.Uint64 // modulo their number: the member to ask
	free      sync.Pool

	mu       sync.Mutex
	last     uint64
	atMember map[uint64]func() // what waits for an answer of the member whose turn it is
}

// caller makes one call at a time.
type caller struct {
	*callers
	keys client.KeysAPI

	// Of the call under way:
	ctx         context.Context
	sent        atomic.Bool             // the request may have reached a member
	foreign     atomic.Bool             // whoever answered is no etcd with the v2 API
	established atomic.Uint64           // of a watch: etcd's index when it began
	answered    atomic.Pointer[moments] // when a member began to answer
	onAnswer    func()                  // called then; may be nil
}

// moments are one, by this process's clock and, in whole seconds, by the member's.
type moments struct{ here, there time.Time }

func newCallers(opts Options) (*callers, error) {
	c := &callers{atMember: make(map[uint64]func()), transport: &http.Transport{
		DialContext: (&net.Dialer{
			Timeout: 2 * time.Second,
			// A watch on a connection that is dead would not end.
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		}).DialContext,
		TLSClientConfig:     opts.TLS,
		TLSHandshakeTimeout: 3 * time.Second,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
	}}
	for _, endpoint := range opts.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
		}
		c.members = append(c.members, u)
	}
	if len(c.members) == 0 {
		return nil, errors.New("no endpoints")
	}
	build := func() (*caller, error) {
		one := &caller{callers: c}
		cli, err := client.New(client.Config{
			Endpoints: []string{somewhere},
			Transport: one,
			Username:  opts.Username,
			Password:  opts.Password,
		})
		if err != nil {
			return nil, fmt.Errorf("making a client: %w", err)
		}
		one.keys = client.NewKeysAPI(cli)
		return one, nil
	}
	first, err := build()
	if err != nil {
		return nil, err
	}
	c.free.Put(first)
	c.free.New = func() any {
		one, err := build()
		if err != nil {
			panic(err) // the first was made of the same
		}
		return one
	}
	return c, nil
}

// take returns a caller for one call, which has to be put back.
func (c *callers) take(ctx context.Context) *caller {
	one := c.free.Get().(*caller)
	one.ctx = ctx
	one.sent.Store(false)
	one.foreign.Store(false)
	one.established.Store(0)
	one.answered.Store(nil)
	return one
}

func (c *caller) put() {
	c.ctx, c.onAnswer = nil, nil
	c.free.Put(c)
}

func (c *callers) close() { (&http.Client{Transport: c.transport}).CloseIdleConnections() }

// RoundTrip sends a request to the member whose turn it is. If that fails, it is
// the next one's turn from then on.
func (c *caller) RoundTrip(req *http.Request) (*http.Response, error) {
	turn := c.turn.Load()
	member := c.members[turn%uint64(len(c.members))]
	trace := &httptrace.ClientTrace{WroteHeaders: func() { c.sent.Store(true) }}
	req = req.Clone(httptrace.WithClientTrace(c.ctx, trace))
	req.URL.Scheme, req.URL.Host, req.Host = member.Scheme, member.Host, member.Host

	resp, err := c.transport.RoundTrip(req)
	switch {
	case err != nil:
	case resp.Header.Get("X-Etcd-Cluster-Id") == "":
		// What stands between may have handed the request on, and got no answer.
		c.foreign.Store(resp.StatusCode < http.StatusInternalServerError)
		err = fmt.Errorf("%s answers %s, and not as the v2 API does", member.Host, resp.Status)
	case resp.StatusCode >= http.StatusInternalServerError:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		err = fmt.Errorf("%s answers %s: %s", member.Host, resp.Status, text)
	default:
		if index, err := strconv.ParseUint(resp.Header.Get("X-Etcd-Index"), 10, 64); err == nil {
			c.established.Store(index)
		}
		there, _ := http.ParseTime(resp.Header.Get("Date"))
		c.answered.Store(&moments{time.Now(), there})
		if c.onAnswer != nil {
			c.onAnswer()
		}
		return resp, nil
	}
	if resp != nil {
		_ = resp.Body.Close()
	}
	if c.ctx.Err() == nil || errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		c.passOn(turn)
	}
	return nil, err
}

// passOn makes it the next member's turn, unless it is that already.
func (c *callers) passOn(turn uint64) {
	if !c.turn.CompareAndSwap(turn, turn+1) || len(c.members) == 1 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, moved := range c.atMember {
		moved()
	}
}

// whenTurnMoves has moved called whenever it becomes another member's turn, until
// the function that it returns is called.
func (c *callers) whenTurnMoves(moved func()) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	key := c.last
	c.atMember[key] = moved
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.atMember, key)
	}
}

// CancelRequest is what the library's interface wants; the context does it.
func (c *caller) CancelRequest(*http.Request) {}
