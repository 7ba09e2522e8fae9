package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// service is what etcd tells about itself.
var service = []query{
	{line: "GET /version", want: `{"etcdserver":"3.`},
	{line: "HEAD /version", want: "HTTP/1.1"},
	{line: "POST /version", want: "405"},
	{line: "GET /health", want: `"health":"true"`},
	{line: "HEAD /health", want: "405"},
	{line: "POST /health", want: "405"},
	{line: "GET /health?serializable=true", want: `"health":"true"`},
	{line: "GET /health?exclude=NOSPACE&exclude=CORRUPT", want: `"health":"true"`},
	{line: "GET /health?exclude=nonsense", want: `"health":"true"`},
	{line: "GET /readyz", want: "HTTP/1.1"},
	{line: "GET /livez", want: "HTTP/1.1"},
	{line: "GET /livez/serializable_read", want: "HTTP/1.1"},
	{line: "GET /metrics", names: true, want: "etcd_server_has_leader"},
	{line: "GET /metrics", head: "Accept-Encoding: gzip\r\n", names: true, want: "Content-Encoding: gzip"},
	{line: "GET /metrics", head: "Accept: application/openmetrics-text; version=1.0.0\r\n", names: true, want: "Content-Type: "},
	{line: "GET /members", want: "404"},
	{line: "GET /debug/vars", names: true, want: `"memstats":`},
	{line: "GET /debug/pprof", want: "HTTP/1.1"},
	{line: "GET /debug/pprof/", names: true, want: "200 OK"},
	{line: "GET /debug/pprof/goroutine?debug=1", names: true, want: "200 OK"},
	{line: "GET /debug/pprof/nonsense", want: "Unknown profile"},
	{line: "GET /config", want: "404"},
	{line: "GET /config/local/log", want: "404"},
	{line: "GET /", want: "404"},
	{line: "GET /favicon.ico", want: "404"},
	{line: "GET /robots.txt", want: "404"},
	{line: "GET /model", want: "404"},
}

// oddBodies are requests whose bodies are not what they might be.
var oddBodies = []query{
	{line: "POST /v3/kv/range", body: `{"key":`, want: "400"},
	{line: "POST /v3/kv/range", body: `nonsense`, want: "400"},
	{line: "POST /v3/kv/range", body: `{"nonsense":1}`, want: "HTTP/1.1"},
	{line: "POST /v3/kv/range", body: `{"key":"not base64!"}`, want: "400"},
	{line: "POST /v3/kv/range", head: "Content-Length: 0\r\n", want: "HTTP/1.1"},
	{line: "POST /v3/kv/range", head: "Content-Type: application/x-www-form-urlencoded\r\n", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/range", head: "Transfer-Encoding: chunked\r\n", raw: true, body: "8\r\n{\"key\":\"\r\n7\r\nYS8x\"}\n\r\n0\r\n\r\n", want: `"count":"1"`},
	{line: "POST /v3/kv/range", head: "Transfer-Encoding: chunked\r\nTrailer: X-Last\r\n", raw: true, body: "e\r\n{\"key\":\"YS8x\"}\r\n0\r\nX-Last: 1\r\n\r\n", want: `"count":"1"`},
	{line: "POST /v3/kv/range", head: "Accept-Encoding: gzip, br\r\nAccept: */*\r\nUser-Agent: battery\r\n", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/range", head: "Accept: text/html\r\n", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/range", head: "Grpc-Timeout: 1n\r\n", body: `{"key":"<a/1>"}`, want: "deadline"},
	{line: "POST /v3/kv/range", head: "Grpc-Timeout: nonsense\r\n", body: `{"key":"<a/1>"}`, want: "400"},
	{line: "GET /version", head: "X-Long: " + strings.Repeat("long", 5_000) + "\r\n", want: "200 OK"},
	{line: "GET /version", head: "Connection: close\r\n", want: "200 OK"},
	{line: "GET /version", head: "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n", want: "200 OK"},
	{line: "POST /v3/kv/put", body: `{"key":"<a/large>","value":"` + strings.Repeat("bGFyZ2U0", 100_000) + `"}`, want: `{"header"`},
	{line: "POST /v3/kv/put", body: `{"key":"<a/large>","value":"` + strings.Repeat("bGFyZ2U0", 300_000) + `"}`, want: "HTTP/1.1 4"},
}

// oddPaths are requests whose methods or paths are not what they might be.
var oddPaths = []query{
	{line: "GET /v3/kv/put", want: "HTTP/1.1"},
	{line: "HEAD /v3/kv/put", want: "HTTP/1.1"},
	{line: "PUT /v3/kv/put", want: "HTTP/1.1"},
	{line: "DELETE /v3/kv/put", want: "HTTP/1.1"},
	{line: "OPTIONS /v3/kv/put", want: "200 OK"},
	{line: "OPTIONS /v3/kv/put", head: "Access-Control-Request-Method: POST\r\n", want: "200 OK"},
	{line: "PURGE /version", want: "405"},
	{line: "POST /v3/nothing", body: `{}`, want: "404"},
	{line: "POST /v3/kv", body: `{}`, want: "404"},
	{line: "POST /v3/kv/range/", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "POST /v3/kv/range?", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/range?a=1;b=2", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "POST /v3/kv/range?x=%zz", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "GET /health?serializable=true;exclude=NOSPACE", want: "HTTP/1.1"},
	{line: "GET /health?serializable=%zz", want: "HTTP/1.1"},
	{line: "GET /version?&&=&", want: "200 OK"},
	{line: "POST /v3%2Fkv%2Frange", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "POST /v3/kv%2Frange", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "POST /v3/k%76/range", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "GET //version", want: "HTTP/1.1"},
	{line: "POST /v3//kv/range", body: `{"key":"<a/1>"}`, want: "HTTP/1.1"},
	{line: "GET /./version", want: "HTTP/1.1"},
	{line: "GET /v3/../version", want: "HTTP/1.1"},
	{line: "GET /v3/%2e%2e/version", want: "HTTP/1.1"},
	{line: "GET /..", want: "HTTP/1.1"},
	{line: "GET /version%00", want: "HTTP/1.1"},
	{line: "GET /version%20", want: "HTTP/1.1"},
	{line: "GET /%zz", want: "HTTP/1.1 400"},
	{line: "GET /VERSION", want: "404"},
	{line: "GET /" + strings.Repeat("long/", 700), want: "HTTP/1.1"},
	{line: "GET http://$HOST/version", want: "200 OK"},
}

// expecting waits to be told to go on, many times.
func expecting() []step {
	return []step{{"Expect: 100-continue", "100 Continue", func(ctx context.Context, s *side) string {
		transcripts := make(map[string]bool)
		for range 30 {
			transcripts[s.ask(ctx, query{line: "POST /v3/kv/range", head: "Expect: 100-continue\r\n", body: `{"key":"<a/1>"}`})] = true
		}
		return fmt.Sprint(transcripts)
	}}}
}

// webSockets watch through one: etcd hands what comes in on to its JSON gateway.
func webSockets() []step {
	return []step{
		{"watch", `"kv"`, func(ctx context.Context, s *side) string {
			return s.webSocket(ctx, `{"create_request":{"key":"<w>","start_revision":$start}}`, 2)
		}},
		{"watch from what is gone", `"compact_revision"`, func(ctx context.Context, s *side) string {
			return s.webSocket(ctx, `{"create_request":{"key":"<w>","start_revision":1}}`, 2)
		}},
		{"no version", "400", func(ctx context.Context, s *side) string {
			return s.ask(ctx, query{line: "GET /v3/watch", head: "Connection: Upgrade\r\nUpgrade: websocket\r\n"})
		}},
	}
}

// webSocket opens one, sends a message, and reads that many.
func (s *side) webSocket(ctx context.Context, message string, frames int) string {
	conn, err := s.dial(ctx, "http/1.1")
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	open := query{line: "GET /v3/watch?method=POST", head: "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"}
	if _, err := io.WriteString(conn, open.text(s)); err != nil {
		return err.Error()
	}
	in := bufio.NewReader(conn)
	_, transcript, err := readHead(in, "GET")
	if err != nil {
		return transcript + err.Error()
	}
	payload := inBase64(s.filled(message))
	frame := []byte{0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0} // text, masked with zeros
	binary.BigEndian.PutUint16(frame[2:], uint16(len(payload)))
	if _, err := conn.Write(append(frame, payload...)); err != nil {
		return transcript + err.Error()
	}
	for range frames {
		head := make([]byte, 2)
		if _, err := io.ReadFull(in, head); err != nil {
			return transcript + err.Error()
		}
		size := int(head[1])
		if size == 126 {
			long := make([]byte, 2)
			if _, err := io.ReadFull(in, long); err != nil {
				return transcript + err.Error()
			}
			size = int(binary.BigEndian.Uint16(long))
		}
		text := make([]byte, size)
		_, err := io.ReadFull(in, text)
		transcript += fmt.Sprintf("frame %x: %s\n", head[0]&0xf, text)
		if err != nil {
			return transcript + err.Error()
		}
	}
	return transcript
}

// inBase64 has each text between < and > in base64, as JSON has bytes.
func inBase64(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "<")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		text, rest, _ = strings.Cut(rest, ">")
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(text)))
		text = rest
	}
}
