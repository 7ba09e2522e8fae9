package lockmod

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// backend is what the HTTP layer needs of a Service.
type backend interface {
	Begin(r Request) (Waiting, error)
	Renew(ctx context.Context, key string, t store.Target, ttl time.Duration) (store.Entry, error)
	Release(ctx context.Context, key string, t store.Target) error
	Holder(ctx context.Context, key string) (store.Entry, error)
	Queue(ctx context.Context, key string) (store.Listing, error)
	Queues(ctx context.Context, prefix, after string, limit int) (store.Survey, error)
	Subscribe(ctx context.Context, key string, prefix bool, after uint64, maxWaiting int) (*Subscription, error)
	Follow(ctx context.Context, key string, maxWaiting int) (*Subscription, error)
	Revision() uint64
}

// Operation is what is done for one method: it serves the call, or wants a lock
// for it.
type Operation struct {
	Cause string                       // what an error says that it comes from
	List  func(*Call) error            // as Serve, where no key is given; may be nil
	Serve func(*Call) error            // answers, or returns an error, which then is the answer
	Wants func(*Call) (Request, error) // the lock to wait for; Key and MaxWaiting are filled in
}

// Operations are those of a kind of key, by method. That of GET serves HEAD too.
type Operations map[string]Operation

// Front is what the handlers of all kinds of keys have in common: it finds the
// key, reads the parameters, and turns errors into answers.
type Front struct {
	svc        backend
	prefix     string
	operations Operations
	limits     Limits
	logger     *zap.Logger
	aside      aside
}

// NewFront returns a handler of operations on keys whose paths are prefix, which
// ends in a slash, and the key.
func NewFront(svc *Service, prefix string, operations Operations, limits Limits, logger *zap.Logger) *Front {
	return newFront(svc, prefix, operations, limits, logger)
}

func newFront(svc backend, prefix string, operations Operations, limits Limits, logger *zap.Logger) *Front {
	return &Front{svc: svc, prefix: prefix, operations: operations, limits: limits, logger: logger, aside: aside{make(chan func())}}
}

// allow is the header of that name: the methods that there are.
func (f *Front) allow() string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, ok := f.operations[method]; ok {
			methods = append(methods, method)
			if method == http.MethodGet {
				methods = append(methods, http.MethodHead)
			}
		}
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// ServeHTTP keeps little on its stack while it waits.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c *Call
	f.aside.run(func() { c = f.Begin(w, r) })
	if c != nil {
		c.Finish()
	}
}

// Aside runs f and returns when it has, but leaves nothing of it on the stack of
// the caller, who is about to wait.
func (f *Front) Aside(do func()) { f.aside.run(do) }

// Begin answers the request and returns nil, or it returns a call that waits, to
// be finished. The two are ServeHTTP in two steps, for a caller that has something
// of its own to do aside.
func (f *Front) Begin(w http.ResponseWriter, r *http.Request) *Call {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff") // values are the clients' own
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", f.allow())
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, ok := f.operations[method]
	if !ok {
		w.Header().Set("Allow", f.allow())
		f.fail(w, r, NotAllowed(), r.Method)
		return nil
	}
	c := &Call{front: f, w: w, r: r, cause: op.Cause}
	var err error
	if c.Key, err = f.key(r.URL.Path, op.List != nil); err == nil {
		c.Params, err = ReadParams(w, r, int64(f.limits.MaxBody))
	}
	switch {
	case err != nil:
	case c.Key == "":
		err = op.List(c)
	case op.Wants != nil:
		err = c.begin(op)
	default:
		err = op.Serve(c)
	}
	switch {
	case err != nil:
		f.fail(w, r, err, op.Cause)
	case c.rest != nil:
		c.Params = Params{}  // have been read
		c.r.Context().Done() // makes a channel, here rather than on the stack that waits
		return c
	}
	return nil
}

func (c *Call) begin(op Operation) error {
	r, err := op.Wants(c)
	if err != nil {
		return err
	}
	r.Key, r.MaxWaiting = c.Key, c.front.limits.MaxWaiting
	waiting, err := c.front.svc.Begin(r)
	if err != nil {
		return err
	}
	return c.later(func() error {
		hold, err := waiting.Wait(c.r.Context())
		return c.end(hold, err)
	})
}

// later has the rest of the call done by Finish.
func (c *Call) later(rest func() error) error {
	c.rest = rest
	return nil
}

// Finish waits for what the call waits for, and answers.
func (c *Call) Finish() {
	if err := c.rest(); err != nil {
		c.front.fail(c.w, c.r, err, c.cause)
	}
}

func (c *Call) end(hold *Hold, err error) error {
	if err != nil {
		return err
	}
	return c.deliver(hold)
}

// key is everything after the prefix, less one trailing slash. Only where none is
// needed it may be empty.
func (f *Front) key(path string, list bool) (string, error) {
	key, below := strings.CutPrefix(path, f.prefix)
	key = strings.TrimSuffix(key, "/")
	switch {
	case !below && path+"/" != f.prefix:
		return "", store.ErrNotFound
	case (!below || key == "") && list:
		return "", nil
	case !below, key == "":
		return "", badKey("Key is required")
	case len(key) > f.limits.MaxKey:
		return "", tooLarge("The key is longer than " + strconv.Itoa(f.limits.MaxKey) + " bytes")
	case !utf8.ValidString(key):
		return "", badKey("The key is not valid UTF-8")
	}
	return key, nil
}

// statusClientGone is what proxies log for a client that did not wait for its
// answer.
const statusClientGone = 499

// fail answers with an error. Where the client has gone, nobody reads the answer;
// but without one net/http would make it a 200, and so would access logs.
func (f *Front) fail(w http.ResponseWriter, r *http.Request, err error, cause string) {
	if errors.Is(r.Context().Err(), context.Canceled) && !errors.Is(err, errSlow) {
		w.WriteHeader(statusClientGone)
		return
	}
	e := Explain(err)
	level := zap.WarnLevel
	if e == unexpected {
		level = zap.ErrorLevel
	}
	if e.Status >= http.StatusInternalServerError && !errors.Is(err, ErrStopping) {
		if c := f.logger.Check(level, "request failed"); c != nil {
			c.Write(zap.String("cause", cause), zap.Int("status", e.Status), zap.Error(err))
		}
	}
	WriteError(w, e, cause, f.svc.Revision())
}
