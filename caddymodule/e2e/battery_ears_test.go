package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// ear is a way to listen to the key "ear" in an etcd. It returns when nothing that
// then happens is missed, with the times of events as they come in.
type ear struct {
	name   string
	listen func(ctx context.Context, t *testing.T, url string) <-chan time.Time
	write  func(ctx context.Context, url string) error
}

var ears = []ear{
	{"a watch with JSON", listenJSON, writeV3},
	{"a watch with gRPC", listenGRPC, writeV3},
	{"a long poll", listenPoll, writeV2},
	{"a stream of v2", listenStream, writeV2},
}

// heard has as many events as anybody here waits for.
func heard() chan time.Time { return make(chan time.Time, 1000) }

// opened sends a request whose answer goes on, and returns what is to be read.
func opened(ctx context.Context, t *testing.T, method, url, body string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

func listenJSON(ctx context.Context, t *testing.T, url string) <-chan time.Time {
	t.Helper()
	in := opened(ctx, t, http.MethodPost, url+"/v3/watch", inBase64(`{"create_request":{"key":"<ear>"}}`))
	if _, err := in.ReadString('\n'); err != nil { // that the watch is there
		t.Fatal(err)
	}
	return lines(in)
}

func listenStream(ctx context.Context, t *testing.T, url string) <-chan time.Time {
	t.Helper()
	return lines(opened(ctx, t, http.MethodGet, url+"/v2/keys/ear?wait=true&stream=true", ""))
}

// lines are events, one each.
func lines(in *bufio.Reader) <-chan time.Time {
	events := heard()
	go func() {
		for {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			events <- time.Now()
		}
	}()
	return events
}

func listenGRPC(ctx context.Context, t *testing.T, url string) <-chan time.Time {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	watch := c.Watch(ctx, "ear", clientv3.WithCreatedNotify())
	<-watch
	events := heard()
	go func() {
		for resp := range watch {
			for range resp.Events {
				events <- time.Now()
			}
		}
	}()
	return events
}

// listenPoll asks anew after each event, for the one after it.
func listenPoll(ctx context.Context, t *testing.T, url string) <-chan time.Time {
	t.Helper()
	in := opened(ctx, t, http.MethodGet, url+"/v2/keys/ear?wait=true", "")
	events := heard()
	go func() {
		for {
			var event struct {
				Node struct{ ModifiedIndex uint64 }
			}
			if err := json.NewDecoder(in).Decode(&event); err != nil {
				return
			}
			events <- time.Now()
			next := fmt.Sprintf("%s/v2/keys/ear?wait=true&waitIndex=%d", url, event.Node.ModifiedIndex+1)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, next, nil)
			if err != nil {
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = resp.Body.Close() })
			in = bufio.NewReader(resp.Body)
		}
	}()
	return events
}

func writeV3(ctx context.Context, url string) error {
	return write(ctx, http.MethodPost, url+"/v3/kv/put", inBase64(`{"key":"<ear>","value":"<v>"}`))
}

func writeV2(ctx context.Context, url string) error {
	return write(ctx, http.MethodPut, url+"/v2/keys/ear?value=v", "")
}

func write(ctx context.Context, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, url, resp.Status, text)
	}
	return err
}
