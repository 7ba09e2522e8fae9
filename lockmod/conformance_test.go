package lockmod

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// The requests that a real etcd 0.4.6 was asked, in their order, for the lock.
// Where the answer here is another one, old has etcd's status; the API says why.
func TestConformance(t *testing.T) {
	const (
		ttl     = `400 {"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"%s"`
		neither = `400 {"errorCode":207,"message":"Index or value is required","cause":"%s"`
		missing = `404 {"errorCode":100,"message":"Key not found","cause":"%s"`
		taken   = `423 {"errorCode":215,"message":"Lock was not acquired","cause":"Acquire"`
		noIndex = `400 {"errorCode":203,"message":"The given index in POST form is not a number","cause":"%s"`
	)
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		var index string // of the last lock
		for _, c := range []struct {
			request, method, target, form string
			want                          string // the beginning of status and body; # is an index
			old                           int
			took                          time.Duration
		}{
			{"POST c1 ttl=60", "POST", "c1", "ttl=60", "200 #", 200, 0},
			{"GET c1", "GET", "c1", "", "200 -", 200, 0},
			{"GET c1 field=value", "GET", "c1?field=value", "", "200 -", 200, 0},
			{"GET c1 field=index", "GET", "c1?field=index", "", "200 #", 200, 0},
			{"GET c1 field=bogus", "GET", "c1?field=bogus", "", `400 {"errorCode":209,"message":"Invalid field","cause":"Get"`, 400, 0},
			{"POST c1 bar timeout=2", "POST", "c1", "ttl=60&value=bar&timeout=2", taken, 500, 2 * time.Second},
			{"POST c1 bar timeout=0", "POST", "c1", "ttl=60&value=bar&timeout=0", taken, 500, 0},
			{"POST c1 novalue timeout=0", "POST", "c1", "ttl=60&timeout=0", taken, 500, 0},
			{"POST c1 timeout=-1", "POST", "c1", "ttl=60&timeout=-1", `400 {"errorCode":205,"message":"The given timeout in POST form is not a number","cause":"Acquire"`, 0, 0},
			{"POST c1 ttl=abc", "POST", "c1", "ttl=abc", fmt.Sprintf(ttl, "Acquire"), 400, 0},
			{"POST c1 no ttl", "POST", "c1", "value=bar", fmt.Sprintf(ttl, "Acquire"), 400, 0},
			{"POST c1 timeout=x", "POST", "c1", "ttl=60&timeout=x", `400 {"errorCode":205,"message":"The given timeout in POST form is not a number","cause":"Acquire"`, 400, 0},
			{"PUT c1 no index/value", "PUT", "c1", "ttl=60", fmt.Sprintf(neither, "Renew"), 400, 0},
			{"PUT c1 index=99", "PUT", "c1", "ttl=60&index=99", fmt.Sprintf(missing, "Renew"), 500, 0},
			{"PUT c1 value=nobody", "PUT", "c1", "ttl=60&value=nobody", fmt.Sprintf(missing, "Renew"), 404, 0},
			{"PUT c1 index=abc", "PUT", "c1", "ttl=60&index=abc", fmt.Sprintf(noIndex, "Renew"), 500, 0},
			{"PUT c1 no ttl index=2", "PUT", "c1", "index=2", fmt.Sprintf(ttl, "Renew"), 400, 0},
			{"DELETE c1 none", "DELETE", "c1", "", fmt.Sprintf(neither, "Release"), 400, 0},
			{"DELETE c1 both", "DELETE", "c1?index=2&value=bar", "", `400 {"errorCode":208,"message":"Index and value cannot both be specified","cause":"Release"`, 400, 0},
			{"DELETE c1 index=99", "DELETE", "c1?index=99", "", fmt.Sprintf(missing, "Release"), 500, 0},
			{"DELETE c1 index=abc", "DELETE", "c1?index=abc", "", fmt.Sprintf(noIndex, "Release"), 500, 0},
			{"DELETE c1 value=nobody", "DELETE", "c1?value=nobody", "", fmt.Sprintf(missing, "Release"), 404, 0},
			{"GET never", "GET", "never", "", "200 ", 500, 0},
			{"PUT never value", "PUT", "never", "ttl=60&value=bar", fmt.Sprintf(missing, "Renew"), 500, 0},
			{"DELETE never value", "DELETE", "never?value=bar", "", fmt.Sprintf(missing, "Release"), 500, 0},
			{"PATCH c1", "PATCH", "c1", "", `405 {"errorCode":214,`, 404, 0},
			{"OPTIONS c1", "OPTIONS", "c1", "", "204 ", 200, 0},
			{"HEAD c1", "HEAD", "c1", "", "200 ", 404, 0},
			{"POST v1 bar (free)", "POST", "v1", "ttl=60&value=bar", "200 #", 200, 0},
			{"POST v1 bar again", "POST", "v1", "ttl=60&value=bar", "200 #", 200, 0},
			{"GET v1", "GET", "v1", "", "200 bar", 200, 0},
			{"PUT v1 value=bar", "PUT", "v1", "ttl=60&value=bar", "200 ", 200, 0},
			{"PUT v1 index+value both", "PUT", "v1", "ttl=60&index=13&value=bar", `400 {"errorCode":208,"message":"Index and value cannot both be specified","cause":"Renew"`, 200, 0},
			{"PUT v1 index+othervalue", "PUT", "v1", "ttl=60&index=13&value=changed", `400 {"errorCode":208,`, 200, 0},
			{"GET v1", "GET", "v1", "", "200 bar", 200, 0}, // where etcd had changed it
			{"DELETE v1 value", "DELETE", "v1?value=bar", "", "200 ", 200, 0},
			{"GET v1 after release", "GET", "v1", "", "200 ", 200, 0},
			{"GET v1 index after release", "GET", "v1?field=index", "", "200 ", 200, 0},
			{"GET v1 bogus after release", "GET", "v1?field=bogus", "", `400 {"errorCode":209,`, 200, 0},
			{"POST v2 params in query", "POST", "v2?ttl=60&value=bar&timeout=0", "", "200 #", 200, 0},
			{"POST nested a/b/c", "POST", "a/b/c", "ttl=60", "200 #", 200, 0},
			{"GET nested a/b/c", "GET", "a/b/c", "", "200 -", 200, 0},
			{"GET parent a/b", "GET", "a/b", "", "200 ", 200, 0},
			{"GET parent a/b index", "GET", "a/b?field=index", "", "200 ", 200, 0},
			{"POST parent a/b timeout=0", "POST", "a/b", "ttl=60&timeout=0", "200 #", 200, 0},
			{"POST z ttl=0", "POST", "z", "ttl=0", `400 {"errorCode":202,"message":"The given TTL in POST form is less than 1","cause":"Acquire"`, 200, 0},
			{"GET z", "GET", "z", "", "200 ", 200, 0},
			{"POST z2 ttl=-1", "POST", "z2", "ttl=-1", fmt.Sprintf(ttl, "Acquire"), 500, 0},
			{"POST z4 in the body", "POST", "z4", "ttl=60", "200 #", 200, 0},
			{"DELETE via body index", "DELETE", "z4", "index=#", "200 ", 400, 0},
		} {
			c.form = strings.ReplaceAll(c.form, "#", index)
			begin := time.Now()
			w := serve(h, c.method, Prefix+c.target, formType, c.form)
			got := fmt.Sprint(w.Code, " ", w.Body)
			if c.method == "HEAD" {
				got = fmt.Sprint(w.Code, " ")
			}
			want := strings.ReplaceAll(c.want, "#", index)
			if c.method == "POST" && w.Code == 200 {
				index, want = w.Body.String(), fmt.Sprint("200 ", w.Header().Get("X-Lock-Index"))
			}
			if whole := w.Code == 200; whole && got != want || !whole && !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s (etcd 0.4.6: %d)", c.request, got, want, c.old)
			}
			if took := time.Since(begin); took != c.took {
				t.Errorf("%s took %v, want %v", c.request, took, c.took)
			}
		}
	})
}

// An entry that waits can be cancelled, and cannot be renewed.
func TestAnEntryThatWaits(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		serve(h, "POST", Prefix+"k?ttl=60", "", "")
		waits := make(chan *httptest.ResponseRecorder)
		go func() { waits <- serve(h, "POST", Prefix+"k?ttl=60&value=bar", "", "") }()
		synctest.Wait()
		queue, err := svc.Queue(t.Context(), "k")
		if err != nil || len(queue.Entries) != 2 {
			t.Fatalf("the queue is %v (%v)", queue, err)
		}
		for _, query := range []string{"value=bar", fmt.Sprint("index=", queue.Entries[1].Index)} {
			w := serve(h, "PUT", Prefix+"k?ttl=60", formType, query)
			if w.Code != 409 || !strings.Contains(w.Body.String(), `"errorCode":211`) {
				t.Errorf("PUT %s: %d %s", query, w.Code, w.Body)
			}
		}
		if w := serve(h, "GET", Prefix+"k?"+fmt.Sprint("index=", queue.Entries[1].Index), "", ""); w.Code != 412 {
			t.Errorf("GET: %d %s", w.Code, w.Body)
		}
		if w := serve(h, "DELETE", Prefix+"k", formType, "value=bar"); w.Code != 200 {
			t.Errorf("DELETE: %d %s", w.Code, w.Body)
		}
		if w := <-waits; w.Code != 410 || !strings.Contains(w.Body.String(), `"errorCode":212`) {
			t.Errorf("POST: %d %s", w.Code, w.Body)
		}
	})
}
