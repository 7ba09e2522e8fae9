package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the fixtures in testdata expect anew")

// separator stands between a Caddyfile and the JSON, or the error, that it makes.
const separator = "----------\n"

// TestAdapt adapts every fixture in testdata, as Caddy's own tests do.
func TestAdapt(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("there are no fixtures: %v", err)
	}
	for _, name := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".caddyfiletest"), func(t *testing.T) {
			fixture, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, ok := strings.Cut(string(fixture), separator)
			if !ok {
				t.Fatal("there is no line of dashes")
			}
			got := adapted(t, caddyfile)
			if *update {
				if err := os.WriteFile(name, []byte(caddyfile+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// adapted is the JSON, or the error, that a Caddyfile makes.
func adapted(t *testing.T, caddyfile string) string {
	t.Helper()
	config, err := adapt(caddyfile)
	if err != nil {
		return err.Error() + "\n"
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n"
}

// TestAdaptErrors has the words that the parsers refuse: each error names its
// word and says what is wrong with it.
func TestAdaptErrors(t *testing.T) {
	global := func(option string) string { return "{\n" + option + "\n}\n:80 {\n etcd\n}\n" }
	etcd := func(lines string) string { return global("etcd {\n" + lines + "\n}") }
	site := func(lines string) string {
		return "{\n etcd {\n endpoints http://127.0.0.1:2379\n }\n}\n:80 {\n" + lines + "\n}\n"
	}
	transport := func(lines string) string {
		return site("reverse_proxy 127.0.0.1:2379 {\n transport " + lines + "\n}")
	}
	const endpoint = "endpoints http://127.0.0.1:2379\n"
	for _, c := range []struct{ caddyfile, because string }{
		{":80 {\n etcd\n}\n", "the directive etcd needs the global option"},
		{global("etcd"), "needs one of embedded, endpoints"},
		{global("etcd extra"), "unexpected 'extra' after etcd"},
		{global("etcd {\n" + endpoint + "}\netcd {\n" + endpoint + "}"), "the global option etcd is set twice"},
		{etcd("surprise yes"), "unknown option 'surprise' in etcd"},
		{etcd(endpoint + "embedded x"), "embedded and endpoints are both set"},
		{etcd("endpoints"), "endpoints needs at least one address"},
		{etcd(endpoint + endpoint), "endpoints is set twice"},
		{etcd("endpoints ftp://x:1"), `scheme "ftp"`},
		{etcd("endpoints http://x:1/path"), "something behind its port"},
		{etcd("endpoints http://u:p@x:1"), "names a user"},
		{etcd("endpoints http://:1"), "names no host"},
		{etcd("endpoints http://x:port"), "is not an address"},
		{etcd("endpoints x x:2379"), `endpoint "x:2379" is named twice`},
		{etcd("endpoints http://x:1 https://y:1"), "cannot be mixed"},
		{etcd("endpoints http://x:1\ntls"), `tls is set, but endpoint "http://x:1" is http`},
		{etcd("endpoints {env.ETCD}"), "can't wait for a placeholder"},
		{etcd(endpoint + "api"), "api needs a value"},
		{etcd(endpoint + "api v4"), "api 'v4' is none of v2, v3"},
		{etcd(endpoint + "api v3 v2"), "unexpected 'v2' after api"},
		{etcd(endpoint + "api v3\napi v3"), "api is set twice"},
		{etcd(endpoint + "prefix"), "prefix needs a value"},
		{etcd(endpoint + "prefix a b"), "unexpected 'b' after prefix"},
		{etcd(endpoint + "prefix a {\n}"), "unknown option '{' in etcd"},
		{etcd(endpoint + "username"), "username needs a value"},
		{etcd(endpoint + `password ""`), "password needs a value"},
		{etcd(endpoint + "tls on"), "unexpected 'on' after tls"},
		{etcd(endpoint + "tls {\n surprise x\n}"), "unknown option 'surprise' in tls"},
		{etcd(endpoint + "tls {\n ca\n}"), "ca needs a value"},
		{etcd(endpoint + "tls {\n ca x\n ca y\n}"), "ca is set twice"},
		{etcd(endpoint + "tls {\n insecure_skip_verify yes\n}"), "unexpected 'yes' after insecure_skip_verify"},
		{etcd(endpoint + "tls\ntls"), "tls is set twice"},
		{etcd("embedded"), "embedded needs a folder"},
		{etcd("embedded a b"), "unexpected 'b' after embedded a"},
		{etcd("embedded a\nembedded b"), "embedded is set twice"},
		{etcd("embedded a {\n surprise x\n}"), "unknown option 'surprise' in embedded"},
		{etcd("embedded a {\n listen\n}"), "listen needs a value"},
		{etcd("embedded a {\n listen http://127.0.0.1:1 x\n}"), "unexpected 'x' after listen"},
		{etcd("embedded a {\n listen http://127.0.0.1:1\n listen http://127.0.0.1:1\n}"), "listen is set twice"},
		{etcd("embedded a {\n listen https://127.0.0.1:1\n}"), "is not http"},
		{etcd("embedded a {\n listen http://localhost\n}"), "not of the form http://host:port"},
		{etcd("embedded a {\n listen http://etcd.example.com:1\n}"), "has to be an IP address"},
		{etcd("embedded a {\n advertise 127.0.0.1:1\n}"), "advertise"},
		{etcd("embedded a {\n auto_compaction soon\n}"), "auto_compaction 'soon'"},
		{etcd("embedded a {\n auto_compaction 1ms\n}"), "auto_compaction 1ms is less than 1s"},
		{etcd("embedded /" + strings.Repeat("long/", 25)), "is too long"},
		{site("etcd http://127.0.0.1:2379"), "unexpected 'http://127.0.0.1:2379' after etcd"},
		{site("etcd @nobody"), "unrecognized matcher name: @nobody, at Caddyfile:7"},
		{site("etcd {\n surprise\n}"), "unknown option 'surprise' in etcd"},
		{site("etcd {\n dashboard\n dashboard\n}"), "dashboard is set twice"},
		{site("etcd {\n dashboard x\n}"), "unexpected 'x' after dashboard"},
		{site("etcd {\n dashboard {\n surprise\n }\n}"), "unknown option 'surprise' in dashboard"},
		{site("etcd {\n dashboard {\n read_only\n read_only\n }\n}"), "read_only is set twice"},
		{site("etcd_dashboard x"), "unexpected 'x' after etcd_dashboard"},
		{site("etcd_dashboard {\n surprise\n}"), "unknown option 'surprise' in etcd_dashboard"},
		{site("etcd_dashboard {\n read_only yes\n}"), "unexpected 'yes' after read_only"},
		{site("etcd_openapi x"), "unexpected 'x' after etcd_openapi"},
		{site("etcd_not_found x"), "unexpected 'x' after etcd_not_found"},
		{site("etcd_drain {\n x\n}"), "unexpected 'x' after etcd_drain"},
		{site("etcd_cross_origin x"), "unexpected 'x' after etcd_cross_origin"},
		{transport("etcd x"), "unexpected 'x' after etcd"},
		{transport("etcd {\n surprise\n}"), "unknown option 'surprise' in etcd"},
		{transport("etcd {\n direct x\n}"), "unexpected 'x' after direct"},
		{transport("etcd {\n direct\n direct\n}"), "direct is set twice"},
		{transport("etcd {\n tls\n tls\n}"), "tls is set twice"},
		{transport("etcd {\n tls {\n surprise\n }\n}"), "unknown option 'surprise' in tls"},
	} {
		refuses(t, c.caddyfile, c.because)
	}
	// The handlers with limits, alone and as parts of the directive.
	for name, part := range map[string]string{"etcd_lock": "lock", "etcd_leader": "leader"} {
		within := func(lines string) string { return site("etcd {\n" + lines + "\n}") }
		refuses(t, within(part+"\n"+part), part+" is set twice")
		refuses(t, within(part+"\nlock\nleader"), part+" is set twice")
		for _, c := range []struct{ options, because string }{
			{" x", "unexpected 'x' after NAME"},
			{" {\n surprise x\n}", "unknown option 'surprise' in NAME"},
			{" {\n max_waiting\n}", "max_waiting needs a value"},
			{" {\n max_waiting many\n}", "max_waiting 'many' is not a number above 0"},
			{" {\n max_waiting 0\n}", "max_waiting '0' is not a number above 0"},
			{" {\n max_waiting 1\n max_waiting 2\n}", "max_waiting is set twice"},
			{" {\n max_value 2MiB\n}", "max_value 2097152 is more than"},
			{" {\n max_key -1\n}", "max_key '-1' is not a number above 0"},
			{" {\n max_body 1KiB x\n}", "unexpected 'x' after max_body"},
			{" {\n max_ttl long\n}", "max_ttl 'long' is not a duration above 0"},
			{" {\n max_ttl 1500ms\n}", "max_ttl 1.5s is not a whole number of seconds"},
		} {
			refuses(t, site(name+c.options), strings.Replace(c.because, "NAME", name, 1))
			refuses(t, within(part+c.options), strings.Replace(c.because, "NAME", part, 1))
		}
	}
}

// refuses fails the test unless a Caddyfile makes an error that says so.
func refuses(t *testing.T, caddyfile, because string) {
	t.Helper()
	if got := adapted(t, caddyfile); !strings.Contains(got, because) {
		t.Errorf("%s\ngot %s, want an error with %q", caddyfile, got, because)
	}
}

// TestExample is for Caddyfile.example: it is as caddy fmt would have it, and
// can be loaded, also with the lines that are there to be uncommented.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := adapted(t, string(text)); !strings.HasPrefix(got, "{") {
		t.Error(got)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		indent, rest, ok := strings.Cut(line, "#\t")
		if ok && strings.TrimSpace(indent) == "" {
			line = indent + rest
		}
		lines = append(lines, line)
	}
	if got := adapted(t, strings.Join(lines, "")); !strings.HasPrefix(got, "{") || !strings.Contains(got, "Access-Control-Allow-Origin") {
		t.Errorf("with everything uncommented: %s", got)
	}
}
