package abuse

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What is as large as may be is taken, and what is larger by one is refused, with the
// documented error in the documented form, while others go on; nothing is queued for it.
func TestOversized(t *testing.T) {
	const (
		maxKey, maxValue, maxBody = 1024, 64 << 10, 256 << 10 // the README's
		taken, form, object       = 0, "application/x-www-form-urlencoded", "application/json"
		most, over                = "18446744073709551615", "18446744073709551616"
	)
	of := func(n int) string { return strings.Repeat("v", n) }
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, api := range []string{"v3", "v2"} {
		t.Run(api, func(t *testing.T) {
			r := begin(t, settings{api: api})
			r.take(t, "big-held", 600)
			const lock, leader = "/mod/v2/lock/", "/mod/v2/leader/"
			for _, c := range []struct {
				name, method, path string
				kind, body         string
				status, code       int
			}{
				{"the longest key", "POST", lock + "big-" + of(maxKey-4) + "?ttl=60", "", "", 200, taken},
				{"a longer key", "POST", lock + "big-" + of(maxKey-3) + "?ttl=60", "", "", 413, 213},
				{"a longer key, escaped", "POST", lock + "big-" + strings.Repeat("%E2%98%83", (maxKey-4)/3+1) + "?ttl=60", "", "", 413, 213},
				{"a longer key to look at", "GET", lock + of(maxKey+1), "", "", 413, 213},
				{"a longer key to renew", "PUT", lock + of(maxKey+1) + "?ttl=60&index=1", "", "", 413, 213},
				{"a longer key to delete", "DELETE", lock + of(maxKey+1) + "?index=1", "", "", 413, 213},
				{"a huge key", "POST", lock + of(500<<10) + "?ttl=60", "", "", 413, 213},
				{"the longest election", "PUT", leader + "big-" + of(maxKey-4) + "?ttl=60&name=n", "", "", 200, taken},
				{"a longer election", "PUT", leader + "big-" + of(maxKey-3) + "?ttl=60&name=n", "", "", 413, 213},

				{"the longest value", "POST", lock + "big-value1?ttl=60", form, "value=" + of(maxValue), 200, taken},
				{"a longer value", "POST", lock + "big-value2?ttl=60", form, "value=" + of(maxValue+1), 413, 213},
				{"the longest value, escaped", "POST", lock + "big-value3?ttl=60", form, "value=" + strings.Repeat("%76", maxValue), 200, taken},
				{"the longest value in the address", "POST", lock + "big-value4?ttl=60&value=" + of(maxValue), "", "", 200, taken},
				{"a longer value in the address", "POST", lock + "big-value5?ttl=60&value=" + of(maxValue+1), "", "", 413, 213},
				{"the longest value in JSON", "POST", lock + "big-value6", object, text(map[string]any{"ttl": 60, "value": of(maxValue)}), 200, taken},
				{"a longer value in JSON", "POST", lock + "big-value7", object, text(map[string]any{"ttl": 60, "value": of(maxValue + 1)}), 413, 213},
				{"a longer value to delete", "DELETE", lock + "big-held", form, "value=" + of(maxValue+1), 413, 213},
				{"the longest name", "PUT", leader + "big-name1?ttl=60", form, "name=" + of(maxValue), 200, taken},
				{"a longer name", "PUT", leader + "big-name2?ttl=60", form, "name=" + of(maxValue+1), 413, 213},
				{"a longer name to ask for", "GET", leader + "big-name2?name=" + of(maxValue+1), "", "", 413, 213},

				{"the longest body", "POST", lock + "big-body1?ttl=60", form, "x=" + of(maxBody-2), 200, taken},
				{"a longer body", "POST", lock + "big-body2?ttl=60", form, "x=" + of(maxBody-1), 413, 213},
				{"a longer body of no known kind", "POST", lock + "big-body3?ttl=60", "text/plain", of(maxBody + 1), 413, 213},
				{"a body of 4 MiB", "POST", lock + "big-body4?ttl=60", form, "x=" + of(4<<20), 413, 213},
				{"JSON that is deep", "POST", lock + "big-body5?ttl=60", object, strings.Repeat("[", maxBody), 400, 209},
				{"JSON of many names", "POST", lock + "big-body6?ttl=60", object, `{"a":1` + strings.Repeat(`,"a":1`, (maxBody-7)/6) + "}", 200, taken},
				{"a form of many names", "POST", lock + "big-body7?ttl=60", form, strings.Repeat("a&", maxBody/2), 200, taken},

				{"the longest ttl", "POST", lock + "big-ttl1?ttl=86400", "", "", 200, taken},
				{"a longer ttl", "POST", lock + "big-ttl2?ttl=86401", "", "", 400, 202},
				{"a ttl as large as a number", "POST", lock + "big-ttl3?ttl=" + most, "", "", 400, 202},
				{"a larger ttl", "POST", lock + "big-ttl4?ttl=" + over, "", "", 400, 202},
				{"a ttl of many digits", "POST", lock + "big-ttl5?ttl=" + strings.Repeat("9", 100_000), "", "", 400, 202},
				{"a ttl of many zeros", "POST", lock + "big-ttl6?ttl=" + strings.Repeat("0", 100_000) + "60", "", "", 200, taken},
				{"a renewal for longer", "PUT", lock + "big-held?index=1&ttl=86401", "", "", 400, 202},
				{"a timeout as large as a number", "POST", lock + "big-timeout1?ttl=60&timeout=" + most, "", "", 200, taken},
				{"a larger timeout", "POST", lock + "big-timeout2?ttl=60&timeout=" + over, "", "", 200, taken},
				{"a timeout of many digits", "POST", lock + "big-timeout3?ttl=60&timeout=" + strings.Repeat("9", 100_000), "", "", 200, taken},
				{"the largest index", "DELETE", lock + "big-held?index=" + most, "", "", 404, 100},
				{"a larger index", "DELETE", lock + "big-held?index=" + over, "", "", 400, 203},
				{"the largest index to renew", "PUT", lock + "big-held?ttl=60&index=" + most, "", "", 404, 100},
				{"a larger index to renew", "PUT", lock + "big-held?ttl=60&index=" + over, "", "", 400, 203},
				{"the largest index to ask for", "GET", lock + "big-held?index=" + most, "", "", 412, 101},
				{"a larger index to ask for", "GET", lock + "big-held?index=" + over, "", "", 400, 203},
				{"the largest index to wait from", "GET", lock + "big-held?wait=true&waitIndex=" + most, "", "", 200, taken},
				{"a larger index to wait from", "GET", lock + "big-held?wait=true&waitIndex=" + over, "", "", 400, 203},
				{"an index of many digits", "GET", lock + "big-held?index=" + strings.Repeat("9", 100_000), "", "", 400, 203},

				{"a field of many bytes", "GET", lock + "big-held?field=" + of(500<<10), "", "", 400, 209},
				{"the longest prefix", "GET", lock + "?prefix=" + of(maxValue), "", "", 200, taken},
				{"a longer prefix", "GET", lock + "?prefix=" + of(maxValue+1), "", "", 413, 213},
				{"a longer continuation", "GET", lock + "?continue=" + of(maxValue+1), "", "", 413, 213},
				{"a limit of many digits", "GET", lock + "?limit=" + strings.Repeat("9", 100_000), "", "", 200, taken},
				{"an unknown parameter of many bytes", "POST", lock + "big-query?ttl=60&x=" + of(900<<10), "", "", 200, taken},
				{"the longest method", strings.Repeat("X", 32), lock + "big-held", "", "", 405, 214}, // with a longer one, Caddy's own answer is 405
				{"a path of many bytes", "GET", "/mod/" + of(500<<10), "", "", 404, 100},
			} {
				t.Run(c.name, func(t *testing.T) {
					req, err := http.NewRequest(c.method, r.url+c.path, bytes.NewBufferString(c.body))
					if err != nil {
						t.Fatal(err)
					}
					if c.kind != "" {
						req.Header.Set("Content-Type", c.kind)
					}
					a := send(once, req)
					if c.code != taken {
						wantError(t, a, c.status, c.code)
						return
					}
					if err := a.is(c.status); err != nil {
						t.Error(err)
						return
					}
					if c.method == http.MethodPost {
						path, _, _ := strings.Cut(c.path, "?")
						if err := r.ask(http.MethodDelete, path+"?index="+url.QueryEscape(a.body)).is(http.StatusOK); err != nil {
							t.Errorf("giving it back: %v", err)
						}
					}
				})
			}
			for name, c := range map[string]struct {
				id           string
				status, code int
			}{"a larger Last-Event-ID": {over, 400, 203}, "the largest Last-Event-ID": {most, 410, 401}} {
				t.Run(name, func(t *testing.T) {
					req, err := http.NewRequest(http.MethodGet, r.url+lock+"big-held", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Accept", "text/event-stream")
					req.Header.Set("Last-Event-ID", c.id)
					wantError(t, send(once, req), c.status, c.code)
				})
			}
			// Of a body, 4 MiB more than the limit are read, so that its client sees the answer,
			// and no more (but what net/http reads by itself before it closes the connection).
			t.Run("an endless body", func(t *testing.T) {
				said := r.flood(t, func(i int) []byte {
					if i == 0 {
						return []byte("POST " + lock + "big-endless?ttl=60 HTTP/1.1\r\nHost: " + r.site + "\r\nContent-Length: 1000000000000\r\n\r\n")
					}
					return bytes.Repeat([]byte("x"), 16<<10)
				}, 10_000, maxBody+4<<20+256<<10)
				if !strings.Contains(said, " 413 ") && said != "" {
					t.Errorf("the answer is %q, want 413", said)
				}
			})
			r.during("meanwhile")
			r.counts(0, "big-", 1)
			r.end()
		})
	}
}
