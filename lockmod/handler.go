package lockmod

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Prefix is what the paths of locks begin with.
const Prefix = "/mod/v2/lock/"

// Limits bound what a request may ask for.
type Limits struct {
	MaxWaiting int           // requests that may wait at once, on all locks
	MaxKey     int           // bytes of a key
	MaxValue   int           // bytes of a value
	MaxBody    int           // bytes of a request's body
	MaxTTL     time.Duration // of a hold
}

// DefaultLimits returns the limits where none are configured. A value in a form
// may be three times as long as the value itself.
func DefaultLimits() Limits {
	return Limits{
		MaxWaiting: 100_000,
		MaxKey:     1024,
		MaxValue:   64 << 10,
		MaxBody:    256 << 10,
		MaxTTL:     24 * time.Hour,
	}
}

// NewHandler returns the HTTP API of the locks of svc, for paths below Prefix.
func NewHandler(svc *Service, limits Limits, logger *zap.Logger) http.Handler {
	return &handler{svc: svc, limits: limits, logger: logger}
}

type handler struct {
	svc    *Service
	limits Limits
	logger *zap.Logger
}

const allowed = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var cause string
	var serve func(http.ResponseWriter, *http.Request, string, Params) error
	switch r.Method {
	case http.MethodPost:
		cause, serve = "Acquire", h.acquire
	case http.MethodPut:
		cause, serve = "Renew", h.renew
	case http.MethodDelete:
		cause, serve = "Release", h.release
	case http.MethodGet, http.MethodHead:
		cause, serve = "Get", h.get
	case http.MethodOptions:
		w.Header().Set("Allow", allowed)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", allowed)
		h.fail(w, r, notAllowed(), r.Method)
		return
	}
	key, err := h.key(r)
	if err == nil {
		var p Params
		if p, err = ReadParams(w, r, int64(h.limits.MaxBody)); err == nil {
			err = serve(w, r, key, p)
		}
	}
	if err != nil {
		h.fail(w, r, err, cause)
	}
}

// fail answers with an error, unless nobody is there any more to read it.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error, cause string) {
	if r.Context().Err() != nil {
		return
	}
	e := Explain(err)
	if e.Status >= http.StatusInternalServerError && !errors.Is(err, ErrStopping) {
		if c := h.logger.Check(zap.WarnLevel, "request failed"); c != nil {
			c.Write(zap.String("cause", cause), zap.Int("status", e.Status), zap.Error(err))
		}
	}
	WriteError(w, e, cause, h.svc.Revision())
}

// key is everything after Prefix, less one trailing slash.
func (h *handler) key(r *http.Request) (string, error) {
	key := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	switch {
	case key == "" || key == strings.TrimSuffix(Prefix, "/"):
		return "", badKey("Key is required")
	case len(key) > h.limits.MaxKey:
		return "", tooLarge("The key is longer than " + strconv.Itoa(h.limits.MaxKey) + " bytes")
	case !utf8.ValidString(key):
		return "", badKey("The key is not valid UTF-8")
	}
	return key, nil
}

// acquire answers when the request has the lock. Only an answer that has been
// written while its client was still there counts as delivered (I4).
func (h *handler) acquire(w http.ResponseWriter, r *http.Request, key string, p Params) error {
	req := Request{Key: key, MaxWaiting: h.limits.MaxWaiting}
	var err error
	if req.TTL, err = p.TTL(h.limits.MaxTTL); err != nil {
		return err
	}
	if req.Timeout, err = p.Timeout(); err != nil {
		return err
	}
	if req.Value, err = p.Text("value", h.limits.MaxValue); err != nil {
		return err
	}
	req.HasValue = req.Value != ""

	hold, err := h.svc.Acquire(r.Context(), req)
	if err != nil {
		return err
	}
	delivered := false
	defer func() { hold.Settle(delivered) }()
	if wantsJSON(r) {
		listing, err := h.svc.Queue(r.Context(), key)
		if err != nil {
			return err
		}
		h.head(w, hold.Entry)
		delivered = h.deliver(w, r, h.json(w, NewView(key, listing)))
		return nil
	}
	h.head(w, hold.Entry)
	delivered = h.deliver(w, r, h.text(w, strconv.FormatUint(hold.Entry.Index, 10)))
	return nil
}

// deliver says whether an answer, written with err, has left for its client.
func (h *handler) deliver(w http.ResponseWriter, r *http.Request, err error) bool {
	if err == nil {
		err = http.NewResponseController(w).Flush()
		if errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	return err == nil && r.Context().Err() == nil
}

func (h *handler) renew(w http.ResponseWriter, r *http.Request, key string, p Params) error {
	ttl, err := p.TTL(h.limits.MaxTTL)
	if err != nil {
		return err
	}
	t, err := h.target(p)
	if err != nil {
		return err
	}
	e, err := h.svc.Renew(r.Context(), key, t, ttl)
	if err != nil {
		return err
	}
	h.head(w, e)
	_ = h.text(w, "")
	return nil
}

func (h *handler) release(w http.ResponseWriter, r *http.Request, key string, p Params) error {
	t, err := h.target(p)
	if err != nil {
		return err
	}
	if err := h.svc.Release(r.Context(), key, t); err != nil {
		return err
	}
	h.head(w, store.Entry{})
	_ = h.text(w, "")
	return nil
}

// target is the entry that a request means.
func (h *handler) target(p Params) (store.Target, error) {
	index, byIndex, err := p.Index()
	if err != nil {
		return store.Target{}, err
	}
	value, err := p.Text("value", h.limits.MaxValue)
	switch {
	case err != nil:
		return store.Target{}, err
	case byIndex && value != "":
		return store.Target{}, bothNamed()
	case !byIndex && value == "":
		return store.Target{}, nothingNamed()
	case byIndex && index == 0:
		return store.Target{}, store.ErrNotFound // no entry has it
	}
	return store.Target{Index: index, Value: value}, nil
}

func (h *handler) get(w http.ResponseWriter, r *http.Request, key string, p Params) error {
	field := p.Get("field")
	if field != "" && field != "value" && field != "index" {
		return badField()
	}
	index, asked, err := p.Index()
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		listing, err := h.svc.Queue(r.Context(), key)
		if err != nil {
			return err
		}
		var holder store.Entry
		if len(listing.Entries) > 0 && listing.Entries[0].Held {
			holder = listing.Entries[0]
		}
		if asked && (index != holder.Index || index == 0) {
			return notTheHolder()
		}
		h.head(w, holder)
		_ = h.json(w, NewView(key, listing))
		return nil
	}
	holder, err := h.svc.Holder(r.Context(), key)
	switch {
	case err != nil:
		return err
	case asked && (index != holder.Index || index == 0):
		return notTheHolder()
	}
	h.head(w, holder)
	body := shown(holder)
	switch {
	case holder.Index == 0:
		body = ""
	case field == "index":
		body = strconv.FormatUint(holder.Index, 10)
	}
	_ = h.text(w, body)
	return nil
}

// head sets the headers that tell of the holder, if there is one.
func (h *handler) head(w http.ResponseWriter, holder store.Entry) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Etcd-Index", strconv.FormatUint(h.svc.Revision(), 10))
	if holder.Index != 0 {
		header.Set("X-Lock-Index", strconv.FormatUint(holder.Index, 10))
		header.Set("X-Lock-TTL", strconv.FormatInt(wholeSeconds(holder.Left), 10))
	}
}

func (h *handler) text(w http.ResponseWriter, body string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write([]byte(body))
	return err
}

func (h *handler) json(w http.ResponseWriter, v View) error {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(append(body, '\n'))
	return err
}
