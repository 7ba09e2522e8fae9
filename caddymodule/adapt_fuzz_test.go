package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	"github.com/caddy-etcd/caddy-etcd/caddymodule/embedded"
)

// FuzzCaddyfile: whatever stands after the global option and the directive, in their
// own blocks, either is an error that names the file and the line, or makes the same
// JSON each time. That JSON is the modules' own, and means what the text says: written
// as a Caddyfile in the plainest way, it makes itself again.
func FuzzCaddyfile(f *testing.F) {
	const at = "{\n endpoints http://127.0.0.1:2379\n}"
	for _, option := range []string{
		"", "extra", at, "{\n endpoints x:1 y https://z\n}", "{\n endpoints {env.ETCD}\n api v2\n}", "{\n embedded /tmp/etcd\n}", "{\n endpoints [::1]:2379 A.example\n tls\n}",
		"{\n endpoints https://a https://b:1\n api v3\n prefix /p/\n username u\n password \"a \\\" b\"\n tls {\n ca c\n cert d\n key e\n server_name s\n insecure_skip_verify\n }\n}",
		"{\n embedded data {\n listen http://127.0.0.1:2379\n advertise http://e.example:4001\n auto_compaction 90m\n }\n}", "{\n embedded `a b`\n api v2\n}",
		"{\n endpoints \\\n a \\\n b # c\n}", "{\n endpoints \"\"\n}", "{\n prefix <<X\n /a\n X\n endpoints a\n}", "{\n api v4\n}", "{\n tls on\n}", "{\n}",
	} {
		f.Add(option, "")
	}
	for _, directive := range []string{
		"{\n}", "x", "/a/*", "*", "@no", "@inside", "{\n dashboard\n}", "{\n dashboard {\n read_only\n }\n lock {\n max_waiting 10\n max_key 64B\n max_value 1MiB\n max_body 4MB\n max_ttl 1h\n }\n}",
		"{\n leader {\n max_ttl 1.5d\n max_waiting 2147483647\n }\n lock\n}", "{\n lock {\n max_value 2MiB\n }\n}", "{\n lock {\n max_key 0\n }\n}", "{\n lock\n lock\n}",
		"{\n leader {\n max_ttl 1500ms\n }\n}", "{\n lock {\n max_key 1e3\n max_body 1.5kB\n }\n}", "/mod {\n \"lock\" {\n }\n}",
	} {
		f.Add(at, directive)
	}
	fixtures, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(fixtures) == 0 {
		f.Fatalf("there are no fixtures: %v", err)
	}
	for _, name := range append(fixtures, "../Caddyfile.example") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		option, directive := blocks(string(text))
		f.Add(option, directive)
	}
	f.Fuzz(func(t *testing.T, option, directive string) {
		if contained(option) && contained(directive) && len(option)+len(directive) < 4000 {
			adaptsAlike(t, option, directive)
		}
	})
}

// FuzzOptions is FuzzCaddyfile for texts of the words that mean something: each byte is
// one of them.
func FuzzOptions(f *testing.F) {
	say := func(option, directive string) {
		f.Add(spelt(option), spelt(directive))
	}
	const at = "{ endpoints 10.0.0.1"
	say(at, "")
	say("{ endpoints https://etcd.example.com \n api v2 \n prefix /p \n username x \n password x \n tls { ca x \n cert x \n key x \n server_name x \n insecure_skip_verify", "/a/* { lock { max_ttl 1h } leader { max_key 64B")
	say("{ embedded x { listen http://127.0.0.1:2379 \n advertise http://127.0.0.1:2379 \n auto_compaction 1h } api v3", "@inside { dashboard { read_only")
	say("{ endpoints {env.X} [::1]:1 \n tls", "* { lock { max_waiting 1e3 \n max_value 2MiB \n max_body 1 } leader")
	say("{ tls { ca \"\" } endpoints 10.0.0.1 x \n tls", "@no { lock { max_ttl 1500ms \n max_ttl 0")
	f.Fuzz(func(t *testing.T, option, directive []byte) {
		if len(option)+len(directive) < 200 {
			adaptsAlike(t, words(option), words(directive))
		}
	})
}

// vocabulary are the words of FuzzOptions. A new one comes last: the corpus has their
// numbers.
var vocabulary = strings.Split("{ } \n embedded endpoints api prefix username password tls ca cert key server_name insecure_skip_verify "+
	"listen advertise auto_compaction dashboard read_only lock leader max_waiting max_key max_value max_body max_ttl "+
	"v2 v3 x /p /a/* * @inside @no {env.X} \"\" `a\tb` 10.0.0.1 [::1]:1 http://127.0.0.1:2379 https://etcd.example.com http://u:p@x ftp://x "+
	"0 1 -1 1e3 64B 1MiB 2MiB 2147483648 1h 1d 1500ms -1s", " ")

// words is a text of them, whose blocks end where they have to.
func words(script []byte) string {
	var b strings.Builder
	depth := 0
	for _, n := range script {
		switch word := vocabulary[int(n)%len(vocabulary)]; {
		case word == "{":
			depth++
			b.WriteString("{\n")
		case word == "}" && depth > 0:
			depth--
			b.WriteString("\n}")
			if depth > 0 {
				b.WriteString("\n")
			}
		case word == "}", word == "\n" && depth == 0:
		default:
			b.WriteString(word + " ")
		}
	}
	return b.String() + strings.Repeat("\n}", depth)
}

// spelt is what words makes that text of.
func spelt(text string) (script []byte) {
	for _, word := range strings.Split(text, " ") {
		if i := slices.Index(vocabulary, word); i >= 0 {
			script = append(script, byte(i))
		}
	}
	return script
}

func adaptsAlike(t *testing.T, option, directive string) {
	t.Helper()
	text := caddyfileWith(option, directive)
	config, err := adapt(text)
	again, err2 := adapt(text)
	if fmt.Sprint(err) != fmt.Sprint(err2) || !bytes.Equal(config, again) {
		t.Fatalf("%s\nis\n%s %v\nand then\n%s %v", text, config, err, again, err2)
	}
	if err != nil {
		named(t, text, err)
		return
	}
	plain, ok := read(t, config).caddyfile()
	if !ok {
		return
	}
	back, err := adapt(plain)
	if err != nil || !bytes.Equal(back, config) {
		t.Errorf("%s\nis\n%s\nbut, written plainly,\n%s\nis\n%s %v", text, config, plain, back, err)
	}
}

// caddyfileWith has the texts after the option and the directive, which may name the
// matcher @inside.
func caddyfileWith(option, directive string) string {
	return "{\n\tetcd " + option + "\n}\n:80 {\n\t@inside remote_ip 10.0.0.0/8\n\tetcd " + directive + "\n}\n"
}

// blocks are the first text after the option in a Caddyfile, and the last after the
// directive.
func blocks(text string) (option, directive string) {
	text, _, _ = strings.Cut(text, separator)
	block := regexp.MustCompile(`(?ms)^\tetcd(?: ([^\n]*\{.*?^\t\}|[^\n]*))?$`)
	if found := block.FindAllStringSubmatch(text, -1); found != nil {
		option, directive = found[0][1], found[len(found)-1][1]
	}
	return option, directive
}

// contained says whether a text ends where its line or block ends, and brings in
// nothing from elsewhere. What does not is Caddy's business.
func contained(text string) bool {
	if !utf8.ValidString(text) || strings.Contains(text, "import") || strings.Contains(text, "{$") || strings.ContainsAny(text, "\r\x00\ufeff") {
		return false
	}
	const end = "the_end"
	tokens, err := caddyfile.Tokenize([]byte("etcd "+text+"\n"+end), "")
	if err != nil || len(tokens) < 2 {
		return false
	}
	depth := 0
	for i, token := range tokens {
		before := tokens[max(i-1, 0)]
		newLine := i > 0 && token.Line > before.Line+before.NumLineBreaks()
		switch {
		case i == len(tokens)-1:
			return newLine && depth == 0 && token.Text == end && !token.Quoted()
		case depth == 0 && newLine:
			return false
		case token.Quoted():
		case token.Text == "{":
			depth++
		case token.Text == "}":
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return false
}

var atLine = regexp.MustCompile(`Caddyfile:(\d+)`)

// named fails the test unless an error names the file, and one of its lines.
func named(t *testing.T, text string, err error) {
	t.Helper()
	found := atLine.FindStringSubmatch(err.Error())
	if found == nil {
		t.Fatalf("%s\n%v\nnames no file and line", text, err)
	}
	if n, _ := strconv.Atoi(found[1]); n < 1 || n > strings.Count(text, "\n")+1 {
		t.Errorf("%s\n%v\nis of no line there", text, err)
	}
}

// site is what the option and the directive have been made into.
type site struct {
	app       caddymodule.App
	embedded  *embedded.Etcd
	matcher   string // in JSON
	dashboard caddymodule.Dashboard
	lock      caddymodule.Lock
	leader    caddymodule.Leader
}

// read decodes a configuration, and lets nothing be in it that the modules don't know,
// or would refuse.
func read(t *testing.T, config []byte) (s site) {
	t.Helper()
	var c struct {
		Apps struct {
			Etcd json.RawMessage
			HTTP struct {
				Servers map[string]struct{ Routes []route }
			}
		}
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatalf("%v: %s", err, config)
	}
	strict := func(text json.RawMessage, v any) {
		t.Helper()
		if err := caddy.StrictUnmarshalJSON(text, v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	strict(c.Apps.Etcd, &s.app)
	if s.app.EmbeddedRaw != nil {
		s.embedded = new(embedded.Etcd)
		strict(s.app.EmbeddedRaw, s.embedded)
		if err := s.embedded.Validate(); err != nil {
			t.Errorf("%v: %s", err, s.app.EmbeddedRaw)
		}
	}
	if (s.embedded == nil) == (len(s.app.Endpoints) == 0) {
		t.Errorf("it has not one of embedded and endpoints: %s", config)
	}
	seen := map[string]int{}
	var walk func([]route)
	walk = func(routes []route) {
		for _, r := range routes {
			for _, text := range r.Handle {
				var h struct {
					Handler string
					Routes  []route
				}
				if err := json.Unmarshal(text, &h); err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				seen[h.Handler]++
				own := bytes.Replace(text, []byte(`"handler":"`+h.Handler+`"`), nil, 1)
				own = bytes.Replace(bytes.Replace(own, []byte("{,"), []byte("{"), 1), []byte(",}"), []byte("}"), 1)
				switch h.Handler {
				case "subroute":
					if r.Match != nil {
						s.matcher = string(r.Match)
					}
					walk(h.Routes)
				case "etcd_dashboard":
					strict(own, &s.dashboard)
				case "etcd_lock":
					strict(own, &s.lock)
				case "etcd_leader":
					strict(own, &s.leader)
				}
			}
		}
	}
	for _, server := range c.Apps.HTTP.Servers {
		walk(server.Routes)
	}
	for _, handler := range []string{"etcd_dashboard", "etcd_lock", "etcd_leader", "etcd_openapi", "etcd_not_found", "etcd_cross_origin", "etcd_drain", "reverse_proxy"} {
		if seen[handler] != 1 {
			t.Errorf("%s is there %d times: %s", handler, seen[handler], config)
		}
	}
	for _, limits := range []caddymodule.Limits{s.lock.Limits, s.leader.Limits} {
		if err := limits.Check(); err != nil {
			t.Errorf("%v: %s", err, config)
		}
	}
	return s
}

type route struct {
	Match  json.RawMessage
	Handle []json.RawMessage
}

// caddyfile writes the site as the plainest Caddyfile. ok is false if a word in it can't
// be written for certain.
func (s site) caddyfile() (text string, ok bool) {
	ok = true
	var b strings.Builder
	line := func(name string, words ...string) {
		b.WriteString(name)
		for _, word := range words {
			ok = ok && !strings.ContainsAny(word, "`")
			b.WriteString(" `" + word + "`")
		}
		b.WriteString("\n")
	}
	set := func(name, word string) {
		if word != "" {
			line(name, word)
		}
	}
	duration := func(name string, d caddy.Duration) {
		if d != 0 {
			line(name, time.Duration(d).String())
		}
	}
	b.WriteString("{\n")
	if e := s.embedded; e != nil {
		b.WriteString("embedded `" + e.DataDir + "` {\n")
		ok = ok && !strings.Contains(e.DataDir, "`")
		set("listen", e.Listen)
		set("advertise", e.Advertise)
		duration("auto_compaction", e.AutoCompaction)
		b.WriteString("}\n")
	} else {
		line("endpoints", s.app.Endpoints...)
	}
	set("api", s.app.API)
	set("prefix", s.app.Prefix)
	set("username", s.app.Username)
	set("password", s.app.Password)
	if tls := s.app.TLS; tls != nil {
		b.WriteString("tls {\n")
		set("ca", tls.CA)
		set("cert", tls.Cert)
		set("key", tls.Key)
		set("server_name", tls.ServerName)
		if tls.InsecureSkipVerify {
			line("insecure_skip_verify")
		}
		b.WriteString("}\n")
	}
	b.WriteString("}")
	option := b.String()

	b.Reset()
	if s.matcher != "" {
		var sets []struct{ Path []string }
		if err := json.Unmarshal([]byte(s.matcher), &sets); err != nil || len(sets) != 1 {
			return "", false
		}
		matcher := "@inside"
		if paths := sets[0].Path; paths != nil {
			matcher = paths[0]
		}
		ok = ok && !strings.Contains(matcher, "`")
		b.WriteString("`" + matcher + "` ")
	}
	b.WriteString("{\n")
	if s.dashboard.ReadOnly {
		b.WriteString("dashboard {\nread_only\n}\n")
	}
	number := func(name string, n int) {
		if n != 0 {
			line(name, strconv.Itoa(n))
		}
	}
	for name, l := range map[string]caddymodule.Limits{"lock": s.lock.Limits, "leader": s.leader.Limits} {
		b.WriteString(name + " {\n")
		number("max_waiting", l.MaxWaiting)
		number("max_key", l.MaxKey)
		number("max_value", l.MaxValue)
		number("max_body", l.MaxBody)
		duration("max_ttl", l.MaxTTL)
		b.WriteString("}\n")
	}
	b.WriteString("}")
	return caddyfileWith(option, b.String()), ok
}
