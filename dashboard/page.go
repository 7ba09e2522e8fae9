// Package dashboard is the web page at /mod/dashboard/ and what it asks the gateway
// about the cluster. It knows nothing of Caddy. The page's source is in ui; dist is
// what is built from it, and is what is served.
package dashboard

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// Root is where the dashboard is; everything of it is below.
const Root = "/mod/dashboard"

// Settings are what the page is told about the gateway.
type Settings struct {
	API      string `json:"api"`      // etcd's: v3 or v2
	ReadOnly bool   `json:"readOnly"` // whether the gateway refuses the page's writes
	Prefix   string `json:"prefix"`   // of the gateway's own keys in etcd
}

// Page serves the page and its files.
type Page struct {
	html string         // with the settings, and addresses relative to the page's root
	near []func() *file // as it is sent, by depth below the root
}

// mostNear is how many of these are kept. Deeper ones are asked for by hand.
const mostNear = 8

// NewPage makes a page with these settings.
func NewPage(s Settings) *Page {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of strings and a bool
	}
	// The page may run no script that stands in it, so the settings are an attribute.
	filled := strings.Replace(string(embedded()[index].content), `name="settings" content="{}"`,
		`name="settings" content="`+html.EscapeString(string(text))+`"`, 1)
	p := &Page{html: strings.ReplaceAll(filled, `="./`+assets+`/`, `="./`+assets+"-"+build()+"/")}
	for up := range mostNear {
		p.near = append(p.near, sync.OnceValue(func() *file { return p.render(up) }))
	}
	return p
}

// Serve answers a request for something below Root. It returns store.ErrNotFound if
// there is no such thing, and lockmod.NotAllowed if it can't be asked for with that
// method. Then nothing is written but headers. Who follows a link to what is not there
// gets the page, which says so.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request) error {
	rest, up, ok := split(r.URL)
	if !ok {
		return store.ErrNotFound
	}
	f, forever := find(rest)
	if isPage(rest) {
		f = p.at(up)
	}
	if f == nil {
		if !navigates(r) {
			return store.ErrNotFound
		}
		p.at(up).serveMissing(w, r)
		return nil
	}
	if err := ReadsOnly(w, r); err != nil {
		return err
	}
	f.serve(w, r, forever)
	return nil
}

// navigates says whether a browser asks, to show the answer to somebody.
func navigates(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// ReadsOnly returns lockmod.NotAllowed for every method but GET and HEAD.
func ReadsOnly(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", http.MethodGet+", "+http.MethodHead)
	return lockmod.NotAllowed()
}

// at is the page as it is sent to a browser that sees it so many folders below the
// root. What stands before /mod in the browser's address is not known here, if
// something on the way has stripped it, and base elements are forbidden.
func (p *Page) at(up int) *file {
	if up < len(p.near) {
		return p.near[up]()
	}
	return p.render(up)
}

func (p *Page) render(up int) *file {
	text := p.html
	if up > 0 {
		text = strings.ReplaceAll(text, `="./`, `="`+strings.Repeat("../", up))
	}
	return newFile(index, []byte(text))
}

// split takes Root off an address. up is how many folders below Root/ the address
// is for a browser, for which a %2F is no slash, and nothing between two slashes is
// a folder as well. ok is false if Root is not there for a browser.
func split(u *url.URL) (rest string, up int, ok bool) {
	rest, ok = strings.CutPrefix(u.Path, Root+"/")
	if !ok {
		return "", 0, false
	}
	written := strings.SplitN(u.EscapedPath(), "/", 4) // "", mod, dashboard, and the rest
	if len(written) < 4 {
		return "", 0, false
	}
	for i, name := range strings.Split(Root, "/") {
		if unescaped, err := url.PathUnescape(written[i]); err != nil || unescaped != name {
			return "", 0, false
		}
	}
	return rest, strings.Count(written[3], "/"), true
}

// pages are the page's own addresses, each with everything below it. The last two are
// those of the dashboard that etcd once had.
var pages = []string{"overview", "keys", "locks", "elections", "leases", "browser", "stats"}

func isPage(rest string) bool {
	if rest == "" {
		return true
	}
	first, _, _ := strings.Cut(rest, "/")
	for _, page := range pages {
		if first == page {
			return true
		}
	}
	return false
}
