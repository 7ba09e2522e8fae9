package lockmod

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Error is an answer that is not a success, in the form of etcd's v2 API.
type Error struct {
	Status  int    // of HTTP
	Code    int    // etcd's errorCode
	Message string // for people; it names no address and no internals
}

func (e *Error) Error() string { return e.Message }

// What can be wrong with a request.
func badTTL(message string) *Error    { return &Error{http.StatusBadRequest, 202, message} }
func malformed(message string) *Error { return &Error{http.StatusBadRequest, 209, message} }
func badKey(message string) *Error    { return &Error{http.StatusBadRequest, 210, message} }

// errSlow is that the server has stopped waiting for a body. Its client may well be there.
var errSlow = malformed("The request body did not come in time")

func tooLarge(message string) *Error {
	return &Error{http.StatusRequestEntityTooLarge, 213, message}
}

func badIndex(name string) *Error {
	return &Error{http.StatusBadRequest, 203, "The given " + name + " in POST form is not a number"}
}

func badLastEventID() *Error {
	return &Error{http.StatusBadRequest, 203, "The given Last-Event-ID is not a number"}
}

func badTimeout() *Error {
	return &Error{http.StatusBadRequest, 205, "The given timeout in POST form is not a number"}
}

func nothingNamed() *Error {
	return &Error{http.StatusBadRequest, 207, "Index or value is required"}
}

func bothNamed() *Error {
	return &Error{http.StatusBadRequest, 208, "Index and value cannot both be specified"}
}

func notWithWait() *Error {
	return &Error{http.StatusBadRequest, 209, "What is waited for, or followed, is the holder, whoever that is: index and name can't be given"}
}

func badField() *Error { return &Error{http.StatusBadRequest, 209, "Invalid field"} }

// NotAllowed is that there is no such method.
func NotAllowed() *Error {
	return &Error{http.StatusMethodNotAllowed, 214, "Method is not supported here"}
}

// CrossOrigin is that a browser writes from a page of another site.
func CrossOrigin() *Error {
	return &Error{http.StatusForbidden, 217, "A page of another site may not write here: this site's CORS headers do not allow its origin, by name if it brings a password, a cookie or a certificate"}
}

func notTheHolder() *Error { return &Error{http.StatusPreconditionFailed, 101, "Compare failed"} }

// outcomes is what the errors of the service are for a client. A lock that is
// taken is a 423 and nothing that clients try again by themselves, as they do
// with 408 and 5xx.
var outcomes = []struct {
	err error
	Error
}{
	{store.ErrNotFound, Error{http.StatusNotFound, 100, "Key not found"}},
	{store.ErrNotHeld, Error{http.StatusConflict, 211, "Lock is not held"}},
	{ErrCancelled, Error{http.StatusGone, 212, "Lock request was cancelled"}},
	{store.ErrCompacted, Error{http.StatusGone, 401, "The event in requested index is outdated and cleared"}}, // as etcd says it
	{ErrNotAcquired, Error{http.StatusLocked, 215, "Lock was not acquired"}},
	{ErrTooManyWaiters, Error{http.StatusTooManyRequests, 216, "Too many requests are waiting"}},
	{ErrStopping, Error{http.StatusServiceUnavailable, 300, "The gateway is stopping"}},
	{store.ErrClosed, Error{http.StatusServiceUnavailable, 300, "The gateway is stopping"}},
	{store.ErrUnknown, Error{http.StatusGatewayTimeout, 301, "The answer of etcd was lost: the outcome is unknown"}},
	{store.ErrUnavailable, Error{http.StatusServiceUnavailable, 300, "etcd cannot be reached, or refuses the gateway"}},

	// Something before this handler gave the request only so much time. Last, since
	// the others may have it for their reason.
	{context.DeadlineExceeded, Error{http.StatusGatewayTimeout, 301, "The request took too long: the outcome is unknown"}},
}

// unexpected is what a client is told of an error that nobody has foreseen.
var unexpected = &Error{http.StatusServiceUnavailable, 300, "Internal error"}

// Explain turns an error of this package or of package store into what a client
// is told of it.
func Explain(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for i := range outcomes {
		if errors.Is(err, outcomes[i].err) {
			return &outcomes[i].Error
		}
	}
	return unexpected
}

// retryAfter is how many seconds a client that is turned away should stay away.
const retryAfter = 1

// WriteError answers with e. cause is what was asked for; index is etcd's, as far
// as known.
func WriteError(w http.ResponseWriter, e *Error, cause string, index uint64) {
	body, err := json.Marshal(struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
		Cause     string `json:"cause"`
		Index     uint64 `json:"index"`
	}{e.Code, e.Message, cause, index})
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Etcd-Index", strconv.FormatUint(index, 10))
	switch e.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n'))
}
