package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What is taken of a member's metrics.
const (
	callsMetric     = "grpc_server_handled_total"
	fsyncMetric     = "etcd_disk_wal_fsync_duration_seconds"
	commitMetric    = "etcd_disk_backend_commit_duration_seconds"
	roundTripMetric = "etcd_network_peer_round_trip_time_seconds"
	activeMetric    = "etcd_network_active_peers"
	quotaMetric     = "etcd_server_quota_backend_bytes"
	committedMetric = "etcd_server_proposals_committed_total"
	appliedMetric   = "etcd_server_proposals_applied_total"
)

var taken = []string{callsMetric, fsyncMetric, commitMetric, roundTripMetric, activeMetric, quotaMetric, committedMetric, appliedMetric}

// families are a member's metrics.
type families map[string]*dto.MetricFamily

// metrics asks for them.
func (e *endpoint) metrics(ctx context.Context) (families, error) {
	r, err := e.send(ctx, http.MethodGet, "/metrics", "", "", mostMetrics)
	if err != nil {
		return nil, err
	}
	if r.status != http.StatusOK { // with --listen-metrics-urls, they are elsewhere
		return nil, trouble("has no metrics here")
	}
	return parseMetrics(r.body)
}

func parseMetrics(text []byte) (families, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(bytes.NewReader(wanted(text)))
	if err != nil {
		return nil, fmt.Errorf("parsing metrics: %w", err)
	}
	return found, nil
}

// wanted leaves out all other metrics, the buckets, and the help: of a few hundred
// kilobytes, what is left is a few.
func wanted(text []byte) []byte {
	var left []byte
	for line := range bytes.Lines(text) {
		name := bytes.TrimPrefix(line, []byte("# TYPE "))
		for _, t := range taken {
			rest, ok := bytes.CutPrefix(name, []byte(t))
			if ok && !bytes.HasPrefix(rest, []byte("_bucket")) {
				left = append(left, line...)
			}
		}
	}
	return left
}

// of is what those of a member say, but for requests. Members that share a process
// share the metrics too.
func (f families) of(id string) *Metrics {
	m := &Metrics{Peers: make(map[string]Peer), ActivePeers: []string{}}
	if all := f[fsyncMetric].GetMetric(); len(all) == 1 {
		m.FSync = timing(all[0])
	}
	if all := f[commitMetric].GetMetric(); len(all) == 1 {
		m.Commit = timing(all[0])
	}
	for _, metric := range f[roundTripMetric].GetMetric() {
		if t := timing(metric); t != nil {
			m.Peers[label(metric, "To")] = Peer{Timing: t}
		}
	}
	for _, metric := range f[activeMetric].GetMetric() {
		if label(metric, "Local") == id && value(metric) > 0 {
			m.ActivePeers = append(m.ActivePeers, label(metric, "Remote"))
		}
	}
	slices.Sort(m.ActivePeers)
	return m
}

// calls counts the calls of gRPC that have ended, and those that failed.
func (f families) calls() (handled, failed *uint64) {
	if f[callsMetric] == nil {
		return nil, nil
	}
	handled, failed = new(uint64), new(uint64)
	for _, metric := range f[callsMetric].GetMetric() {
		switch label(metric, "grpc_service") {
		case "etcdserverpb.Maintenance", "etcdserverpb.Cluster":
			continue
		}
		n := count(value(metric))
		*handled += n
		switch label(metric, "grpc_code") {
		case "OK", "Canceled":
		default:
			*failed += n
		}
	}
	return handled, failed
}

// value is that of a metric that stands alone.
func (f families) value(name string) (float64, bool) {
	all := f[name].GetMetric()
	if len(all) != 1 {
		return 0, false
	}
	v := value(all[0])
	return v, v >= 0 && v < math.MaxInt64
}

// value is that of a counter, a gauge, or something without a type.
func value(m *dto.Metric) float64 {
	return max(m.GetCounter().GetValue(), m.GetGauge().GetValue(), m.GetUntyped().GetValue())
}

// count is 0 for what is no count.
func count(v float64) uint64 {
	if v >= 0 && v < 1<<53 {
		return uint64(v)
	}
	return 0
}

// timing is nil for what is no histogram, or has no number for its sum.
func timing(m *dto.Metric) *Timing {
	h := m.GetHistogram()
	if h == nil || math.IsNaN(h.GetSampleSum()) || math.IsInf(h.GetSampleSum(), 0) {
		return nil
	}
	return &Timing{Sum: h.GetSampleSum(), Count: h.GetSampleCount()}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if strings.EqualFold(l.GetName(), name) {
			return l.GetValue()
		}
	}
	return ""
}
