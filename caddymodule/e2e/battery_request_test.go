package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// query is a step with HTTP/1.1, written by hand, since no client would send all
// that is tried here. $NAME is as in a command.
type query struct {
	line   string // method and target
	want   string
	head   string // more lines, each with its end
	body   string
	raw    bool   // body has its framing itself, for which head has said how
	learn  string // as a command's
	note   string
	events int  // the answer does not end: that many lines are read
	names  bool // what is compared of the body is the names in it
}

// requesting makes a group's steps of requests.
func requesting(requests []query) func() []step {
	return func() []step {
		var steps []step
		for _, r := range requests {
			name := fmt.Sprintf("%.60s %.60s", r.line, r.body)
			if r.head != "" {
				name += fmt.Sprintf(" %.60s", strings.ReplaceAll(r.head, "\r\n", " "))
			}
			steps = append(steps, step{name, r.want, func(ctx context.Context, s *side) string {
				out := s.ask(ctx, r)
				s.remember(r.learn, out, s.known)
				s.remember(r.note, out, s.noted)
				return out
			}})
		}
		return steps
	}
}

// text is the request as it is sent.
func (r query) text(s *side) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: %s\r\n%s", s.filled(r.line), s.host, s.filled(r.head))
	body := inBase64(s.filled(r.body))
	if body != "" && !r.raw {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// dial connects to where clients ask.
func (s *side) dial(ctx context.Context, protocols ...string) (net.Conn, error) {
	if s.certificates == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", s.host)
	}
	config := s.certificates.Config(s.t)
	config.NextProtos = protocols
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", s.host)
}

// ask sends a request, and returns the transcript of what comes back.
func (s *side) ask(ctx context.Context, r query) string {
	conn, err := s.dial(ctx, "http/1.1")
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, r.text(s)); err != nil {
		return err.Error()
	}
	method, _, _ := strings.Cut(r.line, " ")
	in := bufio.NewReader(conn)
	var transcript strings.Builder
	for {
		resp, head, err := readHead(in, method)
		transcript.WriteString(head)
		if err != nil {
			return transcript.String() + err.Error()
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue // it only tells to go on
		}
		body, rest := r.rest(resp)
		// A length that is right says nothing: what is masked may be longer or shorter.
		return strings.Replace(transcript.String(), fmt.Sprintf("Content-Length: %d\r\n", body), "Content-Length: the body's\r\n", 1) + rest
	}
}

// readHead reads an answer's head, as it is but for what is masked, and sorted:
// headers have no order.
func readHead(in *bufio.Reader, method string) (*http.Response, string, error) {
	var whole bytes.Buffer
	var lines []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, "", fmt.Errorf("reading the head: %w", err)
		}
		whole.WriteString(line)
		if line == "\r\n" {
			break
		}
		if !hopHeader(line) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines[1:])
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(&whole, in)), &http.Request{Method: method})
	return resp, strings.Join(lines, "") + "\r\n", err
}

// rest is an answer's body and trailers, or as many lines as are wanted; and how
// long the body was.
func (r query) rest(resp *http.Response) (size int, rest string) {
	if r.events > 0 { // the body is not closed, which would read it to its end
		body := bufio.NewReader(resp.Body)
		for range r.events {
			line, err := body.ReadString('\n')
			rest += line
			if err != nil {
				return 0, rest + err.Error()
			}
		}
		return 0, rest
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	size = len(body)
	if plain, unzip := gzip.NewReader(bytes.NewReader(body)); unzip == nil && r.names {
		body, err = io.ReadAll(plain)
	}
	rest = string(body)
	if r.names {
		rest = namesIn(rest)
	}
	if err != nil {
		rest += err.Error()
	}
	if len(resp.Trailer) > 0 {
		rest += fmt.Sprintf("\ntrailers: %v", resp.Trailer)
	}
	return size, rest
}

var (
	metricName = regexp.MustCompile(`(?m)^# .*$`)
	jsonName   = regexp.MustCompile(`(?m)^"[a-z]+":`)
)

// namesIn are the names of metrics, or of variables, without their values.
func namesIn(body string) string {
	names := jsonName.FindAllString(body, -1)
	names = append(names, metricName.FindAllString(body, -1)...)
	slices.Sort(names)
	return strconv.Itoa(len(names)) + "\n" + strings.Join(names, "\n")
}
