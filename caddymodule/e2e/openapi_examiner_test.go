package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// examiner sends requests, and holds them and what is answered against the document.
type examiner struct {
	*testing.T
	*contract
	gateway *gateway
}

func (x *examiner) run(name string, test func(x *examiner)) {
	x.Run(name, func(t *testing.T) {
		t.Parallel()
		test(&examiner{T: t, contract: x.contract, gateway: x.gateway})
	})
}

// probe is a request, and what should be answered.
type probe struct {
	method, target string   // the target may be short: lock/k is /mod/v2/lock/k
	body           string   // a form, or a JSON object
	header         []string // names and values
	status, code   int      // 200 where there is none
	wrong          bool     // the document knows not to ask that
}

var (
	acceptJSON   = []string{"Accept", "application/json"}
	acceptEvents = []string{"Accept", "text/event-stream"}
)

// places are a request's parameters in each place where they may stand.
func places(method, target string, parameters ...string) []probe {
	form := strings.Join(parameters, "&")
	var members []string
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		if strings.Trim(value, "0123456789") != "" {
			value = fmt.Sprintf("%q", value)
		}
		members = append(members, fmt.Sprintf("%q:%s", name, value))
	}
	return []probe{
		{method: method, target: target + "?" + form},
		{method: method, target: target, body: form},
		{method: method, target: target, body: "{" + strings.Join(members, ",") + "}"},
	}
}

// do makes a call. It makes that of a GET as a HEAD too, whose answer is the same.
func (x *examiner) do(c probe) reply {
	x.Helper()
	r := x.once(c)
	if c.method == http.MethodGet {
		c.method = http.MethodHead
		head := x.once(c)
		if got, want := head.header.Get("Content-Type"), r.header.Get("Content-Type"); got != want {
			x.Errorf("HEAD %s is of type %q, and GET of type %q", c.target, got, want)
		}
	}
	return r
}

func (x *examiner) once(c probe) reply {
	x.Helper()
	request := x.request(context.Background(), c)
	asIs := *client // a redirect is an answer
	asIs.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := reply{}
	if resp, err := asIs.Do(request); err != nil {
		r.err = err
	} else {
		r = read(resp)
	}
	x.examine(c, request, r)
	return r
}

func (x *examiner) each(calls ...probe) {
	x.Helper()
	for _, c := range calls {
		x.do(c)
	}
}

// abreast makes calls all at once.
func (x *examiner) abreast(calls ...probe) {
	x.Helper()
	var all sync.WaitGroup
	for _, c := range calls {
		all.Go(func() { x.do(c) })
	}
	all.Wait()
}

// begin makes a call that has to queue, and returns when it has.
func (x *examiner) begin(c probe) <-chan reply {
	x.Helper()
	key, _, _ := strings.Cut(c.target, "?")
	before := x.entries(key)
	done := make(chan reply, 1)
	go func() { done <- x.do(c) }()
	patience.Until(x, 10*time.Second, func() error {
		if now := x.entries(key); now <= before {
			return fmt.Errorf("%d in the queue, %d before", now, before)
		}
		return nil
	})
	return done
}

// entries is how many there are in a queue.
func (x *examiner) entries(target string) int {
	x.Helper()
	return strings.Count(x.do(probe{method: "GET", target: target, header: acceptJSON}).body, `"state":`)
}

func (x *examiner) request(ctx context.Context, c probe) *http.Request {
	x.Helper()
	if !strings.HasPrefix(c.target, "/") {
		c.target = "/mod/v2/" + c.target
	}
	request, err := http.NewRequestWithContext(ctx, c.method, x.gateway.url+c.target, strings.NewReader(c.body))
	if err != nil {
		x.Fatal(err)
	}
	switch {
	case strings.HasPrefix(c.body, "{"):
		request.Header.Set("Content-Type", "application/json")
	case c.body != "":
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(c.header); i += 2 {
		request.Header.Set(c.header[i], c.header[i+1])
	}
	return request
}

func (x *examiner) examine(c probe, request *http.Request, r reply) {
	x.Helper()
	what := fmt.Sprintf("%s %.100s %.100q: %.300v", c.method, c.target, c.body, r)
	want := cmp.Or(c.status, http.StatusOK)
	code := fmt.Sprintf(`{"errorCode":%d,`, c.code)
	if r.err != nil || r.status != want || c.code != 0 && c.method != http.MethodHead && !strings.HasPrefix(r.body, code) {
		x.Errorf("%s, want %d %d", what, want, c.code)
		return
	}
	if err := x.check(exchange{request, c.body, c.wrong, r}); err != nil {
		x.Errorf("%s, with %v: %v", what, r.header, err)
	}
	kept := request.URL.Path == "/mod/openapi.json" || request.URL.Path == "/mod/dashboard/" // and asked for again
	if cached := r.header.Get("Cache-Control"); cached != "no-store" && want < 400 && !kept {
		x.Errorf("%s, with Cache-Control: %q", what, cached)
	}
}
