package lockmod

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

func TestList(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, _ *memstore.Store) {
		get := func(query string) ViewList {
			t.Helper()
			w := serve(h, "GET", Prefix+query, "", "")
			var l ViewList
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != 200 ||
				w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Etcd-Index") == "" {
				t.Fatalf("%s: %d %s, %v", query, w.Code, w.Body, w.Header())
			}
			return l
		}
		if w := serve(h, "GET", strings.TrimSuffix(Prefix, "/"), "", ""); w.Body.String() != "{\"items\":[]}\n" {
			t.Errorf("without locks it is %s", w.Body)
		}
		names := []string{"a", "a/b", "a/c", "ab", "b", "ü", "x y", "%", "..", "_"}
		for _, name := range names {
			serve(h, "POST", Prefix+url.PathEscape(name)+"?ttl=60&value=v", "", "")
		}
		serve(h, "POST", Prefix+"gone?ttl=60&value=v", "", "")
		serve(h, "DELETE", Prefix+"gone?value=v", "", "")

		for _, limit := range []string{"", "limit=1&", "limit=3&", "limit=10&", "limit=11&", "limit=99999999999999999999&"} {
			var got []string
			next := ""
			for pages := 0; ; pages++ {
				l := get("?" + limit + "continue=" + url.QueryEscape(next))
				for _, v := range l.Items {
					got = append(got, v.Key)
					if v.Value != "v" || v.TTL != 60 || len(v.Queue) != 1 {
						t.Errorf("an item is %+v", v)
					}
				}
				if next = l.Continue; next == "" {
					break
				}
				if pages > len(names) {
					t.Fatal("it does not end")
				}
			}
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
				t.Errorf("%s lists %q", limit, got)
			}
		}
		for prefix, want := range map[string]int{"a": 4, "a/": 2, "a/b": 1, "a/bc": 0, "ü": 1, ".": 1, "": 10} {
			if l := get("?prefix=" + url.QueryEscape(prefix)); len(l.Items) != want || l.Continue != "" {
				t.Errorf("%q lists %+v", prefix, l)
			}
		}
	})
}
