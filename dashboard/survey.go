package dashboard

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

const (
	// fresh is how long a result is good. Pages ask every 2 s, however many there are.
	fresh = time.Second

	// patience is how long an endpoint may take to tell about itself, and then one of
	// them about the others.
	patience = time.Second
)

// Options are how the cluster is reached.
type Options struct {
	API                string   // v3 or v2
	Endpoints          []string // URLs, or the unix:PATH of the embedded etcd
	TLS                *tls.Config
	Prefix             string // of the gateway's keys
	Username, Password string // of the gateway, if etcd asks for a user
}

// Survey asks all endpoints what they are doing, when somebody wants to know. All who
// want to know at the same time, or within a second, get the same answer, so it does
// not matter to etcd how many they are.
type Survey struct {
	options   Options
	api       api
	endpoints []*endpoint
	closeIdle func()

	ctx    context.Context // of the rounds
	cancel context.CancelFunc
	rounds sync.WaitGroup

	mu     sync.Mutex
	last   *round
	closed bool

	known known // for the round that runs
	login login
}

// round is one time of asking everybody.
type round struct {
	done   chan struct{}
	result []byte    // once it is done
	end    time.Time // once it is done
}

// over says whether the round's result is too old.
func (r *round) over() bool {
	select {
	case <-r.done:
		return time.Since(r.end) >= fresh
	default:
		return false
	}
}

// NewSurvey makes a survey, which asks nothing yet.
func NewSurvey(o Options) *Survey {
	s := &Survey{options: o, api: apis[o.API], known: newKnown()}
	s.login.turn = make(chan struct{}, 1)
	endpoints, transport := newEndpoints(o.Endpoints, o.TLS)
	s.endpoints, s.closeIdle = endpoints, transport.CloseIdleConnections
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends what is under way. Report returns store.ErrClosed from then on.
func (s *Survey) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.rounds.Wait()
	s.closeIdle()
}

// Report returns a Cluster as JSON, at most a second old. It takes at most 2 seconds.
// With authentication on, etcd tells nobody without a user's password what is in it:
// then the gateway's is used, so whoever gets a report has seen more than etcd itself
// would have shown him. It is about members, and never about keys.
func (s *Survey) Report(ctx context.Context) ([]byte, error) {
	r, err := s.join()
	if err != nil {
		return nil, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.ctx.Err() != nil {
		return nil, store.ErrClosed
	}
	return r.result, nil
}

// Serve answers a request for ClusterPath with a report. Its errors are those of Report,
// and lockmod.NotAllowed; then nothing is written but headers.
func (s *Survey) Serve(w http.ResponseWriter, r *http.Request) error {
	if err := ReadsOnly(w, r); err != nil {
		return err
	}
	text, err := s.Report(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // for HEAD, net/http throws it away
	return nil
}

// join is the last round, or a new one if that is over.
func (s *Survey) join() (*round, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	if s.last == nil || s.last.over() {
		r := &round{done: make(chan struct{})}
		s.last = r
		s.rounds.Go(func() { s.run(r) }) // whoever wanted it may go before it ends
	}
	return s.last, nil
}

func (s *Survey) run(r *round) {
	defer close(r.done)
	cluster := s.ask()
	cluster.Time = float64(time.Now().UnixMilli()) / 1000
	var err error
	if r.result, err = json.Marshal(cluster); err != nil {
		panic(err) // numbers have been checked to be some
	}
	r.end = time.Now()
}

// ask asks everybody.
func (s *Survey) ask() Cluster {
	answers := make([]answer, len(s.endpoints))
	var asking sync.WaitGroup
	for i, e := range s.endpoints {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			defer cancel()
			answers[i] = s.api.ask(ctx, s, e)
			answers[i].endpoint = e
		})
	}
	asking.Wait()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for _, a := range inOrderOfTrust(answers) {
		if members, err := s.api.list(ctx, s, a.endpoint); err == nil {
			s.known.members = members
			break
		}
	}
	return s.known.cluster(s.options.API, answers)
}

// api is how one of etcd's APIs tells about the cluster.
type api struct {
	ask  func(context.Context, *Survey, *endpoint) answer
	list func(context.Context, *Survey, *endpoint) ([]Member, error) // what is not known is left empty
}

var apis = map[string]api{
	"v3": {askV3, listV3},
	"v2": {askV2, listV2},
}

// answer is what an endpoint tells about itself.
type answer struct {
	endpoint *endpoint
	id       string
	learner  bool
	status   *Status // nil if it doesn't answer
	latency  float64
	metrics  *Metrics // nil if there are none
	alarms   []Alarm  // of all members
	err      error    // if there is no status
}
