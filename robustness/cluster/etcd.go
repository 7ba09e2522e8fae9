package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// prefix is where the gateways keep what is theirs.
const prefix = "/_etcd/mod"

// Queues are all queues that stand in etcd, as a member says that knows the newest state.
func (s *System) Queues(ctx context.Context, member int) (map[history.Name][]history.Entry, error) {
	if s.API == "v2" {
		return s.queuesV2(ctx, member)
	}
	kvs, _, err := s.keys(ctx, member, prefix+"/")
	if err != nil {
		return nil, err
	}
	queues := make(map[history.Name][]history.Entry)
	for _, kv := range kvs { // in the order in which they were made
		segments := strings.Split(strings.TrimPrefix(string(kv.Key), prefix+"/"), "/")
		if len(segments) != 3 || segments[0] != history.Lock && segments[0] != history.Leader {
			continue
		}
		key, err := url.PathUnescape(segments[1])
		if err != nil {
			return nil, err
		}
		index, err := strconv.ParseUint(kv.CreateRevision, 10, 64)
		if err != nil {
			return nil, err
		}
		text, value, _ := bytes.Cut(kv.Value, []byte("\n"))
		var record struct{ State string }
		if err := json.Unmarshal(text, &record); err != nil {
			return nil, fmt.Errorf("%s: %w", kv.Key, err)
		}
		name := history.Name{Space: segments[0], Key: key}
		queues[name] = append(queues[name], history.Entry{
			Index: index, Value: string(value), HasValue: strings.HasPrefix(segments[2], "v-"), Held: record.State == "held",
		})
	}
	return queues, nil
}

// Term is the term that a member knows of: with each leader there is a new one.
func (s *System) Term(ctx context.Context, member int) (uint64, error) {
	var answer struct{ RaftTerm string }
	if err := s.ask(ctx, member, "/v3/maintenance/status", struct{}{}, &answer); err != nil {
		return 0, err
	}
	return strconv.ParseUint(answer.RaftTerm, 10, 64)
}

// keyValue is a key as etcd's JSON has it.
type keyValue struct {
	Key            []byte `json:"key"`
	Value          []byte `json:"value"`
	CreateRevision string `json:"create_revision"`
}

// keys are all keys with a prefix, in the order in which they were made, and the revision.
func (s *System) keys(ctx context.Context, member int, prefix string) ([]keyValue, int64, error) {
	end := []byte(prefix)
	end[len(end)-1]++
	var answer struct {
		Header struct{ Revision string }
		KVs    []keyValue `json:"kvs"`
	}
	err := s.ask(ctx, member, "/v3/kv/range", map[string]any{
		"key":       base64.StdEncoding.EncodeToString([]byte(prefix)),
		"range_end": base64.StdEncoding.EncodeToString(end), "sort_target": "CREATE", "sort_order": "ASCEND",
	}, &answer)
	if err != nil {
		return nil, 0, err
	}
	revision, err := strconv.ParseInt(answer.Header.Revision, 10, 64)
	return answer.KVs, revision, err
}

// queuesV2 is Queues over the v2 API.
func (s *System) queuesV2(ctx context.Context, member int) (map[history.Name][]history.Entry, error) {
	queues := make(map[history.Name][]history.Entry)
	for _, space := range []string{history.Lock, history.Leader} {
		var answer struct{ Node node }
		switch err := s.get(ctx, member, "/v2/keys"+prefix+"/"+space+"?recursive=true&sorted=true&quorum=true", &answer); {
		case isMissing(err):
			continue
		case err != nil:
			return nil, err
		}
		for _, dir := range answer.Node.Nodes {
			key, err := url.PathUnescape(last(dir.Key))
			if err != nil {
				return nil, err
			}
			name := history.Name{Space: space, Key: key}
			for _, n := range dir.Nodes { // in the order of their names, which are their indices
				index, err := strconv.ParseUint(last(n.Key), 10, 64)
				if err != nil {
					return nil, err
				}
				// A new entry has the TTL of its gateway's session, one that waits has none.
				held := n.ModifiedIndex != n.CreatedIndex && n.Expiration != ""
				e := history.Entry{Index: index, Value: n.Value, HasValue: n.Value != "-", Held: held}
				if !e.HasValue {
					e.Value = ""
				}
				queues[name] = append(queues[name], e)
			}
		}
	}
	return queues, nil
}

type node struct {
	Key, Value, Expiration      string
	Dir                         bool
	CreatedIndex, ModifiedIndex uint64
	Nodes                       []node
}

func last(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// Left is what the gateways have left in etcd though all of them were stopped: keys
// and leases. What ends by itself, as a session does, is left until
// it has.
func (s *System) Left(ctx context.Context) (left []string, err error) {
	if s.API == "v2" {
		return s.leftV2(ctx)
	}
	kvs, _, err := s.keys(ctx, 0, prefix+"/")
	for _, kv := range kvs {
		left = append(left, string(kv.Key))
	}
	if err != nil {
		return nil, err
	}
	var answer struct{ Leases []struct{ ID string } }
	err = s.ask(ctx, 0, "/v3/lease/leases", struct{}{}, &answer)
	for _, l := range answer.Leases {
		left = append(left, "lease "+l.ID)
	}
	return left, err
}

// leftV2 is Left over the v2 API. Directories that are empty may stay, which the gateways
// delete minutes later, if they still run; so may the records of who has waited, if they end by
// themselves; and two keys, of which there is never more than one each.
func (s *System) leftV2(ctx context.Context) (left []string, err error) {
	var answer struct{ Node node }
	err = s.get(ctx, 0, "/v2/keys"+prefix+"?recursive=true&quorum=true", &answer)
	if isMissing(err) {
		return nil, nil
	}
	var look func(n node)
	look = func(n node) {
		name := strings.TrimPrefix(n.Key, prefix+"/")
		record := strings.HasPrefix(name, "parties/") && n.Expiration != ""
		if !n.Dir && !record && name != "observed" && name != "tidied" {
			left = append(left, n.Key)
		}
		for _, child := range n.Nodes {
			look(child)
		}
	}
	look(answer.Node)
	return left, err
}

// Forget has etcd forget its history: by a compaction or, over v2, by more events than
// it keeps.
func (s *System) Forget(ctx context.Context, member int) error {
	if s.API == "v2" {
		var many errgroup.Group
		many.SetLimit(50) // where the disk is slow, each of them takes long
		for i := range 1100 {
			many.Go(func() error {
				return s.insist(ctx, member, 5*time.Second, func(ctx context.Context, member int) error {
					return s.put(ctx, member, fmt.Sprintf("/v2/keys/filler?value=%d", i))
				})
			})
		}
		return many.Wait()
	}
	return s.insist(ctx, member, 5*time.Second, func(ctx context.Context, member int) error {
		_, revision, err := s.keys(ctx, member, "/no-such-key/")
		if err == nil {
			err = s.ask(ctx, member, "/v3/kv/compaction", map[string]any{"revision": revision, "physical": true}, nil)
		}
		return err
	})
}

// Defragment has a member write its database anew, during which it serves nobody.
func (s *System) Defragment(ctx context.Context, member int) error {
	return s.insist(ctx, member, 10*time.Second, func(ctx context.Context, member int) error {
		return s.ask(ctx, member, "/v3/maintenance/defragment", struct{}{}, nil)
	})
}

// insist asks a member, and then one after the other, until one of them does it: something
// else may be the matter meanwhile.
func (s *System) insist(ctx context.Context, member int, patience time.Duration, do func(ctx context.Context, member int) error) error {
	for deadline := time.Now().Add(30 * time.Second); ; member++ {
		attempt, cancel := context.WithTimeout(ctx, patience)
		err := do(attempt, member%len(s.Etcd.Members))
		cancel()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // between two attempts
	}
}

// ask calls a method of etcd's JSON API.
func (s *System) ask(ctx context.Context, member int, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.do(ctx, http.MethodPost, member, path, bytes.NewReader(b), answer)
}

func (s *System) get(ctx context.Context, member int, path string, answer any) error {
	return s.do(ctx, http.MethodGet, member, path, nil, answer)
}

func (s *System) put(ctx context.Context, member int, path string) error {
	return s.do(ctx, http.MethodPut, member, path, nil, nil)
}

// refused is an answer that is no success.
type refused struct {
	status int
	body   string
}

func (r refused) Error() string { return fmt.Sprintf("etcd answers %d: %s", r.status, r.body) }

func isMissing(err error) bool {
	r, ok := err.(refused) //nolint:errorlint // it comes from do, as it is
	return ok && r.status == http.StatusNotFound
}

func (s *System) do(ctx context.Context, method string, member int, path string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.Etcd.Members[member].Endpoint+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return refused{resp.StatusCode, string(b)}
	case answer == nil:
		return nil
	}
	return json.Unmarshal(b, answer)
}
