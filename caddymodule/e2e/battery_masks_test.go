package e2e

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// These are all the differences that the battery allows. The first list is what a
// gateway changes, the second what two etcds differ in by themselves.

// hopHeaders are the headers that are not compared, by the beginnings of their
// names, and why.
var hopHeaders = map[string]string{
	"Date":            "the time",
	"Via":             "the gateway says that it is there, as RFC 9110 asks of it",
	"Server":          "the gateway's name; etcd has none",
	"Connection":      "is about one connection, of which there are two",
	"Keep-Alive":      "is about one connection, of which there are two",
	"Trailer":         "announces trailers, which are compared",
	"Access-Control-": "CORS is the site's, and etcd's own headers are taken away",
	"Alt-Svc":         "the gateway may have HTTP/3",
}

// hopHeader says whether a line is one of them.
func hopHeader(line string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(hopHeaders)), func(name string) bool {
		before, after, _ := strings.Cut(line, ":")
		return strings.EqualFold(before, name) ||
			strings.HasSuffix(name, "-") && len(before) > len(name) && strings.EqualFold(before[:len(name)], name) && after != ""
	})
}

// varying are the parts of transcripts that two etcds differ in by themselves, and
// why.
var varying = []struct {
	why  string
	what *regexp.Regexp
	as   string
}{
	{"how long it took", regexp.MustCompile(`(took:? (= )?|"took":"?)[\d.]+(ns|µs|ms|s)?`), "${1}TIME"},
	{"the TTL that is left", regexp.MustCompile(`remaining\(\d+s\)`), "remaining(TTL)"},
	{"the time of an error in etcdctl's log", regexp.MustCompile(`"ts":[^,]*`), `"ts":TIME`},
	{"an address in etcdctl's memory", regexp.MustCompile(`"etcd-endpoints://0x[0-9a-f]+/`), `"etcd-endpoints://ADDRESS/`},
	{"an etcdctl's own name", regexp.MustCompile(`client-[0-9a-f-]{36}`), "CLIENT"},
	{"an etcdctl's own port", regexp.MustCompile(`LocalAddr: '127\.0\.0\.1:\d+'`), "LocalAddr"},
	{"the size of the database", regexp.MustCompile(`(?i)("?db_?Size(_?In_?Use)?"?( : |: ?"?))\d+`), "${1}SIZE"},
	{"the size of the database", regexp.MustCompile(`[\d.]+ [kM]B(, [\d.]+ [kM]B, +\d+%| [│|]\s+[\d.]+ [kM]B [│|]\s+\d+%)?`), "SIZE"},
	{"the hash of a whole database, addresses of members included", regexp.MustCompile(`("revision": ?"\d+", ?"raft_term": ?"2"\}, ?"hash": ?)\d+\}`), "${1}HASH}"},
	{"the TTL that is left", regexp.MustCompile(`"ttl":\d+|ttl: \d+|TTL: \d+`), "TTL"},
	{"when a key expires", regexp.MustCompile(`"expiration":"[^"]*"`), `"expiration":TIME`},
	{"how far etcd's log is: it writes a note every half second while a key has a TTL", regexp.MustCompile(`X-Raft-Index: \d+`), "X-Raft-Index"},
	{"what etcdctl says while it takes a snapshot", regexp.MustCompile(`"size":"[^"]*","took":"[^"]*"`), "SIZE"},
}

// longest is how long a line may be that something in it may differ in. What is longer
// is a value, and nothing in it may.
const longest = 10_000

// masked is a transcript without what may differ. The address that clients ask is
// named, and so is what etcd has made up.
func (s *side) masked(transcript string) string {
	transcript = strings.ReplaceAll(transcript, s.host, "HOST")
	transcript = strings.ReplaceAll(transcript, s.dir, "DIR")
	for _, name := range slices.Sorted(maps.Keys(s.known)) {
		transcript = strings.ReplaceAll(transcript, s.known[name], "<"+name+">")
		if id := decimal(s.known[name]); id != "" {
			transcript = strings.ReplaceAll(transcript, id, "<"+name+">")
		}
	}
	var all strings.Builder
	for line := range strings.Lines(transcript) {
		if len(line) <= longest {
			for _, v := range varying {
				line = v.what.ReplaceAllString(line, v.as)
			}
		}
		all.WriteString(line)
	}
	return all.String()
}

// known are the steps of which it is known that the gateway differs, by the names of
// their pair, group and step, and why. They fail when it no longer does.
var known = []struct {
	why  string
	step *regexp.Regexp
}{
	{
		"this etcdctl names the host that it asks with its http://, and Caddy refuses that as no host",
		regexp.MustCompile(`^commands on .*: (first, )?etcdctl 3\.4: (endpoint (hashkv|status)|defrag|move-leader)`),
	},
	{
		"to an answer that is nothing but headers, Go's server adds that its length is 0",
		regexp.MustCompile(`^clients on .*: gRPC: a call that fails$`),
	},
}

// knownToDiffer is why a step is known to differ, or nothing.
func knownToDiffer(step string) string {
	for _, k := range known {
		if k.step.MatchString(step) {
			return k.why
		}
	}
	return ""
}
