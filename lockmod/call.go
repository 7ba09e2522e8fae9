package lockmod

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Call is one request that an Operation serves. Each of Renew, Release and Show
// does what its name says and answers; where it returns an error, it has not
// answered.
type Call struct {
	Params
	Key string

	cause string
	rest  func() error // what Finish has to do

	front *Front
	w     http.ResponseWriter
	r     *http.Request
}

// TTL returns the ttl within the limits.
func (c *Call) TTL() (time.Duration, error) { return c.Params.TTL(c.front.limits.MaxTTL) }

// Text returns a parameter that is text, within the limits.
func (c *Call) Text(name string) (string, error) {
	return c.Params.Text(name, c.front.limits.MaxValue)
}

// Field returns which field of the holder is asked for; empty is the default.
func (c *Call) Field() (string, error) {
	switch field := c.Get("field"); field {
	case "", FieldValue, FieldIndex:
		return field, nil
	}
	return "", badField()
}

// Renew renews the holder.
func (c *Call) Renew(t store.Target, ttl time.Duration) error {
	holder, err := c.front.svc.Renew(c.r.Context(), c.Key, t, ttl)
	if err != nil {
		return err
	}
	c.tellOf(holder)
	_ = c.write("", nil)
	return nil
}

// Release releases the holder, or cancels an entry that waits.
func (c *Call) Release(t store.Target) error {
	if err := c.front.svc.Release(c.r.Context(), c.Key, t); err != nil {
		return err
	}
	c.tellOf(store.Entry{})
	_ = c.write("", nil)
	return nil
}

// The fields of a holder that Show can show as text.
const (
	FieldValue = "value" // the default
	FieldIndex = "index"
)

// Show answers with the holder's field, or with the whole queue to a client that
// wants JSON. If is is not nil, the holder must be one that is likes. A client that
// wants events gets those; one that waits gets its answer when the holder changes.
func (c *Call) Show(field string, is func(holder store.Entry) bool) error {
	wait, err := c.Wait()
	if err != nil {
		return err
	}
	kind := wanted(c.r)
	switch {
	case (wait || kind == asEvents) && is != nil:
		return notWithWait()
	case kind == asEvents:
		return c.stream(c.Key, false)
	case wait:
		return c.await(field)
	}
	var listing store.Listing
	if kind == asJSON {
		listing, err = c.front.svc.Queue(c.r.Context(), c.Key)
	} else {
		var holder store.Entry
		holder, err = c.front.svc.Holder(c.r.Context(), c.Key)
		listing.Entries = []store.Entry{holder}
	}
	switch holder := listing.Holder(); {
	case err != nil:
		return err
	case is != nil && (holder.Index == 0 || !is(holder)):
		return notTheHolder()
	}
	c.show(field, listing)
	return nil
}

// show answers with the holder in a queue, which comes first, or with all of it.
func (c *Call) show(field string, l store.Listing) {
	holder := l.Holder()
	c.tellOf(holder)
	switch {
	case wanted(c.r) == asJSON:
		_ = c.json(NewView(c.Key, l))
	case holder.Index == 0:
		_ = c.text("")
	case field == FieldIndex:
		_ = c.text(strconv.FormatUint(holder.Index, 10))
	default:
		_ = c.text(shown(holder))
	}
}

// tellOf sets the headers that tell of the holder, if there is one.
func (c *Call) tellOf(holder store.Entry) {
	header := c.w.Header()
	header.Set("X-Etcd-Index", strconv.FormatUint(c.front.svc.Revision(), 10))
	if holder.Index != 0 {
		header.Set("X-Lock-Index", strconv.FormatUint(holder.Index, 10))
		header.Set("X-Lock-TTL", strconv.FormatInt(wholeSeconds(holder.Left), 10))
	}
}

func (c *Call) text(body string) error { return c.write("text/plain; charset=utf-8", []byte(body)) }

func (c *Call) json(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return c.write("application/json", append(body, '\n'))
}

// write answers with a body whose length is told, so that it is whole as soon as
// it has been flushed.
func (c *Call) write(contentType string, body []byte) error {
	header := c.w.Header()
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	if len(body) == 0 {
		return nil
	}
	_, err := c.w.Write(body)
	return err
}
